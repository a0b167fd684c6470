"""Release the rows of one person, as they are, to whoever answers that person.

INVARIANT: rows leave for a `Permit` only, of that person alone, and only the columns that its recorded use declares.
The internal number never leaves. What a purpose of many people sees is rounded; what somebody sees of themselves, not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa
from sqlalchemy import Connection

from pacte.gate import rules as stored
from pacte.gate.permit import Permit
from pacte.gate.release import Source
from pacte.kernel.errors import Denied, NotFound
from pacte.kernel.instant import Instant
from pacte.kernel.redacted import Redacted
from pacte.lake.numbers import number
from pacte.lake.schema import schema_of
from pacte.lake.segments import not_found
from pacte.lake.source import identifier, open_lake
from pacte.ledger import queries


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a dataset: where it came from, when it was collected, and its values by the name of their field."""

    dataset: str
    source: str
    collected: Instant
    values: Redacted[Mapping[str, Any]]


def rows_of_one(source: Source, permit: Permit, now: Instant) -> list[Row]:
    """The person's rows in every dataset that the permit names fields of, the latest first.

    Raises `Denied` for a permit that has expired or that another house gave, `Conflict` while the lake is rewritten.
    """
    permit.check(now)
    _refuse_foreign(source.conn, permit)
    no = number(source.conn, permit.subject)
    if no is None:
        return []
    datasets: dict[str, Any] = dict(stored.load(source.conn, permit.record.rules).datasets)
    wanted = {name: _types(name, dataset, permit) for name, dataset in datasets.items()}
    schemas = {name: schema_of(types) for name, types in wanted.items() if types}
    try:
        with open_lake(source.conn, source.lake, schemas, pa.array([no])) as duck:
            return [row for name in schemas for row in _rows(duck, name, list(wanted[name]), no)]
    except duckdb.IOException:
        raise not_found(source.conn, source.lake) from None


def _types(name: str, dataset: Mapping[str, Any], permit: Permit) -> dict[str, str]:
    """The permitted fields of a dataset that lie in the lake, and their types; identities are sealed elsewhere."""
    return {
        field: spec["type"]
        for field, spec in dataset["fields"].items()
        if "identity" not in spec and f"{name}.{field}" in permit.fields
    }


def _rows(duck: duckdb.DuckDBPyConnection, dataset: str, fields: list[str], no: int) -> Iterator[Row]:
    columns = ", ".join(map(identifier, ["_source", "_collected", *fields]))
    query = f"SELECT {columns} FROM {identifier(dataset)} WHERE _no = ? ORDER BY _collected DESC, _row"
    for came_from, collected, *values in duck.execute(query, [no]).fetchall():
        named = dict(zip(fields, values, strict=True))
        yield Row(dataset, came_from or "", Instant(collected), Redacted(named))


def _refuse_foreign(conn: Connection, permit: Permit) -> None:
    """Internal numbers mean other people elsewhere: a permit opens the house that recorded its use, and no other."""
    try:
        index = queries.use(conn, permit.record.use)[0]
    except NotFound:
        index = -1
    if index != permit.index:
        raise Denied("foreign_permit", "this permit was given by another house; declare the use here")
