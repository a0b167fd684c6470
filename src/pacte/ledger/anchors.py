"""Anchors: checkpoints kept outside the database, so that a restored backup or a rewritten log is noticed.

The file holds one line of canonical JSON per anchor: `checkpoint` (the signed note), `root` (hexadecimal), `size` and
`time` (µs, by the house's clock), the largest log last. Lines are appended; a file that has grown large keeps the last
of every day and the newest thousands. Copies belong in other people's hands (an auditor's mailbox, a witness, a
time-stamping authority).
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from pacte.kernel import crash
from pacte.kernel.canonical import Json, canonical
from pacte.kernel.errors import BadInput, Unsafe, VerificationFailed
from pacte.kernel.instant import DAY, Instant
from pacte.kernel.turns import close_held, open_to_hold
from pacte.ledger.checkpoint import Checkpoint, open_checkpoint, unsigned_checkpoint
from pacte.ledger.log import Head, head
from pacte.ledger.note import VerifierKey, check_name, parse_vkey
from pacte.ledger.problems import Problem
from pacte.ledger.tree import root_at

LARGE = 4 << 20
"""Bytes from which on a file is compacted: about twelve thousand anchors, the size it has after years or a busy day."""

NEWEST = 4_096
"""Anchors at the end of a file that compaction leaves alone."""

_TAIL = 65_536
_TOO_LONG = "anchors.log ends in a line that is far too long; compare the file with a copy kept elsewhere"
_TIME = re.compile(rb'"time":(\d+)}\Z')


@dataclass(frozen=True, slots=True)
class Anchor:
    """One checkpoint as it was noted outside the database."""

    size: int
    root: bytes
    time: Instant
    checkpoint: str


@dataclass(frozen=True, slots=True)
class AnchorFile:
    """The anchors of a file in its order.

    `torn` says that its last line was cut short, or lost a part, as by a power cut; it was left out.
    """

    anchors: tuple[Anchor, ...]
    torn: bool

    @property
    def last(self) -> Anchor | None:
        """The anchor of the largest log."""
        return max(self.anchors, key=lambda anchor: anchor.size, default=None)


def append(path: Path, state: Head) -> Anchor:
    """Note the log's head at the end of the file; on return it is on the disk. A torn last line is cut off first.

    Processes take turns by a lock on the file; who comes with an older head than is noted there adds nothing, so that
    sizes never go back in a file. Call it after the transaction that wrote the head has committed: an anchor ahead of
    its log would look like a rollback.
    """
    anchor = Anchor(state.size, state.root, state.time, state.checkpoint)
    with _locked(path) as descriptor:
        tail, end = _whole_lines(descriptor)
        if _is_known(tail, anchor, state.vkey):
            return anchor
        os.ftruncate(descriptor, end)
        os.lseek(descriptor, end, os.SEEK_SET)
        # Crash point: a line that is cut short has no newline at its end; one of which a block is lost has zeros in it.
        line = _line(anchor)
        while line:
            line = line[os.write(descriptor, line) :]
        crash.point("anchor-written-not-synced")
        os.fsync(descriptor)
        if os.fstat(descriptor).st_size > LARGE:
            _compact(path, descriptor)
    return anchor


def read(path: Path) -> AnchorFile:
    """The anchors of a file, none if there is no file; raises `Unsafe` if a whole line cannot be read."""
    if not path.exists():
        return AnchorFile((), torn=False)
    lines, torn = _split(path.read_bytes())
    parsed = (_parse(line, f"{path.name}:{number}") for number, line in enumerate(lines, 1))
    return AnchorFile(tuple(parsed), torn)


def read_latest(path: Path) -> AnchorFile:
    """The anchors in the last 64 KB of a file, more than a hundred; for those who need the largest ones only.

    Sizes never go back in a file, so that the largest anchor is among them. Raises `Unsafe` like `read`, for what it
    reads.
    """
    if not path.exists() or path.stat().st_size <= _TAIL:
        return read(path)
    with path.open("rb") as file:
        file.seek(-_TAIL, os.SEEK_END)
        _, newline, tail = file.read().partition(b"\n")
    if not newline:
        raise Unsafe(_TOO_LONG)
    lines, torn = _split(tail)
    if not lines:
        raise Unsafe(_TOO_LONG)
    return AnchorFile(tuple(_parse(line, f"{path.name}, near its end") for line in lines), torn)


def rollback(conn: Connection, anchors: Sequence[Anchor]) -> Problem | None:
    """Whether the log has gone back behind its last anchor, or holds another history; None when all is well.

    A house that gets a problem here refuses to serve. `pacte.ledger.check` compares every anchor; this looks at the
    largest one that the log's key signed only, and costs a few reads.
    """
    here = head(conn)
    last = last_signed(anchors, here.vkey)
    if last is None:
        return None
    if last.size > here.size:
        return Problem("anchor_ahead", size=last.size, head=here.size)
    return None if root_at(conn, last.size) == last.root else Problem("anchor_differs", size=last.size)


def is_signed(anchor: Anchor, vkey: str) -> bool:
    """Whether the key in `vkey` signed an anchor, under whatever name the house's log had then.

    INVARIANT: a line that nobody signed is damage, and counts for nothing: whoever can write the file could otherwise
    make a sound house refuse, or have a restore sign what they made up.
    """
    noted = unsigned_checkpoint(anchor.checkpoint)
    try:
        key = VerifierKey(check_name(noted.origin), parse_vkey(vkey).public)
        return open_checkpoint(anchor.checkpoint, key) == noted == Checkpoint(noted.origin, anchor.size, anchor.root)
    except (VerificationFailed, BadInput):
        return False


def signed(anchors: Iterable[Anchor], vkey: str) -> tuple[Anchor, ...]:
    """The anchors that the house's key signed, in their order."""
    return tuple(anchor for anchor in anchors if is_signed(anchor, vkey))


def last_signed(anchors: Iterable[Anchor], vkey: str) -> Anchor | None:
    """The anchor of the largest log that the house's key signed."""
    largest_first = sorted(anchors, key=lambda anchor: anchor.size, reverse=True)
    return next((anchor for anchor in largest_first if is_signed(anchor, vkey)), None)


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


def _split(raw: bytes) -> tuple[list[bytes], bool]:
    # The whole lines, and whether a torn one followed them. A block that a power cut kept from the disk reads as zeros.
    *lines, rest = raw.split(b"\n")
    if not rest and lines and b"\0" in lines[-1]:
        return lines[:-1], True
    return lines, bool(rest)


def _whole_lines(descriptor: int) -> tuple[list[bytes], int]:
    # The last whole lines and where they end; what follows was cut short by a crash.
    size = os.fstat(descriptor).st_size
    tail = os.pread(descriptor, min(size, _TAIL), max(0, size - _TAIL))
    if len(tail) < size:
        _, newline, tail = tail.partition(b"\n")
        if not newline:
            raise Unsafe(_TOO_LONG)
    lines, _ = _split(tail)
    return lines, size - len(tail) + sum(len(line) + 1 for line in lines)


def _is_known(lines: list[bytes], anchor: Anchor, vkey: str) -> bool:
    # Whether the file's last anchor is this one, or a later one of the same log. Garbage is said by whoever reads.
    with suppress(Unsafe):
        for last in (_parse(line, "") for line in reversed(lines)):
            same_log = last.checkpoint.partition("\n")[0] == anchor.checkpoint.partition("\n")[0]
            known = last.size > anchor.size or (last.size, last.root) == (anchor.size, anchor.root)
            if not (same_log and known):
                return False
            if is_signed(last, vkey):  # a line that nobody signed keeps no anchor out
                return True
    return False


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    # The file itself is the lock; compaction puts another file in its place, and who waited for the old one goes there.
    while True:
        created = not path.exists()
        descriptor = open_to_hold(path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if not _stands(path, descriptor):
                continue
            if created:
                _sync_directory(path.parent)
            yield descriptor
            return
        finally:
            close_held(descriptor)


def _stands(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _compact(path: Path, descriptor: int) -> None:
    # Lines are only left out, never written anew: one that cannot be read stays, for whoever reads the file to refuse.
    raw = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
    lines = raw.splitlines(keepends=True)
    older = lines[:-NEWEST]
    last_of_day = {_day(line, number): number for number, line in enumerate(older)}
    kept = [older[number] for number in sorted(last_of_day.values())] + lines[-NEWEST:]
    beside = path.with_name(f"{path.name}.new")
    fresh = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(fresh, "wb", closefd=False) as file:
            file.writelines(kept)
        os.fsync(fresh)
    finally:
        os.close(fresh)
    # Crash point: the old file stands whole; what lies beside it is overwritten by the next compaction.
    crash.point("anchors-compacted-not-renamed")
    beside.rename(path)
    _sync_directory(path.parent)


def _day(line: bytes, number: int) -> tuple[bool, int]:
    time = _TIME.search(line.rstrip(b"\n"))
    return (True, int(time[1]) // DAY) if time else (False, number)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
