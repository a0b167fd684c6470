"""Sealed links: an address that may do one thing, for one person, until an instant, and that nobody else can read.

A link is a token of AES-256-GCM under a key of the house, bound to what it is for: it says nothing to whoever reads it
in a log or a browser's history, and one made for a confirmation opens no preferences. Source: NIST SP 800-38D.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import Column, Connection, String, Table

from pacte.kernel import db
from pacte.kernel.canonical import canonical
from pacte.kernel.db import Int64, metadata
from pacte.kernel.errors import Denied, Unsafe
from pacte.kernel.instant import DAY, Instant
from pacte.keys import seal as aead

if TYPE_CHECKING:
    from pacte.app.house import House

KEY = "links"
"""The key of the house that links are sealed with."""
LONGEST = 4_096
"""Characters of a token; whatever is longer was not made here."""
REMEMBERED = 400 * DAY
"""How long a spent token is remembered at most, in microseconds; no link that opens once lives longer."""

spent_table = Table(
    "link_spent",
    metadata,
    Column("token", String(64), primary_key=True),
    Column("until", Int64, nullable=False),
    sqlite_with_rowid=False,
)


@dataclass(frozen=True, slots=True)
class Link:
    """What a sealed link says: its payload and the instant it ends at."""

    payload: Mapping[str, str | int]
    until: Instant

    def __getitem__(self, key: str) -> str:
        """One thing that the link says, as text."""
        return str(self.payload[key])


class Forged(Denied):
    """A link that was not made here, or for something else, or that was changed on its way."""

    def __init__(self) -> None:
        super().__init__("link_forged", "this link was not made here, or was changed on its way")


class Expired(Denied):
    """A link whose time is over, or that was used and opens only once; `link` is what it said."""

    def __init__(self, link: Link, *, spent: bool = False) -> None:
        self.link = link
        self.spent = spent
        code = "link_spent" if spent else "link_expired"
        super().__init__(code, "this link was used already" if spent else "this link has expired")


def seal(house: House, kind: str, payload: Mapping[str, str | int], lasts: int) -> str:
    """A token of this kind that ends in `lasts` microseconds, in letters that an address may hold.

    INVARIANT: the payload names people by their subject identifier, never by a value of theirs.
    """
    return _sealed(house.keys.house_key(KEY), kind, payload, Instant(house.clock() + min(lasts, REMEMBERED)))


@dataclass(frozen=True, slots=True)
class Sealer:
    """What links are sealed with, looked up once for many of them: those of every message of a campaign."""

    key: bytes = field(repr=False)
    now: Instant

    @classmethod
    def of(cls, house: House) -> Sealer:
        """The house's, as of now."""
        return cls(house.keys.house_key(KEY), house.clock())

    def lasting(self, kind: str, payload: Mapping[str, str | int], lasts: int) -> str:
        """A token that opens as often as it is asked until its end, however far that is: it is never spent.

        INVARIANT: as for `seal`, no value of a person; and whatever it opens allows nobody anything more than before.
        """
        return _sealed(self.key, kind, payload, Instant(self.now + lasts))


def opened(house: House, kind: str, token: str) -> Link:
    """What a token says. Raises `Forged`, and `Expired` for one whose time is over."""
    link = _read(house, kind, token)
    if link.until <= house.clock():
        raise Expired(link)
    return link


def spend(house: House, conn: Connection, kind: str, token: str) -> Link:
    """What a token says, in a write transaction that makes this its only time; raises `Expired` the second time."""
    link = opened(house, kind, token)
    if not once(conn, f"{kind}:{token.rstrip('=')}", link.until):
        raise Expired(link, spent=True)
    return link


def once(conn: Connection, name: str, until: Instant) -> bool:
    """Whether this is the first time that something of this name is spent; a digest of it is remembered until then."""
    row = (hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest(), until)
    return db.run(conn, "INSERT INTO link_spent (token, until) VALUES (?, ?) ON CONFLICT DO NOTHING", row).rowcount == 1


def was_spent(conn: Connection, name: str) -> bool:
    """Whether something of this name was spent; see `once`."""
    spent = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()
    return bool(db.fetch(conn, "SELECT 1 FROM link_spent WHERE token = ?", (spent,)))


def prune(conn: Connection, now: Instant) -> int:
    """Forget spent tokens that have expired by themselves; returns how many."""
    return db.run(conn, "DELETE FROM link_spent WHERE until <= ?", (now,)).rowcount


def _sealed(key: bytes, kind: str, payload: Mapping[str, str | int], until: Instant) -> str:
    sealed = aead.seal(key, canonical({"until": until, "says": dict(payload)}), kind.encode())
    return base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def _read(house: House, kind: str, token: str) -> Link:
    if len(token) > LONGEST:
        raise Forged
    try:
        # Strict: a token has one spelling, so that it is spent only once.
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        if base64.urlsafe_b64encode(raw).decode().rstrip("=") != token:
            raise Forged
        said = json.loads(aead.unseal(house.keys.house_key(KEY), raw, kind.encode()))
    except (Unsafe, binascii.Error, ValueError):
        raise Forged from None
    return Link(said["says"], Instant(said["until"]))
