"""Messages of the house: saved version by version, each under its digest and with an entry in the ledger.

A version never changes: what a campaign sent can be shown as it was. Saving what the latest version says saves nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Connection, Index, String, Table, Text

from pacte.app.policies import document, published
from pacte.app.settings import secret
from pacte.app.staff import refuse_staff
from pacte.gate import rules as stored
from pacte.kernel import db
from pacte.kernel.canonical import canonical
from pacte.kernel.db import Int64, metadata
from pacte.kernel.errors import BadInput, Conflict, NotFound, PolicyError, Unsafe
from pacte.kernel.instant import Instant
from pacte.policy.findings import Finding
from pacte.policy.model import PolicyFile
from pacte.uses.message.checks import check, stopping
from pacte.uses.message.model import Message, from_json
from pacte.uses.message.render import leads

if TYPE_CHECKING:
    from pacte.app.house import House
    from pacte.uses.message.dkim import Signer

WRITES = "messages"
"""What a member of staff must be allowed, to save and remove messages."""

message_table = Table(
    "message",
    metadata,
    Column("name", String(48), primary_key=True),
    Column("version", Int64, primary_key=True, autoincrement=False),
    Column("digest", String(64), nullable=False),
    Column("kind", String(10), nullable=False),
    Column("purpose", String(128), nullable=False),
    Column("channel", String(16), nullable=False),
    Column("body", Text, nullable=False),  # canonical JSON
    Column("by", String(72), nullable=False),
    Column("saved", Int64, nullable=False),
    Column("removed", Int64),
    sqlite_with_rowid=False,
)
Index("message_digest", message_table.c.digest)


@dataclass(frozen=True, slots=True)
class Saved:
    """One version of a message; `removed` is since when its message is no longer offered."""

    name: str
    version: int
    digest: str
    kind: str
    purpose: str
    channel: str
    by: str
    saved: Instant
    removed: Instant | None


def findings(house: House, message: Message) -> list[Finding]:
    """What there is to say of a message beside the policy in force; raises `Denied` where there is none."""
    return check(message, document(house), house.settings.web.url)


def save(house: House, message: Message, *, by: str, seen: int | None = None) -> Saved:
    """Save a message as its next version. `seen` is the version it was written over, 0 for a new name.

    Raises `PolicyError` with all that stops it, `Conflict` where somebody saved another version since, `Denied` for a
    member of staff who may not.
    """
    with house.writing() as conn:
        refuse_staff(conn, by, WRITES)
        now = house.present(conn)
        refuse(message, published(conn, now).document, house.settings.web.url)
        last = _latest(conn, message.name)
        if seen is not None and seen != (last.version if last else 0):
            raise Conflict(f"the message `{message.name}` was saved by somebody else meanwhile; look at it, then save")
        if last and last.digest == message.digest and last.removed is None:
            return last
        version = last.version + 1 if last else 1
        found = Saved(
            message.name, version, message.digest, message.kind, message.purpose, message.channel, by, now, None
        )
        db.run(
            conn,
            'INSERT INTO message (name, version, digest, kind, purpose, channel, body, "by", saved) '
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*_first(found), canonical(message.to_json()).decode(), by, now),
        )
        house.record(conn, [_entry(conn, found, "saved", by, now)], house.clock())
    return found


def remove(house: House, name: str, *, by: str) -> Saved:
    """Offer a message no longer; its versions are kept as what was sent. Raises `NotFound`."""
    with house.writing() as conn:
        refuse_staff(conn, by, WRITES)
        last, now = _latest(conn, name), house.present(conn)
        if last is None or last.removed is not None:
            raise NotFound("no message of this name is saved here")
        db.run(conn, "UPDATE message SET removed = ? WHERE name = ?", (now, name))
        house.record(conn, [_entry(conn, last, "removed", by, now)], house.clock())
    return last


def listed(house: House) -> list[Saved]:
    """The latest version of every message that is offered, by name."""
    query = f"SELECT {_COLUMNS} FROM message WHERE removed IS NULL ORDER BY name, version"
    with house.reading() as conn:
        found = [Saved(*row) for row in db.fetch(conn, query)]
    return list({one.name: one for one in found}.values())


def versions(house: House, name: str) -> list[Saved]:
    """Every version of a message, the newest first; raises `NotFound`."""
    with house.reading() as conn:
        rows = db.fetch(conn, f"SELECT {_COLUMNS} FROM message WHERE name = ? ORDER BY version DESC", (name,))
    if not rows:
        raise NotFound("no message of this name is saved here")
    return [Saved(*row) for row in rows]


def by_digest(house: House, digest: str) -> Message:
    """The message of this digest; raises `NotFound`, and `Unsafe` for one that was changed in the records."""
    with house.reading() as conn:
        rows = db.fetch(conn, "SELECT body FROM message WHERE digest = ? LIMIT 1", (digest,))
    if not rows:
        raise NotFound("no message of this digest is saved here")
    found = from_json(json.loads(rows[0][0]))
    if found.digest != digest:
        raise Unsafe("a saved message is not the one that was recorded; it was changed behind the house's back")
    return found


def sendable(house: House, digest: str) -> Message:
    """The message, where nothing in the policy in force now stops it; raises `PolicyError` and as `by_digest` does.

    Raises `BadInput` where its links would lead to an address that no mail may hold.
    """
    found = by_digest(house, digest)
    if not leads(house.settings.web.url):
        raise BadInput("settings.toml: `web.url` is not https, so no message can lead there; set it, then send")
    with house.reading() as conn:
        if not db.fetch(conn, "SELECT 1 FROM message WHERE digest = ? AND removed IS NULL LIMIT 1", (digest,)):
            raise NotFound("this message was removed; save it again to send it")
    refuse(found, document(house), house.settings.web.url)
    return found


def refuse(message: Message, policy: PolicyFile, site: str, name: str = "") -> None:
    """Raise `PolicyError` with all that stops a message beside a policy; `name` is its file.

    `site` is the public address of the house.
    """
    if found := stopping(check(message, policy, site)):
        raise PolicyError([said(one, message, name) for one in found])


def said(finding: Finding, message: Message, name: str = "", lang: str = "en") -> str:
    """A finding as one line: in a file where there is one, else at its place in the message."""
    place = f"{name}:{finding.line}" if name else f"{message.name}, {finding.field}"
    return f"{place}: {finding.say(lang)}{f' ({finding.article})' if finding.article else ''}"


def signer(house: House) -> Signer | None:
    """Whoever signs the house's mail; `None` where the settings name no key. Raises `BadInput` for one of no use."""
    from pacte.uses.message.dkim import Signer

    found = house.settings.mail.dkim
    return Signer(found.domain, found.selector, secret(found.key).encode()) if found.key else None


def _latest(conn: Connection, name: str) -> Saved | None:
    query = f"SELECT {_COLUMNS} FROM message WHERE name = ? ORDER BY version DESC LIMIT 1"
    rows = db.fetch(conn, query, (name,))
    return Saved(*rows[0]) if rows else None


_COLUMNS = 'name, version, digest, kind, purpose, channel, "by", saved, removed'


def _first(found: Saved) -> tuple[str | int, ...]:
    return found.name, found.version, found.digest, found.kind, found.purpose, found.channel


def _entry(conn: Connection, found: Saved, act: str, by: str, now: Instant) -> dict[str, Any]:
    return {
        "kind": "message",
        "message": found.digest,
        "act": act,
        "name": found.name,
        "revision": found.version,
        "message_kind": found.kind,
        "purpose": found.purpose,
        "channel": found.channel,
        "by": by,
        **stored.role(conn, now),
    }
