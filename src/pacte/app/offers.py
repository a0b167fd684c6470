"""One-time links for the staff, to join or to sign in anew: which are open, and why others open nothing any more.

Nothing is kept of a link but what the ledger says of it: for whom it was made, by whom, until when, and that it was
used or taken back. Whoever reads the records can use none. Source: OWASP ASVS 5.0, 6.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from pacte.app import links
from pacte.gate import rules as stored
from pacte.kernel.instant import Instant
from pacte.ledger import log

if TYPE_CHECKING:
    from pacte.app.house import House

OFFER = "staff_invitation"
"""The kind of sealed link."""
INVITED, RELINKED = "invited", "relinked"
"""What is offered: to join the staff, or to set password and second factor anew."""
USED, EXPIRED, REVOKED = "used", "expired", "revoked"
"""Why a link opens nothing any more."""
_TAKEN_UP = {INVITED: "joined", RELINKED: "renewed"}


@dataclass(frozen=True, slots=True)
class Offer:
    """An open link: for the member `member` (drawn beforehand for one who joins), made by `by`, good until `until`.

    `entry` is where the ledger says so.
    """

    member: str
    act: str
    role: str
    by: str
    entry: int
    made: Instant
    until: Instant


class Over(links.Expired):
    """A link for the staff that opens nothing any more; `why` says how it ended."""

    def __init__(self, link: links.Link, why: str) -> None:
        self.why = why
        super().__init__(link, spent=why == USED)


def record(
    house: House, conn: Connection, member: str, act: str, role: str, by: str, until: Instant | None = None
) -> int:
    """Write down something about the staff; answers its ledger index. No entry holds a name."""
    entry: dict[str, Any] = {"kind": "staff", "member": member, "act": act, "staff_role": role, "by": by}
    if until is not None:
        entry["until"] = until
    standing = stored.role(conn, house.present(conn))
    return house.record(conn, [entry | standing], house.clock())[0]


def opened(house: House, token: str) -> links.Link:
    """What a link says; raises `Over` for one whose time is over, and `links.Forged`."""
    try:
        return links.opened(house, OFFER, token)
    except links.Expired as late:
        raise Over(late.link, EXPIRED) from None


def make(house: House, conn: Connection, member: str, act: str, role: str, by: str, lasts: int) -> str:
    """Offer something to a member; a link that was made for them before opens nothing any more."""
    entry = record(house, conn, member, act, role, by, Instant(house.clock() + lasts))
    return links.seal(house, OFFER, {"member": member, "entry": entry}, lasts)


def every_open(conn: Connection, now: Instant) -> list[Offer]:
    """The links that open now, those made last first."""
    found: dict[str, Offer] = {}
    for index, entry in log.of_kind(conn, "staff"):
        member, act = str(entry["member"]), str(entry["act"])
        if act in _TAKEN_UP:
            found[member] = _offer(index, entry)
        elif act != "role":
            found.pop(member, None)
    return sorted((one for one in found.values() if now < one.until), key=lambda one: -one.entry)


def taken_up(house: House, conn: Connection, link: links.Link, act: str) -> Offer:
    """What a link offers, if it is open and of this sort; raises `Over`, and `links.Forged` for one of another sort."""
    for one in every_open(conn, house.clock()):
        if (one.member, one.entry, one.act) == (link.payload.get("member"), link.payload.get("entry"), act):
            return one
    raise _over(conn, link, act)


def revoke(house: House, conn: Connection, offer: Offer, by: str) -> None:
    """Take an open link back."""
    record(house, conn, offer.member, REVOKED, offer.role, by)


def revoke_made_by(house: House, conn: Connection, maker: str, by: str) -> None:
    """Take back every open link that somebody made who has no longer the right to."""
    for one in every_open(conn, house.clock()):
        if one.by == maker:
            revoke(house, conn, one, by)


def _offer(index: int, entry: dict[str, Any]) -> Offer:
    at, until = Instant(entry["at"]), Instant(entry["until"])
    return Offer(entry["member"], entry["act"], entry["staff_role"], entry["by"], index, at, until)


def _over(conn: Connection, link: links.Link, act: str) -> links.Forged | Over:
    """How a link ended: by the first that was said of its member after it was made."""
    says = link.payload
    of_member = [(index, entry) for index, entry in log.of_kind(conn, "staff") if entry["member"] == says.get("member")]
    if (says.get("entry"), act) not in [(index, entry["act"]) for index, entry in of_member]:
        return links.Forged()
    later = [entry["act"] for index, entry in of_member if index > int(says["entry"]) and entry["act"] != "role"]
    if not later:
        return Over(link, EXPIRED)
    return Over(link, USED if later[0] == _TAKEN_UP[act] else REVOKED)
