"""Carry a house from SQLite and files to PostgreSQL, prove that nothing changed, and only then serve from there.

The old records are locked for the whole move: everybody may read, nobody may write. The rows are copied in one
transaction of the new database, read back from it, and compared, table by table, with what was read from the old; the
ledger's head, root and signed checkpoint are the same bytes. So go the rows of the lake, segment by segment, each read
back and compared with its file (unless the settings say `engine = "files"` of the lake). The last step is the name of
the database in `settings.toml`, put in place whole: before it the old house serves, after it the new one. Processes
that have the old records open look at that file in every transaction, and refuse.

Crash points: `move-before-commit` (nothing happened), `move-before-switch` (the new database is filled and not used;
moving again empties and fills it anew), `move-before-mark` (the new one serves; moving again puts the old file aside).
"""

from __future__ import annotations

import hashlib
import json
import os
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, MetaData, String, Table, inspect, text
from sqlalchemy.engine import make_url

from pacte.app import formats, server
from pacte.app import settings as configuration
from pacte.app.house import LAKE, MOVED, RECORDS, open_house, stands
from pacte.consent import snapshot
from pacte.kernel import crash, db
from pacte.kernel.canonical import Json
from pacte.kernel.errors import BadInput, Conflict, NotFound, Unsafe
from pacte.kernel.instant import Instant
from pacte.kernel.instant import now as system_clock
from pacte.lake import carry, segments, tables
from pacte.ledger import log

BATCH = 5_000
"""Rows between two looks at the progress."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Moved:
    """What was carried: rows per table with the SHA-256 over them, and the ledger's head, which is the same in both.

    `datasets` is the same of the lake's datasets where they were carried.
    """

    tables: dict[str, tuple[int, str]]
    size: int
    root: str
    checkpoint: str
    datasets: dict[str, tuple[int, str]]

    @property
    def rows(self) -> int:
        """All rows."""
        return sum(count for count, _ in self.tables.values())

    def to_json(self) -> dict[str, Json]:
        """The move for programs."""
        head: dict[str, Json] = {"size": self.size, "root": self.root, "checkpoint": self.checkpoint}
        return {**head, "tables": _told(self.tables), "datasets": _told(self.datasets)}


def _told(sums: Mapping[str, tuple[int, str]]) -> Json:
    return {name: {"rows": rows, "sha256": digest} for name, (rows, digest) in sums.items()}


def move(
    path: Path,
    to: str,
    *,
    clock: Callable[[], Instant] = system_clock,
    passphrase: str | None = None,
    progress: Progress | None = None,
) -> Moved | None:
    """Move the house in `path` to the database that `to` leads to (`env:NAME`, `file:PATH`, or without a password).

    Answers `None` when it was there already. Raises `BadInput` for a database that holds something else, or where the
    house is in another one, `Conflict` when somebody writes for too long, and `Unsafe` when what was read back is not
    what was written.
    """
    if not stands(path):
        raise NotFound("no house stands here; make one with `pacte init`")
    settings = configuration.load_settings(path)
    if settings.records.database:
        _refuse_another(configuration.record_address(settings), configuration.address_of(to))
        _serve(path, clock, passphrase)
        _finish(path)
        return None
    address = configuration.address_of(to)
    if not address:
        raise BadInput("say where the records go: `--to env:NAME`, `file:PATH` or `postgresql://name@host/database`")
    open_house(path, clock=clock, passphrase=passphrase).close()  # a house that cannot be trusted goes nowhere
    _settings(path, to)
    target = server.connect(address)
    source = db.open_sqlite(path / RECORDS)
    try:
        with db.write(source) as old:
            formats.refuse_other(old)
            with db.write(target) as new:
                moved = _carry(old, new, path, progress or (lambda _done, _all: None))
                crash.point("move-before-commit")
            crash.point("move-before-switch")
            _switch(path, to)
            crash.point("move-before-mark")
            _mark(old)
        _put_aside(path, source)
    finally:
        source.dispose()
        target.dispose()
    _serve(path, clock, passphrase)
    return moved


def _refuse_another(here: str, to: str) -> None:
    """Raise `BadInput` where the two addresses lead to two databases, whoever logs in and however."""
    if not to or _place(here) != _place(to):
        raise BadInput(
            "the records are in another database of PostgreSQL already; from one to the other they go with `pg_dump` "
            "and `pg_restore`"
        )


def _place(address: str) -> tuple[object, ...]:
    found = make_url(address)
    return (found.query.get("host", found.host), found.query.get("port", found.port), found.database)


def _carry(old: Connection, new: Connection, path: Path, progress: Progress) -> Moved:
    head = log.head(old)
    _empty(old, new, head)
    formats.upgrade(new)
    made = tables_of(new)
    total = 2 * sum(old.execute(text(f'SELECT count(*) FROM "{table.name}"')).scalar_one() for table in made)
    counter = _Counter(progress, total)
    copied = {table.name: _copy(old, new, table, counter) for table in made}
    advance(new, made)
    for table in made:
        if _digest(_read_postgres(new, table), counter) != copied[table.name]:
            raise Unsafe(f"`{table.name}` did not arrive as it was sent; the old records go on serving")
    if log.head(new) != head:
        raise Unsafe("the ledger's head did not arrive as it was sent; the old records go on serving")
    return Moved(copied, head.size, head.root.hex(), head.checkpoint, _carry_lake(new, path))


def _carry_lake(new: Connection, path: Path) -> dict[str, tuple[int, str]]:
    if configuration.load_settings(path).lake.engine == "files":
        return {}
    snapshot.drop(new)
    return carry.datasets(new, path / LAKE)


def _serve(path: Path, clock: Callable[[], Instant], passphrase: str | None) -> None:
    """Open the house as it is now, and unlink the files of the lake whose rows are in the database."""
    with open_house(path, clock=clock, passphrase=passphrase) as house, db.write(house.engine) as conn:
        segments.garbage(conn, house.lake)


def tables_of(new: Connection) -> list[Table]:
    """The tables that the steps have just made, as the database itself describes them."""
    found = MetaData()
    found.reflect(new)
    return [table for name, table in sorted(found.tables.items()) if name != formats.VERSION_TABLE]


def _empty(old: Connection, new: Connection, head: log.Head) -> None:
    """Clear away what an earlier move that was cut short left; anything else stops the move."""
    names = inspect(new).get_table_names()
    if not names and not tables.here(new):
        return
    if "ledger_head" not in names or formats.VERSION_TABLE not in names:
        raise BadInput("the database is not empty; give this house a database of its own (`createdb`)")
    there = log.head(new)
    if there.vkey != head.vkey:
        raise BadInput("the database holds another house; give this house a database of its own (`createdb`)")
    if there.size > head.size or log.root_at(old, there.size) != there.root:
        raise Unsafe("the database holds this house with entries that are not here: it is newer, and is not emptied")
    # It holds nothing that is not here as well: whoever serves from it has recorded nothing since.
    for name in names:
        db.run(new, f'DROP TABLE "{name}" CASCADE')
    tables.drop(new)


class _Counter:
    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def add(self, rows: int) -> None:
        self._done += rows
        self._progress(self._done, self._total)


def _copy(old: Connection, new: Connection, table: Table, counter: _Counter) -> tuple[int, str]:
    driver: Any = new.connection.driver_connection
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    try:
        with driver.cursor() as cursor, cursor.copy(f'COPY "{table.name}" ({columns}) FROM STDIN') as out:
            return _digest(_written(_read_sqlite(old, table), out.write_row), counter)
    except db.driver_errors():
        # The driver's message is kept out: it carries values.
        raise Unsafe(f"the database refused rows of `{table.name}`; the old records go on serving") from None


def _written(batches: Iterable[list[Any]], write: Callable[[Any], None]) -> Iterator[list[Any]]:
    for batch in batches:
        for row in batch:
            write(row)
        yield batch


def _read_sqlite(old: Connection, table: Table) -> Iterator[list[Any]]:
    driver: Any = old.connection.driver_connection
    columns, keys = _named(table)
    cursor = driver.execute(f'SELECT {", ".join(columns)} FROM "{table.name}" ORDER BY {", ".join(keys)}')
    while batch := cursor.fetchmany(BATCH):
        yield batch


def _read_postgres(new: Connection, table: Table) -> Iterator[list[Any]]:
    driver: Any = new.connection.driver_connection
    columns, keys = _named(table)
    texts = {column.name for column in table.primary_key.columns if isinstance(column.type, String)}
    # SQLite orders text by its bytes; so does the collation "C".
    order = [f'{key} COLLATE "C"' if key.strip('"') in texts else key for key in keys]
    with driver.cursor(name="pacte_move") as cursor:
        cursor.itersize = BATCH
        cursor.execute(f'SELECT {", ".join(columns)} FROM "{table.name}" ORDER BY {", ".join(order)}')
        while batch := cursor.fetchmany(BATCH):
            yield batch


def _named(table: Table) -> tuple[list[str], list[str]]:
    return [f'"{c.name}"' for c in table.columns], [f'"{c.name}"' for c in table.primary_key.columns]


def _digest(batches: Iterable[list[Any]], counter: _Counter) -> tuple[int, str]:
    """How many rows, and the SHA-256 over them in key order; each value says its kind and its length."""
    whole, count = hashlib.sha256(), 0
    for batch in batches:
        whole.update(b"".join(map(_encoded, batch)))
        count += len(batch)
        counter.add(len(batch))
    return count, whole.hexdigest()


def _encoded(row: Sequence[Any]) -> bytes:
    parts = []
    for value in row:
        if value is None:
            parts.append(b"n")
        elif isinstance(value, int):
            parts.append(b"i%d;" % value)
        elif isinstance(value, str):
            words = value.encode()
            parts.append(b"t%d:%b" % (len(words), words))
        else:
            parts.append(b"b%d:%b" % (len(value), bytes(value)))
    return b"".join(parts) + b"\n"


def advance(new: Connection, tables: Iterable[Table]) -> None:
    """Let numbers that the database itself hands out go on after the ones that were carried."""
    for table in tables:
        for column in table.primary_key.columns:
            drawn = db.fetch(new, "SELECT pg_get_serial_sequence(?, ?)", (f'"{table.name}"', column.name))[0][0]
            if drawn:
                last = f'(SELECT coalesce(max("{column.name}"), 0) + 1 FROM "{table.name}")'
                db.run(new, f"SELECT setval(?, {last}, false)", (drawn,))


def _settings(path: Path, to: str) -> str:
    """`settings.toml` with the new database; raises `BadInput` where it has such parts already, empty ones."""
    whole = (path / configuration.FILE).read_text(encoding="utf-8")
    whole += configuration.RECORDS_ELSEWHERE.format(database=json.dumps(to))
    if not configuration.load_settings(path).lake.engine:
        whole += configuration.LAKE_ELSEWHERE
    try:
        tomllib.loads(whole)
    except tomllib.TOMLDecodeError:
        raise BadInput(
            f"`{configuration.FILE}` has a part `[records]` or `[lake]` already that says nothing; remove it"
        ) from None
    return whole


def _switch(path: Path, to: str) -> None:
    """Name the new database in `settings.toml`: the old file or the new one stands there, never half of one."""
    target = path / configuration.FILE
    part = target.with_suffix(".toml.new")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, target.stat().st_mode & 0o777)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write(_settings(path, to))
        out.flush()
        os.fsync(out.fileno())
    part.replace(target)
    _sync(path)


def _mark(old: Connection) -> None:
    """Whoever opens these records as a house again, or still holds them open, finds no head and writes nothing."""
    # pacte: allow guarded-table because these records are to be no house's any more, and no room can say that
    db.run(old, f"ALTER TABLE ledger_head RENAME TO {formats.MOVED_TABLE}")


def _put_aside(path: Path, source: Engine) -> None:
    try:
        db.truncate_wal(source)
    except (
        Conflict
    ):  # somebody still reads the old state; `doctor` says that the file is there, and moving again ends it
        return
    source.dispose()
    (path / RECORDS).rename(path / MOVED)
    for rest in ("-wal", "-shm"):  # empty, and there only while another process has the old records open
        (path / f"{RECORDS}{rest}").unlink(missing_ok=True)
    _sync(path)


def _finish(path: Path) -> None:
    """Put the old file aside after a move that was cut short once the new database served."""
    if not (path / RECORDS).exists():
        return
    source = db.open_sqlite(path / RECORDS)
    try:
        with db.write(source) as old:
            if inspect(old).has_table("ledger_head"):
                _mark(old)
        _put_aside(path, source)
    finally:
        source.dispose()


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
