"""Laws stack: each may only deny. What holds of every pack, whoever the person is."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacte.policy.compile import compile_policy
from pacte.policy.document import load_policy
from pacte.policy.packs import BUILT_IN
from pacte.policy.rules import Facts, decide
from pacte.policy.table import RuleTable
from tests.policy.strategies import TEMPLATES, WILLING, T, near_misses, people, set_and_members
from tests.thorough import many

NAMES = sorted(path.parent.name for path in TEMPLATES.glob("*/policy.yaml"))
noes = st.sampled_from(["objected", "refused", "withdrawn"])
several = st.lists(people, min_size=5, max_size=40)
laws = st.lists(st.sampled_from(BUILT_IN), unique=True, max_size=len(BUILT_IN)).map(tuple)
audiences = st.sampled_from(["adults", "everyone", "children"])


@cache
def table_of(template: str, declared: tuple[str, ...], audience: str = "everyone", entity: str = "") -> RuleTable:
    """A template under other laws, for another audience, as another kind of company."""
    document = load_policy(TEMPLATES / template / "policy.yaml")
    regulated = (entity,) if entity else ()
    controller = document.controller.model_copy(update={"regulated_as": regulated})
    changed = {"laws": declared, "offered_to": audience, "controller": controller}
    return compile_policy(document.model_copy(update=changed)).table


@settings(max_examples=many(80), deadline=None)
@given(
    template=st.sampled_from(NAMES),
    declared=laws,
    another=st.sampled_from(BUILT_IN),
    audience=audiences,
    entity=st.sampled_from(["", "covered_entity"]),
    persons=st.lists(people, min_size=1, max_size=20),
)
def test_adding_a_law_never_permits_more(
    template: str, declared: tuple[str, ...], another: str, audience: str, entity: str, persons: list[Facts]
) -> None:
    """Whoever a purpose permits under more laws, it permits under fewer."""
    fewer = table_of(template, tuple(law for law in declared if law != another), audience, entity)
    more = table_of(template, (*fewer.laws[:-1], another), audience, entity)
    for person in [*persons, WILLING]:
        for name, rules in more.purposes.items():
            if decide(rules, person, T).effect == "permit":
                assert decide(fewer.purposes[name], person, T).effect == "permit", name


@pytest.mark.parametrize("template", NAMES)
@pytest.mark.parametrize("another", BUILT_IN)
def test_adding_a_law_never_permits_more_near_a_permit(template: str, another: str) -> None:
    """The same for everybody one fact away from being permitted, with no law and with all the others."""
    others = tuple(law for law in BUILT_IN if law != another)
    for declared in ((), others):
        fewer, more = table_of(template, declared), table_of(template, (*declared, another))
        for person in near_misses()[::7]:
            for name, rules in more.purposes.items():
                if decide(rules, person, T).effect == "permit":
                    assert decide(fewer.purposes[name], person, T).effect == "permit", name


@settings(max_examples=many(60), deadline=None)
@given(template=st.sampled_from(NAMES), declared=laws, person=people)
def test_nothing_is_used_for_what_its_person_was_not_told_of(
    template: str, declared: tuple[str, ...], person: Facts
) -> None:
    """Under any laws, every purpose but vital interests denies whoever was not told of it with these data."""
    table = table_of(template, declared)
    for untold in (0, None):
        for facts in ({**person, "told.requested": untold}, {**WILLING, "told.requested": untold}):
            for name, rules in table.purposes.items():
                if rules.basis != "vital_interests" and not name.startswith("house:"):
                    assert decide(rules, facts, T).effect == "deny", name


@settings(max_examples=many(60), deadline=None)
@given(
    template=st.sampled_from(NAMES),
    declared=laws,
    person=people,
    no=noes,
)
def test_a_no_is_a_no_under_any_law(template: str, declared: tuple[str, ...], person: Facts, no: str) -> None:
    """Consent, interests and public tasks end with the person's no; a law that knows of no consent changes nothing."""
    table = table_of(template, declared)
    for facts in ({**person, "choice.status": no}, {**WILLING, "choice.status": no}):
        for name, rules in table.purposes.items():
            if rules.basis in ("consent", "legitimate_interests", "public_task"):
                assert decide(rules, facts, T).effect == "deny", name


@pytest.mark.parametrize("template", NAMES)
@pytest.mark.parametrize("entity", ["", "covered_entity"])
def test_a_set_is_decided_as_its_members_would_be_under_every_law(template: str, entity: str) -> None:
    """All packs at once, people near a permit: the same reason for one and in the set, on DuckDB."""
    persons = near_misses()[::4]
    for audience in ("adults", "children"):
        for in_set, alone in set_and_members(
            table_of(template, BUILT_IN, audience, entity).purposes.values(), persons, T
        ):
            assert in_set == alone


@settings(max_examples=many(20), deadline=None)
@given(
    template=st.sampled_from(NAMES),
    declared=laws,
    audience=audiences,
    persons=several,
)
def test_a_set_is_decided_as_its_members_would_be_under_any_laws(
    template: str, declared: tuple[str, ...], audience: str, persons: list[Facts]
) -> None:
    """The same for random people and random laws."""
    for in_set, alone in set_and_members(table_of(template, declared, audience).purposes.values(), persons, T):
        assert in_set == alone


def test_every_template_is_here() -> None:
    """The six kinds of company."""
    assert len(NAMES) == 6
    assert all(load_policy(TEMPLATES / name / "policy.yaml").laws for name in NAMES)
