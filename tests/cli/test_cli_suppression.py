"""`pacte suppression`: on the list, off the list, how many; an address is never said back."""

from __future__ import annotations

from pathlib import Path

import pytest

from pacte.testing.world import world
from tests.cli.conftest import ok, pacte

ADDRESS = "ada@post.example"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A house with nobody in it."""
    world(tmp_path / "house").house.close()
    return tmp_path / "house"


def test_an_address_goes_on_the_list_and_off_it(home: Path) -> None:
    """By standard input, too; the list says how many there are, in both languages, and no address."""
    assert "no address is on the list" in ok("suppression", "list", "-H", home).out
    done = pacte("suppression", "add", "-", "--reason", "bounced", "-H", home, answer=f"{ADDRESS}\n")
    assert done.code == 0, done.err
    ok("suppression", "add", "+33612000001", "--channel", "sms", "-H", home)
    assert ok("suppression", "list", "-H", home, "--json").json == [
        {"channel": "email", "reason": "bounced", "addresses": 1},
        {"channel": "phone", "reason": "objected", "addresses": 1},
    ]
    said = ok("suppression", "list", "-H", home, "--lang", "fr").out
    assert "message revenu définitivement" in said
    assert "opposition de son titulaire" in said
    assert ok("suppression", "lift", ADDRESS, "--reason", "bounced", "-H", home, "--json").json == {"lifted": True}
    again = pacte("suppression", "lift", ADDRESS, "--reason", "bounced", "-H", home)
    assert (again.code != 0, ADDRESS in again.err) == (True, False)


def test_what_is_no_address_is_refused(home: Path) -> None:
    """In one sentence that does not repeat it."""
    for words in (["nobody"], [ADDRESS, "--channel", "pigeon"], [ADDRESS, "--reason", "because"]):
        done = pacte("suppression", "add", *words, "-H", home)
        assert done.code != 0
        assert "nobody" not in done.err
        assert ADDRESS not in done.err
