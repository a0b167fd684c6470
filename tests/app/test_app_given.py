"""Slips of whoever calls: each is said where it comes in, with what was expected, and nothing is recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pacte.kernel.errors import BadInput
from pacte.testing.world import World, world


@pytest.fixture
def home(tmp_path: Path) -> World:
    """A house with one subscriber."""
    found = world(tmp_path / "house")
    found.said(found.person(), "given", channel="email")
    return found


@pytest.mark.parametrize(
    ("slip", "words"),
    [
        ({"effective": "2026-01-01"}, "`effective` must be an instant"),
        ({"effective": True}, "`effective` must be an instant"),
        ({"learned": 1.5}, "`learned` must be an instant"),
        ({"channel": 3}, "`channel` must be a text"),
        ({"channel": "e\ud800"}, "`channel` holds characters that no text has"),
        ({"grade": ["form"]}, "`grade` must be a text"),
        ({"authenticated": "yes"}, "`authenticated` must be true or false"),
        ({"chanel": "email"}, "no detail `chanel`; it takes `authenticated`"),
        ({"person": 7}, "`person` must be a text"),
        ({"person": ["ada"]}, "`person` must be a text"),
        ({"person": "key:\udcff"}, "`person` holds characters"),
        ({"person": "email:a\0@example.com"}, "`person` holds characters"),
        ({"purpose": None}, "`purpose` must be a text"),
        ({"act": 1}, "`act` must be a text"),
        ({"by": 17}, "`by` must be a text"),
    ],
    ids=range(15),
)
def test_a_choice_of_the_wrong_kinds(home: World, slip: dict[str, Any], words: str) -> None:
    """No error of Python's own, and the message never repeats the value."""
    before = home.size
    said: dict[str, Any] = {"person": home.people[0], "purpose": "newsletter", "act": "withdrawn", **slip}
    with pytest.raises(BadInput, match=words) as raised:
        home.house.choose(said.pop("person"), said.pop("purpose"), said.pop("act"), **said)
    assert "ada" not in str(raised.value)
    assert home.size == before
    assert home.house.check() == []


def test_one_name_is_no_list_of_names(home: World) -> None:
    """A text in the place of a list would be read letter by letter."""
    slip: Any = "customers.city"
    asked: Any = {"channel": "email"}
    for ask in (
        lambda: home.house.declare("newsletter", fields=slip, **asked),
        lambda: home.house.may(home.people[0], "newsletter", fields=slip, **asked),
        lambda: home.house.permit(home.people[0], "newsletter", fields=slip, **asked),
        lambda: home.house.declare("newsletter", **asked).table(slip),
    ):
        with pytest.raises(BadInput, match="must be a list of names, such as"):
            ask()


@pytest.mark.parametrize("person", ["key:\udcff", "\ud800", "email:\udcff@example.com", "key:a\0b"])
def test_an_identifier_that_is_no_text(home: World, person: str) -> None:
    """Bytes that are not UTF-8 come in as such characters from a terminal."""
    for ask in (
        lambda: home.house.may(person, "newsletter"),
        lambda: home.house.permit(person, "newsletter"),
        lambda: home.house.erase(person),
        lambda: home.house.may(home.people[0], person),
        lambda: home.house.declare(person),
    ):
        with pytest.raises(BadInput, match="holds characters that no text has"):
            ask()


@pytest.mark.parametrize("before", ["", "key:", "email:", "phone:+"])
def test_an_identifier_that_is_too_long(home: World, before: str) -> None:
    """Longer than any field that a file brings: nobody can have it, and whoever typed it pasted something else."""
    person = before + "7" * 1_000_000
    for ask in (
        lambda: home.house.may(person, "newsletter"),
        lambda: home.house.permit(person, "newsletter"),
        lambda: home.house.erase(person),
        lambda: home.house.choose(person, "newsletter", "withdrawn"),
        lambda: home.house.may(home.people[0], person),
    ):
        with pytest.raises(BadInput, match=r"is too long: 1,000,0\d\d characters; expected at most 4,096"):
            ask()


@pytest.mark.parametrize("person", ["", "  ", "key:", "email: ", "phone:", "\u00a0"])
def test_an_identifier_that_is_empty(home: World, person: str) -> None:
    """Nothing was given where somebody was to be named."""
    for ask in (
        lambda: home.house.may(person, "newsletter"),
        lambda: home.house.erase(person),
        lambda: home.house.choose(person, "newsletter", "withdrawn"),
    ):
        with pytest.raises(BadInput, match="an empty identifier; expected a subject id"):
            ask()
