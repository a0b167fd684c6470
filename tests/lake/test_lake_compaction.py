"""Compaction: the same rows in fewer files, whatever happens meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from pacte.kernel.db import metadata, open_sqlite, read, write
from pacte.lake import compaction, segments
from pacte.lake.drafts import Drafts
from pacte.lake.schema import schema_of
from pacte.lake.source import open_lake

SHAPE = schema_of({"shop": "string"})
WIDER = schema_of({"shop": "string", "till": "string"})


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """An empty lake."""
    (tmp_path / "lake").mkdir()
    return tmp_path / "lake"


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


def _rows(first: int, people: list[int | None], schema: pa.Schema = SHAPE) -> pa.Table:
    count = len(people)
    columns: dict[str, list[object]] = {
        "_no": list(people),
        "_row": [f"{first + at:08x}" for at in range(count)],
        "_source": ["till"] * count,
        "_collected": [1] * count,
        "_notice": [None] * count,
        "shop": ["north"] * count,
        "till": ["7"] * count,
    }
    return pa.table({name: columns[name] for name in schema.names}, schema=schema)


def _load(engine: Engine, lake: Path, loads: list[list[int | None]], schema: pa.Schema = SHAPE, first: int = 0) -> None:
    with write(engine) as conn:
        for at, people in enumerate(loads):
            segments.add_segment(conn, lake, "orders", _rows(first + at * 100, people, schema), "load")


def _seen(engine: Engine, lake: Path, schema: pa.Schema = SHAPE) -> list[tuple[object, ...]]:
    with read(engine) as conn, open_lake(conn, lake, {"orders": schema}) as duck:
        return duck.execute("SELECT * FROM orders ORDER BY _row").fetchall()


def _compact(engine: Engine, lake: Path) -> list[bool]:
    with read(engine) as conn:
        groups = compaction.groups(conn)
    done = []
    for group in groups:
        with Drafts(lake) as drafts:
            assert compaction.gather(lake, group, drafts)
            with write(engine) as conn:
                done.append(compaction.replace(conn, group, drafts))
    return done


def _files(engine: Engine) -> int:
    with read(engine) as conn:
        return len(segments.segments(conn, "orders"))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.none() | st.integers(0, 5), min_size=1, max_size=8), min_size=4, max_size=9))
def test_the_same_rows_lie_in_one_file(engine: Engine, lake: Path, loads: list[list[int | None]]) -> None:
    """Whatever was loaded in however many files is there afterwards, once each, in one."""
    with write(engine) as conn:
        segments.retire(conn, segments.segments(conn))
    _load(engine, lake, loads)
    before = _seen(engine, lake)
    assert _compact(engine, lake) == [True]
    assert (_files(engine), _seen(engine, lake)) == (1, before)
    assert _compact(engine, lake) == []


def test_columns_that_came_later_are_empty_before(engine: Engine, lake: Path) -> None:
    """Files of before a column was declared are put together with those that have it."""
    _load(engine, lake, [[1], [2]])
    _load(engine, lake, [[3], [4]], WIDER, first=1000)
    before = _seen(engine, lake, WIDER)
    assert _compact(engine, lake) == [True]
    assert _seen(engine, lake, WIDER) == before
    assert [row[-1] for row in before] == [None, None, "7", "7"]


def test_columns_that_do_not_fit_are_left_apart(engine: Engine, lake: Path) -> None:
    """A column that changed its type keeps its files as they are."""
    _load(engine, lake, [[1], [2], [3]])
    _load(engine, lake, [[4]], schema_of({"shop": "string"}), first=1000)
    numbered = _rows(2000, [5]).drop_columns(["shop"]).append_column("shop", pa.array([1], pa.int64()))
    with write(engine) as conn:
        segments.add_segment(conn, lake, "orders", numbered, "load")
        group = compaction.groups(conn)[0]
    with Drafts(lake) as drafts:
        assert not compaction.gather(lake, group, drafts)
    assert _files(engine) == 5


def test_who_reads_by_the_old_manifest_finds_the_old_files(engine: Engine, lake: Path) -> None:
    """A reader that began before still reads everything; the old files go with the next garbage."""
    _load(engine, lake, [[1], [2], [3], [4]])
    with read(engine) as conn:
        with open_lake(conn, lake, {"orders": SHAPE}) as duck:
            assert _compact(engine, lake) == [True]
            assert duck.execute("SELECT count(*) FROM orders").fetchall() == [(4,)]
        with open_lake(conn, lake, {"orders": SHAPE}) as duck:
            assert duck.execute("SELECT count(*) FROM orders").fetchall() == [(4,)]
    with write(engine) as conn:
        assert segments.garbage(conn, lake) == 4


def test_an_erasure_that_comes_between_wins(engine: Engine, lake: Path) -> None:
    """Rows that were erased while files were put together do not come back with the new file."""
    _load(engine, lake, [[1], [2], [3], [4, 1]])
    with read(engine) as conn:
        group = compaction.groups(conn)[0]
    with Drafts(lake) as drafts:
        assert compaction.gather(lake, group, drafts)
        with write(engine) as conn:
            assert segments.rewrite_without(conn, lake, [1], "erasure") == {"orders": 2}
        with write(engine) as conn:
            assert not compaction.replace(conn, group, drafts)
    assert [row[0] for row in _seen(engine, lake)] == [2, 3, 4]


def test_what_is_being_written_is_no_garbage(engine: Engine, lake: Path) -> None:
    """Drafts of somebody who works without the lock are spared; those of somebody who died are not."""
    _load(engine, lake, [[1], [2], [3], [4]])
    with read(engine) as conn:
        group = compaction.groups(conn)[0]
    with Drafts(lake) as drafts:
        assert compaction.gather(lake, group, drafts)
        (lake / f"{'0' * 32}.parquet.part").write_bytes(b"cut short")
        with write(engine) as conn:
            assert segments.garbage(conn, lake) == 1
        with write(engine) as conn:
            assert compaction.replace(conn, group, drafts)
    assert _files(engine) == 1


class _PowerCut(Exception):
    pass


def test_a_crash_before_the_manifest_changes_leaves_everything_as_it_was(engine: Engine, lake: Path) -> None:
    """Files that were put together but not named belong to nobody."""
    _load(engine, lake, [[1], [2], [3], [4]])
    with suppress(_PowerCut), Drafts(lake) as drafts:
        with read(engine) as conn:
            group = compaction.groups(conn)[0]
        assert compaction.gather(lake, group, drafts)
        with write(engine) as conn:
            assert compaction.replace(conn, group, drafts)
            raise _PowerCut
    assert _files(engine) == 4
    assert len(_seen(engine, lake)) == 4
