"""Conditions: the closed, positive language of rules. There is no `not`.

An atom compares one fact with a literal or with the moment of the decision. INVARIANT: a missing fact makes every atom
false except `absent`, so that nothing is permitted because something is unknown. A condition that exists is well
formed: unknown facts, operations and types are refused when it is built or read.
"""

from __future__ import annotations

from collections.abc import Iterable
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
class Younger:
    """The person is known to be younger than this: a minor whose 18th birthday is far enough away."""

    years: int

    def __post_init__(self) -> None:
        if not _is_int(self.years) or not 1 <= self.years <= ADULT_AT:
            raise RuleError("an age beyond 1 to 18 years in a rule")


@dataclass(frozen=True, slots=True)
class Within:
    """An instant lies less than this long before the moment of the decision, or after it."""

    fact: str
    months: int
    days: int

    def __post_init__(self) -> None:
        _require(self.fact, int)
        if not (_is_int(self.months) and _is_int(self.days)) or min(self.months, self.days) < 0:
            raise RuleError("a length of time that is none in a rule")


@dataclass(frozen=True, slots=True)
class Before:
    """The moment of the decision lies before this instant: a law, or a safeguard, that ends then."""

    instant: int

    def __post_init__(self) -> None:
        _moment(self.instant)


@dataclass(frozen=True, slots=True)
class NotBefore:
    """The moment of the decision lies at or after this instant."""

    instant: int

    def __post_init__(self) -> None:
        _moment(self.instant)


@dataclass(frozen=True, slots=True)
class Fixed:
    """True or false of everybody: settled by the policy when it was compiled."""

    value: int

    def __post_init__(self) -> None:
        if not _is_int(self.value) or self.value not in (0, 1):
            raise RuleError("a settled condition that is neither 0 nor 1 in a rule")


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The residence is known, and it is in none of these countries (with their regions) and regions.

    Of a country whose region is not known, nobody knows: it counts as inside a region of it.
    """

    places: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.places or not all(isinstance(place, str) and len(place) >= 2 for place in self.places):
            raise RuleError("a place that is none in a rule")

    @property
    def countries(self) -> tuple[str, ...]:
        """Countries that are inside whole, by the two letters with which the codes of their regions begin."""
        return tuple(place for place in self.places if len(place) == 2)

    @property
    def regions(self) -> tuple[str, ...]:
        """Regions that are inside, and the bare code of the country of each; a place without a code is anywhere."""
        named = [place for place in self.places if len(place) > 2]
        return ("", *dict.fromkeys(code for place in named for code in (place, place[:2])))


@dataclass(frozen=True, slots=True)
class Inside:
    """The residence is known, and it is one of these regions, or one of these countries or a region of one."""

    places: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.places or not all(isinstance(place, str) and len(place) >= 2 for place in self.places):
            raise RuleError("a place that is none in a rule")

    @property
    def countries(self) -> tuple[str, ...]:
        """Countries that are inside whole, by the two letters with which the codes of their regions begin."""
        return tuple(place for place in self.places if len(place) == 2)


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
    Compare
    | OneOf
    | Present
    | Absent
    | AfterNow
    | NotAfterNow
    | AgeAtLeast
    | Younger
    | Within
    | Before
    | NotBefore
    | Fixed
    | Elsewhere
    | Inside
    | GradeAtLeast
    | Told
    | Every
    | Any
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
        case Younger(years):
            return {"op": "younger", "years": years}
        case Within(fact, months, days):
            return {"op": "within", "fact": fact, "months": months, "days": days}
        case Before(instant):
            return {"op": "before", "instant": instant}
        case NotBefore(instant):
            return {"op": "not_before", "instant": instant}
        case Fixed(value):
            return {"op": "fixed", "value": value}
        case Elsewhere(places):
            return {"op": "elsewhere", "places": list(places)}
        case Inside(places):
            return {"op": "inside", "places": list(places)}
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
        case {"op": "younger", "years": int(years), **rest} if not rest:
            return Younger(years)
        case {"op": "within", "fact": str(fact), "months": int(months), "days": int(days), **rest} if not rest:
            return Within(fact, months, days)
        case {"op": "before", "instant": int(instant), **rest} if not rest:
            return Before(instant)
        case {"op": "not_before", "instant": int(instant), **rest} if not rest:
            return NotBefore(instant)
        case {"op": "fixed", "value": int(settled), **rest} if not rest:
            return Fixed(settled)
        case {"op": "elsewhere", "places": list(places), **rest} if not rest:
            return Elsewhere(tuple(places))
        case {"op": "inside", "places": list(places), **rest} if not rest:
            return Inside(tuple(places))
        case {"op": "grade_at_least", "fact": str(fact), "grade": str(grade), **rest} if not rest:
            return GradeAtLeast(fact, grade)
        case {"op": "told", "categories": "requested", **rest} if not rest:
            return Told()
        case {"op": "all", "of": list(of), **rest} if not rest:
            return Every(tuple(from_json(member, depth + 1) for member in of))
        case {"op": "any", "of": list(of), **rest} if not rest:
            return Any(tuple(from_json(member, depth + 1) for member in of))
    raise RuleError("an unknown operation in a rule")


def facts_in(condition: Condition) -> frozenset[str]:
    """The names of the facts that a condition reads."""
    match condition:
        case Every(of) | Any(of):
            return frozenset().union(*map(facts_in, of))
        case AgeAtLeast() | Younger():
            return frozenset({"person.age", "person.minor_until"})
        case Told():
            return frozenset({"told.requested"})
        case Elsewhere() | Inside():
            return frozenset({"person.place"})
        case Before() | NotBefore() | Fixed():
            return frozenset()
        case _:
            return frozenset({condition.fact})


def every(of: Iterable[Condition]) -> Condition:
    """All of these, settled where the policy settles it: one that is true of everybody says nothing."""
    members = [member for member in of if member != Fixed(1)]
    if Fixed(0) in members:
        return Fixed(0)
    return Every(tuple(members)) if len(members) > 1 else members[0] if members else Fixed(1)


def either(of: Iterable[Condition]) -> Condition:
    """At least one of these, settled where the policy settles it."""
    members = [member for member in of if member != Fixed(0)]
    if Fixed(1) in members:
        return Fixed(1)
    return Any(tuple(members)) if len(members) > 1 else members[0] if members else Fixed(0)


def depth_of(condition: Condition) -> int:
    """How many groups a condition lies in, at its deepest; a stored one may have at most `DEEPEST`."""
    match condition:
        case Every(of) | Any(of):
            return 1 + max(map(depth_of, of))
        case _:
            return 0


def settled(condition: Condition, t: int) -> Condition:
    """The condition at `t`, without what that moment settles: laws that have begun, safeguards that have ended."""
    match condition:
        case Every(of):
            return every(settled(member, t) for member in of)
        case Any(of):
            return either(settled(member, t) for member in of)
        case Before(instant):
            return Fixed(int(t < instant))
        case NotBefore(instant):
            return Fixed(int(t >= instant))
        case _:
            return condition


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


def _moment(value: object) -> None:
    if not _is_int(value) or abs(value) > LARGEST:  # type: ignore[arg-type] # an int, as just checked
        raise RuleError("a moment that is none in a rule")


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _members(of: tuple[Condition, ...]) -> None:
    # An empty `all` would be true of everybody.
    if not of:
        raise RuleError("an empty group of conditions in a rule")
