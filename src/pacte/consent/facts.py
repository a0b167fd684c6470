"""The facts of one person at (T, S): what was true at T by what was known with S entries in the ledger."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any, TypeAlias

from sqlalchemy import Connection

from pacte.consent.sql import DEPTH, SPOKEN, TOLD, VISIBLE, fetch
from pacte.kernel.instant import Instant

Facts: TypeAlias = dict[str, str | int | None]
"""Fact names of the rule table to values; `None` is what nobody told us."""

_PERSON = "SELECT place, capacity, age, minor_until, contract_since, contract_until FROM consent_person"
_SAID = "SELECT status, since, expires, grade, signal FROM consent_choice"

UNKNOWN: Mapping[str, str | int | None] = {
    "person.known": None,
    "person.place": None,
    "person.capacity": None,
    "person.age": None,
    "person.minor_until": None,
    "contract.since": None,
    "contract.until": None,
    "choice.status": "none",
    "choice.since": None,
    "choice.expires": None,
    "choice.grade": 0,
    "choice.signal": "",
    "guardian.status": "none",
    "guardian.since": None,
    "guardian.expires": None,
    "guardian.grade": 0,
    "hold.status": "none",
}
"""The facts of somebody nobody knows; also every fact name that this room answers for, with what silence means."""


def facts_at(conn: Connection, no: int, purpose: str, channel: str, recipient: str, t: Instant, s: int) -> Facts:
    """What the rules may ask about a person for a purpose (and channel and recipient, `""` = none in particular).

    Everything but `told.requested` and `use.*`, which the gate adds. A person is known as soon as one entry speaks of
    them, whatever its effective time.
    """
    facts: Facts = dict(UNKNOWN)
    asked: dict[str, Any] = {"no": no, "purpose": purpose, "channel": channel, "recipient": recipient, "t": t, "s": s}
    if not fetch(conn, "SELECT 1 FROM consent_subject WHERE no = :no AND known_from < :s", asked):
        return facts
    facts["person.known"] = 1
    for place, capacity, age, minor_until, since, until in fetch(
        conn, f"{_PERSON} WHERE no = :no AND {VISIBLE}", asked
    ):
        facts |= {"person.place": place, "person.capacity": capacity, "person.age": age}
        facts |= {"person.minor_until": minor_until, "contract.since": since, "contract.until": until}
    for voice, name in (("self", "choice"), ("guardian", "guardian")):
        facts |= _said(conn, name, {**asked, "voice": voice})
    for (status,) in fetch(conn, f"SELECT status FROM consent_hold WHERE no = :no AND {VISIBLE}", asked):
        facts["hold.status"] = status
    return facts


def ages_since(conn: Connection, nos: Collection[int]) -> dict[int, Instant]:
    """By person: the instant from which their age is stated, by the latest statement; without one they are left out.

    A corrected birth date is stated from that same instant: it replaces what was said before.
    """
    sql = (
        "SELECT p.no, p.age_entry, min(p.valid_from) FROM json_each(?) AS asked CROSS JOIN consent_person AS p "
        "ON p.no = asked.value WHERE p.age_entry IS NOT NULL GROUP BY p.no, p.age_entry ORDER BY 3"
    )
    return {no: Instant(start) for no, _, start in fetch(conn, sql, (json.dumps(sorted(nos)),))}


def told_notices(conn: Connection, no: int, t: Instant, s: int) -> set[str]:
    """The digests of the notices that the person had been told by `t`, as known with `s` entries."""
    sql = f"SELECT DISTINCT notice FROM consent_told WHERE no = :no AND {TOLD}"
    return {row[0] for row in fetch(conn, sql, {"no": no, "t": t, "s": s})}


def cited(
    conn: Connection, no: int, purpose: str, channel: str, recipient: str, t: Instant, s: int
) -> tuple[int, str, int, int, str | None, int | None] | None:
    """What the person's own latest choice rests on: (ledger index, status, since, grade, notice digest, expires)."""
    asked = {"no": no, "purpose": purpose, "channel": channel, "recipient": recipient, "t": t, "s": s, "voice": "self"}
    sql = (
        "SELECT entry, status, since, grade, notice, expires FROM consent_choice "
        f"WHERE no = :no AND voice = :voice AND {SPOKEN} ORDER BY {DEPTH} DESC LIMIT 1"
    )
    for entry, status, since, grade, notice, expires in fetch(conn, sql, asked):
        return entry, status, since, grade, notice, expires
    return None


def _said(conn: Connection, name: str, asked: dict[str, Any]) -> Facts:
    sql = f"{_SAID} WHERE no = :no AND voice = :voice AND {SPOKEN} ORDER BY {DEPTH} DESC LIMIT 1"
    found: Facts = {}
    for row in fetch(conn, sql, asked):
        found = {f"{name}.{fact}": value for fact, value in zip(_FACTS, row, strict=True)}
    return {fact: value for fact, value in found.items() if fact in UNKNOWN}


_FACTS = ("status", "since", "expires", "grade", "signal")
