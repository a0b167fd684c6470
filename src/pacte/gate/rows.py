"""Release the rows of one person: to whoever answers that person as they are, to whoever serves them as declared.

INVARIANT: rows leave for a `Permit` only, of that person alone, and only the columns that its recorded use declares.
The internal number never leaves. The house's own purposes see rows whole; a purpose of the policy sees them rounded as
the policy says, and without those that reveal a special category for which it stands on no ground.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import duckdb
import pyarrow as pa
from sqlalchemy import Connection

from pacte.gate import rules as stored
from pacte.gate.permit import Permit
from pacte.gate.questions import HOUSE
from pacte.gate.release import Source, readable, rounded, telling
from pacte.kernel.errors import Denied, NotFound
from pacte.kernel.instant import Instant, from_date, to_datetime
from pacte.kernel.redacted import Redacted
from pacte.lake.numbers import number
from pacte.lake.schema import schema_of
from pacte.lake.segments import not_found
from pacte.lake.source import identifier, open_lake
from pacte.ledger import queries
from pacte.policy.table import PurposeRules


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a dataset: where it came from, when it was collected, and its values by the name of their field.

    A purpose of the policy learns the month of the collection alone, as of any instant without a declared rounding.
    """

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
    table = stored.load(source.conn, permit.record.rules)
    datasets: dict[str, Any] = dict(table.datasets)
    views = [view for name, dataset in datasets.items() if (view := _view(name, dataset, permit, table.purposes))]
    schemas = {view.name: view.schema for view in views}
    try:
        with open_lake(source.conn, source.lake, schemas, pa.array([no])) as duck:
            found = [row for view in views for row in _rows(duck, view, no)]
            return found if permit.purpose.startswith(HOUSE) else [replace(row, collected=_month(row)) for row in found]
    except duckdb.IOException:
        raise not_found(source.conn, source.lake) from None


@dataclass(frozen=True, slots=True)
class _View:
    """What a permit shows of one dataset: its fields, how each is read, and which rows stay out of sight."""

    name: str
    schema: pa.Schema
    fields: Mapping[str, str]
    hidden: tuple[str, ...]


def _view(name: str, dataset: Mapping[str, Any], permit: Permit, purposes: Mapping[str, PurposeRules]) -> _View | None:
    """The permitted fields that lie in the lake; identities are sealed elsewhere. `None` where there are none."""
    held = {field: spec for field, spec in dataset["fields"].items() if "identity" not in spec}
    wanted = {field: spec for field, spec in held.items() if f"{name}.{field}" in permit.fields}
    if not wanted:
        return None
    purpose = purposes[permit.purpose]
    hidden = {} if purpose.art9 or permit.purpose.startswith(HOUSE) else telling(dataset)
    fields = {field: _read(name, field, dataset, purpose) for field in wanted}
    types = {field: spec["type"] for field, spec in held.items() if field in wanted or field in hidden}
    return _View(name, schema_of(types), fields, tuple(hidden.values()))


def _read(name: str, field: str, dataset: Mapping[str, Any], purpose: PurposeRules) -> str:
    coarse = None if f"{name}.{field}" in purpose.exact else dataset["fields"][field].get("coarse")
    return rounded(readable(dataset, field), coarse) if coarse else identifier(field)


def _rows(duck: duckdb.DuckDBPyConnection, view: _View, no: int) -> Iterator[Row]:
    columns = ", ".join([identifier("_source"), identifier("_collected"), *view.fields.values()])
    kept = "".join(f" AND NOT {condition}" for condition in view.hidden)
    query = f"SELECT {columns} FROM {identifier(view.name)} WHERE _no = ?{kept} ORDER BY _collected DESC, _row"
    for came_from, collected, *values in duck.execute(query, [no]).fetchall():
        named = dict(zip(view.fields, values, strict=True))
        yield Row(view.name, came_from or "", Instant(collected), Redacted(named))


def _month(row: Row) -> Instant:
    return from_date(to_datetime(row.collected).date().replace(day=1))


def _refuse_foreign(conn: Connection, permit: Permit) -> None:
    """Internal numbers mean other people elsewhere: a permit opens the house that recorded its use, and no other."""
    try:
        index = queries.use(conn, permit.record.use)[0]
    except NotFound:
        index = -1
    if index != permit.index:
        raise Denied("foreign_permit", "this permit was given by another house; declare the use here")
