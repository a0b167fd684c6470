"""What was done with my data: every use in words, by purpose and month, and every look; the proof of each.

Source: GDPR Art. 15(1); CJEU C-154/21, C-579/21.
"""

from __future__ import annotations

import re

from fastapi import APIRouter, Request, Response

from pacte.app import history, onday
from pacte.app.exhibit import exhibit
from pacte.app.house import House
from pacte.app.policies import document
from pacte.app.prove import Proof, file_name
from pacte.consent.notice.words import category
from pacte.kernel.errors import BadInput, NotFound
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import Instant, parse_instant, to_iso
from pacte.policy.categories import categories
from pacte.web.centre.words import known, lengths
from pacte.web.pages import language, page
from pacte.web.security import throttle
from pacte.web.session import fresh_person

router = APIRouter()

AT_ONCE = 50
"""How many uses of one purpose the page of a month lists; the page of that purpose lists them all."""
LARGEST = 1 << 53
"""Beyond the index of any entry."""


@router.get("/{lang}/me/uses")
def uses(request: Request) -> Response:
    """One month: the one asked for (`?month=2026-11`), else the latest in which there was anything."""
    signed_in = fresh_person(request)
    throttle(request, "uses", 240, 600, who=signed_in.who)
    house, subject = request.app.state.house, SubjectId(signed_in.who)
    months = history.months(house, subject)
    start = _asked_for(request, months)
    month = history.month(house, subject, start) if start else history.latest(house, subject, months)
    alone = request.query_params.get("purpose", "")
    return page(
        request,
        "centre/uses.html",
        months={to_iso(one)[:7]: one for one in months},
        month=month,
        name=to_iso(month.start)[:7] if month else "",
        purposes=[one for one in month.purposes if alone in ("", one.purpose)] if month else [],
        alone=alone,
        at_once=None if alone else AT_ONCE,
        data=_data(language(request)),
        recipients=_recipients(house),
        whys=known("why"),
        length=lengths(language(request)),
    )


@router.get("/{lang}/me/use/{entry}/proof")
def proof(request: Request, entry: int) -> Response:
    """The proof of one use of my data, as a file."""
    found = _proved(request, entry)
    named = {"Content-Disposition": f'attachment; filename="{file_name(found)}"'}
    return Response(found.data, media_type="application/json", headers=named)


@router.get("/{lang}/me/use/{entry}/exhibit")
def explained(request: Request, entry: int) -> Response:
    """The page that says in words what the proof shows, complete in one file."""
    found, lang = _proved(request, entry), language(request)
    name = file_name(found).removesuffix(".json") + f".{lang}.html"
    named = {"Content-Disposition": f'attachment; filename="{name}"'}
    content = exhibit(request.app.state.house, found, lang)
    return Response(content, media_type="text/html; charset=utf-8", headers=named)


def _proved(request: Request, entry: int) -> Proof:
    signed_in = fresh_person(request)
    throttle(request, "proof", 60, 600, who=signed_in.who)
    if not 0 <= entry < LARGEST:
        raise NotFound("no such use is recorded here")
    return onday.proof_of(request.app.state.house, SubjectId(signed_in.who), entry)


def _asked_for(request: Request, months: list[Instant]) -> Instant | None:
    said = request.query_params.get("month", "")
    if not re.fullmatch(r"\d{4}-\d{2}", said):
        return None
    try:
        start = parse_instant(f"{said}-01")
    except BadInput:
        return None
    return start if start in months else None


def _data(lang: str) -> dict[str, str]:
    return {name: category(name, lang) for name in categories()}


def _recipients(house: House) -> dict[str, str]:
    policy = document(house)
    return {name: recipient.name for name, recipient in policy.recipients.items()}
