"""Taking turns: one process at a time does a thing that has a name, the others wait.

A lock on a file belongs to the open file, and a copy of the process has the same open files: what is held at a fork is
let go of in the child, or both would wait for each other for ever.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

from pacte.kernel.quiet import free_in_copies

LOOK_AGAIN = 0.001
"""Seconds between two looks at whether a turn is free."""


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold the lock file `path` while the block runs; whoever comes second waits. The file goes afterwards.

    A process that dies lets go of its lock; the empty file it leaves is taken over by the next.
    """
    descriptor = _take(path)
    try:
        yield
    finally:
        # Removed while it is still held: whoever waits for it sees that it is no longer the one of that name.
        path.unlink(missing_ok=True)
        close_held(descriptor)


@contextmanager
def turns(path: Path, places: Iterable[int], seconds: float) -> Iterator[bool]:
    """Hold these turns of the lock file `path` while the block runs; answers whether all of them are held.

    Among threads and processes alike; after `seconds` the block runs anyway. Whoever holds several takes them in
    ascending order, so that nobody waits in a circle. The file stays, since many take short turns with it.
    """
    descriptor, until = open_to_hold(path), monotonic() + seconds
    try:
        # Each is tried for, also after one that was not had in time.
        held = [_taken(descriptor, place, until) for place in sorted(set(places))]
        yield all(held)
    finally:
        close_held(descriptor)


def _taken(descriptor: int, place: int, until: float) -> bool:
    while True:
        try:
            _lock(descriptor, place)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                raise
            if monotonic() >= until:
                return False
            sleep(LOOK_AGAIN)
        else:
            return True


def _lock(descriptor: int, place: int) -> None:
    """Lock one byte of a file for this opening of it; where the system cannot, the file as a whole."""
    if not hasattr(fcntl, "F_OFD_SETLK"):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    wanted = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, place, 1, 0)
    fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, wanted)


def open_to_hold(path: Path, *, make: bool = True) -> int:
    """Open a file (made where it is missing, mode 0600) that this process alone will lock: no child keeps it open.

    With `make` false a file that is missing is an `OSError`.
    """
    with _changing:
        descriptor = os.open(path, os.O_RDWR | (os.O_CREAT if make else 0), 0o600)
        _held.add(descriptor)
    return descriptor


def close_held(descriptor: int) -> None:
    """Close it, and with it end its lock."""
    with _changing:
        if descriptor in _held:
            _held.discard(descriptor)
            os.close(descriptor)


def _take(path: Path) -> int:
    while True:
        descriptor = open_to_hold(path)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            if os.fstat(descriptor).st_ino == path.stat().st_ino:
                return descriptor
        except FileNotFoundError:
            pass
        close_held(descriptor)


_held: set[int] = set()
_changing = free_in_copies(threading.Lock())


def _after_fork() -> None:
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_after_fork)
