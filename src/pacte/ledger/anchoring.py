"""Anchoring a log that grows fast: its newest head is noted at once, and then at most once a second.

A commit that is recorded is safe without its anchor; the anchor only lets a rollback be noticed. So a busy log pays for
one anchor a second instead of one per commit, and what a crash can lose is the notice of the last second, no entry.
"""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from contextlib import suppress
from pathlib import Path
from time import monotonic

from pacte.kernel.errors import PacteError, Unsafe
from pacte.ledger import anchors
from pacte.ledger.log import Head

WITHIN = 1.0
"""Seconds after which a noted head is in the file at the latest, while its process lives."""


class Unanchored(Unsafe):
    """What was to be recorded is, and the anchor file cannot be written."""


class Anchoring:
    """Notes the heads of one log in its anchor file; for many threads of one process.

    The first head after a quiet second is on the disk when `note` returns; those that follow within the second wait,
    and the newest of them is written when it is over, or by `flush`, by `close` or at the end of the process.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._waiting: Head | None = None
        self._written = -WITHIN + monotonic()
        self._timer: threading.Timer | None = None
        _open.add(self)

    def note(self, state: Head) -> None:
        """Take the head of a transaction that has committed; raises `Unsafe` where the file cannot be written."""
        with self._lock:
            if self._waiting is None or state.size > self._waiting.size:
                self._waiting = state
            left = self._written + WITHIN - monotonic()
            if left <= 0:
                self._write()
            elif self._timer is None:
                self._wait(left)

    def flush(self) -> None:
        """Write what waits; on return every head noted is in the file. Raises `Unsafe` where it cannot be written."""
        with self._lock:
            self._write()

    def close(self) -> None:
        """Write what waits and rest; raises `Unsafe` where it cannot be written."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._write()

    def _write(self) -> None:
        if self._waiting is None:
            return
        try:
            anchors.append(self._path, self._waiting)
        except OSError:
            raise Unanchored(
                f"recorded as entry {self._waiting.size - 1}, but `{self._path.name}` cannot be written; make room or "
                "mend its permissions: until then a rewritten ledger goes unnoticed"
            ) from None
        self._waiting, self._written = None, monotonic()

    def _wait(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._late)
        self._timer.daemon = True  # a process that ends does not wait; it writes by `_flush_all`
        self._timer.start()

    def _late(self) -> None:
        # What cannot be written is said by the next `note`, `flush` or `close`; until then it is tried every second.
        with self._lock:
            if self._timer is not threading.current_thread():
                return
            self._timer = None
            with suppress(PacteError):
                self._write()
            if self._waiting is not None:
                self._wait(WITHIN)

    def begin_again(self) -> None:
        """In a copy of the process: whoever held the lock there is not here, and what waited there is written there."""
        self._lock, self._waiting, self._timer = threading.Lock(), None, None


_open: weakref.WeakSet[Anchoring] = weakref.WeakSet()


def _after_fork() -> None:
    for anchoring in list(_open):
        anchoring.begin_again()


os.register_at_fork(after_in_child=_after_fork)


@atexit.register
def _flush_all() -> None:
    for anchoring in list(_open):
        with suppress(PacteError):
            anchoring.close()
