"""How much the lake holds about one person, for whoever must tell or erase it."""

from __future__ import annotations

from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
from sqlalchemy import Connection

from pacte.lake import tables
from pacte.lake.segments import DERIVED, segments


def rows_of(conn: Connection, directory: Path, number: int) -> dict[str, int]:
    """Rows per dataset that are about the person with this internal number."""
    found = tables.rows_of(conn, number) if tables.here(conn) else {}
    for segment in segments(conn):
        if segment.dataset.startswith(DERIVED) or segment.number is not None:
            continue
        with pq.ParquetFile(directory / segment.file) as file:
            people = file.read(columns=["_no"]).column("_no")
        count = int(pc.sum(pc.equal(people, number)).as_py() or 0)
        if count:
            found[segment.dataset] = found.get(segment.dataset, 0) + count
    return found
