"""Choices by hand, and the notices they rest on: a yes is specific, a no reaches whom it may be from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import monotonic

import pytest

from pacte.app import inflight
from pacte.app.ask import may
from pacte.app.people import people_of
from pacte.app.publish import publish
from pacte.kernel.errors import BadInput, Conflict, NotFound
from pacte.ledger import log
from pacte.testing.world import World, world
from tests.app.sending import begun
from tests.threats.shop import CHOICE_COLUMNS, CUSTOMER_COLUMNS, choice, customer, write_csv


@pytest.fixture
def home(tmp_path: Path, records: Callable[[], str]) -> World:
    """A house that nobody has entered yet."""
    found = world(tmp_path / "house", database=records())
    found.clock.forward(200)
    return found


PROVED = {"grade": "double_opt_in", "method": "double_opt_in_link", "authenticated": True}


def test_a_yes_to_everything_or_to_no_partner_is_refused(home: World) -> None:
    """Nothing is recorded, and the message says what a yes needs; a yes for one partner is none for another."""
    person, before = home.person(), home.size
    with pytest.raises(BadInput, match="a yes is for one purpose"):
        home.house.choose(person, "*", "given", **PROVED)
    with pytest.raises(BadInput, match="is for one recipient: name `cookery_school`, `sugar_shack`"):
        home.house.choose(person, "partner_offers", "given", **PROVED)
    assert home.size == before
    home.house.choose(person, "partner_offers", "given", recipient="cookery_school", **PROVED)
    found = {
        partner: may(home.house, person, "partner_offers", channel="email", recipient=partner).reason.code
        for partner in ("cookery_school", "sugar_shack")
    }
    assert found == {"cookery_school": "permitted", "sugar_shack": "never_asked"}
    assert home.house.check() == []


@pytest.mark.parametrize("no", ["refused", "withdrawn", "objected"])
def test_a_guardians_no_denies_a_child(home: World, no: str) -> None:
    """With the child's own yes, and without any age rule."""
    child = home.person(age="minor", minor_until=home.clock() + 10**14)
    before = may(home.house, child, "statistics").reason.code
    home.house.choose(child, "statistics", no, voice="guardian")
    assert (before, may(home.house, child, "statistics").reason.code) == ("permitted", no)


def test_a_lifted_objection_leaves_the_refusal(home: World) -> None:
    """Refused, then everything lifted: still refused."""
    person = home.person()
    home.house.choose(person, "similar_offers", "refused")
    home.clock.forward(1)
    home.house.choose(person, "*", "objection_lifted", authenticated=True)
    assert may(home.house, person, "similar_offers", channel="email").reason.code == "refused"
    assert home.house.check() == []


def test_a_no_from_a_shared_address_is_everybodys(home: World, tmp_path: Path) -> None:
    """One entry for each person behind it; a yes, or the lifting of a no, still asks whose it is."""
    both = [customer(n, mail="household@shop.example") for n in (1, 2)]
    home.house.load(write_csv(tmp_path / "customers.csv", CUSTOMER_COLUMNS, both))
    done = home.house.choose("household@shop.example", "similar_offers", "objected")
    assert len(done.people) == 2
    assert done.size == done.index + 2
    for key in ("key:C00001", "key:C00002"):
        assert may(home.house, key, "similar_offers", channel="email").reason.code == "objected"
    for act in ("given", "objection_lifted"):
        with pytest.raises(Conflict, match="2 people share this `email`"):
            home.house.choose("household@shop.example", "similar_offers", act)
    with pytest.raises(NotFound):
        home.house.choose("nobody@shop.example", "similar_offers", "objected")
    assert home.house.check() == []


def test_a_no_that_a_file_brings_takes_its_turn(home: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a message to the person is on its way the no waits, as long as every no does."""
    monkeypatch.setattr(inflight, "PATIENCE", 0.3)
    people = range(1, 61)
    home.house.load(write_csv(tmp_path / "customers.csv", CUSTOMER_COLUMNS, [customer(n) for n in people]))
    home.house.load(write_csv(tmp_path / "choices.csv", CHOICE_COLUMNS, [choice(n) for n in people]))
    begun(home.house, tuple(f"person.{n}@shop.example" for n in people))
    with home.house.reading() as conn:
        (person,) = people_of(home.house, conn, "key:C00001")
    both = write_csv(tmp_path / "choices.csv", CHOICE_COLUMNS, [choice(1, "withdrawn"), choice(2, "withdrawn")])
    with inflight.message_to(home.house, person):
        began = monotonic()
        assert home.house.load(both).accepted == 2
        assert monotonic() - began >= inflight.PATIENCE
    assert home.house.check() == []


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        ("newsletter: [name, contact, location]\n", "newsletter: [name, contact, location, purchase]\n", "`tells`"),
        ("      partner_offers: [name, contact]\n", "", "`tells`"),
        ("effective: 2024-01-15", "effective: 2020-01-15", "`effective`"),
        ('locale: fr\n    version: "3"', 'locale: en\n    version: "4"', "`locale`, `version`"),
    ],
    ids=["tells-more", "tells-less", "effective", "locale-version"],
)
def test_what_a_recorded_notice_told_cannot_be_changed(home: World, before: str, after: str, named: str) -> None:
    """Nobody is informed after the fact: publishing is refused, by name, and the old policy stays in force."""
    path, size = home.house.path / "policy.yaml", home.size
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after), encoding="utf-8")
    with pytest.raises(BadInput, match=f"notice `.*` was recorded with other {named}.* add a new one"):
        publish(home.house)
    assert home.size == size


def test_a_new_notice_beside_the_old_ones_is_recorded(home: World) -> None:
    """Adding is how to tell more; the order of categories tells nobody anything."""
    path = home.house.path / "policy.yaml"
    text = path.read_text(encoding="utf-8")
    more = 'notices:\n  web-2026:\n    locale: en\n    version: "9"\n    effective: 2026-01-01\n'
    more += "    tells: {newsletter: [contact, purchase]}\n    text: We now say more.\n"
    text = text.replace("\nnotices:\n", "\n" + more, 1).replace(
        "[name, contact, location]", "[contact, location, name]"
    )
    path.write_text(text, encoding="utf-8")
    assert publish(home.house).changed
    with home.house.reading() as conn:
        assert [entry["version"] for _, entry in log.of_kind(conn, "notice")][-1] == "9"
