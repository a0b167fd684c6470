"""The first page of the console: what needs somebody today, and how the house stands, as far as the role goes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection

from pacte.app import checks, setup
from pacte.app.house import House
from pacte.app.letters import SEND
from pacte.gate import rules as stored
from pacte.kernel import jobs
from pacte.kernel.instant import DAY, Instant
from pacte.ledger import anchors, browse, log, queries
from pacte.web.auth.staff import member
from pacte.web.pages import page

router = APIRouter()

UNCHECKED = 7 * DAY
"""After how long without a check the page says so, in microseconds."""


@dataclass(frozen=True, slots=True)
class Attention:
    """One thing that needs somebody: its words, how many or since when, and the door to it."""

    words: str
    count: int = 0
    at: Instant | None = None
    what: str = ""
    door: str = ""


@router.get("/{lang}/staff")
def today(request: Request) -> Response:
    """How the house stands: for those who watch over it all of it, for everybody the doors that are theirs."""
    found, house = member(request), request.app.state.house
    values = _standing(house) if found.may("ledger") else {}
    steps = setup.steps(house) if found.may("setup") else []
    done = sum(step.done for step in steps)
    return page(request, "console/home.html", member=found, standing=values, steps=len(steps), done=done)


def _standing(house: House) -> dict[str, object]:
    checked = checks.last(house)
    house.anchoring.flush()
    with house.reading() as conn:
        head, now = log.head(conn), house.present(conn)
        midnight = Instant(now - now % DAY)
        since = browse.counted(conn, queries.size_at(conn, Instant(midnight - 1)), head.size)
        anchored = anchors.last_signed(anchors.read_latest(house.anchor_file).anchors, house.vkey)
        needs = list(_needs(house, conn, now, checked, anchored))
        policy = stored.present(conn, now)
    return {
        "needs": needs,
        "size": head.size,
        "last": head.time,
        "choices": since.get("choice", 0),
        "uses": since.get("use", 0),
        "looks": since.get("look", 0),
        "policy": policy,
        "checked": checked,
        "anchored": anchored,
    }


def _needs(
    house: House, conn: Connection, now: Instant, checked: checks.Outcome | None, anchored: anchors.Anchor | None
) -> Iterator[Attention]:
    if checked is not None and checked.problems:
        yield Attention("unsound", len(checked.problems), checked.at, door="ledger")
    if stored.present(conn, now) is None:
        yield Attention("no_policy")
    for stop in stored.stops_in_force(conn, now):
        yield Attention("stop_all" if stop.scope == "*" else "stop", at=stop.since, what=stop.scope, door="stops")
    found = jobs.tally(conn, house.clock())
    if SEND in found and (unsent := found[SEND].failed + found[SEND].waiting):
        yield Attention("mail", unsent, door="jobs")
    if late := sum(one.overdue for one in found.values()):
        yield Attention("late", late, door="jobs")
    if stuck := sum(one.waiting for kind, one in found.items() if kind != SEND):
        yield Attention("waiting", stuck, door="jobs")
    if anchored is None or anchored.size < log.head(conn).size:
        yield Attention("anchors", log.head(conn).size - (anchored.size if anchored else 0), door="ledger")
    if checked is None or checked.at < now - UNCHECKED:
        yield Attention("unchecked", at=checked.at if checked else None, door="ledger")
