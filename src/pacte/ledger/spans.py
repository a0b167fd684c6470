"""Spans of the log: what its uses read, and who answered a message with a no, between two indices.

Messages are uses of one person each, and a span may hold a million of them: bodies are searched, and few are decoded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from sqlalchemy import Connection, or_, select

from pacte.kernel import db
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import Instant
from pacte.ledger.queries import _holds
from pacte.ledger.tables import RARE, entry_table


class Read(NamedTuple):
    """What some uses of a span declared: a purpose and its fields; when the last of them was, under which index."""

    purpose: str
    fields: tuple[str, ...]
    at: Instant
    entry: int


class Said(NamedTuple):
    """What somebody said of a purpose, and by which way."""

    subject: SubjectId
    purpose: str
    method: str
    act: str


# Bodies are canonical: keys in order, and within a string of theirs no quote stands without a backslash before it.
_USE = re.compile(rb'"fields":(\[[^\]]*\]).*"purpose":("[^"]*")')


def read(conn: Connection, start: int, stop: int) -> list[Read]:
    """What the uses from index `start` to below `stop` read, of sets and of single people, each kind of use once.

    Redacted uses say nothing any more.
    """
    sql = f"SELECT idx, body FROM ledger_entry WHERE kind = 'use' AND {RARE} AND idx >= ? AND idx < ? ORDER BY idx"
    last: dict[tuple[bytes, bytes], tuple[int, bytes]] = {}
    for index, body in db.fetch(conn, sql, (start, stop)):
        found = _USE.search(body or b"")
        if found is not None:
            last[found[1], found[2]] = (index, body)
    return [
        Read(json.loads(purpose), tuple(json.loads(fields)), Instant(json.loads(body)["at"]), index)
        for (fields, purpose), (index, body) in last.items()
    ]


def said_by(conn: Connection, start: int, stop: int, methods: Collection[str]) -> Iterator[Said]:
    """The choices from index `start` to below `stop` that were made by one of these ways, oldest first."""
    by = or_(*(_holds(conn, f'"method":"{method}"'.encode()) for method in sorted(methods)))
    query = select(entry_table.c.body).where(
        entry_table.c.kind == "choice", entry_table.c.idx >= start, entry_table.c.idx < stop, by
    )
    for row in conn.execute(query.order_by(entry_table.c.idx)):
        entry: Mapping[str, str] = json.loads(row.body)
        yield Said(SubjectId(entry["subject"]), entry["purpose"], entry["method"], entry["act"])
