"""Setting a house up, step by step: what there is, what lacks, what to do, and why; for owners, and for the DPO to see.

Nothing is ticked here: a step is done when the house shows it (`app.setup`). What is in files is told with its command.
"""

from __future__ import annotations

import shlex

from fastapi import APIRouter, Request, Response

from pacte.app import setup
from pacte.app.house import House
from pacte.app.mail import send_now
from pacte.app.staff import Member
from pacte.app.staff_letters import address_of, test_letter
from pacte.kernel.errors import BadInput, Unsafe
from pacte.web.auth.staff import member
from pacte.web.pages import LANGUAGES, language, page, to, words
from pacte.web.security import Posted, throttle

router = APIRouter()


@router.get("/{lang}/staff/setup")
def steps(request: Request) -> Response:
    """Every step, and how it stands."""
    return _page(request, member(request, "setup"))


@router.post("/{lang}/staff/setup/letter")
def letter(request: Request, form: Posted) -> Response:
    """Send a test letter to one's own login, where that is an address; says at once whether it left."""
    del form
    found, house = member(request, "staff"), request.app.state.house
    throttle(request, "test letter", 5, 900, who=found.id)
    address, lang = address_of(found), language(request)
    if address is None:
        raise BadInput("your login is no e-mail address, so no letter reaches you")
    try:
        send_now(house, test_letter(house, address, lang), lang, house.clock())
    except (BadInput, Unsafe) as error:
        return _page(request, found, problem=str(error))
    return to(request, "staff/setup?done=letter")


def _page(request: Request, found: Member, *, problem: str = "") -> Response:
    house: House = request.app.state.house
    lang, there = language(request), setup.steps(house)
    return page(
        request,
        "console/setup.html",
        status=422 if problem else 200,
        steps=[(step, _facts(step, lang)) for step in there],
        left=sum(not step.done for step in there),
        at=f" -H {shlex.quote(str(house.path))}",
        owner=found.may("staff"),
        reached=address_of(found) is not None,
        texts=found.may("texts"),
        problems={"letter": words("console", lang, "setup.letter_problem")} if problem else {},
        detail=problem if lang == "en" else "",
        done=request.query_params.get("done", ""),
    )


def _facts(step: setup.Step, lang: str) -> dict[str, str | int]:
    """What is to be said of a step, with languages by their names."""
    named = {code: words("", lang, f"{code}.name") for code in LANGUAGES}
    spoken = ", ".join(named[code] for code in named if code in str(step.facts.get("languages", "")).split())
    return {**step.facts, "languages": spoken}
