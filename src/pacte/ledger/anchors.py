"""Anchors: checkpoints kept outside the database, so that a restored backup or a rewritten log is noticed.

The file holds one line of canonical JSON per anchor: `checkpoint` (the signed note), `root` (hexadecimal), `size` and
`time` (µs, by the house's clock). It is only ever appended to; copies belong in other people's hands (an auditor's
mailbox, a witness, a time-stamping authority).
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from pacte.kernel.canonical import Json, canonical
from pacte.kernel.errors import BadInput, Unsafe, VerificationFailed
from pacte.kernel.instant import Instant
from pacte.ledger.checkpoint import unsigned_checkpoint
from pacte.ledger.log import Head, head
from pacte.ledger.problems import Problem
from pacte.ledger.tree import root_at

_TAIL = 65_536
_TOO_LONG = "anchors.log ends in a line that is far too long; compare the file with a copy kept elsewhere"


@dataclass(frozen=True, slots=True)
class Anchor:
    """One checkpoint as it was noted outside the database."""

    size: int
    root: bytes
    time: Instant
    checkpoint: str


@dataclass(frozen=True, slots=True)
class AnchorFile:
    """The anchors of a file in its order (two processes may swap neighbours).

    `torn` says that its last line was cut short and was left out.
    """

    anchors: tuple[Anchor, ...]
    torn: bool

    @property
    def last(self) -> Anchor | None:
        """The anchor of the largest log."""
        return max(self.anchors, key=lambda anchor: anchor.size, default=None)


def append(path: Path, state: Head) -> Anchor:
    """Note the log's head at the end of the file; on return it is on the disk. A torn last line is cut off first.

    Processes take turns by a lock on the file. Call it after the transaction that wrote the head has committed: an
    anchor ahead of its log would look like a rollback.
    """
    anchor = Anchor(state.size, state.root, state.time, state.checkpoint)
    created = not path.exists()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.lseek(descriptor, _whole_lines(descriptor), os.SEEK_SET)
        # Crash point: a line that is cut short has no newline at its end and is recognised by that.
        line = _line(anchor)
        while line:
            line = line[os.write(descriptor, line) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if created:
        _sync_directory(path.parent)
    return anchor


def read(path: Path) -> AnchorFile:
    """The anchors of a file, none if there is no file; raises `Unsafe` if a whole line cannot be read."""
    if not path.exists():
        return AnchorFile((), torn=False)
    *lines, rest = path.read_bytes().split(b"\n")
    parsed = (_parse(line, f"{path.name}:{number}") for number, line in enumerate(lines, 1))
    return AnchorFile(tuple(parsed), torn=bool(rest))


def read_latest(path: Path) -> AnchorFile:
    """The anchors in the last 64 KB of a file, more than a hundred; for those who need the largest ones only.

    Neighbours may be swapped, never far ones, so that the largest anchor is among them. Raises `Unsafe` like `read`,
    for what it reads.
    """
    if not path.exists() or path.stat().st_size <= _TAIL:
        return read(path)
    with path.open("rb") as file:
        file.seek(-_TAIL, os.SEEK_END)
        _, *lines = file.read().split(b"\n")
    if not lines:
        raise Unsafe(_TOO_LONG)
    return AnchorFile(tuple(_parse(line, f"{path.name}, near its end") for line in lines[:-1]), torn=bool(lines[-1]))


def rollback(conn: Connection, anchors: Sequence[Anchor]) -> Problem | None:
    """Whether the log has gone back behind its last anchor, or holds another history; None when all is well.

    A house that gets a problem here refuses to serve. `pacte.ledger.check` compares every anchor; this looks at the
    largest one only and costs a few reads.
    """
    last = AnchorFile(tuple(anchors), torn=False).last
    if last is None:
        return None
    if last.size > head(conn).size:
        return Problem("anchor_ahead", size=last.size, head=head(conn).size)
    return None if root_at(conn, last.size) == last.root else Problem("anchor_differs", size=last.size)


def _line(anchor: Anchor) -> bytes:
    fields: dict[str, Json] = {"checkpoint": anchor.checkpoint, "root": anchor.root.hex()}
    return canonical(fields | {"size": anchor.size, "time": anchor.time}) + b"\n"


def _parse(line: bytes, where: str) -> Anchor:
    try:
        fields = json.loads(line)
        noted = unsigned_checkpoint(fields["checkpoint"])
        anchor = Anchor(noted.size, noted.root, Instant(fields["time"]), fields["checkpoint"])
        if type(anchor.time) is int and _line(anchor) == line + b"\n":
            return anchor
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, BadInput, VerificationFailed):
        pass
    raise Unsafe(f"{where}: not an anchor; was the file edited? compare it with a copy kept elsewhere")


def _whole_lines(descriptor: int) -> int:
    # Where the last whole line ends; what follows was cut short by a crash and is taken away.
    size = os.fstat(descriptor).st_size
    tail = os.pread(descriptor, min(size, _TAIL), max(0, size - _TAIL))
    end = size - len(tail) + tail.rfind(b"\n") + 1 if b"\n" in tail else 0
    if tail and b"\n" not in tail and size > len(tail):
        raise Unsafe(_TOO_LONG)
    os.ftruncate(descriptor, end)
    return end


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
