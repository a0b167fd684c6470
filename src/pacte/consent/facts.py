"""The facts of one person at (T, S): what was true at T by what was known with S entries in the ledger.

Everything that is kept about the person is fetched by one statement; what it means is worked out here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

from sqlalchemy import Connection

from pacte.consent.choices import protection
from pacte.consent.sql import TOLD, VISIBLE, fetch
from pacte.kernel import db
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import Instant
from pacte.lake import numbers
from pacte.policy.vocabulary import STANDING_CHOICES

Facts: TypeAlias = dict[str, str | int | None]
"""Fact names of the rule table to values; `None` is what nobody told us."""

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


@dataclass(frozen=True, slots=True)
class Spoken:
    """A visible statement of one voice; `key` is its purpose, channel and recipient, `*` and `""` covering any."""

    voice: str
    key: tuple[str, str, str]
    words: Mapping[str, Any]

    def before(self, other: Spoken) -> bool:
        """Whether it answers rather than another: the narrower one, then by the order of their keys."""
        return (-self._depth, self.key) < (-other._depth, other.key)

    @property
    def _depth(self) -> int:
        """On how many of purpose, channel and recipient it is about one in particular."""
        purpose, channel, recipient = self.key
        return (purpose != "*") + (channel != "") + (recipient != "")


@dataclass(frozen=True, slots=True)
class Seen:
    """What is kept of one person, as far as a question sees it: the visible rows of each facet.

    `applied` is how many ledger entries the state takes into account. `choices` are the statements that cover the
    question or the standing choices it asks for; `told` the digests of the notices that the person had been told.
    """

    t: Instant
    applied: int
    known: bool
    told: frozenset[str]
    persons: tuple[tuple[Any, ...], ...]
    holds: tuple[tuple[str, int], ...]
    choices: tuple[Spoken, ...]

    def facts(self, purpose: str, standing: Collection[str] = ()) -> Facts:
        """The facts for a purpose; see `facts_at`."""
        facts: Facts = dict(UNKNOWN)
        if not self.known:
            return facts
        facts["person.known"] = 1
        for row in self.persons:
            facts.update(zip(_PERSON, row, strict=True))
        own, guardian = self._said("self", purpose), self._said("guardian", purpose)
        facts |= _named("choice", own) | _named("guardian", guardian)
        for status, start in self.holds:
            facts["hold.status"] = status
            again = own["status"] == "given" and not own["weak"] and own["since"] > start
            facts["choice.after_hold"] = int(status == "restricted" and again)
        grown = facts["person.age"] == "adult" or _not_after(facts["person.minor_until"], self.t)
        for name in standing:
            facts |= _named(name, self._standing(STANDING_CHOICES[name], alone=grown))
        return facts

    def cited(self, purpose: str) -> tuple[int, str, int, int, str | None, int | None] | None:
        """What the person's own latest choice rests on: (ledger index, status, since, grade, notice, expires)."""
        said = self._said("self", purpose)
        if said is _SILENT:
            return None
        return said["entry"], said["status"], said["since"], said["grade"], said["notice"], said["expires"]

    def _standing(self, purpose: str, *, alone: bool) -> Mapping[str, Any]:
        """What counts of what a child and a parent said: the more protective word, until the child is grown."""
        own = self._said("self", purpose)
        guardian = _SILENT if alone else self._said("guardian", purpose)
        return guardian if protection(guardian["status"]) > protection(own["status"]) else own

    def _said(self, voice: str, purpose: str) -> Mapping[str, Any]:
        """What one voice said; of the statements that cover the question the narrowest answers."""
        best: Spoken | None = None
        for said in self.choices:
            if said.voice == voice and said.key[0] in (purpose, "*") and (best is None or said.before(best)):
                best = said
        return _SILENT if best is None else best.words


def seen(
    conn: Connection,
    no: int,
    purpose: str,
    channel: str,
    recipient: str,
    t: Instant,
    s: int,
    standing: Collection[str] = (),
) -> Seen:
    """Look up one person for a question; `standing` names the standing choices that it asks for, too."""
    asked: dict[str, Any] = {"no": no, "purpose": purpose, "channel": channel, "recipient": recipient, "t": t, "s": s}
    asked |= {f"p{place}": STANDING_CHOICES[name] for place, name in enumerate(standing)}
    applied, known = 0, False
    told: list[str] = []
    persons: list[tuple[Any, ...]] = []
    holds: list[tuple[str, int]] = []
    choices: list[Spoken] = []
    for what, *row in fetch(conn, _everything(len(standing)), asked):
        if what == "choice":
            choices.append(Spoken(row[0], (row[1], row[2], row[3]), dict(zip(_SILENT, row[4:], strict=True))))
        elif what == "person":
            persons.append((*row[:3], *row[5:8]))
        elif what == "hold":
            holds.append((row[0], row[5]))
        elif what == "told":
            told.append(row[0])
        elif what == "subject":
            known = True
        else:
            applied = row[5]
    return Seen(t, applied, known, frozenset(told), tuple(persons), tuple(holds), tuple(choices))


@cache
def _everything(standing: int) -> str:
    """One statement for all facets: which, four texts, then the columns of `_SILENT`; null where there is nothing.

    Columns have the types of the first part.
    """
    purposes = ", ".join([":purpose", "'*'", *(f":p{place}" for place in range(standing))])
    covering = f"purpose IN ({purposes}) AND channel IN (:channel, '') AND recipient IN (:recipient, '')"
    parts = [
        "SELECT 'choice', voice, purpose, channel, recipient, status, since, expires, grade, weak, entry, signal, "
        f"notice, method FROM consent_choice WHERE no = :no AND {covering} AND {VISIBLE}",
        "SELECT 'person', place, capacity, age, NULL, NULL, minor_until, contract_since, contract_until, NULL, NULL, "
        f"NULL, NULL, NULL FROM consent_person WHERE no = :no AND {VISIBLE}",
        "SELECT 'hold', status, NULL, NULL, NULL, NULL, valid_from, NULL, NULL, NULL, NULL, NULL, NULL, NULL "
        f"FROM consent_hold WHERE no = :no AND {VISIBLE}",
        "SELECT 'told', notice, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL "
        f"FROM consent_told WHERE no = :no AND {TOLD}",
        "SELECT 'subject', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL "
        "FROM consent_subject WHERE no = :no AND known_from < :s",
        "SELECT 'head', NULL, NULL, NULL, NULL, NULL, size, NULL, NULL, NULL, NULL, NULL, NULL, NULL "
        "FROM consent_head WHERE id = 1",
    ]
    return " UNION ALL ".join(parts)


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
    return seen(conn, no, purpose, channel, recipient, t, s, standing).facts(purpose, standing)


def standing_in(names: Collection[str]) -> tuple[str, ...]:
    """Which standing choices these facts are about, by their names in `vocabulary.STANDING_CHOICES`."""
    return tuple(name for name in STANDING_CHOICES if any(fact.startswith(f"{name}.") for fact in names))


def ages_since(conn: Connection, nos: Collection[int]) -> dict[int, Instant]:
    """By person: the instant from which their age is stated, by the latest statement; without one they are left out.

    A corrected birth date is stated from that same instant: it replaces what was said before.
    """
    sql = (
        f"SELECT p.no, p.age_entry, min(p.valid_from) FROM {db.among(conn, 'integer')} AS asked "
        "CROSS JOIN consent_person AS p WHERE p.no = asked.value AND p.age_entry IS NOT NULL "
        "GROUP BY p.no, p.age_entry ORDER BY 3"
    )
    return {no: Instant(start) for no, _, start in fetch(conn, sql, (db.listed(conn, sorted(nos)),))}


def ages_known(conn: Connection, nos: Collection[int]) -> dict[int, str]:
    """By person: what is known of their age by all that was ever said, in a word of `vocabulary.AGES`."""
    sql = (
        f"SELECT p.no, p.age FROM {db.among(conn, 'integer')} AS asked CROSS JOIN consent_person AS p "
        "WHERE p.no = asked.value AND p.age IS NOT NULL AND p.known_to IS NULL AND p.valid_to IS NULL"
    )
    return dict(fetch(conn, sql, (db.listed(conn, sorted(nos)),)))


def places(conn: Connection, people: Collection[SubjectId], t: Instant) -> dict[SubjectId, str]:
    """Where people live at `t`, by all that is known; whoever's place nobody knows is left out."""
    visible = "valid_from <= ? AND (valid_to IS NULL OR valid_to > ?) AND known_to IS NULL"
    sql = (
        f"SELECT asked.subject, p.place FROM {numbers.numbered(conn)} AS asked CROSS JOIN consent_person AS p "
        f"WHERE p.no = asked.no AND p.place IS NOT NULL AND {visible}"
    )
    found = fetch(conn, sql, (db.listed(conn, list(people)), t, t))
    return {SubjectId(subject): place for subject, place in found}


def told_notices(conn: Connection, no: int, t: Instant, s: int) -> set[str]:
    """The digests of the notices that the person had been told by `t`, as known with `s` entries."""
    sql = f"SELECT DISTINCT notice FROM consent_told WHERE no = :no AND {TOLD}"
    return {row[0] for row in fetch(conn, sql, {"no": no, "t": t, "s": s})}


def cited(
    conn: Connection, no: int, purpose: str, channel: str, recipient: str, t: Instant, s: int
) -> tuple[int, str, int, int, str | None, int | None] | None:
    """What the person's own latest choice rests on: (ledger index, status, since, grade, notice digest, expires)."""
    return seen(conn, no, purpose, channel, recipient, t, s).cited(purpose)


def _named(name: str, said: Mapping[str, Any]) -> Facts:
    return {fact: said[word] for fact, word in _WORDS[name]}


def _not_after(instant: str | int | None, t: Instant) -> bool:
    return isinstance(instant, int) and instant <= t


_SILENT: Mapping[str, Any] = {
    "status": "none",
    "since": None,
    "expires": None,
    "grade": 0,
    "weak": 0,
    "entry": None,
    "signal": "",
    "notice": None,
    "method": None,
}
"""What is known of a choice that nobody made; the names are in the order in which `_everything` fetches them."""

_WORDS = {
    name: tuple((f"{name}.{word}", word) for word in _SILENT if f"{name}.{word}" in UNKNOWN)
    for name in ("choice", "guardian", *STANDING_CHOICES)
}
"""What is asked of each kind of choice: the fact, and its name in a statement."""

_PERSON = ("person.place", "person.capacity", "person.age", "person.minor_until", "contract.since", "contract.until")
"""The facts of a person's own row, in the order in which `seen` keeps it."""
