"""A member of the staff lost their password or second factor: a link, once, to set both anew; and links taken back.

An owner makes the link for somebody else, the command line of the house for its only owner, a member for themselves.
Nothing changes before it is used; then password, second factor, passkeys and sign-ins of before are over at once.
Source: OWASP ASVS 5.0, 6.4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection

from pacte.app import offers
from pacte.app.staff import Member, may_invite, member_of, set_anew
from pacte.app.staff_letters import changed
from pacte.kernel import jobs
from pacte.kernel.errors import BadInput, Conflict, NotFound
from pacte.kernel.instant import DAY

if TYPE_CHECKING:
    from pacte.app.house import House

LASTS = DAY
"""How long such a link works, in microseconds."""


def relink(house: House, identifier: str, by: str) -> str:
    """The link by which a member sets password and second factor anew, recorded; `by` as the ledger names them.

    Raises `BadInput` for whoever may not, `NotFound`, and `Conflict` for a member who has left.
    """
    member = member_of(house, identifier)
    with house.writing() as conn:
        if not _may(conn, by, member):
            raise BadInput("only owners let somebody else sign in anew")
        if member.state != "active":
            raise Conflict("this member has left already")
        return offers.make(house, conn, member.id, offers.RELINKED, member.role, by, LASTS)


def relinked(house: House, token: str) -> Member:
    """Whom a link lets in anew. Raises `offers.Over` for one that ended, `links.Forged` for none."""
    with house.reading() as conn:
        member = _offered(house, conn, token).member
    return member_of(house, member)


def renew(house: House, token: str, password: str, lang: str) -> Member:
    """Take up the link, once: the password (hashed already) is the member's from now on, and nothing else opens.

    They are told by a letter in `lang`, where their login is an address. Raises as `relinked` does.
    """
    member = relinked(house, token)
    with house.writing() as conn:
        _offered(house, conn, token)
        set_anew(house, conn, member, password)
        offers.record(house, conn, member.id, "renewed", member.role, member.actor)
        jobs.add(conn, changed(house, member, "renewed", lang))
    return member_of(house, member.id)


def every_open(house: House) -> list[offers.Offer]:
    """The links that open now, those made last first."""
    with house.reading() as conn:
        return offers.every_open(conn, house.clock())


def revoke(house: House, entry: int, by: str) -> None:
    """Take back the open link that a ledger entry speaks of; raises `NotFound` where none is open, and `BadInput`."""
    with house.writing() as conn:
        if not may_invite(conn, by):
            raise BadInput("only owners take a link back")
        found = [one for one in offers.every_open(conn, house.clock()) if one.entry == entry]
        if not found:
            raise NotFound("this link was used, has expired or was taken back already")
        offers.revoke(house, conn, found[0], by)


def _offered(house: House, conn: Connection, token: str) -> offers.Offer:
    link = offers.opened(house, token)
    offer = offers.taken_up(house, conn, link, offers.RELINKED)
    if not may_invite(conn, offer.by) and offer.by != f"staff:{offer.member}":
        raise offers.Over(link, offers.REVOKED)
    return offer


def _may(conn: Connection, by: str, member: Member) -> bool:
    """Whether somebody may let this member sign in anew: owners everybody, and each member themselves."""
    return by == member.actor or may_invite(conn, by)
