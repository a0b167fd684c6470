"""SQL for analysts: one query on a private copy of what a use permits, and on nothing else.

The rows that the gate released go through a pipe to a process of their own. It puts them into a DuckDB in memory, locks
that DuckDB, gives up the right to open any file or socket, answers one `SELECT`, and ends. A view would be no boundary
(what lies under it stays readable), and in our own process neither would be DuckDB's limits: some functions heed no
interrupt and allocate past its memory limit. Here nothing of the house, of its keys or of its environment is in reach,
and a query that takes too long or too much is ended from outside.

INVARIANT: the copy holds rows of a `PermitSet` only, as `gate.release` gave them. This module opens no records.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import duckdb
import pyarrow as pa

from pacte.kernel.errors import BadInput, Denied, Unsafe, named

PSEUDONYM = "pseudonym"
PEOPLE = "people"
"""The table that is always there: one row per permitted person, the pseudonym alone."""

LONGEST = 100_000
"""Characters of a query."""

MOST_BYTES = 256 << 20
"""Bytes of an answer, as Arrow holds it."""

_SLACK = 1 << 30
_THREADS = 4
_GRACE = 2.0
_COPIED = 50e6
"""Bytes per second at which a copy is made at the least; its making is not counted against the query."""

# The order counts: the last two shut the door on every other setting, and on themselves.
_LOCKED = (
    "python_enable_replacements = false",
    "autoinstall_known_extensions = false",
    "autoload_known_extensions = false",
    "allow_community_extensions = false",
    "allow_persistent_secrets = false",
    "temp_directory = ''",
    "secret_directory = ''",
    "extension_directory = ''",
    "home_directory = ''",
    "TimeZone = 'UTC'",
    "enable_external_access = false",
    "lock_configuration = true",
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one query may take: rows of the answer, seconds, bytes of memory for copy and query together."""

    rows: int = 100_000
    seconds: float = 60.0
    memory: int = 2 << 30


@dataclass(frozen=True, slots=True)
class Answer:
    """The rows of the answer; `more` says that there were more than the limit allowed."""

    table: pa.Table
    more: bool


LIMITS = Limits()


def ask(people: pa.Table, query: str, limits: Limits = LIMITS) -> Answer:
    """The answer of one `SELECT` to a table as `uses.audience` gives it: `pseudonym`, and `dataset.field` columns.

    In the copy each dataset is a table of that name, with one row per permitted person, ordered by pseudonym: its first
    column is `pseudonym`, then come its fields. Raises `Denied` for what lies outside of the copy, `BadInput` for
    whatever else cannot be answered: another statement, a mistake, too long, too much.
    """
    return _outside(people, query, limits, bind=False)


def check(shape: pa.Schema, query: str, limits: Limits = LIMITS) -> None:
    """Raise what `ask` would for a query that no copy of this shape could answer, before anybody's data are used."""
    _outside(shape.empty_table(), query, limits, bind=True)


def columns(shape: pa.Schema) -> list[tuple[str, str, str]]:
    """(table, column, type) of all that a copy of this shape offers, table by table."""
    listed = "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE NOT internal"
    found = ask(shape.empty_table(), f"{listed} ORDER BY table_oid, column_index").table
    return [tuple(row.values()) for row in found.to_pylist()]


def _outside(people: pa.Table, query: str, limits: Limits, *, bind: bool) -> Answer:
    """Our side of the pipe: send, wait, end the process whatever it does, and read what came back."""
    if len(query) > LONGEST:
        raise BadInput(f"a query of more than {LONGEST} characters")
    asked = {"query": query, "rows": limits.rows, "seconds": limits.seconds, "memory": limits.memory, "bind": bind}
    try:
        ended = subprocess.run(
            [sys.executable, "-I", "-m", "pacte.uses.sql"],
            input=json.dumps(asked).encode() + b"\n" + _stream(people),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=limits.seconds + _GRACE + people.nbytes / _COPIED,
            cwd="/",
            env={"HOME": "/", "LANG": "C.UTF-8"},
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BadInput(_TOO["long"].format(limits.seconds)) from None
    head, _, body = ended.stdout.partition(b"\n")
    if not head:
        # Killed by the system for what it took, or it could not even begin.
        raise BadInput(_TOO["much"]) if ended.returncode < 0 else Unsafe("the private copy could not be opened")
    said = json.loads(head)
    if "error" in said:
        raise Denied("outside_copy", said["error"]) if said["denied"] else BadInput(said["error"])
    return Answer(pa.ipc.open_stream(body).read_all(), said["more"])


_TOO = {
    "long": "the query took longer than {:g} s and was ended; ask for less",
    "much": "the query needs more memory than it may have and was ended; ask for less",
    "wide": f"the answer is larger than {MOST_BYTES >> 20} MB; ask for less",
}


def serve(source: BinaryIO, target: BinaryIO) -> None:
    """The other side: make the copy, lock it, give up the world, answer once."""
    asked = json.loads(source.readline())
    threads = min(_THREADS, os.cpu_count() or 1)
    duck = duckdb.connect(":memory:", config={"threads": threads, "memory_limit": f"{asked['memory'] >> 10}KiB"})
    known: Mapping[str, Collection[str]] = {}
    try:
        people = pa.ipc.open_stream(source).read_all()
        known = _fill(duck, people)
        for setting in _LOCKED:
            duck.execute(f"SET {setting}")
        confine(asked["memory"], asked["seconds"] * threads)
        _answer(duck, asked, target)
    except Exception as error:  # every mistake goes through the pipe in words of ours, never as a traceback
        _refuse(target, error, known)


def confine(memory: int, seconds: float) -> None:
    """Give up, for good: opening files and sockets, writing files, leaving a core, memory and time without end.

    `memory` is in bytes beyond what the process has now; `seconds` are of processor time.
    """
    import resource

    held = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    limits = [("CORE", 0), ("FSIZE", 0), ("NOFILE", 3), ("CPU", int(held + seconds + 2 * _GRACE) + 1)]
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        limits.append(("AS", pages * resource.getpagesize() + memory + _SLACK))
    for name, limit in reversed(limits):
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (limit, limit))


def _fill(duck: duckdb.DuckDBPyConnection, people: pa.Table) -> dict[str, dict[str, str]]:
    """Make the tables of the copy; answers them, with their columns."""
    duck.register("_people", people)
    tables = _tables(people.column_names)
    for table, offered in tables.items():
        chosen = ", ".join(f"{_quoted(column)} AS {_quoted(name)}" for name, column in offered.items())
        duck.execute(f"CREATE TABLE {_quoted(table)} AS SELECT {chosen} FROM _people ORDER BY {PSEUDONYM}")
    duck.unregister("_people")
    return tables


def _tables(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Table → its columns → the column of the released table that each is; `pseudonym` is the first of each."""
    found: dict[str, dict[str, str]] = {}
    for full in sorted(set(names) - {PSEUDONYM}):
        dataset, _, field = full.partition(".")
        # Capitals make no difference to a name; a field that is called like the pseudonym keeps its full name.
        table = found.setdefault(dataset, {PSEUDONYM: PSEUDONYM})
        table[full if field.casefold() in map(str.casefold, table) else field] = full
    return {**found, PEOPLE: found.get(PEOPLE, {PSEUDONYM: PSEUDONYM})}


def _answer(duck: duckdb.DuckDBPyConnection, asked: Mapping[str, Any], target: BinaryIO) -> None:
    statements = duck.extract_statements(asked["query"])
    if len(statements) != 1:
        raise BadInput(f"one statement at a time; found {len(statements)}")
    if statements[0].type != duckdb.StatementType.SELECT:
        raise BadInput("only questions are answered: `SELECT`, `WITH`, `DESCRIBE`, `SHOW`, `PIVOT … ON … IN (…)`")
    # A `WITH` may hold an `INSERT`: nothing is written, in the copy neither.
    duck.execute("BEGIN TRANSACTION READ ONLY")
    if asked["bind"]:
        duck.execute("EXPLAIN " + statements[0].query)
        return _send(target, pa.table({}), more=False)
    reader: Any = duck.execute(statements[0].query).to_arrow_reader(10_000)
    batches, room, size = [], asked["rows"], 0
    for batch in reader:
        size += batch.nbytes
        if size > MOST_BYTES:
            raise BadInput(_TOO["wide"])
        batches.append(batch.slice(0, room))
        if batch.num_rows > room:
            return _send(target, pa.Table.from_batches(batches, reader.schema), more=True)
        room -= batch.num_rows
    return _send(target, pa.Table.from_batches(batches, reader.schema), more=False)


def _send(target: BinaryIO, table: pa.Table, *, more: bool) -> None:
    target.write(json.dumps({"more": more}).encode() + b"\n" + _stream(table))


def _refuse(target: BinaryIO, error: Exception, known: Mapping[str, Collection[str]]) -> None:
    denied = isinstance(error, duckdb.PermissionException)
    target.write(json.dumps({"error": _words(error, known), "denied": denied}).encode() + b"\n")


def _words(error: Exception, known: Mapping[str, Collection[str]]) -> str:
    """What went wrong, without a value: DuckDB's own words are kept where they are about names only."""
    match error:
        case BadInput():
            return str(error)
        case duckdb.TransactionException():
            return "nothing is written, in the copy neither; ask a question"
        case duckdb.PermissionException():
            return "the query asks for something outside of the copy; no file, address, setting or extension is there"
        case duckdb.OutOfMemoryException() | MemoryError():
            return _TOO["much"]
        case duckdb.ParserException() | duckdb.BinderException() | duckdb.CatalogException():
            return _without_values(str(error), known) + _instead(str(error), known)
        case duckdb.ConversionException() | duckdb.OutOfRangeException():
            return "a value does not fit the type or the range that the query asks for; `try_cast` gives null instead"
    return "the query cannot be answered"


def _instead(message: str, known: Mapping[str, Collection[str]]) -> str:
    """The tables that there are, where another was asked for: the engine would name those of its own."""
    there = ", ".join(f"`{table}`" for table in known)
    return f"; there are the tables {there}" if "Table with name" in message else ""


def _without_values(message: str, tables: Mapping[str, Collection[str]]) -> str:
    """A message about names, without its echo of the query; what nobody declared is shown if it looks like a name."""
    known = {name for table, columns in tables.items() for name in (table, *columns)}
    if "Table with name" in message:
        message = message.partition("Did you mean")[0]
    first = re.split(r"\n+LINE \d+:|\s*Candidate functions:|\s*You might need", message)[0].partition(": ")[2]
    first = re.sub(r"with name (.*?) does not exist", lambda found: f'named "{found[1]}" does not exist', first)
    shown = re.sub(r'"([^"]*)"', lambda found: f"`{found[1]}`" if found[1] in known else named(found[1]), first)
    shown = re.sub(r"'[^']*'?", "`…`", shown)
    return re.sub(r"\s+", " ", re.sub(r"[^\s`]*[@\d][^\s`]*", "…", shown)).strip().rstrip(".!").lower()


def _stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _main() -> NoReturn:
    serve(sys.stdin.buffer, sys.stdout.buffer)
    sys.stdout.buffer.flush()
    os._exit(0)  # no thread of a query that goes on is waited for


if __name__ == "__main__":
    _main()
