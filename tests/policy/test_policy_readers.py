"""One rule table, two readers: what Python decides for one, SQL decides for many, on DuckDB, NULLs included."""

from __future__ import annotations

import itertools
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacte.kernel.instant import Instant, add_years, parse_instant
from pacte.policy.compile import compile_policy
from pacte.policy.conditions import (
    COMPARISONS,
    Absent,
    AfterNow,
    AgeAtLeast,
    Any,
    Compare,
    Condition,
    Every,
    GradeAtLeast,
    NotAfterNow,
    OneOf,
    Present,
    Told,
    from_json,
    to_json,
)
from pacte.policy.document import load_policy
from pacte.policy.rules import Facts, decide, holds
from pacte.policy.sql import condition_sql, reason_case
from pacte.policy.vocabulary import CAPACITIES, CHOICE_STATUSES, FACTS, GRADES, HOLD_STATUSES

TEMPLATES = Path(__file__).parents[2] / "src" / "pacte" / "policy" / "templates"
TABLE = compile_policy(load_policy(TEMPLATES / "policy.yaml")).table
T = parse_instant("2026-02-28T23:59:59")

WORDS: dict[str, list[str]] = {
    "person.place": ["FR", "CA-QC", "US-CA", "o'brien", ""],
    "person.capacity": [*CAPACITIES, "deceased", "other"],
    "person.age": ["adult", "minor", "old"],
    "choice.status": [*CHOICE_STATUSES, "perhaps"],
    "choice.signal": ["", "gpc"],
    "guardian.status": [*CHOICE_STATUSES, "perhaps"],
    "hold.status": [*HOLD_STATUSES, "lost"],
}
NUMBERS = [-1, 0, 1, 2, 3, 4, T - 1, T, T + 1, add_years(T, 3), add_years(T, 3) + 1, add_years(T, 18), -(2**53) + 1]

values = {
    name: st.none() | st.sampled_from(WORDS[name] if kind is str else NUMBERS)  # type: ignore[arg-type] # both are literals
    for name, kind in FACTS.items()
}
people: st.SearchStrategy[Facts] = st.fixed_dictionaries(values)
texts = st.sampled_from([name for name, kind in FACTS.items() if kind is str])
numbers = st.sampled_from([name for name, kind in FACTS.items() if kind is int])


def _word_conditions(name: str) -> st.SearchStrategy[Condition]:
    word = st.sampled_from(WORDS[name])
    return st.builds(Compare, st.sampled_from(["eq", "ne"]), st.just(name), word) | st.builds(
        OneOf, st.just(name), st.lists(word, min_size=1, max_size=3).map(tuple)
    )


atoms: st.SearchStrategy[Condition] = st.one_of(
    texts.flatmap(_word_conditions),
    st.builds(Compare, st.sampled_from(COMPARISONS), numbers, st.sampled_from(NUMBERS)),
    st.builds(OneOf, numbers, st.lists(st.sampled_from(NUMBERS), min_size=1, max_size=3).map(tuple)),
    st.builds(Present, texts | numbers),
    st.builds(Absent, texts | numbers),
    st.builds(AfterNow, numbers),
    st.builds(NotAfterNow, numbers),
    st.builds(AgeAtLeast, st.integers(1, 18)),
    st.builds(GradeAtLeast, st.sampled_from(["choice.grade", "guardian.grade"]), st.sampled_from(GRADES)),
    st.just(Told()),
)
conditions: st.SearchStrategy[Condition] = st.recursive(
    atoms,
    lambda inner: (
        st.builds(Every, st.lists(inner, min_size=1, max_size=3).map(tuple))
        | st.builds(Any, st.lists(inner, min_size=1, max_size=3).map(tuple))
    ),
    max_leaves=8,
)


def in_duckdb(expressions: list[str], persons: list[Facts]) -> list[tuple[object, ...]]:
    """Evaluate the expressions for every person, in one population query."""
    columns = ", ".join(
        f"{name.replace('.', '_')} {'VARCHAR' if kind is str else 'BIGINT'}" for name, kind in FACTS.items()
    )
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE facts ({columns})")
        marks = ", ".join("?" for _ in FACTS)
        connection.executemany(
            f"INSERT INTO facts VALUES ({marks})", [[one[name] for name in FACTS] for one in persons]
        )
        return connection.execute(f"SELECT {', '.join(expressions)} FROM facts ORDER BY rowid").fetchall()


@settings(max_examples=60, deadline=None)
@given(st.lists(conditions, min_size=1, max_size=12), st.lists(people, min_size=1, max_size=12))
def test_a_condition_holds_for_one_as_it_does_in_sql(several: list[Condition], persons: list[Facts]) -> None:
    """`holds` and the SQL expression agree, are never NULL, and survive storage."""
    expressions = [f"({condition_sql(condition, T).sql('duckdb')})" for condition in several]
    found = in_duckdb(expressions, persons)
    assert found == [tuple(holds(condition, person, T) for condition in several) for person in persons]
    assert [from_json(to_json(condition)) for condition in several] == several


@settings(max_examples=25, deadline=None)
@given(st.lists(people, min_size=1, max_size=40), st.sampled_from([0, -86_400_000_000, 3 * 365 * 86_400_000_000]))
def test_a_set_is_decided_as_its_members_would_be(persons: list[Facts], shift: int) -> None:
    """Every purpose of the template, the house's own included: the same reason for one and in the set."""
    t = Instant(T + shift)
    purposes = list(TABLE.purposes.values())
    found = in_duckdb([reason_case(rules, t).sql("duckdb") for rules in purposes], persons)
    assert found == [tuple(decide(rules, person, t).reason for rules in purposes) for person in persons]


def test_near_misses_are_decided_alike() -> None:
    """People one fact away from being permitted, where random people seldom are."""
    willing: dict[str, str | int | None] = dict.fromkeys(FACTS) | {
        "person.known": 1,
        "person.capacity": "consumer",
        "person.age": "adult",
        "contract.since": 0,
        "choice.status": "given",
        "choice.grade": 4,
        "choice.signal": "",
        "hold.status": "none",
        "told.requested": 1,
        "use.stopped": 0,
        "use.in_force": 1,
    }
    options = {name: [None, *(WORDS[name] if kind is str else NUMBERS)] for name, kind in FACTS.items()}
    persons: list[Facts] = [{**willing, name: value} for name in FACTS for value in options[name]]
    told_apart = [
        "choice.status",
        "guardian.status",
        "person.age",
        "person.minor_until",
        "hold.status",
        "choice.signal",
    ]
    for first, second in itertools.combinations(told_apart, 2):
        persons += [{**willing, first: a, second: b} for a in options[first] for b in options[second]]
    purposes = list(TABLE.purposes.values())
    found = in_duckdb([reason_case(rules, T).sql("duckdb") for rules in purposes], persons)
    expected = [tuple(decide(rules, person, T).reason for rules in purposes) for person in persons]
    assert found == expected
    assert {reason for row in expected for reason in row} >= {"permitted", "withdrawn", "opt_out_signal", "erasing"}


def test_no_rules_is_a_denial_in_sql_too() -> None:
    """An unknown purpose is denied for a whole population."""
    assert reason_case(None, T).sql("duckdb") == "'unknown_purpose'"


@pytest.mark.parametrize("dialect", ["duckdb", "postgres", "spark"])
def test_the_expression_is_written_for_other_engines(dialect: str) -> None:
    """The same tree renders in every dialect we serve."""
    words = reason_case(TABLE.purposes["newsletter"], T).sql(dialect)
    assert words.count("WHEN") == len(TABLE.purposes["newsletter"].requirements)
