"""Crash points: named places at which a test may let the process die, as a power cut would.

The story of each verb that writes names its points (`committer-before-append`, …) and calls `point` there. With
`PACTE_CRASH=<name>` in the environment of a process, it kills itself (SIGKILL: nothing is closed, flushed or undone)
the first time it comes to that point; `PACTE_CRASH=<name>:3` means the third time. Without it a point costs one
look-up.
Whoever sets a process's environment can end that process anyway.
"""

from __future__ import annotations

import os
import signal

_reached: dict[str, int] = {}


def point(name: str) -> None:
    """Die here if the environment says so."""
    wanted = os.environ.get("PACTE_CRASH")
    if wanted is None:
        return
    chosen, _, times = wanted.partition(":")
    if chosen != name:
        return
    _reached[name] = _reached.get(name, 0) + 1
    if _reached[name] >= int(times or 1):
        os.kill(os.getpid(), signal.SIGKILL)
