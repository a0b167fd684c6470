"""The people of a campaign, one row each: who is still to be written to, who was, who was not and why.

INVARIANT: a row says *leased* before anything about it leaves the house, in the commit that records the use; a worker
that dies leaves rows of which nobody knows more than its journal says, and a row that may have been handed over is
never sent again. Rows lie in blocks, so that any number of workers share a campaign without meeting.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Column, Connection, Index, String, Table, text

from pacte.kernel import db
from pacte.kernel.db import Int64, metadata
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import SECOND, Instant

QUEUED, LEASED, SENT, REFUSED, FAILED, UNCERTAIN, BOUNCED = (
    "queued", "leased", "sent", "refused", "failed", "uncertain", "bounced",
)  # fmt: skip
"""What may be said of a row. `refused`: the gate, or what we know of how to reach people, said no; `failed`: the server
took it from nobody; `uncertain`: it may have been handed over, and nobody can say."""
OPEN = (QUEUED, LEASED)
"""Of whom it is not said yet what becomes of them."""
BLOCK = 500
"""People that one worker has for itself."""
CLAIM = 120 * SECOND
"""How long it has them without a sign of life, in microseconds."""
TOGETHER = 5_000
"""Rows that are written together."""

recipient_table = Table(
    "campaign_recipient",
    metadata,
    Column("campaign", String(32), primary_key=True),
    Column("place", Int64, primary_key=True, autoincrement=False),
    Column("subject", String(32), nullable=False),
    Column("state", String(10), nullable=False),
    Column("reason", String(40)),  # why it was refused, put off, or failed
    Column("due", Int64, nullable=False),  # not before
    Column("attempts", Int64, nullable=False),
    Column("domain", String(16)),  # of the address, by a keyed name; known where it was put off for its domain
    Column("worker", String(32)),  # who leased it last
    Column("entry", Int64),  # the ledger index of its last use
    Column("changed", Int64, nullable=False),
    sqlite_with_rowid=False,
)
Index("campaign_recipient_subject", recipient_table.c.subject)
_OPEN = "state IN ('queued', 'leased')"
Index(
    "campaign_recipient_open",
    recipient_table.c.campaign,
    recipient_table.c.place,
    sqlite_where=text(_OPEN),
    postgresql_where=text(_OPEN),
)

block_table = Table(
    "campaign_block",
    metadata,
    Column("campaign", String(32), primary_key=True),
    Column("block", Int64, primary_key=True, autoincrement=False),
    Column("due", Int64, nullable=False),
    Column("worker", String(32)),  # who has it, `NULL` for nobody
    Column("until", Int64, nullable=False),  # the end of that claim
    Column("failures", Int64, nullable=False),  # of the mail server, one after the other
    sqlite_with_rowid=False,
)


class Row(NamedTuple):
    """Somebody who is to be written to: the place in the campaign, the person, how often it was tried."""

    place: int
    subject: SubjectId
    attempts: int


class Outcome(NamedTuple):
    """What became of a row. One that is `queued` again is tried from `due` on."""

    place: int
    subject: SubjectId
    state: str
    reason: str = ""
    due: Instant = Instant(0)
    tried: int = 0
    domain: str | None = None


class Settled(NamedTuple):
    """What became of somebody: the outcome and its reason, the ledger index of the last use, when it was written down.

    For the house's own counting alone.
    """

    subject: SubjectId
    state: str
    reason: str
    entry: int | None
    changed: Instant


@dataclass(frozen=True, slots=True)
class Block:
    """People whom one worker has for itself; `before` is the worker who had them before and never gave them back."""

    campaign: str
    number: int
    worker: str
    before: str
    failures: int

    @property
    def places(self) -> tuple[int, int]:
        """From the first place to below the last."""
        return self.number * BLOCK, (self.number + 1) * BLOCK


def enter(conn: Connection, campaign: str, subjects: Iterable[SubjectId], first: int, now: Instant) -> int:
    """Add people to a campaign from place `first` on; returns the next free place."""
    columns = ("campaign", "place", "subject", "state", "due", "attempts", "changed")
    rows = [(campaign, place, subject, QUEUED, 0, 0, now) for place, subject in enumerate(subjects, first)]
    db.insert(conn, "campaign_recipient", columns, rows)
    return first + len(rows)


def divide(conn: Connection, campaign: str, people: int) -> None:
    """Make the blocks of a campaign of so many people."""
    rows = [(campaign, number, 0, 0, 0) for number in range(-(-people // BLOCK))]
    db.insert(conn, "campaign_block", ("campaign", "block", "due", "until", "failures"), rows)


def claim(conn: Connection, campaigns: Sequence[str], worker: str, now: Instant, gone: Sequence[str]) -> Block | None:
    """Take a due block of one of these campaigns that nobody has, or whose worker is `gone` or gave no sign of life."""
    if not campaigns:
        return None
    among = db.among(conn, "text")
    sql = (
        f"SELECT campaign, block, coalesce(worker, ''), failures FROM campaign_block "
        f"WHERE campaign IN (SELECT value FROM {among} AS asked) AND due <= ? AND "
        f"(worker IS NULL OR until <= ? OR worker IN (SELECT value FROM {among} AS gone)) ORDER BY due, block LIMIT 1"
    )
    found = db.fetch(conn, sql, (db.listed(conn, list(campaigns)), now, now, db.listed(conn, list(gone))))
    if not found:
        return None
    campaign, number, before, failures = found[0]
    taking = "UPDATE campaign_block SET worker = ?, until = ? WHERE campaign = ? AND block = ?"
    db.change(conn, taking, (worker, now + CLAIM, campaign, number))
    return Block(campaign, number, worker, before, failures)


def claimable(conn: Connection, campaigns: Sequence[str], now: Instant, gone: Sequence[str]) -> bool:
    """Whether `claim` would find one; takes no lock."""
    if not campaigns:
        return False
    among = db.among(conn, "text")
    sql = (
        f"SELECT 1 FROM campaign_block WHERE campaign IN (SELECT value FROM {among} AS asked) AND due <= ? AND "
        f"(worker IS NULL OR until <= ? OR worker IN (SELECT value FROM {among} AS gone)) LIMIT 1"
    )
    return bool(db.fetch(conn, sql, (db.listed(conn, list(campaigns)), now, now, db.listed(conn, list(gone)))))


def holds(conn: Connection, block: Block) -> bool:
    """Whether a worker still has its block: one that gave no sign of life for long may have lost it."""
    sql = "SELECT 1 FROM campaign_block WHERE campaign = ? AND block = ? AND worker = ?"
    return bool(db.fetch(conn, sql, (block.campaign, block.number, block.worker)))


def renew(conn: Connection, block: Block, now: Instant) -> bool:
    """A sign of life; false where somebody else has the block by now."""
    sql = "UPDATE campaign_block SET until = ? WHERE campaign = ? AND block = ? AND worker = ?"
    return db.change(conn, sql, (now + CLAIM, block.campaign, block.number, block.worker)) == 1


def give_back(conn: Connection, block: Block, due: Instant, *, failed: bool = False) -> None:
    """Let any worker have the block from `due` on; a block of which nothing is open is forgotten."""
    begin, end = block.places
    where = "campaign = ? AND block = ? AND worker = ?"
    if not db.fetch(
        conn,
        f"SELECT 1 FROM campaign_recipient WHERE campaign = ? AND place >= ? AND place < ? AND {_OPEN} LIMIT 1",
        (block.campaign, begin, end),
    ):
        db.change(conn, f"DELETE FROM campaign_block WHERE {where}", (block.campaign, block.number, block.worker))
        return
    failures = "failures + 1" if failed else "0"
    sql = f"UPDATE campaign_block SET worker = NULL, until = 0, due = ?, failures = {failures} WHERE {where}"
    db.change(conn, sql, (due, block.campaign, block.number, block.worker))


def page(conn: Connection, block: Block, after: int, now: Instant, most: int, busy: Collection[str] = ()) -> list[Row]:
    """The next people of a block who are due, past the place `after`, whose domain is none of the `busy`."""
    begin, end = block.places
    sql = (
        "SELECT place, subject, attempts FROM campaign_recipient WHERE campaign = ? AND place > ? AND place < ? "
        f"AND {_OPEN} AND state = 'queued' AND due <= ? AND (domain IS NULL OR "
        f"domain NOT IN (SELECT value FROM {db.among(conn, 'text')} AS busy)) ORDER BY place LIMIT ?"
    )
    found = db.fetch(conn, sql, (block.campaign, max(after, begin - 1), end, now, db.listed(conn, [*busy]), most))
    return [Row(place, SubjectId(subject), attempts) for place, subject, attempts in found]


def next_due(conn: Connection, block: Block) -> Instant | None:
    """When somebody of a block is due next; `None` where nobody is left."""
    begin, end = block.places
    sql = (
        "SELECT min(due) FROM campaign_recipient WHERE campaign = ? AND place >= ? AND place < ? "
        f"AND {_OPEN} AND state = 'queued'"
    )
    due = db.fetch(conn, sql, (block.campaign, begin, end))[0][0]
    return None if due is None else Instant(due)


def still_queued(conn: Connection, campaign: str, rows: Sequence[Row]) -> set[int]:
    """The places of those rows that nobody else has taken, settled or removed meanwhile."""
    places = db.among(conn, "integer")
    sql = (
        f"SELECT place FROM campaign_recipient WHERE campaign = ? AND state = 'queued' "
        f"AND place IN (SELECT value FROM {places} AS asked)"
    )
    return {place for (place,) in db.fetch(conn, sql, (campaign, db.listed(conn, [row.place for row in rows])))}


def still_leased(conn: Connection, campaign: str, worker: str, places: Sequence[int]) -> set[int]:
    """Which of these places a worker has leased still."""
    asked = db.among(conn, "integer")
    sql = (
        f"SELECT place FROM campaign_recipient WHERE campaign = ? AND state = '{LEASED}' AND worker = ? "
        f"AND place IN (SELECT value FROM {asked} AS asked)"
    )
    return {place for (place,) in db.fetch(conn, sql, (campaign, worker, db.listed(conn, list(places))))}


def lease(conn: Connection, block: Block, places: Sequence[tuple[int, int]], now: Instant) -> None:
    """These rows (place, ledger index of the use) are this worker's, and may leave the house."""
    sql = (
        f"UPDATE campaign_recipient SET state = '{LEASED}', worker = ?, entry = ?, changed = ?, "
        "attempts = attempts + 1 WHERE campaign = ? AND place = ?"
    )
    db.run_many(conn, sql, [(block.worker, entry, now, block.campaign, place) for place, entry in places])


def settle(conn: Connection, campaign: str, outcomes: Sequence[Outcome], now: Instant) -> None:
    """Write down what became of these rows. One that was sent, or may have been, stays so.

    The caller has made sure, in this transaction, that they are its own to decide about.
    """
    sql = (
        "UPDATE campaign_recipient SET state = ?, reason = ?, due = ?, attempts = attempts + ?, "
        "domain = coalesce(?, domain), changed = ? "
        f"WHERE campaign = ? AND place = ? AND {_OPEN}"
    )
    rows = [
        (one.state, one.reason or None, one.due, one.tried, one.domain, now, campaign, one.place) for one in outcomes
    ]
    db.run_many(conn, sql, rows)


def expire(conn: Connection, block: Block, now: Instant) -> None:
    """Whoever of a block is still to be written to was not reached in time."""
    begin, end = block.places
    sql = (
        f"UPDATE campaign_recipient SET state = '{FAILED}', reason = coalesce(reason, 'too_late'), changed = ? "
        f"WHERE campaign = ? AND place >= ? AND place < ? AND {_OPEN} AND state = '{QUEUED}'"
    )
    db.change(conn, sql, (now, block.campaign, begin, end))


def leased(conn: Connection, block: Block) -> list[tuple[Row, str]]:
    """The rows of a block that other workers left leased, each with the worker who did."""
    begin, end = block.places
    sql = (
        f"SELECT place, subject, attempts, coalesce(worker, '') FROM campaign_recipient WHERE campaign = ? "
        f"AND place >= ? AND place < ? AND {_OPEN} AND state = '{LEASED}' AND coalesce(worker, '') <> ? ORDER BY place"
    )
    found = db.fetch(conn, sql, (block.campaign, begin, end, block.worker))
    return [(Row(place, SubjectId(subject), attempts), worker) for place, subject, attempts, worker in found]


def is_named(conn: Connection, worker: str) -> bool:
    """Whether a block or a leased row still names a worker, so that its journal may be asked for."""
    for sql in (
        "SELECT 1 FROM campaign_block WHERE worker = ? LIMIT 1",
        f"SELECT 1 FROM campaign_recipient WHERE {_OPEN} AND state = '{LEASED}' AND worker = ? LIMIT 1",
    ):
        if db.fetch(conn, sql, (worker,)):
            return True
    return False


def any_claimed(conn: Connection) -> bool:
    """Whether a worker has any block: until it gives it back, a message may be on its way."""
    return bool(db.fetch(conn, "SELECT 1 FROM campaign_block WHERE worker IS NOT NULL LIMIT 1"))


def is_leased(conn: Connection, block: Block, place: int) -> bool:
    """Whether a row is still this worker's: another may have taken the block over, and an erasure removes rows."""
    sql = f"SELECT 1 FROM campaign_recipient WHERE campaign = ? AND place = ? AND state = '{LEASED}' AND worker = ?"
    return bool(db.fetch(conn, sql, (block.campaign, place, block.worker)))


def tally(conn: Connection, campaign: str) -> dict[tuple[str, str], int]:
    """How many rows of a campaign are in each state, and for which reason. For the house alone: nobody is shown it."""
    sql = (
        "SELECT state, coalesce(reason, ''), count(*) FROM campaign_recipient WHERE campaign = ? GROUP BY state, reason"
    )
    return {(state, reason): count for state, reason, count in db.fetch(conn, sql, (campaign,))}


def everybody(conn: Connection, campaign: str, most: int) -> Iterator[list[SubjectId]]:
    """Everybody who is entered, so many at a time."""
    after = -1
    sql = "SELECT place, subject FROM campaign_recipient WHERE campaign = ? AND place > ? ORDER BY place LIMIT ?"
    while found := db.fetch(conn, sql, (campaign, after, most)):
        after = found[-1][0]
        yield [SubjectId(subject) for _, subject in found]


def by_outcome(conn: Connection, campaign: str) -> dict[tuple[str, str], list[SubjectId]]:
    """Everybody, by state and reason. For the one door of numbers alone."""
    found: dict[tuple[str, str], list[SubjectId]] = {}
    sql = "SELECT state, coalesce(reason, ''), subject FROM campaign_recipient WHERE campaign = ?"
    for state, reason, subject in db.fetch(conn, sql, (campaign,)):
        found.setdefault((state, reason), []).append(SubjectId(subject))
    return found


def settled(conn: Connection, campaign: str, most: int) -> Iterator[list[Settled]]:
    """Everybody of whom it is said what became, so many rows at a time."""
    after = -1
    sql = (
        "SELECT place, state, subject, coalesce(reason, ''), entry, changed FROM campaign_recipient "
        "WHERE campaign = ? AND place > ? ORDER BY place LIMIT ?"
    )
    while found := db.fetch(conn, sql, (campaign, after, most)):
        after = found[-1][0]
        yield [
            Settled(SubjectId(subject), state, reason, entry, Instant(changed))
            for _, state, subject, reason, entry, changed in found
            if state not in (QUEUED, LEASED)
        ]


def left(conn: Connection, campaign: str) -> int:
    """How many are still to be written to."""
    sql = f"SELECT count(*) FROM campaign_recipient WHERE campaign = ? AND {_OPEN}"
    return int(db.fetch(conn, sql, (campaign,))[0][0])


def unfinished(conn: Connection, campaign: str) -> bool:
    """Whether anybody of a campaign is still to be written to."""
    return bool(db.fetch(conn, "SELECT 1 FROM campaign_block WHERE campaign = ? LIMIT 1", (campaign,)))


def forget(conn: Connection, campaign: str) -> None:
    """Remove everybody from a campaign that has not begun."""
    for table in ("campaign_recipient", "campaign_block"):
        db.run(conn, f"DELETE FROM {table} WHERE campaign = ?", (campaign,))


def erase(conn: Connection, subject: SubjectId) -> int:
    """Remove a person from every campaign; returns from how many."""
    return db.run(conn, "DELETE FROM campaign_recipient WHERE subject = ?", (subject,)).rowcount
