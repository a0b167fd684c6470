"""The record database: durability, locks, errors that keep values to themselves; and the words on screens."""

from __future__ import annotations

import stat
import threading

import pytest
from sqlalchemy import text

from pacte.kernel import db, i18n
from pacte.kernel.errors import BadInput, Conflict, Unsafe


@pytest.fixture
def engine(tmp_path):
    engine = db.open_sqlite(tmp_path / "records.db")
    with db.write(engine) as conn:
        conn.execute(text("CREATE TABLE thing (name TEXT PRIMARY KEY)"))
    yield engine
    engine.dispose()


def test_the_file_is_private_and_durable(engine, tmp_path):
    """Mode 0600, write-ahead log, synchronous=FULL, deleted bytes overwritten."""
    assert stat.S_IMODE((tmp_path / "records.db").stat().st_mode) == 0o600
    with db.read(engine) as conn:
        found = {name: conn.execute(text(f"PRAGMA {name}")).scalar() for name in
                 ("journal_mode", "synchronous", "secure_delete", "foreign_keys")}  # fmt: skip
    assert found == {"journal_mode": "wal", "synchronous": 2, "secure_delete": 1, "foreign_keys": 1}


def test_a_failed_transaction_leaves_no_trace(engine):
    """Whatever raises inside `write` undoes all of it."""
    with pytest.raises(ZeroDivisionError), db.write(engine) as conn:
        conn.execute(text("INSERT INTO thing VALUES ('a')"))
        _ = 1 // 0
    with db.read(engine) as conn:
        assert conn.execute(text("SELECT count(*) FROM thing")).scalar() == 0


def test_errors_of_the_database_do_not_show_values(engine):
    """A broken constraint is refused without a word of what was written."""
    with db.write(engine) as conn:
        conn.execute(text("INSERT INTO thing VALUES (:name)"), {"name": "ada@example.com"})
    with pytest.raises(Unsafe) as caught, db.write(engine) as conn:
        conn.execute(text("INSERT INTO thing VALUES (:name)"), {"name": "ada@example.com"})
    assert "ada" not in str(caught.value)


def test_readers_are_not_blocked_by_a_writer(engine):
    """While a write transaction is open, a reader sees the state before it."""
    with db.write(engine) as conn:
        conn.execute(text("INSERT INTO thing VALUES ('a')"))
        seen = []
        reader = threading.Thread(target=lambda: seen.append(_count(engine)))
        reader.start()
        reader.join(timeout=db.BUSY_MILLISECONDS / 1000 * 0.7)  # one that waits for the writer waits longer
        assert seen == [0]
    assert _count(engine) == 1


def test_a_busy_database_is_a_conflict(engine, monkeypatch, tmp_path):
    """A second writer waits, and is told to try again when its patience ends."""
    monkeypatch.setattr(db, "BUSY_MILLISECONDS", 50)  # patience of half a minute would make the test slow
    impatient = db.open_sqlite(tmp_path / "records.db")
    with db.write(engine) as conn:
        conn.execute(text("INSERT INTO thing VALUES ('a')"))
        with pytest.raises(Conflict, match="busy"), db.write(impatient):
            pass
    impatient.dispose()


def test_a_read_only_database_refuses_clearly(engine):
    """A write that cannot be made says so and records nothing."""
    with pytest.raises(Unsafe, match="nothing was recorded"), db.write(engine) as conn:
        conn.execute(text("PRAGMA query_only=ON"))
        conn.execute(text("INSERT INTO thing VALUES ('a')"))


@pytest.mark.parametrize("lang", i18n.LANGUAGES)
def test_dates_and_numbers_follow_the_language(lang):
    """1,234 and 3 May 2026 in English, 1 234 (narrow space) and 3 mai 2026 in French."""
    assert "True" not in i18n.text("cli", "compact.done", lang, gathered=1, written=1, unlinked=0, folded=True)
    assert i18n.number(1234, lang) == {"en": "1,234", "fr": "1\u202f234"}[lang]
    assert i18n.day(1_777_766_400_000_000, lang) == {"en": "3 May 2026", "fr": "3 mai 2026"}[lang]


def test_an_unknown_language_is_refused():
    """The message names the languages that are spoken."""
    with pytest.raises(BadInput, match="en, fr"):
        i18n.check_language("de")


def _count(engine):
    with db.read(engine) as conn:
        return conn.execute(text("SELECT count(*) FROM thing")).scalar()
