"""A house whose records are in PostgreSQL: made, used, examined; and what is said when the server is not well."""

from __future__ import annotations

import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from pacte.app import server
from pacte.app.doctor import examine
from pacte.app.house import RECORDS, House, create, open_house, stands
from pacte.app.publish import publish
from pacte.app.settings import FILE
from pacte.app.templates import write_template
from pacte.kernel import db
from pacte.kernel.errors import BadInput, Conflict, PacteError, Unsafe
from pacte.testing.postgres import Server
from pacte.testing.world import TestClock
from tests.threats.shop import TODAY, pacte_here, shop_files

PASSWORD = "correct-horse"


@pytest.fixture(scope="module")
def guarded() -> Iterator[Server]:
    """A server of its own that asks `guest` for a password, and whose settings tests may change."""
    with tempfile.TemporaryDirectory(prefix="pacte-pg-") as directory:
        found = Server(Path(directory) / "data")
        rules = Path(directory) / "data" / "pg_hba.conf"
        rules.write_text("local all guest scram-sha-256\n" + rules.read_text(encoding="utf-8"), encoding="utf-8")
        _admin(found, f"CREATE ROLE guest LOGIN SUPERUSER PASSWORD '{PASSWORD}'")
        _reload(found)
        yield found
        found.close()


def _reload(there: Server) -> None:
    """Let the server read its rules and settings again, which it does when it comes to it: wait until it has."""
    read = "SELECT pg_conf_load_time()"
    engine = create_engine(Server._alchemy(there.database()), isolation_level="AUTOCOMMIT", poolclass=NullPool)

    def when() -> object:
        with engine.connect() as conn:  # another connection each time, which the server begins as it is set by then
            return conn.execute(text(read)).scalar_one()

    before = when()
    with engine.connect() as conn:
        conn.execute(text("SELECT pg_reload_conf()"))
    for _ in range(600):
        if when() != before:
            return
        time.sleep(0.1)
    raise AssertionError("the server does not read its settings again")


def _admin(there: Server, *statements: str) -> None:
    engine = db.open_database(there.database())
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT", pacte_bare=True) as conn:
        for statement in statements:
            conn.execute(text(statement))
    engine.dispose()


def _as(address: str, name: str) -> str:
    return address.replace("postgres:@", f"{name}@")


def _by_tcp(address: str) -> int:
    """A port that leads to the server behind an address, which itself answers at a socket of the file system."""
    url = make_url(address)
    line = f"{url.query['host']}/.s.PGSQL.{url.query.get('port', 5432)}"
    listening = socket.create_server(("127.0.0.1", 0))

    def carry(one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65_536):
                other.sendall(data)
        with suppress(OSError):
            other.shutdown(socket.SHUT_WR)

    def answer() -> None:
        while True:
            caller, _ = listening.accept()
            server_side = socket.socket(socket.AF_UNIX)
            server_side.connect(line)
            for pair in ((caller, server_side), (server_side, caller)):
                threading.Thread(target=carry, args=pair, daemon=True).start()

    threading.Thread(target=answer, daemon=True).start()
    return int(listening.getsockname()[1])


def test_a_login_that_may_too_much_is_told(tmp_path: Path, guarded: Server) -> None:
    """A superuser, a member of other roles, a database open to everybody: each is a warning, and goes when mended."""
    address = guarded.database("wide")
    owned = _as(guarded.database("narrow"), "shop")
    _admin(
        guarded,
        "CREATE ROLE shop LOGIN",
        "CREATE ROLE readers",
        "GRANT readers TO shop",
        "ALTER DATABASE narrow OWNER TO shop",
    )
    loose = {"server_superuser", "server_member", "server_public"}

    def told(house: House) -> set[str]:
        return loose & {finding.code for finding in examine(house) if finding.level == "warning"}

    with create(tmp_path / "wide", clock=TestClock(TODAY), database=address) as house:
        assert told(house) == {"server_superuser", "server_public"}
    with create(tmp_path / "narrow", clock=TestClock(TODAY), database=owned) as house:
        assert told(house) == {"server_member", "server_public"}
        _admin(guarded, "REVOKE readers FROM shop", "REVOKE ALL ON DATABASE narrow FROM PUBLIC")
        assert told(house) == set()
        assert house.check() == []


def test_the_life_of_a_house_on_postgresql(tmp_path: Path, postgres: Server) -> None:
    """Made, published, loaded, chosen, used, erased, checked, examined: as on SQLite, with no `records.db`."""
    clock = TestClock(TODAY)
    with create(tmp_path / "house", clock=clock, database=postgres.database()) as house:
        write_template(house.path)
        publish(house, "owner")
        for file in shop_files(tmp_path / "files", range(1, 21)):
            assert house.load(file).accepted > 0
    assert stands(tmp_path / "house")
    assert not (tmp_path / "house" / RECORDS).exists()
    with open_house(tmp_path / "house", clock=clock) as house:
        before = house.declare("newsletter", channel="email").table().num_rows
        assert before == 20
        house.choose("key:C00001", "newsletter", "withdrawn")
        house.erase("key:C00002")
        assert house.declare("newsletter", channel="email").table().num_rows == before - 2
        levels = {finding.code: finding.level for finding in examine(house)}
        assert levels["server_durable"] == "ok"
        assert "error" not in levels.values()
        assert house.check() == []


def test_a_server_that_forgets_is_an_error_of_the_doctor(tmp_path: Path, guarded: Server) -> None:
    """`fsync=off` and its like are named."""
    with create(tmp_path / "house", clock=TestClock(TODAY), database=guarded.database()) as house:
        _admin(guarded, "ALTER SYSTEM SET fsync = off", "ALTER SYSTEM SET full_page_writes = off")
        _reload(guarded)
        found = {finding.code: finding.detail for finding in examine(house)}
        _admin(guarded, "ALTER SYSTEM RESET ALL")
        _reload(guarded)
        assert found["server_forgets"] == "fsync=off, full_page_writes=off"


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_that_does_not_hold_every_letter_is_refused(tmp_path: Path, guarded: Server, encoding: str) -> None:
    """A name would be refused there in the middle of a load, or kept as bytes that nobody can read as letters."""
    here, name = guarded.database(), f"shop_{encoding.lower()}"
    _admin(guarded, f"CREATE DATABASE {name} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    with pytest.raises(BadInput, match="ENCODING 'UTF8'"):
        create(tmp_path / "house", clock=TestClock(TODAY), database=here.replace(make_url(here).database or "", name))
    assert not (tmp_path / "house").exists()


def test_what_stands_in_the_way_is_said_and_the_password_is_not(tmp_path: Path, guarded: Server) -> None:
    """Each way of not being let in has its sentence; no house is left behind; the address is never shown."""
    here = guarded.database()
    secret = "tr0ub4dor"
    said = {
        _as(here, f"guest:{secret}"): "the password is wrong",
        _as(here, "guest"): "the password is wrong or missing",
        _as(here, "nobody"): "knows nobody of that name",
        here.replace("/pacte_", "/nowhere_"): "no database of that name",
        f"postgresql://guest:{secret}@127.0.0.1:1/house": "nothing answers at the address",
        f"postgresql://guest:{secret}@no.such.host.invalid/house": "no machine of that name",
        f"postgresql://guest:{secret}@127.0.0.1:{_by_tcp(here)}/house?sslmode=verify-full": "speaks no TLS",
    }
    for address, words in said.items():
        with pytest.raises((BadInput, Conflict, Unsafe), match=words) as raised:
            server.connect(address).dispose()
        assert secret not in str(raised.value)
        assert raised.value.__cause__ is None
        (tmp_path / "address").write_text(address, encoding="utf-8")
        done = pacte_here("init", tmp_path / "house", "--database", f"file:{tmp_path / 'address'}", house=tmp_path)
        assert done.code != 0
        assert words in done.err
        assert secret not in done.out + done.err
        assert not (tmp_path / "house").exists()


def test_with_the_right_password_from_the_environment(
    tmp_path: Path, guarded: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--database env:NAME` makes the house; the password is in no file of it."""
    monkeypatch.setenv("SHOP_DATABASE", _as(guarded.database(), f"guest:{PASSWORD}"))
    done = pacte_here("init", tmp_path / "house", "--database", "env:SHOP_DATABASE", house=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert not any(PASSWORD in file.read_text("latin-1") for file in (tmp_path / "house").rglob("*") if file.is_file())
    with open_house(tmp_path / "house") as house:
        assert house.check() == []
    monkeypatch.delenv("SHOP_DATABASE")
    with pytest.raises(BadInput, match="`SHOP_DATABASE` that the settings refer to is not set"):
        open_house(tmp_path / "house")


def test_a_password_on_the_command_line_is_refused(tmp_path: Path, guarded: Server) -> None:
    """It would end in a shell's history and in `settings.toml`."""
    address = _as(guarded.database(), f"guest:{PASSWORD}")
    done = pacte_here("init", tmp_path / "house", "--database", address, house=tmp_path)
    assert done.code != 0
    assert "holds a password" in done.err
    assert PASSWORD not in done.err
    assert not (tmp_path / "house").exists()


@pytest.mark.parametrize("query", ["password=violet", "sslpassword=violet", "PassWord=violet", "%70assword=violet"])
def test_a_password_in_the_query_of_an_address_is_refused(tmp_path: Path, query: str) -> None:
    """libpq takes it there as well, and settings are no place for it either way."""
    with pytest.raises(BadInput, match="holds a password") as caught:
        create(tmp_path / "house", database=f"postgresql://name@host/database?{query}")
    assert "violet" not in str(caught.value)


@pytest.mark.parametrize(
    "rest",
    [
        "u:S3cret/x@host/db",
        "u@h:S3cret/db",
        "u:S3\udcffcret@h/db",
        "S3cret:a@b:c@h/db",
        "u:p@a,b:S3cret/db",
        "u@h/db?port=S3cret",
        "u:S3cret@[h/db",
    ],
)
def test_a_malformed_address_is_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rest: str) -> None:
    """Whatever is wrong with it, one sentence says so, and no part of it is in that, nor in what led to it."""
    monkeypatch.setenv("SHOP_DATABASE", f"postgresql://{rest}")
    with pytest.raises(BadInput, match="address of the database") as caught:
        create(tmp_path / "house", database="env:SHOP_DATABASE")
    assert "S3" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_database_with_something_in_it_is_refused(tmp_path: Path, postgres: Server) -> None:
    """Also when it is another house; the directory stays as it was, and an empty database will do."""
    address = postgres.database()
    create(tmp_path / "first", database=address).close()
    with pytest.raises(BadInput, match="not empty"):
        create(tmp_path / "second", database=address)
    assert not (tmp_path / "second").exists()
    create(tmp_path / "second", database=postgres.database()).close()


def test_settings_that_name_another_database_are_not_overruled(tmp_path: Path, postgres: Server) -> None:
    """Two answers to where the records are: neither is guessed."""
    (tmp_path / FILE).write_text('origin = "shop.example/log"\n', encoding="utf-8")
    with pytest.raises(BadInput, match="names another database"):
        create(tmp_path, database=postgres.database())


def test_without_the_extra_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver of PostgreSQL comes with `pacte[postgres]`."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(BadInput, match=r"pip install 'pacte\[postgres\]'"):
        create(tmp_path / "house", database="postgresql://shop@localhost/shop")


def test_an_old_server_is_refused(postgres: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """This server is taken for old by asking for one that is newer than any."""
    monkeypatch.setattr(server, "OLDEST", 999)
    with pytest.raises(BadInput, match=r"is PostgreSQL \d+; a house needs 999 or newer"):
        server.connect(postgres.database())


def test_a_server_that_goes_away_is_no_answer(tmp_path: Path, guarded: Server) -> None:
    """An open house whose connections are cut refuses, says so, and answers again when the server lets it in."""
    with create(tmp_path / "house", clock=TestClock(TODAY), database=guarded.database("gone")) as house:
        write_template(house.path)
        publish(house, "owner")
        with pytest.raises(Conflict, match="cannot be reached"), house.reading() as conn:
            _admin(guarded, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'gone'")
            db.run(conn, "SELECT 1")
        _admin(guarded, "ALTER DATABASE gone ALLOW_CONNECTIONS false")
        with pytest.raises(PacteError), house.reading():
            pass
        _admin(guarded, "ALTER DATABASE gone ALLOW_CONNECTIONS true")
        assert house.check() == []
