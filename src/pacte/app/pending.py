"""Requests that wait to be confirmed: who asked for what by which form; sealed, and deleted when their time is over.

What was typed lies under the person's own data key, so that it goes with them. An address that was entered for a
request and that nobody confirmed is erased without a trace on any list: whoever typed it may have typed somebody
else's. Source: GDPR Art. 5(1)(c), 5(1)(e).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Connection, Index, LargeBinary, String, Table

from pacte.app import sought
from pacte.app.policies import document
from pacte.kernel import db
from pacte.kernel.canonical import Json, canonical
from pacte.kernel.db import Int64, metadata
from pacte.kernel.errors import NotFound
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import DAY, Instant
from pacte.keys.seal import place, seal, unseal
from pacte.ledger import queries

if TYPE_CHECKING:
    from pacte.app.house import House

WAITS = 30 * DAY
"""How long a request waits for its confirmation, in microseconds."""
SOURCE = "form:"
"""How the source of what came by a form begins."""

request_table = Table(
    "optin",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("subject", String(32), nullable=False),
    Column("form", String(48), nullable=False),
    Column("lang", String(2), nullable=False),
    Column("shown", String(64), nullable=False),
    Column("notice", String(64), nullable=False),
    Column("sealed", LargeBinary, nullable=False),  # what was answered, under the person's data key; empty once done
    Column("state", String(10), nullable=False),  # pending, confirmed, dropped
    Column("entry", Int64),  # the first choice that was recorded
    Column("asked", Int64, nullable=False),
    Column("until", Int64, nullable=False),
    Column("sent", Int64, nullable=False),  # the last letter, by the clock
    sqlite_with_rowid=False,
)
Index("optin_subject", request_table.c.subject)
Index("optin_until", request_table.c.until)

_COLUMNS = "id, subject, form, lang, shown, notice, sealed, state, entry, asked, until, sent"
_MORE = ("choice", "fact", "told", "preference")
"""Entries about somebody who is more than an address that waits."""


@dataclass(frozen=True, slots=True)
class Said:
    """What somebody typed and ticked: `values` by `dataset.field`, in normal form, without the address."""

    email: str
    yes: Collection[str]
    values: Mapping[str, str] = field(default_factory=dict)
    over: int = 0
    place: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it stands. `entry` is the first choice that its confirmation recorded."""

    id: str
    subject: SubjectId
    form: str
    lang: str
    shown: str
    notice: str
    sealed: bytes
    state: str
    entry: int | None
    asked: Instant
    until: Instant
    sent: Instant

    @property
    def confirmed(self) -> bool:
        """Whether the owner of the address has confirmed."""
        return self.state == "confirmed"


def read(conn: Connection, name: str) -> Request | None:
    """The request of this name; one that is being deleted is there no more."""
    rows = db.fetch(conn, f"SELECT {_COLUMNS} FROM optin WHERE id = ? AND state <> 'dropped'", (name,))
    return _request(rows[0]) if rows else None


def insert(conn: Connection, request: Request) -> None:
    """Keep a new request."""
    db.run(conn, "DELETE FROM optin WHERE id = ? AND state = 'dropped'", (request.id,))
    values = tuple(getattr(request, name.strip()) for name in _COLUMNS.split(","))
    db.run(conn, f"INSERT INTO optin ({_COLUMNS}) VALUES ({', '.join('?' * len(values))})", values)


def finish(conn: Connection, name: str, entry: int) -> None:
    """A request was confirmed; what was typed is no longer needed."""
    db.run(conn, "UPDATE optin SET state = 'confirmed', entry = ?, sealed = ? WHERE id = ?", (entry, b"", name))


def sent(conn: Connection, name: str, clock: Instant) -> None:
    """Another letter about this request leaves."""
    db.run(conn, "UPDATE optin SET sent = ? WHERE id = ?", (clock, name))


def letters_since(conn: Connection, subject: SubjectId, since: Instant) -> int:
    """How many requests of somebody have had a letter since an instant of the clock."""
    return int(db.fetch(conn, "SELECT count(*) FROM optin WHERE subject = ? AND sent > ?", (subject, since))[0][0])


def sealed_of(house: House, subject: SubjectId, said: Said) -> bytes:
    """What was answered, sealed under the person's data key."""
    words: dict[str, Json] = {
        "yes": [*sorted(said.yes)],
        "values": dict(said.values),
        "over": said.over,
        "place": said.place,
    }
    return seal(house.keys.data_key(subject), canonical(words), place(subject, "optin", 1))


def opened(house: House, request: Request) -> dict[str, Any]:
    """What was answered; nothing of a request that is done."""
    if not request.sealed:
        return {"yes": [], "values": {}, "over": 0, "place": ""}
    key = house.keys.data_key(request.subject)
    return dict(json.loads(unseal(key, request.sealed, place(request.subject, "optin", 1))))


def is_address_alone(conn: Connection, subject: SubjectId) -> bool:
    """Whether of this person nothing is known but an address that was typed into a form and never confirmed."""
    if queries.about_of_kind(conn, subject, *_MORE):
        return False
    collected = queries.about_of_kind(conn, subject, "collection")
    return all(str(entry["source"]).startswith(SOURCE) for _, entry in collected)


def drop(house: House, request: Request) -> None:
    """Delete a request, and erase an address that waits alone and for nothing else.

    INVARIANT: it is marked under the lock that confirming takes, before anything is erased: a confirmation comes first
    and keeps the person, or finds no request. What is cut short in between, `end` goes on with.
    """
    from pacte.app.erase import erase

    others = "SELECT 1 FROM optin WHERE subject = ? AND id <> ? AND state <> 'dropped' LIMIT 1"
    with house.writing() as conn:
        now = house.clock()
        marked = "UPDATE optin SET state = 'dropped', until = ? WHERE id = ? AND (state <> 'confirmed' OR until <= ?)"
        db.run(conn, marked, (min(now, request.until), request.id, now))
        if read(conn, request.id) is not None:
            return
        last = not db.fetch(conn, others, (request.subject, request.id))
        alone = last and is_address_alone(conn, request.subject)
    if alone:
        with suppress(NotFound):  # erased since
            erase(house, request.subject, by="worker", suppress=False)
    elif last and not request.confirmed:
        _as_an_erasure(house)
    with db.write(house.engine) as conn:
        db.run(conn, "DELETE FROM optin WHERE id = ? AND state = 'dropped'", (request.id,))


def _as_an_erasure(house: House) -> None:
    """As many entries as an unknown address leaves when it is erased: nobody learns from the ledger that it was not."""
    evidence = document(house).evidence
    for _ in range(3 if evidence.shred_with_data else 2):
        with house.writing() as conn:
            sought.record(house, conn, "form", "worker")


def end(house: House, now: Instant) -> int:
    """Delete the requests whose time is over; answers how many."""
    with house.reading() as conn:
        rows = db.fetch(conn, f"SELECT {_COLUMNS} FROM optin WHERE until <= ? ORDER BY until", (now,))
    for row in rows:
        drop(house, _request(row))
    return len(rows)


def forget(conn: Connection, subject: SubjectId) -> None:
    """Delete every request of somebody, as their erasure does."""
    db.run(conn, "DELETE FROM optin WHERE subject = ?", (subject,))


def _request(row: tuple[Any, ...]) -> Request:
    name, subject, form, lang, shown, notice, sealed, *rest = row
    return Request(name, SubjectId(subject), form, lang, shown, notice, bytes(sealed), *rest)
