"""The lake in PostgreSQL: a table per dataset, in a schema of its own beside the records.

Each row says in `_segment` which line of the manifest it belongs to; that line says how many rows there are and what
they hold, so that a row changed, added or lost behind the house's back is found. Rows go by `DELETE`, in the
transaction that says so; nothing is left to collect. A declared field lies in a column named after it and its type
(`amount.decimal`): a field whose type the policy changes gets a second one, and old rows stay as they were loaded.

The digest of a segment is SHA-256 over those of its rows in ascending order, each over the row as compact JSON without
its nulls: a column added later changes nothing. The server reckons it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection

from pacte.kernel import db
from pacte.kernel.errors import BadInput, Unsafe
from pacte.lake import bulk

SCHEMA = "lake"
"""The schema that holds the datasets; where it is missing the lake is in files."""

PREFIX = "rows-"
"""How the manifest calls a segment that is no file."""

_KINDS = {
    pa.string(): ("string", "text"),
    pa.int64(): ("integer", "bigint"),
    pa.decimal128(18, 4): ("decimal", "numeric(18,4)"),
    pa.date32(): ("date", "date"),
    pa.bool_(): ("boolean", "boolean"),
}
"""The types of columns: what a column's name says of them, and their name in SQL."""
_TYPES = {kind: (arrow, sql) for arrow, (kind, sql) in _KINDS.items()}

_NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")

_DIGESTS = (
    "SELECT _segment, count(*), encode(sha256(string_agg(said, ''::bytea ORDER BY said)), 'hex') FROM "
    "(SELECT _segment, sha256(convert_to(jsonb_strip_nulls(to_jsonb(held) - '_segment')::text, 'UTF8')) AS said "
    "FROM {table} AS held{where}) AS rows GROUP BY _segment"
)


def begin(conn: Connection) -> None:
    """Make this the place of the lake, in the transaction that founds the house or moves it here."""
    db.run(conn, f"CREATE SCHEMA {SCHEMA}")


def drop(conn: Connection) -> None:
    """Take away what `begin` made, and every row in it."""
    db.run(conn, f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")


def here(conn: Connection) -> bool:
    """Whether the lake of these records is in PostgreSQL."""
    return db.is_postgres(conn) and bool(
        db.fetch(conn, "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = ?", (SCHEMA,))
    )


def number_of(file: str) -> int | None:
    """The number that the rows of a segment carry; `None` for a segment that is a file."""
    return int(file.removeprefix(PREFIX)) if file.startswith(PREFIX) else None


def add(conn: Connection, dataset: str, rows: pa.Table, added_by: str) -> tuple[str, str, int]:
    """Add a segment: the rows, and its line in the manifest; answers its name, digest and number of rows."""
    table = _made(conn, dataset, rows.schema)
    number = db.fetch(conn, "SELECT nextval(pg_get_serial_sequence('lake_segment', 'id'))")[0][0]
    marked = rows.append_column("_segment", pa.array([number] * rows.num_rows, pa.int64()))
    bulk.send(conn, table, [f'"{name}"' for name in _physical(marked.schema)], [marked])
    arrived = _digests(conn, table, [number])
    if [count for _, count, _ in arrived] != [rows.num_rows]:
        raise Unsafe(f"a segment of `{dataset}` did not arrive whole; nothing was recorded")
    ((_, count, digest),) = arrived
    file = f"{PREFIX}{number}"
    line = (number, dataset, file, digest, count, added_by)
    db.run(conn, "INSERT INTO lake_segment (id, dataset, file, sha256, rows, added_by) VALUES (?, ?, ?, ?, ?, ?)", line)
    return file, digest, count


def remove_people(conn: Connection, nos: Collection[int], added_by: str) -> dict[str, int]:
    """Delete every row about these persons; rows removed per dataset. The manifest follows."""
    removed = {}
    for dataset in _datasets(conn):
        table = _table(dataset)
        asked = f"SELECT value FROM {db.among(conn, 'integer')} AS asked"
        gone = f"DELETE FROM {table} WHERE _no IN ({asked}) RETURNING _segment"
        sql = f"WITH gone AS ({gone}) SELECT _segment, count(*) FROM gone GROUP BY _segment"
        counts: dict[int, int] = dict(db.fetch(conn, sql, (db.listed(conn, list(map(int, nos))),)))
        if counts:
            _renew(conn, table, list(counts), added_by)
            removed[dataset] = sum(counts.values())
    return removed


def take_out(conn: Connection, dataset: str, row_ids: Sequence[str], added_by: str) -> tuple[list[dict[str, Any]], int]:
    """Delete the rows of these names; answers them, by the names of their fields, and how many segments had them."""
    columns = _columns(conn, dataset)
    if not columns:
        return [], 0
    table, named = _table(dataset), ", ".join(f'"{column}"' for column in columns)
    asked = f"SELECT value FROM {db.among(conn, 'text')} AS asked"
    sql = f"DELETE FROM {table} WHERE _row IN ({asked}) RETURNING {named}"
    found = db.fetch(conn, sql, (db.listed(conn, row_ids),))
    place = columns.index("_segment")
    touched = sorted({row[place] for row in found})
    if touched:
        _renew(conn, table, touched, added_by)
    names = [column.partition(".")[0] for column in columns]
    rows = [{n: value for n, value in zip(names, row, strict=True) if value is not None} for row in found]
    return [{n: value for n, value in row.items() if n != "_segment"} for row in rows], len(touched)


def remove(conn: Connection, dataset: str, number: int) -> None:
    """Delete the rows of a segment that leaves the manifest."""
    db.run(conn, f"DELETE FROM {_table(dataset)} WHERE _segment = ?", (number,))


def existing_rows(conn: Connection, dataset: str, row_ids: Collection[str]) -> set[str]:
    """Which of these row ids the dataset holds."""
    if not _columns(conn, dataset):
        return set()
    asked = f"SELECT value FROM {db.among(conn, 'text')} AS asked"
    found = db.fetch(conn, f"SELECT _row FROM {_table(dataset)} WHERE _row IN ({asked})", (db.listed(conn, row_ids),))
    return {row[0] for row in found}


def rows_of(conn: Connection, number: int) -> dict[str, int]:
    """Rows per dataset that are about the person with this internal number."""
    counts = {
        dataset: db.fetch(conn, f"SELECT count(*) FROM {_table(dataset)} WHERE _no = ?", (number,))[0][0]
        for dataset in _datasets(conn)
    }
    return {dataset: count for dataset, count in counts.items() if count}


def check(conn: Connection, listed: Iterable[tuple[str, str, str, int]]) -> list[str]:
    """What is wrong, given the lines of the manifest that are rows here: (dataset, name, digest, rows)."""
    lines = {(dataset, number_of(file)): (file, digest, rows) for dataset, file, digest, rows in listed}
    problems = []
    for dataset in _datasets(conn):
        for number, count, digest in _digests(conn, _table(dataset)):
            file, said, rows = lines.pop((dataset, number), ("", "", 0))
            if not file:
                problems.append(f"rows of `{dataset}` belong to no segment: {count}")
            elif (digest, count) != (said, rows):
                problems.append(f"a segment of `{dataset}` has changed since it was written: `{file}`")
    problems += [f"a segment of `{dataset}` is missing: `{file}`" for (dataset, _), (file, _, _) in lines.items()]
    return problems


def query(conn: Connection, dataset: str, schema: pa.Schema) -> tuple[str, pa.Schema, dict[str, list[str]]]:
    """SQL for the columns of `schema` that the dataset has, their types, and by field the columns that hold it.

    Of a field whose type was changed there are several; no row has more than one of them. `""` where there is no table.
    """
    held = _columns(conn, dataset)
    if not held and db.fetch(conn, "SELECT 1 FROM lake_segment WHERE dataset = ? LIMIT 1", (dataset,)):
        raise db.Damaged(
            f"the rows of `{dataset}` are gone from the record database: its table is missing; put back the newest copy"
        )
    places = {name: [column for column in held if column.partition(".")[0] == name] for name in schema.names}
    columns = [column for found in places.values() for column in found]
    types = [schema.field(c).type if c.startswith("_") else _TYPES[c.partition(".")[2]][0] for c in columns]
    listed = ", ".join(f'held."{column}"' for column in columns)
    return (
        f"SELECT {listed} FROM {_table(dataset)} AS held" if columns else "",
        pa.schema(list(zip(columns, types, strict=True))),
        places,
    )


def _renew(conn: Connection, table: str, touched: Sequence[int], added_by: str) -> None:
    """Let the manifest say what these segments hold now; one that holds nothing leaves it."""
    left = {number: (count, digest) for number, count, digest in _digests(conn, table, touched)}
    kept = [(*left[number], added_by, number) for number in touched if number in left]
    db.run_many(conn, "UPDATE lake_segment SET rows = ?, sha256 = ?, added_by = ? WHERE id = ?", kept)
    gone = [(number,) for number in touched if number not in left]
    db.run_many(conn, "DELETE FROM lake_segment WHERE id = ?", gone)


def _digests(conn: Connection, table: str, numbers: Sequence[int] | None = None) -> list[db.Row]:
    """(segment, rows, digest) of these segments or of all."""
    if numbers is None:
        return db.fetch(conn, _DIGESTS.format(table=table, where=""))
    # Not `db.among`: a join makes the server read the whole table for each load, an array leads it to the index.
    where = " WHERE _segment = ANY (?::bigint[])"
    return db.fetch(conn, _DIGESTS.format(table=table, where=where), (db.listed(conn, numbers),))


def _made(conn: Connection, dataset: str, schema: pa.Schema) -> str:
    """The table of a dataset, made or widened where it lacks columns."""
    if not _NAME.fullmatch(dataset):
        raise BadInput(f"`{dataset}` cannot be the name of a dataset; expected small letters, digits and `_`")
    table, held = _table(dataset), _columns(conn, dataset)
    wanted = {name: _KINDS[field.type][1] for name, field in zip(_physical(schema), schema, strict=True)}
    if not held:
        columns = ", ".join(f'"{name}" {kind}' for name, kind in wanted.items())
        db.run(conn, f"CREATE TABLE {table} (_segment bigint NOT NULL, {columns})")
        # Tables and indexes share their names; no dataset has one with a full stop.
        db.run(conn, f'CREATE INDEX "{dataset}._no" ON {table} (_no)')
        db.run(conn, f'CREATE INDEX "{dataset}._segment" ON {table} (_segment)')
        if "_row" in wanted:
            db.run(conn, f'CREATE INDEX "{dataset}._row" ON {table} USING hash (_row)')
        return table
    for name, kind in wanted.items():
        if name not in held:
            db.run(conn, f'ALTER TABLE {table} ADD COLUMN "{name}" {kind}')
    return table


def _physical(schema: pa.Schema) -> list[str]:
    """The names of the columns that hold these fields."""
    for field in schema:
        if field.type not in _KINDS or not (field.name.startswith("_") or _NAME.fullmatch(field.name)):
            raise BadInput(f"`{field.name}` cannot be a column of the lake; expected a declared field")
    return [f.name if f.name.startswith("_") else f"{f.name}.{_KINDS[f.type][0]}" for f in schema]


def _columns(conn: Connection, dataset: str) -> list[str]:
    """The columns of a dataset's table, but those that the house did not make; none where there is no table."""
    sql = (
        "SELECT a.attname FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid "
        "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ? AND c.relname = ? "
        "AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attname"
    )
    names = (row[0] for row in db.fetch(conn, sql, (SCHEMA, dataset)))
    return [name for name in names if name.startswith("_") or name.partition(".")[2] in _TYPES]


def _datasets(conn: Connection) -> list[str]:
    """The datasets that have a table.

    INVARIANT: a table that this login may not touch is among them (`information_schema` would hide it): an erasure
    fails there, rather than say that nothing was held.
    """
    sql = (
        "SELECT c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = ? AND c.relkind IN ('r', 'p') ORDER BY c.relname"
    )
    return [row[0] for row in db.fetch(conn, sql, (SCHEMA,))]


def _table(dataset: str) -> str:
    return f'{SCHEMA}."{dataset}"'
