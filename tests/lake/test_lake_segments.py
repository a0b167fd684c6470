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
from sqlalchemy import Connection, Engine
from sqlalchemy.engine import make_url

from pacte.kernel.db import fetch, is_postgres, metadata, open_database, open_sqlite, read, run, write
from pacte.kernel.errors import BadInput, Unsafe
from pacte.lake import segments, tables
from pacte.lake.holdings import rows_of
from pacte.lake.schema import schema_of
from pacte.lake.source import open_lake
from pacte.testing.postgres import Server

ORDERS = schema_of({"amount": "decimal", "day": "date", "shop": "string"})


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """An empty lake."""
    directory = tmp_path / "lake"
    directory.mkdir()
    return directory


@pytest.fixture
def engine(tmp_path: Path, lake: Path) -> Iterator[Engine]:
    """A record database with every table, and a lake in files; at the end the lake is whole."""
    yield from _house(open_sqlite(tmp_path / "records.db"), lake)


@pytest.fixture
def either(database: str, lake: Path) -> Iterator[Engine]:
    """The same on both databases; in PostgreSQL the lake is there, too."""
    engine = open_database(database)
    yield from _house(engine, lake)


def _house(engine: Engine, lake: Path) -> Iterator[Engine]:
    with write(engine) as conn:
        metadata.create_all(conn)
        if is_postgres(conn):
            tables.begin(conn)
    yield engine
    with write(engine) as conn:
        segments.garbage(conn, lake)
    with read(engine) as conn:
        assert segments.check(conn, lake) == []
        files = {segment.file for segment in segments.segments(conn) if segment.number is None}
        assert {path.name for path in lake.iterdir()} == files
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


def test_what_cannot_be_found_again_is_not_taken_in(either: Engine, lake: Path) -> None:
    """A segment without rows or without the people's numbers is refused, and so is writing without the lock."""
    with write(either) as conn:
        with pytest.raises(BadInput):
            segments.add_segment(conn, lake, "orders", ORDERS.empty_table(), "load-1")
        with pytest.raises(BadInput):
            segments.add_segment(conn, lake, "orders", pa.table({"amount": [1]}), "load-1")
    with read(either) as conn, pytest.raises(Unsafe):
        segments.add_segment(conn, lake, "orders", _orders(1), "load-1")
    with read(either) as conn, pytest.raises(Unsafe):
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


def test_a_rewrite_rolled_back_loses_nothing(either: Engine, lake: Path) -> None:
    """When the transaction of a rewrite fails, the old segments are still named and still there."""
    with write(either) as conn:
        segments.add_segment(conn, lake, "orders", _orders(1, 2), "load-1")
    with suppress(_PowerCut), write(either) as conn:
        segments.rewrite_without(conn, lake, [2], "erasure")
        raise _PowerCut
    with write(either) as conn:
        assert segments.garbage(conn, lake) == (0 if is_postgres(conn) else 1)
    assert _people(either, lake) == [1, 2]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.lists(st.none() | st.integers(0, 5), min_size=1, max_size=8), max_size=4), st.sets(st.integers(0, 5))
)
def test_a_rewrite_removes_these_people_and_nobody_else(
    either: Engine, lake: Path, loads: list[list[int | None]], gone: set[int]
) -> None:
    """After a rewrite the lake holds every row of everybody else, and rows of nobody."""
    with write(either) as conn:
        segments.retire(conn, segments.segments(conn))
        for at, people in enumerate(loads):
            segments.add_segment(conn, lake, "orders", _orders(*people, first=at * 10), "load")
    with write(either) as conn:
        removed = segments.rewrite_without(conn, lake, gone, "erasure")
    rows = [one for people in loads for one in people]
    assert removed.get("orders", 0) == sum(one in gone for one in rows)
    assert _people(either, lake) == [one for one in rows if one not in gone]


def test_rows_that_are_there_are_recognised(either: Engine, lake: Path) -> None:
    """A file loaded twice adds nothing: its row ids are already in the lake, in whichever segment."""
    with write(either) as conn:
        segments.add_segment(conn, lake, "orders", _orders(1, 2), "load-1")
        segments.add_segment(conn, lake, "orders", _orders(3, first=2), "load-2")
    asked = ["00000000", "00000002", "00000009"]
    with read(either) as conn:
        assert segments.existing_rows(conn, lake, "orders", asked) == {"00000000", "00000002"}
        assert segments.existing_rows(conn, lake, "returns", asked) == set()


def test_the_source_shows_the_declared_columns_whatever_the_segments_hold(either: Engine, lake: Path) -> None:
    """A dataset without rows is an empty view; a column declared later is null in older rows; others are not shown."""
    wider = schema_of({"amount": "decimal", "day": "date", "paid": "boolean", "paid_on": "instant"})
    with write(either) as conn:
        segments.add_segment(conn, lake, "orders", _orders(1), "load-1")
    with read(either) as conn:
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


def test_changed_lost_and_foreign_rows_in_the_database_are_found(postgres: Server, lake: Path) -> None:
    """Whoever administers the server can change rows; the manifest tells, and the rows put back are as they were."""
    for engine in _house(open_database(postgres.database()), lake):
        with write(engine) as conn:
            segments.add_segment(conn, lake, "orders", _orders(1, 2), "load-1")
            segments.add_segment(conn, lake, "orders", _orders(3, first=2), "load-2")
        for statement, says in (
            ("UPDATE lake.orders SET \"shop.string\" = 'south' WHERE _no = 1", "has changed"),
            ("UPDATE lake.orders SET _no = 2 WHERE _no = 1", "has changed"),
            ("DELETE FROM lake.orders WHERE _no = 2", "has changed"),
            ("DELETE FROM lake.orders WHERE _no = 3", "is missing"),
            ("UPDATE lake.orders SET _segment = 99 WHERE _no = 3", "belong to no segment"),
        ):
            with suppress(_PowerCut), write(engine) as conn:
                run(conn, statement)
                assert any(says in problem for problem in segments.check(conn, lake)), statement
                raise _PowerCut
        with read(engine) as conn:
            assert segments.check(conn, lake) == []


def test_a_rewrite_and_its_garbage_are_two_transactions(either: Engine, lake: Path) -> None:
    """Whatever the engine, the caller does the same; what the copies of derived state say ends by itself."""
    with write(either) as conn:
        segments.add_segment(conn, lake, "orders", _orders(1, 2, None), "load-1")
        segments.add_segment(conn, lake, "orders", _orders(2, 2, first=3), "load-2")
        segments.add_segment(conn, lake, "facts:person", _orders(2, first=6), "snapshot")
    with write(either) as conn:
        assert segments.rewrite_without(conn, lake, {2}, "erasure") == {"orders": 3}
        with pytest.raises(Unsafe, match="commit"):
            segments.garbage(conn, lake)
    assert _people(either, lake) == [1, None]
    with read(either) as conn:
        assert (rows_of(conn, lake, 2), rows_of(conn, lake, 1)) == ({}, {"orders": 1})
        assert [segment.rows for segment in segments.segments(conn, "orders")] == [2]
    with write(either) as conn:
        segments.garbage(conn, lake)
        assert segments.rewrite_without(conn, lake, {2}, "erasure") == {}
        assert segments.rewrite_without(conn, lake, {2}, "evidence", derived=True) == {"facts:person": 1}


def test_rows_taken_out_are_answered_and_gone(either: Engine, lake: Path) -> None:
    """A row that is replaced comes back whole, column by name, and the rest of its segment stays."""
    with write(either) as conn:
        segments.add_segment(conn, lake, "orders", _orders(1, 2), "load-1")
        segments.add_segment(conn, lake, "orders", _orders(3, first=2), "load-2")
    with write(either) as conn:
        found, rewritten = segments.take_out(conn, lake, "orders", ["00000001", "00000002", "00000009"], "load-3")
        assert rewritten == 2
        assert segments.take_out(conn, lake, "returns", ["00000001"], "load-3") == ([], 0)
    said = {"_source": "till", "_collected": 1, "amount": Decimal("9.9000"), "day": date(2026, 5, 3), "shop": "north"}
    assert sorted((row["_no"], row["_row"]) for row in found) == [(2, "00000001"), (3, "00000002")]
    assert all(said.items() <= row.items() for row in found)
    assert _people(either, lake) == [1]


def test_only_the_rows_of_those_asked_for_come_out(postgres: Server, lake: Path) -> None:
    """The server finds the rows of the people; the private copy holds no other, whatever is asked of it."""
    for engine in _house(open_database(postgres.database()), lake):
        with write(engine) as conn:
            segments.add_segment(conn, lake, "orders", _orders(1, 2, None, 3), "load-1")
        narrow = pa.schema([field for field in ORDERS if field.name in ("_no", "shop")])
        with read(engine) as conn:
            duck = open_lake(conn, lake, {"orders": narrow}, pa.array([3, 1, 77], pa.int64()))
            assert duck.execute("SELECT * FROM orders ORDER BY _no").fetchall() == [(1, "north"), (3, "north")]
            held = duck.execute("SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal").fetchall()
            assert {column for _, column in held} == {"_no", "shop", "shop.string"}
            nobody = open_lake(conn, lake, {"orders": narrow}, pa.array([], pa.int64()))
            assert nobody.execute("SELECT count(*) FROM orders").fetchall() == [(0,)]
        with write(engine) as conn:  # what this transaction has just written is in sight, too
            segments.add_segment(conn, lake, "orders", _orders(4, first=4), "load-2")
            duck = open_lake(conn, lake, {"orders": narrow}, pa.array([4], pa.int64()))
            assert duck.execute("SELECT * FROM orders").fetchall() == [(4, "north")]


def test_a_field_of_another_type_than_before_keeps_both(either: Engine, lake: Path) -> None:
    """The policy makes a text of a number: older rows read as text, and nothing that was written changes."""
    first = schema_of({"size": "integer"})
    later = schema_of({"size": "string"})
    with write(either) as conn:
        segments.add_segment(conn, lake, "orders", _sized(first, 1, 40), "load-1")
        segments.add_segment(conn, lake, "orders", _sized(later, 2, "XL"), "load-2")
        assert segments.check(conn, lake) == []
    with read(either) as conn:
        duck = open_lake(conn, lake, {"orders": later})
        assert duck.execute("SELECT _no, size FROM orders ORDER BY _no").fetchall() == [(1, "40"), (2, "XL")]


def _sized(schema: pa.Schema, no: int, size: object) -> pa.Table:
    row = {"_no": no, "_row": f"{no:08x}", "_source": "till", "_collected": 1, "_notice": None, "size": size}
    return pa.Table.from_pylist([row], schema=schema)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20),
            st.none() | st.decimals(-(10**13), 10**13, places=4),
            st.none() | st.dates(date(1, 1, 1), date(9999, 12, 31)),
            st.none() | st.booleans(),
            st.none() | st.integers(-(2**63), 2**63 - 1),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_every_value_comes_back_as_it_went_in(
    either: Engine, lake: Path, rows: list[tuple[str | None, Decimal | None, date | None, bool | None, int | None]]
) -> None:
    """Empty texts and none, quotes, line ends, `\\.`, great and small numbers: nothing is lost between the engines."""
    schema = schema_of({"text": "string", "sum": "decimal", "day": "date", "yes": "boolean", "at": "instant"})
    system = {"_source": "till", "_collected": 1, "_notice": None}
    listed = [
        {"_no": at, "_row": f"{at:08x}", **system, **dict(zip(("text", "sum", "day", "yes", "at"), row, strict=True))}
        for at, row in enumerate(rows)
    ]
    with write(either) as conn:
        segments.retire(conn, segments.segments(conn))
        segments.add_segment(conn, lake, "values", pa.Table.from_pylist(listed, schema=schema), "load")
    with read(either) as conn:
        duck = open_lake(conn, lake, {"values": schema})
        found = duck.execute('SELECT "text", "sum", "day", "yes", "at" FROM "values" ORDER BY _no').fetchall()
        assert segments.check(conn, lake) == []
    assert found == rows


@pytest.mark.parametrize(
    ("dataset", "field"),
    [("order", "select"), ("user", "_no2"), ("d" * 48, "f" * 48), ("orders__no_idx", "ctid"), ("pg_class", "oid")],
)
def test_a_name_that_means_something_to_a_database_is_a_name(
    either: Engine, lake: Path, dataset: str, field: str
) -> None:
    """Reserved words, the longest names that a policy takes, names that a server gives: each is found again, alone."""
    schema = schema_of({field: "boolean"})
    row = {"_no": 1, "_row": "00", "_source": "till", "_collected": 1, "_notice": None, field: True}
    with write(either) as conn:
        segments.add_segment(conn, lake, "orders", _orders(1, first=1), "load-1")
        segments.add_segment(conn, lake, dataset, pa.Table.from_pylist([row], schema=schema), "load-2")
    with read(either) as conn:
        duck = open_lake(conn, lake, {dataset: schema})
        assert duck.execute(f'SELECT "{field}" FROM "{dataset}"').fetchall() == [(True,)]
        assert segments.existing_rows(conn, lake, dataset, ["00", "00000001"]) == {"00"}
    with write(either) as conn:
        assert segments.rewrite_without(conn, lake, {1}, "erasure") == {"orders": 1, dataset: 1}


def test_a_load_reads_no_more_than_its_own_rows(postgres: Server, lake: Path) -> None:
    """The digest of new rows is found by the index: a large dataset makes no load slower."""
    for engine in _house(open_database(postgres.database()), lake):
        for load in range(20):
            with write(engine) as conn:
                before = _rows_read(conn)
                segments.add_segment(conn, lake, "orders", _orders(*range(2_000), first=load * 2_000), "load")
                through, found = (after - then for after, then in zip(_rows_read(conn), before, strict=True))
        assert (through, found) == (0, 2_000)


def _rows_read(conn: Connection) -> tuple[int, int]:
    """Rows of the orders that this connection has read so far: the whole table through, and by an index."""
    where = "WHERE schemaname = 'lake' AND relname = 'orders'"
    found = fetch(conn, f"SELECT seq_tup_read, idx_tup_fetch FROM pg_stat_xact_user_tables {where}")
    return (found[0][0], found[0][1]) if found else (0, 0)


def test_what_others_put_into_the_tables_is_not_the_lakes(postgres: Server, lake: Path) -> None:
    """A column of somebody else's is not shown; a trigger that keeps rows away stops the load, in words."""
    for engine in _house(open_database(postgres.database()), lake):
        with write(engine) as conn:
            segments.add_segment(conn, lake, "orders", _orders(1), "load-1")
            run(conn, 'ALTER TABLE lake.orders ADD COLUMN "amount.weird" text, ADD COLUMN shop text')
        with read(engine) as conn:
            duck = open_lake(conn, lake, {"orders": ORDERS})
            assert duck.execute("SELECT _no, shop FROM orders").fetchall() == [(1, "north")]
        with suppress(_PowerCut), write(engine) as conn:
            run(conn, "CREATE FUNCTION eat() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
            run(conn, "CREATE TRIGGER eat BEFORE INSERT ON lake.orders FOR EACH ROW EXECUTE FUNCTION eat()")
            with pytest.raises(Unsafe, match="did not arrive whole"):
                segments.add_segment(conn, lake, "orders", _orders(2, first=1), "load-2")
            raise _PowerCut


def test_rows_that_this_login_may_not_touch_are_not_taken_for_none(postgres: Server, lake: Path) -> None:
    """A login without rights on a dataset cannot say that nobody is in it: counting, erasing, checking are refused."""
    for engine in _house(open_database(postgres.database()), lake):
        with write(engine) as conn:
            segments.add_segment(conn, lake, "orders", _orders(1), "load-1")
        blind = "CREATE ROLE blind; GRANT USAGE ON SCHEMA lake TO blind; GRANT ALL ON lake_segment TO blind"
        for verb in (
            lambda conn: segments.rewrite_without(conn, lake, {1}, "erasure"),
            lambda conn: rows_of(conn, lake, 1),
            lambda conn: segments.check(conn, lake),
        ):
            with pytest.raises(Unsafe, match="refused a statement"), write(engine) as conn:
                for statement in [*blind.split("; "), "SET LOCAL ROLE blind"]:
                    run(conn, statement)
                verb(conn)


def test_records_without_their_lake_are_noticed(postgres: Server, lake: Path) -> None:
    """A backup of one schema only: the manifest names rows, and no table has them."""
    for engine in _house(open_database(postgres.database()), lake):
        with suppress(_PowerCut), write(engine) as conn:
            segments.add_segment(conn, lake, "orders", _orders(1), "load-1")
            tables.drop(conn)
            assert ["is missing" in problem for problem in segments.check(conn, lake)] == [True]
            raise _PowerCut


def test_values_do_not_depend_on_what_server_and_environment_prefer(
    postgres: Server, lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that writes days its own way, a program that runs in Latin-1: the same values, however they travel."""
    address = postgres.database()
    name = make_url(address).database
    for statement in (
        f"ALTER DATABASE {name} SET datestyle = 'SQL, DMY'",
        f"ALTER DATABASE {name} SET timezone = 'Asia/Tokyo'",
    ):
        first = open_database(address)
        with write(first) as conn:
            run(conn, statement)
        first.dispose()
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    for engine in _house(open_database(address), lake):
        with write(engine) as conn:
            segments.add_segment(conn, lake, "orders", _orders(1, shop="Îlot €"), "load-1")
        monkeypatch.delenv("PGCLIENTENCODING")
        again = open_database(address)
        with read(again) as conn:
            duck = open_lake(conn, lake, {"orders": ORDERS})
            assert duck.execute("SELECT day, shop FROM orders").fetchall() == [(date(2026, 5, 3), "Îlot €")]
        with write(again) as conn:
            ((row,), _) = segments.take_out(conn, lake, "orders", ["00000000"], "load-2")
        again.dispose()
        assert (row["day"], row["shop"]) == (date(2026, 5, 3), "Îlot €")


def test_what_does_not_fit_into_memory_is_not_put_aside_on_the_disk(
    either: Engine, lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A private copy that grows too large fails; it leaves no file that an erasure would have to know of."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with write(either) as conn:
        segments.add_segment(conn, lake, "orders", _orders(1), "load-1")
    with read(either) as conn:
        duck = open_lake(conn, lake, {"orders": ORDERS})
        duck.execute("SET memory_limit = '50MB'")
        with pytest.raises(duckdb.OutOfMemoryException):
            duck.execute("CREATE TABLE much AS SELECT md5(CAST(i AS VARCHAR)) FROM range(4000000) AS many (i)")
    assert list(Path().iterdir()) == []
