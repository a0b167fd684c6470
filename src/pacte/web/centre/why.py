"""Why this message? By the link in it, without signing in; and of any use in the list, for whoever is signed in."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter, Request, Response

from pacte.app import unsubscribe
from pacte.app import why as behind
from pacte.app.house import House
from pacte.app.overview import ASKED, OBJECTABLE
from pacte.app.policies import document
from pacte.app.unsubscribe import Asked
from pacte.app.why import Why
from pacte.consent.notice.words import category, of_policy
from pacte.kernel.errors import NotFound
from pacte.kernel.ids import SubjectId
from pacte.web.centre.words import known, reasons
from pacte.web.pages import language, page
from pacte.web.security import throttle
from pacte.web.session import fresh_person

router = APIRouter()


@router.get("/{lang}/why/{token}")
def by_link(request: Request, token: str) -> Response:
    """The decision behind the message that the link came with."""
    throttle(request, "why-link", 1_200, 600)  # scanners of a company open those of all its people
    house = _house(request)
    subject, use = behind.opened(house, token)
    try:
        found = behind.why(house, subject, use)
    except NotFound:
        return page(request, "centre/why_gone.html", status=410)
    return _page(request, subject, found, own=False)


@router.get("/{lang}/me/use/{entry}/why")
def of_use(request: Request, entry: int) -> Response:
    """The decision behind one of my uses."""
    signed_in = fresh_person(request)
    throttle(request, "why", 120, 600, who=signed_in.who)
    subject = SubjectId(signed_in.who)
    if not 0 <= entry < 1 << 53:
        raise NotFound("no such use is recorded here")
    return _page(request, subject, behind.of_entry(_house(request), subject, entry), own=True)


def _page(request: Request, subject: SubjectId, found: Why, *, own: bool) -> Response:
    house, lang, used = _house(request), language(request), found.used
    ends = used.channel and found.declared and found.purpose.basis in ASKED | OBJECTABLE
    asked = Asked(subject, used.purpose, used.channel, found.campaign)
    on = bool(ends) and unsubscribe.is_on(house, asked)
    recipient = found.policy.recipients.get(used.recipient)
    return page(
        request,
        "centre/why.html",
        found=found,
        own=own,
        company=document(house).controller.name,
        data=_data(found, lang),
        recipient=recipient.name if recipient else used.recipient,
        shown=behind.text_shown(house, found.said),
        because=reasons(lang),
        chosen=behind.chosen(house, found, lang),
        methods=known("method"),
        end=unsubscribe.token(house, asked) if on else "",
        ended=bool(ends) and not on,
    )


def _data(found: Why, lang: str) -> Mapping[str, list[str]]:
    """By kind of data, in words: what each field is called where the policy calls it something."""
    kinds: dict[str, list[str]] = {}
    for path in found.fields:
        name, _, column = path.partition(".")
        dataset = found.policy.datasets.get(name)
        field = dataset.fields.get(column) if dataset else None
        kind = category(field.category, lang) if field else ""
        kinds.setdefault(kind, [])
        if field is not None and field.title:
            kinds[kind].append(of_policy(field.title, lang))
    for one in found.used.categories:
        kinds.setdefault(category(one, lang), [])
    return {kind: names for kind, names in kinds.items() if kind}


def _house(request: Request) -> House:
    house: House = request.app.state.house
    return house
