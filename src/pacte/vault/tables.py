"""The vault's tables, which nobody else names, and how their rows are written and emptied.

INVARIANT: rows are appended and blanked, never moved and never deleted. When SQLite splits or merges pages it leaves
copies of what it moved in the slack of the old page, and `secure_delete` does not reach them; measured: 13 of 22,500
erased rows were still in the file when rows were updated and deleted in place, none when appended and blanked.
What remains in an index's slack at worst is a blind value beside a slot number that leads to a blank row.
That is SQLite. PostgreSQL keeps what was updated or deleted until it is vacuumed, and after that in the free space of
its pages and in its log until both are written over: there the shredded data key is what makes erasure hold, rows are
deleted, and a copy of the server's files shows ciphertext that nothing opens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Column, Connection, Index, Integer, LargeBinary, Table, Text

from pacte.kernel import db
from pacte.kernel.db import Int64, metadata

CHUNK = 10_000
"""Values looked up in one statement, below SQLite's limit of 32,766 parameters."""

SEALED = Table(
    "vault_sealed",
    metadata,
    Column("slot", Int64, primary_key=True),
    Column("subject", Text),
    Column("grp", Text),
    Column("version", Integer),
    Column("sealed", LargeBinary),
    Column("source", Text),
    Column("collected", Int64),
    Column("notice", Text),
)
"""One sealed group of fields of one person, where it came from, when (µs), and under which notice (digest)."""

INDEX = Table(
    "vault_index",
    metadata,
    Column("slot", Int64, primary_key=True),
    Column("field", Text),
    Column("blind", LargeBinary),
    Column("subject", Text),
    Column("norm_version", Integer),
    Column("checked", LargeBinary),
)
"""Blind values that lead to people; `norm_version` says how the value was normalised before it was blinded.

`checked` is the row's check value, see `vault.checked`."""

SUPPRESSED = Table(
    "vault_suppressed",
    metadata,
    Column("slot", Int64, primary_key=True),
    Column("blind", LargeBinary),
    Column("field", Text),
    Column("reason", Text),
    Column("until", Int64),
    Column("checked", LargeBinary),
)
"""Blind values, under a key of their own, of addresses that must not be used again before `until` (µs).

`checked` is the row's check value, see `vault.checked`."""


def append(connection: Connection, table: Table, rows: Sequence[tuple[object, ...]], otherwise: str = "") -> None:
    """Append rows, all columns but the slot in order; `otherwise` is the statement's `ON CONFLICT` part."""
    names = _columns(table)
    if not otherwise:
        db.insert(connection, table.name, names, rows)
    elif rows and db.is_postgres(connection):
        # One array per column: a statement per row costs a load several times what its rows cost.
        kinds = ", ".join(f"?::{_array_type(table, name)}" for name in names)
        statement = f"INSERT INTO {table.name} ({', '.join(names)}) SELECT * FROM unnest({kinds}) {otherwise}"
        db.run(connection, statement, [list(values) for values in zip(*rows, strict=True)])
    else:
        statement = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({_marks(names)}) {otherwise}"
        db.run_many(connection, statement, rows)


def blank(connection: Connection, table: Table, where: str, values: Sequence[tuple[object, ...]]) -> int:
    """Empty the rows that match `where` for any of `values` (PostgreSQL: delete them); answers how many."""
    if db.is_postgres(connection):
        return db.run_many(connection, f"DELETE FROM {table.name} WHERE {where}", values)
    emptied = ", ".join(f"{name} = NULL" for name in _columns(table))
    return db.run_many(connection, f"UPDATE {table.name} SET {emptied} WHERE {where}", values)


def look_up(connection: Connection, query: str, fixed: Sequence[object], values: Sequence[object]) -> Iterator[Any]:
    """The rows of `query`, which ends in a column, where that column is one of `values`, a chunk at a time."""
    for start in range(0, len(values), CHUNK):
        chunk = values[start : start + CHUNK]
        if db.is_postgres(connection):
            yield from db.fetch(connection, f"{query} = ANY(?)", (*fixed, list(chunk)))
        else:
            yield from db.fetch(connection, f"{query} IN ({_marks(chunk)})", (*fixed, *chunk))


def _array_type(table: Table, name: str) -> str:
    kind = table.c[name].type
    return "text[]" if isinstance(kind, Text) else "bytea[]" if isinstance(kind, LargeBinary) else "bigint[]"


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
_filled = INDEX.c.subject.is_not(None)
Index("vault_index_subject", INDEX.c.subject, sqlite_where=_filled, postgresql_where=_filled)
