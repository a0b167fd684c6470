"""No core file, no other process's look: what is in the memory of this one opens everything that is sealed."""

from __future__ import annotations

import ctypes
import resource
import sys

_PR_SET_DUMPABLE = 4


def forbid_dumps() -> None:
    """Keep this process, and those it starts, from leaving core files; on Linux nobody of the same user may trace it.

    A kernel that hands core files to a program (`core_pattern` with `|`) does so whatever their largest size, unless
    the process is not dumpable. Source: core(5), prctl(2).
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
