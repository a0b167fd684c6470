"""Segments: immutable Parquet files in one directory, listed in a manifest in the record database.

A segment is written whole, made durable, then named by the caller's transaction; a rewrite is new files and one change
of the manifest. A file that no manifest names is garbage. Where the lake is in PostgreSQL the segments of datasets are
rows of tables instead (see `tables`): the same manifest lists them, and the functions here answer the same.

Crash points: `segment-written`, the file is there, nothing names it; `segment-named`, the transaction that names it has
not committed; `segments-rewritten`, neither has that of a rewrite; `segments-retired`, it has, and the old files still
lie there. After each, `garbage` removes what the manifest does not name.

INVARIANT: files get their final name, and garbage is collected, only while holding the write lock of the record
database (`kernel.db.write`). That lock is the grace period: whoever holds it knows that no other writer is between
naming a file and committing it, so that an unlisted file belongs to nobody. What is still written without the lock is a
draft, known by a lock of its own (see `drafts`).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from sqlalchemy import Column, Connection, String, Table, delete, insert, select

from pacte.kernel import crash, db
from pacte.kernel.db import Int64, metadata
from pacte.kernel.errors import BadInput, Conflict, PacteError, Unsafe
from pacte.lake import tables
from pacte.lake.drafts import SUFFIX, UNFINISHED, Draft, Drafts, is_abandoned

lake_segment = Table(
    "lake_segment",
    metadata,
    Column("id", Int64, primary_key=True),
    Column("dataset", String, nullable=False, index=True),
    Column("file", String, nullable=False, unique=True),
    Column("sha256", String(64), nullable=False),
    Column("rows", Int64, nullable=False),
    Column("added_by", String, nullable=False),  # a load id, or a short word: what made this segment
)

SYSTEM = pa.schema(
    [
        pa.field("_no", pa.int64()),  # the person's internal number; null when the row is nobody's
        pa.field("_row", pa.string()),  # hexadecimal row id: the same row loaded twice is recognised
        pa.field("_source", pa.string()),
        pa.field("_collected", pa.int64()),  # Instant
        pa.field("_notice", pa.string()),
    ]
)
"""The columns that every dataset of events has, before its declared ones."""

DERIVED = "facts:"
"""Datasets of this prefix are copies of derived state: evidence, not data, with an end of their own."""

_RETIRED = "pacte_lake_retired"


@dataclass(frozen=True, slots=True)
class Segment:
    """One file of a dataset: its name in the lake's directory, the SHA-256 of its bytes, how many rows it holds.

    In PostgreSQL: its name in the manifest, and the SHA-256 over its rows (see `tables`).
    """

    dataset: str
    file: str
    sha256: str
    rows: int

    @property
    def number(self) -> int | None:
        """What its rows in PostgreSQL are marked with; `None` for a file."""
        return tables.number_of(self.file)


def add_segment(conn: Connection, directory: Path, dataset: str, table: pa.Table, added_by: str) -> Segment:
    """Write `table` as a durable file and name it in the caller's write transaction.

    Raises `BadInput` for an empty table or one without `_no`: what cannot be found cannot be erased.
    """
    _need_write_lock(conn)
    if table.num_rows == 0:
        raise BadInput(f"a segment of `{dataset}` without rows; nothing to add")
    if "_no" not in table.column_names:
        raise BadInput(f"a segment of `{dataset}` without the column `_no`; its people could not be found again")
    if tables.here(conn) and not dataset.startswith(DERIVED):
        added = Segment(dataset, *tables.add(conn, dataset, table, added_by))
        crash.point("segment-named")
        return added
    draft = Draft(directory, dataset, table.schema)
    draft.write(table)
    finished = draft.finish()
    crash.point("segment-written")
    return adopt(conn, [finished], added_by)[0]


def adopt(conn: Connection, drafts: Sequence[Draft], added_by: str) -> list[Segment]:
    """Make segments of finished drafts, in the caller's write transaction."""
    _need_write_lock(conn)
    added = [Segment(draft.dataset, draft.name(), draft.sha256, draft.rows) for draft in drafts]
    for directory in {draft.directory for draft in drafts}:
        _sync(directory)
    for one in added:
        row = {"dataset": one.dataset, "file": one.file, "sha256": one.sha256, "rows": one.rows, "added_by": added_by}
        conn.execute(insert(lake_segment).values(row))
    crash.point("segment-named")
    return added


def segments(conn: Connection, dataset: str | None = None) -> list[Segment]:
    """The segments that the manifest names, oldest first; of one dataset or of all."""
    columns = (lake_segment.c.dataset, lake_segment.c.file, lake_segment.c.sha256, lake_segment.c.rows)
    query = select(*columns).order_by(lake_segment.c.id)
    if dataset is not None:
        query = query.where(lake_segment.c.dataset == dataset)
    return [Segment(*row) for row in conn.execute(query)]


def not_found(conn: Connection, directory: Path) -> PacteError:
    """What to say when a file of the lake was not there while it was read.

    By the newest manifest: one that was rewritten since is read anew, one that is gone is gone.
    """
    with db.read(conn.engine) as newest:
        gone = [one for one in segments(newest) if one.number is None and not (directory / one.file).exists()]
    if not gone:
        return Conflict("a file of the lake went away while it was read (an erasure, a load); ask again")
    return Unsafe(
        f"{len(gone)} files of the lake are gone, `{gone[0].file}` of `{gone[0].dataset}` the first; put back the "
        "newest copy of `lake`, then run `pacte ledger check`"
    )


def retire(conn: Connection, retired: Iterable[Segment]) -> None:
    """Take segments off the manifest; their files go with the next `garbage`, after the caller has committed."""
    _need_write_lock(conn)
    found = list(retired)
    for segment in found:
        if segment.number is not None:
            tables.remove(conn, segment.dataset, segment.number)
    files = [segment.file for segment in found]
    for start in range(0, len(files), 500):
        conn.execute(delete(lake_segment).where(lake_segment.c.file.in_(files[start : start + 500])))
    _note_retired(conn, bool(files))


def rewrite_without(
    conn: Connection, directory: Path, nos: Collection[int], added_by: str, *, derived: bool = False
) -> dict[str, int]:
    """Write every segment that mentions one of these persons again without them; rows removed per dataset.

    Touches what people did, or with `derived` (when the evidence ends) only the copies of derived state. The manifest
    changes in the caller's write transaction; call `garbage` in the next one to unlink the old files.
    """
    _need_write_lock(conn)
    gone = np.array(sorted(nos), dtype=np.int64)
    removed: dict[str, int] = {}
    if not len(gone):
        return removed
    if tables.here(conn) and not derived:
        removed = tables.remove_people(conn, nos, added_by)
        _note_retired(conn, any(removed.values()))
    for segment in segments(conn):
        if segment.dataset.startswith(DERIVED) != derived or segment.number is not None:
            continue
        with pq.ParquetFile(directory / segment.file) as file, Drafts(directory, most=segment.rows) as drafts:
            if not any(_mention(file, group, gone).any() for group in _candidates(file, gone)):
                continue
            for group in range(file.num_row_groups):
                rows = file.read_row_group(group)
                kept = rows.filter(pa.array(~_among(rows.column("_no"), gone)))
                if kept.num_rows:
                    drafts.write(segment.dataset, kept, _packing(file))
            added = adopt(conn, drafts.end(), added_by)
        retire(conn, [segment])
        count = segment.rows - sum(one.rows for one in added)
        removed[segment.dataset] = removed.get(segment.dataset, 0) + count
    crash.point("segments-rewritten")
    return removed


def garbage(conn: Connection, directory: Path) -> int:
    """Unlink every file that the manifest does not name; how many. Needs a write transaction of its own.

    Raises `Unsafe` in a transaction that itself took segments off the manifest: were it rolled back, the manifest
    would name files that are gone. A reader whose snapshot is older finds its file missing and must ask again.
    """
    _need_write_lock(conn)
    if conn.info.get(_RETIRED) is conn.get_transaction():
        raise Unsafe("segments were retired in this transaction; commit it before their files are unlinked")
    named = {segment.file for segment in segments(conn)}
    unlisted = [path for path in _ours(directory) if path.name not in named]
    if unlisted:
        crash.point("segments-retired")
    for path in unlisted:
        path.unlink()
    if unlisted:
        _sync(directory)
    return len(unlisted)


def take_out(
    conn: Connection, directory: Path, dataset: str, row_ids: Collection[str], added_by: str
) -> tuple[list[dict[str, Any]], int]:
    """Take the rows of these names out of a dataset, in the caller's write transaction.

    Answers the rows, column by name, and how many segments were written again without them.
    """
    _need_write_lock(conn)
    if not row_ids:
        return [], 0
    found, rewritten = tables.take_out(conn, dataset, list(row_ids), added_by) if tables.here(conn) else ([], 0)
    wanted = pa.array(row_ids, pa.string())
    for segment in _files(conn, dataset):
        with pq.ParquetFile(directory / segment.file) as file:
            hit = pc.is_in(file.read(columns=["_row"])["_row"], value_set=wanted)
            if not pc.any(hit).as_py():
                continue
            table = file.read()
        found += table.filter(hit).to_pylist()
        kept = table.filter(pc.invert(hit))
        if kept.num_rows:
            add_segment(conn, directory, dataset, kept, added_by)
        retire(conn, [segment])
        rewritten += 1
    return found, rewritten


def existing_rows(conn: Connection, directory: Path, dataset: str, row_ids: Collection[str]) -> set[str]:
    """Which of these row ids the dataset already holds, so that loading a file twice adds nothing."""
    wanted = pa.array(row_ids, type=pa.string())
    found = tables.existing_rows(conn, dataset, row_ids) if tables.here(conn) else set()
    for segment in _files(conn, dataset):
        with pq.ParquetFile(directory / segment.file) as file:
            column = file.read(columns=["_row"]).column("_row")
        found.update(column.filter(pc.is_in(column, value_set=wanted)).to_pylist())
    return found


def check(conn: Connection, directory: Path) -> list[str]:
    """What is wrong with the lake, one sentence each: files that are missing or whose bytes have changed.

    In PostgreSQL: rows that are missing, changed, or of no segment.
    """
    listed = [(s.dataset, s.file, s.sha256, s.rows) for s in segments(conn) if s.number is not None]
    problems = tables.check(conn, listed) if listed or tables.here(conn) else []
    for segment in _files(conn):
        path = directory / segment.file
        if not path.exists():
            problems.append(f"a segment of `{segment.dataset}` is missing: `{segment.file}`")
        elif _sha256(path) != segment.sha256:
            problems.append(f"a segment of `{segment.dataset}` has changed since it was written: `{segment.file}`")
    return problems


def _note_retired(conn: Connection, some: bool) -> None:
    if some:
        conn.info[_RETIRED] = conn.get_transaction()


def _files(conn: Connection, dataset: str | None = None) -> list[Segment]:
    """The segments that are files."""
    return [segment for segment in segments(conn, dataset) if segment.number is None]


def _candidates(file: pq.ParquetFile, gone: np.ndarray) -> list[int]:
    """The row groups of a file whose numbers span one of `gone`."""
    place = file.schema_arrow.get_field_index("_no")
    found = []
    for group in range(file.num_row_groups):
        span = file.metadata.row_group(group).column(place).statistics
        if (
            span is None
            or not span.has_min_max
            or np.searchsorted(gone, span.min) < np.searchsorted(gone, span.max, side="right")
        ):
            found.append(group)
    return found


def _mention(file: pq.ParquetFile, group: int, gone: np.ndarray) -> np.ndarray:
    return _among(file.read_row_group(group, columns=["_no"]).column("_no"), gone)


def _among(numbers: pa.ChunkedArray, gone: np.ndarray) -> np.ndarray:
    """Which of the numbers are among `gone`; a row that is nobody's is not."""
    return np.isin(pc.fill_null(numbers.cast(pa.int64()), -1).to_numpy(), gone)


def _packing(file: pq.ParquetFile) -> list[str]:
    """The columns of a file that are stored as differences, so that a rewrite stores them so again."""
    if not file.num_row_groups:
        return []
    columns = (file.metadata.row_group(0).column(place) for place in range(file.metadata.num_columns))
    return [column.path_in_schema for column in columns if "DELTA_BINARY_PACKED" in column.encodings]


def _ours(directory: Path) -> list[Path]:
    """Every file that could be a segment, but no draft that somebody is still writing."""
    return [
        path
        for path in directory.iterdir()
        if path.name.endswith(SUFFIX) or (path.name.endswith(UNFINISHED) and is_abandoned(path))
    ]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _need_write_lock(conn: Connection) -> None:
    if not conn.get_execution_options().get("pacte_write"):
        raise Unsafe("the lake is changed inside a write transaction only; none is open here")
