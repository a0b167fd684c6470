"""Several choices in one commit: all of them are recorded, or none is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pacte.app.commits import First
from pacte.app.committer import Change, Moment, Recorded
from pacte.kernel.errors import BadInput, Conflict, PacteError
from pacte.kernel.instant import Instant
from pacte.kernel.jobs import Job
from pacte.ledger import queries

MOST = 1_000
"""Choices in one batch."""


class Part(Protocol):
    """One of the choices: it says whom it is about, and what it records at the head; no entry where it says nothing."""

    @property
    def persons(self) -> Sequence[str]:
        """Identifiers of the people that it is about."""
        ...

    def change(self, moment: Moment) -> Change[Any]:
        """Decide at the head; raises what its caller shall get."""
        ...


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

    @property
    def indices(self) -> range:
        """The ledger indices of the choices, in their order."""
        return range(self.first, self.first + self.count)


class Faulty(BadInput):
    """A batch of which nothing was recorded; `faults` are the places of what cannot be, with what is wrong there."""

    def __init__(self, faults: Sequence[tuple[int, PacteError]]) -> None:
        self.faults = tuple(faults)
        super().__init__(f"{len(self.faults)} of these choices cannot be recorded, so none was; mend or leave them out")


@dataclass(frozen=True, slots=True)
class Choices:
    """The verb: several choices, recorded in one commit. `said` is a digest of the whole call, for its key.

    Each raises what is wrong with it; `by_place` tells all that is wrong at once (`Faulty`). With `unless_since` a key
    answers what it recorded only while none of these people has said anything else since.
    """

    parts: tuple[Part, ...]
    key: str = ""
    said: str = ""
    by_place: bool = False
    unless_since: bool = False

    @property
    def persons(self) -> Sequence[str]:
        """Whom they are about."""
        return tuple(dict.fromkeys(person for part in self.parts for person in part.persons))

    @property
    def ends(self) -> bool:
        """Whether any of them is a no."""
        return any(getattr(part, "ends", False) for part in self.parts)

    def change(self, moment: Moment) -> Change[Together]:
        """The entries: the first of each choice in their order, then what shared addresses add."""
        parts = [part for part in self._changes(moment) if part.entries]
        entries, jobs = [part.entries[0] for part in parts], list[Job]()
        for place, part in enumerate(parts):
            # A choice's own places: its first entry stands among the firsts, the others come after all of these.
            further = len(entries) - 1
            jobs += [job._replace(entry=further + job.entry if job.entry else place) for job in part.jobs]
            entries += part.entries[1:]
        count = len(parts)
        return Change(lambda written: _together(written, count), entries, jobs)

    def again(self, moment: Moment, first: First) -> Together:
        """What was recorded under the same key before; raises `Conflict` where that stands no more."""
        if self.unless_since and self._said_since(moment, first.size):
            raise Conflict("something else was said since this was shown; look at it again")
        written = Recorded(first.entry, first.size, first.at)
        return _together(written, min(len(self.parts), len(written.indices)))

    def _changes(self, moment: Moment) -> list[Change[Any]]:
        found: list[Change[Any]] = []
        faults: list[tuple[int, PacteError]] = []
        for place, part in enumerate(self.parts):
            try:
                found.append(part.change(moment))
            except PacteError as error:
                if not self.by_place:
                    raise
                faults.append((place, error))
        if faults:
            raise Faulty(faults)
        return found

    def _said_since(self, moment: Moment, size: int) -> bool:
        people = [subject for person in self.persons for subject in moment.people(person)]
        said = (queries.about_of_kind(moment.conn, subject, "choice") for subject in people)
        return any(index >= size for entries in said for index, _ in entries)


def _together(written: Recorded, count: int) -> Together:
    return Together(written.first, count, len(written.indices) - count, written.size, written.at)
