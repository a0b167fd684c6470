"""Columnar base files of the derived tables, and what has changed since: base plus overlay, read by DuckDB.

The base is lake segments of the datasets `facts:…`, written whole at some ledger size. Rows of a person touched since
then are read from the record database instead: `consent_touched` masks all of that person's rows in the base. A house
without a base reads everything from the record database, with the same answers.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Connection

from pacte.consent.sql import fetch, filled, literal
from pacte.consent.state import applied
from pacte.consent.tables import COLUMNS, FACETS
from pacte.kernel.errors import Unsafe
from pacte.lake.numbers import numbers
from pacte.lake.segments import DERIVED, add_segment, retire, segments
from pacte.ledger import queries

_TEXT = frozenset(
    "voice purpose channel recipient status signal notice method place capacity age guardian".split()  # noqa: SIM905 reads better
)
_ORDER = {"choice": [("purpose", "ascending"), ("_no", "ascending")]}
_CHUNK = 200_000

WORTH = 10_000
"""Below this many people the record database alone is fast enough."""
SHARE = 10
"""A new base is written once more than one person in so many was touched since the last one."""


def write(conn: Connection, directory: Path) -> int:
    """Write a new base in the caller's write transaction and take the old one off the manifest; its ledger size.

    The old files go with the next `lake.segments.garbage`.
    """
    for facet in FACETS:
        retire(conn, segments(conn, _dataset(facet)))
        table = _whole(conn, facet)
        if table.num_rows:
            add_segment(conn, directory, _dataset(facet), table.sort_by(_ORDER.get(facet, "_no")), "snapshot")
    size = applied(conn)
    conn.exec_driver_sql("DELETE FROM consent_touched")
    conn.exec_driver_sql("DELETE FROM consent_base")
    conn.exec_driver_sql("INSERT INTO consent_base (id, size) VALUES (1, ?)", (size,))
    return size


def worth_writing(conn: Connection) -> bool:
    """Whether so much has changed since the last base (or so many people have none) that a new one pays for itself."""
    people = fetch(conn, "SELECT count(*) FROM consent_subject")[0][0]
    touched = fetch(conn, "SELECT count(*) FROM consent_touched")[0][0]
    based = bool(fetch(conn, "SELECT 1 FROM consent_base"))
    return bool(people >= WORTH and (not based or touched * SHARE > people))


class Snapshot:
    """Base and overlay as one DuckDB connection sees them within one read transaction of the record database."""

    def __init__(self, duck: duckdb.DuckDBPyConnection, conn: Connection, directory: Path) -> None:
        self._duck = duck
        self._conn = conn
        self._directory = directory.resolve()
        self._based = bool(fetch(conn, "SELECT 1 FROM consent_base"))
        self._touched = ""
        if self._based:
            nos = [row[0] for row in fetch(conn, "SELECT no FROM consent_touched")]
            _refuse_forgotten(conn, set(nos))
            self._touched = self.register(pa.table({"no": pa.array(nos, pa.int64())}))

    def rows(self, facet: str, columns: Mapping[str, str], where: str, asked: dict[str, int | str]) -> str:
        """SQL text of a DuckDB query: `columns` (name → expression) of the rows of a facet that satisfy `where`.

        Expressions and `where` are wording that both engines share; `asked` fills their parameters.
        """
        chosen = ", ".join(f"{expression} AS {name}" for name, expression in columns.items())
        overlay = f"SELECT * FROM {self.register(self._overlay(facet, columns, chosen, where, asked))}"
        files = (
            [self._directory / segment.file for segment in segments(self._conn, _dataset(facet))] if self._based else []
        )
        if not files:
            return overlay
        listed = ", ".join(literal(str(file)) for file in files)
        base = f"SELECT _no AS no, * EXCLUDE (_no) FROM read_parquet([{listed}])"
        unmasked = (
            f"SELECT base.* FROM ({base}) AS base LEFT JOIN {self._touched} AS touched ON touched.no = base.no "
            "WHERE touched.no IS NULL"
        )
        return f"SELECT {chosen} FROM ({unmasked}) WHERE {filled(where, asked)} UNION ALL {overlay}"

    def register(self, table: pa.Table) -> str:
        """Give DuckDB an Arrow table under a name of its own."""
        name = new_name("consent_rows")
        self._duck.register(name, table)
        return name

    def _overlay(
        self, facet: str, columns: Mapping[str, str], chosen: str, where: str, asked: dict[str, int | str]
    ) -> pa.Table:
        touched = " AND no IN (SELECT no FROM consent_touched)" if self._based else ""
        found = fetch(self._conn, f"SELECT {chosen} FROM consent_{facet} WHERE {where}{touched}", asked)
        return _arrow(list(columns), found)


def differences(conn: Connection, directory: Path) -> list[str]:
    """Which facets of the base say, of people not touched since, something else than the record database."""
    if not fetch(conn, "SELECT 1 FROM consent_base"):
        return []
    touched = {row[0] for row in fetch(conn, "SELECT no FROM consent_touched")}
    found = []
    for facet in FACETS:
        files = [directory / segment.file for segment in segments(conn, _dataset(facet))]
        names = ["_no" if column == "no" else column for column in COLUMNS[facet]]
        tables = [pq.read_table(file, columns=names) for file in files]
        base = {row for table in tables for row in zip(*(table.column(n).to_pylist() for n in names), strict=True)}
        held = set(fetch(conn, f"SELECT {', '.join(COLUMNS[facet])} FROM consent_{facet}"))
        place = names.index("_no")
        if {row for row in base if row[place] not in touched} != {row for row in held if row[place] not in touched}:
            found.append(f"the columnar copy of `consent_{facet}` in the lake does not follow from the records")
    return found


def _refuse_forgotten(conn: Connection, touched: set[int]) -> None:
    """Whoever the ledger speaks of since the base was written must be read from the records, not from the base."""
    size = fetch(conn, "SELECT size FROM consent_base")[0][0]
    since = numbers(conn, queries.subjects_since(conn, size))
    if not touched.issuperset(since.values()):
        raise Unsafe(
            "the columnar copy of the facts is behind the ledger; run `pacte ledger check`; nobody is permitted"
        )


def new_name(prefix: str) -> str:
    """A relation name that no other question uses."""
    return f"{prefix}_{secrets.token_hex(6)}"


def _whole(conn: Connection, facet: str) -> pa.Table:
    names = ["_no" if column == "no" else column for column in COLUMNS[facet]]
    result = conn.exec_driver_sql(f"SELECT {', '.join(COLUMNS[facet])} FROM consent_{facet}")
    parts = [_arrow(names, [])]
    while result.cursor is not None and (rows := result.cursor.fetchmany(_CHUNK)):
        parts.append(_arrow(names, list(rows)))
    result.close()
    return pa.concat_tables(parts)


def _arrow(names: list[str], rows: list[tuple[Any, ...]]) -> pa.Table:
    values: list[Any] = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    columns = [pa.array(column, _type(name)) for name, column in zip(names, values, strict=True)]
    return pa.Table.from_arrays(columns, names=names)


def _type(name: str) -> pa.DataType:
    return pa.string() if name in _TEXT else pa.int64()


def _dataset(facet: str) -> str:
    return f"{DERIVED}{facet}"
