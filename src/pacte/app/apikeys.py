"""Keys for programs: what calls the API, what it may do, for which purposes, how often, until when.

A key is drawn here and shown once; the records hold its digest, which opens nothing. It is 256 random bits, so that a
plain SHA-256 is as good as any slow hash. Making and revoking stand in the ledger, under the key's public name.
Source: OWASP ASVS 5.0 § 6.5, 13.2; NIST SP 800-63B § 5.1.1.2 (verifiers of drawn secrets).
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Connection, String, Table

from pacte.app.policies import published
from pacte.kernel import db
from pacte.kernel.db import Int64, metadata
from pacte.kernel.errors import BadInput, Conflict, NotFound, PacteError, named
from pacte.kernel.instant import SECOND, Instant

if TYPE_CHECKING:
    from pacte.app.house import House

SCOPES = (
    "choices:write",
    "choices:vouch",
    "choices:read",
    "decisions:read",
    "uses:write",
    "shadow:write",
    "shadow:read",
    "receipts:read",
    "reports:write",
    "lists:read",
    "webhooks:manage",
)
"""What a key may be allowed to do."""
EVERY = "*"
"""Bound to every purpose of the policy, and to choices about all of them at once; never to the house's own work."""
RECEIVER = "webhook:"
"""Before the name of a receiver of messages that a key is bound to: it may ask for that one's pseudonyms, and no other.

A key that is bound to every purpose hears every receiver's.
"""
RATE, MOST = 600, 1_000_000
"""Calls in a minute: where nobody says how many, and at most."""
MARK = "pacte"
"""What a key begins with, so that those who look for secrets in code find it."""
NOTED = 60 * SECOND
"""How exactly it is known when a key was last used, in microseconds."""

key_table = Table(
    "api_key",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("label", String(64), nullable=False),
    Column("scopes", String, nullable=False),  # words, between spaces
    Column("bound", String, nullable=False),  # names of purposes, likewise
    Column("rate", Int64, nullable=False),
    Column("made", Int64, nullable=False),
    Column("expires", Int64),
    Column("revoked", Int64),
    Column("used", Int64),
    sqlite_with_rowid=False,
)

_COLUMNS = "id, label, scopes, bound, rate, made, expires, revoked, used"
_SECRET = re.compile(rf"{MARK}_([0-9a-f]{{32}})_([A-Za-z0-9_-]{{43}})")
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key: its public name, what its owner calls it, what it may do, and `rate`, its calls in a minute."""

    id: str
    label: str
    scopes: tuple[str, ...]
    bound: tuple[str, ...]
    rate: int
    made: Instant
    expires: Instant | None
    revoked: Instant | None
    used: Instant | None

    @property
    def prefix(self) -> str:
        """How the key begins: enough to find it again where it was put, and to open nothing."""
        return f"{MARK}_{self.id[:8]}…"

    @property
    def actor(self) -> str:
        """How the ledger names whoever calls with this key."""
        return f"api:{self.id}"

    def works(self, now: Instant) -> bool:
        """Whether it opens anything at an instant."""
        return self.revoked is None and (self.expires is None or now < self.expires)

    def covers(self, purpose: str) -> bool:
        """Whether it may be used for a purpose. The house's own purposes are for the house alone."""
        return purpose in self.bound or (EVERY in self.bound and not purpose.startswith("house:"))

    def hears(self, receiver: str) -> bool:
        """Whether it may look after a receiver of messages."""
        return EVERY in self.bound or f"{RECEIVER}{receiver}" in self.bound


def new(
    house: House,
    label: str,
    scopes: Sequence[str],
    bound: Sequence[str],
    *,
    rate: int = RATE,
    expires: Instant | None = None,
    by: str = "cli",
) -> tuple[str, ApiKey]:
    """Draw a key; answers the secret, which nobody can ask for again, and the key. Recorded.

    Raises `BadInput` for an unknown scope, a purpose that the policy does not declare, or an end that is past.
    """
    _check(label, scopes, rate)
    name, secret, now = secrets.token_hex(16), secrets.token_urlsafe(32), house.clock()
    if expires is not None and expires <= now:
        raise BadInput("a key that would have ended already; expected a day that is to come")
    with house.writing() as conn:
        _check_purposes(house, conn, bound)
        key = ApiKey(name, label, _ordered(scopes), tuple(dict.fromkeys(bound)), rate, now, expires, None, None)
        values = (name, _digest(secret), label, " ".join(key.scopes), " ".join(key.bound), rate, now, expires)
        db.run(
            conn,
            "INSERT INTO api_key (id, digest, label, scopes, bound, rate, made, expires) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            values,
        )
        _record(house, conn, key, "made", by)
    return f"{MARK}_{name}_{secret}", key


def revoke(house: House, name: str, by: str = "cli") -> ApiKey:
    """End a key at once, named by its identifier or the beginning of it. Recorded.

    Raises `NotFound` for no such key, `Conflict` for several, or for one that was revoked already.
    """
    with house.writing() as conn:
        key = _named(conn, name)
        if key.revoked is not None:
            raise Conflict("this key was revoked already")
        db.run(conn, "UPDATE api_key SET revoked = ? WHERE id = ?", (house.clock(), key.id))
        _record(house, conn, key, "revoked", by)
        return _named(conn, key.id)


def listed(house: House) -> list[ApiKey]:
    """Every key, those made first before; the revoked ones, too."""
    with house.reading() as conn:
        return [_read(row) for row in db.fetch(conn, f"SELECT {_COLUMNS} FROM api_key ORDER BY made, id")]


def holder(house: House, secret: str) -> ApiKey | None:
    """The key that a secret opens now; `None` for one that is unknown, revoked or over. Its use is noted."""
    found = _SECRET.fullmatch(secret)
    if found is None:
        return None
    now = house.clock()
    with house.reading() as conn:
        rows = db.fetch(conn, f"SELECT {_COLUMNS}, digest FROM api_key WHERE id = ?", (found[1],))
    if not rows or not hmac.compare_digest(str(rows[0][-1]), _digest(found[2])):
        return None
    key = _read(rows[0][:-1])
    if not key.works(now):
        return None
    if key.used is None or abs(now - key.used) >= NOTED:
        with suppress(PacteError), db.write(house.engine) as conn:  # the next call notes it
            db.run(conn, "UPDATE api_key SET used = ? WHERE id = ?", (now, key.id))
    return key


def _check(label: str, scopes: Sequence[str], rate: int) -> None:
    if not _LABEL.fullmatch(label):
        raise BadInput(
            "a key is called by a short name of the program that has it, such as `shop-site`: letters, digits, `_`, "
            "`.` and `-`; never by a person's"
        )
    if not scopes or set(scopes) - set(SCOPES):
        raise BadInput(f"a key has one scope or more of {', '.join(f'`{scope}`' for scope in SCOPES)}")
    if not 1 <= rate <= MOST:
        raise BadInput(f"a key has from 1 to {MOST:,} calls in a minute")


def _check_purposes(house: House, conn: Connection, bound: Sequence[str]) -> None:
    declared = published(conn, house.present(conn)).document.purposes
    receivers = {f"{RECEIVER}{one.name}" for one in house.settings.webhooks}
    unknown = [one for one in bound if one != EVERY and one not in declared and one not in receivers]
    if any(one.startswith(RECEIVER) for one in unknown):
        raise BadInput("a key is bound to receivers that settings.toml declares under `[[webhooks]]`; see their names")
    if unknown or not bound:
        known = ", ".join(f"`{purpose}`" for purpose in declared)
        shown = f" {named(unknown[0])};" if unknown else ";"
        raise BadInput(f"a key is bound to purposes of the policy{shown} it declares {known}, and `{EVERY}` is all")


def _ordered(scopes: Sequence[str]) -> tuple[str, ...]:
    return tuple(scope for scope in SCOPES if scope in scopes)


def _named(conn: Connection, name: str) -> ApiKey:
    begins = name.removeprefix(f"{MARK}_").removesuffix("…")
    if not re.fullmatch("[0-9a-f]{6,32}", begins):
        raise BadInput("a key is named by its identifier, or at least six characters of its beginning")
    rows = db.fetch(conn, f"SELECT {_COLUMNS} FROM api_key WHERE id LIKE ?", (f"{begins}%",))
    if not rows:
        raise NotFound("no such key; see `pacte apikey list`")
    if len(rows) > 1:
        raise Conflict("several keys begin so; write more of the identifier")
    return _read(rows[0])


def _record(house: House, conn: Connection, key: ApiKey, act: str, by: str) -> None:
    standing: Mapping[str, Any] = published(conn, house.present(conn)).document.controller.standing
    entry: dict[str, Any] = {"kind": "api_key", "key": key.id, "act": act, "scopes": list(key.scopes), "by": by}
    entry |= {"bound": list(key.bound), **standing} | ({} if key.expires is None else {"expires": key.expires})
    house.record(conn, [entry], house.clock())


def _read(row: Sequence[Any]) -> ApiKey:
    name, label, scopes, bound, rate, made, expires, revoked, used = row
    return ApiKey(name, label, tuple(scopes.split()), tuple(bound.split()), rate, made, expires, revoked, used)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def to_json(key: ApiKey) -> dict[str, Any]:
    """A key as programs read it, without its secret."""
    said = {field.name: getattr(key, field.name) for field in fields(key)}
    return said | {"scopes": list(key.scopes), "bound": list(key.bound), "prefix": key.prefix}
