"""What waits, failed or ended undone, and why: tried again at once, or said to be done by hand. No address shows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response

from pacte.app import links
from pacte.app.choose import TELL
from pacte.app.duties import done_by_hand, ended_jobs
from pacte.app.house import House
from pacte.app.letters import SEND
from pacte.app.wording import job_ended
from pacte.kernel import db
from pacte.kernel import jobs as table
from pacte.kernel.errors import Conflict, NotFound
from pacte.kernel.instant import DAY
from pacte.kernel.jobs import Job
from pacte.web.auth.staff import member
from pacte.web.console.codes import word
from pacte.web.pages import language, page, to
from pacte.web.security import Posted, throttle

router = APIRouter()

MOST = 100
"""Jobs of one page."""
WAYS = ("letter", "phone", "portal")
"""How a recipient is told by hand."""
NAMED = "job"
"""The kind of link that names a job: its own name may hold who it is about."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A job as the page shows it; `token` names it, `kind` and `what` say what it does, `state` how it stands."""

    job: Job
    token: str
    what: str
    state: str
    by_hand: bool


@router.get("/{lang}/staff/jobs")
def jobs(request: Request) -> Response:
    """The page: what needs somebody first."""
    member(request, "jobs")
    house = request.app.state.house
    now = house.clock()
    with house.reading() as conn:
        found, every = table.pressing(conn, now, MOST), sum(one.open for one in table.tally(conn, now).values())
    lang, over = language(request), ended_jobs(house)
    rows = [_shown(house, job, job.overdue(now)) for job in found]
    values: dict[str, Any] = {"rows": rows, "more": every - len(rows), "ways": WAYS, "word": partial(word, lang)}
    values |= {"ended": [(_what(job), job, job_ended(job.error or "", lang)) for job in over]}
    return page(request, "console/jobs.html", done=request.query_params.get("done", ""), **values)


@router.post("/{lang}/staff/jobs/again")
def again(request: Request, form: Posted) -> Response:
    """Try a job at once."""
    house, name = _named(request, form)
    with db.write(house.engine) as conn:
        tried = table.hasten_one(conn, name, house.clock())
    return to(request, f"staff/jobs?done={'again' if tried else 'gone'}")


@router.post("/{lang}/staff/jobs/told")
def told(request: Request, form: Posted) -> Response:
    """Record that a recipient was told by hand."""
    found = member(request, "jobs")
    house, name = _named(request, form)
    how = str(form.get("how", ""))
    try:
        done_by_hand(house, name, how if how in WAYS else WAYS[0], found.actor)
    except (NotFound, Conflict):
        return to(request, "staff/jobs?done=gone")
    return to(request, "staff/jobs?done=told")


def _named(request: Request, form: Posted) -> tuple[House, str]:
    found, house = member(request, "jobs"), request.app.state.house
    throttle(request, "jobs", 120, 600, who=found.id)
    return house, links.opened(house, NAMED, str(form.get("job", "")))["id"]


def _shown(house: House, job: Job, late: bool) -> Shown:
    failed = job.attempts > 0 and job.error is not None and job.state == table.READY
    state = "failed" if failed else "late" if late else job.state
    return Shown(job, links.seal(house, NAMED, {"id": job.id}, DAY), _what(job), state, job.kind == TELL)


def _what(job: Job) -> str:
    target = job.target or ""
    return target.partition(":")[0] if job.kind == SEND else target if job.kind == TELL else ""
