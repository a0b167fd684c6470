"""A form's own page: shown to a stranger, who then confirms by a message, or to somebody who is signed in.

What is shown is the recorded fragment itself. A box is ticked by the person alone; to refuse is one button beside the
other; a box that was not shown is refused; a form that has changed since is shown again. Source: GDPR Art. 4(11), 7.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from pacte.app import form_answers, forms, optin
from pacte.app.forms import Changed, Shown, Ticket
from pacte.app.links import Expired
from pacte.consent.form.fragment import Again, labels, matters
from pacte.consent.form.values import KNOWN, STRANGER
from pacte.kernel.ids import SubjectId
from pacte.web.forms import showing
from pacte.web.forms.showing import Answer
from pacte.web.pages import language, page
from pacte.web.security import Posted, throttle
from pacte.web.session import SignInNeeded, current

router = APIRouter()


@router.get("/{lang}/forms/{form}")
def form(request: Request, form: str) -> Response:
    """The form, as whoever asks for it sees it."""
    throttle(request, "forms", 300, 600)
    to = KNOWN if current(request, "person") else STRANGER
    return _page(request, forms.shown(request.app.state.house, form, language(request), to))


@router.post("/{lang}/forms/{form}")
def answer(request: Request, form: str, posted: Posted) -> Response:
    """Take an answer: record it, or ask for it to be confirmed."""
    throttle(request, "form-answers", 60, 600)
    house = request.app.state.house
    said = showing.read(posted)
    try:
        seen, found = forms.answered(house, form, said.ticket, said.yes, (STRANGER, KNOWN))
    except Expired as over:
        again = forms.shown(house, form, language(request), over.link["to"])
        return _page(request, again, late=True, status=410)
    except Changed as changed:
        return _page(request, changed.shown, changed=changed, status=409)
    if seen.to == KNOWN:
        return _known(request, seen, found, said)
    return showing.take(request, seen, found, said, _again)


def _known(request: Request, seen: Ticket, found: Shown, said: Answer) -> Response:
    """Record what somebody signed in says; what their purposes want confirmed is asked by a message."""
    session = current(request, "person")
    if session is None:
        raise SignInNeeded("person")
    house, subject, yes = request.app.state.house, SubjectId(session.who), said.yes
    recorded = form_answers.choose(house, subject, seen, found, yes, none=said.none)
    todo = form_answers.unproved(found.form, yes)
    if todo:
        throttle(request, "form-letters", 3, 900, who=subject)
        optin.ask_known(house, subject, seen, todo)
    done = [name for name in found.form.boxes if name in yes and name not in todo]
    return page(
        request,
        "forms/done.html",
        form=found.form,
        unticked=not yes and not said.none,
        said=labels(found.form, done),
        todo=labels(found.form, todo),
        refused=matters(found.form, found.form.boxes) if said.none else [],
        recorded=recorded,
    )


def _page(request: Request, found: Shown, *, status: int = 200, **said: Any) -> Response:
    session = current(request, "person") if found.form.to == KNOWN else None
    stands = form_answers.standing(request.app.state.house, SubjectId(session.who), found.form) if session else ()
    shown = showing.parts(request, found, ours=True, **said)
    return page(request, "forms/form.html", status=status, stands=matters(found.form, stands), **shown)


def _again(request: Request, found: Shown, again: Again, ticket: str) -> Response:
    """The form once more, with what is to be mended."""
    return _page(request, found, again=again, ticket=ticket, status=422)
