"""The record database: one SQLAlchemy Core engine, one `MetaData`, transactions that say what they are.

SQLite runs in WAL mode with `synchronous=FULL`: what was acknowledged survives a power cut. `secure_delete` overwrites
deleted bytes. PostgreSQL (the extra `pacte[postgres]`) runs with `synchronous_commit=on`; a house has a database of its
own there. Rooms define their own tables on `metadata`; nobody else's code names them.

Statements are written once, with `?` or `:name` for values and `among` for lists of values, and run on both.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast
from weakref import WeakSet

from sqlalchemy import BigInteger, Connection, CursorResult, Engine, Integer, MetaData, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError

from pacte.kernel import crash
from pacte.kernel.errors import BadInput, Conflict, Uncertain, Unsafe

Parameters: TypeAlias = "Sequence[Any] | Mapping[str, Any]"
Row: TypeAlias = "tuple[Any, ...]"

metadata = MetaData()
"""Every table of the record database, whichever room it belongs to."""

Int64 = BigInteger().with_variant(Integer, "sqlite")
"""The type of instants, ledger indices and internal numbers: 64 bits (in SQLite only `INTEGER` is a row number)."""

BUSY_MILLISECONDS = 30_000
CUT_ATTEMPTS = 12
"""How often the log is tried to be cut while others fold it; about six seconds, beside what SQLite itself waits."""
FEW = 8
"""Rows that PostgreSQL takes as quickly one by one (in one round trip) as by `COPY`."""
WRITER = 0x7061637465
"""The advisory lock of PostgreSQL that the one writer of a house's database holds until it commits."""

_VALUE = re.compile(r"\?|(?<!:):([a-z_][a-z0-9_]*)")


def open_database(where: str | Path) -> Engine:
    """Open the database at a path (SQLite) or a `postgresql://` address."""
    found = str(where)
    return open_postgres(found) if found.startswith(("postgresql:", "postgres:")) else open_sqlite(Path(found))


def open_sqlite(path: Path) -> Engine:
    """Open (or create, mode 0600) a SQLite file with the durability that pacte promises."""
    if not path.exists():
        path.touch(mode=0o600)
    # `hide_parameters`: bound values are personal, and errors end in logs.
    engine = create_engine(
        f"sqlite+pysqlite:///{path}", connect_args={"check_same_thread": False}, hide_parameters=True
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin_sqlite)
    _opened.add(engine)
    return engine


def open_postgres(address: str) -> Engine:
    """Open a PostgreSQL database with the durability that pacte promises; the address is never shown in an error."""
    try:
        url = make_url(address).set(drivername="postgresql+psycopg")
    except ArgumentError:
        raise BadInput("the address of the database is not of the form `postgresql://name@host/database`") from None
    settings = f"-c synchronous_commit=on -c lock_timeout={BUSY_MILLISECONDS} -c timezone=UTC"
    try:
        engine = create_engine(
            url, hide_parameters=True, pool_pre_ping=True, pool_size=10, connect_args={"options": settings}
        )
    except ImportError:
        raise BadInput("a house on PostgreSQL needs `pip install 'pacte[postgres]'`") from None
    event.listen(engine, "begin", _begin_postgres)
    _opened.add(engine)
    return engine


def is_postgres(there: Connection | Engine) -> bool:
    """Whether this is PostgreSQL; otherwise it is SQLite."""
    return there.dialect.name == "postgresql"


def address_without_password(engine: Engine) -> str:
    """Where the database is, as a message may say it."""
    url: URL = engine.url
    return url.set(password=None, drivername=url.drivername.partition("+")[0]).render_as_string()


@contextmanager
def write(engine: Engine) -> Iterator[Connection]:
    """A write transaction that holds the write lock from its first statement; commits or leaves no trace.

    Raises `Conflict` when another writer holds the lock too long, `Unsafe` when nothing could be recorded, and
    `Uncertain` when the connection was lost while committing: then nobody knows before looking.
    """
    committing = False
    options = {"pacte_write": True} | ({"isolation_level": "READ COMMITTED"} if is_postgres(engine) else {})
    try:
        with engine.connect().execution_options(**options) as connection, connection.begin() as transaction:
            yield connection
            # Crash point `before-commit`: everything is written, nothing is recorded; nothing of it remains.
            crash.point("before-commit")
            committing = True
            transaction.commit()
            # Crash point `after-commit`: everything is recorded, nobody has been told.
            crash.point("after-commit")
    except DBAPIError as error:
        if committing and error.connection_invalidated:
            raise Uncertain(
                "the connection to the record database was lost while it committed; look whether it was recorded"
            ) from None
        raise _explain(error) from None


@contextmanager
def read(engine: Engine) -> Iterator[Connection]:
    """A read transaction: one consistent snapshot, never blocked by writers."""
    options: dict[str, Any] = (
        {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True} if is_postgres(engine) else {}
    )
    try:
        with engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection
    except DBAPIError as error:
        if is_postgres(engine):  # its messages carry values; SQLite's carry none, and callers tell damage from lack
            raise _explain(error) from None
        raise


def run(conn: Connection, sql: str, parameters: Parameters = ()) -> CursorResult[Any]:
    """Run one statement, written with `?` (values in order) or `:name` (values by name)."""
    return conn.exec_driver_sql(translated(sql) if is_postgres(conn) else sql, _bound(parameters))


def run_many(conn: Connection, sql: str, rows: Sequence[Parameters]) -> int:
    """Run one statement once for each of `rows` (none: nothing happens); answers how many rows it changed in all."""
    if not rows:
        return 0
    bound: Any = rows if isinstance(rows, list) and isinstance(rows[0], (tuple, dict)) else [_bound(r) for r in rows]
    return conn.exec_driver_sql(translated(sql) if is_postgres(conn) else sql, bound).rowcount


def fetch(conn: Connection, sql: str, parameters: Parameters = ()) -> list[Row]:
    """All rows as the driver's own tuples, asked of the driver itself.

    People come by the hundred thousand, and wrapping each row costs as much again; of one person a decision asks five
    things, and preparing a result for each costs ten times what SQLite takes to find it.
    """
    if not conn.in_transaction():  # SQLAlchemy begins one with its own statements only
        return [tuple(row) for row in run(conn, sql, parameters)]
    cursor = conn.connection.cursor()
    try:
        cursor.execute(translated(sql) if is_postgres(conn) else sql, _bound(parameters))
        return cursor.fetchall() if cursor.description is not None else []  # type: ignore[return-value] # tuples in lists
    except conn.dialect.loaded_dbapi.Error as error:
        raise _wrapped(error, conn) from None
    finally:
        cursor.close()


def insert(conn: Connection, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Add many rows, each with all `columns` in their order; on PostgreSQL by `COPY`."""
    if not rows:
        return
    listed = ", ".join(columns)
    if is_postgres(conn) and len(rows) > FEW:
        driver: Any = conn.connection.driver_connection
        try:
            with driver.cursor() as cursor, cursor.copy(f"COPY {table} ({listed}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        except driver_errors() as error:
            raise _wrapped(error, conn) from None
        return
    marks = ", ".join("?" * len(columns))
    run_many(conn, f"INSERT INTO {table} ({listed}) VALUES ({marks})", rows)


def among(conn: Connection, kind: Literal["integer", "text"]) -> str:
    """SQL of a relation with one column, `value`, that holds the values bound by `listed` to its one `?`.

    `f"SELECT … FROM {among(conn, 'integer')} AS asked CROSS JOIN t ON t.no = asked.value"`: any number of values, one
    parameter.
    """
    if is_postgres(conn):
        return f"(SELECT unnest(?::{'bigint' if kind == 'integer' else 'text'}[]) AS value)"
    return "(SELECT value FROM json_each(?))"


def listed(conn: Connection, values: Collection[Any]) -> Any:
    """The values as the one parameter that `among` takes."""
    return list(values) if is_postgres(conn) else json.dumps(list(values))


@lru_cache(maxsize=1024)
def translated(sql: str) -> str:
    """A statement with `?` or `:name` in the form that PostgreSQL's driver reads. No literal may hold either."""
    return _VALUE.sub(lambda found: f"%({found[1]})s" if found[1] else "%s", sql.replace("%", "%%"))


def truncate_wal(engine: Engine) -> None:
    """Fold the write-ahead log into the database and cut it, so that deleted bytes do not linger in it.

    Raises `Conflict` when a reader keeps it from being cut for as long as a writer would wait. On PostgreSQL the
    tables are vacuumed; its log goes when the server recycles it.
    """
    if is_postgres(engine):
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT", pacte_bare=True) as connection:
            connection.execute(text("VACUUM"))
        return
    # While another process folds the log SQLite answers "busy" at once, without waiting: that takes no longer than a
    # moment, so it is asked again. Source: sqlite.org/pragma.html#pragma_wal_checkpoint.
    for attempt in range(CUT_ATTEMPTS):
        if _cut_wal(engine):
            return
        time.sleep(min(0.01 * 2**attempt, 1.0))
    raise Conflict("another reader still holds an older state of the records; what was deleted lingers until it ends")


def driver_errors() -> tuple[type[Exception], ...]:
    """The driver's own errors, for what does not pass through SQLAlchemy."""
    from psycopg import Error

    return (Error,)


def _cut_wal(engine: Engine) -> bool:
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT", pacte_bare=True) as connection:
            busy, *_ = connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)")).one()
    except OperationalError as error:
        raise _explain(error) from None
    return not busy


def _bound(parameters: Parameters) -> Any:
    return dict(parameters) if isinstance(parameters, Mapping) else tuple(parameters)


def _prepare(raw: object, _record: object) -> None:
    # The driver must not open transactions by itself: `_begin_sqlite` does, so that writers lock first and readers
    # never do.
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


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get("pacte_bare"):
        return
    connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("pacte_write") else "BEGIN")


def _begin_postgres(connection: Connection) -> None:
    # The lock comes before the first statement that reads: at READ COMMITTED each statement then sees all that the
    # writers before have committed.
    if connection.get_execution_options().get("pacte_write"):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITER})")


def _wrapped(error: Exception, conn: Connection) -> DBAPIError:
    lost = bool(getattr(conn.connection.driver_connection, "broken", False))
    if lost:
        conn.invalidate()
    kind = conn.dialect.loaded_dbapi.Error
    wrapped = DBAPIError.instance("", {}, error, kind, True, lost, conn.dialect)
    return cast("DBAPIError", wrapped)


_BUSY = ("55P03", "40001", "40P01")
_CANNOT_WRITE = ("53100", "25006", "53200", "58030")


def _explain(error: DBAPIError) -> Exception:
    # The driver's message is kept out: it may carry bound values.
    state = getattr(error.orig, "sqlstate", None)
    reason = str(error.orig).lower() if state is None else ""
    if state in _BUSY or "locked" in reason or "busy" in reason:
        return Conflict("the record database is busy with another writer; try again in a moment")
    if state in _CANNOT_WRITE or "readonly" in reason or "full" in reason or "i/o" in reason:
        return Unsafe("the record database cannot be written (full disk, read-only, or damaged); nothing was recorded")
    if error.connection_invalidated:
        return Unsafe("the connection to the record database was lost; nothing was recorded")
    if type(error.orig).__module__.startswith("psycopg") and state is None:
        return Unsafe(
            "the record database cannot be reached (not running, or it refused the login); nothing was recorded"
        )
    return Unsafe("the record database refused a statement; nothing was recorded")


_opened: WeakSet[Engine] = WeakSet()
_inherited: list[object] = []
"""Connections that a parent process opened: never used here, and never closed, which would disturb the parent."""


def _after_fork() -> None:
    for engine in list(_opened):
        _inherited.append(engine.pool)
        engine.dispose(close=False)


os.register_at_fork(after_in_child=_after_fork)
