"""Lists that are out for use elsewhere: what for, until when, who took them, whether copies went stale; and ending one.

Numbers come from `app.shown`, which tells none that is about few. Nobody on a list shows here, and no list leaves here.
"""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from pacte.app import exports, segments, withdrawn
from pacte.app import staff as people
from pacte.app.campaigns import HALTS
from pacte.app.exports import Export
from pacte.app.policies import document
from pacte.consent.notice.words import of_policy
from pacte.kernel.errors import Denied
from pacte.web.auth.staff import member
from pacte.web.console.codes import word
from pacte.web.pages import language, page, to
from pacte.web.security import Posted, throttle

router = APIRouter()

MOST = 50
"""Lists of one page."""


@dataclass(frozen=True, slots=True)
class Line:
    """One list, and how many must be dropped from its copies, as it may be shown (`None`: nobody, or few)."""

    export: Export
    title: str
    recipient: str
    collector: str
    stale: int | None = None


@router.get("/{lang}/staff/lists")
def listed(request: Request) -> Response:
    """The lists that are out, and those that are over."""
    found = member(request, HALTS)
    throttle(request, "lists", 60, 600, who=found.id)
    house = request.app.state.house
    with house.reading() as conn:
        rows = exports.listed(conn, MOST)
        now = house.present(conn)
    out = [one for one in rows if one.ended is None and now < one.until]
    return page(
        request,
        "console/lists.html",
        out=[_line(request, one, withdrawn.stale(house, one)) for one in out],
        over=[_line(request, one) for one in rows if one not in out],
        smallest=segments.smallest(house) if rows else 0,
        done=request.query_params.get("done", ""),
    )


@router.post("/{lang}/staff/lists/{name}/end")
def end(request: Request, name: str, form: Posted) -> Response:
    """End a list before its time."""
    del form
    found = member(request, HALTS)
    throttle(request, "lists", 60, 600, who=found.id)
    exports.end(request.app.state.house, name, by=found.actor)
    return to(request, "staff/lists?done=ended")


def _line(request: Request, one: Export, stale: int | None = None) -> Line:
    house, lang = request.app.state.house, language(request)
    try:
        policy = document(house)
        purpose, recipient = policy.purposes.get(one.purpose), policy.recipients.get(one.recipient)
    except Denied:
        purpose, recipient = None, None
    title = of_policy(purpose.title, lang) if purpose else one.purpose
    staff = {known.actor: known.name for known in people.members(house)}
    by = one.collector or ""
    collector = (staff.get(by) or word(lang, "by", by.partition(":")[0])) if by else ""
    return Line(one, title, recipient.name if recipient else one.recipient, collector, stale)
