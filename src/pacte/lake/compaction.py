"""Compaction: many small segments of a dataset become few large ones, with the same rows in the same order.

The new files are drafts, written without the write lock; one change of the manifest then puts them in the place of the
old ones. Whoever still reads by an older manifest finds the old files: they go with a later `segments.garbage`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Connection

from pacte.kernel import crash
from pacte.lake.drafts import ROW_GROUP, Drafts
from pacte.lake.segments import DERIVED, Segment, adopt, retire, segments

Progress: TypeAlias = Callable[[int], None]
"""Called with how many rows more were written."""

SMALL = 1_000_000
"""A segment with fewer rows is small."""
FEWEST = 4
"""So many small segments of a dataset are worth one rewriting; fewer are read quickly enough."""
LARGE = 4_000_000
"""Small segments are put together until they hold so many rows."""


def groups(conn: Connection) -> list[list[Segment]]:
    """The segments that are worth putting together, each group of one dataset, in the order of the manifest.

    In PostgreSQL none is: the rows of a dataset lie in one table, however they came.
    """
    by_dataset: dict[str, list[Segment]] = {}
    for segment in segments(conn):
        if segment.rows < SMALL and segment.number is None and not segment.dataset.startswith(DERIVED):
            by_dataset.setdefault(segment.dataset, []).append(segment)
    found: list[list[Segment]] = []
    for small in by_dataset.values():
        group: list[Segment] = []
        for segment in small:
            if group and sum(one.rows for one in group) + segment.rows > LARGE:
                found.append(group)
                group = []
            group.append(segment)
        found.append(group)
    return [group for group in found if len(group) >= FEWEST]


def gather(directory: Path, group: Sequence[Segment], drafts: Drafts, progress: Progress = lambda _rows: None) -> bool:
    """Write the rows of a group into `drafts`; `False`, and nothing, where their columns do not fit together.

    Raises `FileNotFoundError` where an erasure has meanwhile rewritten one of them.
    """
    schema = _common([pq.read_schema(directory / segment.file) for segment in group])
    if schema is None:
        return False
    for segment in group:
        with pq.ParquetFile(directory / segment.file) as file:
            for batch in file.iter_batches(batch_size=ROW_GROUP):
                drafts.write(segment.dataset, _widened(pa.Table.from_batches([batch]), schema))
                progress(batch.num_rows)
    drafts.end()
    return True


def replace(conn: Connection, group: Sequence[Segment], drafts: Drafts) -> bool:
    """Put finished drafts in the place of a group, in a write transaction.

    `False` where one of the group is no longer listed: an erasure has rewritten it, and what was read is void.
    """
    listed = {segment.file for segment in segments(conn)}
    if not listed.issuperset(segment.file for segment in group):
        return False
    adopt(conn, drafts.finished, "compaction")
    retire(conn, group)
    crash.point("segments-compacted")
    return True


def _common(schemas: Sequence[pa.Schema]) -> pa.Schema | None:
    """All columns of all; a column that some lack is null there. A column of two types has none."""
    try:
        return pa.unify_schemas([schema.remove_metadata() for schema in schemas])
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return None


def _widened(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    held = set(rows.column_names)
    columns = [rows.column(one.name) if one.name in held else pa.nulls(rows.num_rows, one.type) for one in schema]
    return pa.Table.from_arrays(columns, schema=schema)
