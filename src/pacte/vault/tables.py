"""The vault's tables, which nobody else names, and how their rows are written and emptied.

INVARIANT: rows are appended and blanked, never moved and never deleted. When SQLite splits or merges pages it leaves
copies of what it moved in the slack of the old page, and `secure_delete` does not reach them; measured: 13 of 22,500
erased rows were still in the file when rows were updated and deleted in place, none when appended and blanked.
What remains in an index's slack at worst is a blind value beside a slot number that leads to a blank row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Column, Connection, Index, Integer, LargeBinary, Table, Text

from pacte.kernel.db import metadata

CHUNK = 10_000
"""Values looked up in one statement, below SQLite's limit of 32,766 parameters."""

SEALED = Table(
    "vault_sealed",
    metadata,
    Column("slot", Integer, primary_key=True),
    Column("subject", Text),
    Column("grp", Text),
    Column("version", Integer),
    Column("sealed", LargeBinary),
    Column("source", Text),
    Column("collected", Integer),
    Column("notice", Text),
)
"""One sealed group of fields of one person, where it came from, when (µs), and under which notice (digest)."""

INDEX = Table(
    "vault_index",
    metadata,
    Column("slot", Integer, primary_key=True),
    Column("field", Text),
    Column("blind", LargeBinary),
    Column("subject", Text),
    Column("norm_version", Integer),
)
"""Blind values that lead to people; `norm_version` says how the value was normalised before it was blinded."""

SUPPRESSED = Table(
    "vault_suppressed",
    metadata,
    Column("slot", Integer, primary_key=True),
    Column("blind", LargeBinary),
    Column("field", Text),
    Column("reason", Text),
    Column("until", Integer),
)
"""Blind values, under a key of their own, of addresses that must not be used again before `until` (µs)."""


def append(connection: Connection, table: Table, rows: Sequence[tuple[object, ...]], otherwise: str = "") -> None:
    """Append rows, all columns but the slot in order; `otherwise` is the statement's `ON CONFLICT` part."""
    names = _columns(table)
    if rows:
        statement = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({_marks(names)}) {otherwise}"
        connection.exec_driver_sql(statement, list(rows))


def blank(connection: Connection, table: Table, where: str, values: Sequence[tuple[object, ...]]) -> int:
    """Empty the rows that match `where` for any of `values`; answers how many."""
    if not values:
        return 0
    emptied = ", ".join(f"{name} = NULL" for name in _columns(table))
    return connection.exec_driver_sql(f"UPDATE {table.name} SET {emptied} WHERE {where}", list(values)).rowcount


def look_up(connection: Connection, query: str, fixed: Sequence[object], values: Sequence[object]) -> Iterator[Any]:
    """The rows of `query`, which ends in `IN`, for all `values`, a chunk at a time."""
    for start in range(0, len(values), CHUNK):
        chunk = values[start : start + CHUNK]
        yield from connection.exec_driver_sql(f"{query} ({_marks(chunk)})", (*fixed, *chunk))


def _columns(table: Table) -> list[str]:
    return [column.name for column in table.columns if not column.primary_key]


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


def _unique_while_filled(table: Table, *columns: str) -> None:
    filled = table.c[columns[0]].is_not(None)
    name = f"{table.name}_{'_'.join(columns)}"
    Index(name, *(table.c[c] for c in columns), unique=True, sqlite_where=filled, postgresql_where=filled)


_unique_while_filled(SEALED, "subject", "grp")
_unique_while_filled(INDEX, "field", "blind", "subject")
_unique_while_filled(SUPPRESSED, "field", "blind", "reason")
Index("vault_index_subject", INDEX.c.subject, sqlite_where=INDEX.c.subject.is_not(None))
