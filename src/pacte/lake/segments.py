"""Segments: immutable Parquet files in one directory, listed in a manifest in the record database.

A segment is written whole, made durable, then named by the caller's transaction; a rewrite is new files and one change
of the manifest. A file that no manifest names is garbage.

Crash points (each has a test): A. the temporary file exists, nothing else; B. the file has its final name, the
transaction that names it has not committed; C. a rewrite has committed, the old files still lie there. After each,
`garbage` removes what the manifest does not name.

INVARIANT: files are created, and garbage is collected, only while holding the write lock of the record database
(`kernel.db.write`). That lock is the grace period: whoever holds it knows that no other writer is between creating a
file and committing its name, so that an unlisted file belongs to nobody.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from sqlalchemy import Column, Connection, Integer, String, Table, delete, insert, select

from pacte.kernel.db import metadata
from pacte.kernel.errors import BadInput, Unsafe

lake_segment = Table(
    "lake_segment",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("dataset", String, nullable=False, index=True),
    Column("file", String, nullable=False, unique=True),
    Column("sha256", String(64), nullable=False),
    Column("rows", Integer, nullable=False),
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

_SUFFIX = ".parquet"
_UNFINISHED = ".parquet.part"
_RETIRED = "pacte_lake_retired"


@dataclass(frozen=True, slots=True)
class Segment:
    """One file of a dataset: its name in the lake's directory, the SHA-256 of its bytes, how many rows it holds."""

    dataset: str
    file: str
    sha256: str
    rows: int


def add_segment(conn: Connection, directory: Path, dataset: str, table: pa.Table, added_by: str) -> Segment:
    """Write `table` as a durable file and name it in the caller's write transaction.

    Raises `BadInput` for an empty table or one without `_no`: what cannot be found cannot be erased.
    """
    _need_write_lock(conn)
    if table.num_rows == 0:
        raise BadInput(f"a segment of `{dataset}` without rows; nothing to add")
    if "_no" not in table.column_names:
        raise BadInput(f"a segment of `{dataset}` without the column `_no`; its people could not be found again")
    file = secrets.token_hex(16) + _SUFFIX
    segment = Segment(dataset, file, _write_durably(directory, file, table), table.num_rows)
    row = {"dataset": dataset, "file": file, "sha256": segment.sha256, "rows": segment.rows, "added_by": added_by}
    conn.execute(insert(lake_segment).values(row))
    return segment  # crash point B until the caller commits


def segments(conn: Connection, dataset: str | None = None) -> list[Segment]:
    """The segments that the manifest names, oldest first; of one dataset or of all."""
    columns = (lake_segment.c.dataset, lake_segment.c.file, lake_segment.c.sha256, lake_segment.c.rows)
    query = select(*columns).order_by(lake_segment.c.id)
    if dataset is not None:
        query = query.where(lake_segment.c.dataset == dataset)
    return [Segment(*row) for row in conn.execute(query)]


def retire(conn: Connection, retired: Iterable[Segment]) -> None:
    """Take segments off the manifest; their files go with the next `garbage`, after the caller has committed."""
    _need_write_lock(conn)
    files = [segment.file for segment in retired]
    for start in range(0, len(files), 500):
        conn.execute(delete(lake_segment).where(lake_segment.c.file.in_(files[start : start + 500])))
    if files:
        conn.info[_RETIRED] = conn.get_transaction()


def rewrite_without(
    conn: Connection, directory: Path, nos: Collection[int], added_by: str, *, derived: bool = False
) -> dict[str, int]:
    """Write every segment that mentions one of these persons again without them; rows removed per dataset.

    Touches what people did, or with `derived` (when the evidence ends) only the copies of derived state. The manifest
    changes in the caller's write transaction; call `garbage` in the next one to unlink the old files.
    """
    _need_write_lock(conn)
    gone = pa.array(sorted(nos), type=pa.int64())
    removed: dict[str, int] = {}
    for segment in segments(conn):
        if segment.dataset.startswith(DERIVED) != derived:
            continue
        with pq.ParquetFile(directory / segment.file) as file:
            hit = pc.is_in(file.read(columns=["_no"]).column("_no"), value_set=gone)
            count = pc.sum(hit).as_py() or 0
            if not count:
                continue
            kept = file.read().filter(pc.invert(hit))
        if kept.num_rows:
            add_segment(conn, directory, segment.dataset, kept, added_by)
        retire(conn, [segment])
        removed[segment.dataset] = removed.get(segment.dataset, 0) + count
    return removed  # crash point C between the caller's commit and `garbage`


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
    for path in unlisted:
        path.unlink()
    if unlisted:
        _sync(directory)
    return len(unlisted)


def existing_rows(conn: Connection, directory: Path, dataset: str, row_ids: Collection[str]) -> set[str]:
    """Which of these row ids the dataset already holds, so that loading a file twice adds nothing."""
    wanted = pa.array(row_ids, type=pa.string())
    found: set[str] = set()
    for segment in segments(conn, dataset):
        with pq.ParquetFile(directory / segment.file) as file:
            column = file.read(columns=["_row"]).column("_row")
        found.update(column.filter(pc.is_in(column, value_set=wanted)).to_pylist())
    return found


def check(conn: Connection, directory: Path) -> list[str]:
    """What is wrong with the lake, one sentence each: files that are missing or whose bytes have changed."""
    problems = []
    for segment in segments(conn):
        path = directory / segment.file
        if not path.exists():
            problems.append(f"a segment of `{segment.dataset}` is missing: `{segment.file}`")
        elif _sha256(path) != segment.sha256:
            problems.append(f"a segment of `{segment.dataset}` has changed since it was written: `{segment.file}`")
    return problems


def _write_durably(directory: Path, file: str, table: pa.Table) -> str:
    part = directory / file.replace(_SUFFIX, _UNFINISHED)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        pq.write_table(table.replace_schema_metadata(None), out, compression="zstd", row_group_size=122_880)
        out.flush()
        os.fsync(out.fileno())
    found = _sha256(part)  # crash point A
    part.rename(directory / file)
    _sync(directory)
    return found


def _ours(directory: Path) -> list[Path]:
    return [path for path in directory.iterdir() if path.name.endswith((_SUFFIX, _UNFINISHED))]


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
