"""Conditions: the closed, positive language of rules. There is no `not`.

An atom compares one fact with a literal or with the moment of the decision. INVARIANT: a missing fact makes every atom
false except `absent`, so that nothing is permitted because something is unknown. A condition that exists is well
formed: unknown facts, operations and types are refused when it is built or read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from pacte.kernel.canonical import LARGEST, Json
from pacte.policy.vocabulary import ADULT_AT, FACTS, RuleError, grade_level

COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")
DEEPEST = 8


@dataclass(frozen=True, slots=True)
class Compare:
    """A fact compared with a literal: eq, ne, lt, le, gt, ge; order only for integers."""

    op: str
    fact: str
    value: str | int

    def __post_init__(self) -> None:
        if self.op not in COMPARISONS:
            raise RuleError("an unknown comparison in a rule")
        if self.op not in ("eq", "ne"):
            _require(self.fact, int)
        _literal(self.fact, self.value)


@dataclass(frozen=True, slots=True)
class OneOf:
    """A fact is one of the literals."""

    fact: str
    values: tuple[str | int, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise RuleError("an empty list of values in a rule")
        for value in self.values:
            _literal(self.fact, value)


@dataclass(frozen=True, slots=True)
class Present:
    """A fact is known."""

    fact: str

    def __post_init__(self) -> None:
        _require(self.fact)


@dataclass(frozen=True, slots=True)
class Absent:
    """A fact is not known, or the event did not happen (an open end)."""

    fact: str

    def __post_init__(self) -> None:
        _require(self.fact)


@dataclass(frozen=True, slots=True)
class AfterNow:
    """An instant lies after the moment of the decision."""

    fact: str

    def __post_init__(self) -> None:
        _require(self.fact, int)


@dataclass(frozen=True, slots=True)
class NotAfterNow:
    """An instant lies at or before the moment of the decision."""

    fact: str

    def __post_init__(self) -> None:
        _require(self.fact, int)


@dataclass(frozen=True, slots=True)
class AgeAtLeast:
    """The person has this age in years: an adult, or a minor whose 18th birthday is near enough."""

    years: int

    def __post_init__(self) -> None:
        if not _is_int(self.years) or not 1 <= self.years <= ADULT_AT:
            raise RuleError("an age beyond 1 to 18 years in a rule")


@dataclass(frozen=True, slots=True)
class GradeAtLeast:
    """A grade of proof is at least this strong."""

    fact: str
    grade: str

    def __post_init__(self) -> None:
        _require(self.fact, int)
        grade_level(self.grade)


@dataclass(frozen=True, slots=True)
class Told:
    """The person was told of this purpose with all the requested categories."""


@dataclass(frozen=True, slots=True)
class Every:
    """All of the conditions hold."""

    of: tuple[Condition, ...]

    def __post_init__(self) -> None:
        _members(self.of)


@dataclass(frozen=True, slots=True)
class Any:
    """At least one of the conditions holds."""

    of: tuple[Condition, ...]

    def __post_init__(self) -> None:
        _members(self.of)


Condition: TypeAlias = (
    Compare | OneOf | Present | Absent | AfterNow | NotAfterNow | AgeAtLeast | GradeAtLeast | Told | Every | Any
)


def to_json(condition: Condition) -> Json:
    """The condition as it is stored in a rule table."""
    match condition:
        case Compare(op, fact, value):
            return {"op": op, "fact": fact, "value": value}
        case OneOf(fact, values):
            return {"op": "in", "fact": fact, "values": list(values)}
        case Present(fact):
            return {"op": "present", "fact": fact}
        case Absent(fact):
            return {"op": "absent", "fact": fact}
        case AfterNow(fact):
            return {"op": "after_now", "fact": fact}
        case NotAfterNow(fact):
            return {"op": "not_after_now", "fact": fact}
        case AgeAtLeast(years):
            return {"op": "age_at_least", "years": years}
        case GradeAtLeast(fact, grade):
            return {"op": "grade_at_least", "fact": fact, "grade": grade}
        case Told():
            return {"op": "told", "categories": "requested"}
        case Every(of):
            return {"op": "all", "of": [to_json(member) for member in of]}
        case Any(of):
            return {"op": "any", "of": [to_json(member) for member in of]}


def from_json(value: object, depth: int = 0) -> Condition:
    """Read a stored condition; raises `RuleError` for anything outside the closed language."""
    if depth > DEEPEST:
        raise RuleError("a rule nested too deeply")
    match value:
        case {"op": str(op), "fact": str(fact), "value": str() | int() as literal, **rest} if not rest:
            return Compare(op, fact, literal)
        case {"op": "in", "fact": str(fact), "values": list(values), **rest} if not rest:
            return OneOf(fact, tuple(values))
        case {"op": "present", "fact": str(fact), **rest} if not rest:
            return Present(fact)
        case {"op": "absent", "fact": str(fact), **rest} if not rest:
            return Absent(fact)
        case {"op": "after_now", "fact": str(fact), **rest} if not rest:
            return AfterNow(fact)
        case {"op": "not_after_now", "fact": str(fact), **rest} if not rest:
            return NotAfterNow(fact)
        case {"op": "age_at_least", "years": int(years), **rest} if not rest:
            return AgeAtLeast(years)
        case {"op": "grade_at_least", "fact": str(fact), "grade": str(grade), **rest} if not rest:
            return GradeAtLeast(fact, grade)
        case {"op": "told", "categories": "requested", **rest} if not rest:
            return Told()
        case {"op": "all", "of": list(of), **rest} if not rest:
            return Every(tuple(from_json(member, depth + 1) for member in of))
        case {"op": "any", "of": list(of), **rest} if not rest:
            return Any(tuple(from_json(member, depth + 1) for member in of))
    raise RuleError("an unknown operation in a rule")


def _require(fact: str, expected: type[str] | type[int] | None = None) -> type[str] | type[int]:
    kind = FACTS.get(fact)
    if kind is None:
        raise RuleError("an unknown fact in a rule")
    if expected is not None and kind is not expected:
        raise RuleError(f"`{fact}` is used in a rule as if it were of another type")
    return kind


def _literal(fact: str, value: object) -> None:
    kind = _require(fact)
    fits = isinstance(value, str) if kind is str else _is_int(value)
    if not fits or (isinstance(value, int) and abs(value) > LARGEST):
        raise RuleError(f"`{fact}` is compared in a rule with a value of another type")


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _members(of: tuple[Condition, ...]) -> None:
    # An empty `all` would be true of everybody.
    if not of:
        raise RuleError("an empty group of conditions in a rule")
