"""Pages of the log, for people who read it: the newest entries first, of some kinds, within some indices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, func, select

from pacte.ledger.entries import kinds as every_kind
from pacte.ledger.log import _decode
from pacte.ledger.tables import entry_table

CHUNK = 500
"""Entries that are fetched at once."""


def newest(
    conn: Connection, start: int, stop: int, kinds: Sequence[str] = ()
) -> Iterator[tuple[int, str, dict[str, Any] | None]]:
    """The entries `start` to `stop - 1`, the newest first, lazily: index, kind, and what it says unless redacted.

    With `kinds` those alone. Nothing is read beyond what is asked for, so that a page costs what it shows, and a rare
    kind costs at most a walk over these indices.
    """
    columns = select(entry_table.c.idx, entry_table.c.kind, entry_table.c.body)
    of_kinds = [entry_table.c.kind.in_(sorted(set(kinds) & every_kind()))] if kinds else []
    while start < stop:
        within = (entry_table.c.idx >= start, entry_table.c.idx < stop, *of_kinds)
        rows = conn.execute(columns.where(*within).order_by(entry_table.c.idx.desc()).limit(CHUNK)).all()
        for row in rows:
            yield row.idx, row.kind, _decode(row.body)
        if len(rows) < CHUNK:
            return
        stop = rows[-1].idx


def counted(conn: Connection, start: int, stop: int) -> dict[str, int]:
    """How many of the entries `start` to `stop - 1` are of which kind."""
    within = (entry_table.c.idx >= start, entry_table.c.idx < stop)
    query = select(entry_table.c.kind, func.count()).where(*within).group_by(entry_table.c.kind)
    return {kind: int(count) for kind, count in conn.execute(query)}
