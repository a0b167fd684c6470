"""Rows in bulk between Arrow and PostgreSQL: `COPY` on its side, CSV in between, both written and read by libraries.

Types that pass: text, 64-bit integers, decimals, dates, booleans, and null in each; an empty text is no null.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv
from sqlalchemy import Connection

from pacte.kernel import db
from pacte.kernel.errors import Unsafe

TOGETHER = 16_384
"""Rows that are written out as text at once."""
BLOCK = 1 << 22
"""Bytes that are read back at once; no single row may be longer."""


def send(conn: Connection, table: str, columns: Iterable[str], rows: Iterable[pa.Table | pa.RecordBatch]) -> int:
    """Add rows to a table (`table` and `columns` are SQL); answers how many."""
    options, count = pacsv.WriteOptions(include_header=False, batch_size=TOGETHER), 0
    with _driver(conn) as cursor, cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT csv)") as copy:
        for part in rows:
            for start in range(0, part.num_rows, TOGETHER):
                text = io.BytesIO()
                pacsv.write_csv(part.slice(start, TOGETHER), text, options)
                copy.write(text.getbuffer())
            count += part.num_rows
    return count


def receive(conn: Connection, query: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The answer of a query without parameters, whose columns are those of `schema`, in their order."""
    with _driver(conn) as cursor, cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT csv)") as copy:
        text = _Text(copy)
        if not text.more():  # Arrow refuses to read nothing
            return
        yield from pacsv.open_csv(
            pa.PythonFile(text, mode="r"),
            read_options=pacsv.ReadOptions(column_names=schema.names, block_size=BLOCK, use_threads=False),
            parse_options=pacsv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
            convert_options=pacsv.ConvertOptions(
                column_types={field.name: field.type for field in schema},
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                true_values=["t"],
                false_values=["f"],
            ),
        )


class _Text(io.RawIOBase):
    """What a `COPY` sends, as a file."""

    def __init__(self, copy: Any) -> None:
        self._copy = copy
        self._held = bytearray()

    def more(self) -> bool:
        """Whether anything comes at all."""
        self._held += self._copy.read()
        return bool(self._held)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while size < 0 or len(self._held) < size:
            part = self._copy.read()
            if not part:
                break
            self._held += part
        size = len(self._held) if size < 0 else size
        found = bytes(self._held[:size])
        del self._held[:size]
        return found


@contextmanager
def _driver(conn: Connection) -> Iterator[Any]:
    driver: Any = conn.connection.driver_connection
    try:
        with driver.cursor() as cursor:
            yield cursor
    except (*db.driver_errors(), pa.ArrowInvalid):
        # Their messages are kept out: they carry values.
        raise Unsafe(
            "the database refused rows of the lake, or the connection was lost; nothing was recorded"
        ) from None
