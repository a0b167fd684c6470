"""Drafts: Parquet files that are being written and that no manifest names yet.

A draft may be written without the write lock, for as long as it takes: it holds a lock of its own on its file, which
the operating system lets go of when the process ends, so that `segments.garbage` spares what somebody is still writing
and finds what nobody is. `segments.adopt` makes segments of drafts.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
from collections.abc import Collection, Iterable
from pathlib import Path
from types import TracebackType

import pyarrow as pa
import pyarrow.parquet as pq

SUFFIX = ".parquet"
UNFINISHED = ".parquet.part"

ROW_GROUP = 122_880
"""Rows that are compressed together: what DuckDB hands to one thread."""


class Draft:
    """One file of a dataset while it grows. `packed` names sorted or similar integers, stored as their differences."""

    def __init__(self, directory: Path, dataset: str, schema: pa.Schema, packed: Collection[str] = ()) -> None:
        self.dataset = dataset
        self.rows = 0
        self.sha256 = ""
        self.directory = directory
        self._schema = schema.remove_metadata()
        self._waiting: list[pa.Table] = []
        self._path = directory / (secrets.token_hex(16) + UNFINISHED)
        self._file = os.fdopen(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        encodings = {"use_dictionary": True} if not packed else _packed(schema, packed)
        self._writer = pq.ParquetWriter(self._file, self._schema, compression="zstd", **encodings)

    def write(self, table: pa.Table) -> None:
        """Add rows; they are kept until there are enough for a row group."""
        self._waiting.append(table.select(self._schema.names).cast(self._schema))
        self.rows += table.num_rows
        if sum(part.num_rows for part in self._waiting) >= ROW_GROUP:
            self._flush(whole=True)

    def finish(self) -> Draft:
        """Make the rows durable. The draft stays locked until it is adopted or discarded."""
        self._flush(whole=False)
        self._writer.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        with self._path.open("rb") as written:
            self.sha256 = hashlib.file_digest(written, "sha256").hexdigest()
        return self

    def name(self) -> str:
        """Give the file its final name, which only the holder of the write lock may do; returns the name."""
        target = self.directory / self._path.name.replace(UNFINISHED, SUFFIX)
        self._path.rename(target)
        self._path = target
        self._file.close()
        return target.name

    def discard(self) -> None:
        """Remove a draft that was not named, finished or not; for the others this does nothing."""
        if self._path.name.endswith(UNFINISHED):
            self._path.unlink(missing_ok=True)
            self._waiting.clear()
            self._file.close()

    def _flush(self, *, whole: bool) -> None:
        if not self._waiting:
            return
        table = pa.concat_tables(self._waiting)
        ready = table.num_rows // ROW_GROUP * ROW_GROUP if whole else table.num_rows
        self._writer.write_table(table.slice(0, ready), row_group_size=ROW_GROUP)
        self._waiting = [table.slice(ready)] if ready < table.num_rows else []


class Drafts:
    """The drafts of one piece of work: all of them are adopted, or none remains."""

    def __init__(self, directory: Path, most: int = 4_000_000) -> None:
        self._directory = directory
        self._most = most
        self._open: dict[str, Draft] = {}
        self.finished: list[Draft] = []

    def write(self, dataset: str, table: pa.Table, packed: Collection[str] = ()) -> None:
        """Add rows to a dataset; a file that has grown to its greatest size is followed by another."""
        draft = self._open.get(dataset)
        if draft is None:
            draft = self._open[dataset] = Draft(self._directory, dataset, table.schema, packed)
        draft.write(table)
        if draft.rows >= self._most:
            self.end([dataset])

    def end(self, datasets: Iterable[str] | None = None) -> list[Draft]:
        """Finish what is open, of these datasets or of all; returns every finished draft so far."""
        for dataset in list(self._open) if datasets is None else list(datasets):
            if (draft := self._open.pop(dataset, None)) is not None:
                self.finished.append(draft)
                draft.finish()
        return self.finished

    def __enter__(self) -> Drafts:
        return self

    def __exit__(self, _type: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        for draft in (*self._open.values(), *self.finished):
            draft.discard()


def is_abandoned(path: Path) -> bool:
    """Whether nobody is writing this unfinished file any more."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # locked by who writes it, or gone meanwhile
        return False
    return True


def _packed(schema: pa.Schema, packed: Collection[str]) -> dict[str, object]:
    rest = [name for name in schema.names if name not in packed]
    return {"use_dictionary": rest, "column_encoding": dict.fromkeys(packed, "DELTA_BINARY_PACKED")}
