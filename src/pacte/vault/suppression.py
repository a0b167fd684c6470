"""The suppression list: remembers, without knowing whom, which addresses must not be contacted again.

It outlives the erasure of the person, so that a bought or re-imported file does not bring them back. Its values are
blinded twice: the index's blind value of the address, blinded again under a house key of its own (`suppression`).
An erasure can therefore fill it from the index without opening a sealed value, and once the index rows are gone the
two lists cannot be joined without both keys. It has an end: a keyed fingerprint of an address is still personal data.
Source: GDPR Art. 5(1)(e), 17(3)(b) and 21(3).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import Connection

from pacte.kernel import db
from pacte.kernel.errors import BadInput
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import Instant
from pacte.keys.blind import blind
from pacte.keys.store import KeyStore
from pacte.vault.checked import columns, genuine, key_of, with_check
from pacte.vault.index import blinds
from pacte.vault.tables import INDEX, SUPPRESSED, append, blank, look_up

HOUSE_KEY = "suppression"
ERASED = "erased"
"""The reason of an erasure: whoever is suppressed for it does not come back in. Others are not written to."""

_REASON = re.compile(r"[a-z][a-z0-9_]{0,39}")
_KEEP_LATER_END = (
    "ON CONFLICT (field, blind, reason) WHERE field IS NOT NULL"
    " DO UPDATE SET until = excluded.until, checked = excluded.checked WHERE excluded.until > vault_suppressed.until"
)


def add(connection: Connection, keys: KeyStore, values: Iterable[tuple[str, str]], reason: str, until: Instant) -> int:
    """Suppress each (field, value in normal form) until then; answers how many values.

    `reason` is a short code such as `erased` or `objected`. Of two ends for the same value and reason the later stays.
    """
    wanted = sorted(set(values))
    pairs = [(field, value) for (field, _), value in zip(wanted, blinds(keys, wanted), strict=True)]
    return _remember(connection, keys, pairs, reason, until)


def remember(connection: Connection, keys: KeyStore, subject: SubjectId, reason: str, until: Instant) -> int:
    """Suppress everything the index finds this person by, before their index rows go; answers how many values."""
    query = f"SELECT {columns(INDEX)} FROM vault_index WHERE subject = ?"
    rows = genuine(key_of(keys), INDEX, db.fetch(connection, query, (subject,)))
    pairs = [(field, value) for field, value, *_ in rows]
    return _remember(connection, keys, pairs, reason, until)


def add_of(connection: Connection, keys: KeyStore, subject: SubjectId, field: str, reason: str, until: Instant) -> int:
    """Suppress the addresses of one kind by which the index finds this person; answers how many."""
    return _remember(connection, keys, _found_by(connection, keys, subject, field), reason, until)


def lift(connection: Connection, keys: KeyStore, field: str, value: str, reason: str) -> int:
    """Take an address (in normal form) off the list where it stands for this reason; answers how many rows went."""
    return _forget(connection, keys, [(field, once) for once in blinds(keys, [(field, value)])], reason)


def lift_of(connection: Connection, keys: KeyStore, subject: SubjectId, field: str, reason: str) -> int:
    """The same for the addresses of one kind by which the index finds this person."""
    return _forget(connection, keys, _found_by(connection, keys, subject, field), reason)


def counts(connection: Connection, now: Instant) -> list[tuple[str, str, int]]:
    """(field, reason, addresses) of what is suppressed at `now`; never whose."""
    query = "SELECT field, reason, count(*) FROM vault_suppressed WHERE until > ? GROUP BY field, reason ORDER BY 1, 2"
    return [(field, reason, count) for field, reason, count in db.fetch(connection, query, (now,))]


def suppressed(
    connection: Connection, keys: KeyStore, field: str, values: Collection[str], now: Instant, reason: str = ""
) -> set[str]:
    """Those of the values (normal forms of `field`) that are suppressed at `now`, for a reason or for any.

    Raises `Unsafe` when a row that would answer was changed behind the house's back.
    """
    asked = list(values)
    key = keys.house_key(HOUSE_KEY)
    blinded = blinds(keys, [(field, value) for value in asked])
    sought = {_twice(key, field, once): value for once, value in zip(blinded, asked, strict=True)}
    query = f"SELECT {columns(SUPPRESSED)} FROM vault_suppressed WHERE field = ? AND blind"
    rows = genuine(key_of(keys), SUPPRESSED, look_up(connection, query, (field,), list(sought)))
    return {sought[blinded] for blinded, _, why, until in rows if until > now and reason in ("", why)}


def of_people(
    connection: Connection, keys: KeyStore, field: str, people: Sequence[SubjectId], now: Instant
) -> dict[SubjectId, frozenset[str]]:
    """Who of the people has such an address, each with the reasons for which any of theirs is suppressed at `now`.

    Raises `Unsafe` when a row that would answer was changed behind the house's back.
    """
    key, check = keys.house_key(HOUSE_KEY), key_of(keys)
    query = f"SELECT {columns(INDEX)} FROM vault_index WHERE subject"
    rows = genuine(check, INDEX, (row for row in look_up(connection, query, (), people) if row[0] == field))
    owners: dict[bytes, list[SubjectId]] = {}
    for _, once, subject, _ in rows:
        owners.setdefault(_twice(key, field, once), []).append(subject)
    found: dict[SubjectId, frozenset[str]] = {subject: frozenset() for _, _, subject, _ in rows}
    query = f"SELECT {columns(SUPPRESSED)} FROM vault_suppressed WHERE field = ? AND blind"
    for blinded, _, reason, until in genuine(check, SUPPRESSED, look_up(connection, query, (field,), list(owners))):
        for subject in owners[blinded] if until > now else ():
            found[subject] |= {reason}
    return found


def purge(connection: Connection, now: Instant) -> int:
    """Forget the suppressions that have ended; answers how many."""
    return blank(connection, SUPPRESSED, "until <= ?", [(now,)])


def _found_by(connection: Connection, keys: KeyStore, subject: SubjectId, field: str) -> list[tuple[str, bytes]]:
    """The blind values of one field that lead to a person."""
    query = f"SELECT {columns(INDEX)} FROM vault_index WHERE subject = ?"
    rows = genuine(key_of(keys), INDEX, db.fetch(connection, query, (subject,)))
    return [(named, once) for named, once, *_ in rows if named == field]


def _forget(connection: Connection, keys: KeyStore, pairs: list[tuple[str, bytes]], reason: str) -> int:
    key = keys.house_key(HOUSE_KEY)
    rows = [(field, _twice(key, field, once), reason) for field, once in pairs]
    return blank(connection, SUPPRESSED, "field = ? AND blind = ? AND reason = ?", rows)


def _remember(
    connection: Connection, keys: KeyStore, pairs: list[tuple[str, bytes]], reason: str, until: Instant
) -> int:
    if not _REASON.fullmatch(reason):
        raise BadInput("a reason that is not a short code; expected one such as `erased` or `objected`")
    key = keys.house_key(HOUSE_KEY)
    rows = sorted((_twice(key, field, once), field, reason, until) for field, once in pairs)
    append(connection, SUPPRESSED, with_check(key_of(keys), SUPPRESSED, rows), _KEEP_LATER_END)
    return len(rows)


def _twice(key: bytes, field: str, once: bytes) -> bytes:
    return blind(key, field, once.hex())
