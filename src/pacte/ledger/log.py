"""The append-only log: entries go in together, in order, under one signed head, and are read back by index.

All writing happens in the caller's write transaction, so that entries commit with what they say happened. The head and
its signed checkpoint are written last: a transaction that fails anywhere leaves no trace of any of it.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError

from pacte.kernel import crash, db
from pacte.kernel.canonical import Json
from pacte.kernel.errors import BadInput, Conflict, NotFound, Unsafe
from pacte.kernel.instant import Instant
from pacte.ledger.bulk import bodies
from pacte.ledger.checkpoint import sign_checkpoint
from pacte.ledger.entries import Entry
from pacte.ledger.merkle import Frontier
from pacte.ledger.note import Signer
from pacte.ledger.tables import ABOUT, BULK, RARE, entry_table, head_table
from pacte.ledger.tree import TILE, prove_consistency, prove_inclusion, root_at, tlog_proof

__all__ = [
    "AppendResult",
    "Continued",
    "Head",
    "Tip",
    "append",
    "create",
    "entries",
    "entry",
    "head",
    "leaf",
    "of_kind",
    "of_subject",
    "opening",
    "prove_consistency",
    "prove_inclusion",
    "redact",
    "root_at",
    "tip",
    "tlog_proof",
    "use_of",
]

SALT = 16
"""Random bytes before each body, so that a short body cannot be guessed from its commitment."""

_CHUNK = 10_000
_COLUMNS = ("idx", "kind", "subject", "use", "leaf", "salt", "body")
_REFUSED = ("23505", "P0001")
"""What PostgreSQL answers for a value that is there already, and for what a trigger refuses."""


@dataclass(frozen=True, slots=True)
class Head:
    """The state of the log: how many entries, the root over them, the last entry's time, the signed checkpoint."""

    size: int
    root: bytes
    time: Instant
    checkpoint: str
    vkey: str


@dataclass(frozen=True, slots=True)
class AppendResult:
    """Where the entries went: indices `first_index` to `size - 1`, all at the instant `at`.

    `skew` is by how many microseconds the clock stood before the last entry's time (0 when it did not); the caller
    raises the alarm.
    """

    first_index: int
    size: int
    at: Instant
    skew: int
    head: Head
    """The log's head now."""

    @property
    def checkpoint(self) -> str:
        """The signed note over the log as it is now."""
        return self.head.checkpoint

    @property
    def indices(self) -> range:
        """The indices of the entries, in the order given."""
        return range(self.first_index, self.size)


@dataclass(frozen=True, slots=True)
class Continued:
    """The last checkpoint of an older log: its origin and verifier key, how many entries, the root over them."""

    origin: str
    vkey: str
    size: int
    root: bytes

    def to_json(self) -> dict[str, Json]:
        """The form in which a `genesis` entry holds it."""
        return {"origin": self.origin, "vkey": self.vkey, "size": self.size, "root": self.root.hex()}


def create(
    conn: Connection,
    signer: Signer,
    *,
    house: str,
    now: Instant,
    role: str | None = None,
    behalf: str | None = None,
    continues: Continued | None = None,
    by: str = "cli",
) -> AppendResult:
    """Begin the log with its `genesis` entry; raises `Conflict` if there is a log already.

    `role` may wait: a new house has no policy yet that says it. `continues` names the last checkpoint of the log whose
    place this one takes, after a restore; raises `BadInput` if that log has this one's name and key, for nobody could
    tell the checkpoints of the two apart.
    """
    _check_writing(conn)
    if continues is not None and continues.vkey == signer.vkey:
        raise BadInput("a log that takes another's place needs a name or a key of its own")
    if conn.execute(select(head_table.c.id)).first() is not None:
        raise Conflict("this house has a ledger already")
    empty = Frontier()
    conn.execute(
        head_table.insert().values(
            id=0, size=0, root=empty.root, frontier=b"", time=now, checkpoint="", vkey=signer.vkey
        )
    )
    genesis: Entry = {"kind": "genesis", "house": house, "origin": signer.name, "vkey": signer.vkey, "format": 1}
    genesis |= {"by": by} | ({"role": role} if role is not None else {})
    genesis |= {"behalf": behalf} if behalf is not None else {}
    genesis |= {"continues": continues.to_json()} if continues is not None else {}
    return append(conn, [genesis], now, signer)


def head(conn: Connection) -> Head:
    """The head of the log; raises `NotFound` in a house without one."""
    rows = db.fetch(conn, "SELECT size, root, time, checkpoint, vkey FROM ledger_head")
    if not rows:
        raise NotFound("this house has no ledger yet")
    size, root, time, checkpoint, vkey = rows[0]
    return Head(size, root, Instant(time), checkpoint, vkey)


@dataclass(frozen=True, slots=True)
class Tip:
    """Where a write transaction goes on: the head, and the complete subtrees on the right edge, 32 bytes each."""

    head: Head
    edge: bytes


def tip(conn: Connection) -> Tip:
    """The tip of the log, for `append` in the same write transaction; raises `NotFound` in a house without a log."""
    rows = db.fetch(conn, "SELECT size, root, time, checkpoint, vkey, frontier FROM ledger_head")
    if not rows:
        raise NotFound("this house has no ledger yet")
    size, root, time, checkpoint, vkey, edge = rows[0]
    return Tip(Head(size, root, Instant(time), checkpoint, vkey), edge)


def append(
    conn: Connection,
    entries: Sequence[Mapping[str, Json]],
    now: Instant,
    signer: Signer,
    onto: Tip | None = None,
) -> AppendResult:
    """Add entries at the end of the log, all or none; fills in `v`, `at` and `clock`.

    `onto` is the tip that this transaction has read, where it has not appended since. Raises `BadInput` for an entry
    of the wrong form, `Unsafe` outside a write transaction or for another log's signer.
    Entry time is max(now, the head's time): a clock that went back never blocks anybody, the raw clock is kept.
    """
    _check_writing(conn)
    onto = tip(conn) if onto is None else onto
    head, edge = onto.head, onto.edge
    size, root, time, vkey = head.size, head.root, head.time, head.vkey
    if vkey != signer.vkey:
        raise Unsafe("the signing key is not the one this ledger began with; restore the right key store")
    at = Instant(max(now, time))
    if not entries:
        return AppendResult(size, size, at, at - now, head)
    if any("at" in entry or "clock" in entry for entry in entries):
        raise BadInput("an entry that brings its own time; the ledger sets `at` and `clock`")
    written = bodies(entries, {"v": 1, "at": at} if at == now else {"v": 1, "at": at, "clock": now})
    frontier = Frontier(size, _cut(edge))
    if frontier.root != root:
        raise Unsafe("the head of the ledger is damaged: its root does not follow from its frontier")
    rows, leaves = _rows(entries, written, size)
    frontier, completed = frontier.append_many(leaves, every=TILE)
    _insert(
        conn, rows, [(done.level, done.first + i, node) for done in completed for i, node in enumerate(done.hashes)]
    )
    # Crash point `ledger-before-head`: entries are written, the head is not. The transaction does not commit; nothing
    # of it remains.
    crash.point("ledger-before-head")
    root = frontier.root
    checkpoint = sign_checkpoint(signer, frontier.size, root)
    db.tell(
        conn,
        "UPDATE ledger_head SET size = ?, root = ?, frontier = ?, time = ?, checkpoint = ?",
        (frontier.size, root, b"".join(frontier.nodes), at, checkpoint),
    )
    grown = Head(frontier.size, root, at, checkpoint, vkey)
    return AppendResult(size, frontier.size, at, at - now, grown)


def entry(conn: Connection, index: int) -> Entry | None:
    """The entry at `index`, None if it was redacted; raises `NotFound` beyond the end."""
    row = conn.execute(select(entry_table.c.body).where(entry_table.c.idx == index)).first()
    if row is None:
        raise NotFound("an index beyond the end of the ledger")
    return _decode(row.body)


def leaf(conn: Connection, index: int) -> bytes:
    """The 32-byte commitment at `index`, there whatever has been redacted; raises `NotFound` beyond the end."""
    row = conn.execute(select(entry_table.c.leaf).where(entry_table.c.idx == index)).first()
    if row is None:
        raise NotFound("an index beyond the end of the ledger")
    return bytes(row.leaf)


def opening(conn: Connection, index: int) -> tuple[Entry, bytes] | None:
    """The entry and the salt that open the commitment at `index`; None if it was redacted."""
    row = conn.execute(select(entry_table.c.body, entry_table.c.salt).where(entry_table.c.idx == index)).first()
    if row is None:
        raise NotFound("an index beyond the end of the ledger")
    found = _decode(row.body)
    return None if found is None else (found, bytes(row.salt))


def entries(conn: Connection, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, Entry | None]]:
    """The entries `start` to `stop - 1` (to the end without `stop`) in order, None for redacted ones; lazily."""
    stop = head(conn).size if stop is None else stop
    for first in range(start, stop, _CHUNK):
        last = min(first + _CHUNK, stop) - 1
        columns = select(entry_table.c.idx, entry_table.c.body)
        query = columns.where(entry_table.c.idx.between(first, last)).order_by(entry_table.c.idx)
        for row in conn.execute(query).all():
            yield row.idx, _decode(row.body)


def of_subject(conn: Connection, subject: str, stop: int | None = None) -> list[tuple[int, Entry]]:
    """Everything recorded about one person (below index `stop`), in order; redacted entries name nobody."""
    return _found(conn, f"{ABOUT} ORDER BY idx", (0, subject), stop)


def of_kind(conn: Connection, kind: str, stop: int | None = None) -> list[tuple[int, Entry]]:
    """Every entry of a kind (below index `stop`), about the house or a person, in order; redacted ones left out."""
    indexed = "kind = ?" if kind in BULK else f"kind = ? AND {RARE}"
    return _found(conn, f"SELECT idx, body FROM ledger_entry WHERE {indexed} ORDER BY idx", (kind,), stop)


def use_of(conn: Connection, use_id: str) -> tuple[int, Entry]:
    """The entry that declared a use, with its index; raises `NotFound`."""
    found = _found(conn, "SELECT idx, body FROM ledger_entry WHERE use = ?", (use_id,), None)
    if not found:
        raise NotFound("no use of that identifier is in the ledger (or its entry was redacted)")
    return found[0]


def redact(conn: Connection, indices: Sequence[int]) -> int:
    """Take body and salt away from these entries; what they were cannot be read any more, the tree still verifies.

    Returns how many held a body until now. The first entry cannot be redacted (`BadInput`).
    """
    _check_writing(conn)
    if 0 in indices:
        raise BadInput("the first entry says whose ledger this is and cannot be redacted")
    count = 0
    for first in range(0, len(indices), 500):
        where = entry_table.c.idx.in_(indices[first : first + 500]), entry_table.c.body.is_not(None)
        gone = conn.execute(entry_table.update().where(*where).values(salt=None, body=None, subject=None, use=None))
        count += gone.rowcount
    return count


def _rows(
    batch: Sequence[Mapping[str, Json]], written: Sequence[bytes], first: int
) -> tuple[list[db.Row], list[bytes]]:
    """The rows of checked entries and the leaf hashes over them; in the hot loop nothing but the two hashes."""
    run, sha256 = secrets.token_bytes(SALT * len(batch)), hashlib.sha256
    salts = [run[start : start + SALT] for start in range(0, len(run), SALT)]
    commitments = [sha256(salt + body).digest() for salt, body in zip(salts, written, strict=True)]
    rows = [
        (index, entry["kind"], entry.get("subject"), entry.get("use"), commitment, salt, body)
        for index, entry, commitment, salt, body in zip(
            range(first, first + len(batch)), batch, commitments, salts, written, strict=True
        )
    ]
    return rows, [sha256(b"\x00" + commitment).digest() for commitment in commitments]


def _insert(conn: Connection, rows: Sequence[db.Row], nodes: Sequence[db.Row]) -> None:
    try:
        db.insert(conn, "ledger_entry", _COLUMNS, rows)
        db.insert(conn, "ledger_node", ("level", "idx", "hash"), nodes)
    except DBAPIError as error:
        # A full disk or a lost connection is for the transaction's owner to say. The driver's own message is kept out.
        if isinstance(error.orig, sqlite3.IntegrityError) or getattr(error.orig, "sqlstate", None) in _REFUSED:
            raise Unsafe("the ledger refused these entries: an index or a use identifier is there already") from None
        raise


def _check_writing(conn: Connection) -> None:
    if not conn.get_execution_options().get("pacte_write"):
        raise Unsafe("the ledger is written inside a write transaction only")


def _cut(frontier: bytes) -> tuple[bytes, ...]:
    return tuple(frontier[i : i + 32] for i in range(0, len(frontier), 32))


def _decode(body: bytes | None) -> Entry | None:
    return None if body is None else json.loads(body)


def _found(conn: Connection, sql: str, parameters: Sequence[object], stop: int | None) -> list[tuple[int, Entry]]:
    rows = db.fetch(conn, sql, parameters)
    return [(index, json.loads(body)) for index, body in rows if body is not None and (stop is None or index < stop)]
