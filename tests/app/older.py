"""A house of format 1, as the version of its day left it: eleven customers, a use, a withdrawal, a stop, an erasure."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

from pacte.app import formats
from pacte.app.move import advance, tables_of
from pacte.app.settings import FILE, RECORDS_ELSEWHERE
from pacte.kernel import db
from pacte.kernel.instant import Instant
from pacte.testing.world import TestClock

ASSET = Path(__file__).parent.parent / "assets" / "houses" / "format-1"
LAST = Instant(1_761_782_400_000_000)
"""When its last entry was recorded."""


def clock() -> TestClock:
    """A clock that stands where the house stopped."""
    return TestClock(LAST)


def lay_out(target: Path, database: str = "") -> Path:
    """Put the house into `target`; with `database` (an empty one of PostgreSQL) its records go there."""
    shutil.copytree(ASSET, target, ignore=shutil.ignore_patterns("*.sql"))
    _restored("keys/keys", target)
    _restored("records", target)
    for path in (target, *target.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)
    if database:
        _carried(target / "records.db", database)
        (target / "records.db").unlink()
        with (target / FILE).open("a", encoding="utf-8") as settings:
            settings.write(RECORDS_ELSEWHERE.format(database=f'"{database}"'))
    return target


def _restored(name: str, target: Path) -> None:
    with sqlite3.connect(target / f"{name}.db") as conn:
        conn.executescript((ASSET / f"{name}.sql").read_text(encoding="utf-8"))
    conn.close()


def _carried(records: Path, database: str) -> None:
    engine = db.open_database(database)
    old = sqlite3.connect(records)
    with db.write(engine) as conn:
        formats.upgrade(conn, "1")
        for (name,) in old.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            found = old.execute(f'SELECT * FROM "{name}"')
            db.insert(conn, name, [f'"{column[0]}"' for column in found.description], found.fetchall())
        advance(conn, tables_of(conn))
    old.close()
    engine.dispose()
