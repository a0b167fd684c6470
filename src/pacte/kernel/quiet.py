"""A process is copied between its transactions: a lock of SQLite's that a thread holds there never ends in the copy.

Whoever forks waits until the transactions of the other threads are over (at most `PATIENCE` seconds), and those that
would begin wait until the process has been copied.
"""

from __future__ import annotations

import os
from threading import Condition, Lock, get_ident
from time import monotonic

PATIENCE = 5.0
"""Seconds: a transaction that takes longer, such as a long reading, is copied in its middle."""

_inside: dict[int, int] = {}
"""By thread: how many transactions it is in."""
_changed = Condition()
_locks: list[Lock] = []
_forking = False


def enter() -> int:
    """This thread begins a transaction; answers what `leave` needs."""
    me = get_ident()
    with _changed:
        while _forking and me not in _inside:
            _changed.wait()
        _inside[me] = _inside.get(me, 0) + 1
    return me


def leave(thread: int) -> None:
    """A transaction that this thread began has ended."""
    with _changed:
        if _inside.get(thread, 0) > 1:
            _inside[thread] -= 1
        else:
            _inside.pop(thread, None)
        if _forking:
            _changed.notify_all()


def free_in_copies(lock: Lock) -> Lock:
    """See to it that nobody holds this lock, which is held for moments only, when the process is copied."""
    _locks.append(lock)
    return lock


def _before() -> None:
    global _forking
    _changed.acquire()
    _forking, until = True, monotonic() + PATIENCE
    while _inside.keys() - {get_ident()} and (left := until - monotonic()) > 0:
        _changed.wait(left)
    for lock in _locks:
        lock.acquire()


def _after_in_parent() -> None:
    global _forking
    for lock in _locks:
        lock.release()
    _forking = False
    _changed.notify_all()
    _changed.release()


def _after_in_child() -> None:
    global _forking, _changed
    for lock in _locks:
        lock.release()
    _forking, _changed = False, Condition()
    for thread in _inside.keys() - {get_ident()}:
        del _inside[thread]


os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
