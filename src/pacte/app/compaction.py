"""Tidying of large houses, beside everything else that goes on: small files put together, overlays folded in.

Files are written without the write lock, which is held for the change of the manifest only. The files of before stay
for those who are reading them, until the next tidying or erasure. Each step may be repeated; what was cut short is
garbage.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from pacte.consent import snapshot
from pacte.kernel import db
from pacte.lake import compaction, segments, tables
from pacte.lake.drafts import Drafts

if TYPE_CHECKING:
    from pacte.app.house import House

Progress: TypeAlias = Callable[[int, int], None]
"""Called with what is done and what there is: rows to be put together, then people to be folded in."""

TRIES = 3
"""How often a copy of the facts is prepared beside what goes on, before it is written while everybody waits."""


@dataclass(frozen=True, slots=True)
class Compacted:
    """What was tidied: files put together and the files they became, whether the facts were folded, files unlinked."""

    gathered: int
    written: int
    folded: bool
    unlinked: int


def compact(house: House, progress: Progress = lambda _done, _all: None) -> Compacted:
    """Put small files together and fold the overlay of the facts in, where either is worth it."""
    unlinked = _unlink(house)
    gathered, written = merge(house, progress)
    return Compacted(gathered, written, renew(house, progress), unlinked)


def merge(house: House, progress: Progress = lambda _done, _all: None) -> tuple[int, int]:
    """Put the small segments of each dataset together; returns how many there were, and how many they became."""
    with house.reading() as conn:
        groups = compaction.groups(conn)
    every, done, gathered, written = sum(one.rows for group in groups for one in group), 0, 0, 0

    def advance(rows: int) -> None:
        nonlocal done
        done += rows
        progress(done, every)

    for group in groups:
        with Drafts(house.lake) as drafts:
            try:
                ready = compaction.gather(house.lake, group, drafts, advance)
            except FileNotFoundError:  # an erasure came between: its files are for the next time
                continue
            if not ready:
                continue
            with db.write(house.engine) as conn:
                if compaction.replace(conn, group, drafts):
                    gathered, written = gathered + len(group), written + len(drafts.finished)
    return gathered, written


def renew(house: House, progress: Progress = lambda _done, _all: None, *, always: bool = False) -> bool:
    """Write the columnar copy of the facts anew where it is worth it, or `always`; whether it was.

    Where the lake is in PostgreSQL there is none: the server reads the facts themselves.
    """
    with house.reading() as conn:
        if tables.here(conn) or (not always and not snapshot.worth_writing(conn)):
            return False
    _unlink(house)
    for _ in range(TRIES):
        with Drafts(house.lake) as drafts:
            with house.reading() as conn:
                prepared = snapshot.prepare(conn, drafts, progress)
            with db.write(house.engine) as conn:
                if snapshot.conclude(conn, prepared):
                    return True
    with db.write(house.engine) as conn:
        snapshot.write(conn, house.lake)
    return True


def _unlink(house: House) -> int:
    with db.write(house.engine) as conn:
        return segments.garbage(conn, house.lake)
