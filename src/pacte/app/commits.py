"""What the committer remembers of its own work: under which keys it answered, and which batch of whom was recorded."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import Column, Connection, Index, String, Table

from pacte.kernel import db
from pacte.kernel.db import Int64, metadata
from pacte.kernel.errors import BadInput
from pacte.kernel.instant import DAY, Instant

KEPT = 30 * DAY
"""How long a key answers with the first result, in microseconds; a caller that tries again later is a new caller."""

commit_key = Table(
    "commit_key",
    metadata,
    Column("key", String(64), primary_key=True),  # SHA-256 of the caller's key: it may hold anything
    Column("entry", Int64, nullable=False),  # the first ledger entry of the result
    Column("size", Int64, nullable=False),  # the size of the ledger after its last entry
    Column("at", Int64, nullable=False),
    Column("said", String(64)),  # a keyed digest of all that the call said, where it may say nothing else
    sqlite_with_rowid=False,
)
Index("commit_key_at", commit_key.c.at)

commit_batch = Table(
    "commit_batch",
    metadata,
    Column("committer", String(32), primary_key=True),
    Column("batch", Int64, nullable=False),  # the last one of this committer that was recorded
    Column("at", Int64, nullable=False),
    sqlite_with_rowid=False,
)


@dataclass(frozen=True, slots=True)
class First:
    """What the first call with a key recorded: entries `entry` to `size - 1`, at the instant `at`; `said` names it."""

    entry: int
    size: int
    at: Instant
    said: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """One batch of one committer; its row says, in the batch's own transaction, that it was recorded."""

    committer: str
    batch: int


class KeyReused(BadInput):
    """A key that named another call before."""

    def __init__(self) -> None:
        super().__init__("the key of this call was used for something else; draw a new key for each call")


def hashed(key: str) -> str:
    """A caller's key as it is stored."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def firsts(conn: Connection, keys: Collection[str]) -> dict[str, First]:
    """By hashed key: what was recorded under it, for those that were used before."""
    if not keys:
        return {}
    asked = f"{db.among(conn, 'text')} AS asked CROSS JOIN commit_key AS k"
    rows = db.fetch(
        conn,
        f"SELECT k.key, k.entry, k.size, k.at, k.said FROM {asked} WHERE k.key = asked.value",
        (db.listed(conn, list(keys)),),
    )
    return {key: First(entry, size, Instant(at), said or "") for key, entry, size, at, said in rows}


def remember(conn: Connection, used: Sequence[tuple[str, First]]) -> None:
    """Keep the result of each hashed key."""
    rows = [(key, first.entry, first.size, first.at, first.said or None) for key, first in used]
    db.insert(conn, "commit_key", ("key", "entry", "size", "at", "said"), rows)


def mark(conn: Connection, batch: Mark, at: Instant) -> None:
    """Say that a batch is recorded, if this transaction is."""
    sql = (
        "INSERT INTO commit_batch (committer, batch, at) VALUES (?, ?, ?) "
        "ON CONFLICT (committer) DO UPDATE SET batch = excluded.batch, at = excluded.at"
    )
    db.tell(conn, sql, (batch.committer, batch.batch, at))


def marked(conn: Connection, batch: Mark) -> bool:
    """Whether a batch was recorded. In a write transaction: a commit that is still under way has then ended."""
    sql = "SELECT 1 FROM commit_batch WHERE committer = ? AND batch >= ?"
    return bool(db.fetch(conn, sql, (batch.committer, batch.batch)))


def prune(conn: Connection, now: Instant) -> int:
    """Forget keys and batches whose end has come; returns how many keys."""
    db.run(conn, "DELETE FROM commit_batch WHERE at < ?", (now - KEPT,))
    return db.run(conn, "DELETE FROM commit_key WHERE at < ?", (now - KEPT,)).rowcount
