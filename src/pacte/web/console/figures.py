"""People who agreed over time, by purpose and channel: a table, and the same as lines. Nobody shows in it."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection

from pacte.app.figures import SMALLEST, Figures, agreed
from pacte.app.policies import published
from pacte.kernel.errors import Denied
from pacte.kernel.instant import Instant, to_iso
from pacte.web.auth.staff import member
from pacte.web.console import chart, days
from pacte.web.pages import language, page
from pacte.web.security import throttle

router = APIRouter()

USUAL = 84
"""Days that are shown unless others are asked for."""


@router.get("/{lang}/staff/figures")
def figures(request: Request) -> Response:
    """The page; `since` and `until` are days."""
    throttle(request, "figures", 120, 600, who=member(request, "figures").id)
    house = request.app.state.house
    today = Instant(house.clock())
    since, until, problems = days.asked(request.query_params, today, USUAL, language(request))
    try:
        found = agreed(house, since, until)
    except Denied:  # before a policy is in force there is nothing that anybody agreed to
        found = Figures((), (), today)
    with house.reading() as conn:
        names = _recipients(conn, house.present(conn))
    return page(
        request,
        "console/figures.html",
        status=422 if problems else 200,
        found=found,
        lines=[chart.line(one.counts, found.instants, language(request)) for one in found.series],
        recipients=names,
        smallest=SMALLEST,
        since=to_iso(since)[:10],
        until=to_iso(until)[:10],
        problems=problems,
    )


def _recipients(conn: Connection, now: Instant) -> dict[str, str]:
    try:
        policy = published(conn, now).document
    except Denied:
        return {}
    return {name: one.name for name, one in policy.recipients.items()}
