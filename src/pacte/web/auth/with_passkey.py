"""Passkeys of customers and of staff: sign in with one; add, name and remove one's own; see where one is signed in.

Whoever adds or removes a way to sign in, or ends a sign-in, has proved a moment ago who they are: a browser left open,
or a link that was forwarded, cannot make itself at home. Source: OWASP ASVS 5.0, 6.4 and 7.5.
"""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, Request, Response

from pacte.app import passkeys
from pacte.app import staff as people
from pacte.app.house import House
from pacte.app.letters import PASSKEY_ADDED
from pacte.app.mail import letter_job
from pacte.app.passkeys import Kind
from pacte.kernel import db, jobs
from pacte.kernel.errors import BadInput, Conflict, NotFound
from pacte.web import session
from pacte.web.auth import by_link, ceremony, staff
from pacte.web.auth.ceremony import Refused
from pacte.web.auth.onward import onward
from pacte.web.pages import language, page, to, words
from pacte.web.security import Posted, throttle
from pacte.web.session import SignInNeeded, fresh_person

router = APIRouter()


@router.post("/{lang}/passkey")
def person_in(request: Request, form: Posted) -> Response:
    """Sign a customer in: as fresh as it gets."""
    throttle(request, "passkey", 30, 600)
    try:
        passkey = ceremony.proved(request, form, "person")
    except Refused:
        return by_link.refused(request, _said(request, "passkey.refused"), onward(form.get("next")))
    response = to(request, onward(form.get("next")) or "me")
    session.begin(request, response, "person", passkey.who, "fresh")
    return response


@router.post("/{lang}/staff/passkey")
def member_in(request: Request, form: Posted) -> Response:
    """Sign a member of staff in: a passkey is both factors. Wrong passwords of others do not lock it."""
    throttle(request, "passkey", 30, 600)
    house: House = request.app.state.house
    try:
        passkey = ceremony.proved(request, form, "staff")
        found = people.member_of(house, passkey.who)
        if found.state != "active":
            raise Refused
    except (Refused, NotFound):
        return staff.refused(request, _said(request, "passkey.refused"), onward(form.get("next")))
    response = to(request, onward(form.get("next")) or "staff")
    session.begin(request, response, "staff", found.id, "full")
    return response


@router.get("/{lang}/me/sign-in")
def own(request: Request) -> Response:
    """How a customer signs in, and where they are signed in."""
    return _own(request, "person", _person(request))


@router.post("/{lang}/me/sign-in/add")
def add(request: Request, form: Posted) -> Response:
    """Add a passkey."""
    return _add(request, form, "person", _person(request))


@router.post("/{lang}/me/sign-in/name")
def name(request: Request, form: Posted) -> Response:
    """Give a passkey another name."""
    return _name(request, form, "person", _person(request))


@router.post("/{lang}/me/sign-in/remove")
def remove(request: Request, form: Posted) -> Response:
    """Remove a passkey."""
    return _remove(request, form, "person", _person(request))


@router.post("/{lang}/me/sign-in/end")
def end(request: Request, form: Posted) -> Response:
    """End one's other sign-ins, or one of them."""
    return _end(request, form, "person", _person(request))


@router.get("/{lang}/staff/account")
def account(request: Request) -> Response:
    """How a member of staff signs in, and where they are signed in."""
    return _own(request, "staff", staff.member(request).id)


@router.post("/{lang}/staff/account/add")
def account_add(request: Request, form: Posted) -> Response:
    """Add a passkey."""
    return _add(request, form, "staff", _member(request))


@router.post("/{lang}/staff/account/name")
def account_name(request: Request, form: Posted) -> Response:
    """Give a passkey another name."""
    return _name(request, form, "staff", _member(request))


@router.post("/{lang}/staff/account/remove")
def account_remove(request: Request, form: Posted) -> Response:
    """Remove a passkey."""
    return _remove(request, form, "staff", _member(request))


@router.post("/{lang}/staff/account/end")
def account_end(request: Request, form: Posted) -> Response:
    """End one's other sign-ins, or one of them: whoever sees a stranger's there need not prove more first."""
    return _end(request, form, "staff", staff.member(request).id)


_PAGES = {"person": "me/sign-in", "staff": "staff/account"}


def _person(request: Request) -> str:
    return fresh_person(request).who


def _member(request: Request) -> str:
    found, signed_in = staff.member(request), session.current(request, "staff")
    if signed_in is None or not signed_in.fresh(request.app.state.house.clock()):
        raise SignInNeeded("staff", fresh=True)
    return found.id


def _own(request: Request, kind: Kind, who: str, problems: dict[str, str] | None = None) -> Response:
    house: House = request.app.state.house
    here = session.current(request, kind)
    held = passkeys.of(house, kind, who)
    with house.reading() as conn:
        signed_in = [one for one in session.listed(conn, who) if not one.over(house.clock())]
    fresh = here is not None and here.fresh(house.clock())
    asked = ceremony.to_make(request, kind, who, _label(request, kind, who), held) if fresh else None
    return page(
        request,
        f"auth/own_{kind}.html",
        status=422 if problems else 200,
        held=held,
        signed_in=signed_in,
        here_name=here.name if here else "",
        fresh=fresh,
        ceremony=asked,
        most=passkeys.MOST,
        done=request.query_params.get("done", ""),
        problems=problems or {},
        base=_PAGES[kind],
    )


def _label(request: Request, kind: Kind, who: str) -> str:
    """What a device shows beside the key: the house, or a member's own login; nothing of a customer."""
    if kind == "staff":
        return people.member_of(request.app.state.house, who).login
    lang = language(request)
    company = request.app.state.controller(lang)["name"]
    return words("", lang, "title", name=company) if company else words("", lang, "title_alone")


def _add(request: Request, form: Posted, kind: Kind, who: str) -> Response:
    house: House = request.app.state.house
    throttle(request, "passkey", 30, 600)

    def act() -> None:
        given = passkeys.checked_name(str(form.get("name", "")))
        passkeys.add(house, kind, who, ceremony.made(request, form, kind, who), given)
        if kind == "person":
            now = house.clock()
            with db.write(house.engine) as conn:
                jobs.add(conn, [letter_job(PASSKEY_ADDED, who, language(request), str(now), now)])

    return _done(request, kind, who, act, "added")


def _name(request: Request, form: Posted, kind: Kind, who: str) -> Response:
    named, given = str(form.get("passkey", "")), str(form.get("name", ""))
    return _done(request, kind, who, lambda: passkeys.rename(request.app.state.house, kind, who, named, given), "named")


def _remove(request: Request, form: Posted, kind: Kind, who: str) -> Response:
    passkeys.remove(request.app.state.house, kind, who, str(form.get("passkey", "")))
    return to(request, f"{_PAGES[kind]}?done=removed")


def _end(request: Request, form: Posted, kind: Kind, who: str) -> Response:
    here, named = session.current(request, kind), str(form.get("name", ""))
    with db.write(request.app.state.house.engine) as conn:
        if named:
            session.end_one(conn, who, named)
        elif here is not None:
            session.end_all(conn, who, but=here.name)
    return to(request, f"{_PAGES[kind]}?done=ended")


def _done(request: Request, kind: Kind, who: str, act: Callable[[], None], said: str) -> Response:
    """Do it and show the page again, with what stood in the way where something did."""
    try:
        act()
    except BadInput:
        return _own(request, kind, who, {"name": _said(request, "passkey.name_problem")})
    except Conflict:
        return _own(request, kind, who, {"name": _said(request, "passkey.conflict")})
    except Refused:
        return _own(request, kind, who, {"name": _said(request, "passkey.refused")})
    return to(request, f"{_PAGES[kind]}?done={said}")


def _said(request: Request, key: str) -> str:
    return words("auth", language(request), key)
