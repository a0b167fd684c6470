"""Taking turns: one process at a time does a thing that has a name, the others wait."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
        os.close(descriptor)


def _take(path: Path) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            if os.fstat(descriptor).st_ino == path.stat().st_ino:
                return descriptor
        except FileNotFoundError:
            pass
        os.close(descriptor)
