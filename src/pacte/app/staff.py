"""Staff: who may sign in to the console, in which role; each joining, change and leaving stands in the ledger.

A member's name and login are sealed under a key of the house and found by a keyed digest of the login; the ledger
knows them by a drawn identifier, as every look at somebody's data does. Source: GDPR Art. 5(1)(f), 29, 32(4).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import Column, Connection, Index, LargeBinary, String, Table

from pacte.app import links, offers, passkeys
from pacte.app.staff_rows import login_digest, opened_row, sealed_row
from pacte.kernel import db
from pacte.kernel.db import Int64, metadata
from pacte.kernel.errors import BadInput, Conflict, Denied, NotFound
from pacte.kernel.instant import DAY, SECOND, Instant

if TYPE_CHECKING:
    from pacte.app.house import House

ROLES: Mapping[str, frozenset[str]] = {
    "owner": frozenset(
        {
            *("staff", "people", "choices", "inspect", "figures", "ledger", "proofs", "looks", "jobs", "connections"),
            *("data", "texts", "messages", "halt", "stop", "publish", "setup"),
        }
    ),
    "dpo": frozenset({"people", "choices", "inspect", "figures", "ledger", "proofs", "looks", "jobs"})
    | {"data", "texts", "halt", "stop", "setup"},
    "marketer": frozenset({"figures", "data", "texts", "messages", "halt"}),
    "analyst": frozenset({"figures"}),
    "agent": frozenset({"people", "choices", "inspect"}),
    "auditor": frozenset({"inspect", "figures", "ledger", "proofs", "looks", "data"}),
}
"""By role: what its members may do. No role sees a person without a recorded look.

`people`: see who somebody is; `inspect`: what a person they name has said, and how it is proved, without who they are;
`proofs`: take such proofs away; `figures`: numbers of people that show nobody; `looks`: who looked at whom, when, why;
`data`: which data there are, and what reads them; `texts`: write the words of the policy that comes next; `messages`:
write what people are sent, and have it sent; `halt`: hold or end what is being sent; `stop`: stop a purpose, or
everything, and lift the stop; `publish`: put the policy in force, which the data protection officer never does;
`setup`: see what lacks.
Source: GDPR Art. 38(6).
"""

FIRST_LASTS, INVITED_LASTS = DAY, 7 * DAY
"""How long the first owner's link and others' work, in microseconds."""
PATIENCE = 5
"""Wrong passwords or codes in a row before a member has to wait."""
LOCKED = 900 * SECOND
"""How long, in microseconds."""

_LOGIN = re.compile(r"[^\s\x00-\x1f]{3,128}")

staff_table = Table(
    "staff_member",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("login", String(64), nullable=False),  # a keyed digest
    Column("sealed", LargeBinary, nullable=False),  # name, login, second factor
    Column("role", String(16), nullable=False),
    Column("password", String(256), nullable=False),  # as argon2 writes it
    Column("state", String(8), nullable=False),  # active or left
    Column("wrong", Int64, nullable=False),  # wrong attempts in a row
    Column("locked_until", Int64, nullable=False),
    Column("last_code", Int64, nullable=False),  # the time step of the last code, which opens nothing twice
    Column("made", Int64, nullable=False),
    sqlite_with_rowid=False,
)
Index("staff_member_login", staff_table.c.login, unique=True)


@dataclass(frozen=True, slots=True)
class Member:
    """One member of staff. `second` is the secret of their one-time codes, empty before they set it up."""

    id: str
    name: str
    login: str
    role: str
    password: str
    second: str
    state: str
    wrong: int
    locked_until: Instant
    last_code: int
    made: Instant

    @property
    def actor(self) -> str:
        """How the ledger names them."""
        return f"staff:{self.id}"

    def may(self, what: str) -> bool:
        """Whether their role allows it."""
        return self.state == "active" and what in ROLES[self.role]


def first_owner(house: House) -> str | None:
    """The link by which the first owner joins, good for a day and once; `None` when somebody owns the house already."""
    with house.reading() as conn:
        if _owned(conn):
            return None
    return links.seal(house, offers.OFFER, {"first": 1}, FIRST_LASTS)


def invite(house: House, role: str, by: Member) -> str:
    """A link by which one more member joins in a role, recorded; raises `BadInput` for an unknown role."""
    _check_role(role)
    with house.writing() as conn:
        if not may_invite(conn, by.actor):
            raise BadInput("only owners invite")
        return offers.make(house, conn, secrets.token_hex(16), offers.INVITED, role, by.actor, INVITED_LASTS)


def invited(house: House, token: str) -> str:
    """The role that an invitation is for. Raises `offers.Over` for one that ended, `links.Forged` for none."""
    with house.reading() as conn:
        return _invited(house, conn, token).role


def join(house: House, token: str, login: str, name: str, password: str) -> Member:
    """Take up an invitation, once; `password` is already hashed. Raises `Conflict` for a login that is taken.

    Raises as `invited` does: an invitation ends with the right of whoever made it.
    """
    if not _LOGIN.fullmatch(login) or not 1 <= len(name.strip()) <= 128:
        raise BadInput("a member needs a name, and a login of 3 to 128 characters without spaces")
    with house.writing() as conn:
        offer = _invited(house, conn, token)
        digest, member = login_digest(house, login), offer.member
        if db.fetch(conn, "SELECT 1 FROM staff_member WHERE login = ?", (digest,)):
            raise Conflict("this login is taken; choose another")
        sealed = sealed_row(house, member, {"name": name.strip(), "login": login, "second": ""})
        values = (member, digest, sealed, offer.role, password, "active", 0, 0, 0, house.clock())
        db.run(
            conn,
            "INSERT INTO staff_member (id, login, sealed, role, password, state, wrong, locked_until, last_code, made) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            values,
        )
        offers.record(house, conn, member, "joined", offer.role, offer.by)
    return member_of(house, member)


def member_of(house: House, identifier: str) -> Member:
    """A member; raises `NotFound`."""
    with house.reading() as conn:
        rows = db.fetch(conn, f"SELECT {_COLUMNS} FROM staff_member WHERE id = ?", (identifier,))
    if not rows:
        raise NotFound("no such member of staff")
    return _read(house, rows[0])


def by_login(house: House, login: str) -> Member | None:
    """The active member with a login."""
    with house.reading() as conn:
        rows = db.fetch(
            conn,
            f"SELECT {_COLUMNS} FROM staff_member WHERE login = ? AND state = 'active'",
            (login_digest(house, login),),
        )
    return _read(house, rows[0]) if rows else None


def members(house: House) -> list[Member]:
    """Everybody who may sign in, or could once, those who joined first before."""
    with house.reading() as conn:
        rows = db.fetch(conn, f"SELECT {_COLUMNS} FROM staff_member ORDER BY made, id")
    return [_read(house, row) for row in rows]


def attempted(house: House, member: Member, *, right: bool, code: int = 0) -> None:
    """Note an attempt to sign in. After `PATIENCE` wrong ones in a row the member waits; `code` is a time step used.

    Raises `Conflict` for a right one whose code was used already, or that comes while the member waits.
    """
    # INVARIANT: what stands is counted on in the statement itself: guesses made at once count one by one.
    now = house.clock()
    with db.write(house.engine) as conn:
        if not right:
            full = f"CASE WHEN wrong + 1 >= {PATIENCE} THEN"
            sets = f"wrong = {full} 0 ELSE wrong + 1 END, locked_until = {full} ? ELSE locked_until END"
            db.run(conn, f"UPDATE staff_member SET {sets} WHERE id = ?", (now + LOCKED, member.id))
            return
        sql = (
            "UPDATE staff_member SET wrong = 0, locked_until = 0, last_code = ? "
            "WHERE id = ? AND last_code < ? AND locked_until <= ?"
        )
        if db.run(conn, sql, (code, member.id, code, now)).rowcount != 1:
            raise Conflict("this code was used already, or too many were tried; wait for the next one")


def set_second(house: House, member: Member, secret: str) -> None:
    """Keep the secret of a member's one-time codes, sealed."""
    with db.write(house.engine) as conn:
        _set_second(house, conn, member, secret)


def change_role(house: House, identifier: str, role: str, by: Member) -> None:
    """Give a member another role; the last owner stays one. Recorded."""
    _check_role(role)
    with house.writing() as conn:
        _change(conn, identifier, by, "role", role)
        offers.record(house, conn, identifier, "role", role, by.actor)
        if "staff" not in ROLES[role]:
            offers.revoke_made_by(house, conn, f"staff:{identifier}", by.actor)


def remove(house: House, identifier: str, by: Member) -> None:
    """End a member's access at once: sign-ins, passkeys and the links that they made. Recorded; the last owner stays.

    What they did stays under their identifier.
    """
    found = member_of(house, identifier)
    with house.writing() as conn:
        _change(conn, identifier, by, "state", "left")
        shut_out(conn, identifier)
        offers.record(house, conn, identifier, "left", found.role, by.actor)
        offers.revoke_made_by(house, conn, found.actor, by.actor)


def shut_out(conn: Connection, identifier: str) -> None:
    """End every sign-in of a member, and forget their passkeys."""
    db.run(conn, "DELETE FROM web_session WHERE who = ?", (identifier,))
    passkeys.forget(conn, identifier)


def may_invite(conn: Connection, by: str) -> bool:
    """Whether somebody, as the ledger names them, may say now who joins: an owner, or the house's own command line."""
    return _may(conn, by, "staff")


def refuse_staff(conn: Connection, by: str, what: str) -> None:
    """Raise `Denied` where a member of staff does what their role, as it is now, does not allow."""
    if not _may(conn, by, what):
        raise Denied("role", "your role does not allow this; ask an owner of this house")


def _may(conn: Connection, by: str, what: str) -> bool:
    if not by.startswith("staff:"):
        return True
    rows = db.fetch(conn, "SELECT role, state FROM staff_member WHERE id = ?", (by.removeprefix("staff:"),))
    return any(state == "active" and what in ROLES[role] for role, state in rows)


def set_anew(house: House, conn: Connection, member: Member, password: str) -> None:
    """Give a member another password (hashed already) and no second factor; how they signed in before is over."""
    # Codes of before are those of another secret: the first of the new one is good, whenever the last one was used.
    sql = "UPDATE staff_member SET password = ?, wrong = 0, locked_until = 0, last_code = 0 WHERE id = ?"
    db.run(conn, sql, (password, member.id))
    _set_second(house, conn, member, "")
    shut_out(conn, member.id)


def _set_second(house: House, conn: Connection, member: Member, secret: str) -> None:
    sealed = sealed_row(house, member.id, {"name": member.name, "login": member.login, "second": secret})
    db.run(conn, "UPDATE staff_member SET sealed = ? WHERE id = ?", (sealed, member.id))


def _invited(house: House, conn: Connection, token: str) -> offers.Offer:
    link = offers.opened(house, token)
    if link.payload.get("first"):
        if _owned(conn):
            raise offers.Over(link, offers.USED)
        return offers.Offer(secrets.token_hex(16), offers.INVITED, "owner", "house", 0, Instant(0), link.until)
    offer = offers.taken_up(house, conn, link, offers.INVITED)
    if not may_invite(conn, offer.by):
        raise offers.Over(link, offers.REVOKED)
    return offer


def _change(conn: Connection, identifier: str, by: Member, column: Literal["role", "state"], value: str) -> None:
    if not may_invite(conn, by.actor):  # by what holds now: they may have been removed since the page was shown
        raise BadInput("only owners change who may do what")
    sql = f"UPDATE staff_member SET {column} = ? WHERE id = ? AND state = 'active'"
    if db.run(conn, sql, (value, identifier)).rowcount != 1:
        raise Conflict("this member has left already")
    if not _owned(conn):
        raise Conflict("a house needs an owner; make somebody else one first")


def _owned(conn: Connection) -> bool:
    return bool(db.fetch(conn, "SELECT 1 FROM staff_member WHERE role = 'owner' AND state = 'active' LIMIT 1"))


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise BadInput(f"no such role; expected one of {', '.join(f'`{name}`' for name in ROLES)}")


_COLUMNS = "id, sealed, role, password, state, wrong, locked_until, last_code, made"


def _read(house: House, row: tuple[Any, ...]) -> Member:
    member, sealed, role, password, state, wrong, locked, code, made = row
    said = opened_row(house, member, bytes(sealed))
    return Member(member, said["name"], said["login"], role, password, said["second"], state, wrong, locked, code, made)
