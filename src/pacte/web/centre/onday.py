"""On this day, could you? A day and a purpose, answered with reasons, entries and proofs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from fastapi import APIRouter, Request, Response

from pacte.app import onday
from pacte.app.house import House
from pacte.app.policies import document
from pacte.app.timeline import Said, said_in
from pacte.gate.one import NO_RULES
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import to_datetime
from pacte.web.centre.words import lengths, reasons
from pacte.web.pages import language, page, words
from pacte.web.security import Posted, throttle
from pacte.web.session import fresh_person

router = APIRouter()


@router.get("/{lang}/me/on-this-day")
def asking(request: Request) -> Response:
    """The form."""
    fresh_person(request)
    return _page(request, {})


@router.post("/{lang}/me/on-this-day")
def answer(request: Request, form: Posted) -> Response:
    """The answer, below the form: nothing of it stands in an address."""
    signed_in = fresh_person(request)
    throttle(request, "on-this-day", 60, 600, who=signed_in.who)
    house, lang = request.app.state.house, language(request)
    said = {name: str(form.get(name, "")) for name in ("day", "purpose")}
    problems = {}
    day = _day(said["day"])
    if day is None or day > to_datetime(house.clock()).date():
        problems["day"] = words("centre", lang, "onday.day_problem")
    if said["purpose"] not in onday.purposes(house):
        problems["purpose"] = words("centre", lang, "onday.purpose_problem")
    if problems or day is None:
        return _page(request, said, problems=problems, status=422)
    found = onday.on_day(house, SubjectId(signed_in.who), said["purpose"], day)
    return _page(request, said, found=found, cited=said_in(house, SubjectId(signed_in.who), found.cited))


def _page(
    request: Request,
    said: dict[str, str],
    *,
    found: onday.OnDay | None = None,
    cited: Sequence[Said] = (),
    problems: dict[str, str] | None = None,
    status: int = 200,
) -> Response:
    house: House = request.app.state.house
    policy = document(house)
    return page(
        request,
        "centre/onday.html",
        status=status,
        said=said,
        found=found,
        no_rules=NO_RULES,
        cited=cited,
        problems=problems or {},
        purposes=onday.purposes(house),
        length=lengths(language(request)),
        reason=reasons(language(request)),
        today=to_datetime(house.clock()).date().isoformat(),
        recipients={name: recipient.name for name, recipient in policy.recipients.items()},
    )


def _day(said: str) -> date | None:
    try:
        return date.fromisoformat(said.strip())
    except ValueError:
        return None
