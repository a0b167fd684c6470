"""The decision for one person: pure functions of rules, facts and a moment.

`sql` is the same reading for a population; a property test binds the two. Source: GDPR Art. 5 to 21, through the
requirements' own articles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from pacte.kernel.instant import DAY, Instant, add_months, add_years
from pacte.policy.conditions import (
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
)
from pacte.policy.table import PurposeRules
from pacte.policy.vocabulary import ADULT_AT, AGES, FACTS, RuleError, grade_level

Facts: TypeAlias = Mapping[str, str | int | None]
"""What is known of one person for one purpose, by the names of `vocabulary.FACTS`; absent and `None` mean unknown."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer for one person: `permit` or `deny`, the reason, the requirement that gave it, all that failed."""

    effect: str
    reason: str
    requirement: str | None
    needed: tuple[str, ...]


def decide(rules: PurposeRules | None, facts: Facts, t: Instant) -> Outcome:
    """Whether these facts permit this purpose at `t`; never raises: an error inside a rule denies as `rule_error`."""
    if rules is None or not rules.requirements:
        return Outcome("deny", "unknown_purpose", None, ())
    try:
        failed = [requirement for requirement in rules.requirements if not holds(requirement.condition, facts, t)]
    except Exception:  # unknown means no: whatever went wrong, and without its message, which may hold a value
        return Outcome("deny", "rule_error", None, ())
    if failed:
        return Outcome("deny", failed[0].otherwise, failed[0].id, tuple(requirement.id for requirement in failed))
    return Outcome("permit", "permitted", None, ())


def holds(condition: Condition, facts: Facts, t: Instant) -> bool:
    """Whether the condition is true of the facts at `t`; a missing fact is false, an unknown one raises `RuleError`."""
    match condition:
        case Every(of):
            return all(holds(member, facts, t) for member in of)
        case Any(of):
            return any(holds(member, facts, t) for member in of)
        case Compare(op, fact, value):
            return _compare(op, _fact(facts, fact), value)
        case OneOf(fact, values):
            return _fact(facts, fact) in values
        case Present(fact):
            return _fact(facts, fact) is not None
        case Absent(fact):
            return _fact(facts, fact) is None
        case AfterNow(fact):
            return _compare("gt", _fact(facts, fact), t)
        case NotAfterNow(fact):
            return _compare("le", _fact(facts, fact), t)
        case AgeAtLeast(years):
            declared = _fact(facts, "person.age") in ages_of(years)
            return _compare("le", _fact(facts, "person.minor_until"), adulthood_bound(t, years)) or declared
        case Younger(years):
            return _compare("gt", _fact(facts, "person.minor_until"), adulthood_bound(t, years))
        case Within(fact, months, days):
            return _compare("gt", _fact(facts, fact), earliest(t, months, days))
        case Before(instant):
            return t < instant
        case NotBefore(instant):
            return t >= instant
        case Fixed(value):
            return value == 1
        case Elsewhere():
            place = _fact(facts, "person.place")
            inside = place is None or str(place)[:2] in condition.countries or place in condition.regions
            return not inside
        case Inside(places):
            place = _fact(facts, "person.place")
            return place is not None and (str(place)[:2] in condition.countries or place in places)
        case GradeAtLeast(fact, grade):
            return _compare("ge", _fact(facts, fact), grade_level(grade))
        case Told():
            return _compare("eq", _fact(facts, "told.requested"), 1)
    raise RuleError("an unknown operation in a rule")


def adulthood_bound(t: Instant, years: int) -> Instant:
    """The latest 18th birthday of somebody who is `years` old at `t`."""
    return add_years(t, ADULT_AT - years)


def ages_of(years: int) -> tuple[str, ...]:
    """What is known of the age of somebody who is at least `years` old without a date of majority."""
    return ("adult", *(age for age in AGES if age.startswith("over_") and int(age[5:]) >= years))


def earliest(t: Instant, months: int, days: int) -> Instant:
    """The last instant that is not within this length of time before `t` any more."""
    return Instant(add_months(t, -months) - days * DAY)


def _fact(facts: Facts, name: str) -> str | int | None:
    value = facts.get(name)
    if value is not None and not isinstance(value, FACTS[name]):
        raise RuleError(f"`{name}` is of another type than rules expect")
    return value


def _compare(op: str, found: str | int | None, value: str | int) -> bool:
    if found is None:
        return False
    if op == "eq":
        return found == value
    if op == "ne":
        return found != value
    if isinstance(found, str) or isinstance(value, str):
        raise RuleError("texts have no order in rules")
    match op:
        case "lt":
            return found < value
        case "le":
            return found <= value
        case "gt":
            return found > value
        case "ge":
            return found >= value
    raise RuleError("an unknown comparison in a rule")
