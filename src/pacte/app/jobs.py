"""What the worker can do: a handler for each kind of job, and the housekeeping that comes round by itself.

A handler may be run twice for one job, when a worker died before it could say that it was done: it must be idempotent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pacte.app import commits
from pacte.app.choose import TELL
from pacte.kernel import db, jobs
from pacte.kernel.instant import DAY, SECOND, Instant
from pacte.kernel.jobs import Job

if TYPE_CHECKING:
    from pacte.app.house import House

KEPT = 30 * DAY
"""How long a job that was done is remembered, in microseconds."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The job cannot be done before somebody mends what `code` names."""

    code: str


Handler = Callable[["House", Job, Instant], Waiting | None]
"""Does a job; `None` when it is done. Raises where it failed and shall be tried again."""


def _tell_recipient(_house: House, _job: Job, _now: Instant) -> Waiting:
    # Nothing here can reach a recipient yet; the job stays, counts as late, and shows.
    return Waiting("no_connector")


def _end_evidence(house: House, _job: Job, now: Instant) -> None:
    from pacte.app.erase import end_evidence

    end_evidence(house, now, by="worker")  # also the sealed sets and suppressions whose end has come


def _prune(house: House, _job: Job, now: Instant) -> None:
    with db.write(house.engine) as conn:
        commits.prune(conn, now)
        jobs.prune(conn, Instant(now - KEPT))


def _compact(house: House, _job: Job, _now: Instant) -> None:
    from pacte.app.compaction import compact

    compact(house)


HANDLERS: Mapping[str, Handler] = {
    TELL: _tell_recipient,
    "end_evidence": _end_evidence,
    "prune": _prune,
    "compact": _compact,
}
"""By kind of job."""

ROUND: Mapping[str, int] = {"end_evidence": 3_600 * SECOND, "prune": DAY, "compact": DAY}
"""Housekeeping: kinds that come round again, and after how many microseconds."""


def remind(house: House, now: Instant) -> None:
    """See to it that every kind of housekeeping is asked for."""
    with house.reading() as conn:
        there = jobs.there(conn, ROUND)
    missing = [Job(kind, now) for kind in ROUND if kind not in there]
    if missing:
        with db.write(house.engine) as conn:
            jobs.add(conn, missing)
