"""Read CSV and Parquet files in batches, so that one bad row never costs the others.

A CSV file is read as bytes, line by line; each line is decoded and split on its own, and a line that cannot be is set
aside as it stands. A quoted field may span lines, up to a limit: a quote that is never closed costs one line, not the
rest of the file.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from pacte.intake.check import Moment
from pacte.intake.mapping import Source
from pacte.kernel.errors import BadInput, PacteError
from pacte.kernel.instant import DAY, SECOND

BATCH = 25_000
"""Rows per batch, and per transaction of a load: larger ones read fewer people's states again, smaller ones let others
write in between sooner."""
BLOCK = 64 * 1024
"""Bytes of a CSV file that are split at once; a row among them that needs a second look costs one for all of them."""
FIELD_CHARACTERS = 64 * 1024
LINE_BYTES = 16 * 1024 * 1024
"""A longer line is set aside by its first part, its length and its digest; the file itself still holds it."""
RECORD_LINES = 200
RECORD_BYTES = 512 * 1024
"""How far a quoted field may span before its quote counts as never closed."""

Progress = Callable[[int, int], None]
"""Called with (done, total): bytes of a CSV file, rows of a Parquet file."""


@dataclass(frozen=True, slots=True)
class Aside:
    """A row that cannot enter: its line (or row number, from 1), the reason code, the column at fault, the row itself.

    `row` holds the mapped columns only, or the bytes of a line that could not be split into columns.
    """

    line: int
    reason: str
    column: str
    row: Mapping[str, Any] | bytes


@dataclass(slots=True)
class Batch:
    """Up to `BATCH` rows, column by column, and the rows among them that could not be read."""

    lines: list[int]
    columns: dict[str, list[Any]]
    aside: list[Aside] = field(default_factory=list)

    def row(self, position: int) -> dict[str, Any]:
        """One row with its mapped columns."""
        cells = {name: column[position] for name, column in self.columns.items()}
        return {name: str(cell) if isinstance(cell, Moment) else cell for name, cell in cells.items()}

    def __len__(self) -> int:
        return len(self.lines)


@dataclass(frozen=True, slots=True)
class Table:
    """An opened file: its columns, which of them the mapping does not name, and its rows."""

    digest: str
    undeclared: tuple[str, ...]
    batches: Iterator[Batch]


def open_table(path: Path, source: Source, progress: Progress | None = None) -> Table:
    """Open a file for reading under one source of the mapping.

    Raises `BadInput` when the file as a whole cannot be read: missing, empty, no header line, a column that the mapping
    names is absent or there twice, not Parquet.
    """
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        raise BadInput(f"the file `{path.name}` cannot be read") from None
    if source.format == "parquet":
        return _open_parquet(path, source, digest, progress)
    return _open_csv(path, source, digest, progress)


def _open_csv(path: Path, source: Source, digest: str, progress: Progress | None) -> Table:
    lines = _Lines(path)
    rows = _records(lines, source)
    header = next(rows, None)
    if header is None:
        raise BadInput(f"the file `{path.name}` is empty; expected a header line that names the columns")
    if isinstance(header, Aside):
        raise BadInput(f"the header line of `{path.name}` cannot be read ({header.reason}); expected {source.encoding}")
    names = [name.strip() for name in header.fields]
    undeclared = _check_header(path.name, names, source)
    return Table(digest, undeclared, _csv_batches(lines, rows, names, source, progress))


def _csv_batches(
    lines: _Lines, rows: Iterator[_Record | Aside], names: list[str], source: Source, progress: Progress | None
) -> Iterator[Batch]:
    wanted = [(position, name) for position, name in enumerate(names) if name in source.columns()]
    width = len(names)
    batch = Batch([], {name: [] for _, name in wanted})

    def add(numbers: Sequence[int], fields: Sequence[Sequence[str]]) -> None:
        batch.lines += numbers
        for position, name in wanted:
            batch.columns[name] += fields[position]

    while (piece := _piece(lines, rows, source, width, BATCH - len(batch) - len(batch.aside))) is not None:
        if isinstance(piece, Aside):
            batch.aside.append(piece)
        elif isinstance(piece, _Record):
            if len(piece.fields) == width:
                add([piece.line], [[field] for field in piece.fields])
            else:
                batch.aside.append(Aside(piece.line, "wrong_column_count", "", piece.raw))
        else:
            add(*piece)
        if len(batch) + len(batch.aside) >= BATCH:
            yield batch
            batch = Batch([], {name: [] for _, name in wanted})
            if progress:
                progress(lines.done, lines.size)
    if batch.lines or batch.aside:
        yield batch
    if progress:
        progress(lines.size, lines.size)


def _piece(
    lines: _Lines, rows: Iterator[_Record | Aside], source: Source, width: int, most: int
) -> _Record | Aside | tuple[Sequence[int], Sequence[Sequence[str]]] | None:
    """What comes next in a file: up to `most` rows (their lines, their columns) where nothing is unusual, else one."""
    # Between two records the reader behind `rows` has taken no line that it did not use.
    block = lines.block(most)
    if block is None:
        return next(rows, None)
    columns = _plain_columns(block.raw, source, width)
    if columns is None:
        lines.put_back(block.lines())
        return next(rows, None)
    return range(block.first, block.first + len(columns[0])), columns


def _plain_columns(raw: bytes, source: Source, width: int) -> list[tuple[str, ...]] | None:
    """The columns of whole lines of which each is a sound row; `None` where one is not, or is part of a longer row."""
    if b"\0" in raw:
        return None
    try:
        lines = raw.decode(source.encoding).removesuffix("\n").split("\n")
        rows = list(csv.reader(lines, delimiter=source.delimiter, strict=True))
    except (UnicodeDecodeError, csv.Error):
        return None
    # As many rows as lines: no quote was open at the end of a line. No field is too long in so few bytes.
    if len(rows) != len(lines) or set(map(len, rows)) != {width}:
        return None
    return list(zip(*rows, strict=True))


@dataclass(frozen=True, slots=True)
class _Block:
    """Whole lines of a file, and the number of the first."""

    first: int
    raw: bytes

    def lines(self) -> list[tuple[int, bytes, int]]:
        """Each line as `_Lines.take` gives it."""
        found = self.raw.removesuffix(b"\n").split(b"\n")
        return [(number, line + b"\n", len(line) + 1) for number, line in enumerate(found, self.first)]


@dataclass(frozen=True, slots=True)
class _Record:
    line: int
    fields: list[str]
    raw: bytes


class _Broken(PacteError):
    """The record that is being read cannot be finished."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class _Lines:
    """The physical lines of a file with their numbers; lines can be put back."""

    def __init__(self, path: Path) -> None:
        self.size = path.stat().st_size
        self.done = 0
        self._number = 0
        self._back: deque[tuple[int, bytes, int]] = deque()
        self._file: BinaryIO = path.open("rb")
        start = self._file.read(3)
        if start != codecs.BOM_UTF8:
            self._file.seek(0)

    def take(self) -> tuple[int, bytes, int] | None:
        """(number, bytes, whole length) of the next line; the bytes of an endless one are cut."""
        if self._back:
            return self._back.popleft()
        # Lines may be put back and read again after the end was met.
        line = b"" if self._file.closed else self._file.readline(LINE_BYTES)
        if not line:
            self._file.close()
            return None
        length = len(line)
        while not line.endswith(b"\n") and (more := self._file.readline(LINE_BYTES)):
            length += len(more)
            if more.endswith(b"\n"):
                break
        self._number += 1
        self.done += length
        return self._number, line, length

    def block(self, most: int) -> _Block | None:
        """Up to `most` of the next lines at once, as fit into `BLOCK`; `None` where there is no whole line in it."""
        if self._back or self._file.closed:
            return None
        raw = self._file.read(BLOCK)
        whole = raw.rfind(b"\n") + 1
        if raw.count(b"\n") > most:
            whole = len(raw) - len(raw.split(b"\n", most)[most])
        self._file.seek(whole - len(raw), os.SEEK_CUR)
        if not whole:
            return None
        block = _Block(self._number + 1, raw[:whole])
        self._number += block.raw.count(b"\n")
        self.done += whole
        return block

    def put_back(self, lines: Sequence[tuple[int, bytes, int]]) -> None:
        """Let these lines be read again."""
        self._back.extendleft(reversed(lines))


def _records(lines: _Lines, source: Source) -> Iterator[_Record | Aside]:
    used: list[tuple[int, bytes, int]] = []
    size = 0

    def feed() -> Iterator[str]:
        # The csv reader asks for another line only while a quote is open.
        nonlocal size
        while (taken := lines.take()) is not None:
            used.append(taken)
            _, line, length = taken
            size += length
            if length > LINE_BYTES:
                raise _Broken("field_too_long")
            if len(used) > 1 and (len(used) > RECORD_LINES or size > RECORD_BYTES):
                raise _Broken("open_quote")
            if b"\0" in line:
                raise _Broken("nul_byte")
            try:
                yield line.decode(source.encoding)
            except UnicodeDecodeError:
                raise _Broken("bad_encoding") from None

    reader = csv.reader(feed(), delimiter=source.delimiter, strict=True)
    while True:
        used.clear()
        size = 0
        try:
            fields = next(reader, None)
        except (_Broken, csv.Error) as error:
            number, line, length = used[0]
            # Whatever followed the first line may be sound on its own; `feed` begins anew with it.
            lines.put_back(used[1:])
            yield Aside(number, _reason(error), "", _head(line, length))
            reader = csv.reader(feed(), delimiter=source.delimiter, strict=True)
            continue
        if fields is None:
            return
        if not fields:
            continue  # a blank line
        number = used[0][0]
        raw = used[0][1] if len(used) == 1 else b"".join(line for _, line, _ in used)
        if size > FIELD_CHARACTERS and any(len(value) > FIELD_CHARACTERS for value in fields):
            yield Aside(number, "field_too_long", "", raw)
        else:
            yield _Record(number, fields, raw)


def _reason(error: Exception) -> str:
    if isinstance(error, _Broken):
        return error.reason
    if "field larger" in str(error):
        return "field_too_long"
    return "open_quote" if "unexpected end" in str(error) else "bad_quotes"


def _head(line: bytes, length: int) -> bytes:
    if length <= LINE_BYTES:
        return line
    return line[:FIELD_CHARACTERS] + f"\n[cut: {length} bytes]".encode()


def _check_header(file: str, names: list[str], source: Source) -> tuple[str, ...]:
    needed = source.columns()
    missing = sorted(needed - set(names))
    if len(missing) == len(needed):
        raise BadInput(f"`{file}` has no header line, or not this source's: none of the mapped columns is named in it")
    if missing:
        listed = ", ".join(f"`{name}`" for name in missing)
        raise BadInput(f"`{file}` lacks columns that source `{source.name}` of the mapping names: {listed}")
    for position, name in enumerate(names):
        if name in names[:position]:
            raise BadInput(f"columns {names.index(name) + 1} and {position + 1} of `{file}` have the same name")
    return tuple(name for name in names if name not in needed)


def _open_parquet(path: Path, source: Source, digest: str, progress: Progress | None) -> Table:
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError):
        raise BadInput(f"`{path.name}` is not a Parquet file, or a damaged one") from None
    undeclared = _check_header(path.name, list(file.schema_arrow.names), source)
    for name in source.columns():
        if pa.types.is_nested(file.schema_arrow.field(name).type):
            raise BadInput(f"column `{name}` of `{path.name}` holds lists or structures; expected one value per row")
    return Table(digest, undeclared, _parquet_batches(file, path, source, progress))


def _parquet_batches(file: pq.ParquetFile, path: Path, source: Source, progress: Progress | None) -> Iterator[Batch]:
    total, done = file.metadata.num_rows, 0
    columns = [name for name in file.schema_arrow.names if name in source.columns()]
    try:
        for part in file.iter_batches(BATCH, columns=columns):
            lines = list(range(done + 1, done + part.num_rows + 1))
            yield Batch(lines, {name: _values(part.column(name)) for name in columns})
            done += part.num_rows
            if progress:
                progress(done, total)
    except (pa.ArrowException, OSError):
        raise BadInput(f"`{path.name}` is a damaged Parquet file; {done} of {total} rows were read") from None
    finally:
        file.close()


_UNITS = {"s": (SECOND, 1), "ms": (1_000, 1), "us": (1, 1), "ns": (1, 1_000)}
"""Units of Parquet's times: by how much to multiply, then to divide, for microseconds."""


def _moments(column: pa.Array, times: int, over: int) -> list[Any]:
    # Counted by Python, which has no largest number: a time that cannot be costs its own row only.
    return [None if count is None else Moment(count * times // over) for count in column.to_pylist()]


def _values(column: pa.Array) -> list[Any]:
    kind = column.type
    if pa.types.is_timestamp(kind):  # a time without a zone is UTC
        times, over = _UNITS[kind.unit]
        return _moments(column.cast(pa.int64()), times, over)
    if pa.types.is_date32(kind):
        return _moments(column.cast(pa.int32()), DAY, 1)
    if pa.types.is_date64(kind):
        return _moments(column.cast(pa.int64()), *_UNITS["ms"])
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        column = column.cast(pa.string())  # older writers do not mark texts as such
    if pa.types.is_floating(kind):
        return [None if value != value else value for value in column.to_pylist()]  # NaN stands for nothing
    return list(column.to_pylist())
