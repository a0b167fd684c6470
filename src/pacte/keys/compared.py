"""How far the key store was compared with a ledger: what was shredded until then, and what the ledger said until then.

Whoever opens a house holds every tombstone against the ledger, and every erasure of the ledger against the tombstones.
Of a house with a hundred thousand erasures only the newest are looked at again: the mark lies beside the tombstones, so
that it goes back with them, and names a checkpoint, so that it speaks for no other and no older ledger.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Column, Connection, Integer, LargeBinary, Table, Text

from pacte.keys.tables import key_metadata

_TABLE = Table(
    "keys_compared",
    key_metadata,
    Column("vkey", Text, primary_key=True),
    Column("shreddings", Integer, nullable=False),
    Column("size", Integer, nullable=False),
    Column("root", LargeBinary(32), nullable=False),
)


@dataclass(frozen=True, slots=True)
class Mark:
    """The first `shreddings` tombstones and the first `size` entries (under `root`) of the log of `vkey` agreed."""

    vkey: str
    shreddings: int
    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Shredded:
    """The (name, which) of every key shredded since the mark, if there is one; `shreddings` are all there are."""

    mark: Mark | None
    since: Collection[tuple[str, str]]
    shreddings: int


def shredded(connection: Connection, vkey: str) -> Shredded:
    """What was shredded since the store was last compared with the log of this verifier key."""
    mark = _mark(connection, vkey)
    # Tombstones are numbered as they come (rowid) and never go.
    query = "SELECT rowid, name, which FROM keys_tombstone WHERE rowid > ? ORDER BY rowid"
    rows = connection.exec_driver_sql(query, (0 if mark is None else mark.shreddings,)).all()
    last = rows[-1][0] if rows else 0 if mark is None else mark.shreddings
    return Shredded(mark, [(name, which) for _, name, which in rows], last)


def remember(connection: Connection, mark: Mark) -> None:
    """Keep the mark in the place of any other."""
    _TABLE.create(connection, checkfirst=True)  # stores of earlier versions have none
    connection.exec_driver_sql("DELETE FROM keys_compared")
    row = (mark.vkey, mark.shreddings, mark.size, mark.root)
    connection.exec_driver_sql("INSERT INTO keys_compared (vkey, shreddings, size, root) VALUES (?, ?, ?, ?)", row)


def _mark(connection: Connection, vkey: str) -> Mark | None:
    if not connection.exec_driver_sql("SELECT 1 FROM sqlite_master WHERE name = 'keys_compared'").first():
        return None
    row = connection.exec_driver_sql("SELECT * FROM keys_compared WHERE vkey = ?", (vkey,)).first()
    return None if row is None else Mark(*row)
