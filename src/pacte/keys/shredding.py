"""Shredding: a key is overwritten, the log that may still hold it is cut, a tombstone says so.

Two commits with the cut between them. Crash points: before the intent, nothing happened; after it the key is gone from
the database and may linger in the write-ahead log; after the cut it is gone; after the tombstone this is recorded.
Whoever comes back after a crash finds the intent and concludes it. Every step may be done twice.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from pacte.kernel.db import fetch
from pacte.kernel.instant import Instant
from pacte.keys.service import VERSION_BYTES, version_of

KINDS = ("data", "evidence", "house")
"""What a shredded key was: one of a person's two, or the house's own."""
NO_KEY = bytes(VERSION_BYTES)
"""What stands in place of a key that never was here, so that it can never be drawn."""


@dataclass(frozen=True, slots=True)
class Tombstone:
    """A shredded key: `name` (a subject, or a house key's name), `which` (one of `KINDS`), when, which epoch.

    `epoch` is the newest version of the key-encryption key that may have wrapped it.
    """

    name: str
    which: str
    at: Instant
    epoch: int


def intend(connection: Connection, names: Sequence[str], which: str, at: Instant, epoch: int) -> None:
    """The first commit: the intent, and zeros over the keys, in one transaction. Keys shredded before are left out."""
    table, name, column = ("keys_house", "name", "wrapped") if which == "house" else ("keys_person", "subject", which)
    blank = {"house": "name, wrapped"}.get(which, "subject, data, evidence")
    zeros = (NO_KEY,) if which == "house" else (NO_KEY, NO_KEY)
    done = "NOT EXISTS (SELECT 1 FROM keys_tombstone AS t WHERE t.name = ? AND t.which = ?)"
    _each(
        connection,
        f"INSERT INTO {table} ({blank}) VALUES (?{', ?' * len(zeros)}) ON CONFLICT DO NOTHING",
        [(each, *zeros) for each in names],
    )
    _each(
        connection,
        f"INSERT INTO keys_intent (name, which, at, epoch) SELECT ?, ?, ?, ? WHERE {done} ON CONFLICT DO NOTHING",
        [(each, which, at, epoch, each, which) for each in names],
    )
    _each(
        connection,
        f"UPDATE {table} SET {column} = zeroblob(length({column})) WHERE {name} = ?",
        [(each,) for each in names],
    )


def newest(connection: Connection, names: Sequence[str], which: str) -> int:
    """The newest version that one of these keys is wrapped under; 0 when all were shredded or never drawn."""
    table, name, column = ("keys_house", "name", "wrapped") if which == "house" else ("keys_person", "subject", which)
    query = f"SELECT {column} FROM json_each(?) AS wanted JOIN {table} ON {name} = wanted.value"
    return max((version_of(wrapped) for (wrapped,) in fetch(connection, query, (json.dumps(list(names)),))), default=0)


def pending(connection: Connection) -> list[tuple[str, str]]:
    """Shreddings begun and not concluded, as (name, which)."""
    rows = connection.exec_driver_sql("SELECT name, which FROM keys_intent ORDER BY name, which")
    return [(name, which) for name, which in rows]


def conclude(connection: Connection, begun: Sequence[tuple[str, str]]) -> None:
    """The second commit, after the log was cut: each intent becomes a tombstone."""
    _each(
        connection,
        "INSERT INTO keys_tombstone (name, which, at, epoch)"
        " SELECT name, which, at, epoch FROM keys_intent WHERE name = ? AND which = ? ON CONFLICT DO NOTHING",
        begun,
    )
    _each(connection, "DELETE FROM keys_intent WHERE name = ? AND which = ?", begun)


def tombstones(connection: Connection) -> list[Tombstone]:
    """All keys shredded so far, oldest first."""
    rows = connection.exec_driver_sql("SELECT name, which, at, epoch FROM keys_tombstone ORDER BY at, name, which")
    return [Tombstone(*row) for row in rows]


def _each(connection: Connection, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
    if rows:
        connection.exec_driver_sql(statement, list(rows))
