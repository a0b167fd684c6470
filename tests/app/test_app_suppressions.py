"""Addresses that are written to no more: of somebody known or of nobody, with an end, reversible, read by none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pacte.app import contact, suppressions
from pacte.app.erase import erase
from pacte.app.suppressions import REASONS, Counted
from pacte.kernel import db
from pacte.kernel.errors import BadInput, Unsafe
from pacte.kernel.ids import SubjectId
from pacte.ledger import log
from pacte.testing.world import World, world
from pacte.vault import index

ADA, BO = "ada@post.example", "bo@post.example"


@pytest.fixture
def home(tmp_path: Path) -> World:
    """A house with two people, who have a telephone together."""
    return _made(tmp_path, "")


@pytest.fixture
def either(tmp_path: Path, records: Callable[[], str]) -> World:
    """The same, on each database."""
    return _made(tmp_path, records())


def _made(path: Path, database: str) -> World:
    found = world(path / "house", database=database)
    ada, bo = found.person(), found.person()
    rows = [(ada, "email", ADA), (bo, "email", BO), (ada, "phone", "+33612000001"), (bo, "phone", "+33612000001")]
    with found.house.writing() as conn:
        index.add(conn, found.house.keys, rows)
    return found


def refused(home: World, channel: str = "email", kind: str = "promotion") -> set[SubjectId]:
    """Whose address of a channel is suppressed for this kind of message."""
    with home.house.reading() as conn:
        found = contact.refusals(conn, home.house, kind, channel, home.people, home.clock.now)
    return {subject for subject, refusal in found.items() if refusal.reason == "suppressed"}


def entries(home: World) -> list[dict[str, object]]:
    """What the ledger says of the list."""
    with home.house.reading() as conn:
        return [dict(entry) for _, entry in log.of_kind(conn, "suppressed")]


def test_a_persons_address_is_suppressed_and_lifted_again(either: World) -> None:
    """In a transaction of the caller's; the ledger says both, and no address."""
    ada, bo = either.people
    with either.house.writing() as conn:
        done = suppressions.add_of(conn, either.house, ada, "email", "complained", either.clock.now, "worker")
    assert done == 1
    assert refused(either) == {ada}
    assert refused(either, kind="service") == set()
    (added,) = suppressions.latest(either.house, 10)
    assert (added.act, added.subject, added.open, added.by) == ("added", ada, True, "worker")
    assert suppressions.lift_of(either.house, ada, "email", "complained", by="cli")
    assert not suppressions.lift_of(either.house, ada, "email", "complained", by="cli")
    assert refused(either) == set()
    assert [(one.act, one.open) for one in suppressions.latest(either.house, 10)] == [
        ("lifted", False),
        ("lifted", False),
        ("added", True),
    ]
    assert "post.example" not in str(entries(either))
    assert either.house.check() == []
    assert bo not in {one.subject for one in suppressions.latest(either.house, 10)}


def test_a_dead_address_gets_nothing_at_all(home: World) -> None:
    """Neither an offer nor a receipt; another's is not touched."""
    suppressions.add(home.house, "Ada@Post.example", "email", "bounced", by="cli")
    assert refused(home) == refused(home, kind="service") == {home.people[0]}
    assert entries(home)[0]["subject"] == home.people[0]


def test_the_address_of_nobody_known_is_remembered(home: World) -> None:
    """Whoever turns up with it later is not written to."""
    suppressions.add(home.house, "cy@post.example", "email", "objected", by="cli")
    assert "subject" not in entries(home)[0]
    cy = home.person()
    with home.house.writing() as conn:
        index.add(conn, home.house.keys, [(cy, "email", "cy@post.example")])
    assert refused(home) == {cy}
    assert suppressions.counts(home.house) == [Counted("email", "objected", 1)]


def test_a_number_that_people_share_is_suppressed_for_all_of_them(home: World) -> None:
    """For calls and for texts, and the ledger names none of them."""
    suppressions.add(home.house, "06 12 00 00 01", "sms", "objected", by="cli")
    assert refused(home, "phone") == refused(home, "sms") == set(home.people)
    assert "subject" not in entries(home)[0]
    assert suppressions.lift(home.house, "+33612000001", "phone", "objected", by="cli")
    assert refused(home, "sms") == set()


def test_the_list_ends_by_itself(home: World) -> None:
    """After as long as the policy says, three years here."""
    suppressions.add(home.house, ADA, "email", "objected", by="cli")
    home.clock.forward(3 * 365 - 1)
    assert refused(home) == {home.people[0]}
    home.clock.forward(1)
    assert refused(home) == set()
    assert suppressions.counts(home.house) == []


def test_each_reason_stands_by_itself(home: World) -> None:
    """Lifting one leaves the other; lifting what is not there changes nothing, and is recorded all the same."""
    for reason in ("bounced", "objected"):
        suppressions.add(home.house, ADA, "email", reason, by="cli")
    assert suppressions.lift(home.house, ADA, "email", "bounced", by="cli")
    assert refused(home) == {home.people[0]}
    before = len(entries(home))
    assert not suppressions.lift(home.house, BO, "email", "objected", by="cli")
    assert not suppressions.lift(home.house, ADA, "email", "complained", by="cli")
    assert len(entries(home)) == before + 2


def _typed(home: World, address: str) -> tuple[object, ...]:
    """All that whoever types an address sees of adding it, and of lifting it again."""
    suppressions.add(home.house, address, "email", "objected", by="staff:x")
    added = [(one.act, one.open) for one in suppressions.latest(home.house, 1)], suppressions.about(home.house)
    suppressions.lift(home.house, address, "email", "objected", by="staff:x")
    lifted = [(one.act, one.open) for one in suppressions.latest(home.house, 1)], suppressions.about(home.house)
    return added, lifted


def test_whoever_types_an_address_learns_nothing_of_it(home: World) -> None:
    """On the list or not, a customer's or nobody's: the same rows, the same numbers, an entry for each try."""
    suppressions.add(home.house, "listed@else.example", "email", "objected", by="worker")
    for number in range(148):
        suppressions.add(home.house, f"x{number}@else.example", "email", "objected", by="worker")
    some = [_typed(home, one) for one in ("listed@else.example", "nobody@else.example", ADA)]
    assert some[0] == some[1] == some[2]
    assert [one["by"] for one in entries(home)[-6:]] == ["staff:x"] * 6
    assert suppressions.about(home.house) != suppressions.counts(home.house)


def test_the_staff_is_told_round_numbers_of_many(home: World) -> None:
    """Settled for the day, whatever is added; anew on the next; of few, and of none, no number at all."""
    assert suppressions.about(home.house) == []
    for number in range(64):
        suppressions.add(home.house, f"x{number}@else.example", "email", "objected", by="worker")
        suppressions.add(home.house, f"y{number}@else.example", "email", "bounced", by="worker") if number < 9 else None
    first = suppressions.about(home.house)
    assert [(one.channel, one.reason) for one in first] == [("email", "objected")]
    assert first[0].addresses in {50, 60}
    for number in range(64, 120):
        suppressions.add(home.house, f"x{number}@else.example", "email", "objected", by="worker")
    assert suppressions.about(home.house) == first
    home.clock.forward(1)
    assert suppressions.about(home.house)[0].addresses > first[0].addresses


def test_an_erasures_own_suppression_is_nobodys_to_lift(home: World) -> None:
    """It is counted, and ends by itself."""
    erase(home.house, home.people[0])
    assert suppressions.counts(home.house) == [Counted("email", "erased", 1), Counted("phone", "erased", 1)]
    with pytest.raises(BadInput):
        suppressions.lift(home.house, ADA, "email", "erased", by="cli")
    with home.house.writing() as conn:
        again = suppressions.add_of(conn, home.house, home.people[0], "email", "bounced", home.clock.now, "worker")
    assert again == 0
    assert entries(home) == []


@pytest.mark.parametrize(
    ("address", "channel", "reason"),
    [(ADA, "post", "objected"), (ADA, "email", "disliked"), ("nobody", "email", "objected"), (ADA, "sms", "objected")],
)
def test_what_makes_no_sense_is_refused(home: World, address: str, channel: str, reason: str) -> None:
    """Without repeating the address."""
    with pytest.raises(BadInput) as refusal:
        suppressions.add(home.house, address, channel, reason, by="cli")
    assert "ada" not in str(refusal.value)
    assert entries(home) == []


def test_a_row_changed_by_hand_is_found(home: World) -> None:
    """Somebody with the database and no keys cannot let an address be written to again."""
    suppressions.add(home.house, ADA, "email", "objected", by="cli")
    with db.write(home.house.engine) as conn:
        db.run(conn, "UPDATE vault_suppressed SET until = 0 WHERE blind IS NOT NULL")
    with home.house.reading() as conn, pytest.raises(Unsafe):
        contact.refusals(conn, home.house, "promotion", "email", home.people, home.clock.now)
    assert REASONS == ("bounced", "complained", "objected")
