"""A campaign that a worker prepares: asked for at once, done by a job, reported on, and ready; or a draft again.

Crash points: `preparing-entered` (its people are written down, nothing is told), `preparing-told` (its report is kept).
Whatever the worker was at when it died, the next attempt begins anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pacte.app import campaigns, results, turns
from pacte.kernel import crash, db, jobs
from pacte.kernel.errors import BadInput, Denied
from pacte.kernel.instant import SECOND, Instant
from pacte.kernel.jobs import Job

if TYPE_CHECKING:
    from pacte.app.house import House

PREPARE = "prepare_campaign"
"""The kind of job that prepares a campaign; its target is the campaign and the turn that asks for it."""
PATIENCE = 10 * SECOND
"""After how many microseconds a job that no worker has taken up tells that none may be running."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a preparation stands.

    `idle`: no worker took it up for a while. `again`: when one that failed is tried again. `cut`: whoever prepared it
    gave no sign of life for long, and no job will; it has to be asked for anew.
    """

    idle: bool = False
    again: Instant | None = None
    cut: bool = False


def ask(house: House, name: str, *, by: str) -> None:
    """Have a worker prepare a campaign, and report on it. Raises `Conflict` as `campaigns.prepare` does."""
    now, turn = Instant(house.clock()), turns.new()
    with db.write(house.engine) as conn:
        campaigns.claim(conn, name, turn, by, now)
        jobs.add(conn, [Job(PREPARE, now, target=f"{name}.{turn}")])


def prepare(house: House, job: Job, now: Instant) -> Instant | None:
    """Do the job; answers when to try again where another worker still has it, `None` where nothing is left to do.

    What the policy or too few people forbid makes the campaign a draft again, which says why.
    """
    name, _, asked = str(job.target).partition(".")
    turn = f"{asked}.{job.attempts}"
    with db.write(house.engine) as conn:
        held = turns.of(conn, name)
        if held is None or held.name.partition(".")[0] != asked:
            return None  # it was prepared, or somebody else asked anew
        if held.name != asked and held.until > now:
            return held.until
        turns.take(conn, name, turn, held.by, now)
    try:
        entered = campaigns.enter(house, name, turn, by=held.by)
        crash.point("preparing-entered")
        results.report(house, name)
        crash.point("preparing-told")
        campaigns.ready(house, name, turn, entered)
    except (BadInput, Denied) as error:
        campaigns.give_up(house, name, turn, campaigns.why(error))
    except Exception:
        _free(house, name, turn, asked)
        raise
    return None


def standing(house: House, name: str) -> Standing:
    """How the preparation of a campaign stands."""
    now = house.clock()
    with house.reading() as conn:
        held = turns.of(conn, name)
        job = None if held is None else jobs.find(conn, f"{PREPARE}:{name}.{held.name.partition('.')[0]}")
    if job is None or job.state in (jobs.DONE, jobs.ENDED):
        return Standing(cut=held is None or held.until <= now)
    if job.state != jobs.READY:
        return Standing()
    return Standing(again=job.due) if job.error else Standing(idle=job.due + PATIENCE <= now)


def _free(house: House, name: str, turn: str, asked: str) -> None:
    """Let the next attempt begin when it is due, not when the turn of this one would have ended."""
    with db.write(house.engine) as conn:
        held = turns.of(conn, name)
        if held is not None and held.name == turn:
            turns.take(conn, name, asked, held.by, Instant(house.clock()))
