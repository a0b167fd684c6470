"""The facts of one person at (T, S): what was true at T by what was known with S entries in the ledger."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any, TypeAlias

from sqlalchemy import Connection

from pacte.consent.choices import protection
from pacte.consent.sql import DEPTH, SPOKEN, TOLD, VISIBLE, fetch
from pacte.kernel.instant import Instant
from pacte.policy.vocabulary import STANDING_CHOICES

Facts: TypeAlias = dict[str, str | int | None]
"""Fact names of the rule table to values; `None` is what nobody told us."""

_PERSON = "SELECT place, capacity, age, minor_until, contract_since, contract_until FROM consent_person"
_SAID = "SELECT status, since, expires, grade, signal, notice, method, weak FROM consent_choice"

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
    "choice.notice": None,
    "choice.method": None,
    "choice.after_hold": 0,
    "guardian.status": "none",
    "guardian.since": None,
    "guardian.expires": None,
    "guardian.grade": 0,
    "guardian.notice": None,
    "guardian.method": None,
    "sale.status": "none",
    "sale.signal": "",
    "sensitive.status": "none",
    "automated.status": "none",
    "directive.status": "none",
    "hold.status": "none",
}
"""The facts of somebody nobody knows; also every fact name that this room answers for, with what silence means."""


def facts_at(
    conn: Connection,
    no: int,
    purpose: str,
    channel: str,
    recipient: str,
    t: Instant,
    s: int,
    standing: Collection[str] = (),
) -> Facts:
    """What the rules may ask about a person for a purpose (and channel and recipient, `""` = none in particular).

    Everything but `told.*` and `use.*`, which the gate adds; of the standing choices those named in `standing` (see
    `standing_in`), the others as if nothing had been said. A person is known as soon as one entry speaks of them,
    whatever its effective time.
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
    own, guardian = _said(conn, "self", asked), _said(conn, "guardian", asked)
    facts |= _named("choice", own) | _named("guardian", guardian)
    for status, start in fetch(
        conn, f"SELECT status, valid_from FROM consent_hold WHERE no = :no AND {VISIBLE}", asked
    ):
        facts["hold.status"] = status
        again = own["status"] == "given" and not own["weak"] and own["since"] > start
        facts["choice.after_hold"] = int(status == "restricted" and again)
    grown = facts["person.age"] == "adult" or _not_after(facts["person.minor_until"], t)
    for name in standing:
        about = {**asked, "purpose": STANDING_CHOICES[name]}
        facts |= _named(name, _standing(conn, about, alone=grown))
    return facts


def standing_in(names: Collection[str]) -> tuple[str, ...]:
    """Which standing choices these facts are about, by their names in `vocabulary.STANDING_CHOICES`."""
    return tuple(name for name in STANDING_CHOICES if any(fact.startswith(f"{name}.") for fact in names))


def ages_since(conn: Connection, nos: Collection[int]) -> dict[int, Instant]:
    """By person: the instant from which their age is stated, by the latest statement; without one they are left out.

    A corrected birth date is stated from that same instant: it replaces what was said before.
    """
    sql = (
        "SELECT p.no, p.age_entry, min(p.valid_from) FROM json_each(?) AS asked CROSS JOIN consent_person AS p "
        "ON p.no = asked.value WHERE p.age_entry IS NOT NULL GROUP BY p.no, p.age_entry ORDER BY 3"
    )
    return {no: Instant(start) for no, _, start in fetch(conn, sql, (json.dumps(sorted(nos)),))}


def ages_known(conn: Connection, nos: Collection[int]) -> dict[int, str]:
    """By person: what is known of their age by all that was ever said, in a word of `vocabulary.AGES`."""
    sql = (
        "SELECT p.no, p.age FROM json_each(?) AS asked CROSS JOIN consent_person AS p ON p.no = asked.value "
        "WHERE p.age IS NOT NULL AND p.known_to IS NULL AND p.valid_to IS NULL"
    )
    return dict(fetch(conn, sql, (json.dumps(sorted(nos)),)))


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


def _standing(conn: Connection, asked: dict[str, Any], *, alone: bool) -> dict[str, Any]:
    """What counts of what a child and a parent said: the more protective word, until the child is grown (`alone`)."""
    own = _said(conn, "self", asked)
    guardian = dict(_SILENT) if alone else _said(conn, "guardian", asked)
    return guardian if protection(guardian["status"]) > protection(own["status"]) else own


def _said(conn: Connection, voice: str, asked: dict[str, Any]) -> dict[str, Any]:
    """What one voice said about the question, as `_SAID` names it; the narrowest statement answers."""
    sql = f"{_SAID} WHERE no = :no AND voice = :voice AND {SPOKEN} ORDER BY {DEPTH} DESC LIMIT 1"
    for row in fetch(conn, sql, {**asked, "voice": voice}):
        return dict(zip(_SILENT, row, strict=True))
    return dict(_SILENT)


def _named(name: str, said: Mapping[str, Any]) -> Facts:
    return {fact: value for word, value in said.items() if (fact := f"{name}.{word}") in UNKNOWN}


def _not_after(instant: str | int | None, t: Instant) -> bool:
    return isinstance(instant, int) and instant <= t


_SILENT: Mapping[str, Any] = {
    "status": "none",
    "since": None,
    "expires": None,
    "grade": 0,
    "signal": "",
    "notice": None,
    "method": None,
    "weak": 0,
}
"""What is known of a choice that nobody made; the names are in the order of `_SAID`."""
