"""Loading: CSV rows checked, placed with their people, sealed or written and recorded, beside DuckDB's plain copy."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from bench.figure import Figure, Scale, pairs
from pacte.app.house import create, open_house
from pacte.app.templates import write_template
from pacte.kernel.instant import DAY, Instant
from pacte.testing.retailer import generate
from pacte.testing.world import TestClock

NOW = Instant(1_790_000_000_000_000)
PEOPLE = 2_000


def figures(scale: Scale) -> Iterator[tuple[str, Figure]]:
    """Rows per second of one file of order lines about 2,000 known customers; there is no goal, only the comparison."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        files = generate(root / "files", PEOPLE, now=NOW)
        with create(root / "house", clock=TestClock(NOW)) as house:
            write_template(house.path)
            _take_csv(house.path / "mapping.yaml")
            house.publish("bench")
            house.load(files.customers)
        orders = _orders(root, scale.rows)
        turns = iter(range(1_000))
        yield (
            "load_csv",
            pairs(lambda: _load(root, orders, next(turns)), lambda: _copy(root, orders), scale.repeats).beside(
                scale.rows, "rows/s"
            ),
        )


def _take_csv(mapping: Path) -> None:
    mapping.write_text(mapping.read_text(encoding="utf-8").replace("orders*.parquet", "orders*.csv"), encoding="utf-8")


def _orders(root: Path, rows: int) -> Path:
    rng = np.random.default_rng(7)
    with (root / "files" / "customers.csv").open() as file:
        table = pa_csv.read_csv(file.name, read_options=pa_csv.ReadOptions(use_threads=False))
    known = table.column(0).to_pylist()
    number = np.arange(rows)
    when = NOW - rng.integers(1, 300, rows) * DAY
    made = pa.table(
        {
            "order_id": pa.array([f"B{one // 2}" for one in number]),
            "line": pa.array(number % 2 + 1),
            "customer": pa.array([known[one] for one in rng.integers(0, len(known), rows)]),
            "ordered_at": pa.array(when, pa.timestamp("us", "UTC")),
            "channel": pa.array(["web"] * rows),
            "product": pa.array([f"article {one % 300}" for one in number]),
            "amount": pa.array([f"{one % 90}.{one % 100:02d}" for one in number]),
        }
    )
    target = root / "files" / "orders.csv"
    pa_csv.write_csv(made, target)
    return target


def _load(root: Path, orders: Path, turn: int) -> float:
    home = root / f"house-{turn}"
    shutil.copytree(root / "house", home)
    with open_house(home, clock=TestClock(NOW)) as house:
        started = time.perf_counter()
        report = house.load(orders)
        taken = time.perf_counter() - started
    assert report.accepted == report.rows, report.rejected
    shutil.rmtree(home)
    return taken


def _copy(root: Path, orders: Path) -> None:
    target = root / "plain.parquet"
    duckdb.sql(f"COPY (SELECT * FROM read_csv('{orders}')) TO '{target}' (FORMAT parquet)")
