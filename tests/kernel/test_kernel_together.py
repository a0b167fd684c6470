"""Statements that go out together: what they write is what they would write one by one, or nothing at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Column, Engine, LargeBinary, MetaData, String, Table
from sqlalchemy.exc import DBAPIError

from pacte.kernel import db
from pacte.kernel.errors import Unsafe

thing = Table(
    "test_thing",
    MetaData(),
    Column("no", db.Int64, primary_key=True, autoincrement=False),
    Column("name", String(8), unique=True),
    Column("raw", LargeBinary),
)
COLUMNS = ("no", "name", "raw")
ROWS = [
    (-(2**62), None, None),
    (0, "", b""),
    (1, 'a"\\,{}', bytes(range(256))),
    (2, "NULL", b"\\x00"),
    (3, "é\n\t '", b"{"),
    (4, "?:%s", None),
]


@pytest.fixture
def engine(database: str, open_engine: Callable[[str], Engine], monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """A database of each kind with one table, which `db` knows as one of its own."""
    known = {**db.metadata.tables, thing.name: thing}
    monkeypatch.setattr(db, "metadata", type("Known", (), {"tables": known}))
    opened = open_engine(database)
    with db.write(opened) as conn:
        thing.create(conn)
    yield opened
    db._unnested.cache_clear()


def held(engine: Engine) -> list[db.Row]:
    """The rows of the table, in order."""
    with db.read(engine) as conn:
        return db.fetch(conn, "SELECT no, name, raw FROM test_thing ORDER BY no")


@pytest.mark.parametrize("short", [False, True])
def test_what_is_inserted_together_is_what_was_given(engine: Engine, *, short: bool) -> None:
    """Quotes, braces, empty and missing values, bytes, large and negative numbers; seen by what is asked after them."""
    with db.write(engine, short=short) as conn, db.together(conn):
        db.insert(conn, "test_thing", COLUMNS, ROWS)
        db.tell(conn, "UPDATE test_thing SET name = ? WHERE no = ?", ("new", 4))
        assert db.fetch(conn, "SELECT count(*) FROM test_thing WHERE name = ?", ("new",)) == [(1,)]
        assert db.fetch(conn, "SELECT no FROM test_thing WHERE no = ?", (99,)) == []
    assert held(engine) == [*ROWS[:-1], (4, "new", None)]


def test_what_is_refused_among_them_undoes_all(engine: Engine) -> None:
    """The second of three is refused: that is said at the end at the latest, and nothing of the three is there."""
    with pytest.raises(Unsafe, match="nothing was recorded"), db.write(engine) as conn, db.together(conn):
        db.insert(conn, "test_thing", COLUMNS, ROWS[:3])
        db.insert(conn, "test_thing", COLUMNS, [(7, ROWS[2][1], None)])
        db.tell(conn, "UPDATE test_thing SET raw = ?", (b"x",))
    assert held(engine) == []


def test_a_savepoint_outlives_what_is_refused_within_it(engine: Engine) -> None:
    """Under a savepoint the others stay: this is how one caller's failure costs no other caller anything."""
    with db.write(engine) as conn:
        for rows in (ROWS[:1], [(8, "twice", None), (9, "twice", None)], ROWS[1:2]):
            try:
                with conn.begin_nested(), db.together(conn):
                    db.insert(conn, "test_thing", COLUMNS, rows)
            except DBAPIError:
                assert rows[0][0] == 8
    assert held(engine) == ROWS[:2]


def test_a_text_that_is_too_long_is_refused_and_not_cut(engine: Engine) -> None:
    """PostgreSQL would cut a text by a cast without a word; SQLite knows no lengths."""
    if not db.is_postgres(engine):
        pytest.skip("SQLite keeps texts of any length")
    with pytest.raises(Unsafe), db.write(engine) as conn, db.together(conn):
        db.insert(conn, "test_thing", COLUMNS, [(1, "nine long", None)])
    assert held(engine) == []


def test_lists_of_values_find_what_they_name(engine: Engine) -> None:
    """`among` with texts that look like syntax, and with numbers."""
    with db.write(engine) as conn:
        db.insert(conn, "test_thing", COLUMNS, ROWS)
    names = [row[1] for row in ROWS[1:]]
    with db.read(engine) as conn:
        sql = f"SELECT t.no FROM {db.among(conn, 'text')} AS a JOIN test_thing AS t ON t.name = a.value ORDER BY t.no"
        assert db.fetch(conn, sql, (db.listed(conn, names),)) == [(0,), (1,), (2,), (3,), (4,)]
        sql = f"SELECT t.no FROM {db.among(conn, 'integer')} AS a JOIN test_thing AS t ON t.no = a.value ORDER BY t.no"
        assert db.fetch(conn, sql, (db.listed(conn, [4, -(2**62)]),)) == [(-(2**62),), (4,)]
        assert db.fetch(conn, sql, (db.listed(conn, []),)) == []
