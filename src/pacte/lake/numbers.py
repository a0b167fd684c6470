"""Internal numbers: a dense integer per person, for the lake and the derived consent tables only.

Numbers are drawn from shuffled blocks, so that within a block a number says nothing about who came first. They are
never shown to a use, never recorded in the ledger, and a number that was released is never drawn again.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Iterable

import numpy as np
from sqlalchemy import Column, Connection, Integer, LargeBinary, String, Table

from pacte.kernel.db import metadata
from pacte.kernel.ids import SubjectId

BLOCK = 4_096
"""How many numbers are shuffled together. Larger hides the order of arrival better, smaller keeps the record short."""

lake_subject = Table(
    "lake_subject",
    metadata,
    Column("no", Integer, primary_key=True, autoincrement=False),
    Column("subject", String(32), nullable=False, unique=True),
)

lake_pool = Table(
    "lake_pool",
    metadata,
    Column("id", Integer, primary_key=True),  # always 1
    Column("blocks", Integer, nullable=False),  # how many blocks were opened since the house was founded
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
        conn.exec_driver_sql("INSERT INTO lake_subject (no, subject) VALUES (?, ?)", rows)
        found.update((subject, no) for no, subject in rows)
    return {subject: found[subject] for subject in wanted}


def numbers(conn: Connection, ids: Collection[SubjectId]) -> dict[SubjectId, int]:
    """The numbers of those persons in `ids` who have one, in one query."""
    sql = "SELECT s.subject, s.no FROM json_each(?) AS asked CROSS JOIN lake_subject AS s ON s.subject = asked.value"
    return {SubjectId(row[0]): row[1] for row in conn.exec_driver_sql(sql, (json.dumps(list(ids)),))}


def subjects(conn: Connection, nos: Collection[int]) -> dict[int, SubjectId]:
    """The persons behind those of `nos` that belong to somebody, in one query."""
    sql = "SELECT s.no, s.subject FROM json_each(?) AS asked CROSS JOIN lake_subject AS s ON s.no = asked.value"
    return {row[0]: SubjectId(row[1]) for row in conn.exec_driver_sql(sql, (json.dumps(list(nos)),))}


def release(conn: Connection, nos: Collection[int]) -> None:
    """Forget whose these numbers were (the end of the evidence); they are never drawn again."""
    conn.exec_driver_sql(
        "DELETE FROM lake_subject WHERE no IN (SELECT value FROM json_each(?))", (json.dumps(list(nos)),)
    )


def _draw(conn: Connection, count: int) -> list[int]:
    row = conn.exec_driver_sql("SELECT blocks, remaining FROM lake_pool WHERE id = 1").fetchone()
    blocks, left = (row[0], np.frombuffer(row[1], dtype="<i8")) if row else (0, np.empty(0, dtype="<i8"))
    while len(left) < count:
        left = np.concatenate([left, _shuffled(blocks)])
        blocks += 1
    # What was drawn leaves the record: the order of arrival is not kept here.
    conn.exec_driver_sql(
        "INSERT INTO lake_pool (id, blocks, remaining) VALUES (1, ?, ?) "
        "ON CONFLICT (id) DO UPDATE SET blocks = excluded.blocks, remaining = excluded.remaining",
        (blocks, left[count:].tobytes()),
    )
    return [int(no) for no in left[:count]]


def _shuffled(block: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    # Sorting by 64 random bits each is a uniform shuffle, up to ties of probability below 2^-41 per block.
    order = np.argsort(np.frombuffer(secrets.token_bytes(8 * BLOCK), dtype=np.uint64))
    return np.asarray(1 + block * BLOCK + order, dtype="<i8")
