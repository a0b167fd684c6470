"""The facts of a whole population at (T, S), as DuckDB relations: the same facts as `facts_at`, one row per person."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import duckdb
from sqlalchemy import Connection

from pacte.consent.choices import PROTECTION, PROTECTIVE
from pacte.consent.facts import UNKNOWN
from pacte.consent.snapshot import Snapshot, new_name
from pacte.consent.sql import DEPTH, SPOKEN, TOLD, VISIBLE
from pacte.kernel.instant import Instant
from pacte.policy.vocabulary import STANDING_CHOICES

_SAID = ("status", "since", "expires", "grade", "signal", "notice", "method", "weak")
_PERSON = ("place", "capacity", "age", "minor_until", "contract_since", "contract_until")


def view_sql(
    duck: duckdb.DuckDBPyConnection,
    conn: Connection,
    directory: Path,
    purpose: str,
    channel: str,
    recipient: str,
    t: Instant,
    s: int,
    standing: Collection[str] = (),
) -> str:
    """Make a view with one row per person known at `s` and return its name.

    Standing choices are looked up where `standing` names them, as in `facts_at`. Columns: `no`, then the fact names of
    `facts.UNKNOWN` with dots as underscores. `conn` is a read transaction; the view holds what it saw, for as long as
    the base files exist.
    """
    asked: dict[str, int | str] = {"purpose": purpose, "channel": channel, "recipient": recipient, "t": t, "s": s}
    snapshot = Snapshot(duck, conn, directory)
    said = {"no": "no", "voice": "voice", "depth": DEPTH, **{name: name for name in _SAID}}
    people = snapshot.rows("subject", {"no": "no"}, "known_from < :s", asked)
    persons = snapshot.rows("person", {"no": "no", **{name: name for name in _PERSON}}, VISIBLE, asked)
    holds = snapshot.rows("hold", {"no": "no", "status": "status", "start": "valid_from"}, VISIBLE, asked)
    spoken = snapshot.rows("choice", said, SPOKEN, asked)
    opted = {
        name: snapshot.rows("choice", said, SPOKEN, {**asked, "purpose": STANDING_CHOICES[name]}) for name in standing
    }
    name = new_name("population")
    duck.execute(f"CREATE TEMP VIEW {name} AS {_joined(people, persons, holds, spoken, opted, t)}")
    return name


def told_view(
    duck: duckdb.DuckDBPyConnection,
    conn: Connection,
    directory: Path,
    t: Instant,
    s: int,
    notices: Collection[str] | None = None,
) -> str:
    """Make a view (`no`, `notice`) of who had been told what by `t`, as known at `s`, and return its name.

    With `notices`, only these digests: those that tell of the purpose in question.
    """
    named: dict[str, int | str] = {f"n{at}": notice for at, notice in enumerate(sorted(notices or ()))}
    where = TOLD if notices is None else f"{TOLD} AND notice IN ({', '.join(f':{name}' for name in named) or 'NULL'})"
    asked = {"t": t, "s": s, **named}
    rows = Snapshot(duck, conn, directory).rows("told", {"no": "no", "notice": "notice"}, where, asked)
    name = new_name("told")
    duck.execute(f"CREATE TEMP VIEW {name} AS SELECT DISTINCT no, notice FROM ({rows})")
    return name


def _joined(people: str, persons: str, holds: str, spoken: str, opted: Mapping[str, str], t: Instant) -> str:
    asked = {"said": spoken, **{f"{name}_said": rows for name, rows in opted.items()}}
    voices = ", ".join(f"{name} AS ({_voices(rows)})" for name, rows in asked.items())
    standing = "".join(_standing(name, name in opted, t) for name in STANDING_CHOICES)
    joins = " ".join(f"LEFT JOIN {name}_said ON {name}_said.no = people.no" for name in opted)
    return f"""
        WITH {voices}
        SELECT people.no AS no,
               CAST(1 AS BIGINT) AS person_known,
               person.place AS person_place,
               person.capacity AS person_capacity,
               person.age AS person_age,
               person.minor_until AS person_minor_until,
               person.contract_since AS contract_since,
               person.contract_until AS contract_until,
               coalesce(said.own.status, 'none') AS choice_status,
               said.own.since AS choice_since,
               said.own.expires AS choice_expires,
               coalesce(said.own.grade, 0) AS choice_grade,
               coalesce(said.own.signal, '') AS choice_signal,
               said.own.notice AS choice_notice,
               said.own.method AS choice_method,
               CASE WHEN hold.status = 'restricted' AND said.own.status = 'given' AND said.own.weak = 0
                         AND said.own.since > hold.start THEN 1 ELSE 0 END AS choice_after_hold,
               coalesce(said.guardian.status, 'none') AS guardian_status,
               said.guardian.since AS guardian_since,
               said.guardian.expires AS guardian_expires,
               coalesce(said.guardian.grade, 0) AS guardian_grade,
               said.guardian.notice AS guardian_notice,
               said.guardian.method AS guardian_method,
               {standing}
               coalesce(hold.status, 'none') AS hold_status
        FROM ({people}) AS people
        LEFT JOIN ({persons}) AS person ON person.no = people.no
        LEFT JOIN said ON said.no = people.no
        LEFT JOIN ({holds}) AS hold ON hold.no = people.no
        {joins}
    """


def _voices(rows: str) -> str:
    """What each voice said: the narrowest key that covers the question answers it; there is one such row per voice."""
    said = f"struct_pack({', '.join(f'{name} := {name}' for name in _SAID)})"
    return f"""
        SELECT no,
               arg_max({said}, depth) FILTER (WHERE voice = 'self') AS own,
               arg_max({said}, depth) FILTER (WHERE voice = 'guardian') AS guardian
        FROM ({rows}) GROUP BY no
    """


def _standing(name: str, looked_up: bool, t: Instant) -> str:
    """The columns of a standing choice: a parent's more protective word counts until the child is grown."""
    wanted = {word: default for word, default in (("status", "none"), ("signal", "")) if f"{name}.{word}" in UNKNOWN}
    if not looked_up:
        return "".join(f"'{default}' AS {name}_{word}, " for word, default in wanted.items())
    said = f"{name}_said"
    grown = f"coalesce(person.age = 'adult' OR person.minor_until <= {t}, FALSE)"
    parents = f"NOT {grown} AND {_protection(f'{said}.guardian.status')} > {_protection(f'{said}.own.status')}"
    return "".join(
        f"coalesce(CASE WHEN {parents} THEN {said}.guardian.{word} ELSE {said}.own.{word} END, '{default}') "
        f"AS {name}_{word}, "
        for word, default in wanted.items()
    )


def _protection(status: str) -> str:
    """`choices.protection` of a column of statuses."""
    ranks = " ".join(f"WHEN '{word}' THEN {PROTECTION[word]}" for word in sorted(PROTECTIVE & PROTECTION.keys()))
    return f"CASE {status} {ranks} ELSE 0 END"
