"""A form for applications that draw their own: what must be shown, as JSON, and the answer, which a message confirms.

What was given out to be shown is kept under its digest as a page is. Nobody is signed in here; an answer has the power
of its ticket alone, so that pages of the listed origins may send one without any cookie.
"""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from pacte.app import forms
from pacte.app.forms import Changed
from pacte.app.links import Expired, Forged
from pacte.consent.form.values import PROGRAM
from pacte.web.api import problems
from pacte.web.forms import showing
from pacte.web.forms.showing import Answer
from pacte.web.origins import shared
from pacte.web.pages import LANGUAGES, language
from pacte.web.security import evenly, refuse_large, throttle

router = APIRouter()

FETCH_AGAIN = "this form is no longer what was shown: get it again, show it again; nothing was recorded"


@router.options("/api/v1/forms/{form}")
def preflight(request: Request, form: str) -> Response:  # noqa: ARG001 # every form may be asked for
    """Whether a page of another origin may ask."""
    return _shared(request, Response(status_code=204))


@router.get("/api/v1/forms/{form}")
def shown(request: Request, form: str) -> Response:
    """What the form asks now, in the language `lang`, and the ticket that an answer brings back."""
    throttle(request, "forms", 300, 600)
    house = request.app.state.house
    asked = request.query_params.get("lang", "")[:2]
    found = forms.shown(house, form, asked if asked in LANGUAGES else language(request), PROGRAM)
    forms.remember(house, found)
    body = found.form.to_json() | {"digest": found.digest, "ticket": forms.ticket(house, found)}
    return _shared(request, JSONResponse(body, headers={"Content-Language": found.form.lang}))


@router.post("/api/v1/forms/{form}")
async def answer(request: Request, form: str) -> Response:
    """Take an answer: `ticket`, `yes` (names of boxes), `fields` (by name), `over`, `place`."""
    refuse_large(request)
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        return _shared(request, problems.response("media_type", "send `Content-Type: application/json`"))
    body = await request.body()
    return _shared(request, await run_in_threadpool(_answered, request, form, body))


def _answered(request: Request, form: str, body: bytes) -> Response:
    throttle(request, "form-answers", 60, 600)
    try:
        sent = json.loads(body)
    except (ValueError, RecursionError):
        return problems.response("malformed", "the body is not JSON")
    if not _is_answer(sent):
        return problems.response("invalid", "expected `ticket`, `yes` (names), `fields`, perhaps `over` and `place`")
    said = _read(sent)
    try:
        seen, found = forms.answered(request.app.state.house, form, said.ticket, said.yes, (PROGRAM,))
    except Forged:
        return problems.response("not_found", "no form was shown with this ticket")
    except (Changed, Expired):
        return problems.response("conflict", FETCH_AGAIN)
    if not said.yes:
        return JSONResponse({"status": "nothing_recorded"})
    values, wrong = showing.checked(request, found.form, said)
    if wrong:
        return problems.response("invalid", "cannot be read: " + ", ".join(f"`{name}`" for name in wrong))
    with evenly():
        showing.send(request, seen, found, said, values)
    return JSONResponse({"status": "confirmation_sent"}, 202)


def _read(sent: dict[str, Any]) -> Answer:
    fields = {key[:100]: value[: showing.LONGEST] for key, value in sent.get("fields", {}).items()}
    yes = tuple(dict.fromkeys(sent["yes"]))[: showing.MOST]
    return Answer(sent["ticket"], yes, fields, sent.get("over", False), sent.get("place", ""))


def _is_answer(sent: Any) -> bool:
    if not isinstance(sent, dict) or sent.keys() - {"ticket", "yes", "fields", "over", "place"}:
        return False
    fields = sent.get("fields", {})
    return (
        isinstance(sent.get("ticket"), str)
        and isinstance(sent.get("yes"), list)
        and all(isinstance(one, str) for one in sent["yes"])
        and isinstance(fields, dict)
        and all(isinstance(value, str) for value in fields.values())
        and type(sent.get("over", False)) is bool
        and isinstance(sent.get("place", ""), str)
    )


def _shared(request: Request, response: Response) -> Response:
    """Let pages of the listed origins read an answer, without any cookie."""
    settings = request.app.state.house.settings.web
    return shared(request, response, (*settings.origins, *settings.embedded_by))
