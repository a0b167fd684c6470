"""Whether somebody serves a house: a lock on its folder, which ends with the process that holds it and leaves nothing.

Several processes may serve one house. The demo looks here before it takes an earlier one's place.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def held(home: Path) -> Iterator[None]:
    """Say that the house in `home` is served while the block runs."""
    folder = os.open(home, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_SH)
        yield
    finally:
        os.close(folder)


def is_held(home: Path) -> bool:
    """Whether a process serves the house in `home` now; false where there is no such folder."""
    if not home.is_dir():
        return False
    folder = os.open(home, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(folder)
    return False
