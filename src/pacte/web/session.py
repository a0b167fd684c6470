"""Sessions: who has signed in with this browser, how strongly, and until when. Kept in the house, so they can be ended.

The browser holds 32 random bytes, the table their SHA-256: a stolen copy of the records opens nothing. A session is
renamed whenever it becomes stronger, so that one planted before signing in is worth nothing afterwards.
Source: OWASP ASVS 5.0, chapter 7.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from fastapi import Request, Response
from sqlalchemy import Connection

from pacte.app.people import is_here
from pacte.kernel import db
from pacte.kernel.errors import Denied, PacteError
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import DAY, SECOND, Instant
from pacte.web import tables as _tables  # noqa: F401 # the migration and its test know the table by it

if TYPE_CHECKING:
    from pacte.app.house import House

Kind = Literal["person", "staff"]

FRESH = 900 * SECOND
"""How long after signing in somebody may see, export or erase data, in microseconds."""
LASTS = {"person": DAY, "staff": DAY // 2}
IDLE = {"person": DAY // 12, "staff": DAY // 48}
"""After how long a session ends, and after how long without a request, in microseconds."""
NOTED = 60 * SECOND
"""How exactly it is known when a session was last used."""


class SignInNeeded(PacteError):
    """Nobody is signed in, or not strongly enough; `kind` and `fresh` say what is missing."""

    def __init__(self, kind: Kind, *, fresh: bool = False) -> None:
        self.kind = kind
        self.fresh = fresh
        super().__init__("sign in again to see this" if fresh else "sign in to see this")


@dataclass(frozen=True, slots=True)
class Session:
    """One browser that signed in: `who` is a subject identifier or a member of staff's.

    `strength` of a person: `link` (came by a message that anybody may have forwarded) or `fresh`; of staff: `password`
    (the second factor is still to come) or `full`.
    """

    name: str
    kind: Kind
    who: str
    strength: str
    made: Instant
    seen: Instant
    fresh_until: Instant
    until: Instant
    device: str

    def fresh(self, now: Instant) -> bool:
        """Whether somebody proved a moment ago who they are."""
        return now < self.fresh_until

    def over(self, now: Instant) -> bool:
        """Whether its time is up, or nobody has used it for too long."""
        return self.until <= now or self.seen + IDLE[self.kind] <= now


_COLUMNS = "name, kind, who, strength, made, seen, fresh_until, until, device"


def begin(
    request: Request, response: Response, kind: Kind, who: str, strength: str, fresh_until: Instant | None = None
) -> Session:
    """Sign somebody in with this browser; whatever session it had of that kind ends.

    `fresh_until` is given where they proved who they are some time before. Raises `Denied` for a person who is erased,
    or is being erased.
    """
    house: House = request.app.state.house
    with db.write(house.engine) as conn:
        if kind == "person" and not is_here(conn, SubjectId(who)):
            raise Denied("erased", "this person was erased, and opens nothing here any more")
        prune(conn, house.clock())
        if old := request.cookies.get(cookie(request, kind)):
            db.run(conn, "DELETE FROM web_session WHERE name = ?", (_digest(old),))
        secret, session = drawn(conn, kind, who, strength, house.clock(), _device(request), fresh_until)
    _give(request, response, kind, secret)
    setattr(request.state, kind, session)
    return session


def drawn(
    conn: Connection,
    kind: Kind,
    who: str,
    strength: str,
    now: Instant,
    device: str = "",
    fresh_until: Instant | None = None,
) -> tuple[str, Session]:
    """A new session and the secret that its browser gets; nobody has it yet."""
    secret = secrets.token_urlsafe(32)
    fresh = Instant(now + FRESH) if strength in ("fresh", "full") else now
    fresh = fresh if fresh_until is None else min(fresh, fresh_until)
    session = Session(_digest(secret), kind, who, strength, now, now, fresh, Instant(now + LASTS[kind]), device)
    db.run(
        conn,
        f"INSERT INTO web_session ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        tuple(getattr(session, name.strip()) for name in _COLUMNS.split(",")),
    )
    return secret, session


def current(request: Request, kind: Kind) -> Session | None:
    """The session of this browser, or `None`; a use of it is noted at most once a minute."""
    if hasattr(request.state, kind):
        found: Session | None = getattr(request.state, kind)
        return found
    session = _found(request, kind)
    setattr(request.state, kind, session)
    return session


def person(request: Request) -> Session:
    """The person who is signed in, by whatever link; raises `SignInNeeded`."""
    session = current(request, "person")
    if session is None:
        raise SignInNeeded("person")
    return session


def fresh_person(request: Request) -> Session:
    """The person, who proved a moment ago who they are: to see, to take away, to erase. Raises `SignInNeeded`."""
    session = person(request)
    if not session.fresh(request.app.state.house.clock()):
        raise SignInNeeded("person", fresh=True)
    return session


def end(request: Request, response: Response, kind: Kind) -> None:
    """Sign out."""
    house: House = request.app.state.house
    if secret := request.cookies.get(cookie(request, kind)):
        with db.write(house.engine) as conn:
            db.run(conn, "DELETE FROM web_session WHERE name = ?", (_digest(secret),))
    response.delete_cookie(cookie(request, kind), path="/", secure=secured(request), httponly=True, samesite="lax")
    setattr(request.state, kind, None)


def end_all(conn: Connection, who: str, but: str = "") -> int:
    """End every session of somebody, except the one named `but`; returns how many."""
    return db.run(conn, "DELETE FROM web_session WHERE who = ? AND name <> ?", (who, but)).rowcount


def end_one(conn: Connection, who: str, name: str) -> None:
    """End one session of somebody's own."""
    db.run(conn, "DELETE FROM web_session WHERE who = ? AND name = ?", (who, name))


def listed(conn: Connection, who: str) -> list[Session]:
    """The sessions of somebody, the one used last first."""
    rows = db.fetch(conn, f"SELECT {_COLUMNS} FROM web_session WHERE who = ? ORDER BY seen DESC", (who,))
    return [_read(row) for row in rows]


def prune(conn: Connection, now: Instant) -> int:
    """Forget sessions that are over; returns how many."""
    return db.run(conn, "DELETE FROM web_session WHERE until <= ?", (now,)).rowcount


def secured(request: Request) -> bool:
    """Whether people reach this house by https."""
    url: str = request.app.state.house.settings.web.url
    return url.startswith("https://")


def cookie(request: Request, kind: str) -> str:
    """The name of a cookie; `__Host-` binds it to this host and to https, wherever people come by https."""
    return f"__Host-pacte-{kind}" if secured(request) else f"pacte-{kind}"


def _give(request: Request, response: Response, kind: Kind, secret: str) -> None:
    response.set_cookie(cookie(request, kind), secret, path="/", secure=secured(request), httponly=True, samesite="lax")


def _found(request: Request, kind: Kind) -> Session | None:
    secret = request.cookies.get(cookie(request, kind))
    if not secret:
        return None
    house: House = request.app.state.house
    now = house.clock()
    with house.reading() as conn:
        rows = db.fetch(
            conn, f"SELECT {_COLUMNS} FROM web_session WHERE name = ? AND kind = ?", (_digest(secret), kind)
        )
    if not rows:
        return None
    session = _read(rows[0])
    if session.over(now):
        return None
    if session.seen + NOTED <= now:
        with db.write(house.engine) as conn:
            db.run(conn, "UPDATE web_session SET seen = ? WHERE name = ?", (now, session.name))
    return session


def _read(row: tuple[object, ...]) -> Session:
    return Session(*row)  # type: ignore[arg-type] # the columns are the fields, in their order


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


_BROWSERS = ("Edg", "Firefox", "Chrome", "Safari")
_SYSTEMS = ("Android", "iPhone", "iPad", "Windows", "Macintosh", "Linux")


def _device(request: Request) -> str:
    """A browser and a system, as a person would name their own device; nothing that singles one out."""
    agent = request.headers.get("user-agent", "")
    names = [next((name for name in known if re.search(name, agent)), "") for known in (_BROWSERS, _SYSTEMS)]
    return " ".join(name for name in names if name).replace("Edg", "Edge")
