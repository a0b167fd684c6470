"""Many choices in one commit: all of them are recorded, or none is and every mistake is told at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pacte.app.choose import Choice
from pacte.app.commits import First
from pacte.app.committer import Change, Moment, Recorded
from pacte.kernel.errors import BadInput, PacteError
from pacte.kernel.instant import Instant
from pacte.kernel.jobs import Job

MOST = 1_000
"""Choices in one batch."""


@dataclass(frozen=True, slots=True)
class Together:
    """Where the choices of a batch stand: the one at place `n` under ledger index `first + n`, `count` in all.

    `also` are the entries that follow: a no that came from an address which several people share is recorded for each
    of them. `size` is the size of the ledger that holds all of it.
    """

    first: int
    count: int
    also: int
    size: int
    at: Instant


class Faulty(BadInput):
    """A batch of which nothing was recorded; `faults` are the places of what cannot be, with what is wrong there."""

    def __init__(self, faults: Sequence[tuple[int, PacteError]]) -> None:
        self.faults = tuple(faults)
        super().__init__(f"{len(self.faults)} of these choices cannot be recorded, so none was; mend or leave them out")


@dataclass(frozen=True, slots=True)
class Choices:
    """The verb: several choices, recorded in one commit. `said` is a digest of the whole call, for its key."""

    choices: tuple[Choice, ...]
    key: str = ""
    said: str = ""

    @property
    def persons(self) -> Sequence[str]:
        """Whom they are about."""
        return [person for choice in self.choices for person in choice.persons]

    def change(self, moment: Moment) -> Change[Together]:
        """The entries: the first of each choice in their order, then what shared addresses add. Raises `Faulty`."""
        parts: list[Change[Any]] = []
        faults: list[tuple[int, PacteError]] = []
        for place, choice in enumerate(self.choices):
            try:
                parts.append(choice.change(moment))
            except PacteError as error:
                faults.append((place, error))
        if faults:
            raise Faulty(faults)
        entries, jobs = [part.entries[0] for part in parts], list[Job]()
        for place, part in enumerate(parts):
            # A choice's own places: its first entry stands among the firsts, the others come after all of these.
            further = len(entries) - 1
            jobs += [job._replace(entry=further + job.entry if job.entry else place) for job in part.jobs]
            entries += part.entries[1:]
        count = len(parts)
        return Change(lambda written: _together(written, count), entries, jobs)

    def again(self, _moment: Moment, first: First) -> Together:
        """What was recorded under the same key before."""
        return _together(Recorded(first.entry, first.size, first.at), len(self.choices))


def _together(written: Recorded, count: int) -> Together:
    return Together(written.first, count, written.size - written.first - count, written.size, written.at)
