"""Internal numbers: a dense integer per person, for the lake and the derived consent tables only.

Numbers are drawn from shuffled blocks, so that within a block a number says nothing about who came first. They are
never shown to a use, never recorded in the ledger, and a number that was released is never drawn again.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable

import numpy as np
from sqlalchemy import Column, Connection, Integer, LargeBinary, String, Table

from pacte.kernel import db
from pacte.kernel.db import Int64, metadata
from pacte.kernel.ids import SubjectId

BLOCK = 4_096
"""How many numbers are shuffled together. Larger hides the order of arrival better, smaller keeps the record short."""

lake_subject = Table(
    "lake_subject",
    metadata,
    Column("no", Int64, primary_key=True, autoincrement=False),
    Column("subject", String(32), nullable=False, unique=True),
)

lake_pool = Table(
    "lake_pool",
    metadata,
    Column("id", Integer, primary_key=True),  # always 1
    Column("blocks", Int64, nullable=False),  # how many blocks were opened since the house was founded
    Column("remaining", LargeBinary, nullable=False),  # shuffled numbers not yet drawn, 8 bytes each, little-endian
)


def allot(conn: Connection, ids: Iterable[SubjectId]) -> dict[SubjectId, int]:
    """The number of every person in `ids`; who has none yet gets one. Needs a write transaction.

    Two persons never share a number, and a person asked for twice keeps the first one.
    """
    wanted = list(dict.fromkeys(ids))
    found = numbers(conn, wanted)
    new = [subject for subject in wanted if subject not in found]
    if new:
        drawn = _draw(conn, len(new))
        rows = sorted(zip(drawn, new, strict=True))  # in key order: the tree grows at its end
        db.insert(conn, "lake_subject", ("no", "subject"), rows)
        found.update((subject, no) for no, subject in rows)
    return {subject: found[subject] for subject in wanted}


def numbers(conn: Connection, ids: Collection[SubjectId]) -> dict[SubjectId, int]:
    """The numbers of those persons in `ids` who have one, in one query."""
    sql = f"SELECT subject, no FROM {numbered(conn)} AS p"
    return {SubjectId(subject): no for subject, no in db.fetch(conn, sql, (db.listed(conn, ids),))}


def numbered(conn: Connection) -> str:
    """SQL of a relation (`subject`, `no`): those who have a number of the people bound by `listed` to its one `?`."""
    if db.is_postgres(conn):  # joined with a list of values it would read the whole table while that is small
        return "(SELECT subject, no FROM lake_subject WHERE subject = ANY (?::text[]))"
    asked = db.among(conn, "text")
    return f"(SELECT s.subject, s.no FROM {asked} AS asked CROSS JOIN lake_subject AS s WHERE s.subject = asked.value)"


def number(conn: Connection, subject: SubjectId) -> int | None:
    """The number of one person; `None` for who has none."""
    found = db.fetch(conn, "SELECT no FROM lake_subject WHERE subject = ?", (subject,))
    return found[0][0] if found else None


def subjects(conn: Connection, nos: Collection[int]) -> dict[int, SubjectId]:
    """The persons behind those of `nos` that belong to somebody, in one query."""
    asked = f"SELECT s.no, s.subject FROM {db.among(conn, 'integer')} AS asked"
    sql = f"{asked} CROSS JOIN lake_subject AS s WHERE s.no = asked.value"
    return {no: SubjectId(subject) for no, subject in db.fetch(conn, sql, (db.listed(conn, nos),))}


def between(conn: Connection, start: int, stop: int) -> list[tuple[int, SubjectId]]:
    """(number, person) of everybody whose number is at least `start` and below `stop`, in order."""
    sql = "SELECT no, subject FROM lake_subject WHERE no >= ? AND no < ? ORDER BY no"
    return [(no, SubjectId(subject)) for no, subject in db.fetch(conn, sql, (start, stop))]


def release(conn: Connection, nos: Collection[int]) -> None:
    """Forget whose these numbers were (the end of the evidence); they are never drawn again."""
    asked = f"SELECT value FROM {db.among(conn, 'integer')} AS asked"
    db.run(conn, f"DELETE FROM lake_subject WHERE no IN ({asked})", (db.listed(conn, nos),))


def _draw(conn: Connection, count: int) -> list[int]:
    pool = db.fetch(conn, "SELECT blocks, remaining FROM lake_pool WHERE id = 1")
    blocks, left = (pool[0][0], np.frombuffer(pool[0][1], dtype="<i8")) if pool else (0, np.empty(0, dtype="<i8"))
    while len(left) < count:
        left = np.concatenate([left, _shuffled(blocks)])
        blocks += 1
    # What was drawn leaves the record: the order of arrival is not kept here.
    db.run(
        conn,
        "INSERT INTO lake_pool (id, blocks, remaining) VALUES (1, ?, ?) "
        "ON CONFLICT (id) DO UPDATE SET blocks = excluded.blocks, remaining = excluded.remaining",
        (blocks, left[count:].tobytes()),
    )
    return [int(no) for no in left[:count]]


def _shuffled(block: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    # Sorting by 64 random bits each is a uniform shuffle, up to ties of probability below 2^-41 per block.
    order = np.argsort(np.frombuffer(secrets.token_bytes(8 * BLOCK), dtype=np.uint64))
    return np.asarray(1 + block * BLOCK + order, dtype="<i8")
