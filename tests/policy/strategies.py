"""People as random facts: what the property tests of the rules have in common."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
from hypothesis import strategies as st

from pacte.kernel.instant import Instant, add_years, parse_instant
from pacte.policy.rules import Facts, decide
from pacte.policy.sql import reason_case
from pacte.policy.table import PurposeRules
from pacte.policy.vocabulary import AGES, CAPACITIES, CHOICE_STATUSES, FACTS, HOLD_STATUSES, STATEMENTS

TEMPLATES = Path(__file__).parents[2] / "src" / "pacte" / "policy" / "templates"
T = parse_instant("2026-02-28T23:59:59")

WORDS: dict[str, list[str]] = {
    "person.place": ["FR", "CA-QC", "US-CA", "o'brien", ""],
    "person.capacity": [*CAPACITIES, "deceased", "other"],
    "person.age": [*AGES, "old"],
    "choice.status": [*CHOICE_STATUSES, "perhaps"],
    "choice.signal": ["", "gpc"],
    "guardian.status": [*CHOICE_STATUSES, "perhaps"],
    "hold.status": [*HOLD_STATUSES, "lost"],
    "choice.notice": ["", "0" * 64, "1" * 64],
    "choice.method": ["web_form", "paper"],
    "guardian.notice": ["0" * 64],
    "guardian.method": ["signed_form", "email_plus", "web_form"],
    **{f"{name}.status": [*CHOICE_STATUSES, "perhaps"] for name in ("sale", "sensitive", "automated", "directive")},
    "sale.signal": ["", "gpc"],
    "use.channel": ["", "email", "phone", "sms"],
    "use.recipient": ["", "cookery_school", "sugar_shack"],
}
NUMBERS = [-1, 0, 1, 2, 3, 4, T - 1, T, T + 1, add_years(T, 3), add_years(T, 3) + 1, add_years(T, 18), -(2**53) + 1]

values = {
    name: st.none() | st.sampled_from(WORDS[name] if kind is str else NUMBERS)  # type: ignore[arg-type] # both are literals
    for name, kind in FACTS.items()
}
people: st.SearchStrategy[Facts] = st.fixed_dictionaries(values)
WILLING: dict[str, str | int | None] = dict.fromkeys(FACTS) | {
    "person.known": 1,
    "person.capacity": "consumer",
    "person.age": "adult",
    "contract.since": 0,
    "choice.status": "given",
    "choice.grade": 4,
    "choice.signal": "",
    "guardian.status": "none",
    **{f"{name}.status": "none" for name in ("sale", "sensitive", "automated", "directive")},
    **{f"told.{statement}": 1 for statement in STATEMENTS},
    "hold.status": "none",
    "told.requested": 1,
    "use.stopped": 0,
    "use.in_force": 1,
}
"""Somebody whom most purposes permit: one fact away from them lie the near misses."""


def in_duckdb(expressions: list[str], persons: list[Facts]) -> list[tuple[object, ...]]:
    """Evaluate the expressions for every person, in one population query."""
    columns = {
        name.replace(".", "_"): pa.array([one.get(name) for one in persons], pa.string() if kind is str else pa.int64())
        for name, kind in FACTS.items()
    }
    with duckdb.connect() as connection:
        connection.register("facts", pa.table({"place": pa.array(range(len(persons))), **columns}))
        return connection.execute(f"SELECT {', '.join(expressions)} FROM facts ORDER BY place").fetchall()


def set_and_members(
    purposes: Iterable[PurposeRules], persons: list[Facts], t: Instant
) -> Iterator[tuple[list[object], list[str]]]:
    """Purpose by purpose: the reasons of everybody in the set, and of each member alone."""
    for rules in purposes:
        found = in_duckdb([reason_case(rules, t).sql("duckdb")], persons)
        yield [row[0] for row in found], [decide(rules, person, t).reason for person in persons]


def near_misses() -> list[Facts]:
    """People one fact away from being permitted, and some two facts away, where random people seldom are."""
    options: dict[str, list[str | int | None]] = {
        name: [None, *(WORDS[name] if kind is str else NUMBERS)] for name, kind in FACTS.items()
    }
    persons: list[Facts] = [{**WILLING, name: value} for name in FACTS for value in options[name]]
    told_apart = [
        "choice.status",
        "guardian.status",
        "person.age",
        "person.minor_until",
        "hold.status",
        "choice.signal",
    ]
    for first, second in itertools.combinations(told_apart, 2):
        persons += [{**WILLING, first: a, second: b} for a in options[first] for b in options[second]]
    return persons
