"""The check of a whole ledger: everything that can be recomputed is recomputed and compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, TypeAlias

from sqlalchemy import Connection, select, text

from pacte.kernel.db import Row, fetch, is_postgres
from pacte.kernel.errors import BadInput, Unsafe, VerificationFailed
from pacte.ledger.anchors import Anchor
from pacte.ledger.checkpoint import Checkpoint, open_checkpoint
from pacte.ledger.matching import Examples, Told, read_body, well_formed
from pacte.ledger.merkle import Completed, Frontier, leaf_hash
from pacte.ledger.note import parse_vkey
from pacte.ledger.problems import Problem
from pacte.ledger.tables import POSTGRES_TRIGGERS, TRIGGERS, head_table
from pacte.ledger.tree import TILE, root_at

Progress: TypeAlias = Callable[[int, int], None]
"""Called with how many have been looked at, and how many there are."""

_CHUNK = 4_096
_RUN = 256
"""Rows looked at together: what they hold fits into a processor's cache; many times as many take half as long again."""
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


def examine(
    conn: Connection, vkey: str, anchors: Sequence[Anchor] = (), progress: Progress | None = None
) -> Examination:
    """Recompute the ledger from its entries and compare it with its tree, its head, `vkey` and the anchors.

    `progress` is told now and then how many entries have been looked at, and how many there are; memory is bounded.
    """
    head = conn.execute(select(head_table)).first()
    if head is None:
        return Examination(0, 0, 0, (Problem("no_ledger"),))
    found = _Findings()
    frontier, nodes = Frontier(), 0
    for rows in _chunks(conn):
        frontier, completed = frontier.append_many(found.leaves(rows), every=TILE)
        for done in completed:
            nodes += len(done.hashes)
            found.compare(conn, done)
        if progress is not None:
            progress(frontier.size, head.size)
    if nodes != conn.execute(text("SELECT count(*) FROM ledger_node")).scalar_one():
        found.add(Problem("node_differs", index=frontier.size))
    for problem in _head_problems(head, frontier, found.time, vkey):
        found.add(problem)
    if not found.problems:  # roots of past sizes are read from the stored tree, which is as good as its comparison
        for problem in _anchor_problems(conn, head.size, vkey, anchors):
            found.add(problem)
    if not _triggers_stand(conn):
        found.add(Problem("trigger_missing"))
    return Examination(frontier.size, found.redacted, found.skewed, tuple(found.problems))


@dataclass(frozen=True, slots=True)
class _Stored:
    """One row of the entries as it is stored; whatever somebody may have put there."""

    idx: Any
    kind: Any
    subject: Any
    use: Any
    leaf: Any
    salt: Any
    body: Any


class _Findings:
    """What the walk over the entries gathers; the walk is in order, so it knows what to expect next."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.redacted = self.skewed = self.expected = 0
        self.time: int | None = None
        self.examples = Examples()

    def add(self, problem: Problem) -> None:
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.append(problem)

    def leaves(self, rows: Sequence[Row]) -> list[bytes]:
        """Check rows; returns their leaf hashes. A run that is not wholly right is looked at row by row."""
        found: list[bytes] = []
        for start in range(0, len(rows), _RUN):
            run = rows[start : start + _RUN]
            if self._all_right(run):
                found += [sha256(b"\x00" + row[4]).digest() for row in run]
            else:
                found += [self.look(_Stored(*row)) for row in run]
        return found

    def _all_right(self, rows: Sequence[Row]) -> bool:
        """Whether nothing at all is wrong with these rows; only then they count as looked at."""
        indices, kinds, subjects, uses, leaves, salts, bodies = zip(*rows, strict=True)
        kinds_of_value = set(map(type, leaves)), set(map(type, salts)), set(map(type, bodies))
        redacted = 0
        if list(indices) != list(range(self.expected, self.expected + len(rows))):
            return False
        if kinds_of_value != ({bytes}, {bytes}, {bytes}):
            bare = [row for row in rows if row[5] is None and row[6] is None]
            redacted = len(bare)
            whole = [row for row in rows if row[5] is not None or row[6] is not None]
            if set(map(type, leaves)) != {bytes} or any(row[2] is not None or row[3] is not None for row in bare):
                return False
            if any(type(value) is not bytes for row in whole for value in row[5:]):
                return False
            indices, kinds, subjects, uses, leaves, salts, bodies = zip(*whole, strict=True) if whole else ((),) * 7
        if [sha256(salt + body).digest() for salt, body in zip(salts, bodies, strict=True)] != list(leaves):
            return False
        run = well_formed(bodies, Told(kinds, subjects, uses), self.examples)
        if run is None or (run.instants[1:] < run.instants[:-1]).any():
            return False
        if len(bodies):
            if self.time is not None and run.instants[0] < self.time:
                return False
            self.time = int(run.instants[-1])
        self.expected += len(rows)
        self.redacted += redacted
        self.skewed += run.skewed
        return True

    def look(self, row: _Stored) -> bytes:
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
        elif not _bytes(row.salt, row.body) or sha256(row.salt + row.body).digest() != row.leaf:
            self.add(Problem("body_altered", index=row.idx))
        else:
            self._look_inside(row)
        return leaf_hash(row.leaf if _bytes(row.leaf) else b"")

    def _look_inside(self, row: _Stored) -> None:
        entry: Any = read_body(row.body)
        if entry is None:
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
        stored = fetch(conn, _NODES, (done.level, done.first, last))
        if stored != list(enumerate(done.hashes, done.first)):
            self.add(Problem("node_differs", index=done.first << done.level))


_NODES = "SELECT idx, hash FROM ledger_node WHERE level = ? AND idx BETWEEN ? AND ? ORDER BY idx"


def _bytes(*values: object) -> bool:
    # SQLite keeps text in a column of bytes where somebody puts it there.
    return all(isinstance(value, bytes) for value in values)


def _chunks(conn: Connection) -> Iterator[Sequence[Row]]:
    columns = "idx, kind, subject, use, leaf, salt, body"
    query = f"SELECT {columns} FROM ledger_entry WHERE idx > ? ORDER BY idx LIMIT {_CHUNK}"
    after = -1
    while rows := fetch(conn, query, (after,)):
        yield rows
        after = rows[-1][0]


def _head_problems(head: Any, frontier: Frontier, time: int | None, vkey: str) -> Iterator[Problem]:
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
    if is_postgres(conn):
        made = {
            (f"CREATE TRIGGER {name} {when} EXECUTE FUNCTION {name}()", body, "O")
            for name, (_, when, body) in POSTGRES_TRIGGERS.items()
        }
        return made <= set(fetch(conn, _POSTGRES_TRIGGERS))
    stored: dict[str, str] = dict(fetch(conn, "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"))
    return all(stored.get(name) == f"CREATE TRIGGER {name} {rest}" for name, (_, rest) in TRIGGERS.items())


_POSTGRES_TRIGGERS = (
    "SELECT pg_get_triggerdef(pg_trigger.oid, true), prosrc, tgenabled FROM pg_trigger "
    "JOIN pg_proc ON pg_proc.oid = tgfoid WHERE NOT tgisinternal"
)
