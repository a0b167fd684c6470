"""The staff: who may do what, by whom invited, where signed in; for owners. A house never loses its last owner."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from pacte.app import passkeys
from pacte.app import staff as people
from pacte.app.house import House
from pacte.app.letters import address
from pacte.app.staff import INVITED_LASTS, ROLES, Member
from pacte.kernel import db
from pacte.kernel.errors import BadInput, Conflict, NotFound
from pacte.kernel.instant import DAY
from pacte.web import session
from pacte.web.auth.staff import member
from pacte.web.pages import language, page, to, words
from pacte.web.security import Posted, throttle
from pacte.web.session import SignInNeeded

router = APIRouter()


@router.get("/{lang}/staff/members")
def members(request: Request) -> Response:
    """Everybody who may sign in, and where they are signed in."""
    member(request, "staff")
    return _page(request)


@router.post("/{lang}/staff/members")
def invite(request: Request, form: Posted) -> Response:
    """Invite somebody: the link shows once, and is handed over by whoever invites."""
    found, house = _owner(request), request.app.state.house
    throttle(request, "invite", 20, 3_600, who=found.id)
    try:
        token = people.invite(house, str(form.get("role", "")), found)
    except BadInput:
        return _page(request, problems={"role": words("console", language(request), "members.role_missing")})
    return _page(request, link=address(house, language(request), f"staff/join/{token}"))


@router.post("/{lang}/staff/members/role")
def role(request: Request, form: Posted) -> Response:
    """Give somebody another role."""
    found = _owner(request)
    try:
        people.change_role(request.app.state.house, str(form.get("member", "")), str(form.get("role", "")), found)
    except (Conflict, BadInput, NotFound) as error:
        return _page(request, problems={"members": _why(request, error)})
    return to(request, "staff/members?done=role")


@router.post("/{lang}/staff/members/remove")
def remove(request: Request, form: Posted) -> Response:
    """End somebody's access: at once, everywhere, with their passkeys."""
    found, house = _owner(request), request.app.state.house
    named = str(form.get("member", ""))
    try:
        people.remove(house, named, found)
    except (Conflict, NotFound) as error:
        return _page(request, problems={"members": _why(request, error)})
    with db.write(house.engine) as conn:
        session.end_all(conn, named)
        passkeys.forget(conn, named)
    return to(request, "staff/members?done=removed")


@router.post("/{lang}/staff/members/end")
def end(request: Request, form: Posted) -> Response:
    """End one of somebody's sign-ins, or all of them."""
    member(request, "staff")
    named, one = str(form.get("member", "")), str(form.get("name", ""))
    with db.write(request.app.state.house.engine) as conn:
        if one:
            session.end_one(conn, named, one)
        else:
            session.end_all(conn, named)
    return to(request, "staff/members?done=ended")


def _owner(request: Request) -> Member:
    """An owner who proved a moment ago who they are: roles are what a stolen browser would be after."""
    found, signed_in = member(request, "staff"), session.current(request, "staff")
    if signed_in is None or not signed_in.fresh(request.app.state.house.clock()):
        raise SignInNeeded("staff", fresh=True)
    return found


def _page(request: Request, *, link: str = "", problems: dict[str, str] | None = None) -> Response:
    house: House = request.app.state.house
    here, now = session.current(request, "staff"), house.clock()
    everybody = people.members(house)
    with house.reading() as conn:
        signed_in = {one.id: [s for s in session.listed(conn, one.id) if not s.over(now)] for one in everybody}
    return page(
        request,
        "console/members.html",
        status=422 if problems else 200,
        active=[one for one in everybody if one.state == "active"],
        gone=[one for one in everybody if one.state != "active"],
        signed_in=signed_in,
        roles=list(ROLES),
        link=link,
        days=INVITED_LASTS // DAY,
        here_name=here.name if here else "",
        fresh=bool(here and here.fresh(now)),
        problems=problems or {},
        done=request.query_params.get("done", ""),
    )


def _why(request: Request, error: Exception) -> str:
    key = "last_owner" if isinstance(error, Conflict) else "gone"
    return words("console", language(request), f"members.{key}")
