"""Addresses to which nothing is sent any more: how many and why, what changed, a code of a mail server explained.

No address is shown, and none stands in an address of a page: whoever has one in hand types it. What was added can be
lifted, and both stand in the ledger. The answer is the same whether an address was on the list or not.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.datastructures import FormData

from pacte.app import shown, soft_bounces, suppressions
from pacte.app import staff as people
from pacte.app.bounces import EMAIL
from pacte.app.contact import FIELDS
from pacte.app.house import House
from pacte.app.suppressions import REASONS
from pacte.app.wording import suppressed_why
from pacte.kernel.errors import BadInput
from pacte.kernel.i18n import catalogue
from pacte.kernel.instant import DAY
from pacte.web.auth.staff import member
from pacte.web.console.codes import word
from pacte.web.pages import language, page, to, words
from pacte.web.security import Posted, throttle

router = APIRouter()

MOST = 50
"""Changes of one page."""
_CODE = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})")


@router.get("/{lang}/staff/suppression")
def desk(request: Request, code: str = "") -> Response:
    """The page; `code` is one of a mail server to explain."""
    member(request, "choices")
    return _page(request, code=code.strip())


@router.post("/{lang}/staff/suppression")
def add(request: Request, form: Posted) -> Response:
    """Suppress an address."""
    return _change(request, form, lifting=False)


@router.post("/{lang}/staff/suppression/lift")
def lift(request: Request, form: Posted) -> Response:
    """Take an address off the list: the one that is typed, or those of the person that an entry names."""
    entry = str(form.get("entry", ""))
    if not entry:
        return _change(request, form, lifting=True)
    found, house = member(request, "choices"), request.app.state.house
    throttle(request, "suppression", 60, 600, who=found.id)
    named = suppressions.entry_at(house, int(entry)) if entry.isdecimal() and len(entry) < 16 else None
    if named is None or named.subject is None or not named.open:
        return to(request, "staff/suppression?done=gone")
    suppressions.lift_of(house, named.subject, named.channel, named.reason, by=found.actor)
    return to(request, "staff/suppression?done=lifted")


def explained(code: str, lang: str) -> list[str]:
    """What an enhanced status code says, from the general to the particular; nothing for what is none.

    Source: RFC 3463; RFC 7372; IANA SMTP Enhanced Status Codes.
    """
    found = _CODE.fullmatch(code)
    if found is None:
        return []
    keys = (f"class_{found[1]}", f"subject_{found[2]}", f"detail_{found[2]}_{found[3]}")
    known = catalogue("web.console")
    return [words("console", lang, f"suppression.{key}") for key in keys if f"suppression.{key}" in known]


def _change(request: Request, form: FormData, *, lifting: bool) -> Response:
    found, house = member(request, "choices"), request.app.state.house
    throttle(request, "suppression", 60, 600, who=found.id)
    address, channel, reason = (str(form.get(name, "")).strip() for name in ("address", "channel", "reason"))
    if channel not in FIELDS or reason not in REASONS:
        return _page(request, form=form, problem="choose")
    try:
        change = suppressions.lift if lifting else suppressions.add
        change(house, address, channel, reason, by=found.actor)
    except BadInput:
        return _page(request, form=form, problem="address")
    return to(request, f"staff/suppression?done={'lifted' if lifting else 'added'}")


def _soft(house: House) -> int | None:
    """How many people's mail came back for now, as it may be shown."""
    with house.reading() as conn:
        some = soft_bounces.people(conn, EMAIL)
    return shown.number_of(house, {"bounced": "soft", "channel": EMAIL}, some) if some else None


def _page(request: Request, *, code: str = "", form: FormData | None = None, problem: str = "") -> Response:
    house, lang = request.app.state.house, language(request)
    staff = {one.actor: one.name for one in people.members(house)}
    says = explained(code, lang)
    problems = {"address": words("console", lang, f"suppression.wrong_{problem}")} if problem else {}
    if code and not says:
        problems["code"] = words("console", lang, "suppression.wrong_code")
    values: dict[str, Any] = {
        "counts": suppressions.about(house),
        "rows": suppressions.latest(house, MOST),
        "staff_members": staff,
        "word": partial(word, lang),
        "why": partial(suppressed_why, lang=lang),
        "code": code,
        "says": says,
        "soft": _soft(house),
        "rule": {
            "days": soft_bounces.ENOUGH,
            "span": soft_bounces.OVER // DAY,
            "pause": soft_bounces.KEPT // DAY,
        },
        "channels": list(FIELDS),
        "reasons": REASONS,
        "chosen": {name: str(form.get(name, "")) if form else "" for name in ("channel", "reason")},
        "problems": problems,
    }
    done = request.query_params.get("done", "")
    return page(request, "console/suppression.html", status=422 if problems else 200, done=done, **values)
