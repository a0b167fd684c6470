"""What conditions measure of each person, as SQL over the lake: declared fields, coarsened.

Rows and values that reveal a special category are out of sight where the purpose stands on no ground for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa
from sqlalchemy import Connection
from sqlglot import exp

from pacte.gate.release import Dataset, readable, rounded, telling
from pacte.kernel.errors import BadInput, Denied
from pacte.kernel.instant import Instant, add_months, to_iso
from pacte.lake.schema import schema_of
from pacte.lake.segments import segments
from pacte.lake.source import identifier, quoted
from pacte.policy.table import RuleTable

FEW = 1_000
"""So many values that tell too much are named in a query; where there are more, each row is looked at."""
LISTED = 8
"""So many of them are compared one by one, which is faster."""
MOST_KEPT = 64
"""Of so many sets of files it is remembered which of their values tell too much."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One value of each person: a field or an aggregate of a dataset (`dataset.name`).

    Without a `name` it is how many rows a person has, of the last `months` (0: ever), with a value among `values`
    (empty: with any) in the field `where`, if one is named.
    """

    dataset: str
    name: str = ""
    where: str = ""
    values: tuple[str, ...] = ()
    months: int = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of everybody: measures, for each the region (an expression over `value`), and who is a member.

    `member` is an expression over the columns `r0`, `r1`… that hold the regions.
    """

    measures: tuple[Measure, ...]
    regions: tuple[exp.Expression, ...]
    member: exp.Expression


EVERYBODY = Asked((), (), exp.true())
"""Nothing is asked: everybody permitted is a member."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What a condition may see: the declared fields of one purpose, by these rules."""

    table: RuleTable
    purpose: str
    fields: frozenset[str]

    @property
    def hides(self) -> bool:
        """Whether what reveals a special category is out of sight."""
        return not self.table.purposes[self.purpose].art9


def refuse_undeclared(sight: Sight, measure: Measure) -> None:
    """A measure reads what the use declared, and nothing that says who somebody is."""
    if measure.dataset not in sight.table.datasets:
        raise Denied("undeclared_field", "the condition asks for a dataset that the policy does not declare")
    dataset = dataset_of(sight.table, measure.dataset)
    known = {**dataset["fields"], **dataset["aggregates"]}
    for name in _reads(dataset, sight, measure):
        if name not in known or f"{measure.dataset}.{name}" not in sight.fields:
            raise Denied("undeclared_field", "the condition asks for a field that its purpose does not declare")
        if "identity" in known[name]:
            raise Denied("undeclared_field", "the condition asks for a field that says who a person is")


def dataset_of(table: RuleTable, name: str) -> dict[str, Any]:
    """A dataset as the rules hold it."""
    found: dict[str, Any] = dict(table.datasets)
    return dict(found[name])


def _reads(dataset: Dataset, sight: Sight, measure: Measure) -> list[str]:
    """The fields and aggregates that a measure reads; rows are counted where any field of them is declared."""
    if measure.name:
        return [measure.name]
    read = [measure.where] if measure.where else []
    read += [_time(dataset, sight, measure)] if measure.months else []
    declared = (name for name in dataset["fields"] if f"{measure.dataset}.{name}" in sight.fields)
    return read or [next(declared, "")]


def _time(dataset: Dataset, sight: Sight, measure: Measure) -> str:
    """The field that says when: the first of the declared ones that is a date or an instant."""
    for name, spec in dataset["fields"].items():
        if spec["type"] in ("date", "instant") and f"{measure.dataset}.{name}" in sight.fields:
            return str(name)
    raise BadInput(f"`{measure.dataset}` has no declared field that says when; leave `within` out, or declare one")


def needed(sight: Sight, measures: Sequence[Measure]) -> dict[str, pa.Schema]:
    """The datasets that the measures read, and of each the columns: no other comes out of the lake."""
    found: dict[str, set[str]] = {}
    for measure in measures:
        dataset = dataset_of(sight.table, measure.dataset)
        read = _reads(dataset, sight, measure)
        figures = dataset["aggregates"]
        columns = {figures[one].get("field", "") if one in figures else one for one in read}
        hidden = set(telling(dataset)) if sight.hides else set()
        found.setdefault(measure.dataset, {"_no", "_collected"}).update(columns | hidden)
    schemas = {}
    for name, columns in found.items():
        fields = dataset_of(sight.table, name)["fields"]
        whole = schema_of({one: spec["type"] for one, spec in fields.items() if one in columns})
        schemas[name] = pa.schema([one for one in whole if one.name in columns])
    return schemas


def placing(conn: Connection, duck: duckdb.DuckDBPyConnection, sight: Sight, now: Instant, asked: Asked) -> str:
    """Everybody permitted, with the value of each measure, its region, and whether they are members."""
    by_dataset: dict[str, list[int]] = {}
    for at, measure in enumerate(asked.measures):
        by_dataset.setdefault(measure.dataset, []).append(at)
    joins, values = [], {}
    for place, (name, here) in enumerate(sorted(by_dataset.items())):
        dataset = dataset_of(sight.table, name)
        hidden = _hidden(conn, duck, name, dataset) if sight.hides else {}
        one = _of_person if dataset["per"] == "person" else _of_events
        taken = {at: _value(dataset, sight, now, asked.measures[at], hidden) for at in here}
        joins.append(f"LEFT JOIN ({one(name, taken, hidden)}) d{place} USING (_no)")
        for at in here:
            counts = not asked.measures[at].name
            values[at] = f"coalesce(d{place}.m{at}, 0)" if counts else f"d{place}.m{at}"
    measured = "".join(f", {values[at]} AS m{at}" for at in range(len(asked.measures)))
    regions = "".join(f", {_region(one, at)} AS r{at}" for at, one in enumerate(asked.regions))
    member = asked.member.sql(dialect="duckdb")
    return (
        f"SELECT *, coalesce({member}, FALSE) AS member FROM (SELECT _no, bucket, sign, weight{regions} FROM ("
        f"SELECT p._no, p.bucket, p.sign, p.weight{measured} FROM permitted p {' '.join(joins)}))"
    )


def _hidden(conn: Connection, duck: duckdb.DuckDBPyConnection, name: str, dataset: Dataset) -> dict[str, str]:
    """Field → the condition that its value tells too much, by the values there are: rows are many, their values few.

    Files never change: which of their values tell too much is looked up once for the same files.
    """
    files = tuple(segment.file for segment in segments(conn, name) if segment.number is None)
    found = {}
    for field, condition in telling(dataset).items():
        place = (files, field, condition)
        if (kept := _told.get(place)) is None:
            kept = _condition(duck, name, field, condition)
            if len(_told) >= MOST_KEPT:
                _told.clear()
            if files:
                _told[place] = kept
        found[field] = kept
    return found


_told: dict[tuple[tuple[str, ...], str, str], str] = {}


def _condition(duck: duckdb.DuckDBPyConnection, name: str, field: str, condition: str) -> str:
    """The same condition, naming the values that meet it."""
    column = identifier(field)
    values = f"SELECT DISTINCT {column} FROM {identifier(name)} WHERE _no IS NOT NULL"
    told = duck.execute(
        f"SELECT CAST({column} AS VARCHAR) FROM ({values}) WHERE {condition} LIMIT {FEW + 1}"
    ).fetchall()
    if len(told) > FEW:
        return condition
    if not told:
        return "FALSE"
    met = " OR ".join(f"CAST({column} AS VARCHAR) IS NOT DISTINCT FROM {quoted(value)}" for (value,) in told[:LISTED])
    listed = ", ".join(quoted(value) for (value,) in told)
    return f"({met})" if len(told) <= LISTED else f"({column} IS NOT NULL AND CAST({column} AS VARCHAR) IN ({listed}))"


def _region(region: exp.Expression, at: int) -> str:
    of = region.copy().transform(lambda node: exp.column(f"m{at}") if node == exp.column("value") else node)
    return str(of.sql(dialect="duckdb"))


def _value(dataset: Dataset, sight: Sight, now: Instant, measure: Measure, hidden: Mapping[str, str]) -> str:
    """The value of a measure over the rows of one person, coarsened; for a dataset of people over their newest row."""
    if not measure.name:
        return f"count(*) FILTER (WHERE {_counts(dataset, sight, now, measure)})"
    if measure.name in dataset["aggregates"]:
        spec = dataset["aggregates"][measure.name]
        value = f"{spec['take']}({readable(dataset, spec['field'])})" if "field" in spec else "count(*)"
        return rounded(value, spec.get("coarse"))
    value = rounded(readable(dataset, measure.name), dataset["fields"][measure.name].get("coarse"))
    return f"CASE WHEN {hidden[measure.name]} THEN NULL ELSE {value} END" if measure.name in hidden else value


def _counts(dataset: Dataset, sight: Sight, now: Instant, measure: Measure) -> str:
    """Which rows count: those of the time, with one of the values."""
    said = ["TRUE"]
    if measure.where:
        value = rounded(readable(dataset, measure.where), dataset["fields"][measure.where].get("coarse"))
        among = f"IN ({', '.join(quoted(one) for one in measure.values)})" if measure.values else "IS NOT NULL"
        said.append(f"coalesce(CAST({value} AS VARCHAR) {among}, FALSE)")
    if measure.months:
        when = readable(dataset, _time(dataset, sight, measure))
        said.append(f"coalesce({when} >= {since(now, measure.months)}, FALSE)")
    return " AND ".join(said)


def since(now: Instant, months: int) -> str:
    """SQL of the first day of the month that was so many months ago: days within a month are never told apart."""
    return f"DATE '{to_iso(add_months(now, -months))[:7]}-01'"


def _of_person(name: str, taken: Mapping[int, str], hidden: Mapping[str, str]) -> str:
    """The newest row of each person."""
    del hidden  # a value that tells too much is hidden by itself
    columns = ", ".join(f"newest.m{at} AS m{at}" for at in taken)
    row = ", ".join(f"m{at} := {value}" for at, value in taken.items())
    return (
        f"SELECT _no, {columns} FROM (SELECT _no, arg_max(struct_pack({row}), _collected) AS newest "
        f"FROM {identifier(name)} WHERE _no IS NOT NULL GROUP BY _no)"
    )


def _of_events(name: str, taken: Mapping[int, str], hidden: Mapping[str, str]) -> str:
    """Figures of each person over their rows, without those that tell too much."""
    columns = ", ".join(f"{value} AS m{at}" for at, value in taken.items())
    kept = "".join(f" AND NOT {condition}" for condition in hidden.values())
    return f"SELECT _no, {columns} FROM {identifier(name)} WHERE _no IS NOT NULL{kept} GROUP BY _no"
