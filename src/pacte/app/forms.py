"""Forms that ask for consent: what each shows now, the record of what was shown, and whether that is what is answered.

What was shown is kept word by word under its digest, once; the ledger says since when. An answer names by a sealed
ticket what it answers: a box that was not shown is refused, and a form that has changed meanwhile is shown again.
Source: GDPR Art. 4(11), 7(1)-(2); CNIL délibération 2020-092 (proof of consent).
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Column, Connection, LargeBinary, String, Table, Text

from pacte.app import links, notices
from pacte.app.policies import published
from pacte.app.publish import KEEP
from pacte.consent.form import fragment
from pacte.consent.form.values import KNOWN, PROGRAM, STRANGER, Asking, asking, declared
from pacte.gate import rules as stored
from pacte.kernel import db, jobs
from pacte.kernel.canonical import canonical
from pacte.kernel.db import Int64, metadata
from pacte.kernel.errors import BadInput, Conflict, NotFound
from pacte.kernel.i18n import check_language
from pacte.kernel.instant import DAY, Instant
from pacte.kernel.jobs import Job

if TYPE_CHECKING:
    from pacte.app.house import House
    from pacte.app.notices import Between
    from pacte.policy.compile import Compiled

TICKET = "form"
"""The kind of sealed token that says which form somebody was shown."""
SHOWN_FOR = DAY
"""How long a form that was shown may be answered, in microseconds."""

shown_table = Table(
    "form_shown",
    metadata,
    Column("form", String(64), primary_key=True),  # digest of `body`
    Column("name", String(48), nullable=False),
    Column("lang", String(2), nullable=False),
    Column("reader", String(8), nullable=False),  # stranger, known, program
    Column("body", Text, nullable=False),  # what was shown, word by word
    Column("since", Int64, nullable=False),
    Column("picture", LargeBinary),  # PNG
    Column("taken", Int64),
    sqlite_with_rowid=False,
)


@dataclass(frozen=True, slots=True)
class Shown:
    """A form as it is shown now: its parts, what is kept of it, and the digest that names it."""

    form: Asking
    body: str

    @property
    def digest(self) -> str:
        """SHA-256 of `body`, in hexadecimal."""
        return hashlib.sha256(self.body.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a person was shown: the digest, the notice of it, and a name of this one showing."""

    form: str
    lang: str
    to: str
    digest: str
    notice: str
    name: str


@dataclass(frozen=True, slots=True)
class Kept:
    """Something that a form has shown: its digest, since when, and when its picture was taken, if one was."""

    digest: str
    name: str
    lang: str
    reader: str
    since: Instant
    taken: Instant | None


class Changed(Conflict):
    """The form that was answered is no longer what is shown; `between` is what changed in its notice, if that did."""

    def __init__(self, shown: Shown, between: Between | None) -> None:
        self.shown = shown
        self.between = between
        super().__init__("this form changed while it was open; it must be shown again, and nothing was recorded")


def shown(house: House, name: str, lang: str, to: str = STRANGER) -> Shown:
    """The form as it is shown now; raises `NotFound` for one that the policy in force does not declare."""
    with house.reading() as conn:
        now = house.present(conn)
        compiled = published(conn, now)
    return _shown(compiled, name, check_language(lang), to, now)


def listed(house: House) -> tuple[str, ...]:
    """The forms of the policy in force."""
    with house.reading() as conn:
        return declared(published(conn, house.present(conn)))


def remember(house: House, found: Shown, *, picture: bool = True) -> None:
    """Keep what is shown, if it is new: its words here, its digest in the ledger; ask for its `picture`."""
    with house.reading() as conn:
        if _is_kept(conn, found.digest):
            return
    with house.writing() as conn:
        if not _is_kept(conn, found.digest):
            _keep(house, conn, found)
            if picture and found.form.to != PROGRAM:  # an application draws its own
                jobs.add(conn, [Job(KEEP, house.clock(), target=found.digest)])


def publish(house: House) -> list[Shown]:
    """Keep every form of the policy in force, in each of its languages, as a stranger and a known person see it."""
    with house.reading() as conn:
        now = house.present(conn)
        compiled = published(conn, now)
    found = [
        _shown(compiled, name, lang, to, now)
        for name in declared(compiled)
        for lang in compiled.document.languages
        for to in (STRANGER, KNOWN)
    ]
    for one in found:
        remember(house, one, picture=False)
    return found


def ticket(house: House, found: Shown) -> str:
    """A sealed token for one showing of a form: it says what was shown, and to nobody else than this house."""
    form = found.form
    said = {"form": form.name, "lang": form.lang, "to": form.to, "shown": found.digest, "notice": form.notice.digest}
    return links.seal(house, TICKET, {**said, "name": secrets.token_hex(16)}, SHOWN_FOR)


def answered(house: House, name: str, token: str, yes: Collection[str], to: Collection[str]) -> tuple[Ticket, Shown]:
    """What a person answers, once it is sure that they were shown it; `yes` are the boxes that they ticked.

    Raises `Forged` and `Expired` for the token, `Changed` where something else is shown by now, and `BadInput` for a
    yes to what was not shown. Nothing is recorded then.
    """
    said = links.opened(house, TICKET, token)
    found = Ticket(said["form"], said["lang"], said["to"], said["shown"], said["notice"], said["name"])
    if found.form != name or found.to not in to:
        raise links.Forged
    now = shown(house, name, found.lang, found.to)
    if now.digest != found.digest:
        raise Changed(now, _between(house, found.notice, now.form.notice.digest))
    if strangers := set(yes) - now.form.boxes.keys():
        raise BadInput(f"a yes to {len(strangers)} things that this form did not ask; nothing was recorded")
    remember(house, now)
    return found, now


def kept(house: House) -> list[Kept]:
    """Everything that forms have shown, the oldest first."""
    query = "SELECT form, name, lang, reader, since, taken FROM form_shown ORDER BY since, name, lang, reader"
    with house.reading() as conn:
        return [Kept(*row) for row in db.fetch(conn, query)]


def body(house: House, digest: str) -> str:
    """What was shown under this digest, word by word; raises `NotFound`."""
    with house.reading() as conn:
        rows = db.fetch(conn, "SELECT body FROM form_shown WHERE form = ?", (digest,))
    if not rows:
        raise NotFound("no form with this digest was shown here")
    return str(rows[0][0])


def picture(house: House, digest: str) -> bytes | None:
    """The picture of what was shown, a PNG; `None` where none was taken."""
    with house.reading() as conn:
        rows = db.fetch(conn, "SELECT picture FROM form_shown WHERE form = ?", (digest,))
    return bytes(rows[0][0]) if rows and rows[0][0] is not None else None


def keep_picture(house: House, digest: str, png: bytes) -> bool:
    """Keep the picture of what was shown and record its digest; false where there is one already."""
    with house.writing() as conn:
        rows = db.fetch(conn, "SELECT name, lang, picture FROM form_shown WHERE form = ?", (digest,))
        if not rows or rows[0][2] is not None:
            return False
        name, lang, _ = rows[0]
        now = house.present(conn)
        db.run(conn, "UPDATE form_shown SET picture = ?, taken = ? WHERE form = ?", (png, now, digest))
        taken = {"picture": hashlib.sha256(png).hexdigest()}
        house.record(conn, [_entry(conn, name, lang, digest, now, "worker") | taken], house.clock())
    return True


def _shown(compiled: Compiled, name: str, lang: str, to: str, now: Instant) -> Shown:
    form = asking(compiled, name, lang, to, now)
    words = canonical(form.to_json()).decode() if to == PROGRAM else fragment.canonical(form)
    return Shown(form, words)


def _is_kept(conn: Connection, digest: str) -> bool:
    return bool(db.fetch(conn, "SELECT 1 FROM form_shown WHERE form = ?", (digest,)))


def _keep(house: House, conn: Connection, found: Shown) -> None:
    form, digest, now = found.form, found.digest, house.present(conn)
    db.run(
        conn,
        "INSERT INTO form_shown (form, name, lang, reader, body, since) VALUES (?, ?, ?, ?, ?, ?)",
        (digest, form.name, form.lang, form.to, found.body, now),
    )
    house.record(conn, [_entry(conn, form.name, form.lang, digest, now, "house")], house.clock())


def _entry(conn: Connection, name: str, lang: str, digest: str, now: Instant, by: str) -> dict[str, object]:
    role: Mapping[str, str] = stored.role(conn, now)
    return {"kind": "form", "form": digest, "name": name, "locale": lang, "effective": now, "by": by, **role}


def _between(house: House, old: str, new: str) -> Between | None:
    """What changed from one notice to the other, where both are published and differ."""
    if old == new:
        return None
    try:
        return notices.between(house, notices.by_digest(house, old), notices.by_digest(house, new))
    except (BadInput, NotFound):
        return None
