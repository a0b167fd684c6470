"""Release permitted rows: minimised, coarsened, pseudonymous, ordered by pseudonym.

INVARIANT: rows leave for a `PermitSet` only, and only columns that its recorded use declares. Internal numbers never
leave: the join happens here and drops them. INVARIANT: values that reveal a special category are out of sight of a
purpose that stands on no ground for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import duckdb
import numpy as np
import pyarrow as pa
from sqlalchemy import Connection

from pacte.consent import snapshot
from pacte.gate.permit import PermitSet
from pacte.gate.population import decide_set
from pacte.gate.proposal import declared
from pacte.gate.questions import complete
from pacte.gate.values import Question
from pacte.kernel.errors import BadInput, Denied, NotFound, Unsafe, named
from pacte.kernel.instant import SECOND, Instant
from pacte.keys.pseudonym import replace_by_pseudonyms
from pacte.keys.store import KeyStore
from pacte.lake.schema import schema_of
from pacte.lake.segments import not_found
from pacte.lake.source import identifier, open_lake, quoted
from pacte.ledger import log, queries
from pacte.policy.table import PurposeRules, RuleTable

Dataset: TypeAlias = Mapping[str, Any]
"""A dataset as a rule table holds it."""

FRESH = SECOND
"""For how long a permit needs no second look when nothing was recorded since, in microseconds."""

EPOCH = 1
"""Which key of a pseudonym domain is in use; a new epoch gives everybody a new pseudonym."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where rows come from: the records, the lake's directory, the keys of the pseudonym domains."""

    conn: Connection
    lake: Path
    keys: KeyStore


def release(source: Source, permits: PermitSet, now: Instant, columns: Sequence[str] = ()) -> pa.Table:
    """The rows of a permitted population: `pseudonym`, then one column per `dataset.field` asked for.

    Values are rounded by the rules in force now. Raises `Denied` for a permit that has expired or that another house
    gave, `Conflict` while the lake is rewritten.
    """
    permits.check(now)
    _refuse_foreign(source.conn, permits)
    table, held = still_permitted(source, permits, now)
    wanted = list(columns) or releasable(table, permits.fields)
    _refuse(table, permits, wanted)
    names = _pseudonyms(source, permits, held)
    return _rows(source.conn, source.lake, table, names, wanted, table.purposes[permits.purpose])


def shape(conn: Connection, lake: Path, question: Question) -> pa.Schema:
    """The columns that a use of this question would release; nobody is decided about, and no row is read.

    Raises `Denied` for what the policy in force does not declare.
    """
    _, table = declared(conn, question)
    question = complete(table, question)
    wanted = releasable(table, question.fields)
    nobody = pa.table({"_no": pa.array([], pa.int64()), "pseudonym": pa.array([], pa.string())})
    return _rows(conn, lake, table, nobody, wanted, table.purposes[question.purpose]).schema


def _rows(
    conn: Connection, lake: Path, table: RuleTable, names: pa.Table, wanted: Sequence[str], purpose: PurposeRules
) -> pa.Table:
    """The columns of `wanted` for the people in `names`, as the lake's views over what they need of it say."""
    try:
        with open_lake(conn, lake, _needed(table, wanted, purpose), names["_no"].combine_chunks()) as duck:
            duck.register("permitted", names)
            query = _query(table, wanted, purpose)
            return duck.sql(query if len(names) else f"SELECT * FROM ({query}) LIMIT 0").to_arrow_table()
    except duckdb.IOException:
        raise not_found(conn, lake) from None
    except duckdb.OutOfMemoryException:
        raise Unsafe("the rows do not fit into the memory of this machine; ask for fewer columns") from None
    except duckdb.Error:
        # The engine's message is kept out: it repeats values.
        raise Unsafe("the lake holds values that are not of their declared types; run `pacte ledger check`") from None


def _refuse_foreign(conn: Connection, permits: PermitSet) -> None:
    """Internal numbers mean other people elsewhere: a permit opens the house that recorded its use, and no other."""
    try:
        index, entry = queries.use(conn, permits.record.use)
    except NotFound:
        index, entry = -1, {}
    if index != permits.index or entry["set"]["root"] != permits.record.root:
        raise Denied("foreign_permit", "this permit was given by another house; declare the use here")


def releasable(table: RuleTable, fields: Iterable[str]) -> list[str]:
    """Those of `fields` that fit a table with one row per person, in order: no identities, no single events."""
    return sorted(name for name in fields if _obstacle(table, name) is None)


def _datasets(table: RuleTable) -> dict[str, Any]:
    return dict(table.datasets)


def _obstacle(table: RuleTable, name: str) -> str | None:
    dataset_name, _, field = name.partition(".")
    dataset = _datasets(table)[dataset_name]
    spec = dataset["fields"].get(field)
    if spec is None:
        return None
    if "identity" in spec:
        return "says who a person is; it stays sealed until the sending step asks for it, person by person"
    if dataset["per"] == "event":
        return "has many values per person; take one of the aggregates of its dataset"
    return None


def _refuse(table: RuleTable, permits: PermitSet, wanted: Sequence[str]) -> None:
    declared = ", ".join(f"`{name}`" for name in releasable(table, permits.fields)) or "none"
    for name in wanted:
        if name not in permits.fields:
            raise BadInput(f"purpose `{permits.purpose}` does not declare {named(name)}; it declares {declared}")
        if (obstacle := _obstacle(table, name)) is not None:
            raise BadInput(f"`{name}` {obstacle}; columns that may be taken: {declared}")


def still_permitted(source: Source, permits: PermitSet, now: Instant) -> tuple[RuleTable, np.ndarray]:
    """The rules in force, and those of the permitted whom they still permit: what happened since has effect.

    Where nothing was recorded since that could change a decision, and the permit is fresh, nobody is asked again.
    Raises `Denied` when the policy in force no longer declares the use.
    """
    head = log.head(source.conn)
    question = replace(permits.record.question, as_of=Instant(max(now, head.time)), known=head.size)
    _, table = declared(source.conn, question)
    held = permits.numbers.to_numpy()
    if now - permits.issued < FRESH and not queries.changed_since(source.conn, permits.index + 1):
        return table, held
    permitted = decide_set(source.conn, source.lake, table, question).permitted.to_numpy()
    return table, np.intersect1d(held, permitted, assume_unique=True)


def _pseudonyms(source: Source, permits: PermitSet, held: np.ndarray) -> pa.Table:
    nos, ids = snapshot.subjects(source.conn, source.lake, held)
    key = source.keys.house_key(f"pseudonym:{permits.domain}:{EPOCH}")
    blocks = np.frombuffer(bytearray(ids), np.uint8)
    replace_by_pseudonyms(key, blocks)
    # Texts of one length, run together: millions of strings of Python would take longer than all the rest.
    names, starts = blocks.tobytes().hex().encode(), np.arange(0, 32 * len(nos) + 1, 32, dtype=np.int64)
    texts = pa.LargeStringArray.from_buffers(len(nos), pa.py_buffer(starts), pa.py_buffer(names))
    return pa.table({"_no": pa.array(nos, pa.int64()), "pseudonym": texts})


def _query(table: RuleTable, wanted: Sequence[str], purpose: PurposeRules) -> str:
    exact = frozenset(purpose.exact)
    by_dataset: dict[str, list[str]] = {}
    for name in wanted:
        by_dataset.setdefault(name.partition(".")[0], []).append(name)
    joins: list[str] = []
    places: dict[str, int] = {}
    for place, (dataset_name, names) in enumerate(sorted(by_dataset.items())):
        dataset = _datasets(table)[dataset_name]
        one = _one_row if dataset["per"] == "person" else _aggregates
        hidden = {} if purpose.art9 else telling(dataset)
        joins.append(f"LEFT JOIN ({one(dataset_name, dataset, names, exact, hidden)}) d{place} USING (_no)")
        places |= dict.fromkeys(names, place)
    columns = "".join(f", d{places[name]}.{identifier(name)}" for name in wanted)
    return f"SELECT p.pseudonym{columns} FROM permitted p {' '.join(joins)} ORDER BY p.pseudonym"


def _needed(table: RuleTable, wanted: Sequence[str], purpose: PurposeRules) -> dict[str, pa.Schema]:
    """The datasets that a release reads, and of each the columns: no other comes out of the lake."""
    found: dict[str, pa.Schema] = {}
    for dataset_name in sorted({name.partition(".")[0] for name in wanted}):
        dataset = _datasets(table)[dataset_name]
        names = [name.partition(".")[2] for name in wanted if name.startswith(f"{dataset_name}.")]
        read = {"_no", "_collected"}
        read |= {name if dataset["per"] == "person" else dataset["aggregates"][name].get("field") for name in names}
        read |= set() if purpose.art9 else set(telling(dataset))
        held = {name: spec["type"] for name, spec in dataset["fields"].items() if "identity" not in spec}
        whole = schema_of({name: kind for name, kind in held.items() if name in read})
        found[dataset_name] = pa.schema([field for field in whole if field.name in read])
    return found


def telling(dataset: Dataset) -> dict[str, str]:
    """Field → the condition that its value tells something of a special category. Source: GDPR Art. 9; CJEU C-184/20.

    What is compared is folded: capitals, accents and spaces around it make no difference. A pattern that ends in `*` is
    met by every value that begins so. Identities are not in the lake.
    """
    found = {}
    for name, spec in dataset["fields"].items():
        patterns = [pattern for patterns in spec.get("reveals", {}).values() for pattern in patterns]
        if patterns and "identity" not in spec:
            value = _folded(f"CAST({readable(dataset, name)} AS VARCHAR)")
            met = " OR ".join(_meets(value, pattern) for pattern in patterns)
            found[name] = f"coalesce({met}, FALSE)"
    return found


def _meets(value: str, pattern: str) -> str:
    if pattern.endswith("*"):
        return f"starts_with({value}, {_folded(quoted(pattern[:-1]))})"
    return f"{value} = {_folded(quoted(pattern))}"


def _folded(text: str) -> str:
    return f"trim(strip_accents(lower({text})))"


def _one_row(
    name: str, dataset: Dataset, wanted: Sequence[str], exact: frozenset[str], hidden: Mapping[str, str]
) -> str:
    """The newest row of each person; a value that tells what the purpose must not see is none."""
    columns = []
    for full in wanted:
        field = full.partition(".")[2]
        value = rounded(readable(dataset, field), None if full in exact else dataset["fields"][field].get("coarse"))
        if field in hidden:
            value = f"CASE WHEN {hidden[field]} THEN NULL ELSE {value} END"
        columns.append(f"{value} AS {identifier(full)}")
    return (
        f"SELECT _no, {', '.join(columns)} FROM {identifier(name)} WHERE _no IS NOT NULL "
        f"QUALIFY row_number() OVER (PARTITION BY _no ORDER BY _collected DESC) = 1"
    )


def _aggregates(
    name: str, dataset: Dataset, wanted: Sequence[str], exact: frozenset[str], hidden: Mapping[str, str]
) -> str:
    """Figures per person; a row of which any value tells what the purpose must not see counts for nothing in them."""
    columns = []
    for full in wanted:
        spec = dataset["aggregates"][full.partition(".")[2]]
        value = f"{spec['take']}({readable(dataset, spec['field'])})" if "field" in spec else "count(*)"
        columns.append(f"{rounded(value, None if full in exact else spec.get('coarse'))} AS {identifier(full)}")
    kept = "".join(f" AND NOT {condition}" for condition in hidden.values())
    return f"SELECT _no, {', '.join(columns)} FROM {identifier(name)} WHERE _no IS NOT NULL{kept} GROUP BY _no"


def readable(dataset: Dataset, field: str) -> str:
    """A column as people read it: instants lie in the lake as microseconds."""
    column = identifier(field)
    return f"make_timestamp({column})" if dataset["fields"][field]["type"] == "instant" else column


def rounded(value: str, rounding: Mapping[str, Any] | None) -> str:
    """`value` rounded as the rules say."""
    if not rounding:
        return value
    if "unit" in rounding:
        return f"CAST(date_trunc('{rounding['unit']}', {value}) AS DATE)"
    if "step" in rounding:
        return f"CAST(floor({value} / {rounding['step']}) * {rounding['step']} AS BIGINT)"
    return f"left({value}, {rounding['prefix']})"
