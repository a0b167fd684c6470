"""What a no lacks beside its reason: only rules that concern the person and that mending the reason would not meet."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacte.gate import one
from pacte.gate.explain import explain
from pacte.gate.missing import missing
from pacte.gate.prepared import prepared
from pacte.gate.values import Decision, Question
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import DAY
from pacte.policy.compile import compile_policy
from pacte.policy.document import load_policy
from pacte.policy.rules import Facts, decide
from pacte.testing.world import World, world
from tests.policy.strategies import TEMPLATES, WILLING, T, near_misses, people, values

TABLE = compile_policy(load_policy(TEMPLATES / "shop" / "policy.yaml")).table
purposes = st.sampled_from(sorted(TABLE.purposes))
OF_A_CHOICE = ("choice.status", "choice.since", "choice.expires", "choice.grade", "choice.signal")


def shown(purpose: str, facts: Facts) -> tuple[str, ...]:
    """The requirements that are named beside the reason."""
    asked = prepared(TABLE, purpose)
    return tuple(reason.requirement for reason in missing(asked, facts, T, asked.reader.decide(facts, T)))


@settings(max_examples=150, deadline=None)
@given(people | st.sampled_from(near_misses()), purposes)
def test_what_is_shown_fails_and_is_not_the_reason(facts: Facts, purpose: str) -> None:
    """Every rule shown is one that is not met as things are, after the one that decided, each once and in order."""
    failing = decide(TABLE.purposes[purpose], facts, T).needed
    named = shown(purpose, facts)
    assert set(named) <= set(failing[1:])
    assert list(named) == [rule for rule in failing if rule in named]


@settings(max_examples=150, deadline=None)
@given(st.fixed_dictionaries({name: values[name] for name in OF_A_CHOICE}), purposes)
def test_a_choice_alone_is_one_thing_to_mend(choice: Facts, purpose: str) -> None:
    """Where a yes would do, nothing is named beside the reason, whatever the person said and however it is proved."""
    willing = {**WILLING, "choice.grade": 4, "choice.since": T}
    if decide(TABLE.purposes[purpose], willing, T).effect == "permit":
        assert shown(purpose, {**willing, **choice}) == ()


@settings(max_examples=100, deadline=None)
@given(people, purposes)
def test_what_a_yes_does_not_mend_is_shown(facts: Facts, purpose: str) -> None:
    """Where the reason is a choice, whatever still refuses after the yes is shown, or goes with what is shown."""
    facts = {**facts, "choice.status": "withdrawn", "choice.signal": ""}
    first = decide(TABLE.purposes[purpose], facts, T)
    asked = {**facts, "choice.status": "given", "choice.since": T, "choice.expires": None, "choice.grade": 4}
    still = [rule for rule in decide(TABLE.purposes[purpose], asked, T).needed if rule in first.needed]
    if first.reason == "withdrawn" and first.requirement not in still:
        assert shown(purpose, facts)[:1] == tuple(still[:1])


@pytest.fixture
def home(tmp_path: Path) -> World:
    """An empty house."""
    return world(tmp_path / "house")


def asked(home: World, person: SubjectId, purpose: str = "newsletter") -> Decision:
    """What the gate answers now."""
    with home.house.reading() as conn:
        return one.may(conn, person, Question(purpose, home.clock.forward(1), home.size, (), "email"))


def test_an_adult_hears_nothing_of_children(home: World) -> None:
    """A withdrawal of a proved yes is a withdrawal: no rule about children, none about proof."""
    person = home.person()
    home.said(person, "given", channel="email", grade="double_opt_in")
    home.clock.forward(1)
    home.said(person, "withdrawn", channel="email", grade="double_opt_in")
    decision = asked(home, person)
    assert (decision.reason.code, decision.also()) == ("withdrawn", ())
    assert {"gdpr:given", "gdpr:own_15"} <= set(decision.failing)  # not met, and nothing to say of it
    assert home.house.check() == []


def test_somebody_never_told_is_told_what_else_is_missing(home: World) -> None:
    """The yes is missing too, and is named once; in both languages, and the decision stays what it was."""
    decision = asked(home, home.person(notice=None))
    assert decision.reason.code == "not_informed"
    assert [reason.code for reason in decision.also()] == ["never_asked"]
    assert "Nor are these rules met:\n– Consent is a yes" in explain(decision, "en")
    french = explain(decision, "fr").replace("\u202f", " ")
    assert "Ces règles ne sont pas respectées non plus :\n– Le consentement est un oui" in french
    assert explain(decision, "en").count("– ") == 1
    assert decision == replace(decision, also=tuple)
    assert home.house.check() == []


def test_a_child_still_needs_a_parent(home: World) -> None:
    """What does concern the person is said: a child who withdrew needs more than their own yes."""
    person = home.person(age="minor", minor_until=home.clock() + 8 * 365 * DAY)
    home.said(person, "given", channel="email")
    home.clock.forward(1)
    home.said(person, "withdrawn", channel="email")
    assert "under_age_no_guardian" in {reason.code for reason in asked(home, person).also()}
    assert home.house.check() == []
