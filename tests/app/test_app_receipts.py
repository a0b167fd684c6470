"""Receipts of a house: what they prove, what they continue, what they leave behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pacte.app import receipts
from pacte.app.prove import prove
from pacte.kernel.errors import BadInput, NotFound
from pacte.ledger import log
from pacte.testing.world import World, world
from pacte.verifier import verify_bytes


@pytest.fixture
def home(tmp_path: Path, records: Callable[[], str]) -> World:
    """A house with one person who said yes."""
    found = world(tmp_path / "house", database=records())
    found.clock.forward(100)
    found.said(found.person(), "given", channel="email", notice=found.notice("web-2024"), locale="fr")
    return found


def _size(data: bytes) -> int:
    return int(json.loads(data)["proof"]["checkpoint"].split("\n")[1])


def test_a_receipt_verifies_alone_and_with_the_next(home: World) -> None:
    """A receipt verifies by itself, continues the one before, and is continued by the one after and by the log."""
    ada = home.people[0]
    first = receipts.receipt(home.house, ada)
    home.clock.forward(1)
    home.said(ada, "withdrawn")
    second = receipts.receipt(home.house, ada, lang="fr")
    home.person()
    key = home.house.vkey
    assert verify_bytes(first.data, key=key).ok
    assert verify_bytes(second.data, key=key, checkpoints=[first.data]).ok
    assert verify_bytes(first.data, key=key, checkpoints=[second.data]).ok
    continued = verify_bytes(first.data, key=key, checkpoints=[receipts.continuation(home.house, [first.size])])
    assert any("later checkpoint" in line for line in continued.shows)
    anchors = home.house.anchor_file.read_bytes()
    assert verify_bytes(second.data, key=key, anchors=anchors).ok
    assert json.loads(first.data)["consentReceiptID"] != json.loads(second.data)["consentReceiptID"]
    assert home.house.check() == []


def test_the_look_is_recorded_and_marks_the_size(home: World) -> None:
    """Every receipt leaves a look, the last entry under its checkpoint; a later proof of a use continues it, too."""
    ada = home.people[0]
    found = receipts.receipt(home.house, ada, by="person")
    assert (found.size, _size(found.data)) == (home.size, home.size)
    with home.house.reading() as conn:
        look = log.entry(conn, found.size - 1)
    assert look is not None
    assert (look["kind"], look["reason"], look["by"]) == ("look", "receipt", "person")
    use = home.house.declare("newsletter", channel="email")
    assert verify_bytes(prove(home.house, ada, use.id).data, checkpoints=[found.data]).ok


def test_the_choice_that_is_wanted(home: World) -> None:
    """By entry, by purpose, or the latest; nobody else's, and nothing that is no choice."""
    ada, bob = home.people[0], home.person()
    yes = receipts.choices_of(home.house, ada)[0][0]
    no = home.said(ada, "objected", "similar_offers")
    assert receipts.receipt(home.house, ada).index == no
    assert receipts.receipt(home.house, ada, purpose="newsletter").index == yes
    assert receipts.receipt(home.house, ada, entry=yes).index == yes
    before = home.size
    for wrong in ({"entry": 0}, {"entry": yes + 1}, {"purpose": "statistics"}):
        with pytest.raises(NotFound):
            receipts.receipt(home.house, ada, **wrong)  # type: ignore[arg-type] # one of two keys
    with pytest.raises(NotFound):
        receipts.receipt(home.house, bob, entry=yes)
    assert home.size == before


def test_the_words_are_those_of_the_day(home: World) -> None:
    """A policy that is reworded later does not reword what a receipt says of an earlier choice."""
    from pacte.app.house import POLICY
    from pacte.app.publish import publish

    ada, file = home.people[0], home.house.path / POLICY
    before = json.loads(receipts.receipt(home.house, ada, lang="en").data)["services"]
    file.write_text(file.read_text(encoding="utf-8").replace("Our newsletter", "Our weekly letter"), encoding="utf-8")
    home.clock.forward(1)
    publish(home.house, "owner")
    assert json.loads(receipts.receipt(home.house, ada, lang="en").data)["services"] == before
    home.clock.forward(1)
    home.said(ada, "given")
    assert "weekly" in str(json.loads(receipts.receipt(home.house, ada, lang="en").data)["services"])


def test_a_receipt_outlives_erasure(home: World) -> None:
    """Once the person is erased, the receipt that they kept verifies as before."""
    ada = home.people[0]
    found = receipts.receipt(home.house, ada)
    home.house.erase(ada)
    later = receipts.continuation(home.house, [found.size])
    assert verify_bytes(found.data, key=home.house.vkey, checkpoints=[later]).ok


def test_a_continuation_shows_nobody(home: World) -> None:
    """What is public holds hashes and the checkpoint; sizes that never were, and too many, are refused."""
    document = json.loads(receipts.continuation(home.house, [1, home.size]))
    assert set(document) == {"format", "vkey", "checkpoint", "consistency"}
    assert home.people[0] not in str(document)
    for wrong in ([0], [home.size + 1], range(1, 100)):
        with pytest.raises(BadInput):
            receipts.continuation(home.house, wrong)


def test_saving_keeps_it_private(home: World, tmp_path: Path) -> None:
    """A saved receipt is readable by its owner only, under a name that says the purpose and the entry."""
    found = receipts.receipt(home.house, home.people[0])
    target = receipts.save(found, tmp_path)
    assert target.name == f"newsletter-{found.index}-{home.people[0][:8]}.pacte-receipt.json"
    assert target.stat().st_mode & 0o077 == 0
    assert receipts.save(found, tmp_path / "mine.json").read_bytes() == found.data
