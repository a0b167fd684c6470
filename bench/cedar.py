"""A purpose's requirements as Cedar policies, and `cedarpy` asked in its best way.

Policies and entities are parsed beforehand, and the context is JSON that is written already. What the calendar settles
is left out of the policies, countries are cut out of the places, and the bounds of ages are counted, all beforehand.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TypeAlias

import cedarpy

from pacte.kernel.instant import Instant
from pacte.policy.conditions import (
    Absent,
    AfterNow,
    AgeAtLeast,
    Any,
    Compare,
    Condition,
    Elsewhere,
    Every,
    Fixed,
    GradeAtLeast,
    Inside,
    NotAfterNow,
    OneOf,
    Present,
    Told,
    Within,
    Younger,
    settled,
)
from pacte.policy.rules import adulthood_bound, ages_of, earliest
from pacte.policy.table import PurposeRules
from pacte.policy.vocabulary import grade_level

Request: TypeAlias = "dict[str, str]"

_COMPARISONS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_ONE = {"principal": 'House::"shop"', "action": 'Action::"use"', "resource": 'Person::"one"'}


class Cedar:
    """The requirements at a moment: each a `forbid … unless` with the requirement's name as its `@id`."""

    def __init__(self, rules: PurposeRules, t: Instant) -> None:
        asked = [(rule.id, settled(rule.condition, t)) for rule in rules.requirements]
        kept = [(name, condition) for name, condition in asked if condition != Fixed(1)]
        self._names = {f"policy{1 + place}": name for place, (name, _) in enumerate(kept)}
        lines = ["permit (principal, action, resource);", *(_forbid(name, rule, t) for name, rule in kept)]
        self._policies = cedarpy.PolicySet.from_str("\n".join(lines))
        self._entities = cedarpy.Entities.from_json_str("[]")

    def ask(self, request: Request) -> cedarpy.AuthzResult:
        """One decision."""
        return cedarpy.is_authorized(request, self._policies, self._entities)

    def answer(self, request: Request) -> tuple[bool, set[str]]:
        """Whether it is allowed, and the names of the requirements that forbid it; nothing may have erred."""
        result = self.ask(request)
        assert not result.diagnostics.errors, result.diagnostics.errors
        return result.allowed, {self._names[policy] for policy in result.diagnostics.reasons if policy != "policy0"}


def request_of(facts: Mapping[str, str | int | None]) -> Request:
    """The question about somebody; what is not known is left out of its context."""
    context = {_name(fact): value for fact, value in facts.items() if value is not None}
    if isinstance(place := facts["person.place"], str):
        context["country"] = place[:2]
    return {**_ONE, "context": json.dumps(context)}


def _forbid(name: str, condition: Condition, t: Instant) -> str:
    return f"@id({json.dumps(name)}) forbid (principal, action, resource) unless {{ {_words(condition, t)} }};"


def _words(condition: Condition, t: Instant) -> str:
    match condition:
        case Every(of):
            return _joined("&&", (_words(member, t) for member in of))
        case Any(of):
            return _joined("||", (_words(member, t) for member in of))
        case Compare(op, fact, value):
            return _known(fact, f"{_COMPARISONS[op]} {json.dumps(value)}")
        case OneOf(fact, values):
            return _known_among(fact, values)
        case Present(fact):
            return f"context has {_name(fact)}"
        case Absent(fact):
            return f"!(context has {_name(fact)})"
        case AfterNow(fact):
            return _known(fact, f"> {t}")
        case NotAfterNow(fact):
            return _known(fact, f"<= {t}")
        case AgeAtLeast(years):
            older = _known("person.minor_until", f"<= {adulthood_bound(t, years)}")
            return _joined("||", (_known_among("person.age", ages_of(years)), older))
        case Younger(years):
            return _known("person.minor_until", f"> {adulthood_bound(t, years)}")
        case Within(fact, months, days):
            return _known(fact, f"> {earliest(t, months, days)}")
        case Elsewhere():
            inside = _inside(condition.countries, condition.regions)
            return f"(context has person_place && !({inside}))"
        case Inside(places):
            return f"(context has person_place && ({_inside(condition.countries, places)}))"
        case GradeAtLeast(fact, grade):
            return _known(fact, f">= {grade_level(grade)}")
        case Told():
            return _known("told.requested", "== 1")
        case Fixed(value):
            return "true" if value else "false"
    raise AssertionError("a condition that Cedar was not taught")


def _inside(countries: Iterable[str], places: Iterable[str]) -> str:
    return (
        f"{json.dumps(list(countries))}.contains(context.country) || {_listed(places)}.contains(context.person_place)"
    )


def _known_among(fact: str, values: Iterable[str | int]) -> str:
    return f"(context has {_name(fact)} && {_listed(values)}.contains(context.{_name(fact)}))"


def _known(fact: str, compared: str) -> str:
    return f"(context has {_name(fact)} && context.{_name(fact)} {compared})"


def _joined(operator: str, words: Iterable[str]) -> str:
    return f"({f' {operator} '.join(words)})"


def _listed(values: Iterable[str | int]) -> str:
    return json.dumps(list(values))


def _name(fact: str) -> str:
    return fact.replace(".", "_")
