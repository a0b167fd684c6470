"""The lake as a source of populations: DuckDB views over the segments that the manifest names.

Each caller gets a DuckDB of its own in memory: nothing is shared, nothing is kept, and the files are only read. Only
the gate and intake import this module; nobody else reads what people did. Where the lake is in PostgreSQL, the server
finds the rows of the people asked for, and only those come out of it, with only the columns of the schemas.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
from sqlalchemy import Connection

from pacte.kernel import db
from pacte.lake import bulk, tables
from pacte.lake.segments import segments


def open_lake(
    conn: Connection, directory: Path, datasets: Mapping[str, pa.Schema], people: pa.Array | None = None
) -> duckdb.DuckDBPyConnection:
    """An in-memory DuckDB with one view per dataset, with exactly the columns and types of its schema.

    `people` are the internal numbers of those whose rows will be asked for, `None` for everybody's. From files rows are
    taken when a query asks for them; from PostgreSQL here, of these people alone.

    A column that older segments lack reads as null; a dataset without segments is an empty view. The connection may
    read the lake's directory and no other file, loads no extension and sees no Python variable. A file that was
    erased after `conn` took its snapshot makes a query fail with `duckdb.IOException`: open the lake again. Nothing is
    put aside on the disk: what takes more than the memory fails with `duckdb.OutOfMemoryException`.
    """
    duck = duckdb.connect(":memory:")
    duck.execute("SET python_enable_replacements = false")
    duck.execute("SET autoinstall_known_extensions = false")
    duck.execute("SET autoload_known_extensions = false")
    duck.execute("SET temp_directory = ''")  # what does not fit into memory would lie in files that no erasure finds
    duck.execute(f"SET allowed_directories = [{quoted(str(directory.resolve()))}]")
    duck.execute("SET enable_external_access = false")
    if datasets and tables.here(conn):
        _fetch(duck, conn, datasets, people)
        return duck
    for dataset, schema in datasets.items():
        _view(duck, dataset, schema, [directory.resolve() / segment.file for segment in segments(conn, dataset)])
    return duck


def quoted(value: str) -> str:
    """`value` as a SQL text literal, where a bound parameter is not possible (the body of a view)."""
    return "'" + value.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """`name` as a SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _view(duck: duckdb.DuckDBPyConnection, dataset: str, schema: pa.Schema, files: list[Path]) -> None:
    rows = ""
    if files:
        listed = ", ".join(quoted(str(file)) for file in files)
        rows = f" UNION ALL BY NAME SELECT * FROM read_parquet([{listed}], union_by_name = true)"
    columns = ", ".join(
        f"CAST({identifier(n)} AS {kind}) AS {identifier(n)}" for n, kind in _shaped(duck, dataset, schema)
    )
    shape = identifier(f"{dataset}:shape")
    duck.execute(f"CREATE VIEW {identifier(dataset)} AS SELECT {columns} FROM (SELECT * FROM {shape}{rows})")


def _fetch(
    duck: duckdb.DuckDBPyConnection, conn: Connection, datasets: Mapping[str, pa.Schema], people: pa.Array | None
) -> None:
    """Fill a table per dataset with these people's rows, as the server finds them, and a view over each."""
    with db.beside(conn) as other:
        asked = ""
        if people is not None:
            db.run(other, "CREATE TEMPORARY TABLE asked (no bigint NOT NULL)")
            bulk.send(other, "asked", ["no"], [pa.table({"no": people})])
            db.run(other, "ANALYZE asked")
            asked = " JOIN asked ON asked.no = held._no"
        for dataset, schema in datasets.items():
            sql, columns, places = tables.query(other, dataset, schema)
            rows = identifier(f"{dataset}:rows")
            _empty_table(duck, rows, columns)
            for batch in bulk.receive(other, sql + asked, columns) if sql else ():
                duck.register("batch_of_rows", pa.Table.from_batches([batch]))
                duck.execute(f"INSERT INTO {rows} SELECT * FROM batch_of_rows")
                duck.unregister("batch_of_rows")
            said = ", ".join(
                f"{_first(places[name], kind)} AS {identifier(name)}" for name, kind in _shaped(duck, dataset, schema)
            )
            source = rows if sql else "(SELECT 1 WHERE FALSE)"
            duck.execute(f"CREATE VIEW {identifier(dataset)} AS SELECT {said} FROM {source}")


def _first(columns: Sequence[str], kind: str) -> str:
    """The value of a field that lies in one of these columns."""
    values = ", ".join(f"CAST({identifier(column)} AS {kind})" for column in columns)
    return f"coalesce({values})" if values else f"CAST(NULL AS {kind})"


def _shaped(duck: duckdb.DuckDBPyConnection, dataset: str, schema: pa.Schema) -> list[tuple[str, str]]:
    """The columns of a schema and their types as DuckDB calls them; an empty table of that shape is left behind."""
    shape = identifier(f"{dataset}:shape")
    _empty_table(duck, shape, schema)
    return [(name, kind) for name, kind, *_ in duck.execute(f"DESCRIBE {shape}").fetchall()]


def _empty_table(duck: duckdb.DuckDBPyConnection, table: str, schema: pa.Schema) -> None:
    if len(schema):
        duck.register("shape_of_table", schema.empty_table())
        duck.execute(f"CREATE TABLE {table} AS SELECT * FROM shape_of_table")
        duck.unregister("shape_of_table")
