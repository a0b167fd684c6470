"""The pages behind a link that confirms. Opening one changes nothing: mail programs and scanners open links, too.

No link leads to a dead end: one whose time is over offers another letter, a request that was deleted leads back to its
form, one that was confirmed shows what was recorded and its receipts. Source: GDPR Art. 7(1), 7(3).
"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from pacte.app import confirming, optin, receipts
from pacte.app.confirming import Gone
from pacte.app.links import Expired
from pacte.app.pending import Request as Asked
from pacte.kernel.errors import Conflict, NotFound
from pacte.web.pages import language, page, to
from pacte.web.security import Posted, throttle
from pacte.web.session import SignInNeeded, begin, current

router = APIRouter()


@router.get("/{lang}/confirm/{token}")
def looking(request: Request, token: str) -> Response:
    """What the link asks to confirm, with a button."""
    throttle(request, "confirm", 120, 600)
    return _page(request, token)


@router.post("/{lang}/confirm/{token}")
def confirm(request: Request, token: str, form: Posted) -> Response:
    """Record it, once; then show that it is."""
    throttle(request, "confirm", 120, 600)
    house = request.app.state.house
    try:
        before = confirming.requested(house, token)
        done = confirming.confirm(house, token, str(form.get("notice", "")))
    except (Expired, Gone):
        return _page(request, token)
    except Conflict:
        return _page(request, token, changed=True, status=409)
    response = to(request, f"confirm/{token}")
    if not before.confirmed and current(request, "person") is None:
        begin(request, response, "person", done.subject, "link")
    return response


@router.post("/{lang}/confirm/{token}/again")
def once_more(request: Request, token: str, form: Posted) -> Response:
    """Send another letter, at most once a minute."""
    del form  # only that it is ours
    throttle(request, "confirm-again", 10, 900)
    try:
        asked = optin.again(request.app.state.house, token)
    except Gone as gone:
        return _gone(request, gone)
    if asked.confirmed:
        return to(request, f"confirm/{token}")
    return page(request, "forms/again.html")


@router.post("/{lang}/confirm/{token}/disown")
def disowning(request: Request, token: str, form: Posted) -> Response:
    """It was not theirs: delete it."""
    del form
    throttle(request, "confirm-again", 10, 900)
    try:
        optin.disown(request.app.state.house, token)
    except Gone as gone:
        return _gone(request, gone)
    except Conflict:
        return to(request, f"confirm/{token}")
    return page(request, "forms/disowned.html")


@router.post("/{lang}/confirm/{token}/receipt")
def receipt(request: Request, token: str, form: Posted) -> Response:
    """The receipt of one of the choices that were confirmed, as a file."""
    throttle(request, "receipt", 60, 600)
    house, entry = request.app.state.house, str(form.get("entry", ""))
    asked = confirming.requested(house, token)
    if not confirming.opens(house, token):
        raise SignInNeeded("person")
    if not entry.isdecimal() or len(entry) > 15 or int(entry) not in dict(confirming.recorded(house, asked)):
        raise NotFound("no such choice was confirmed by this link")
    made = receipts.receipt(house, asked.subject, entry=int(entry), lang=language(request), by="person")
    named = {"Content-Disposition": f'attachment; filename="{made.name}"'}
    return Response(made.data, media_type="application/json", headers=named)


def _page(request: Request, token: str, *, changed: bool = False, status: int = 200) -> Response:
    house = request.app.state.house
    try:
        asked = confirming.requested(house, token)
        if asked.confirmed:
            return _confirmed(request, token, asked)
        waiting = confirming.waiting(house, token)
    except Gone as gone:
        return _gone(request, gone)
    except Expired:
        return page(request, "forms/expired.html", status=410, token=token, until=asked.until)
    if waiting.form is None or not waiting.boxes:
        return page(request, "forms/ended.html", status=410, refused=waiting.refused)
    return page(
        request,
        "forms/confirm.html",
        status=status,
        token=token,
        waiting=waiting,
        form=waiting.form,
        changed=changed or waiting.notice_changed,
    )


def _confirmed(request: Request, token: str, asked: Asked) -> Response:
    """What was recorded; once the time of the link is over, only that it was: the rest is for whoever signs in."""
    house = request.app.state.house
    late = not confirming.opens(house, token)
    choices = [] if late else confirming.confirmed(house, asked, language(request))
    return page(request, "forms/confirmed.html", token=token, late=late, choices=choices)


def _gone(request: Request, gone: Gone) -> Response:
    return page(request, "forms/gone.html", status=410, form=gone.form)
