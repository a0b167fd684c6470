"""A house moves from SQLite to PostgreSQL: nothing changed, nothing is lost, and only one of the two serves."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pacte.app.doctor import examine
from pacte.app.house import LAKE, MOVED, RECORDS, House, create, open_house
from pacte.app.move import Moved, move
from pacte.app.publish import publish
from pacte.app.settings import FILE
from pacte.app.templates import write_template
from pacte.kernel import db
from pacte.kernel.errors import BadInput, Conflict, Unsafe
from pacte.kernel.instant import parse_instant
from pacte.lake import segments, tables
from pacte.ledger import log
from pacte.testing.postgres import Server
from pacte.testing.retailer import Retailer, generate
from pacte.testing.world import TestClock

NOW = parse_instant("2026-06-01T08:00")
PEOPLE = 120
VARIABLE = "PACTE_TEST_MOVE"


@dataclass(frozen=True)
class Furnished:
    """A closed house on SQLite, and the files it came from."""

    path: Path
    files: Retailer


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Furnished:
    """The retailer's house, without its orders, with a use, a withdrawal and an erasure behind it."""
    root = tmp_path_factory.mktemp("move")
    files = generate(root / "files", PEOPLE, now=NOW)
    with create(root / "house", clock=TestClock(NOW)) as house:
        write_template(house.path)
        publish(house, "owner")
        for file in (files.customers, files.choices, files.legacy_list):
            house.load(file)
        house.declare("newsletter", channel="email")
        house.choose("key:C0000005", "newsletter", "withdrawn")
        house.erase("key:C0000006")
        assert house.check() == []
    return Furnished(root / "house", files)


@pytest.fixture
def home(furnished: Furnished, tmp_path: Path) -> Path:
    """A copy of the house."""
    shutil.copytree(furnished.path, tmp_path / "house")
    return tmp_path / "house"


@pytest.fixture
def empty(postgres: Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty database, whose address stands in the environment."""
    address = postgres.database()
    monkeypatch.setenv(VARIABLE, address)
    return address


def _head(path: Path) -> log.Head:
    with _opened(path) as house, house.reading() as conn:
        return log.head(conn)


def _opened(path: Path) -> House:
    return open_house(path, clock=TestClock(NOW))


def _move(path: Path) -> Moved | None:
    return move(path, f"env:{VARIABLE}", clock=TestClock(NOW))


def _killed(home: Path, point: str) -> None:
    code = f"""
from pathlib import Path
from pacte.app.move import move
from pacte.kernel.instant import Instant
move(Path({str(home)!r}), "env:{VARIABLE}", clock=lambda: Instant({NOW}))
"""
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PACTE_CRASH": point}, timeout=120)
    assert done.returncode == -signal.SIGKILL


def test_nothing_changed(home: Path, empty: str, furnished: Furnished) -> None:
    """Same head, root and signed checkpoint, same rows in every table; the house checks and goes on."""
    before = _head(home)
    seen: list[tuple[int, int]] = []
    moved = move(home, f"env:{VARIABLE}", clock=TestClock(NOW), progress=lambda done, all_: seen.append((done, all_)))
    assert moved is not None
    assert (moved.size, moved.root, moved.checkpoint) == (before.size, before.root.hex(), before.checkpoint)
    assert seen[-1] == (2 * moved.rows, 2 * moved.rows)
    assert moved.tables["ledger_entry"][0] == before.size
    assert moved.tables["vault_sealed"][0] > PEOPLE
    assert moved.datasets["customers"][0] > PEOPLE / 2
    assert list((home / LAKE).iterdir()) == []
    assert _head(home) == before
    assert empty not in (home / FILE).read_text(encoding="utf-8")
    with _opened(home) as house:
        assert db.is_postgres(house.engine)
        assert house.check() == []
        assert not house.may("key:C0000005", "newsletter", channel="email").permitted
        assert house.load(furnished.files.customers).accepted == 0
        assert house.load(furnished.files.orders).accepted > 0
        house.declare("newsletter", channel="email")
        house.erase("key:C0000007")
        assert house.check() == []


def test_the_lake_may_stay_in_files(home: Path, empty: str) -> None:
    """The settings say so before the move: the same files serve, and nothing of them is in the database."""
    with (home / FILE).open("a", encoding="utf-8") as out:
        out.write('\n[lake]\nengine = "files"\n')
    files = {path.name for path in (home / LAKE).iterdir()}
    moved = _move(home)
    assert moved is not None
    assert moved.datasets == {}
    with _opened(home) as house:
        assert db.is_postgres(house.engine)
        with house.reading() as conn:
            assert not tables.here(conn)
            assert {segment.file for segment in segments.segments(conn)} == files
        house.declare("newsletter", channel="email")
        house.erase("key:C0000007")
        assert house.check() == []


def test_an_empty_part_of_the_settings_is_named(home: Path, empty: str) -> None:
    """Two parts of one name are no TOML: it is said before anything is copied."""
    with (home / FILE).open("a", encoding="utf-8") as out:
        out.write("\n[lake]\n")
    with pytest.raises(BadInput, match=r"`\[lake\]` already"):
        _move(home)
    assert _opened(home).check() == []


def test_a_row_of_the_lake_that_does_not_arrive_as_sent_stops_the_move(home: Path, empty: str) -> None:
    """Somebody on the server moves every customer to another town while they come in."""
    engine = db.open_database(empty)
    with db.write(engine) as conn:
        for statement in TWISTED:
            twisted = statement.replace("NEW.status = 'given'", """NEW."city.string" = 'Elsewhere'""")
            twisted = twisted.replace("public.consent_choice", "lake.customers")
            db.run(conn, twisted.replace("ON consent_choice", "ON lake.customers"))
    engine.dispose()
    with pytest.raises(Unsafe, match="`customers` did not arrive"):
        _move(home)
    with _opened(home) as house:
        assert not db.is_postgres(house.engine)
        assert house.check() == []


def test_the_old_records_are_kept_and_never_opened_again(home: Path, empty: str) -> None:
    """They are put aside; put back, they are refused, and a doctor reminds of them."""
    _move(home)
    assert not (home / RECORDS).exists()
    with _opened(home) as house:
        assert "records_left" in {finding.code for finding in examine(house)}
    (home / MOVED).rename(home / RECORDS)
    settings = (home / FILE).read_text(encoding="utf-8")
    (home / FILE).write_text(settings.partition("[records]")[0], encoding="utf-8")
    with pytest.raises(Unsafe, match="moved to another database"):
        _opened(home)


def test_whoever_had_the_old_records_open_reads_and_writes_nothing_more(home: Path, empty: str) -> None:
    """Another process that was there before the move is told to open the house again."""
    other = _opened(home)
    with other.reading() as conn:
        assert log.head(conn).size
    _move(home)
    for verb in (other.reading, other.writing):
        with pytest.raises(Unsafe, match="open the house again"), verb():
            pass
    with pytest.raises(Unsafe, match="open the house again"), db.write(other.engine):
        pass
    other.engine.dispose()
    other.keys.close()


def test_moving_twice_moves_once(home: Path, empty: str) -> None:
    """The second time there is nothing to do."""
    assert _move(home) is not None
    assert _move(home) is None


@pytest.mark.parametrize("point", ["move-before-commit", "move-before-switch"])
def test_killed_before_the_switch_the_old_house_serves(home: Path, empty: str, point: str) -> None:
    """What it records meanwhile is carried when the move is run again, into an emptied database."""
    _killed(home, point)
    assert (home / RECORDS).exists()
    with _opened(home) as house:
        assert not db.is_postgres(house.engine)
        house.choose("key:C0000008", "newsletter", "withdrawn")
        assert house.check() == []
    before = _head(home)
    assert _move(home) is not None
    assert _head(home) == before
    with _opened(home) as house:
        assert db.is_postgres(house.engine)
        assert house.check() == []


def test_killed_after_the_switch_the_new_house_serves(home: Path, empty: str) -> None:
    """The old file still lies there under its name, and nobody writes to it; moving again puts it aside."""
    other = _opened(home)
    before = _head(home)
    _killed(home, "move-before-mark")
    with pytest.raises(Unsafe, match="open the house again"), other.writing():
        pass
    other.engine.dispose()
    other.keys.close()
    assert _head(home) == before
    with _opened(home) as house:
        assert db.is_postgres(house.engine)
        assert "records_left" in {finding.code for finding in examine(house)}
    assert _move(home) is None
    assert (home / MOVED).exists()
    assert not (home / RECORDS).exists()
    with sqlite3.connect(home / MOVED) as conn:
        names = {row[0] for row in conn.execute("SELECT name FROM sqlite_master")}
    conn.close()
    assert "ledger_head" not in names


@pytest.fixture
def busy(home: Path) -> Iterator[sqlite3.Connection]:
    """Somebody who writes to the old records."""
    conn = sqlite3.connect(home / RECORDS, isolation_level=None)
    conn.execute("BEGIN IMMEDIATE")
    yield conn
    conn.close()


def test_while_somebody_writes_nothing_moves(
    home: Path, empty: str, busy: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The move waits for the write lock, and gives up."""
    monkeypatch.setattr(db, "BUSY_MILLISECONDS", 200)
    with pytest.raises(Conflict):
        _move(home)
    busy.execute("ROLLBACK")
    assert _move(home) is not None


def test_a_database_with_something_else_in_it_is_left_alone(home: Path, empty: str, tmp_path: Path) -> None:
    """Tables of others, another house, this house of a later day: nothing is emptied."""
    engine = db.open_database(empty)
    with db.write(engine) as conn:
        db.run(conn, "CREATE TABLE theirs (a int)")
    with pytest.raises(BadInput, match="not empty"):
        _move(home)
    with db.write(engine) as conn:
        db.run(conn, "DROP TABLE theirs")
    engine.dispose()
    create(tmp_path / "other", clock=TestClock(NOW), database=empty).close()
    with pytest.raises(BadInput, match="another house"):
        _move(home)
    assert (home / RECORDS).exists()
    assert _opened(tmp_path / "other").check() == []


def test_a_house_that_has_gone_on_there_is_not_emptied(home: Path, empty: str, tmp_path: Path) -> None:
    """A stale copy of the directory must not overwrite the house that moved and recorded more since."""
    shutil.copytree(home, tmp_path / "stale")
    _move(home)
    with _opened(home) as house:
        house.choose("key:C0000008", "newsletter", "withdrawn")
    with pytest.raises(Unsafe, match="newer"):
        _move(tmp_path / "stale")
    with _opened(home) as house:
        assert house.check() == []


TWISTED = (
    "CREATE FUNCTION twist() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.status = 'given'; RETURN NEW; END $$",
    "CREATE FUNCTION sneak() RETURNS event_trigger LANGUAGE plpgsql AS $$ DECLARE made record; BEGIN "
    "FOR made IN SELECT * FROM pg_event_trigger_ddl_commands() LOOP "
    "IF made.command_tag = 'CREATE TABLE' AND made.object_identity = 'public.consent_choice' THEN "
    "CREATE TRIGGER twist BEFORE INSERT ON consent_choice FOR EACH ROW EXECUTE FUNCTION twist(); "
    "END IF; END LOOP; END $$",
    "CREATE EVENT TRIGGER sneak ON ddl_command_end EXECUTE FUNCTION sneak()",
)
"""What an administrator of the database can do: change rows while they come in."""


def test_a_row_that_does_not_arrive_as_sent_stops_the_move(home: Path, empty: str) -> None:
    """Somebody on the server turns every withdrawal into a yes: it is found, and the old house goes on serving."""
    engine = db.open_database(empty)
    with db.write(engine) as conn:
        for statement in TWISTED:
            db.run(conn, statement)
    engine.dispose()
    with pytest.raises(Unsafe, match="`consent_choice` did not arrive"):
        _move(home)
    with _opened(home) as house:
        assert not db.is_postgres(house.engine)
        assert house.check() == []
