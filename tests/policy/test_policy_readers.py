"""One rule table, two readers: what Python decides for one, SQL decides for many, on DuckDB, NULLs included."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacte.kernel.instant import Instant
from pacte.policy.compile import compile_policy
from pacte.policy.conditions import (
    COMPARISONS,
    Absent,
    AfterNow,
    AgeAtLeast,
    Any,
    Before,
    Compare,
    Condition,
    Elsewhere,
    Every,
    Fixed,
    GradeAtLeast,
    Inside,
    NotAfterNow,
    NotBefore,
    OneOf,
    Present,
    Told,
    Within,
    Younger,
    from_json,
    settled,
    to_json,
)
from pacte.policy.document import load_policy
from pacte.policy.rules import Facts, holds
from pacte.policy.sql import condition_sql, reason_case
from pacte.policy.vocabulary import FACTS, GRADES
from tests.policy.strategies import NUMBERS, TEMPLATES, WORDS, T, in_duckdb, near_misses, people, set_and_members
from tests.thorough import many

TABLE = compile_policy(load_policy(TEMPLATES / "shop" / "policy.yaml")).table

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
    st.builds(Younger, st.integers(1, 18)),
    st.builds(Within, numbers, st.integers(0, 40), st.integers(0, 40)),
    st.builds(Before, st.sampled_from(NUMBERS)),
    st.builds(NotBefore, st.sampled_from(NUMBERS)),
    st.builds(Fixed, st.sampled_from([0, 1])),
    st.builds(GradeAtLeast, st.sampled_from(["choice.grade", "guardian.grade"]), st.sampled_from(GRADES)),
    st.just(Told()),
    st.builds(Inside, st.lists(st.sampled_from(["FR", "US", "US-CA", "CA-QC"]), min_size=1, max_size=3).map(tuple)),
    st.builds(Elsewhere, st.lists(st.sampled_from(["FR", "US", "US-CA", "CA-QC"]), min_size=1, max_size=3).map(tuple)),
)
conditions: st.SearchStrategy[Condition] = st.recursive(
    atoms,
    lambda inner: (
        st.builds(Every, st.lists(inner, min_size=1, max_size=3).map(tuple))
        | st.builds(Any, st.lists(inner, min_size=1, max_size=3).map(tuple))
    ),
    max_leaves=8,
)


@settings(max_examples=many(60), deadline=None)
@given(st.lists(conditions, min_size=1, max_size=12), st.lists(people, min_size=1, max_size=12))
def test_a_condition_holds_for_one_as_it_does_in_sql(several: list[Condition], persons: list[Facts]) -> None:
    """`holds` and the SQL expression agree, are never NULL, and survive storage."""
    expressions = [f"({condition_sql(condition, T).sql('duckdb')})" for condition in several]
    found = in_duckdb(expressions, persons)
    assert found == [tuple(holds(condition, person, T) for condition in several) for person in persons]
    assert [from_json(to_json(condition)) for condition in several] == several


@settings(max_examples=many(25), deadline=None)
@given(st.lists(people, min_size=1, max_size=40), st.sampled_from([0, -86_400_000_000, 3 * 365 * 86_400_000_000]))
def test_a_set_is_decided_as_its_members_would_be(persons: list[Facts], shift: int) -> None:
    """Every purpose of the template, the house's own included: the same reason for one and in the set."""
    t = Instant(T + shift)
    for in_set, alone in set_and_members(TABLE.purposes.values(), persons, t):
        assert in_set == alone


def test_near_misses_are_decided_alike() -> None:
    """People one fact away from being permitted, where random people seldom are."""
    persons = near_misses()
    seen: set[str] = set()
    for in_set, alone in set_and_members(TABLE.purposes.values(), persons, T):
        assert in_set == alone
        seen.update(alone)
    assert seen >= {"permitted", "withdrawn", "opt_out_signal", "erasing"}


def test_no_rules_is_a_denial_in_sql_too() -> None:
    """An unknown purpose is denied for a whole population."""
    assert reason_case(None, T).sql("duckdb") == "'unknown_purpose'"


@pytest.mark.parametrize("dialect", ["duckdb", "postgres", "spark"])
def test_the_expression_is_written_for_other_engines(dialect: str) -> None:
    """The same tree renders in every dialect we serve."""
    words = reason_case(TABLE.purposes["newsletter"], T).sql(dialect)
    asked = [rule for rule in TABLE.purposes["newsletter"].requirements if settled(rule.condition, T) != Fixed(1)]
    assert words.count("WHEN") == len(asked)
