"""Staff sign in: a password, then a code. Wrong ones are slowed, then locked.

The other way, a passkey, is in `with_passkey`; how one comes to a password, in `joining`.

Source: OWASP ASVS 5.0, chapter 6; CNIL délibération 2022-100.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request, Response

from pacte.app import setup
from pacte.app import staff as people
from pacte.app.house import House
from pacte.app.staff import Member
from pacte.kernel.errors import Conflict, Denied, NotFound
from pacte.web import session
from pacte.web.auth import ceremony, codes, passwords
from pacte.web.auth.onward import onward
from pacte.web.pages import language, page, to, words
from pacte.web.security import Posted, caller, evenly, throttle
from pacte.web.session import SignInNeeded

router = APIRouter()


def member(request: Request, what: str = "") -> Member:
    """Who is signed in, with both factors; `what` is what they must be allowed (`app.staff.ROLES`).

    Raises `SignInNeeded`, and `Denied` for a role that may not.
    """
    signed_in = session.current(request, "staff")
    if signed_in is None or signed_in.strength != "full":
        raise SignInNeeded("staff")
    try:
        found = people.member_of(request.app.state.house, signed_in.who)
    except NotFound:
        raise SignInNeeded("staff") from None
    if found.state != "active":
        raise SignInNeeded("staff")
    if what and not found.may(what):
        raise Denied("role", "your role does not allow this; ask an owner of this house")
    return found


def fresh_member(request: Request, what: str = "") -> Member:
    """A member who proved a moment ago who they are: for what a stolen browser would be after. Raises as `member`."""
    found, signed_in = member(request, what), session.current(request, "staff")
    if signed_in is None or not signed_in.fresh(request.app.state.house.clock()):
        raise SignInNeeded("staff", fresh=True)
    return found


@router.get("/{lang}/staff/sign-in")
def asking(request: Request) -> Response:
    """The form for login and password."""
    asked = request.query_params
    return _ask(request, again="again" in asked, wanted=onward(asked.get("next")))


def refused(request: Request, problem: str, wanted: str) -> Response:
    """The same form, after a passkey led nowhere."""
    return _ask(request, problem=problem, field="passkey", wanted=wanted)


@router.post("/{lang}/staff/sign-in")
def first(request: Request, form: Posted) -> Response:
    """Check login and password; the code comes next."""
    throttle(request, "staff sign-in", 20, 600)
    house: House = request.app.state.house
    login, password = str(form.get("login", "")).strip(), str(form.get("password", ""))
    # By caller, too: ten wrong ones from elsewhere shall keep nobody out. What is guessed from everywhere is slowed
    # by the account's own patience (`people.attempted`).
    throttle(request, "staff login", 10, 600, who=f"{login.lower()}|{caller(request)}")
    with evenly():
        found = _who(house, login, password)
    if found is None:
        return _ask(request, problem=_said(request, "sign_in.wrong"), wanted=onward(form.get("next")))
    response = to(request, "staff/code" + _then(onward(form.get("next"))))
    session.begin(request, response, "staff", found.id, "password")
    return response


@router.get("/{lang}/staff/code")
def second_asked(request: Request) -> Response:
    """The form for the code, with what sets it up where that was not done."""
    return _code(request, _halfway(request), wanted=onward(request.query_params.get("next")))


@router.post("/{lang}/staff/code")
def second(request: Request, form: Posted) -> Response:
    """Check the code; a new secret counts once its first code was right."""
    found, house = _halfway(request), request.app.state.house
    throttle(request, "staff code", 10, 600, who=found.id)
    wanted = onward(form.get("next"))
    if found.locked_until > house.clock():
        return _code(request, found, problem="locked", wanted=wanted)
    new = "" if found.second else _new_secret(house, found)
    step = codes.step_of(found.second or new, str(form.get("code", "")), house.clock())
    try:
        people.attempted(house, found, right=bool(step), code=step)
    except Conflict:
        return _code(request, found, problem="used", wanted=wanted)
    if not step:
        return _code(request, found, problem="code", wanted=wanted)
    if new:
        people.set_second(house, found, new)
    response = to(request, wanted or _first_page(house, found, joined=bool(new)))
    session.begin(request, response, "staff", found.id, "full")
    return response


@router.post("/{lang}/staff/sign-out")
def leaving(request: Request, form: Posted) -> Response:
    """Sign out of this browser."""
    del form
    response = to(request, "staff/sign-in")
    session.end(request, response, "staff")
    return response


def _who(house: House, login: str, password: str) -> Member | None:
    """Whose login and password these are; `None` for wrong ones, and while the account is locked."""
    found = people.by_login(house, login)
    right = passwords.matches(found.password if found else passwords.NOBODY, password)
    if found is None or found.locked_until > house.clock():
        return None
    if not right:
        people.attempted(house, found, right=False)
    return found if right else None


def _first_page(house: House, found: Member, *, joined: bool) -> str:
    """Whoever joins to set a house up is led there at once, as long as something lacks."""
    leads = joined and found.may("staff") and not setup.is_done(house)
    return "staff/setup" if leads else "staff"


def _halfway(request: Request) -> Member:
    """Who has given the password in this browser."""
    signed_in = session.current(request, "staff")
    if signed_in is None:
        raise SignInNeeded("staff")
    return people.member_of(request.app.state.house, signed_in.who)


def _ask(
    request: Request, *, problem: str = "", field: str = "login", again: bool = False, wanted: str = ""
) -> Response:
    return page(
        request,
        "auth/staff.html",
        problems={field: problem} if problem else {},
        again=again,
        onward=wanted,
        ceremony=ceremony.to_prove(request, "staff"),
        status=422 if problem else 200,
    )


def _then(wanted: str) -> str:
    return f"?next={quote(wanted)}" if wanted else ""


def _code(request: Request, found: Member, *, problem: str = "", wanted: str = "") -> Response:
    values: dict[str, Any] = {
        "secret": "",
        "picture": "",
        "onward": wanted,
        "problem": _said(request, f"code.{problem}") if problem else "",
    }
    if not found.second:
        secret = _new_secret(request.app.state.house, found)
        issuer = request.app.state.controller(language(request))["name"] or "pacte"
        values |= {"secret": secret, "picture": codes.picture(secret, found.login, issuer)}
    return page(request, "auth/code.html", status=422 if problem else 200, **values)


def _new_secret(house: House, found: Member) -> str:
    """What a member's application is set up with: the same until its first code was right, or the password is new."""
    return codes.secret_of(house.keys.house_key("second"), f"{found.id}.{found.password}")


def _said(request: Request, key: str) -> str:
    return words("auth", language(request), key)
