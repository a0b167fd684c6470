"""A customer signs in by a link: asked for here, sent by e-mail, opened in the same browser, once.

Whoever types an address learns nothing of whether we know it: the answer is the same, and takes as long. A scanner that
fetches the link changes nothing: it opens a page with a button. Source: OWASP ASVS 5.0, chapter 6; GDPR Art. 12(6).
"""

from __future__ import annotations

import hashlib
import re
import secrets

from fastapi import APIRouter, Request, Response

from pacte.app import links, sought
from pacte.app.house import House
from pacte.app.letters import SIGN_IN, SIGN_IN_LASTS, letter_job, no_letter_job
from pacte.app.people import people_of, spelled
from pacte.kernel import db, jobs
from pacte.kernel.errors import BadInput
from pacte.kernel.instant import SECOND
from pacte.web.auth import ceremony
from pacte.web.auth.onward import onward as _onward
from pacte.web.pages import language, page, to, words
from pacte.web.security import Posted, caller, evenly, lateness, throttle
from pacte.web.session import begin, cookie, end, secured

router = APIRouter()

ASKED = "asked"
"""The cookie that ties a link to the browser which asked for it."""
MOST = 4
"""People who share an address and each get a link of their own."""
LETTERS = ((10, 900), (40, 86_400))
"""Letters that one address gets at most, and in how many seconds, whoever asks for them."""


@router.get("/{lang}/sign-in")
def asking(request: Request) -> Response:
    """The form that asks for an address."""
    return _form(request, again="again" in request.query_params, onward=_onward(request.query_params.get("next")))


@router.post("/{lang}/sign-in")
def asked(request: Request, form: Posted) -> Response:
    """Send a link, if the address is known; answer the same if it is not."""
    email, onward = str(form.get("email", "")).strip(), _onward(form.get("next"))
    throttle(request, "sign-in", 10, 600)
    if not re.fullmatch(r"[^@\s]{1,64}@[^@\s]{1,255}", email):
        return _form(request, onward=onward, problem=words("auth", language(request), "email.problem"))
    mailbox = spelled(request.app.state.house, f"email:{email}")
    throttle(request, "sign-in to", 3, 900, who=f"{mailbox}|{caller(request)}")
    secret = secrets.token_urlsafe(32)
    with evenly():
        if not _is_flooded(request, mailbox):
            _send(request, email, _digest(secret))
    response = page(request, "auth/sent.html", minutes=SIGN_IN_LASTS // (60 * SECOND))
    response.set_cookie(
        cookie(request, ASKED), f"{secret}|{onward}", max_age=SIGN_IN_LASTS // SECOND, path="/",
        secure=secured(request), httponly=True, samesite="lax",
    )  # fmt: skip
    return response


@router.get("/{lang}/sign-in/{token}")
def arriving(request: Request, token: str) -> Response:
    """The page that a link leads to: a button for the browser that asked, an explanation for any other."""
    link = links.opened(request.app.state.house, SIGN_IN, token)
    here = _asked_here(request, link)
    return page(request, "auth/arrive.html", here=here, token=token)


@router.post("/{lang}/sign-in/{token}")
def arrived(request: Request, token: str, form: Posted) -> Response:
    """Sign in, once."""
    del form  # only that it is ours
    house: House = request.app.state.house
    if not _asked_here(request, links.opened(house, SIGN_IN, token)):
        return page(request, "auth/arrive.html", here=False, token=token, status=403)
    with db.write(house.engine) as conn:
        link = links.spend(house, conn, SIGN_IN, token)
    onward = request.cookies.get(cookie(request, ASKED), "").partition("|")[2]
    response = to(request, _onward(onward) or "me")
    begin(request, response, "person", link["subject"], "fresh")
    response.delete_cookie(cookie(request, ASKED), path="/", secure=secured(request), httponly=True, samesite="lax")
    return response


def refused(request: Request, problem: str, onward: str) -> Response:
    """The page that asks for an address, after another way to sign in led nowhere."""
    return _form(request, onward=onward, problem=problem, field="passkey")


@router.post("/{lang}/sign-out")
def leaving(request: Request, form: Posted) -> Response:
    """Sign out of this browser."""
    del form
    response = to(request, "")
    end(request, response, "person")
    return response


def _send(request: Request, email: str, browser: str) -> None:
    house: House = request.app.state.house
    now, lang = house.clock(), language(request)
    with db.write(house.engine) as conn:
        try:
            people = people_of(house, conn, f"email:{email}")[:MOST]
        except BadInput:
            people = []
        asked = [letter_job(SIGN_IN, one, lang, browser, now, lasts=SIGN_IN_LASTS) for one in people]
        # An unknown address leaves as much in the ledger: whoever counts its entries learns nothing.
        nobody = 0 if asked else sought.pretended(house, f"email:{email}")
        asked += [no_letter_job(SIGN_IN, lang, now, lasts=SIGN_IN_LASTS) for _ in range(nobody)]
        jobs.add(conn, asked)


def _is_flooded(request: Request, mailbox: str) -> bool:
    """Whether an address was written to often already, from anywhere: no more letters then, and nobody is told.

    One caller comes to its own end first (`asked`), so that one alone keeps nobody else from signing in.
    """
    return any(lateness(request, f"letters in {within}", most, within, mailbox) > 0 for most, within in LETTERS)


def _asked_here(request: Request, link: links.Link) -> bool:
    secret = request.cookies.get(cookie(request, ASKED), "").partition("|")[0]
    return secrets.compare_digest(_digest(secret), link["browser"])


def _form(
    request: Request, *, again: bool = False, onward: str = "", problem: str = "", field: str = "email"
) -> Response:
    return page(
        request,
        "auth/ask.html",
        again=again,
        onward=onward,
        problems={field: problem} if problem else {},
        ceremony=ceremony.to_prove(request, "person"),
        status=422 if problem else 200,
    )


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()[:32]
