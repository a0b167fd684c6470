"""Doors of the console: each opens for the roles that it is for and for nobody else, whoever tries and however."""

from __future__ import annotations

import pytest
from fastapi.routing import APIRoute

from pacte.app.staff import ROLES
from pacte.kernel import db
from pacte.web import session
from pacte.web.doors import DOORS
from pacte.web.session import IDLE
from tests.web.conftest import Site, csrf
from tests.web.staff import member, signed_in

TABLE = {
    "GET /staff": "",
    "GET /staff/figures": "figures",
    "GET /staff/outcomes": "figures",
    "GET /staff/outcomes.csv": "figures",
    "GET /staff/people": "inspect",
    "POST /staff/people": "inspect",
    "GET /staff/people/{token}": "inspect",
    "POST /staff/people/{token}/receipt": "proofs",
    "POST /staff/people/{token}/proof": "proofs",
    "POST /staff/people/{token}/exhibit": "proofs",
    "GET /staff/forms": "inspect",
    "POST /staff/forms/pictures": "jobs",
    "GET /staff/forms/{digest}": "inspect",
    "GET /staff/forms/{digest}/shown": "inspect",
    "GET /staff/forms/{digest}/picture": "inspect",
    "GET /staff/ledger": "ledger",
    "POST /staff/ledger/check": "ledger",
    "GET /staff/ledger/checkpoint": "ledger",
    "GET /staff/looks": "looks",
    "POST /staff/looks": "looks",
    "GET /staff/data": "data",
    "GET /staff/texts": "texts",
    "POST /staff/texts": "texts",
    "GET /staff/texts/review": "texts",
    "POST /staff/texts/notice": "texts",
    "POST /staff/texts/publish": "publish",
    "GET /staff/segments": "messages",
    "GET /staff/segments/{name}": "messages",
    "POST /staff/segments/count": "messages",
    "POST /staff/segments/build": "messages",
    "POST /staff/segments/remove": "messages",
    "GET /staff/messages": "messages",
    "GET /staff/delivery": "messages",
    "POST /staff/messages/new": "messages",
    "POST /staff/messages/write": "messages",
    "GET /staff/messages/{name}": "messages",
    "POST /staff/messages/remove": "messages",
    "GET /staff/campaigns": "halt",
    "GET /staff/campaigns/new": "messages",
    "POST /staff/campaigns/new": "messages",
    "GET /staff/campaigns/{name}": "halt",
    "GET /staff/campaigns/{name}/far": "halt",
    "GET /staff/campaigns/{name}/numbers.csv": "halt",
    "GET /staff/campaigns/{name}/preparing": "halt",
    "GET /staff/campaigns/{name}/send": "messages",
    "POST /staff/campaigns/{name}/send": "messages",
    "POST /staff/campaigns/{name}/prepare": "messages",
    "POST /staff/campaigns/{name}/hold": "halt",
    "POST /staff/campaigns/{name}/resume": "messages",
    "POST /staff/campaigns/{name}/stop": "halt",
    "POST /staff/campaigns/{name}/remove": "messages",
    "GET /staff/lists": "halt",
    "POST /staff/lists/{name}/end": "halt",
    "GET /staff/stops": "halt",
    "POST /staff/stops": "stop",
    "POST /staff/stops/lift": "stop",
    "GET /staff/suppression": "choices",
    "POST /staff/suppression": "choices",
    "POST /staff/suppression/lift": "choices",
    "GET /staff/jobs": "jobs",
    "POST /staff/jobs/again": "jobs",
    "POST /staff/jobs/told": "jobs",
    "GET /staff/members": "staff",
    "POST /staff/members": "staff",
    "POST /staff/members/role": "staff",
    "POST /staff/members/remove": "staff",
    "POST /staff/members/end": "staff",
    "POST /staff/members/anew": "staff",
    "POST /staff/members/revoke": "staff",
    "GET /staff/setup": "setup",
    "POST /staff/setup/letter": "staff",
    "GET /staff/account": "",
    "POST /staff/account/add": "",
    "POST /staff/account/name": "",
    "POST /staff/account/remove": "",
    "POST /staff/account/end": "",
    "POST /staff/account/anew": "",
}
"""By door: what a role must be allowed for it (`app.staff.ROLES`); "" is for every member."""
TO_SIGN_IN = {
    "GET /staff/sign-in", "POST /staff/sign-in", "GET /staff/code", "POST /staff/code", "POST /staff/passkey",
    "GET /staff/join/{token}", "POST /staff/join/{token}", "POST /staff/sign-out",
    "GET /staff/anew/{token}", "POST /staff/anew/{token}",
}  # fmt: skip
"""Doors for those who have not signed in yet."""
OTHERS = ("/staff/connections",)
"""Doors that have a table of their own, beside their code."""


def _doors(site: Site) -> set[str]:
    routes = _flat(site.client.app.routes)  # type: ignore[attr-defined] # an application
    found = {
        f"{method} {route.path.removeprefix('/{lang}')}"
        for route in routes
        for method in route.methods - {"HEAD"}
        if route.path.startswith("/{lang}/staff")
    }
    return {one for one in found if not one.split()[1].startswith(OTHERS)}


def _flat(routes: list[object]) -> list[APIRoute]:
    found = []
    for route in routes:
        if isinstance(route, APIRoute):
            found.append(route)
        elif hasattr(route, "original_router"):
            found.extend(_flat(route.original_router.routes))
        elif hasattr(route, "routes") and not isinstance(route, APIRoute):
            found.extend(_flat(route.routes or []))
    return found


def _try(site: Site, door: str) -> int:
    method, path = door.split()
    address = "/en" + path.replace("{token}", "AAAA")
    if method == "GET":
        return int(site.get(address).status_code)
    token = csrf(site.get("/en/staff/sign-in").text)
    return int(site.client.post(address, data={"csrf": token}, follow_redirects=False).status_code)


def test_every_door_is_in_the_table(site: Site) -> None:
    """A door that nobody thought of would be open to whoever finds it."""
    assert _doors(site) == set(TABLE) | TO_SIGN_IN


@pytest.mark.parametrize("role", ROLES)
def test_a_role_opens_its_doors_and_no_other(site: Site, role: str) -> None:
    """403 for what a role may not, on every door, by GET and by POST; whatever else for what it may."""
    signed_in(site, role)
    for door, needed in TABLE.items():
        allowed = not needed or needed in ROLES[role]
        assert (_try(site, door) != 403) is allowed, (role, door)
        signed_in(site, role)  # some of these doors sign out
    shown = site.get("/en/staff").text
    for name, needed in DOORS.items():
        assert (f'href="/en/staff/{name}"' in shown) is (name != "home" and (not needed or needed in ROLES[role]))


@pytest.mark.parametrize("who", ["nobody", "person", "password", "old", "removed", "ended"])
def test_without_both_factors_no_door_opens(site: Site, who: str) -> None:
    """Strangers, customers, a password alone, a browser left alone, a member who left, an ended sign-in: to sign in."""
    from pacte.app import staff as people

    if who == "person":
        site.as_person(site.shop.permitted[0])
    elif who == "password":
        signed_in(site, "owner", "password")
    elif who == "old":
        signed_in(site, "owner")
        site.clock.forward(IDLE["staff"] / 86_400_000_000)
    elif who == "removed":
        found = signed_in(site, "dpo")
        people.remove(site.house, found.id, member(site.house, "owner"))
    elif who == "ended":
        found = signed_in(site, "owner")
        with db.write(site.house.engine) as conn:
            session.end_all(conn, found.id)
    for door in TABLE:
        assert _try(site, door) == 303, (who, door)


def test_a_stolen_browser_cannot_take_the_house(site: Site) -> None:
    """A quarter of an hour after signing in, roles, invitations, removals and passkeys ask for a sign-in once more."""
    found = signed_in(site, "owner")
    other = member(site.house, "dpo")
    site.clock.forward(session.FRESH / 86_400_000_000)
    assert "Sign in again" in site.get("/en/staff/members").text
    for path, data in (
        ("/en/staff/members", {"role": "owner"}),
        ("/en/staff/members/role", {"member": other.id, "role": "owner"}),
        ("/en/staff/members/remove", {"member": other.id}),
        ("/en/staff/account/add", {"name": "thief"}),
    ):
        answer = site.post(path, data, shown="/en/staff/ledger")
        assert (answer.status_code, path, "again=1" in answer.headers.get("location", "")) == (303, path, True)
    assert member(site.house, "dpo").role == "dpo"
    assert site.post("/en/staff/account/end", shown="/en/staff/ledger").status_code == 303
    assert found.role == "owner"
    copied = dict(site.client.cookies)
    site.post("/en/staff/sign-out", shown="/en/staff/ledger")
    site.client.cookies.update(copied)
    assert site.get("/en/staff").status_code == 303
