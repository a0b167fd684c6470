"""The record database: one SQLAlchemy Core engine, one `MetaData`, transactions that say what they are.

SQLite runs in WAL mode with `synchronous=FULL`: what was acknowledged survives a power cut. `secure_delete` overwrites
deleted bytes. Rooms define their own tables on `metadata`; nobody else's code names them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, MetaData, create_engine, event, text
from sqlalchemy.exc import OperationalError

from pacte.kernel.errors import Conflict, Unsafe

metadata = MetaData()
"""Every table of the record database, whichever room it belongs to."""

BUSY_MILLISECONDS = 30_000
CUT_ATTEMPTS = 12
"""How often the log is tried to be cut while others fold it; about six seconds, beside what SQLite itself waits."""


def open_sqlite(path: Path) -> Engine:
    """Open (or create, mode 0600) a SQLite file with the durability that pacte promises."""
    if not path.exists():
        path.touch(mode=0o600)
    # `hide_parameters`: bound values are personal, and errors end in logs.
    engine = create_engine(
        f"sqlite+pysqlite:///{path}", connect_args={"check_same_thread": False}, hide_parameters=True
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


@contextmanager
def write(engine: Engine) -> Iterator[Connection]:
    """A write transaction that holds the write lock from its first statement; commits or leaves no trace."""
    with engine.connect().execution_options(pacte_write=True) as connection:
        try:
            with connection.begin():
                yield connection
        except OperationalError as error:
            raise _explain(error) from None


@contextmanager
def read(engine: Engine) -> Iterator[Connection]:
    """A read transaction: one consistent snapshot, never blocked by writers."""
    with engine.connect() as connection, connection.begin():
        yield connection


def truncate_wal(engine: Engine) -> None:
    """Fold the write-ahead log into the database and cut it, so that deleted bytes do not linger in it.

    Raises `Conflict` when a reader keeps it from being cut for as long as a writer would wait.
    """
    # While another process folds the log SQLite answers "busy" at once, without waiting: that takes no longer than a
    # moment, so it is asked again. Source: sqlite.org/pragma.html#pragma_wal_checkpoint.
    for attempt in range(CUT_ATTEMPTS):
        if _cut_wal(engine):
            return
        time.sleep(min(0.01 * 2**attempt, 1.0))
    raise Conflict("another reader still holds an older state of the records; what was deleted lingers until it ends")


def _cut_wal(engine: Engine) -> bool:
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT", pacte_bare=True) as connection:
            busy, *_ = connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)")).one()
    except OperationalError as error:
        raise _explain(error) from None
    return not busy


def _prepare(raw: object, _record: object) -> None:
    # The driver must not open transactions by itself: `_begin` does, so that writers lock first and readers never do.
    raw.isolation_level = None  # type: ignore[attr-defined] # the DB-API connection is untyped
    cursor = raw.cursor()  # type: ignore[attr-defined] # the DB-API connection is untyped
    for pragma in (
        f"busy_timeout={BUSY_MILLISECONDS}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "secure_delete=ON",
        "foreign_keys=ON",
        "temp_store=MEMORY",
        "cache_size=-65536",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get("pacte_bare"):
        return
    connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("pacte_write") else "BEGIN")


def _explain(error: OperationalError) -> Exception:
    # The driver's message is kept out: it may carry bound values.
    reason = str(error.orig).lower()
    if "locked" in reason or "busy" in reason:
        return Conflict("the record database is busy with another writer; try again in a moment")
    if "readonly" in reason or "full" in reason or "i/o" in reason:
        return Unsafe("the record database cannot be written (full disk, read-only, or damaged); nothing was recorded")
    return Unsafe("the record database refused a statement; nothing was recorded")
