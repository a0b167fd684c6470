"""Records that were damaged or lost: every command says so and what to do, and none goes on as if nothing were."""

from __future__ import annotations

import random
import shutil
import sqlite3
from pathlib import Path

import pytest

from pacte.app.house import open_house
from pacte.kernel import db
from pacte.kernel.errors import Unsafe
from pacte.testing.postgres import Server
from pacte.testing.world import TestClock
from tests.threats.shop import TODAY, empty_house, pacte_here, shop_files

COMMANDS = {
    "may": ("may", "key:C00001", "newsletter", "--channel", "email"),
    "doctor": ("doctor",),
    "check": ("ledger", "check"),
    "worker": ("worker", "--once"),
    "withdraw": ("choice", "withdraw", "key:C00002", "newsletter"),
    "audience": ("audience", "newsletter", "--channel", "email"),
    "jobs": ("jobs",),
    "status": ("status",),
}


def spoil(home: Path, start: float, end: float) -> None:
    """Random bytes over a part of the records; what was committed is in the file, not in the log beside it."""
    with sqlite3.connect(home / "records.db", isolation_level=None) as conn:
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    conn.close()
    size = (home / "records.db").stat().st_size
    with (home / "records.db").open("r+b") as file:
        file.seek(int(size * start))
        file.write(random.Random(7).randbytes(int(size * (end - start))))


@pytest.mark.parametrize("command", COMMANDS)
def test_random_bytes_in_the_middle(home: Path, command: str) -> None:
    """Nobody is told that something unforeseen happened, and a worker that could do nothing does not end well."""
    spoil(home, 0.1, 0.9)
    answer = pacte_here(*COMMANDS[command], house=home)
    assert (answer.code, answer.out) == (5, ""), answer
    assert "`records.db` is damaged" in answer.err
    assert "put back your newest copy" in answer.err


@pytest.mark.parametrize("seed", range(12))
def test_random_bytes_anywhere(home: Path, seed: int) -> None:
    """A few spoilt pages are either not met, or met and said; the doctor's full check never calls them sound."""
    at = random.Random(seed).uniform(0.02, 0.9)
    spoil(home, at, at + 0.08)
    for command in COMMANDS.values():
        answer = pacte_here(*command, house=home)
        assert answer.code in (0, 2, 3, 4, 5, 7), answer
        assert "nobody foresaw" not in answer.err, (command, answer.err)
    assert pacte_here("ledger", "check", house=home).code in (5, 7)


def test_a_table_that_is_gone(home: Path) -> None:
    """A house without one of its tables is damaged: nobody is denied or let through because of it."""
    with sqlite3.connect(home / "records.db") as conn:
        conn.execute("DROP TABLE consent_choice")
    conn.close()
    for command in COMMANDS.values():
        answer = pacte_here(*command, house=home)
        assert (answer.code, answer.out) == (5, "")
        assert "lack a table that every house has (`consent_choice`)" in answer.err


def test_a_table_that_goes_while_the_house_is_open(home: Path) -> None:
    """A statement that no longer finds its table says that the records are damaged."""
    with open_house(home, clock=TestClock(TODAY)) as house:
        with sqlite3.connect(home / "records.db") as conn:
            conn.execute("DROP TABLE consent_choice")
        conn.close()
        with pytest.raises(db.Damaged, match="lacks a table"):
            house.check()


def test_files_of_the_lake_that_are_gone(home: Path) -> None:
    """Nobody is told to ask again for ever: the files are gone, and what to put back is said."""
    for file in (home / "lake").glob("*.parquet"):
        file.unlink()
    answer = pacte_here("audience", "newsletter", "--channel", "email", "--output", home / "out.csv", house=home)
    assert answer.code == 5
    assert "files of the lake are gone" in answer.err
    assert "put back the newest copy of `lake`" in answer.err


def test_a_dataset_in_postgresql_that_is_gone(tmp_path: Path, postgres: Server) -> None:
    """No use goes out with empty columns where the table of their rows is missing."""
    house = empty_house(tmp_path / "house", TestClock(TODAY), database=postgres.database())
    for file in shop_files(tmp_path / "files"):
        house.load(file)
    use = house.declare("newsletter", channel="email", fields=["customers.city"])
    assert use.table().num_rows > 0
    with db.write(house.engine) as conn:
        db.run(conn, "DROP TABLE lake.customers")
    with pytest.raises(db.Damaged, match="the rows of `customers` are gone"):
        use.table()
    assert house.check() != []
    house.close()


def test_records_that_are_gone(home: Path, tmp_path: Path) -> None:
    """Where a house stood, nobody is told to make one; put back, the records serve."""
    (home / "records.db").rename(tmp_path / "kept")
    for command in (*COMMANDS.values(), ("ledger", "export", str(tmp_path / "out"), "--without-keys")):
        answer = pacte_here(*command, house=home)
        assert (answer.code, answer.out) == (5, "")
        assert "the records of this house are gone" in answer.err
        assert "`pacte restore`" in answer.err
    with pytest.raises(Unsafe, match="are gone"):
        open_house(home)
    shutil.copy(tmp_path / "kept", home / "records.db")
    (home / "records.db").chmod(0o600)
    with open_house(home, clock=TestClock(TODAY)) as house:
        assert house.check() == []


def test_an_error_of_the_driver_never_gets_out(tmp_path: Path) -> None:
    """Read or written, a file that is no database is damaged, and the message names it."""
    path = tmp_path / "some.db"
    path.write_bytes(b"no database at all " * 300)
    path.chmod(0o600)
    engine = db.open_sqlite(path)
    for transaction in (db.read, db.write):
        with pytest.raises(db.Damaged, match=r"`some\.db` is damaged"), transaction(engine) as conn:
            db.fetch(conn, "SELECT 1 FROM sqlite_master")
    engine.dispose()
