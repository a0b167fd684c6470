"""Choices about many purposes at once, and objections that are answered: recorded, decided by, proved and said."""

from __future__ import annotations

from pathlib import Path

import pytest

from pacte.app.ask import may
from pacte.app.exhibit import exhibit
from pacte.app.prove import prove
from pacte.app.templates import policy_text
from pacte.app.wording import what
from pacte.kernel.errors import BadInput
from pacte.ledger import log
from pacte.policy.vocabulary import STANDING_CHOICES
from pacte.testing.world import World, world
from pacte.verifier import verify_bytes
from tests.threats.shop import pacte

OFFERS = {"channel": "email", "recipient": "cookery_school"}
SOLD = "    by_recipient: yes                      # a yes"


@pytest.fixture
def home(tmp_path: Path) -> World:
    """A shop that is paid for passing addresses on, and somebody who agreed to it."""
    text = policy_text().replace(SOLD, f"    sale: yes\n{SOLD}")
    assert "sale: yes" in text
    found = world(tmp_path / "house", policy=text)
    found.clock.forward(200)
    return found


def _agreed(home: World) -> str:
    person = home.person("web-2024-en")
    home.said(person, "given", "partner_offers", recipient="cookery_school", grade="double_opt_in")
    home.clock.forward(1)
    return person


def test_an_opt_out_of_every_sale_ends_one_that_was_agreed_to(home: World) -> None:
    """By the program's own command; the decision cites that choice, and lifting it lets the old yes count again."""
    person = _agreed(home)
    assert may(home.house, person, "partner_offers", **OFFERS).permitted
    done = home.house.choose(person, "all:sale", "objected", by="person", method="web_form")
    refused = may(home.house, person, "partner_offers", **OFFERS)
    assert (refused.reason.code, refused.cited and refused.cited.entry) == ("sale_refused", done.index)
    assert may(home.house, person, "order_service", channel="email").reason.code != "sale_refused"
    home.clock.forward(1)
    home.house.choose(person, "all:sale", "objection_lifted", authenticated=True)
    assert may(home.house, person, "partner_offers", **OFFERS).permitted
    assert home.house.check() == []


def test_the_program_records_an_opt_out_of_every_sale(home: World) -> None:
    """`pacte choice object PERSON all:sale`, and a yes to it is refused with what to do instead."""
    person = _agreed(home)
    said = pacte("choice", "object", person, "all:sale", house=home.house.path)
    assert (said.code, "objection" in said.out) == (0, True), said.err
    refused = pacte("choice", "give", person, "all:sale", house=home.house.path)
    assert refused.code != 0
    assert "an opt-out is lifted, not given" in refused.err


def test_a_proof_shows_the_opt_out_it_stands_on(home: World) -> None:
    """The entry is in the proof of the use, verifies alone, and is named for people in both languages."""
    person = _agreed(home)
    done = home.house.choose(person, "all:sale", "objected", by="person", method="web_form")
    use = home.house.declare("partner_offers", **OFFERS)
    proof = prove(home.house, person, use.id)
    for lang, words in (("en", "every sale or sharing of the data"), ("fr", "toute vente ou tout partage des données")):
        found = verify_bytes(proof.data, key=home.house.vkey, lang=lang)
        assert found.ok
        assert any(words in line for line in found.summary.entries)
        assert words in exhibit(home.house, proof, lang)
    with home.house.reading() as conn:
        entry = log.entry(conn, done.index)
    assert entry is not None
    for purpose in STANDING_CHOICES.values():
        for lang in ("en", "fr"):
            assert "all:" not in what({**entry, "purpose": purpose}, lang)


def test_an_objection_is_overruled_with_a_reason_and_never_in_marketing(home: World) -> None:
    """Compelling grounds reopen statistics until the next objection; to direct marketing an objection is absolute."""
    person = home.person()
    assert may(home.house, person, "statistics").permitted
    home.house.choose(person, "statistics", "objected")
    home.house.choose(person, "similar_offers", "objected")
    home.clock.forward(1)
    with pytest.raises(BadInput, match="absolute"):
        home.house.choose(person, "similar_offers", "objection_overruled", reason="LIA-2026-04", authenticated=True)
    with pytest.raises(BadInput, match="for a reason"):
        home.house.choose(person, "statistics", "objection_overruled", authenticated=True)
    done = home.house.choose(person, "statistics", "objection_overruled", reason="LIA-2026-04", authenticated=True)
    with home.house.reading() as conn:
        entry = log.entry(conn, done.index)
    assert entry is not None
    assert "LIA-2026-04" in what(entry, "en")
    assert "motifs impérieux" in what(entry, "fr")
    assert may(home.house, person, "statistics").cited.status == "overruled"
    home.clock.forward(1)
    home.house.choose(person, "statistics", "objected")
    assert may(home.house, person, "statistics").reason.code == "objected"
    assert home.house.check() == []
