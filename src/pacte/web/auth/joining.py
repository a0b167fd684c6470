"""Joining the staff by an invitation, and setting one's sign-in anew by a link: both open once, and lead to the code.

A link that opens nothing any more is answered by a page that says why, and what to do now.
Source: OWASP ASVS 5.0, 6.4; CNIL délibération 2022-100.
"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from pacte.app import links, offers, relink
from pacte.app import staff as people
from pacte.app.house import House
from pacte.app.staff import Member
from pacte.kernel.errors import Conflict
from pacte.web import session
from pacte.web.auth import passwords
from pacte.web.auth.staff import fresh_member
from pacte.web.pages import language, page, to, words
from pacte.web.security import Posted, throttle

router = APIRouter()


@router.get("/{lang}/staff/join/{token}")
def invited(request: Request, token: str) -> Response:
    """The page that an invitation leads to."""
    try:
        return _join(request, token, people.invited(request.app.state.house, token))
    except (offers.Over, links.Forged) as ended:
        return _over(request, "join", ended)


@router.post("/{lang}/staff/join/{token}")
def join(request: Request, token: str, form: Posted) -> Response:
    """Join: name, login, password."""
    throttle(request, "staff join", 20, 600)
    house: House = request.app.state.house
    said = {name: str(form.get(name, "")).strip() for name in ("name", "login")}
    password = str(form.get("password", ""))
    problems = {
        name: f"join.{name}.problem" for name, value in said.items() if len(value) < (3 if name == "login" else 1)
    }
    if weak := passwords.weakness(password, said["login"]):
        problems["password"] = f"password.{weak}"
    try:
        role = people.invited(house, token)
        if problems:
            return _join(request, token, role, said, problems)
        found = people.join(house, token, said["login"], said["name"], passwords.hashed(password))
    except Conflict:
        return _join(request, token, role, said, {"login": "join.login.taken"})
    except (offers.Over, links.Forged) as ended:
        return _over(request, "join", ended)
    return _to_code(request, found)


@router.get("/{lang}/staff/anew/{token}")
def anew(request: Request, token: str) -> Response:
    """The page that a link to sign in anew leads to."""
    try:
        return _anew(request, token, relink.relinked(request.app.state.house, token))
    except (offers.Over, links.Forged) as ended:
        return _over(request, "anew", ended)


@router.post("/{lang}/staff/anew/{token}")
def renew(request: Request, token: str, form: Posted) -> Response:
    """Set the password; the second factor comes next. What opened before opens nothing any more."""
    throttle(request, "staff join", 20, 600)
    house: House = request.app.state.house
    password = str(form.get("password", ""))
    try:
        found = relink.relinked(house, token)
        if weak := passwords.weakness(password, found.login):
            return _anew(request, token, found, {"password": f"password.{weak}"})
        found = relink.renew(house, token, passwords.hashed(password), language(request))
    except (offers.Over, links.Forged) as ended:
        return _over(request, "anew", ended)
    return _to_code(request, found)


@router.post("/{lang}/staff/account/anew")
def change(request: Request, form: Posted) -> Response:
    """Change one's own password and second factor, who signed in a moment ago."""
    del form
    found = fresh_member(request)
    throttle(request, "staff anew", 10, 3_600, who=found.id)
    return to(request, f"staff/anew/{relink.relink(request.app.state.house, found.id, found.actor)}")


def _to_code(request: Request, found: Member) -> Response:
    response = to(request, "staff/code")
    session.begin(request, response, "staff", found.id, "password")
    return response


def _join(
    request: Request, token: str, role: str, said: dict[str, str] | None = None, problems: dict[str, str] | None = None
) -> Response:
    shown = _shown(request, problems)
    return page(
        request, "auth/join.html", token=token, role=role, said=said or {}, problems=shown, status=422 if shown else 200
    )


def _anew(request: Request, token: str, found: Member, problems: dict[str, str] | None = None) -> Response:
    shown = _shown(request, problems)
    return page(request, "auth/anew.html", token=token, login=found.login, problems=shown, status=422 if shown else 200)


def _over(request: Request, door: str, ended: offers.Over | links.Forged) -> Response:
    why = ended.why if isinstance(ended, offers.Over) else "forged"
    first = isinstance(ended, offers.Over) and bool(ended.link.payload.get("first"))
    return page(request, "auth/over.html", door=door, why=why, first=first, status=404 if why == "forged" else 410)


def _shown(request: Request, problems: dict[str, str] | None) -> dict[str, str]:
    return {name: words("auth", language(request), key) for name, key in (problems or {}).items()}
