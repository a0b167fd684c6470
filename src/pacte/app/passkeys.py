"""Passkeys: what a house keeps of a key that lies in somebody's device, and for whom that key speaks.

Only the public half comes here, which is worth nothing to a thief. The name that its owner gave it may say something of
them, and is sealed. A passkey of somebody who is erased goes with them. Source: W3C Web Authentication Level 3 § 4.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import Column, Connection, Index, LargeBinary, String, Table

from pacte.app.people import is_here
from pacte.kernel import db, jobs
from pacte.kernel.db import Int64, metadata
from pacte.kernel.errors import BadInput, Conflict, Denied, NotFound, Unsafe
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import Instant
from pacte.kernel.jobs import Job
from pacte.keys.seal import seal, unseal

if TYPE_CHECKING:
    from pacte.app.house import House

Kind = Literal["person", "staff"]

MOST = 10
"""Passkeys of one person or member."""
LONGEST = 64
"""Characters of the name that an owner gives."""

passkey_table = Table(
    "passkey",
    metadata,
    Column("id", String(64), primary_key=True),  # SHA-256 of the credential's identifier
    Column("kind", String(8), nullable=False),  # person or staff
    Column("who", String(32), nullable=False),
    Column("credential", LargeBinary, nullable=False),
    Column("public_key", LargeBinary, nullable=False),  # as COSE has it
    Column("counter", Int64, nullable=False),
    Column("name", LargeBinary, nullable=False),  # sealed
    Column("made", Int64, nullable=False),
    Column("used", Int64),
    sqlite_with_rowid=False,
)
Index("passkey_who", passkey_table.c.who)


@dataclass(frozen=True, slots=True)
class Passkey:
    """One passkey of a person (`who` is a subject identifier) or of a member of staff."""

    id: str
    kind: Kind
    who: str
    credential: bytes
    public_key: bytes
    counter: int
    name: str
    made: Instant
    used: Instant | None


@dataclass(frozen=True, slots=True)
class New:
    """What a device answered when it was asked for a new key."""

    credential: bytes
    public_key: bytes
    counter: int


def add(house: House, kind: Kind, who: str, new: New, name: str, letters: Sequence[Job] = ()) -> None:
    """Keep a new passkey; raises `Conflict` for one that is here already, or one too many, `BadInput` for its name.

    Its owner is told by `letters`. Raises `Denied` for a person who is erased, or is being erased.
    """
    row_id, now = _named(new.credential), house.clock()
    sealed = _seal(house, row_id, checked_name(name))
    with db.write(house.engine) as conn:
        if kind == "person" and not is_here(conn, SubjectId(who)):
            raise Denied("erased", "this person was erased, and opens nothing here any more")
        if db.fetch(conn, "SELECT 1 FROM passkey WHERE id = ?", (row_id,)):
            raise Conflict("this passkey is known here already")
        if db.fetch(conn, "SELECT count(*) FROM passkey WHERE who = ?", (who,))[0][0] >= MOST:
            raise Conflict(f"there are {MOST} passkeys already; remove one first")
        db.run(
            conn,
            f"INSERT INTO passkey ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (row_id, kind, who, new.credential, new.public_key, new.counter, sealed, now, None),
        )
        jobs.add(conn, letters)


def of(house: House, kind: Kind, who: str) -> list[Passkey]:
    """The passkeys of somebody, the oldest first."""
    with house.reading() as conn:
        sql = f"SELECT {_COLUMNS} FROM passkey WHERE who = ? AND kind = ? ORDER BY made, id"
        rows = db.fetch(conn, sql, (who, kind))
    return [_read(house, row) for row in rows]


def find(house: House, kind: Kind, credential: bytes) -> Passkey:
    """The passkey with this credential identifier; raises `NotFound`."""
    with house.reading() as conn:
        sql = f"SELECT {_COLUMNS} FROM passkey WHERE id = ? AND kind = ?"
        rows = db.fetch(conn, sql, (_named(credential), kind))
    if not rows:
        raise NotFound("this passkey is not known here")
    return _read(house, rows[0])


def used(house: House, passkey: Passkey, counter: int) -> None:
    """Note that it signed somebody in; raises `Conflict` when another use of it was noted meanwhile."""
    with db.write(house.engine) as conn:
        sql = "UPDATE passkey SET counter = ?, used = ? WHERE id = ? AND counter = ?"
        if db.run(conn, sql, (counter, house.clock(), passkey.id, passkey.counter)).rowcount != 1:
            raise Conflict("this passkey was used at this moment; try again")


def rename(house: House, kind: Kind, who: str, row_id: str, name: str) -> None:
    """Give one of somebody's own another name; raises `BadInput` for a name that is none."""
    sealed = _seal(house, row_id, checked_name(name))
    with db.write(house.engine) as conn:
        sql = "UPDATE passkey SET name = ? WHERE id = ? AND who = ? AND kind = ?"
        db.run(conn, sql, (sealed, row_id, who, kind))


def remove(house: House, kind: Kind, who: str, row_id: str, letters: Sequence[Job] = ()) -> None:
    """Forget one of somebody's own: it opens nothing from now on; they are told by `letters`."""
    with db.write(house.engine) as conn:
        sql = "DELETE FROM passkey WHERE id = ? AND who = ? AND kind = ?"
        if db.run(conn, sql, (row_id, who, kind)).rowcount:
            jobs.add(conn, letters)


def forget(conn: Connection, who: str) -> int:
    """Forget all that somebody had, because they were erased or left; returns how many."""
    return db.run(conn, "DELETE FROM passkey WHERE who = ?", (who,)).rowcount


def checked_name(name: str) -> str:
    """A name as it is kept; raises `BadInput` for an empty or a long one."""
    name = " ".join(name.split())
    if not 1 <= len(name) <= LONGEST or not name.isprintable():
        raise BadInput(f"a passkey needs a name of 1 to {LONGEST} characters")
    return name


_COLUMNS = "id, kind, who, credential, public_key, counter, name, made, used"


def _named(credential: bytes) -> str:
    return hashlib.sha256(credential).hexdigest()


def _read(house: House, row: tuple[Any, ...]) -> Passkey:
    row_id, kind, who, credential, public_key, counter, name, made, last = row
    shown = _open(house, row_id, bytes(name))
    return Passkey(row_id, kind, who, bytes(credential), bytes(public_key), counter, shown, made, last)


def _seal(house: House, row_id: str, name: str) -> bytes:
    return seal(house.keys.house_key("passkeys"), name.encode(), row_id.encode())


def _open(house: House, row_id: str, sealed: bytes) -> str:
    try:
        return unseal(house.keys.house_key("passkeys"), sealed, row_id.encode()).decode()
    except Unsafe:
        raise Unsafe("a row of the passkeys was changed by somebody else; put back your newest copy") from None
