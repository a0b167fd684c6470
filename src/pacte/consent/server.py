"""The facts of a whole population at (T, S) as one query of PostgreSQL over the derived tables.

The same facts as `facts_at`, for everybody at once, worked out where they lie. A property test binds the two readers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TypeAlias

from sqlalchemy import Connection

from pacte.consent.choices import PROTECTION, protection
from pacte.consent.facts import UNKNOWN
from pacte.consent.population import Asked
from pacte.consent.sql import DEPTH, SPOKEN, TOLD, VISIBLE, filled, literal
from pacte.kernel import db
from pacte.policy.vocabulary import STANDING_CHOICES

Tellings: TypeAlias = Mapping[str, Sequence[Collection[str]]]
"""By fact: groups of notices; it is so of whoever was told one notice at least of each group."""

_PERSON = {
    "person.place": "place",
    "person.capacity": "capacity",
    "person.age": "age",
    "person.minor_until": "minor_until",
    "contract.since": "contract_since",
    "contract.until": "contract_until",
}
_SAID = "no, status, since, expires, grade, signal, weak, notice, method"
_FIRST = f'{DEPTH} DESC, purpose COLLATE "C", channel COLLATE "C", recipient COLLATE "C"'
"""The narrowest statement answers; of two as narrow the one that `Spoken.before` puts first."""


def decides(conn: Connection) -> bool:
    """Whether the server works the facts out: it has them, and no columnar copy speaks for it."""
    return db.is_postgres(conn) and not db.fetch(conn, "SELECT 1 FROM consent_base")


def known(conn: Connection, s: int) -> int:
    """How many people are known with `s` entries in the ledger."""
    return int(db.fetch(conn, "SELECT count(*) FROM consent_subject WHERE known_from < ?", (s,))[0][0])


def everybody(asked: Asked, tellings: Tellings) -> str:
    """SQL with a row for everybody known at `asked.s`: `no`, and a column for each fact that is read or told of.

    Columns are named as in `policy.sql`. Facts that other rooms answer for (`use.*`) are not among them.
    """
    facts = {"person.known": "1"} | {
        fact: f"person.{name}" for fact, name in _PERSON.items() if fact in asked.reads | {"person.age"}
    }
    joins = [f"LEFT JOIN ({_rows('consent_person', 'no, ' + ', '.join(_PERSON.values()), asked)}) AS person USING (no)"]
    for part, voice in (("choice", "self"), ("guardian", "guardian")):
        joins.append(_said(part, voice, asked.purpose, asked))
        facts |= {fact: _silenced(fact, part) for fact in asked.reads if fact in UNKNOWN and _part(fact) == part}
    joins.append(f"LEFT JOIN ({_rows('consent_hold', 'no, status, valid_from', asked)}) AS hold USING (no)")
    facts["hold.status"] = "coalesce(hold.status, 'none')"
    again = "choice.status = 'given' AND choice.weak = 0 AND choice.since > hold.valid_from"
    facts["choice.after_hold"] = _flag(f"hold.status = 'restricted' AND {again}")
    for name in asked.standing:
        joins += [_said(f"{name}_{voice}", voice, STANDING_CHOICES[name], asked) for voice in ("self", "guardian")]
        facts |= _standing(name, asked)
    if tellings:
        joins.append(_told(tellings, asked))
        facts |= {fact: _flag(_each(fact, len(groups))) for fact, groups in tellings.items()}
    listed = "".join(f", {sql} AS {fact.replace('.', '_')}" for fact, sql in facts.items())
    subjects = f"SELECT no FROM consent_subject WHERE known_from < {asked.s}"
    return f"SELECT no{listed} FROM ({subjects}) AS subject {' '.join(joins)}"


def _rows(table: str, columns: str, asked: Asked) -> str:
    return f"SELECT {columns} FROM {table} WHERE {filled(VISIBLE, {'t': asked.t, 's': asked.s})}"


def _said(alias: str, voice: str, purpose: str, asked: Asked) -> str:
    """What a voice said about a purpose: the narrowest statement of each person that covers the question."""
    names: dict[str, int | str] = {
        "purpose": purpose,
        "channel": asked.channel,
        "recipient": asked.recipient,
        "t": asked.t,
        "s": asked.s,
    }
    spoken = f"voice = {literal(voice)} AND {filled(SPOKEN, names)}"
    rows = f"SELECT DISTINCT ON (no) {_SAID} FROM consent_choice WHERE {spoken} ORDER BY no, {_FIRST}"
    return f"LEFT JOIN ({rows}) AS {alias} USING (no)"


def _part(fact: str) -> str:
    return fact.partition(".")[0]


def _silenced(fact: str, alias: str) -> str:
    """The value of a fact about a choice, and what silence means."""
    silence, column = UNKNOWN[fact], f"{alias}.{fact.partition('.')[2]}"
    if fact == "choice.after_hold" or silence is None:
        return column
    return f"coalesce({column}, {literal(silence)})"


def _standing(name: str, asked: Asked) -> dict[str, str]:
    """What counts of what a child and a parent said: the more protective word, until the child is grown."""
    own, parent = (_protection(f"{name}_{voice}.status") for voice in ("self", "guardian"))
    grown = f"coalesce(person.age = 'adult', FALSE) OR coalesce(person.minor_until <= {asked.t}, FALSE)"
    facts = [fact for fact in UNKNOWN if _part(fact) == name]
    return {
        fact: f"CASE WHEN {parent} > {own} AND NOT ({grown}) THEN {_silenced(fact, f'{name}_guardian')} "
        f"ELSE {_silenced(fact, f'{name}_self')} END"
        for fact in facts
    }


def _protection(status: str) -> str:
    whens = " ".join(f"WHEN {literal(word)} THEN {protection(word)}" for word in PROTECTION)
    return f"(CASE {status} {whens} ELSE 0 END)"


def _told(tellings: Tellings, asked: Asked) -> str:
    """One row for each person who was told any of the notices: for each group whether one of it."""
    columns = "".join(
        f", bool_or({_among(group)}) AS {_group(fact, at)}"
        for fact, groups in tellings.items()
        for at, group in enumerate(groups)
    )
    every = {notice for groups in tellings.values() for group in groups for notice in group}
    where = f"{filled(TOLD, {'t': asked.t, 's': asked.s})} AND {_among(every)}"
    return f"LEFT JOIN (SELECT no{columns} FROM consent_told WHERE {where} GROUP BY no) AS told USING (no)"


def _among(notices: Collection[str]) -> str:
    return f"notice IN ({', '.join(map(literal, sorted(notices)))})" if notices else "FALSE"


def _each(fact: str, groups: int) -> str:
    return " AND ".join(f"told.{_group(fact, at)}" for at in range(groups)) or "FALSE"


def _group(fact: str, at: int) -> str:
    return f"{fact.replace('.', '_')}_{at}"


def _flag(condition: str) -> str:
    return f"CASE WHEN coalesce({condition}, FALSE) THEN 1 ELSE 0 END"
