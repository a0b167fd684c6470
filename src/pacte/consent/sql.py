"""Rows in and out of the derived tables, and the one wording of what is visible, for SQLite and DuckDB alike."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from pacte.consent.tables import COLUMNS

_PARAMETER = re.compile(r":([a-z]+[0-9]*)")

KNOWN = "known_from < :s AND (known_to IS NULL OR known_to >= :s)"
VISIBLE = f"valid_from <= :t AND (valid_to IS NULL OR valid_to > :t) AND {KNOWN}"
"""A rectangle at valid time `:t`, knowing the first `:s` entries of the ledger."""
TOLD = "valid_from <= :t AND known_from < :s"
SPOKEN = f"purpose IN (:purpose, '*') AND channel IN (:channel, '') AND recipient IN (:recipient, '') AND {VISIBLE}"
"""The rectangles of the keys that cover a question; the one with the greatest `DEPTH` answers it."""
DEPTH = "CAST(purpose <> '*' AS INTEGER) + CAST(channel <> '' AS INTEGER) + CAST(recipient <> '' AS INTEGER)"


def fetch(conn: Connection, sql: str, parameters: tuple[Any, ...] | dict[str, Any] = ()) -> list[tuple[Any, ...]]:
    """All rows as the driver's own tuples: persons come by the hundred thousand, wrapping each costs as much again."""
    result = conn.exec_driver_sql(sql, parameters)
    rows = list(result.cursor.fetchall()) if result.cursor is not None else []
    result.close()
    return rows


def insert(conn: Connection, facet: str, rows: list[tuple[Any, ...]]) -> None:
    """Add rows to the table of a facet; each holds all its columns, in their order."""
    if rows:
        columns = COLUMNS[facet]
        marks = ", ".join("?" * len(columns))
        conn.exec_driver_sql(f"INSERT INTO consent_{facet} ({', '.join(columns)}) VALUES ({marks})", rows)


def literal(value: int | str) -> str:
    """A value as SQL text, where a bound parameter is not possible (the body of a view)."""
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


def filled(sql: str, parameters: Mapping[str, int | str]) -> str:
    """`sql` with each `:name` written out; a value that looks like a parameter stays what it is."""
    return _PARAMETER.sub(lambda found: literal(parameters[found[1]]), sql)
