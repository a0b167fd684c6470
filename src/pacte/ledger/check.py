"""The check of a whole ledger: everything that can be recomputed is recomputed and compared."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Row, select, text

from pacte.kernel.errors import BadInput, Unsafe, VerificationFailed
from pacte.ledger.anchors import Anchor
from pacte.ledger.checkpoint import Checkpoint, open_checkpoint
from pacte.ledger.entries import encode, validate
from pacte.ledger.merkle import Completed, Frontier, leaf_hash
from pacte.ledger.note import parse_vkey
from pacte.ledger.problems import Problem
from pacte.ledger.tables import TRIGGERS, entry_table, head_table, node_table
from pacte.ledger.tree import TILE, root_at

_CHUNK = 4_096
_MOST_PROBLEMS = 100
"""A ledger that is wrong everywhere says so a hundred times, not a million times."""


@dataclass(frozen=True, slots=True)
class Examination:
    """What a check saw: entries in all, those redacted, those written while the clock stood back, and the problems."""

    size: int
    redacted: int
    skewed: int
    problems: tuple[Problem, ...]


def check(conn: Connection, vkey: str, anchors: Sequence[Anchor] = ()) -> list[Problem]:
    """The problems of the ledger; none when every leaf, node, root, signature and anchor is as it must be."""
    return list(examine(conn, vkey, anchors).problems)


def examine(conn: Connection, vkey: str, anchors: Sequence[Anchor] = ()) -> Examination:
    """Recompute the ledger from its entries and compare it with its tree, its head, `vkey` and the anchors."""
    head = conn.execute(select(head_table)).first()
    if head is None:
        return Examination(0, 0, 0, (Problem("no_ledger"),))
    found = _Findings()
    frontier, nodes = Frontier(), 0
    for rows in _chunks(conn):
        leaves = [found.look(row) for row in rows]
        frontier, completed = frontier.append_many(leaves, every=TILE)
        for done in completed:
            nodes += len(done.hashes)
            found.compare(conn, done)
    if nodes != conn.execute(text("SELECT count(*) FROM ledger_node")).scalar_one():
        found.add(Problem("node_differs", index=frontier.size))
    for problem in _head_problems(head, frontier, found.time, vkey):
        found.add(problem)
    if not found.problems:  # roots of past sizes are read from the stored tree, which is as good as its comparison
        for problem in _anchor_problems(conn, head.size, vkey, anchors):
            found.add(problem)
    if conn.dialect.name == "sqlite" and not _triggers_stand(conn):
        found.add(Problem("trigger_missing"))
    return Examination(frontier.size, found.redacted, found.skewed, tuple(found.problems))


class _Findings:
    """What the walk over the entries gathers; the walk is in order, so it knows what to expect next."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.redacted = self.skewed = self.expected = 0
        self.time: int | None = None

    def add(self, problem: Problem) -> None:
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.append(problem)

    def look(self, row: Row[tuple[object, ...]]) -> bytes:
        """Check one row on its own and against the one before; returns its leaf hash."""
        if row.idx != self.expected:
            self.add(Problem("missing", index=self.expected))
        self.expected = row.idx + 1
        if row.body is None and row.salt is None:
            self.redacted += 1
            if row.subject is not None or row.use is not None:
                self.add(Problem("redaction_partial", index=row.idx))
        elif row.body is None or row.salt is None:
            self.add(Problem("redaction_partial", index=row.idx))
        elif not _bytes(row.salt, row.body) or hashlib.sha256(row.salt + row.body).digest() != row.leaf:
            self.add(Problem("body_altered", index=row.idx))
        else:
            self._look_inside(row)
        return leaf_hash(row.leaf if _bytes(row.leaf) else b"")

    def _look_inside(self, row: Row[tuple[object, ...]]) -> None:
        try:
            entry = json.loads(row.body)
            validate(entry)
            well_formed = encode(entry) == row.body
        except (ValueError, AttributeError, RecursionError, BadInput):
            well_formed = False
        if not well_formed:
            return self.add(Problem("body_malformed", index=row.idx))
        if (entry["kind"], entry.get("subject"), entry.get("use")) != (row.kind, row.subject, row.use):
            self.add(Problem("columns_differ", index=row.idx))
        if self.time is not None and entry["at"] < self.time:
            self.add(Problem("time_back", index=row.idx))
        self.time = entry["at"]
        self.skewed += "clock" in entry
        return None

    def compare(self, conn: Connection, done: Completed) -> None:
        """Compare recomputed nodes with the stored ones."""
        last = done.first + len(done.hashes) - 1
        query = select(node_table.c.idx, node_table.c.hash).order_by(node_table.c.idx)
        stored = conn.execute(query.where(node_table.c.level == done.level, node_table.c.idx.between(done.first, last)))
        if [tuple(row) for row in stored] != list(enumerate(done.hashes, done.first)):
            self.add(Problem("node_differs", index=done.first << done.level))


def _bytes(*values: object) -> bool:
    # SQLite keeps text in a column of bytes where somebody puts it there.
    return all(isinstance(value, bytes) for value in values)


def _chunks(conn: Connection) -> Iterator[Sequence[Row[tuple[object, ...]]]]:
    after = -1
    while True:
        query = select(entry_table).where(entry_table.c.idx > after).order_by(entry_table.c.idx).limit(_CHUNK)
        rows = conn.execute(query).all()
        if not rows:
            return
        yield rows
        after = rows[-1].idx


def _head_problems(head: Row[tuple[object, ...]], frontier: Frontier, time: int | None, vkey: str) -> Iterator[Problem]:
    if head.size != frontier.size:
        yield Problem("head_size", size=frontier.size, head=head.size)
    elif head.root != frontier.root or head.frontier != b"".join(frontier.nodes):
        yield Problem("head_root", size=frontier.size)
    if time is not None and head.time < time:
        yield Problem("head_time")
    if head.vkey != vkey:
        yield Problem("key_differs")
    try:
        signed = open_checkpoint(head.checkpoint, parse_vkey(vkey))
    except (VerificationFailed, BadInput):
        yield Problem("signature")
    else:
        if signed != Checkpoint(signed.origin, head.size, head.root):
            yield Problem("signature")


def _anchor_problems(conn: Connection, size: int, vkey: str, anchors: Sequence[Anchor]) -> Iterator[Problem]:
    key = parse_vkey(vkey)
    for anchor in anchors:
        try:
            signed = open_checkpoint(anchor.checkpoint, key)
        except VerificationFailed:
            yield Problem("anchor_unsigned", size=anchor.size)
            continue
        if signed.size > size:
            yield Problem("anchor_ahead", size=signed.size, head=size)
        elif not _same_root(conn, signed):
            yield Problem("anchor_differs", size=signed.size)


def _same_root(conn: Connection, signed: Checkpoint) -> bool:
    try:
        return root_at(conn, signed.size) == signed.root
    except Unsafe:
        return False


def _triggers_stand(conn: Connection) -> bool:
    rows = conn.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"))
    stored = {row.name: row.sql for row in rows}
    return all(stored.get(name) == f"CREATE TRIGGER {name} {rest}" for name, (_, rest) in TRIGGERS.items())
