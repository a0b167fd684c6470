"""Staff: who may sign in to the console, in which role; each joining, change and leaving stands in the ledger.

A member's name and login are sealed under a key of the house and found by a keyed digest of the login; the ledger
knows them by a drawn identifier, as every look at somebody's data does. Source: GDPR Art. 5(1)(f), 29, 32(4).
"""

from __future__ import annotations

import hmac
import json
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Column, Connection, Index, LargeBinary, String, Table

from pacte.app import links
from pacte.app.policies import published
from pacte.kernel import db
from pacte.kernel.canonical import canonical
from pacte.kernel.db import Int64, metadata
from pacte.kernel.errors import BadInput, Conflict, NotFound, PacteError, Unsafe
from pacte.kernel.instant import DAY, SECOND, Instant

if TYPE_CHECKING:
    from pacte.app.house import House

ROLES: Mapping[str, frozenset[str]] = {
    "owner": frozenset(
        {"staff", "people", "choices", "inspect", "figures", "ledger", "proofs", "looks", "jobs", "connections"}
    ),
    "dpo": frozenset({"people", "choices", "inspect", "figures", "ledger", "proofs", "looks", "jobs"}),
    "marketer": frozenset({"figures"}),
    "analyst": frozenset({"figures"}),
    "agent": frozenset({"people", "choices", "inspect"}),
    "auditor": frozenset({"inspect", "figures", "ledger", "proofs", "looks"}),
}
"""By role: what its members may do. No role sees a person without a recorded look.

`people`: see who somebody is; `inspect`: what a person they name has said, and how it is proved, without who they are;
`proofs`: take such proofs away; `figures`: numbers of people that show nobody; `looks`: who looked at whom, when, why.
"""

INVITATION = "staff_invitation"
"""The kind of link by which somebody joins."""
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
        if db.fetch(conn, "SELECT 1 FROM staff_member WHERE role = 'owner' AND state = 'active'"):
            return None
    return links.seal(house, INVITATION, {"role": "owner", "by": "house", "first": 1}, FIRST_LASTS)


def invite(house: House, role: str, by: Member) -> str:
    """A link by which one more member joins in a role; raises `BadInput` for an unknown role."""
    _check_role(role)
    if not by.may("staff"):
        raise BadInput("only owners invite")
    return links.seal(house, INVITATION, {"role": role, "by": by.actor}, INVITED_LASTS)


def join(house: House, token: str, login: str, name: str, password: str) -> Member:
    """Take up an invitation, once; `password` is already hashed. Raises `Conflict` for a login that is taken.

    An invitation ends with the right of whoever made it: then it raises `Expired`, as for one whose time is over.
    """
    if not _LOGIN.fullmatch(login) or not 1 <= len(name.strip()) <= 128:
        raise BadInput("a member needs a name, and a login of 3 to 128 characters without spaces")
    with house.writing() as conn:
        link = links.spend(house, conn, INVITATION, token)
        if link.payload.get("first") and _owned(conn):
            raise Conflict("somebody owns this house already; ask them for an invitation")
        if not link.payload.get("first") and not _invites(conn, link["by"]):
            raise links.Expired(link)
        digest = _digest(house, login)
        if db.fetch(conn, "SELECT 1 FROM staff_member WHERE login = ?", (digest,)):
            raise Conflict("this login is taken; choose another")
        member, now = secrets.token_hex(16), house.clock()
        sealed = _seal(house, member, {"name": name.strip(), "login": login, "second": ""})
        values = (member, digest, sealed, link["role"], password, "active", 0, 0, 0, now)
        db.run(
            conn,
            "INSERT INTO staff_member (id, login, sealed, role, password, state, wrong, locked_until, last_code, made) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            values,
        )
        _record(house, conn, member, "joined", link["role"], str(link["by"]), now)
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
            (_digest(house, login),),
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
    said = {"name": member.name, "login": member.login, "second": secret}
    with db.write(house.engine) as conn:
        sealed = _seal(house, member.id, said)
        db.run(conn, "UPDATE staff_member SET sealed = ? WHERE id = ?", (sealed, member.id))


def change_role(house: House, identifier: str, role: str, by: Member) -> None:
    """Give a member another role; the last owner stays one. Recorded."""
    _check_role(role)
    _change(house, identifier, by, "UPDATE staff_member SET role = ? WHERE id = ?", role, "role", role)


def remove(house: House, identifier: str, by: Member) -> None:
    """End a member's access; what they did stays under their identifier. The last owner stays. Recorded."""
    _change(house, identifier, by, "UPDATE staff_member SET state = ? WHERE id = ?", "left", "left", None)


def _change(house: House, identifier: str, by: Member, sql: str, value: str, act: str, role: str | None) -> None:
    found = member_of(house, identifier)
    with house.writing() as conn:
        if not _invites(conn, by.actor):  # by what holds now: they may have been removed since the page was shown
            raise BadInput("only owners change who may do what")
        if db.run(conn, f"{sql} AND state = 'active'", (value, identifier)).rowcount != 1:
            raise Conflict("this member has left already")
        if not _owned(conn):
            raise Conflict("a house needs an owner; make somebody else one first")
        _record(house, conn, identifier, act, role or found.role, by.actor, house.clock())


def _invites(conn: Connection, by: str) -> bool:
    """Whether the member whom the ledger names so may still invite: nobody comes back by an invitation of their own."""
    rows = db.fetch(conn, "SELECT role, state FROM staff_member WHERE id = ?", (by.removeprefix("staff:"),))
    return any(state == "active" and "staff" in ROLES[role] for role, state in rows)


def _owned(conn: Connection) -> bool:
    return bool(db.fetch(conn, "SELECT 1 FROM staff_member WHERE role = 'owner' AND state = 'active' LIMIT 1"))


def _record(house: House, conn: Connection, member: str, act: str, role: str, by: str, now: Instant) -> None:
    entry: dict[str, Any] = {"kind": "staff", "member": member, "act": act, "staff_role": role, "by": by}
    house.record(conn, [entry | _standing(house, conn)], now)


def _standing(house: House, conn: Connection) -> dict[str, str]:
    try:
        return dict(published(conn, house.present(conn)).document.controller.standing)
    except PacteError:  # before a policy is in force
        return {"role": "controller"}


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise BadInput(f"no such role; expected one of {', '.join(f'`{name}`' for name in ROLES)}")


_COLUMNS = "id, sealed, role, password, state, wrong, locked_until, last_code, made"


def _read(house: House, row: tuple[Any, ...]) -> Member:
    member, sealed, role, password, state, wrong, locked, code, made = row
    said = _open(house, member, bytes(sealed))
    return Member(member, said["name"], said["login"], role, password, said["second"], state, wrong, locked, code, made)


def _seal(house: House, member: str, said: Mapping[str, str]) -> bytes:
    nonce = os.urandom(12)
    return nonce + AESGCM(house.keys.house_key("staff")).encrypt(nonce, canonical(dict(said)), member.encode())


def _open(house: House, member: str, sealed: bytes) -> dict[str, str]:
    try:
        opened = AESGCM(house.keys.house_key("staff")).decrypt(sealed[:12], sealed[12:], member.encode())
    except InvalidTag:
        raise Unsafe("a row of the staff was changed by somebody else; put back your newest copy") from None
    found: dict[str, str] = json.loads(opened)
    return found


def _digest(house: House, login: str) -> str:
    return hmac.digest(house.keys.house_key("staff-login"), login.strip().lower().encode(), "sha256").hex()
