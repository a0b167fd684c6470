"""An analyst with SQL tries to reach anything but the permitted rows: files, the house, Python, the process, time."""

from __future__ import annotations

import csv
import io
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from pacte.app.house import House, open_house
from pacte.app.uses import Use
from pacte.kernel.errors import BadInput, Denied, PacteError
from pacte.testing.world import TestClock
from pacte.uses import sql
from tests.threats.shop import CHOICE_COLUMNS, TODAY, choice, lying_in, pacte_here, python, write_csv

LEFT_OUT = ("person.3@shop.example", "Nom3", "C00003")
"""What the house knows about somebody who said no."""


@pytest.fixture(scope="module")
def house(furnished: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house of forty, one of whom takes back their yes; and a secret in the environment of this process."""
    import shutil

    root = tmp_path_factory.mktemp("sql")
    shutil.copytree(furnished, root / "house")
    os.environ["PACTE_PASSPHRASE"] = "violet kettle"
    with open_house(root / "house", clock=TestClock(TODAY)) as found:
        found.choose("key:C00003", "newsletter", "withdrawn", channel="email")
        yield found
        assert found.check() == []
    del os.environ["PACTE_PASSPHRASE"]


@pytest.fixture(scope="module")
def use(house: House) -> Use:
    """The newsletter by e-mail: thirty-nine of forty people."""
    found = house.declare("newsletter", channel="email")
    assert len(found.permits) == 39
    return found


@pytest.fixture(scope="module")
def people(use: Use) -> pa.Table:
    """What the gate released for it."""
    return use.table()


def cells(use: Use, query: str) -> list[object]:
    """Every cell of an answer."""
    return [cell for column in use.sql(query).columns for cell in column.to_pylist()]


OUTSIDE = [
    "FROM read_csv('{path}/mapping.yaml')",
    "FROM read_text('{path}/records.db')",
    "FROM read_blob('{path}/keys/keys.db')",
    "FROM read_parquet('{path}/lake/*.parquet')",
    "FROM read_json('{path}/keys/kek.json')",
    "FROM glob('{path}/*')",
    "FROM glob('*')",
    "FROM '{path}/records.db'",
    "FROM '{path}/lake/*.parquet'",
    "FROM read_duckdb('{path}/records.db')",
    "FROM sniff_csv('/etc/passwd')",
    "FROM parquet_schema('{path}/lake/*.parquet')",
    "FROM read_text('/proc/self/environ')",
    "FROM read_text('https://shop.example/')",
    "FROM read_csv('s3://shop/customers.csv')",
    "FROM query('FROM read_text(''/etc/passwd'')')",
    "FROM query('COPY customers TO ''{path}/x.csv''')",
    "FROM query('SELECT 1; DROP TABLE customers')",
    "FROM query_table('/etc/passwd')",
    "FROM query_table(['secret', 'people_table'])",
    "FROM json_execute_serialized_sql('{{}}')",
    "SELECT getenv('PACTE_PASSPHRASE')",
    "SELECT current_setting('no_such_setting')",
    "SELECT nextval('x')",
    "FROM secret",
    "FROM PEOPLE_TABLE",
    "FROM pandas_scan(140000000000000)",
    "FROM arrow_scan(140000000000000, 140000000000000, 140000000000000)",
    "FROM python_map_function((FROM customers))",
    "SELECT my_function(city) FROM customers",
    "FROM sqlite_scan('{path}/records.db', 'vault_sealed')",
    "FROM postgres_scan('host=localhost', 'public', 'vault_sealed')",
    "FROM duckdb_extensions()",
    "FROM ledger_entry",
    "FROM vault_sealed",
    "FROM lake_subject",
    "FROM permitted",
    "FROM _people",
]


@pytest.mark.parametrize("query", OUTSIDE)
def test_nothing_outside_of_the_copy_is_reached(house: House, people: pa.Table, query: str) -> None:
    """Files, addresses, variables of Python, functions of Python, other tables: each is refused, and says no path."""
    secret = people_table = people  # noqa: F841 # replacement scans look for names such as these
    with pytest.raises((Denied, BadInput)) as caught:
        sql.ask(people, query.format(path=house.path))
    assert str(house.path) not in str(caught.value)
    assert not re.search(r"/root|/home|passwd|violet", str(caught.value))


OTHER = [
    "ATTACH '{path}/records.db' AS h (TYPE sqlite)",
    "ATTACH ':memory:' AS other",
    "DETACH memory",
    "USE other",
    "COPY customers TO '{path}/out.csv'",
    "COPY customers FROM '{path}/out.csv'",
    "EXPORT DATABASE '{path}/out'",
    "IMPORT DATABASE '{path}/out'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "FORCE INSTALL spatial FROM community",
    "SET enable_external_access = true",
    "SET GLOBAL lock_configuration = false",
    "SET memory_limit = '100GB'",
    "SET ROLE pacte",
    "SET LOCAL ROLE pacte",
    "SET VARIABLE a = 1",
    "RESET enable_external_access",
    "RESET ALL",
    "PRAGMA enable_external_access",
    "PRAGMA database_list",
    "PRAGMA enable_logging",
    "CALL enable_logging()",
    "CALL pragma_version()",
    "CREATE SECRET s (TYPE s3, KEY_ID 'a', SECRET 'b')",
    "CREATE MACRO m(x) AS x",
    "CREATE FUNCTION m(x) AS x",
    "CREATE TABLE t AS FROM customers",
    "CREATE TEMP TABLE t AS FROM customers",
    "CREATE VIEW v AS FROM customers",
    "CREATE TYPE mood AS ENUM ('a')",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "DEALLOCATE p",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "CHECKPOINT",
    "VACUUM",
    "ANALYZE",
    "DELETE FROM customers",
    "UPDATE customers SET city = 'x'",
    "INSERT INTO customers VALUES ('x', 'y', 'z')",
    "MERGE INTO customers USING people ON false WHEN NOT MATCHED THEN INSERT VALUES ('a', 'b', 'c')",
    "DROP TABLE customers",
    "ALTER TABLE customers RENAME TO c",
    "TRUNCATE customers",
    "COMMENT ON TABLE customers IS 'x'",
    "EXPLAIN ANALYZE COPY customers TO '{path}/out.csv'",
    "EXPLAIN ANALYZE CREATE TABLE t AS SELECT 1",
    "WITH a AS (INSERT INTO customers VALUES ('x', 'y', 'z') RETURNING 1) FROM a",
    "WITH a AS (DELETE FROM customers RETURNING 1) FROM a",
    "SELECT 1; DROP TABLE customers",
    "SELECT 1; COPY customers TO '{path}/out.csv'",
    "SELECT 1 /* ; */; SET lock_configuration = false",
    "SELECT 1 --\n; COPY customers TO '{path}/out.csv'",
    "/* SELECT */ COPY customers TO '{path}/out.csv'",
    "-- SELECT 1\nCOPY customers TO '{path}/out.csv'",
    "\ufeffCOPY customers TO '{path}/out.csv'",
    "\u200bATTACH '{path}/records.db'",
    "\u00a0COPY\u2003customers TO '{path}/out.csv'",
    "ＣＯＰＹ customers TO '{path}/out.csv'",
    "SELECT 1\x00; COPY customers TO '{path}/out.csv'",
    "$$SELECT 1$$; COPY customers TO '{path}/out.csv'",
    "",
    ";",
    "-- nothing",
    "SELECT",
]


@pytest.mark.parametrize("query", OTHER)
def test_nothing_but_one_question_is_answered(house: House, people: pa.Table, query: str) -> None:
    """Whatever writes, sets, loads, attaches, prepares or comes second is refused; no file comes to be."""
    before = sorted(path.name for path in house.path.rglob("*"))
    with pytest.raises((Denied, BadInput)):
        sql.ask(people, query.format(path=house.path))
    assert sorted(path.name for path in house.path.rglob("*")) == before


CATALOGUES = [
    "FROM duckdb_databases()", "FROM duckdb_settings()", "FROM duckdb_tables()", "FROM duckdb_views()",
    "FROM duckdb_columns()", "FROM duckdb_schemas()", "FROM duckdb_secrets()", "FROM duckdb_variables()",
    "FROM duckdb_temporary_files()", "FROM duckdb_memory()", "FROM duckdb_prepared_statements()", "FROM duckdb_logs()",
    "FROM duckdb_dependencies()", "FROM duckdb_constraints()", "FROM duckdb_indexes()", "FROM duckdb_sequences()",
    "FROM duckdb_functions()", "FROM duckdb_types()", "FROM sqlite_master", "FROM information_schema.tables",
    "FROM information_schema.columns", "FROM information_schema.schemata", "FROM pg_catalog.pg_settings",
    "FROM pg_catalog.pg_class", "FROM pg_catalog.pg_attribute", "FROM pg_catalog.pg_tables", "FROM pg_catalog.pg_views",
    "FROM pragma_storage_info('customers')", "FROM pragma_table_info('customers')", "FROM pragma_database_size()",
    "FROM pragma_user_agent()", "SHOW ALL TABLES", "SHOW DATABASES", "DESCRIBE customers", "SUMMARIZE customers",
    "FROM which_secret('s3://a/b', 's3')", "SELECT current_database(), current_schema(), current_user, version()",
]  # fmt: skip


def test_catalogues_tell_of_the_copy_and_of_nothing_else(use: Use) -> None:
    """Catalogues may be read; they name no path, no home, no secret and nobody who was left out."""
    said = "\n".join(str(cell) for query in CATALOGUES for cell in cells(use, query))
    path = str(use.house.path)
    assert lying_in(said.encode(), [*LEFT_OUT, path, "records.db", "violet kettle"]) == []
    assert not re.search(r"(?<![a-z])(/root|/home/|/tmp/|/usr/|/work)", said)
    tables = cells(use, "SELECT table_name FROM information_schema.tables ORDER BY 1")
    assert tables == ["customers", "orders", "people"]
    assert cells(use, "FROM duckdb_views() SELECT view_name WHERE NOT internal") == []


def test_only_the_permitted_are_in_the_copy(use: Use) -> None:
    """The copy's cells are those of the use's table: its people, its coarsened values, in the order of pseudonyms."""
    table = use.table()
    names = table.column("pseudonym").to_pylist()
    assert cells(use, "SELECT pseudonym FROM people") == names
    assert cells(use, "SELECT city FROM customers") == table.column("customers.city").to_pylist()
    assert cells(use, "SELECT spent FROM orders") == table.column("orders.spent").to_pylist()
    everything = str([use.sql(f"FROM {name}").to_pylist() for name in ("people", "customers", "orders")])
    assert lying_in(everything.encode(), LEFT_OUT) == []


BOMBS = [
    "WITH RECURSIVE r AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM r) SELECT count(*) FROM r",
    "WITH RECURSIVE r AS (SELECT repeat('a', 100000) AS i UNION ALL SELECT i || i FROM r) SELECT count(*) FROM r",
    "SELECT count(*) FROM range(1000000000) a, range(1000000000) b, range(1000000000) c",
    "SELECT list(i) FROM range(1000000000) r(i)",
    "SELECT len(range(4000000000))",  # allocated past DuckDB's own limit
    "SELECT lpad('a', 2000000000, 'b')",  # heeds no interrupt
    "SELECT levenshtein(repeat('a', 1000000), repeat('b', 1000000))",  # heeds no interrupt, for hours
    "SELECT repeat('a', 100000000) FROM range(10)",
    f"SELECT {'(' * 5_000}1{')' * 5_000}",
    f"SELECT 1{' + 1' * 24_000}",
    f"SELECT '{'a' * 100_000}'",
]


@pytest.mark.parametrize("query", BOMBS, ids=lambda query: query[:40])
def test_no_query_takes_more_than_its_time_and_memory(people: pa.Table, query: str) -> None:
    """Endless, huge and uninterruptible queries are ended from outside, soon; the house goes on."""
    began = time.monotonic()
    with pytest.raises(BadInput):
        sql.ask(people, query, sql.Limits(seconds=2, memory=256 << 20))
    # Two seconds, and what starting a process and ending it takes a busy machine; left alone they take hours.
    assert time.monotonic() - began < 40


def test_answers_have_a_limit_that_is_said(use: Use) -> None:
    """In Python a longer answer is refused with the limit named; nothing is cut silently."""
    assert len(cells(use, "FROM range(100)")) == 100
    with pytest.raises(BadInput, match="more than 99 rows"):
        use.sql("FROM range(100)", rows=99)


def test_the_process_of_the_copy_has_given_up_the_world() -> None:
    """Once confined a process opens no file, no socket, writes nothing, and has no environment of ours."""
    done = python(
        """
        import socket
        from pacte.uses.sql import confine
        confine(1 << 30, 10)
        for attempt in (lambda: open("/etc/passwd"), socket.socket, lambda: bytearray(8 << 30)):
            try:
                attempt()
            except (OSError, MemoryError) as error:
                print(type(error).__name__)
        """
    )
    assert done.stdout.split() == ["OSError", "OSError", "MemoryError"]


def test_a_withdrawal_has_effect_on_the_next_query(home: Path, tmp_path: Path) -> None:
    """The gate is asked again before each query: who said no since is not in the copy; an ended permit opens none."""
    clock = TestClock(TODAY)
    with open_house(home, clock=clock) as house:  # its own: the others count on who is in theirs, and on its day
        use = house.declare("newsletter", channel="email")
        before = cells(use, "SELECT count(*) FROM people")[0]
        house.load(write_csv(tmp_path / "choices-2.csv", CHOICE_COLUMNS, [
            choice(7, "withdrawn", signed_at="2025-10-20", recorded_at="2025-10-20"),
        ]))  # fmt: skip
        assert cells(use, "SELECT count(*) FROM people") == [int(str(before)) - 1]
        clock.forward(1)
        with pytest.raises(Denied, match="expired"):
            use.sql("FROM people")
        assert house.check() == []


def test_the_command_records_one_use_and_only_for_a_query_that_fits(home: Path) -> None:
    """A query records one `use` entry and nothing else; a misspelt one, a refused one and `--tables` record nothing."""

    def entries() -> list[str]:
        with open_house(home, clock=TestClock(TODAY)) as found, found.reading() as conn:
            from pacte.ledger import log

            return [str(entry["kind"]) for _, entry in log.entries(conn) if entry is not None]

    before = entries()
    newsletter = ("sql", "--use", "newsletter", "--channel", "email")
    for query, code in (("FROM custmers", 2), ("COPY customers TO 'x'", 2), ("FROM read_text('/etc/passwd')", 3)):
        answer = pacte_here(*newsletter, query, house=home)
        assert (answer.code, answer.out) == (code, ""), answer
    assert pacte_here(*newsletter, "--tables", house=home).out.split()[:3] == ["table", "column", "type"]
    assert entries() == before
    answer = pacte_here(*newsletter, "SELECT count(*) AS n FROM people", "--json", house=home)
    assert (answer.json["rows"], answer.json["columns"], answer.json["permitted"]) == ([[40]], ["n"], 40)
    assert entries() == [*before, "use"]


def test_no_message_repeats_what_was_typed(home: Path) -> None:
    """Somebody's address or name in a query comes back in no error."""
    for query in (
        'FROM "ada@shop.example"',
        'SELECT "Ada Lovelace" FROM customers',
        "SELECT 'ada@shop.example'::INT",
        "SELECT city + 'Ada Lovelace' FROM customers",
        "SELECT no_such('Ada Lovelace')",
        "SELECT 'Ada Lovelace",
    ):
        answer = pacte_here("sql", "--use", "newsletter", "--channel", "email", query, house=home)
        assert answer.code == 2, answer
        assert "ada" not in answer.err.lower(), answer.err


def test_a_spreadsheet_runs_nothing_and_a_terminal_obeys_nothing(home: Path) -> None:
    """Cells that begin like formulas are texts in CSV; control characters do not reach a terminal."""
    newsletter = ("sql", "--use", "newsletter", "--channel", "email")
    query = "SELECT '=1+1' AS a, '@x' AS \"+b\", -1 AS c, NULL AS d LIMIT 1"
    answer = pacte_here(*newsletter, query, "--csv", house=home)
    assert list(csv.reader(io.StringIO(answer.out))) == [["a", "'+b", "c", "d"], ["'=1+1", "'@x", "-1", ""]]
    answer = pacte_here(*newsletter, "SELECT chr(27) || '[31mred' AS a", house=home)
    assert "\x1b[31m" not in answer.out
    assert "red" in answer.out


def test_a_foreign_permit_opens_no_copy(use: Use, home: Path) -> None:
    """A use of one house asked in another is refused."""
    with open_house(home, clock=TestClock(TODAY)) as other, pytest.raises(PacteError):
        Use(other, use.permits).sql("FROM people")
