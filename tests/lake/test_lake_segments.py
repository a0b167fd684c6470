"""Segments, on real files, a real SQLite and a real DuckDB; every crash point of `segments`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from pacte.kernel.db import metadata, open_sqlite, read, write
from pacte.kernel.errors import BadInput, Unsafe
from pacte.lake import segments
from pacte.lake.holdings import rows_of
from pacte.lake.schema import schema_of
from pacte.lake.source import open_lake

ORDERS = schema_of({"amount": "decimal", "day": "date", "shop": "string"})


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """An empty lake."""
    directory = tmp_path / "lake"
    directory.mkdir()
    return directory


@pytest.fixture
def engine(tmp_path: Path, lake: Path) -> Iterator[Engine]:
    """A record database with every table; at the end the lake is whole."""
    engine = open_sqlite(tmp_path / "records.db")
    with write(engine) as conn:
        metadata.create_all(conn)
    yield engine
    with write(engine) as conn:
        segments.garbage(conn, lake)
    with read(engine) as conn:
        assert segments.check(conn, lake) == []
        assert {path.name for path in lake.iterdir()} == {segment.file for segment in segments.segments(conn)}
    engine.dispose()


def _orders(*people: int | None, first: int = 0, shop: str = "north") -> pa.Table:
    count = len(people)
    columns: dict[str, list[Any]] = {
        "_no": list(people),
        "_row": [f"{first + at:08x}" for at in range(count)],
        "_source": ["till"] * count,
        "_collected": [1] * count,
        "_notice": [None] * count,
        "amount": [Decimal("9.90")] * count,
        "day": [date(2026, 5, 3)] * count,
        "shop": [shop] * count,
    }
    return pa.table(columns, schema=ORDERS)


def _people(engine: Engine, lake: Path) -> list[int | None]:
    with read(engine) as conn:
        duck = open_lake(conn, lake, {"orders": ORDERS})
        return [row[0] for row in duck.execute("SELECT _no FROM orders ORDER BY _row").fetchall()]


def test_a_segment_is_read_back_and_known_by_its_digest(engine: Engine, lake: Path) -> None:
    """What was added is what the source shows; a changed or missing file is found."""
    with write(engine) as conn:
        added = segments.add_segment(conn, lake, "orders", _orders(1, None, 2), "load-1")
    assert _people(engine, lake) == [1, None, 2]
    assert (lake / added.file).stat().st_mode & 0o777 == 0o600
    whole = (lake / added.file).read_bytes()
    with read(engine) as conn:
        (lake / added.file).write_bytes(whole + b"x")
        assert ["changed" in problem for problem in segments.check(conn, lake)] == [True]
        (lake / added.file).rename(lake / "elsewhere")
        assert ["missing" in problem for problem in segments.check(conn, lake)] == [True]
        (lake / "elsewhere").rename(lake / added.file)
        (lake / added.file).write_bytes(whole)


def test_what_cannot_be_found_again_is_not_taken_in(engine: Engine, lake: Path) -> None:
    """A segment without rows or without the people's numbers is refused, and so is writing without the lock."""
    with write(engine) as conn:
        with pytest.raises(BadInput):
            segments.add_segment(conn, lake, "orders", ORDERS.empty_table(), "load-1")
        with pytest.raises(BadInput):
            segments.add_segment(conn, lake, "orders", pa.table({"amount": [1]}), "load-1")
    with read(engine) as conn, pytest.raises(Unsafe):
        segments.add_segment(conn, lake, "orders", _orders(1), "load-1")
    with read(engine) as conn, pytest.raises(Unsafe):
        segments.garbage(conn, lake)


class _PowerCut(Exception):
    pass


def _cut(*_: object) -> None:
    raise _PowerCut


@pytest.mark.parametrize("point", ["A", "B"])
def test_a_crash_before_the_commit_leaves_only_garbage(
    engine: Engine, lake: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    """Points A and B: the file is there, unfinished or finished, but nobody names it; garbage removes it, alone."""
    with write(engine) as conn:
        segments.add_segment(conn, lake, "orders", _orders(1), "load-1")
    if point == "A":
        monkeypatch.setattr(Path, "rename", _cut)
    with suppress(_PowerCut), write(engine) as conn:
        segments.add_segment(conn, lake, "orders", _orders(2, first=1), "load-2")
        raise _PowerCut
    monkeypatch.undo()
    assert len(list(lake.iterdir())) == 2
    assert _people(engine, lake) == [1]
    with write(engine) as conn:
        assert segments.garbage(conn, lake) == 1


def test_a_crash_after_a_rewrite_leaves_the_old_files_for_the_next_time(engine: Engine, lake: Path) -> None:
    """Point C: the rewrite is committed, the old file still lies there, nobody reads it, garbage removes it."""
    with write(engine) as conn:
        segments.add_segment(conn, lake, "orders", _orders(1, 2, None), "load-1")
        segments.add_segment(conn, lake, "orders", _orders(2, 2, first=3), "load-2")
        segments.add_segment(conn, lake, "orders", _orders(3, first=5), "load-3")
        segments.add_segment(conn, lake, "facts:person", _orders(2, first=6), "snapshot")
    with write(engine) as conn:
        assert segments.rewrite_without(conn, lake, {2}, "erasure") == {"orders": 3}
        with pytest.raises(Unsafe, match="commit"):
            segments.garbage(conn, lake)
        with pytest.raises(Unsafe, match="commit"):
            segments.garbage(conn, lake)
    assert _people(engine, lake) == [1, None, 3]
    with read(engine) as conn:
        assert (rows_of(conn, lake, 2), rows_of(conn, lake, 3)) == ({}, {"orders": 1})
    with write(engine) as conn:
        assert segments.garbage(conn, lake) == 2
        assert segments.rewrite_without(conn, lake, {2}, "erasure") == {}
        assert segments.rewrite_without(conn, lake, {2}, "evidence", derived=True) == {"facts:person": 1}


def test_a_rewrite_rolled_back_loses_nothing(engine: Engine, lake: Path) -> None:
    """When the transaction of a rewrite fails, the old segments are still named and still there."""
    with write(engine) as conn:
        segments.add_segment(conn, lake, "orders", _orders(1, 2), "load-1")
    with suppress(_PowerCut), write(engine) as conn:
        segments.rewrite_without(conn, lake, [2], "erasure")
        raise _PowerCut
    with write(engine) as conn:
        assert segments.garbage(conn, lake) == 1
    assert _people(engine, lake) == [1, 2]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.lists(st.none() | st.integers(0, 5), min_size=1, max_size=8), max_size=4), st.sets(st.integers(0, 5))
)
def test_a_rewrite_removes_these_people_and_nobody_else(
    engine: Engine, lake: Path, loads: list[list[int | None]], gone: set[int]
) -> None:
    """After a rewrite the lake holds every row of everybody else, and rows of nobody."""
    with write(engine) as conn:
        segments.retire(conn, segments.segments(conn))
        for at, people in enumerate(loads):
            segments.add_segment(conn, lake, "orders", _orders(*people, first=at * 10), "load")
    with write(engine) as conn:
        removed = segments.rewrite_without(conn, lake, gone, "erasure")
    rows = [one for people in loads for one in people]
    assert removed.get("orders", 0) == sum(one in gone for one in rows)
    assert _people(engine, lake) == [one for one in rows if one not in gone]


def test_rows_that_are_there_are_recognised(engine: Engine, lake: Path) -> None:
    """A file loaded twice adds nothing: its row ids are already in the lake, in whichever segment."""
    with write(engine) as conn:
        segments.add_segment(conn, lake, "orders", _orders(1, 2), "load-1")
        segments.add_segment(conn, lake, "orders", _orders(3, first=2), "load-2")
    asked = ["00000000", "00000002", "00000009"]
    with read(engine) as conn:
        assert segments.existing_rows(conn, lake, "orders", asked) == {"00000000", "00000002"}
        assert segments.existing_rows(conn, lake, "returns", asked) == set()


def test_the_source_shows_the_declared_columns_whatever_the_segments_hold(engine: Engine, lake: Path) -> None:
    """A dataset without rows is an empty view; a column declared later is null in older rows; others are not shown."""
    wider = schema_of({"amount": "decimal", "day": "date", "paid": "boolean", "paid_on": "instant"})
    with write(engine) as conn:
        segments.add_segment(conn, lake, "orders", _orders(1), "load-1")
    with read(engine) as conn:
        duck = open_lake(conn, lake, {"orders": wider, "retours d'été": wider})
        assert duck.execute("SELECT _no, amount, day, paid, paid_on FROM orders").fetchall() == [
            (1, Decimal("9.90"), date(2026, 5, 3), None, None)
        ]
        for dataset in ("orders", "retours d'été"):
            described = duck.execute(f'DESCRIBE "{dataset}"').fetchall()
            assert [(name, kind) for name, kind, *_ in described][-4:] == [
                ("amount", "DECIMAL(18,4)"),
                ("day", "DATE"),
                ("paid", "BOOLEAN"),
                ("paid_on", "BIGINT"),
            ]
        assert duck.execute('SELECT count(*) FROM "retours d\'été"').fetchall() == [(0,)]


def test_the_source_reads_the_lake_and_nothing_else(engine: Engine, lake: Path, tmp_path: Path) -> None:
    """A query cannot reach a file outside the lake, nor a variable of the program, nor open the door again."""
    (tmp_path / "secret.csv").write_text("a\n1\n")
    in_sight = _orders(1)
    assert in_sight.num_rows == 1
    with read(engine) as conn:
        duck = open_lake(conn, lake, {})
    for query in (
        f"SELECT * FROM read_csv('{tmp_path / 'secret.csv'}')",
        "SELECT * FROM in_sight",
        "SET enable_external_access = true",
        f"COPY (SELECT 1) TO '{tmp_path / 'out.csv'}'",
    ):
        with pytest.raises(duckdb.Error):
            duck.execute(query).fetchall()
