"""Passkeys of customers and of staff: sign in with one; add, name and remove one's own; see where one is signed in.

Whoever adds or removes a way to sign in, or ends a sign-in, has proved a moment ago who they are: a browser left open,
or a link that was forwarded, cannot make itself at home. Source: OWASP ASVS 5.0, 6.4 and 7.5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from pacte.app import passkeys
from pacte.app import staff as people
from pacte.app.house import House
from pacte.app.letters import PASSKEY_ADDED, PASSKEY_REMOVED, letter_job
from pacte.app.passkeys import Kind
from pacte.app.staff_letters import changed
from pacte.kernel import db
from pacte.kernel.errors import BadInput, Conflict
from pacte.kernel.jobs import Job
from pacte.web import session
from pacte.web.auth import by_link, ceremony, staff
from pacte.web.auth.ceremony import Refused
from pacte.web.auth.onward import onward
from pacte.web.pages import language, page, to, words
from pacte.web.security import Posted, throttle
from pacte.web.session import fresh_person

router = APIRouter()


@dataclass(frozen=True)
class Account:
    """Whose passkeys these are: customers and staff have the same pages, each at an address of their own.

    `who` gives whoever may change how they sign in, `seen_by` whoever may look and end sign-ins; both raise
    `SignInNeeded`. `strength` is that of a session which a passkey begins.
    """

    kind: Kind
    page: str
    home: str
    strength: str
    who: Callable[[Request], str]
    seen_by: Callable[[Request], str]
    refused: Callable[[Request, str, str], Response]

    def letters(self, request: Request, who: str, what: str) -> list[Job]:
        """What tells them that a passkey was `added` or `removed`."""
        house: House = request.app.state.house
        lang, now = language(request), house.clock()
        if self.kind == "staff":
            return changed(house, people.member_of(house, who), f"passkey_{what}", lang)
        return [letter_job(PASSKEY_ADDED if what == "added" else PASSKEY_REMOVED, who, lang, str(now), now)]

    def label(self, request: Request, who: str) -> str:
        """What a device shows beside the key: the house, or a member's own login; nothing of a customer."""
        if self.kind == "staff":
            return people.member_of(request.app.state.house, who).login
        lang = language(request)
        company = request.app.state.controller(lang)["name"]
        return words("", lang, "title", name=company) if company else words("", lang, "title_alone")


def _fresh(request: Request) -> str:
    return fresh_person(request).who


PERSON = Account("person", "me/sign-in", "me", "fresh", _fresh, _fresh, by_link.refused)
STAFF = Account(
    "staff",
    "staff/account",
    "staff",
    "full",
    lambda request: staff.fresh_member(request).id,
    lambda request: staff.member(request).id,  # whoever sees a stranger's sign-in there need not prove more first
    staff.refused,
)


def _account(request: Request) -> Account:
    return STAFF if "/staff/" in request.url.path else PERSON


@router.post("/{lang}/passkey")
@router.post("/{lang}/staff/passkey")
def enter(request: Request, form: Posted) -> Response:
    """Sign in: a passkey is both factors, and as fresh as it gets. Wrong passwords of others do not lock it."""
    account, wanted = _account(request), onward(form.get("next"))
    throttle(request, "passkey", 30, 600)
    try:
        passkey = ceremony.proved(request, form, account.kind)
    except Refused:
        return account.refused(request, _said(request, "passkey.refused"), wanted)
    response = to(request, wanted or account.home)
    session.begin(request, response, account.kind, passkey.who, account.strength)
    return response


@router.get("/{lang}/me/sign-in")
@router.get("/{lang}/staff/account")
def own(request: Request) -> Response:
    """How one signs in, and where one is signed in."""
    return _own(request, _account(request).seen_by(request))


@router.post("/{lang}/me/sign-in/add")
@router.post("/{lang}/staff/account/add")
def add(request: Request, form: Posted) -> Response:
    """Add a passkey; a letter says so."""
    account, house = _account(request), request.app.state.house
    who = account.who(request)
    throttle(request, "passkey", 30, 600)

    def act() -> None:
        given = passkeys.checked_name(str(form.get("name", "")))
        made = ceremony.made(request, form, account.kind, who)
        passkeys.add(house, account.kind, who, made, given, account.letters(request, who, "added"))

    return _done(request, who, act, "added")


@router.post("/{lang}/me/sign-in/name")
@router.post("/{lang}/staff/account/name")
def name(request: Request, form: Posted) -> Response:
    """Give a passkey another name."""
    account, house = _account(request), request.app.state.house
    who, named, given = account.who(request), str(form.get("passkey", "")), str(form.get("name", ""))
    return _done(request, who, lambda: passkeys.rename(house, account.kind, who, named, given), "named")


@router.post("/{lang}/me/sign-in/remove")
@router.post("/{lang}/staff/account/remove")
def remove(request: Request, form: Posted) -> Response:
    """Remove a passkey; a letter says so."""
    account, house = _account(request), request.app.state.house
    who, named = account.who(request), str(form.get("passkey", ""))
    passkeys.remove(house, account.kind, who, named, account.letters(request, who, "removed"))
    return to(request, f"{account.page}?done=removed")


@router.post("/{lang}/me/sign-in/end")
@router.post("/{lang}/staff/account/end")
def end(request: Request, form: Posted) -> Response:
    """End one's other sign-ins, or one of them."""
    account = _account(request)
    who, named, here = account.seen_by(request), str(form.get("name", "")), session.current(request, account.kind)
    with db.write(request.app.state.house.engine) as conn:
        if named:
            session.end_one(conn, who, named)
        elif here is not None:
            session.end_all(conn, who, but=here.name)
    return to(request, f"{account.page}?done=ended")


def _own(request: Request, who: str, problems: dict[str, str] | None = None) -> Response:
    house: House = request.app.state.house
    account = _account(request)
    here = session.current(request, account.kind)
    held = passkeys.of(house, account.kind, who)
    with house.reading() as conn:
        signed_in = [one for one in session.listed(conn, who) if not one.over(house.clock())]
    fresh = here is not None and here.fresh(house.clock())
    label = account.label(request, who)
    return page(
        request,
        f"auth/own_{account.kind}.html",
        status=422 if problems else 200,
        held=held,
        signed_in=signed_in,
        here_name=here.name if here else "",
        fresh=fresh,
        ceremony=ceremony.to_make(request, account.kind, who, label, held) if fresh else None,
        most=passkeys.MOST,
        done=request.query_params.get("done", ""),
        problems=problems or {},
        base=account.page,
    )


def _done(request: Request, who: str, act: Callable[[], None], said: str) -> Response:
    """Do it and show the page again, with what stood in the way where something did."""
    try:
        act()
    except BadInput:
        return _own(request, who, {"name": _said(request, "passkey.name_problem")})
    except Conflict:
        return _own(request, who, {"name": _said(request, "passkey.conflict")})
    except Refused:
        return _own(request, who, {"name": _said(request, "passkey.refused")})
    return to(request, f"{_account(request).page}?done={said}")


def _said(request: Request, key: str) -> str:
    return words("auth", language(request), key)
