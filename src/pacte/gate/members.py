"""Who of a permitted population meets a condition: counted as crowds for what is shown, named to the sending step only.

INVARIANT: internal numbers stay here. What leaves is crowds (see `crowds`) and, for sending, the subjects of those who
match, in an order that tells nothing. A condition sees the declared fields of its use only, coarsened as the policy
says, whatever the use itself may release exactly; rows and values that reveal a special category are out of its sight
where the purpose stands on no ground for them.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from sqlalchemy import Connection
from sqlglot import exp

from pacte.consent import snapshot
from pacte.gate.crowds import BUCKETS, Crowd, Draws, drawn
from pacte.gate.measures import Asked, Measure, Sight, dataset_of, needed, placing, refuse_undeclared
from pacte.gate.permit import PermitSet
from pacte.gate.population import each
from pacte.gate.proposal import declared
from pacte.gate.questions import complete
from pacte.gate.release import Source, _refuse_foreign, readable, rounded, still_permitted, telling
from pacte.gate.values import Question
from pacte.kernel.errors import Unsafe
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import Instant
from pacte.keys.store import KeyStore
from pacte.lake import numbers
from pacte.lake.segments import not_found
from pacte.lake.source import identifier, open_lake

KEY = "segments"
"""The house's key by which people draw for how many they count."""


Regions = tuple[int, ...]
"""Where somebody stands: for each measure, the number of the region of its values."""


@dataclass(frozen=True, slots=True)
class Counted:
    """The crowd of each cell (its sketch is left out), that of the members, and that of everybody permitted."""

    cells: Mapping[Regions, Crowd]
    members: Crowd
    everybody: Crowd


def counted(source: Source, permits: PermitSet, now: Instant, asked: Asked) -> Counted:
    """Count the permitted by where they stand, and those who are members. Raises as `release` does."""
    with _placed(source, permits, now, asked) as duck:
        return count(duck, asked)


def count(duck: duckdb.DuckDBPyConnection, asked: Asked) -> Counted:
    """Count those whom `among` placed: one pass, a set for each cell and one for each bucket of the sketch."""
    places = ", ".join(f"r{at}" for at in range(len(asked.measures)))
    sets = f"(({places}), (member, bucket))" if places else "((), (member, bucket))"
    rows = duck.execute(
        f"SELECT {places + ', ' if places else ''}member, bucket, grouping(bucket) AS whole, count(*) AS people, "
        f"sum(weight) AS weighted, sum(sign) AS sign FROM placed GROUP BY GROUPING SETS {sets}"
    ).fetchall()
    cells: dict[Regions, Crowd] = {}
    totals = {True: Crowd(), False: Crowd()}
    for *regions, member, bucket, whole, people, weighted, sign in rows:
        if whole:
            cells[tuple(regions)] = Crowd(people, int(weighted or 0))
        else:
            totals[member] += _bucket(bucket, people, weighted, sign)
    return Counted(cells, totals[True], totals[True] + totals[False])


def parts(source: Source, permits: PermitSet, now: Instant, asked: Asked, at: int) -> dict[int, tuple[Crowd, Crowd]]:
    """By region of the measure `at`: the members, and everybody permitted. Raises as `release` does."""
    sql = (
        f"SELECT r{at} AS region, member, bucket, count(*), sum(weight), sum(sign) FROM placed "
        f"GROUP BY r{at}, member, bucket"
    )
    with _placed(source, permits, now, asked) as duck:
        rows = duck.execute(sql).fetchall()
    found: dict[int, tuple[Crowd, Crowd]] = {}
    for region, member, *of in rows:
        inside, everybody = found.get(region, (Crowd(), Crowd()))
        some = _bucket(*of)
        found[region] = (inside + some if member else inside, everybody + some)
    return found


def values(source: Source, permits: PermitSet, now: Instant, measure: Measure) -> dict[str, Crowd]:
    """By value of a field of words, coarsened: the permitted who have it, in one of their rows at least.

    The measure names the field of people, or the one (`where`) that rows are counted by. Raises as `release` does.
    """
    dataset, field = measure.dataset, measure.name or measure.where
    with _placed(source, permits, now, Asked((measure,), (exp.Literal.number(0),), exp.true())) as duck:
        _, table = declared(source.conn, permits.record.question)
        said = dataset_of(table, dataset)
        hidden = {} if table.purposes[permits.purpose].art9 else telling(said)
        value = f"CAST({rounded(readable(said, field), said['fields'][field].get('coarse'))} AS VARCHAR)"
        kept = "".join(f" AND NOT {condition}" for condition in hidden.values())
        newest = " QUALIFY row_number() OVER (PARTITION BY _no ORDER BY _collected DESC) = 1"
        rows = duck.execute(
            f"SELECT value, count(*), sum(weight) FROM (SELECT DISTINCT _no, value FROM (SELECT _no, {value} AS value "
            f"FROM {identifier(dataset)} WHERE _no IS NOT NULL{kept}{newest if measure.name else ''})) "
            f"JOIN permitted USING (_no) WHERE value IS NOT NULL GROUP BY value"
        ).fetchall()
    return {value: Crowd(people, int(weighted)) for value, people, weighted in rows}


def matching(source: Source, permits: PermitSet, now: Instant, asked: Asked) -> Iterator[SubjectId]:
    """The subjects of the permitted who are members, each once, in random order: for the sending step alone.

    The gate is asked again about each of them before anything is sent. Raises as `release` does.
    """
    with _placed(source, permits, now, asked) as duck:
        nos = duck.execute("SELECT _no FROM placed WHERE member ORDER BY _no").fetchnumpy()["_no"]
    _, ids = snapshot.subjects(source.conn, source.lake, np.asarray(nos, np.int64))
    order = np.random.Generator(np.random.PCG64(secrets.randbits(128))).permutation(len(ids) // 16)
    return (SubjectId(ids[16 * at : 16 * at + 16].hex()) for at in order)


def by_reason(source: Source, question: Question) -> dict[str, Crowd]:
    """Everybody known, by the reason that the gate gives (`permitted` among them). Nothing is released."""
    _, table = declared(source.conn, question)
    found = each(source.conn, source.lake, [table], complete(table, question))[0]
    draws = drawn(source.keys.house_key(KEY), found["no"].to_numpy())
    reasons = found["reason"].combine_chunks().dictionary_encode()
    codes = reasons.indices.to_numpy()
    return {str(reason): draws.crowd(codes == at) for at, reason in enumerate(reasons.dictionary)}


def crowd(conn: Connection, keys: KeyStore, subjects: Sequence[SubjectId]) -> Crowd:
    """The crowd of these people; who has no number any more is not in it."""
    found = numbers.numbers(conn, list(subjects)).values()
    return drawn(keys.house_key(KEY), np.fromiter(found, np.int64, len(found))).crowd()


def _bucket(bucket: int, people: int, weighted: int, sign: int) -> Crowd:
    sketch = np.zeros(BUCKETS, np.int64)
    sketch[bucket] = sign
    return Crowd(people, int(weighted), sketch)


@contextmanager
def _placed(source: Source, permits: PermitSet, now: Instant, asked: Asked) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB with those of the permitted who still are, as `among` places them."""
    permits.check(now)
    _refuse_foreign(source.conn, permits)
    table, held = still_permitted(source, permits, now)
    sight = Sight(table, permits.purpose, permits.fields)
    with among(source.conn, source.lake, source.keys.house_key(KEY), sight, held, now, asked) as duck:
        yield duck


@contextmanager
def among(
    conn: Connection, lake: Path, key: bytes, sight: Sight, held: np.ndarray, now: Instant, asked: Asked
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB with these people in `placed`: their number, draws, regions, and whether they are members."""
    for measure in asked.measures:
        refuse_undeclared(sight, measure)
    draws = drawn(key, held)
    try:
        with open_lake(conn, lake, needed(sight, asked.measures), pa.array(held)) as duck:
            duck.register("permitted", _people(held, draws))
            duck.execute(f"CREATE TEMP VIEW placed AS {placing(conn, duck, sight, now, asked)}")
            yield duck
    except duckdb.IOException:
        raise not_found(conn, lake) from None
    except duckdb.OutOfMemoryException:
        raise Unsafe("the condition does not fit into the memory of this machine; ask for fewer fields") from None
    except duckdb.Error:
        # The engine's message is kept out: it repeats values.
        raise Unsafe("the lake holds values that are not of their declared types; run `pacte ledger check`") from None


def _people(held: np.ndarray, draws: Draws) -> pa.Table:
    columns = {"_no": held, "bucket": draws.bucket, "sign": draws.sign, "weight": draws.weight}
    return pa.table({name: pa.array(column) for name, column in columns.items()})
