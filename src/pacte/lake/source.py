"""The lake as a source of populations: DuckDB views over the segments that the manifest names.

Each caller gets a DuckDB of its own in memory: nothing is shared, nothing is kept, and the files are only read. Only
the gate and intake import this module; nobody else reads what people did.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import duckdb
import pyarrow as pa
from sqlalchemy import Connection

from pacte.lake.segments import segments


def open_lake(conn: Connection, directory: Path, datasets: Mapping[str, pa.Schema]) -> duckdb.DuckDBPyConnection:
    """An in-memory DuckDB with one view per dataset, with exactly the columns and types of its schema.

    A column that older segments lack reads as null; a dataset without segments is an empty view. The connection may
    read the lake's directory and no other file, loads no extension and sees no Python variable. A file that was
    erased after `conn` took its snapshot makes a query fail with `duckdb.IOException`: open the lake again.
    """
    duck = duckdb.connect(":memory:")
    duck.execute("SET python_enable_replacements = false")
    duck.execute("SET autoinstall_known_extensions = false")
    duck.execute("SET autoload_known_extensions = false")
    duck.execute(f"SET allowed_directories = [{quoted(str(directory.resolve()))}]")
    duck.execute("SET enable_external_access = false")
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
    shape = identifier(f"{dataset}:shape")
    duck.register("shape_of_dataset", schema.empty_table())
    duck.execute(f"CREATE TABLE {shape} AS SELECT * FROM shape_of_dataset")
    duck.unregister("shape_of_dataset")
    rows = f"SELECT * FROM {shape}"
    if files:
        listed = ", ".join(quoted(str(file)) for file in files)
        rows += f" UNION ALL BY NAME SELECT * FROM read_parquet([{listed}], union_by_name = true)"
    described = duck.execute(f"DESCRIBE {shape}").fetchall()
    columns = ", ".join(f"CAST({identifier(name)} AS {kind}) AS {identifier(name)}" for name, kind, *_ in described)
    duck.execute(f"CREATE VIEW {identifier(dataset)} AS SELECT {columns} FROM ({rows})")
