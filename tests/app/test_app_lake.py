"""The lake in PostgreSQL: the same uses, erasures and proofs as with files, and no row where it does not belong."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from pacte.app.house import House, create, open_house
from pacte.app.prove import prove
from pacte.app.publish import publish
from pacte.app.settings import FILE, KeySettings
from pacte.app.templates import write_template
from pacte.app.uses import declare
from pacte.gate import population, server
from pacte.gate import rules as stored
from pacte.gate.questions import complete
from pacte.gate.values import Question
from pacte.kernel import db
from pacte.kernel.errors import BadInput, Conflict, Denied, Unsafe
from pacte.lake import numbers, segments, tables
from pacte.lake.holdings import rows_of
from pacte.ledger import log
from pacte.policy.vocabulary import RuleError
from pacte.testing.postgres import Server
from pacte.testing.world import TestClock
from pacte.verifier import verify_bytes
from tests.threats.shop import TODAY, empty_house, order, shop_files, write_orders

COLUMNS = ["customers.city", "customers.country", "orders.last_order", "orders.order_count", "orders.spent"]


@pytest.fixture
def shop(tmp_path: Path, records: Callable[[], str]) -> House:
    """Forty subscribers with two orders each, and sales of nobody."""
    house = empty_house(tmp_path / "house", TestClock(TODAY), database=records())
    for file in shop_files(tmp_path / "files"):
        house.load(file)
    house.load(write_orders(tmp_path / "orders-2.parquet", [order(1, 7), order(2, 8, customer=None)]))
    return house


def _everywhere(house: House, number: int) -> dict[str, int]:
    """Rows of a number in each table of the lake, asked of the tables themselves."""
    with house.reading() as conn:
        names = db.fetch(
            conn, "SELECT DISTINCT table_name FROM information_schema.columns WHERE table_schema = ?", (tables.SCHEMA,)
        )
        return {
            name: db.fetch(conn, f'SELECT count(*) FROM lake."{name}" WHERE _no = ?', (number,))[0][0]
            for (name,) in names
        }


def test_both_engines_release_the_same(tmp_path: Path, postgres: Server) -> None:
    """The same files in a house on SQLite and in one on PostgreSQL: the same funnel, the same released values."""
    said = []
    for name, address in (("sqlite", ""), ("postgresql", postgres.database())):
        house = empty_house(tmp_path / name, TestClock(TODAY), database=address)
        for file in shop_files(tmp_path / f"files-{name}"):
            house.load(file)
        use = house.declare("newsletter", channel="email", proofs=True)
        table = use.table(COLUMNS)
        assert use.table().num_rows == 40
        rows = sorted(map(repr, table.select(COLUMNS).to_pylist()))
        said.append((use.funnel, table.schema, rows))
        with house.reading() as conn:
            assert {segment.number is None for segment in segments.segments(conn)} == {name == "sqlite"}
        assert any((house.lake).iterdir()) == (name == "sqlite")
        assert house.check() == []
        house.close()
    assert said[0] == said[1]


def test_who_is_erased_leaves_no_row_and_everybody_else_stays(shop: House) -> None:
    """The certificate counts the rows; afterwards none is left, a proof of before verifies, the house is whole."""
    use = shop.declare("newsletter", channel="email")
    with shop.reading() as conn:
        before = sum(segment.rows for segment in segments.segments(conn))
        everybody = numbers.subjects(conn, use.permits.numbers.to_pylist())
    gone = shop.erase("key:C00001")
    assert (gone.counts["lake:orders"], gone.counts["lake:customers"]) == (3, 1)
    number = next(no for no, subject in everybody.items() if subject == gone.subject)
    with shop.reading() as conn:
        assert sum(segment.rows for segment in segments.segments(conn)) == before - 4
        assert rows_of(conn, shop.lake, number) == {}
        assert all(rows_of(conn, shop.lake, other) for other in everybody if other != number)
        if db.is_postgres(conn):
            assert set(_everywhere(shop, number).values()) == {0}
    assert use.table().num_rows == 39
    assert shop.declare("newsletter", channel="email").funnel.counts["erased"] == 1
    assert verify_bytes(prove(shop, gone.subject, use.id).data, key=shop.vkey).ok
    assert shop.check() == []


def test_rows_changed_behind_the_houses_back_are_found(tmp_path: Path, postgres: Server) -> None:
    """Somebody on the server gives one customer's orders to another."""
    house = empty_house(tmp_path / "house", TestClock(TODAY), database=postgres.database())
    for file in shop_files(tmp_path / "files"):
        house.load(file)
    assert house.check() == []
    with db.write(house.engine) as conn:
        other = "(SELECT max(_no) FROM lake.orders)"
        db.run(conn, f"UPDATE lake.orders SET _no = {other} WHERE _no = (SELECT min(_no) FROM lake.orders)")
    assert ["orders" in problem for problem in house.check()] == [True]


def test_two_processes_load_use_and_erase_at_once(tmp_path: Path, postgres: Server) -> None:
    """Another process loads orders while this one uses and erases: nobody erased keeps a row, nothing is doubled."""
    house = empty_house(tmp_path / "house", TestClock(TODAY), database=postgres.database())
    files = shop_files(tmp_path / "files")
    for file in files:
        house.load(file)
    more = write_orders(
        tmp_path / "orders-2.parquet", [order(n, which) for n in range(1, 41) for which in range(3, 40)]
    )
    code = """
    import sys
    from pathlib import Path
    from pacte.app.house import open_house
    from pacte.intake import reader
    from pacte.testing.world import TestClock
    reader.BATCH = 50
    with open_house(Path(sys.argv[1]), clock=TestClock(int(sys.argv[2]))) as house:
        house.load(Path(sys.argv[3]))
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(house.path), str(TODAY), str(more)]
    erased = []
    with subprocess.Popen(command) as other:
        while other.poll() is None and len(erased) < 10:
            erased.append(house.erase(f"key:C{3 + 2 * len(erased):05d}").subject)
            use = house.declare("newsletter", channel="email")
            assert use.table(["orders.order_count"]).num_rows == 40 - len(erased)
        assert other.wait(120) == 0
    house.load(more)
    with house.reading() as conn:
        drawn = numbers.numbers(conn, erased)
    assert [set(_everywhere(house, number).values()) for number in drawn.values()] == [{0}] * len(erased)
    with house.reading() as conn:
        ((rows, names),) = db.fetch(conn, "SELECT count(*), count(DISTINCT _row) FROM lake.orders WHERE _no > 0")
        ((people,),) = db.fetch(conn, "SELECT count(DISTINCT _no) FROM lake.orders")
    assert people == 40 - len(erased)
    assert rows == names == people * 39
    assert house.check() == []


def test_a_table_that_is_kept_from_being_vacuumed_is_said_in_words(
    tmp_path: Path, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody on the server holds the table: the erasure waits, says so, and ends when it is asked for again."""
    monkeypatch.setattr(db, "BUSY_MILLISECONDS", 300)
    house = empty_house(tmp_path / "house", TestClock(TODAY), database=postgres.database())
    for file in shop_files(tmp_path / "files"):
        house.load(file)
    with db.read(house.engine) as other:
        db.run(other, "LOCK TABLE lake_segment IN ACCESS SHARE MODE")
        assert house.erase("key:C00001").counts
    with house.engine.connect().execution_options(pacte_bare=True) as other, other.begin():
        db.run(other, "LOCK TABLE vault_index IN SHARE UPDATE EXCLUSIVE MODE")
        with pytest.raises(Conflict, match="busy"):
            house.erase("key:C00002")
    assert house.erase("key:C00002").counts
    assert house.check() == []


def test_a_new_house_there_may_keep_its_lake_in_files(tmp_path: Path, postgres: Server) -> None:
    """Its settings are written by hand before `pacte init`, with no more in them than that."""
    address, home = postgres.database(), tmp_path / "house"
    home.mkdir()
    (home / FILE).write_text(
        f'origin = "shop.example/log"\n[records]\ndatabase = "{address}"\n[lake]\nengine = "files"\n', encoding="utf-8"
    )
    create(home, clock=TestClock(TODAY), database=address, keys_in=KeySettings()).close()  # as `pacte init` does
    with open_house(home, clock=TestClock(TODAY)) as house:
        assert house.signer.name == "shop.example/log"
        write_template(home)
        publish(house, "owner")
        for file in shop_files(tmp_path / "files"):
            house.load(file)
        with house.reading() as conn:
            assert db.is_postgres(conn)
            assert {segment.number for segment in segments.segments(conn)} == {None}
        assert house.declare("newsletter", channel="email").table(["customers.city"]).num_rows == 40
        assert house.check() == []


def test_the_settings_say_where_the_lake_is(tmp_path: Path, postgres: Server) -> None:
    """Somebody writes another engine into the settings: the house does not open, rather than find no rows."""
    house = empty_house(tmp_path / "house", TestClock(TODAY), database=postgres.database())
    house.close()
    file = house.path / FILE
    file.write_text(file.read_text().replace('engine = "postgresql"', 'engine = "files"'))
    with pytest.raises(BadInput, match="rows of this house are in `postgresql`"):
        open_house(house.path, clock=TestClock(TODAY))
    plain = empty_house(tmp_path / "plain", TestClock(TODAY))
    plain.close()
    with (plain.path / FILE).open("a") as out:
        out.write('\n[lake]\nengine = "postgresql"\n')
    with pytest.raises(BadInput, match="rows of this house are in `files`"):
        open_house(plain.path, clock=TestClock(TODAY))


def test_two_facts_of_one_person_permit_nobody(tmp_path: Path, postgres: Server) -> None:
    """A second row of somebody's hold, which no entry made: the server would count them twice, and refuses."""
    house = empty_house(tmp_path / "house", TestClock(TODAY), database=postgres.database())
    for file in shop_files(tmp_path / "files"):
        house.load(file)
    with db.write(house.engine) as conn:
        for place in (1, 2):
            row = "SELECT min(no), ?, 0, NULL, NULL, 'none', 0 FROM consent_subject"
            db.run(
                conn, f"INSERT INTO consent_hold (no, known_from, valid_from, valid_to, known_to, status, entry) {row}",
                (place,),
            )  # fmt: skip
    with pytest.raises(Unsafe, match="two things of one person"):
        declare(house, "newsletter", channel="email")


def test_a_question_that_the_server_refuses_permits_nobody(tmp_path: Path, postgres: Server) -> None:
    """A table of facts is gone: neither the gate nor a preview repeats the server's words."""
    house = empty_house(tmp_path / "house", TestClock(TODAY), database=postgres.database())
    for file in shop_files(tmp_path / "files"):
        house.load(file)
    with db.write(house.engine) as conn:
        db.run(conn, "ALTER TABLE consent_told RENAME TO elsewhere")
    with pytest.raises(Denied, match="nobody is permitted"):
        house.declare("newsletter", channel="email")
    with house.reading() as conn:
        now, known = house.present(conn), log.head(conn).size
        found = stored.in_force(conn, now, known)
        assert found is not None
        table = stored.load(conn, found[1])
        with pytest.raises(RuleError, match="the database refused the question") as raised:
            population.each(conn, house.lake, [table], complete(table, Question("newsletter", now, known, (), "email")))
    assert "consent" not in str(raised.value)


def test_what_the_pages_keep_of_the_erased_goes_as_the_docs_say(tmp_path: Path, postgres: Server) -> None:
    """After the erasure no query finds the row, and its bytes may lie in the table's file; `VACUUM FULL` ends that."""
    house = empty_house(tmp_path / "house", TestClock(TODAY), database=postgres.database())
    for file in shop_files(tmp_path / "files"):
        house.load(file)
    house.load(write_orders(tmp_path / "orders-2.parquet", [order(5, 7, product="zanzibar-quartz")]))
    assert "zanzibar-quartz" in _pages(house)
    house.erase("key:C00005")
    with house.engine.connect().execution_options(isolation_level="AUTOCOMMIT", pacte_bare=True) as conn:
        conn.execute(text("VACUUM FULL lake.orders"))
    assert "zanzibar-quartz" not in _pages(house)
    assert house.check() == []


def _pages(house: House) -> str:
    """What the file of the table of orders holds, as the server's administrator sees it."""
    with house.engine.connect().execution_options(isolation_level="AUTOCOMMIT", pacte_bare=True) as conn:
        conn.execute(text("CHECKPOINT"))
        raw = conn.execute(text("SELECT pg_read_binary_file(pg_relation_filepath('lake.orders'))")).scalar_one()
        return bytes(raw).decode("latin-1")


def test_nothing_but_numbers_and_counts_leaves_the_server(tmp_path: Path, postgres: Server) -> None:
    """Of a decision the numbers of the permitted come out, of the others only how many got which reason."""
    house = empty_house(tmp_path / "house", TestClock(TODAY), database=postgres.database())
    for file in shop_files(tmp_path / "files"):
        house.load(file)
    house.choose("key:C00002", "newsletter", "withdrawn")
    with house.reading() as conn:
        now, known = house.present(conn), log.head(conn).size
        found = stored.in_force(conn, now, known)
        assert found is not None
        table = stored.load(conn, found[1])
        question = complete(table, Question("newsletter", now, known, (), "email"))
        assert server.decides(conn)
        said = server.answers(conn, table, question)
        assert set(said.numbers) == {"permitted"}
        assert said.counts["withdrawn"] == 1
        everybody = population.reasons(conn, house.lake, table, question)
    permitted = sorted(number for number, reason in everybody.items() if reason == "permitted")
    assert said.numbers["permitted"].tolist() == permitted
