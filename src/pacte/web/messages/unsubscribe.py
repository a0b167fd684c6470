"""The page behind the unsubscribe link, and the one click of mail programs.

Opening the page changes nothing: scanners and previews open links. Any POST to the address says no, whoever sends it:

- It needs no token of a form of ours, no cookie and no sign-in, where every other POST does. Mail programs send it from
  their own servers (RFC 8058 § 3.2), with nothing but what stood in the message. That is safe: the sealed address alone
  opens it, nobody can guess or make one, and all that it can do is allow less.
- What comes in its body is looked at for nothing else than *more* of the same: all of one purpose, or everything.
- A body that is malformed, missing or of unsaid length is still a no. None is refused for coming too often either; to
  say it again records nothing.

Taking it back is another matter: that is a form of ours, bound to this browser, which must also hold the sealed word
that it got for its own no, half an hour long.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import PlainTextResponse
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException

from pacte.app import onday, undoing
from pacte.app import unsubscribe as ending
from pacte.app.house import House
from pacte.app.links import Forged
from pacte.app.policies import document
from pacte.app.unsubscribe import UNDO_LASTS, Asked, Ended
from pacte.kernel.instant import SECOND
from pacte.web import security
from pacte.web.pages import language, page, to, words
from pacte.web.security import Posted, TooLarge, refuse_large, throttle
from pacte.web.session import cookie, secured

router = APIRouter()

WORD = "unsubscribed"
"""The cookie that holds what takes a no back."""
WRONG = 30
"""Addresses in a minute that were not made here, from one caller."""
_ONE_CLICK = ("List-Unsubscribe", "One-Click")


async def said(request: Request) -> FormData:
    """What came with a no; nothing where it cannot be read, which makes it no less a no."""
    try:
        refuse_large(request)
        return await request.form(max_files=10, max_fields=20, max_part_size=4_096)
    except (TooLarge, HTTPException, ValueError):
        return FormData()


Said = Annotated[FormData, Depends(said)]


@router.get("/{lang}/u/{token}")
def looking(request: Request, token: str) -> Response:
    """What the link would end, with a button; changes nothing."""
    return _page(request, token, _asked(request, token))


@router.post("/u/{token}")
@router.post("/{lang}/u/{token}")
def end(request: Request, token: str, form: Said) -> Response:
    """Say no, before this is answered: to a mail program in a line, to a person with the page that says so."""
    asked = _asked(request, token)
    ended = ending.unsubscribe(
        _house(request),
        asked,
        everywhere=form.get("all") == "yes",
        purpose=_further(request, form, asked),
        own=undoing.undoable(_house(request), asked.subject, request.cookies.get(cookie(request, WORD), "")),
    )
    if form.get(_ONE_CLICK[0]) == _ONE_CLICK[1]:
        return PlainTextResponse(words("messages", language(request), "ended.line") + "\n")
    if not security.is_ours(request, form):
        return _page(request, token, asked)
    return _with_word(request, to(request, f"u/{token}"), asked, ended)


@router.post("/{lang}/u/{token}/undo")
def undo(request: Request, token: str, form: Posted) -> Response:
    """Take back what this browser just said; anybody else's changes nothing."""
    del form  # only that it is ours
    asked = _asked(request, token)
    restored = undoing.undo(_house(request), asked.subject, request.cookies.get(cookie(request, WORD), ""))
    response = to(request, f"u/{token}" + ("?back=1" if restored else ""))
    response.delete_cookie(cookie(request, WORD), path="/", secure=secured(request), httponly=True, samesite="lax")
    return response


def _page(request: Request, token: str, asked: Asked) -> Response:
    """The page as it stands now; of somebody erased nothing is on, as of somebody who said no."""
    house, lang = _house(request), language(request)
    policy = document(house)
    purpose, reaching = policy.purposes.get(asked.purpose), ending.reaching(policy)
    word = request.cookies.get(cookie(request, WORD), "")
    return page(
        request,
        "messages/unsubscribe.html",
        token=token,
        asked=asked,
        title=(purpose.title if purpose else onday.purposes(house).get(asked.purpose, {})).get(lang, ""),
        unasked=purpose is not None and asked.purpose not in reaching,
        on=ending.is_on(house, asked),
        back="back" in request.query_params,
        undoable=bool(undoing.undoable(house, asked.subject, word)),
        others={name: one for name, one in reaching.items() if name != asked.purpose},
        further=asked.purpose in reaching and len(reaching[asked.purpose].channels) > 1,
        minutes=UNDO_LASTS // (60 * SECOND),
    )


def _further(request: Request, form: FormData, asked: Asked) -> str:
    """The purpose that a form of the page names, to be ended by every channel."""
    named = str(form.get("purpose", ""))
    known = named == asked.purpose or named in ending.reaching(document(_house(request)))
    return named if named and known else ""


def _asked(request: Request, token: str) -> Asked:
    try:
        return ending.opened(_house(request), token)
    except Forged:
        throttle(request, "unsubscribe-forged", WRONG, 60)
        raise


def _with_word(request: Request, response: Response, asked: Asked, ended: Ended) -> Response:
    if word := undoing.word_of(_house(request), asked.subject, ended):
        response.set_cookie(
            cookie(request, WORD), word, max_age=UNDO_LASTS // SECOND, path="/", secure=secured(request),
            httponly=True, samesite="lax",
        )  # fmt: skip
    return response


def _house(request: Request) -> House:
    house: House = request.app.state.house
    return house
