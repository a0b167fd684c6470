"""What the doors of a form have in common: the live fragment, reading an answer, taking that of a stranger."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

from fastapi import Request, Response
from markupsafe import Markup
from starlette.datastructures import FormData

from pacte.app import forms, optin
from pacte.app.forms import Changed, Shown, Ticket
from pacte.app.house import House
from pacte.app.pending import Said
from pacte.consent.form.fragment import FIRST, Again, fragment, labels, problems_of
from pacte.consent.form.values import Asking
from pacte.intake.by_form import normal
from pacte.kernel.errors import BadInput
from pacte.web.pages import address, page
from pacte.web.security import evenly, form_token, throttle

LONGEST = 254
"""Characters of anything that is typed."""
MOST = 100
"""Boxes of one answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was sent: the ticket of what was shown, the boxes ticked, what was typed; `none` is no to everything."""

    ticket: str
    yes: tuple[str, ...]
    values: Mapping[str, str] = field(default_factory=dict)
    over: bool = False
    place: str = ""
    none: bool = False


def read(posted: FormData) -> Answer:
    """An answer as a page sends it; the button that refuses leaves no yes, whatever was ticked."""
    texts = {key: str(value)[:LONGEST] for key, value in posted.items() if isinstance(value, str)}
    refused = texts.get("act") == "none"
    yes = () if refused else tuple(dict.fromkeys(map(str, posted.getlist("yes"))))[:MOST]
    ticket = str(posted.get("ticket", ""))
    return Answer(ticket, yes, texts, "over" in texts, texts.get("place", ""), refused)


def live(request: Request, found: Shown, again: Again = FIRST, ticket: str = "", *, ours: bool) -> Markup:
    """The form with its ticket; on a page of `ours` also with the token of this browser."""
    house: House = request.app.state.house
    forms.remember(house, found)
    form = found.form
    sealed = ticket or forms.ticket(house, found)
    hidden = f'<input type="hidden" name="ticket" value="{escape(sealed)}">'
    if ours:
        hidden += f'<input type="hidden" name="csrf" value="{escape(form_token(request))}">'
    path = f"forms/{form.name}" + ("" if ours else "/embed")
    # The fragment escapes each word that it is given.
    return Markup(fragment(form, address(form.lang, path), hidden, again))  # noqa: S704


def parts(
    request: Request,
    found: Shown,
    *,
    ours: bool,
    again: Again = FIRST,
    ticket: str = "",
    changed: Changed | None = None,
    late: bool = False,
) -> dict[str, Any]:
    """What a page shows of a form: the live fragment, its title, and why it is shown once more."""
    fragment = live(request, found, again, ticket, ours=ours)
    return {"fragment": fragment, "title": found.form.title, "changed": changed, "late": late}


def take(
    request: Request,
    seen: Ticket,
    found: Shown,
    said: Answer,
    again: Callable[[Request, Shown, Again, str], Response],
    *,
    embedded: bool = False,
) -> Response:
    """Take the answer of a stranger; the page is the same whether their address is known or not."""
    form = found.form
    if not said.yes:
        return page(request, "forms/nothing.html", embedded=embedded, form=form, refused=said.none)
    values, problems = checked(request, form, said)
    if problems:
        kept = (*said.yes, *(("over",) if said.over else ()))
        return again(request, found, Again(said.values, kept, problems), said.ticket)
    with evenly():
        send(request, seen, found, said, values)
    return page(request, "forms/sent.html", embedded=embedded, form=form, labels=labels(form, said.yes))


def checked(request: Request, form: Asking, said: Answer) -> tuple[dict[str, str], dict[str, str]]:
    """What was typed in normal form, by field, and what is wrong with it."""
    region = request.app.state.house.settings.region
    values, wrong = {}, []
    for one in form.fields:
        typed = said.values.get(one.path, "").strip()
        try:
            if typed:
                values[one.path] = normal(one.kind, typed, region)
        except BadInput:
            wrong.append(one.path)
    return values, problems_of(form, values, said.yes, wrong, over=said.over)


def send(request: Request, seen: Ticket, found: Shown, said: Answer, values: Mapping[str, str]) -> None:
    """Ask the owner of the address to confirm."""
    form = found.form
    email = values[form.email.path]
    throttle(request, "form-letters", 3, 900, who=email)
    others = {path: value for path, value in values.items() if path != form.email.path}
    place = said.place if said.place in form.places else ""
    over = form.over if said.over else 0
    optin.ask(request.app.state.house, seen, found, Said(email, said.yes, others, over, place))
