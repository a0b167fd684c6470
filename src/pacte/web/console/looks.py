"""Who looked at whom, when and why: every look of the staff, people under a name that leads nowhere else."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.datastructures import FormData

from pacte.app import looks
from pacte.app import staff as people
from pacte.app.wording import look_reason
from pacte.kernel.instant import DAY, Instant, to_iso
from pacte.policy.house import house_purposes
from pacte.web.auth.staff import member
from pacte.web.console import days
from pacte.web.console.codes import word
from pacte.web.pages import language, page, words
from pacte.web.security import Posted, throttle

router = APIRouter()

USUAL, MOST = 30, 50
"""Days that are shown unless others are asked for, and looks of one page."""
_WHOM = re.compile(r"[A-Z2-7]{4}-[A-Z2-7]{4}")


@router.get("/{lang}/staff/looks")
def latest(request: Request) -> Response:
    """The latest looks."""
    return _page(request, FormData())


@router.post("/{lang}/staff/looks")
def asked(request: Request, form: Posted) -> Response:
    """Those that were asked for; by a form, so that no address tells whom somebody wondered about."""
    return _page(request, form)


def _page(request: Request, form: FormData) -> Response:
    house, lang = request.app.state.house, language(request)
    throttle(request, "looks", 300, 600, who=member(request, "looks").id)
    staff = {one.actor: one for one in people.members(house)}
    by, whom = str(form.get("by", looks.PEOPLE)), str(form.get("whom", "")).strip().upper()
    now = house.clock()
    since, until, problems = days.asked(form, Instant(now - now % DAY + DAY), USUAL, lang)
    if whom and not _WHOM.fullmatch(whom):
        problems["whom"] = words("console", lang, "looks.whom_problem")
    before = str(form.get("before", ""))
    found = [] if problems else looks.looks(
        house, since, until, by=by, whom=whom, most=MOST + 1, before=int(before) if _is_index(before) else None
    )  # fmt: skip
    titles = {name: rules.title[lang] for name, rules in house_purposes({}).items()}
    return page(
        request,
        "console/looks.html",
        status=422 if problems else 200,
        rows=[_row(one, staff, titles, lang) for one in found[:MOST]],
        older=found[MOST - 1].index if len(found) > MOST else None,
        staff_members=staff,
        by=by,
        whom=whom,
        word=partial(word, lang),
        since=to_iso(since)[:10],
        until=to_iso(until - 1)[:10],
        problems=problems,
    )


def _row(one: looks.Look, staff: dict[str, people.Member], titles: dict[str, str], lang: str) -> dict[str, Any]:
    return {
        "look": one,
        "member": staff.get(one.by),
        "purpose": titles.get(one.purpose, one.purpose),
        "reason": look_reason(one.reason, lang),
    }


def _is_index(given: str) -> bool:
    return given.isdecimal() and len(given) < 16
