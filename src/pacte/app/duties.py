"""What waits to be done for people: the jobs that are open, those that ended undone, and those done by hand."""

from __future__ import annotations

from pacte.app.choose import TELL
from pacte.app.house import House
from pacte.gate.rules import role
from pacte.kernel import jobs
from pacte.kernel.errors import BadInput, Conflict, NotFound
from pacte.kernel.instant import Instant
from pacte.kernel.jobs import Job

MOST = 100
"""Jobs that ended without being done, of those that are shown."""


def open_jobs(house: House) -> tuple[list[Job], Instant]:
    """Every job that is not done, the most pressing first, and the instant by which one is overdue or not."""
    with house.reading() as conn:
        return jobs.listed(conn), house.clock()


def ended_jobs(house: House) -> list[Job]:
    """The latest jobs that ended without being done, the latest first; they show for as long as done ones are kept."""
    with house.reading() as conn:
        return jobs.ended(conn, MOST)


def done_by_hand(house: House, name: str, how: str, by: str = "cli") -> int:
    """Record that somebody told a recipient themselves; returns the ledger index. Source: GDPR Art. 19.

    `how` is a short code: `letter`, `phone`, `portal`. Raises `NotFound` for no such job, `Conflict` for one that was
    done already, and `BadInput` for one that the worker does.
    """
    with house.writing() as conn:
        job = jobs.find(conn, name)
        if job is None:
            raise NotFound("no job of that identifier; see `pacte jobs`")
        if job.kind != TELL or job.about is None or job.target is None or job.entry is None:
            raise BadInput("only the telling of a recipient is done by hand; the worker does the rest (`pacte worker`)")
        if job.state == jobs.DONE:
            raise Conflict("that job was done already")
        now = house.present(conn)
        told = {"kind": "recipient_told", "subject": job.about, "recipient": job.target, "choice": job.entry}
        entry = {**told, "effective": now, "how": how, "by": by, **role(conn, now)}
        (index,) = house.record(conn, [entry], house.clock())
        jobs.done_by_hand(conn, name, house.clock())
        return index
