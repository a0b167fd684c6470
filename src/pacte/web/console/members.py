"""The staff: who may do what, by whom invited, where signed in; for owners. A house never loses its last owner."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from pacte.app import relink as links
from pacte.app import staff as people
from pacte.app.house import House
from pacte.app.letters import address
from pacte.app.staff import INVITED_LASTS, ROLES
from pacte.kernel import db
from pacte.kernel.errors import BadInput, Conflict, NotFound
from pacte.kernel.instant import DAY
from pacte.web import session
from pacte.web.auth.staff import fresh_member, member
from pacte.web.pages import language, page, to, words
from pacte.web.security import Posted, throttle

router = APIRouter()


@router.get("/{lang}/staff/members")
def members(request: Request) -> Response:
    """Everybody who may sign in, and where they are signed in."""
    member(request, "staff")
    return _page(request)


@router.post("/{lang}/staff/members")
def invite(request: Request, form: Posted) -> Response:
    """Invite somebody: the link shows once, and is handed over by whoever invites."""
    found, house = fresh_member(request, "staff"), request.app.state.house
    throttle(request, "invite", 20, 3_600, who=found.id)
    try:
        token = people.invite(house, str(form.get("role", "")), found)
    except BadInput:
        return _page(request, problems={"role": words("console", language(request), "members.role_missing")})
    link = address(house, language(request), f"staff/join/{token}")
    return _page(request, link=link, link_words="link_text", days=INVITED_LASTS // DAY)


@router.post("/{lang}/staff/members/anew")
def anew(request: Request, form: Posted) -> Response:
    """Let somebody sign in anew, who lost a password or a second factor: the link shows once."""
    found, house = fresh_member(request, "staff"), request.app.state.house
    throttle(request, "invite", 20, 3_600, who=found.id)
    named = str(form.get("member", ""))
    try:
        token = links.relink(house, named, found.actor)
    except (Conflict, NotFound):
        return _page(request, problems={"members": words("console", language(request), "members.gone")})
    link = address(house, language(request), f"staff/anew/{token}")
    name = people.member_of(house, named).name
    return _page(request, link=link, link_words="anew_text", days=links.LASTS // DAY, name=name)


@router.post("/{lang}/staff/members/revoke")
def revoke(request: Request, form: Posted) -> Response:
    """Take an open link back. Nobody proves more for it: it only closes a door."""
    found, named = member(request, "staff"), str(form.get("entry", ""))
    try:
        links.revoke(request.app.state.house, int(named) if named.isdecimal() and len(named) < 16 else -1, found.actor)
    except NotFound:
        return to(request, "staff/members?done=over")
    return to(request, "staff/members?done=revoked")


@router.post("/{lang}/staff/members/role")
def role(request: Request, form: Posted) -> Response:
    """Give somebody another role."""
    found = fresh_member(request, "staff")
    try:
        people.change_role(request.app.state.house, str(form.get("member", "")), str(form.get("role", "")), found)
    except (Conflict, BadInput, NotFound) as error:
        return _page(request, problems={"members": _why(request, error)})
    return to(request, "staff/members?done=role")


@router.post("/{lang}/staff/members/remove")
def remove(request: Request, form: Posted) -> Response:
    """End somebody's access: at once, everywhere, with their passkeys and the links that they made."""
    found = fresh_member(request, "staff")
    try:
        people.remove(request.app.state.house, str(form.get("member", "")), found)
    except (Conflict, BadInput, NotFound) as error:
        return _page(request, problems={"members": _why(request, error)})
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


def _page(
    request: Request,
    *,
    link: str = "",
    link_words: str = "link_text",
    days: int = 0,
    name: str = "",
    problems: dict[str, str] | None = None,
) -> Response:
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
        named={one.actor: one.name for one in everybody},
        offers=links.every_open(house),
        link=link,
        link_words=link_words,
        days=days,
        link_name=name,
        here_name=here.name if here else "",
        fresh=bool(here and here.fresh(now)),
        problems=problems or {},
        done=request.query_params.get("done", ""),
    )


def _why(request: Request, error: Exception) -> str:
    key = "last_owner" if isinstance(error, Conflict) else "gone"
    return words("console", language(request), f"members.{key}")
