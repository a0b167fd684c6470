"""Members of staff for tests: made at once, signed in with this browser, in whatever role."""

from __future__ import annotations

import pyotp

from pacte.app import staff as people
from pacte.app.house import House
from pacte.app.staff import Member, first_owner
from pacte.kernel import db
from pacte.web import session
from tests.web.conftest import Site


def owner(house: House, name: str = "Olga Owner") -> Member:
    """The first owner, with a second factor."""
    found = [one for one in people.members(house) if one.role == "owner"]
    if found:
        return found[0]
    token = first_owner(house)
    assert token is not None
    return _whole(house, people.join(house, token, "olga", name, "nobody knows this"))


def member(house: House, role: str) -> Member:
    """A member in a role, invited by the first owner."""
    found = [one for one in people.members(house) if one.role == role]
    if found:
        return found[0]
    if role == "owner":
        return owner(house)
    token = people.invite(house, role, owner(house))
    return _whole(house, people.join(house, token, f"{role}-1", f"{role.title()} One", "nobody knows this"))


def signed_in(site: Site, role: str, strength: str = "full") -> Member:
    """Sign this browser in as a member of a role."""
    found = member(site.house, role)
    with db.write(site.house.engine) as conn:
        secret, _ = session.drawn(conn, "staff", found.id, strength, site.clock(), "Firefox Linux")
    site.client.cookies.set("pacte-staff", secret)
    return found


def _whole(house: House, found: Member) -> Member:
    people.set_second(house, found, pyotp.random_base32())
    return people.member_of(house, found.id)
