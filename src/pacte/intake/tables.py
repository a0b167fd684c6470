"""What intake remembers of rows, so that a file loaded twice, or again after a crash, changes nothing.

Rows are known by keyed fingerprints only; `no` is the person's internal number, so that an erasure finds them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import NamedTuple

from sqlalchemy import Column, Connection, Index, LargeBinary, String, Table

from pacte.kernel import db
from pacte.kernel.db import Int64, metadata

intake_row = Table(
    "intake_row",
    metadata,
    Column("dataset", String, primary_key=True),
    Column("source", String, primary_key=True),  # of the mapping, for people: each speaks for itself; else ""
    Column("row", LargeBinary, primary_key=True),  # 16 bytes: which row of the dataset
    Column("digest", LargeBinary, nullable=False),  # 16 bytes: what it said; empty for rows that never change
    Column("facts", LargeBinary, nullable=False),  # 8 bytes for each fact that it last told; see `statements`
    Column("fields", String, nullable=False),  # the fields that it last filled, joined by commas
    Column("since", Int64),  # from when the facts hold that it told last
    Column("no", Int64),  # the person; null when the row is nobody's
    sqlite_with_rowid=False,
)
Index("intake_row_no", intake_row.c.no)

intake_collection = Table(
    "intake_collection",
    metadata,
    Column("no", Int64, primary_key=True, autoincrement=False),
    Column("dataset", String, primary_key=True),
    Column("source", String, primary_key=True),
    Column("notice", String, primary_key=True),  # digest; "" when no notice is known
    Column("since", Int64, nullable=False),  # when it was collected first
    sqlite_with_rowid=False,
)
"""Which collections of which person the ledger tells of already."""


CHUNK = 10_000
"""Values looked up in one statement, below SQLite's limit of 32,766 parameters."""


class Said(NamedTuple):
    """What is remembered of one row of a source."""

    digest: bytes
    facts: bytes = b""
    fields: str = ""
    since: int | None = None


def known_rows(conn: Connection, dataset: str, rows: Iterable[bytes], source: str = "") -> dict[bytes, Said]:
    """What is remembered of those rows that were loaded before."""
    asked = list(rows)
    known: dict[bytes, Said] = {}
    for start in range(0, len(asked), CHUNK):
        chunk = asked[start : start + CHUNK]
        marks = ", ".join("?" * len(chunk))
        sql = (
            "SELECT row, digest, facts, fields, since FROM intake_row "
            f"WHERE dataset = ? AND source = ? AND row IN ({marks})"
        )
        for row, *said in db.fetch(conn, sql, (dataset, source, *chunk)):
            known[row] = Said(*said)
    return known


def remember_rows(conn: Connection, dataset: str, rows: Sequence[tuple[bytes, bytes, bytes, int | None]]) -> None:
    """Write (row, digest, facts, person) for each row of events or choices."""
    _remember(conn, [(dataset, "", row, *Said(digest, facts), no) for row, digest, facts, no in rows])


def remember_people(conn: Connection, dataset: str, source: str, rows: Iterable[tuple[bytes, Said, int]]) -> None:
    """Write (row, what it says, person) for each row of a source; what was known of it is replaced."""
    _remember(conn, [(dataset, source, row, *said, no) for row, said, no in rows])


def _remember(conn: Connection, rows: list[tuple[object, ...]]) -> None:
    sql = (
        "INSERT INTO intake_row (dataset, source, row, digest, facts, fields, since, no) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (dataset, source, row) DO UPDATE SET digest = excluded.digest, "
        "facts = excluded.facts, fields = excluded.fields, since = excluded.since, no = excluded.no"
    )
    # All are of one dataset and one source; in the order of the table they are written to near places.
    db.run_many(conn, sql, sorted(rows, key=itemgetter(2)))


def new_collections(
    conn: Connection, dataset: str, source: str, met: Mapping[tuple[int, str], int]
) -> set[tuple[int, str]]:
    """Those of (person, notice) that were not yet recorded for this dataset and source; they are from now on.

    `met` says when each was collected.
    """
    sql = (
        f"SELECT c.no, c.notice FROM {db.among(conn, 'integer')} AS asked "
        "CROSS JOIN intake_collection AS c WHERE c.no = asked.value AND c.dataset = ? AND c.source = ?"
    )
    asked = db.listed(conn, sorted({no for no, _ in met}))
    new = met.keys() - set(db.fetch(conn, sql, (asked, dataset, source)))
    rows = [(no, dataset, source, notice, met[no, notice]) for no, notice in sorted(new)]
    db.insert(conn, "intake_collection", ("no", "dataset", "source", "notice", "since"), rows)
    return new


def collected_since(conn: Connection, nos: Collection[int]) -> dict[int, int]:
    """By person: when anything was first collected about them."""
    sql = (
        f"SELECT c.no, min(c.since) FROM {db.among(conn, 'integer')} AS asked "
        "CROSS JOIN intake_collection AS c WHERE c.no = asked.value GROUP BY c.no"
    )
    return dict(db.fetch(conn, sql, (db.listed(conn, sorted(nos)),)))


def forget_rows(conn: Connection, no: int) -> int:
    """Remove every trace of one person's rows; answers how many."""
    count = db.run(conn, "DELETE FROM intake_row WHERE no = ?", (no,)).rowcount
    db.run(conn, "DELETE FROM intake_collection WHERE no = ?", (no,))
    return count


def collected_from(conn: Connection, source: str) -> list[int]:
    """The numbers of the people about whom something was collected from a source."""
    sql = "SELECT DISTINCT no FROM intake_collection WHERE source = ? ORDER BY no"
    return [no for (no,) in db.fetch(conn, sql, (source,))]
