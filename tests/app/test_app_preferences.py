"""How somebody wants to be reached: a closed list of wishes, recorded one by one, that changes no decision."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from pacte.app import preferences
from pacte.app.erase import erase
from pacte.kernel.errors import BadInput, Conflict, Denied
from pacte.ledger import log
from pacte.testing.world import World, world


@pytest.fixture
def home(tmp_path: Path, records: Callable[[], str]) -> World:
    """A house with one person who said yes."""
    found = world(tmp_path / "house", database=records())
    found.said(found.person(), "given", channel="email", notice=found.notice("web-2024"), locale="fr")
    return found


def test_wishes_hold_until_others_are_recorded(home: World) -> None:
    """The last word of each setting counts; one that is wished again is not written twice; decisions stay."""
    ada = home.people[0]
    first = preferences.wish(home.house, ada, "email", {"frequency": "weekly", "quiet": "21-08"}, by="person")
    assert first is not None
    assert preferences.wish(home.house, ada, "email", {"frequency": "weekly"}, by="person") is None
    home.clock.forward(1)
    preferences.wish(home.house, ada, "email", {"frequency": "monthly"}, by="staff")
    held = preferences.preferences(home.house, ada)
    assert {key: one.value for key, one in held.items()} == {
        ("email", "frequency"): "monthly",
        ("email", "quiet"): "21-08",
    }
    assert preferences.value_of(held, "email", "reach") == "also"
    assert home.house.may(ada, "newsletter", channel="email").permitted
    with home.house.reading() as conn:
        entry = log.entry(conn, first)
    assert entry is not None
    assert entry.keys() == {"v", "kind", "at", "role", "by", "subject", "channel", "setting", "value", "effective"}
    assert home.house.check() == []


def test_only_what_there_is_can_be_wished(home: World) -> None:
    """No other channel, setting or word comes into the ledger; text of a person least of all."""
    for channel, setting, value in (
        ("web", "reach", "first"),
        ("email", "colour", "red"),
        ("email", "frequency", "hourly"),
        ("email", "quiet", "24-01"),
        ("email", "quiet", "07-07"),
        ("email", "quiet", "٢١-٠٨"),  # digits, and none of ours
        ("email", "quiet", "call me after nine"),
        ("post", "quiet", "21-08"),
    ):
        with pytest.raises(BadInput):
            preferences.wish(home.house, home.people[0], channel, {setting: value}, by="person")
    with home.house.reading() as conn:
        assert log.of_kind(conn, "preference") == []


def test_two_who_wish_from_the_same_page(home: World) -> None:
    """Of several at once, one is recorded and the others are told."""
    ada, outcomes = home.people[0], []

    def at_once(value: str) -> None:
        try:
            outcomes.append(preferences.wish(home.house, ada, "email", {"frequency": value}, by="person", seen=-1))
        except Conflict:
            outcomes.append(None)

    threads = [threading.Thread(target=at_once, args=(value,)) for value in ("weekly", "monthly") * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(one is not None for one in outcomes) == 1
    with home.house.reading() as conn:
        assert len(log.of_kind(conn, "preference")) == 1


def test_nothing_is_wished_for_the_erased(home: World) -> None:
    """And what they wished goes with the evidence."""
    ada = home.people[0]
    preferences.wish(home.house, ada, "email", {"frequency": "weekly"}, by="person")
    erase(home.house, ada)
    with pytest.raises(Denied):
        preferences.wish(home.house, ada, "email", {"frequency": "monthly"}, by="person")
    assert home.house.check() == []


def test_what_held_before_a_wish(home: World) -> None:
    """As long as nothing else was wished of that channel since; and only for its own person."""
    ada = home.people[0]
    first = preferences.wish(home.house, ada, "email", {"frequency": "weekly", "reach": "first"}, by="person")
    assert first is not None
    assert preferences.before(home.house, ada, first) == (
        "email",
        {"reach": "also", "frequency": "as_announced", "quiet": "none"},
    )
    home.clock.forward(1)
    second = preferences.wish(home.house, ada, "email", {"frequency": "monthly"}, by="person")
    assert second is not None
    assert preferences.before(home.house, ada, first) is None
    after = preferences.before(home.house, ada, second)
    assert after is not None
    assert after[1]["frequency"] == "weekly"
    assert preferences.before(home.house, home.person(), second) is None
