"""A segment counted: decided again, placed, drawn and judged, beside the bare DuckDB query that counts the same people.

Ten orders a person. The bare query knows nothing of permissions: it reads the same columns of the same files once, sums
up the orders of each person and counts those who meet the condition.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from sqlalchemy import Connection

from bench import population
from bench.crowd import NOW, YEAR, Crowd
from bench.figure import Figure, Scale, pairs
from pacte.gate.measures import Sight
from pacte.gate.members import among, count
from pacte.gate.population import decide_set
from pacte.gate.questions import complete
from pacte.gate.values import Question
from pacte.kernel import db
from pacte.kernel.instant import DAY
from pacte.lake.drafts import Drafts
from pacte.lake.segments import adopt
from pacte.uses.audience.query import query
from pacte.uses.audience.reading import read
from pacte.uses.audience.shown import Limits, Measured, judged

ORDERS = 10
"""Orders of each person."""
CHUNK = 250_000
CITIES = ("Rennes", "Nantes", "Brest", "Vannes", "Lorient", "Quimper", "Rouen", "Caen")
PRODUCTS = (*(f"tea number {number}" for number in range(200)), "gluten-free bread")
"""One of them tells of health: rows about it count for nothing."""
KEY = bytes(32)
LIMITS = Limits(50, 10)
WHO = {
    "all": [
        {"field": "customers.city", "in": ["Rennes", "Nantes"]},
        {"field": "orders.spent", "at_least": 500},
        {"field": "orders.last_order", "within": "6 months"},
    ]
}


def figures(scale: Scale) -> Iterator[tuple[str, Figure]]:
    """Milliseconds of one count."""
    with tempfile.TemporaryDirectory() as name:
        engine, crowd = population.built(Path(name), scale.people)
        with db.write(engine) as conn:
            _write(conn, crowd, scale.people)
        with db.read(engine) as conn:
            house = population.Asked(conn, crowd, *population.rules())
            files = {dataset: house.files(dataset) for dataset in ("customers", "orders")}

            def ours() -> object:
                return _counted(house)

            beside = pairs(ours, lambda: _bare(files), scale.repeats)
        yield "segment_count", beside.slower("ms", 1.5, 1e3)
        engine.dispose()


def _counted(house: population.Asked) -> Measured:
    """As `app.segments.size` does with a use of a while ago: nobody is counted who said no since."""
    table = house.consent
    asked = query(table, population.PURPOSE, read(table, population.PURPOSE, WHO))
    question = complete(table, Question(population.PURPOSE, NOW, house.crowd.size, (), population.CHANNEL))
    held = decide_set(house.conn, house.crowd.lake, table, question).permitted.to_numpy()
    sight = Sight(table, population.PURPOSE, frozenset(question.fields))
    with among(house.conn, house.crowd.lake, KEY, sight, held, NOW, asked.asked(NOW)) as duck:
        found = count(duck, asked.asked(NOW))
    said = judged(asked, found.cells, found.members, LIMITS, KEY)
    assert isinstance(said, Measured)
    assert 0 < said.members.people < len(held)
    return said


def _bare(files: dict[str, list[str]]) -> int:
    duck = duckdb.connect()
    found = duck.execute(
        """
        SELECT count(*) FROM read_parquet(?) AS c JOIN (
          SELECT _no, sum(amount) AS spent, max(ordered_at) AS last FROM read_parquet(?) GROUP BY _no) AS o USING (_no)
        WHERE c.city IN ('Rennes', 'Nantes') AND o.spent >= 500 AND o.last >= ?
        """,
        [files["customers"], files["orders"], NOW - YEAR // 2],
    ).fetchone()
    duck.close()
    assert found is not None
    return int(found[0])


def _write(conn: Connection, crowd: Crowd, people: int) -> None:
    """The customers and their orders, in bounded memory."""
    chance = np.random.default_rng(11)
    with Drafts(crowd.lake) as drafts:
        for first in range(1, people + 1, CHUNK):
            numbers = np.arange(first, min(first + CHUNK, people + 1), dtype=np.int64)
            drafts.write("customers", _rows(numbers, {"city": _words(chance, CITIES, len(numbers))}))
            owners = chance.permutation(np.repeat(numbers, ORDERS))
            drafts.write("orders", _rows(owners, _orders(chance, len(owners))))
        adopt(conn, drafts.end(), "bench")


def _orders(chance: np.random.Generator, count: int) -> dict[str, pa.Array]:
    amounts = pa.array(chance.integers(100, 15_000, count) / 100).cast(pa.decimal128(18, 4), safe=False)
    return {
        "ordered_at": pa.array(NOW - (chance.random(count) ** 0.5 * 4 * YEAR).astype(np.int64) - DAY),
        "product": _words(chance, PRODUCTS, count),
        "amount": amounts,
    }


def _words(chance: np.random.Generator, words: tuple[str, ...], count: int) -> pa.Array:
    chosen = pa.array(chance.integers(0, len(words), count))
    return pa.DictionaryArray.from_arrays(chosen, pa.array(words)).cast(pa.string())


def _rows(numbers: np.ndarray, columns: dict[str, pa.Array]) -> pa.Table:
    collected = pa.array(np.full(len(numbers), NOW - 4 * YEAR))
    return pa.table({"_no": pa.array(numbers), "_collected": collected, **columns})
