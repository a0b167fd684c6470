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
import sqlite3
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast
from weakref import WeakKeyDictionary, WeakSet

from sqlalchemy import (
    BigInteger,
    Connection,
    CursorResult,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    String,
    create_engine,
    event,
    text,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as NoneFree
from sqlalchemy.pool import NullPool

from pacte.kernel import crash, quiet
from pacte.kernel.errors import BadInput, Conflict, Uncertain, Unsafe

Parameters: TypeAlias = "Sequence[Any] | Mapping[str, Any]"
Row: TypeAlias = "tuple[Any, ...]"

metadata = MetaData()
"""Every table of the record database, whichever room it belongs to."""

Int64 = BigInteger().with_variant(Integer, "sqlite")
"""The type of instants, ledger indices and internal numbers: 64 bits (in SQLite only `INTEGER` is a row number)."""

RECORDS = "the record database"
"""What the record database is called in errors, wherever it is."""
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


def open_sqlite(path: Path, called: str = RECORDS) -> Engine:
    """Open (or create, mode 0600) a SQLite file with the durability that pacte promises.

    `called` is what errors call it. Where neither the file nor its folder can be written, it can be read all the same.
    """
    if not path.exists():
        path.touch(mode=0o600)
    readable = _readable_only(path)
    arguments: dict[str, Any] = {"check_same_thread": False}
    if readable:
        arguments = {"creator": partial(sqlite3.connect, readable, uri=True, **arguments)}
    else:
        arguments = {"connect_args": arguments}
    # `hide_parameters`: bound values are personal, and errors end in logs.
    engine = create_engine(f"sqlite+pysqlite:///{path}", hide_parameters=True, **arguments)
    engine.update_execution_options(pacte_called=called, pacte_file=path.name)
    event.listen(engine, "connect", _prepare_reader if readable else _prepare)
    event.listen(engine, "begin", _begin_sqlite)
    _opened.add(engine)
    return engine


def _readable_only(path: Path) -> str:
    """The address under which SQLite reads a file that cannot be written, such as one on a read-only disk; else `""`.

    A log beside it that is not empty is read, too. Without one nobody else has the file open, and no lock is needed.
    """
    if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
        return ""
    log = path.with_name(f"{path.name}-wal")
    logged = log.exists() and log.stat().st_size > 0
    return f"{path.absolute().as_uri()}?mode=ro{'' if logged else '&immutable=1'}"


def open_postgres(address: str) -> Engine:
    """Open a PostgreSQL database with the durability that pacte promises; the address is never shown in an error."""
    url = _parsed(address)
    try:
        engine = create_engine(url, hide_parameters=True, pool_pre_ping=True, pool_size=10, connect_args=_said_to())
    except (ArgumentError, ValueError):
        raise BadInput(_NO_ADDRESS) from None
    except ImportError:
        raise BadInput(
            "a house on PostgreSQL needs `pip install 'pacte[postgres]'` (in a clone `pip install '.[postgres]'`)"
        ) from None
    event.listen(engine, "begin", _begin_postgres)
    _opened.add(engine)
    return engine


def holds_password(address: str) -> bool:
    """Whether an address of PostgreSQL holds a password, before the host or in its query (`?sslpassword=`).

    Raises `BadInput` for what is no address.
    """
    if not address:
        return False
    url = _parsed(address)
    return bool(url.password) or any("password" in name.lower() for name in url.query)


_NO_ADDRESS = (
    "the address of the database is not of the form `postgresql://name@host/database`; in a password, write `/`, `:`, "
    "`@` and `%` as `%2F`, `%3A`, `%40` and `%25`"
)


def _parsed(address: str) -> URL:
    # What is wrong with it is not said: it may be a part of the password.
    try:
        address.encode()
        return make_url(address).set(drivername="postgresql+psycopg")
    except (ArgumentError, ValueError):
        raise BadInput(_NO_ADDRESS) from None


def is_postgres(there: Connection | Engine) -> bool:
    """Whether this is PostgreSQL; otherwise it is SQLite."""
    return there.dialect.name == "postgresql"


def address_without_password(engine: Engine) -> str:
    """Where the database is, as a message may say it."""
    url: URL = engine.url
    return url.set(password=None, drivername=url.drivername.partition("+")[0]).render_as_string()


@contextmanager
def write(engine: Engine, *, short: bool = False) -> Iterator[Connection]:
    """A write transaction that holds the write lock from its first statement; commits or leaves no trace.

    One that is `short` asks about few people, the same things each time: PostgreSQL then plans its statements once,
    which takes longer than answering them.
    Raises `Conflict` when another writer holds the lock too long, `Unsafe` when nothing could be recorded, and
    `Uncertain` when the connection was lost while committing: then nobody knows before looking.
    """
    committing = False
    options: dict[str, Any] = {"pacte_write": True, "pacte_short": short}
    options |= {"isolation_level": "READ COMMITTED"} if is_postgres(engine) else {}
    thread = quiet.enter()
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
        raise _explain(error, engine) from None
    except NoneFree:
        raise Conflict(NONE_FREE) from None
    finally:
        quiet.leave(thread)


@contextmanager
def read(engine: Engine) -> Iterator[Connection]:
    """A read transaction: one consistent snapshot, never blocked by writers.

    Raises `Damaged` where it cannot be read, and `Conflict` where nobody answers.
    """
    options: dict[str, Any] = (
        {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True} if is_postgres(engine) else {}
    )
    thread = quiet.enter()
    try:
        with engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection
    except DBAPIError as error:
        raise _explain(error, engine) from None
    except NoneFree:
        raise Conflict(NONE_FREE) from None
    finally:
        quiet.leave(thread)


class _cursor:  # noqa: N801 # used as a function; a generator would cost as much as the statement
    """A cursor of the driver's own, closed afterwards; its errors come as SQLAlchemy's would."""

    __slots__ = ("_conn", "_cursor")

    def __init__(self, conn: Connection) -> None:
        self._conn = conn

    def __enter__(self) -> Any:
        self._cursor: Any = self._conn.connection.cursor()
        return self._cursor

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self._cursor.close()
        if isinstance(error, self._conn.dialect.loaded_dbapi.Error):
            raise _wrapped(error, self._conn) from None


@contextmanager
def beside(conn: Connection) -> Iterator[Connection]:
    """A connection of its own that sees what the read transaction `conn` sees, and may make temporary tables.

    PostgreSQL only. Whatever is done there is gone afterwards. A write transaction serves itself: nobody else sees what
    it sees.
    """
    if conn.get_execution_options().get("pacte_write"):
        with conn.begin_nested() as point:
            yield conn
            point.rollback()
        return
    ((snapshot,),) = fetch(conn, "SELECT pg_export_snapshot()")
    # Not from the pool: whoever holds one of its connections and waits for another may wait for ever.
    engine = create_engine(
        conn.engine.url,
        hide_parameters=True,
        poolclass=NullPool,
        isolation_level="REPEATABLE READ",
        connect_args=_said_to(),
    )
    with engine.connect() as other, other.begin() as transaction:
        other.exec_driver_sql(f"SET TRANSACTION SNAPSHOT '{snapshot}'")
        yield other
        transaction.rollback()


@contextmanager
def aside(engine: Engine) -> Iterator[Connection]:
    """A connection that is none of the engine's own, for what is held while others, who need those, are waited for.

    PostgreSQL only. It begins nothing by itself. Raises `Conflict` where none is free for long.
    """
    with _making:
        other = _asides.get(engine)
        if other is None:
            other = create_engine(
                engine.url, hide_parameters=True, pool_pre_ping=True, max_overflow=40, connect_args=_said_to()
            )
            _asides[engine] = other
            _opened.add(other)
    try:
        conn = other.connect()
    except NoneFree:
        raise Conflict(NONE_FREE) from None
    except DBAPIError as error:
        raise _explain(error, engine) from None
    with conn:
        yield conn


def dispose(engine: Engine) -> None:
    """Let go of an engine's connections, and of those aside."""
    engine.dispose()
    with _making:
        other = _asides.pop(engine, None)
    if other is not None:
        other.dispose()


def run(conn: Connection, sql: str, parameters: Parameters = ()) -> CursorResult[Any]:
    """Run one statement, written with `?` (values in order) or `:name` (values by name)."""
    return conn.exec_driver_sql(translated(sql) if is_postgres(conn) else sql, _bound(parameters))


def change(conn: Connection, sql: str, parameters: Parameters = ()) -> int:
    """`run` for a statement that answers no rows, asked of the driver itself as `fetch` does: how many it changed."""
    if not conn.in_transaction():
        return run(conn, sql, parameters).rowcount
    with _cursor(conn) as cursor:
        cursor.execute(translated(sql) if is_postgres(conn) else sql, _bound(parameters))
        return int(cursor.rowcount)


def run_many(conn: Connection, sql: str, rows: Sequence[Parameters]) -> int:
    """Run one statement once for each of `rows` (none: nothing happens); answers how many rows it changed in all."""
    if not rows:
        return 0
    bound: Any = rows if isinstance(rows, list) and isinstance(rows[0], (tuple, dict)) else [_bound(r) for r in rows]
    if not conn.in_transaction():
        return conn.exec_driver_sql(translated(sql) if is_postgres(conn) else sql, bound).rowcount
    with _cursor(conn) as cursor:
        cursor.executemany(translated(sql) if is_postgres(conn) else sql, bound)
        return int(cursor.rowcount)


def fetch(conn: Connection, sql: str, parameters: Parameters = ()) -> list[Row]:
    """All rows as the driver's own tuples, asked of the driver itself.

    People come by the hundred thousand, and wrapping each row costs as much again; of one person a decision asks five
    things, and preparing a result for each costs ten times what SQLite takes to find it.
    """
    if not conn.in_transaction():  # SQLAlchemy begins one with its own statements only
        return [tuple(row) for row in run(conn, sql, parameters)]
    with _cursor(conn) as cursor:
        cursor.execute(translated(sql) if is_postgres(conn) else sql, _bound(parameters))
        # In a pipeline nobody knows yet what will be answered.
        unknown = is_postgres(conn) and cursor.connection.pgconn.pipeline_status
        rows: list[Row] = cursor.fetchall() if unknown or cursor.description is not None else []
        return rows


def insert(conn: Connection, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Add many rows, each with all `columns` in their order; on PostgreSQL by `COPY`."""
    if not rows:
        return
    listed = ", ".join(columns)
    driver: Any = conn.connection.driver_connection if is_postgres(conn) else None
    if driver is not None and driver.pgconn.pipeline_status:  # `COPY` is not for pipelines
        tell(conn, _unnested(table, tuple(columns)), [_array(column) for column in zip(*rows, strict=True)])
        return
    if driver is not None and len(rows) > FEW:
        try:
            with driver.cursor() as cursor, cursor.copy(f"COPY {table} ({listed}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        except driver_errors() as error:
            raise _wrapped(error, conn) from None
        return
    marks = ", ".join("?" * len(columns))
    run_many(conn, f"INSERT INTO {table} ({listed}) VALUES ({marks})", rows)


def tell(conn: Connection, sql: str, parameters: Parameters = ()) -> None:
    """`change` without an answer: inside `together` nothing is waited for."""
    with _cursor(conn) as cursor:
        cursor.execute(translated(sql) if is_postgres(conn) else sql, _bound(parameters))


@contextmanager
def together(conn: Connection) -> Iterator[None]:
    """On PostgreSQL what is told and inserted here goes out at once and is answered together, at the end or by `fetch`.

    Each statement would be a round trip otherwise. What the database refuses is raised where an answer is waited for,
    at the end at the latest. For `tell`, `change`, `insert` and `fetch` alone: SQLAlchemy does not know of it.
    """
    if not is_postgres(conn):
        yield
        return
    driver: Any = conn.connection.driver_connection
    try:
        with driver.pipeline():
            yield
    except driver_errors() as error:
        raise _wrapped(error, conn) from None


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
    found = list(values)
    if not is_postgres(conn):
        return json.dumps(found)
    return _array(found) if set(map(type, found)) in ({int}, {str}) else found


@lru_cache(maxsize=256)
def _unnested(table: str, columns: tuple[str, ...]) -> str:
    """The statement that inserts rows which come as one array for each column."""
    types = [metadata.tables[table].c[column].type for column in columns]
    # Never shorter than the column: a cast cuts what is too long, and says nothing.
    kinds = ["bytea" if isinstance(t, LargeBinary) else "text" if isinstance(t, String) else "bigint" for t in types]
    arrays = ", ".join(f"?::{kind}[]" for kind in kinds)
    return f"INSERT INTO {table} ({', '.join(columns)}) SELECT * FROM unnest({arrays})"


def _array(values: Sequence[Any]) -> str:
    """One column as PostgreSQL writes an array; the driver's own way of writing it takes several times as long."""
    first = values[0]
    if values.count(first) == len(values):
        return "{" + ",".join([_element(first)] * len(values)) + "}"
    return "{" + ",".join(map(_element, values)) + "}"


def _element(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f'"\\\\x{memoryview(value).hex()}"'


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
        try:
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT", pacte_bare=True) as connection:
                connection.execute(text("VACUUM"))
        except DBAPIError as error:
            raise _explain(error, engine) from None
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
    except DBAPIError as error:
        raise _explain(error, engine) from None
    return not busy


def _bound(parameters: Parameters) -> Any:
    return dict(parameters) if isinstance(parameters, Mapping) else tuple(parameters)


def _prepare_reader(raw: object, _record: object) -> None:
    raw.isolation_level = None  # type: ignore[attr-defined] # the DB-API connection is untyped
    cursor = raw.cursor()  # type: ignore[attr-defined] # the DB-API connection is untyped
    for pragma in (f"busy_timeout={BUSY_MILLISECONDS}", "synchronous=FULL", "temp_store=MEMORY", "cache_size=-65536"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


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


def _said_to() -> dict[str, str]:
    """What every connection to PostgreSQL is told, whatever the server, the database or the environment say.

    Durability, and how values are written: texts are sent and read in UTF-8 and dates as ISO 8601, also by `COPY`.
    """
    settings = {
        "synchronous_commit": "on",
        "lock_timeout": BUSY_MILLISECONDS,
        "timezone": "UTC",
        "datestyle": "ISO",
        "standard_conforming_strings": "on",
    }
    return {"options": " ".join(f"-c {name}={value}" for name, value in settings.items()), "client_encoding": "utf8"}


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get("pacte_bare"):
        return
    raw: Any = connection.connection.driver_connection  # asked by itself: there are as many as there are questions
    try:
        if options.get("pacte_write"):
            _begin_writing(raw)
        else:
            raw.execute("BEGIN")
    except sqlite3.Error as error:
        raise _wrapped(error, connection) from None


FIRST_LOOK, LAST_LOOK = 0.0003, 0.002
"""Seconds between two looks whether another writer is done, doubled each time."""


def _begin_writing(raw: Any) -> None:
    """Take the write lock, soon after whoever has it is done; raises what SQLite says where that is too long.

    SQLite's own waiting sleeps up to a tenth of a second between two looks, and who sleeps while others write waits
    the longer: under load those few would wait that long whose answer a person waits for.
    """
    until, pause = time.monotonic() + BUSY_MILLISECONDS / 1e3, FIRST_LOOK
    raw.execute("PRAGMA busy_timeout = 0")
    try:
        while True:
            try:
                raw.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if _BY_SQLITE.get(error.sqlite_errorcode & 0xFF) != _BUSY or time.monotonic() > until:
                    raise
                time.sleep(pause)
                pause = min(2 * pause, LAST_LOOK)
            else:
                return
    finally:
        raw.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")


def _begin_postgres(connection: Connection) -> None:
    # The lock comes before the first statement that reads: at READ COMMITTED each statement then sees all that the
    # writers before have committed.
    options = connection.get_execution_options()
    if options.get("pacte_write"):
        with together(connection):  # with the `BEGIN` that the driver sends before
            tell(connection, f"SELECT pg_advisory_xact_lock({WRITER})")
            if options.get("pacte_short"):
                tell(connection, "SET LOCAL plan_cache_mode = force_generic_plan")


def _wrapped(error: Exception, conn: Connection) -> DBAPIError:
    lost = bool(getattr(conn.connection.driver_connection, "broken", False))
    if lost:
        conn.invalidate()
    kind = conn.dialect.loaded_dbapi.Error
    wrapped = DBAPIError.instance("", {}, error, kind, True, lost, conn.dialect)
    return cast("DBAPIError", wrapped)


class Damaged(Unsafe):
    """The database cannot be read as it must be: what lies there was changed, cut or lost."""


AWAY = (
    "the record database cannot be reached: it is not running, refuses the connection, or lost it; nothing was "
    "recorded; try again when it is there"
)
"""What is said of a database that does not answer, wherever that is noticed."""
NONE_FREE = "the record database is asked by too many at once; nothing was recorded; try again in a moment"
"""What is said where no connection was free for long."""

_BUSY, _FULL, _READ_ONLY, _FAILING, _SHUT, _DAMAGED, _LACKING, _AWAY = range(8)
_BY_SQLITE = {5: _BUSY, 6: _BUSY, 13: _FULL, 8: _READ_ONLY, 10: _FAILING, 14: _SHUT, 11: _DAMAGED, 26: _DAMAGED}
"""By primary result code. Source: sqlite.org/rescode.html."""
_BY_STATE = {
    **dict.fromkeys(("55P03", "40001", "40P01"), _BUSY),
    **dict.fromkeys(("53100",), _FULL),
    **dict.fromkeys(("25006",), _READ_ONLY),
    **dict.fromkeys(("53200", "58030"), _FAILING),
    **dict.fromkeys(("XX001", "XX002"), _DAMAGED),
    **dict.fromkeys(("42P01", "42703", "3F000"), _LACKING),
    **dict.fromkeys(("57P01", "57P02", "57P03", "53300"), _AWAY),
}
"""By SQLSTATE. Source: postgresql.org/docs/current/errcodes-appendix.html."""


def _explain(error: DBAPIError, engine: Engine) -> Exception:
    # The driver's message is kept out: it may carry bound values.
    options = engine.get_execution_options()
    it, file = options.get("pacte_called", RECORDS), options.get("pacte_file")
    where = f"`{file}`" if file else it
    kind = _kind(error)
    if kind == _FAILING and file and _is_full(Path(str(engine.url.database)).parent):
        kind = _FULL  # where SQLite could not even make room for its index of the log
    if kind == _BUSY:
        return Conflict(f"{it} is busy with another writer; try again in a moment")
    if kind == _FULL:
        return Unsafe(f"{it} cannot be written: the disk is full; make room, then ask again; nothing was recorded")
    if kind == _READ_ONLY:
        return Unsafe(f"{it} cannot be written: its disk, or the file, is read-only here; nothing was recorded")
    if kind == _FAILING:
        return Unsafe(f"{it} cannot be written or read: a quota is used up, or the disk fails; nothing was recorded")
    if kind == _SHUT:
        return Unsafe(
            f"{where} cannot be opened: it may not be read or its folder not written, or too many files are open"
        )
    if kind == _DAMAGED:
        return Damaged(f"{where} is damaged or is not a house's; put back your newest copy of it")
    if kind == _LACKING:
        return Damaged(
            f"{where} lacks a table or a column that every house has: it is damaged; put back your newest copy"
        )
    if kind == _AWAY:
        return Conflict(AWAY)
    return Unsafe(f"{it} refused a statement; nothing was recorded")


ROOM = 1 << 20
"""Bytes below which a disk counts as full once something on it failed."""


def _is_full(folder: Path) -> bool:
    try:
        found = os.statvfs(folder)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize < ROOM


def _kind(error: DBAPIError) -> int | None:
    """What went wrong, `None` for what should not happen."""
    cause = error.orig
    state, code = getattr(cause, "sqlstate", None), getattr(cause, "sqlite_errorcode", None)
    if code is not None:
        lacking = code == 1 and str(cause).startswith(("no such table", "no such column"))
        return _LACKING if lacking else _BY_SQLITE.get(code & 0xFF)
    if state is not None and (kind := _BY_STATE.get(state)) is not None:
        return kind
    # Without a state it was not the server that spoke.
    lost = error.connection_invalidated or (state is None and type(cause).__module__.startswith("psycopg"))
    return _AWAY if lost else None


_opened: WeakSet[Engine] = WeakSet()
_asides: WeakKeyDictionary[Engine, Engine] = WeakKeyDictionary()
_making = quiet.free_in_copies(threading.Lock())
_inherited: list[object] = []
"""Connections that a parent process opened: never used here, and never closed, which would disturb the parent."""


def _after_fork() -> None:
    for engine in list(_opened):
        _inherited.append(engine.pool)
        engine.dispose(close=False)


os.register_at_fork(after_in_child=_after_fork)
