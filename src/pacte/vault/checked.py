"""A keyed check value on every row that leads to a person or suppresses an address: a row changed by hand is found.

Somebody with access to the database and not to the keys could make one person's address lead to another, and so give
the one what is the other's. Each row of the index and of the suppression list carries 16 bytes of HMAC-SHA256 over all
its columns, under a house key of its own. That a row was taken away is not shown by it.
Source: RFC 2104 §5 (truncation).
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import Connection, Table

from pacte.kernel import db
from pacte.kernel.errors import Unsafe
from pacte.keys.store import KeyStore
from pacte.vault.tables import INDEX, SUPPRESSED

HOUSE_KEY = "vault-rows"
CHECK_BYTES = 16
CHECKED = (INDEX, SUPPRESSED)
"""The tables whose rows end in `checked`, over the columns before it but the slot."""
BATCH = 20_000


def key_of(keys: KeyStore) -> bytes:
    """The key of all check values."""
    return keys.house_key(HOUSE_KEY)


def with_check(key: bytes, table: Table, rows: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The rows, each followed by its check value."""
    start = table.name.encode()
    return [(*row, _check_value(key, start, row)) for row in rows]


def genuine(key: bytes, table: Table, rows: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The rows without their check values; raises `Unsafe` when one was changed by somebody without the keys."""
    found = list(rows)
    wrong = sum(not _holds(key, table, row) for row in found)
    if wrong:
        raise Unsafe(
            f"{wrong} rows of `{table.name}` were changed behind the house's back: they cannot be trusted; "
            "run `pacte doctor`, and put back the newest copy of the records"
        )
    return [row[:-1] for row in found]


def altered(connection: Connection, keys: KeyStore) -> dict[str, int]:
    """How many rows of each table do not carry the check value that the house gave them; reads all of them."""
    key = key_of(keys)
    return {table.name: sum(not _holds(key, table, row) for _, row in _rows(connection, table)) for table in CHECKED}


def check_old_rows(connection: Connection, keys: KeyStore) -> int:
    """Give rows from before there were check values theirs; answers how many. Only a migration may do this."""
    key, done = key_of(keys), 0
    for table in CHECKED:
        unchecked = [(slot, row) for slot, row in _rows(connection, table) if row[-1] is None]
        fresh = with_check(key, table, [row[:-1] for _, row in unchecked])
        values = [(row[-1], slot) for row, (slot, _) in zip(fresh, unchecked, strict=True)]
        done += db.run_many(connection, f"UPDATE {table.name} SET checked = ? WHERE slot = ?", values)
    return done


def columns(table: Table) -> str:
    """The columns, as `genuine` wants them selected."""
    return ", ".join(column.name for column in table.columns if not column.primary_key)


def _rows(connection: Connection, table: Table) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """(slot, row with its check value) of every row that is not blank, a batch at a time."""
    query = f"SELECT slot, {columns(table)} FROM {table.name} WHERE slot > ? ORDER BY slot LIMIT ?"
    last = -1
    while rows := db.fetch(connection, query, (last, BATCH)):
        yield from ((slot, tuple(row)) for slot, *row in rows if any(value is not None for value in row))
        last = rows[-1][0]


def _holds(key: bytes, table: Table, row: tuple[Any, ...]) -> bool:
    *values, check = row
    return check is not None and hmac.compare_digest(check, _check_value(key, table.name.encode(), values))


def _check_value(key: bytes, start: bytes, values: Iterable[Any]) -> bytes:
    # Each value says its length, so that no two rows have the same message.
    message = start
    for value in values:
        part = value if isinstance(value, bytes) else str(value).encode()
        message += b"\x00%d\x00%b" % (len(part), part)
    return hmac.digest(key, message, "sha256")[:CHECK_BYTES]
