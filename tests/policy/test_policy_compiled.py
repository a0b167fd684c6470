"""The functions made of rules decide what the rules say: `policy.rules` is the judge, on any day."""

from __future__ import annotations

import ast
import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacte.kernel.instant import DAY, Instant, add_years
from pacte.policy import compiled
from pacte.policy.compile import compile_policy
from pacte.policy.compiled import Reader, reader_of
from pacte.policy.conditions import AgeAtLeast, Any, Before, Compare, Every, Fixed, NotBefore, Within
from pacte.policy.document import load_policy
from pacte.policy.rules import Facts, Outcome, decide
from pacte.policy.table import PurposeRules, Requirement, RuleTable
from pacte.policy.vocabulary import REASONS
from tests.policy.strategies import NUMBERS, TEMPLATES, WILLING, T, near_misses, people
from tests.policy.test_policy_readers import conditions
from tests.policy.test_policy_stored import STORED, stored

TABLE = compile_policy(load_policy(TEMPLATES / "shop" / "policy.yaml")).table
ODD = [True, False, 1.0, b"given", "1", 7, ("FR",), ["FR"], {}]
"""Values that no fact has: of the wrong type, or that cannot even be a key."""

moments = st.sampled_from([n + step for n in NUMBERS if 0 <= n < 2**52 for step in (-1, 0, 1)]) | st.integers(
    T - 40 * DAY, T + 400 * DAY
)
odd_people = st.builds(
    lambda person, name, value: {**person, name: value}, people, st.sampled_from(sorted(WILLING)), st.sampled_from(ODD)
)
partial = st.builds(
    lambda person, gone: {k: v for k, v in person.items() if k not in gone},
    people,
    st.sets(st.sampled_from(sorted(WILLING)), max_size=3),
)


@st.composite
def rules_of(draw: st.DrawFn) -> PurposeRules:
    """A purpose with any rules at all, some of which begin, end, or exempt somebody."""
    edges = st.none() | st.sampled_from([T - 1, T, T + 1, T + DAY])
    requirements = tuple(
        Requirement(
            f"test:{number}",
            draw(conditions),
            draw(st.sampled_from(REASONS[1:])),
            *("", "", "", "test"),
            exempt=draw(st.none() | conditions),
            starts=draw(edges),
            ends=draw(edges),
        )
        for number in range(draw(st.integers(1, 8)))
    )
    return replace(TABLE.purposes["newsletter"], requirements=requirements)


@settings(max_examples=150, deadline=None)
@given(
    rules_of(),
    st.lists(people | odd_people | partial, min_size=1, max_size=6),
    st.lists(moments, min_size=1, max_size=4),
)
def test_a_function_decides_what_its_rules_say(rules: PurposeRules, persons: list[Facts], days: list[int]) -> None:
    """Any rules, any facts (absent, of wrong types), any moments in any order: one outcome, all that failed too."""
    reader = Reader(rules)
    for t in map(Instant, [*days, *days]):
        for person in persons:
            assert reader.decide(person, t) == decide(rules, person, t)


@pytest.mark.parametrize("purpose", sorted(TABLE.purposes))
def test_near_misses_are_decided_alike(purpose: str) -> None:
    """People one fact away from being permitted, at home and abroad, before and after the laws of the shop began."""
    rules = TABLE.purposes[purpose]
    for t in (T, Instant(T + DAY), add_years(T, -9)):
        for person in near_misses():
            for place in ("FR", person["person.place"]):
                facts = {**person, "person.place": place}
                assert reader_of(rules).decide(facts, t) == decide(rules, facts, t)


@pytest.mark.parametrize("name", STORED)
def test_stored_tables_are_decided_as_in_their_day(name: str) -> None:
    """The golden tables of every decider: the reasons of then, by the functions of now."""
    body, golden = stored(name)
    table, t = RuleTable.from_json(json.loads(body)), Instant(golden["at"])
    for purpose, rules in table.purposes.items():
        for case in golden["cases"]:
            person = {**golden["willing"], **case["changed"]}
            assert reader_of(rules).decide(person, t).reason == case["reasons"][purpose]


def test_the_usual_question_is_answered_by_a_function(monkeypatch: pytest.MonkeyPatch) -> None:
    """The judge is asked about what is unusual only; a function that always gave up would pass the rest."""
    asked: list[Facts] = []
    monkeypatch.setattr(compiled, "decide", lambda rules, facts, t: asked.append(facts) or decide(rules, facts, t))
    reader = Reader(TABLE.purposes["newsletter"])
    for person in near_misses():
        reader.decide(person, T)
    assert len(asked) == 0
    reader.decide({**WILLING, "choice.grade": "4"}, T)
    reader.decide({name: value for name, value in WILLING.items() if name != "choice.grade"}, T)
    reader.decide(WILLING, Instant(-(10**18)))  # no calendar reaches so far
    assert len(asked) == 3


def test_a_law_binds_from_its_first_microsecond_to_its_last() -> None:
    """A turn within a day: what was decided a moment before does not linger."""
    rules = _rules(Every((NotBefore(T), Before(T + 5))))
    reader = Reader(rules)
    found = [reader.decide(WILLING, Instant(t)).effect for t in (T - 1, T, T + 4, T + 5, T - 1, T)]
    assert found == ["deny", "permit", "permit", "deny", "deny", "permit"]


def test_ages_and_terms_are_counted_from_the_moment_asked() -> None:
    """Later on the same day, on the next, and on a leap day: by the calendar, to the microsecond."""
    rules = _rules(Any((AgeAtLeast(15), Within("choice.since", 13, 1))))
    reader = Reader(rules)
    leap = Instant(1_709_164_800_000_000)  # 2024-02-29
    for start in (leap, Instant(leap - DAY), Instant(leap + DAY), T):
        for t in (start, Instant(start + 1), Instant(start + DAY - 1)):
            for until in {add_years(t, 3) + step for step in (-1, 0, 1)}:
                person = {**WILLING, "person.age": "minor", "person.minor_until": until, "choice.since": None}
                assert reader.decide(person, t) == decide(rules, person, t)
            for since in (t - 395 * DAY, t - 397 * DAY, t - 396 * DAY, t - 398 * DAY):
                person = {**WILLING, "person.age": "minor", "choice.since": since}
                assert reader.decide(person, t) == decide(rules, person, t)


def test_words_of_a_policy_are_never_read_as_code() -> None:
    """Whatever a policy compares with stays a value: it enters the function as a constant only."""
    word = "'); __import__('os').abort() #"
    reader = Reader(_rules(Compare("eq", "choice.method", word)))
    assert reader.decide({**WILLING, "choice.method": word}, T).effect == "permit"
    assert reader.decide({**WILLING, "choice.method": "paper"}, T).effect == "deny"
    (function,) = reader._day.era.made.values()
    assert function.__globals__["__builtins__"] == {}  # type: ignore[attr-defined] # it is a function
    assert set(function.__code__.co_names) <= {"text", "number", "__class__"}  # type: ignore[attr-defined] # the same
    assert word in function.__code__.co_consts  # type: ignore[attr-defined] # the same


def test_no_text_is_compiled() -> None:
    """`compile` is given a tree, and neither `eval` nor `exec` is named."""
    with open(compiled.__file__, encoding="utf-8") as file:  # noqa: PTH123 # the module's own text
        tree = ast.parse(file.read())
    calls = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert "compile" in calls
    assert not calls & {"eval", "exec", "__import__"}


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a number of kinds of questions the judge answers; what is remembered is forgotten together."""
    monkeypatch.setattr(compiled, "MOST_FUNCTIONS", 2)
    monkeypatch.setattr(compiled, "MOST_REMEMBERED", 3)
    rules = TABLE.purposes["newsletter"]
    reader = Reader(rules)
    for place in ("FR", "US-CA", "CA-QC", "DE", "BE", "ES", "SE", None):
        for status in ("given", "withdrawn", "refused", "none", "objected"):
            person = {**WILLING, "person.place": place, "choice.status": status}
            assert reader.decide(person, T) == decide(rules, person, T)
    assert len(reader._day.era.made) == 2
    assert len(reader._day.era.functions) <= 3
    assert len(reader._outcomes) <= 4


def test_a_copy_with_other_rules_has_a_reader_of_its_own() -> None:
    """What is worked out goes with the value that it was worked out from."""
    rules = TABLE.purposes["newsletter"]
    assert reader_of(rules) is reader_of(rules)
    other = replace(rules, requirements=rules.requirements[:1])
    assert reader_of(other) is not reader_of(rules)
    assert reader_of(other).decide({**WILLING, "choice.status": "withdrawn"}, T).effect == "permit"
    none = replace(rules, requirements=())
    assert reader_of(none).decide(WILLING, T) == Outcome("deny", "unknown_purpose", None, ())
    assert reader_of(_rules(Fixed(0))).decide(WILLING, T).effect == "deny"


def _rules(condition: Any | Every | Compare | Fixed) -> PurposeRules:
    rule = Requirement("test:one", condition, "banned", "", "", "", "test")
    return replace(TABLE.purposes["newsletter"], requirements=(rule,))
