"""Carry the datasets of a lake from files into PostgreSQL, and prove that every row arrived as it was.

Each segment stays a segment. The rows of its file and the rows that the server gives back are compared in the order of
their names, value by value, by their number and a SHA-256.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Connection

from pacte.kernel import db
from pacte.kernel.errors import Unsafe
from pacte.lake import bulk, segments, tables

TOGETHER = 16_384
"""Rows that are compared at once."""

Digest = tuple[int, str]
"""How many rows, and the SHA-256 over them."""


def datasets(conn: Connection, directory: Path) -> dict[str, Digest]:
    """Make PostgreSQL the place of this lake, in the caller's write transaction; rows and digest of each dataset.

    The manifest in `conn` names the files in `directory`; afterwards it names their rows, and the files are garbage.
    Raises `Unsafe` for a file that is not as it was written, and when what was read back is not what was sent.
    """
    if problems := segments.check(conn, directory):
        raise Unsafe(f"the lake is damaged ({problems[0]}); nothing was moved")
    old = segments.segments(conn)
    makers: dict[str, str] = dict(db.fetch(conn, "SELECT file, added_by FROM lake_segment"))
    segments.retire(conn, old)
    tables.begin(conn)
    sums: dict[str, list[Digest]] = {}
    for segment in old:
        rows = pq.read_table(directory / segment.file)
        added = segments.add_segment(conn, directory, segment.dataset, rows, makers[segment.file])
        sent = digest(rows)
        if digest(_back(conn, added, rows.schema)) != sent:
            raise Unsafe(f"rows of `{segment.dataset}` did not arrive as they were sent; the old house goes on serving")
        sums.setdefault(segment.dataset, []).append(sent)
    return {dataset: _together(found) for dataset, found in sorted(sums.items())}


def digest(rows: pa.Table) -> Digest:
    """Over the rows in the order of their names, each as its values by name; what is null is not said."""
    whole = hashlib.sha256()
    ordered = rows.select(sorted(rows.column_names)).sort_by("_row")
    for part in ordered.to_batches(TOGETHER):  # as values of Python a whole file would not fit into memory
        for row in part.to_pylist():
            for name, value in row.items():
                if value is not None:
                    said = f"{type(value).__name__}:{value}".encode()
                    whole.update(b"%b=%d:%b;" % (name.encode(), len(said), said))
            whole.update(b"\n")
    return rows.num_rows, whole.hexdigest()


def _together(sums: list[Digest]) -> Digest:
    whole = hashlib.sha256("".join(one for _, one in sums).encode())
    return sum(count for count, _ in sums), whole.hexdigest()


def _back(conn: Connection, segment: segments.Segment, schema: pa.Schema) -> pa.Table:
    """The rows of a segment as the server gives them back."""
    sql, columns, places = tables.query(conn, segment.dataset, schema)
    batches = bulk.receive(conn, f"{sql} WHERE held._segment = {segment.number}", columns)
    held = pa.Table.from_batches(list(batches), columns)
    found = {name: [held[c] for c in places[name] if held[c].type == schema.field(name).type] for name in schema.names}
    return pa.table({name: column for name, (column,) in found.items()})
