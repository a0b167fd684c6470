"""Rows in and out of the derived tables, and the one wording of what is visible, for SQLite and DuckDB alike."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from sqlalchemy import Connection, String

from pacte.consent.tables import COLUMNS, FACETS
from pacte.kernel import db
from pacte.kernel.db import fetch

__all__ = ["DEPTH", "KNOWN", "SPOKEN", "TOLD", "VISIBLE", "delete", "fetch", "filled", "insert", "literal"]

_PARAMETER = re.compile(r":([a-z]+[0-9]*)")

KNOWN = "known_from < :s AND (known_to IS NULL OR known_to >= :s)"
VISIBLE = f"valid_from <= :t AND (valid_to IS NULL OR valid_to > :t) AND {KNOWN}"
"""A rectangle at valid time `:t`, knowing the first `:s` entries of the ledger."""
TOLD = "valid_from <= :t AND known_from < :s"
SPOKEN = f"purpose IN (:purpose, '*') AND channel IN (:channel, '') AND recipient IN (:recipient, '') AND {VISIBLE}"
"""The rectangles of the keys that cover a question; the one with the greatest `DEPTH` answers it."""
DEPTH = "CAST(purpose <> '*' AS INTEGER) + CAST(channel <> '' AS INTEGER) + CAST(recipient <> '' AS INTEGER)"


def insert(conn: Connection, facet: str, rows: list[tuple[Any, ...]]) -> None:
    """Add rows to the table of a facet; each holds all its columns, in their order."""
    db.insert(conn, f"consent_{facet}", COLUMNS[facet], rows)


def delete(conn: Connection, facet: str, rows: list[tuple[Any, ...]]) -> None:
    """Remove these rows from the table of a facet; each holds all its columns, in their order."""
    if not rows:
        return
    table, places = FACETS[facet], _places(facet)
    names = [COLUMNS[facet][place] for place in places]
    keys = [tuple(row[place] for place in places) for row in rows]
    if not db.is_postgres(conn):
        db.run_many(conn, f"DELETE FROM consent_{facet} WHERE {' AND '.join(f'{name} = ?' for name in names)}", keys)
        return
    kinds = ["text" if isinstance(table.c[name].type, String) else "bigint" for name in names]
    gone = ", ".join(f"?::{kind}[]" for kind in kinds)
    same = " AND ".join(f"held.{name} = gone.{name}" for name in names)
    sql = f"DELETE FROM consent_{facet} AS held USING unnest({gone}) AS gone ({', '.join(names)}) WHERE {same}"
    db.run(conn, sql, [list(column) for column in zip(*keys, strict=True)])


def literal(value: int | str) -> str:
    """A value as SQL text, where a bound parameter is not possible (the body of a view)."""
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


def filled(sql: str, parameters: Mapping[str, int | str]) -> str:
    """`sql` with each `:name` written out; a value that looks like a parameter stays what it is."""
    return _PARAMETER.sub(lambda found: literal(parameters[found[1]]), sql)


@cache
def _places(facet: str) -> tuple[int, ...]:
    """Where the columns of the primary key stand in a row."""
    return tuple(place for place, column in enumerate(FACETS[facet].columns) if column.primary_key)
