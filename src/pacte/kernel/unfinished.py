"""Verbs of several commits: an error of one of them says how far the verb had come before, and what to do.

What the database says of the transaction that failed is true of that transaction alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pacte.kernel.errors import Conflict, Uncertain, Unsafe
from pacte.kernel.files import refused

NOTHING = "nothing was recorded"
"""What an error says of one transaction, as a part of its own between semicolons."""


@contextmanager
def saying(how_far: Callable[[Exception], str]) -> Iterator[None]:
    """Add to an error of the house what `how_far` says of it: what was done, and how to go on; `""` leaves it alone.

    Raises `Conflict` for what may succeed when it is tried again, `Unsafe` for the rest.
    """
    try:
        yield
    except (Unsafe, Conflict, Uncertain, OSError) as error:
        said = how_far(error)
        if not said:
            raise
        kind = Conflict if isinstance(error, Conflict | Uncertain) else Unsafe
        raise kind(f"{cause(error)}; {said}") from None


def cause(error: Exception) -> str:
    """What went wrong, without what it left of its own transaction.

    >>> cause(Unsafe("the disk is full; make room; nothing was recorded"))
    'the disk is full; make room'
    """
    if isinstance(error, OSError):
        return f"a file of the house cannot be read or written: {refused(error)}"
    if isinstance(error, Uncertain):
        return "the connection to the record database was lost while it committed"
    return "; ".join(part for part in str(error).split("; ") if part != NOTHING)
