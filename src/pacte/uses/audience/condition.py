"""Conditions of a segment: what somebody must meet to be in it, over fields of a purpose; and what a condition means.

Two conditions that say the same in another order, or with a double "not", have one meaning and one digest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeAlias

from pacte.gate.measures import Measure
from pacte.kernel.canonical import Json, canonical


@dataclass(frozen=True, slots=True)
class Is:
    """A field of words has one of these values."""

    measure: Measure
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Between:
    """A number is at least `at_least`, and below `below` where that is given; whoever has no number is not."""

    measure: Measure
    at_least: int | None = None
    below: int | None = None


@dataclass(frozen=True, slots=True)
class Aged:
    """A date of birth makes somebody at least so many years old, and younger than `below` where that is given."""

    measure: Measure
    at_least: int | None = None
    below: int | None = None


@dataclass(frozen=True, slots=True)
class Lately:
    """A date lies in the month that was so many months ago, or later."""

    measure: Measure
    months: int


@dataclass(frozen=True, slots=True)
class Every:
    """All of these are met."""

    of: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Any:
    """One of these is met at least."""

    of: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """This is not met."""

    of: Condition


Atom: TypeAlias = Is | Between | Aged | Lately
Condition: TypeAlias = Atom | Every | Any | Not


def atoms(condition: Condition) -> Iterator[Atom]:
    """Every single condition, from left to right."""
    match condition:
        case Every(of) | Any(of):
            for one in of:
                yield from atoms(one)
        case Not(of):
            yield from atoms(of)
        case _:
            yield condition


def holds(condition: Condition, met: Callable[[Atom], bool]) -> bool:
    """Whether a condition holds for somebody who meets these single conditions."""
    match condition:
        case Every(of):
            return all(holds(one, met) for one in of)
        case Any(of):
            return any(holds(one, met) for one in of)
        case Not(of):
            return not holds(of, met)
        case _:
            return met(condition)


def normal(condition: Condition) -> Condition:
    """The same condition in its one form: "not" before single conditions only, members flat, sorted, each once.

    >>> tea = Is(Measure("orders", "product"), ("tea",))
    >>> normal(Not(Not(Every((tea, tea))))) == tea
    True
    """
    return _normal(condition, False)


def _normal(condition: Condition, negated: bool) -> Condition:
    match condition:
        case Not(of):
            return _normal(of, not negated)
        case Every(of) | Any(of):
            kind = Every if isinstance(condition, Every) is not negated else Any
            members: dict[bytes, Condition] = {}
            for one in of:
                found = _normal(one, negated)
                for member in found.of if isinstance(found, kind) else (found,):
                    members[canonical(to_json(member))] = member
            ordered = tuple(members[key] for key in sorted(members))
            return ordered[0] if len(ordered) == 1 else kind(ordered)
        case Is(measure, values):
            alone: Condition = Is(_sorted(measure), tuple(sorted(set(values))))
        case Between(measure, at_least, below):
            alone = Between(_sorted(measure), at_least, below)
        case _:
            alone = condition
    return Not(alone) if negated else alone


def _sorted(measure: Measure) -> Measure:
    return Measure(measure.dataset, measure.name, measure.where, tuple(sorted(set(measure.values))), measure.months)


def without(condition: Condition, measures: Sequence[Measure]) -> Condition | None:
    """A condition as it is without what it says of these measures; `None` if nothing is left."""
    match condition:
        case Every(of) | Any(of):
            left = [found for one in of if (found := without(one, measures)) is not None]
            return None if not left else left[0] if len(left) == 1 else type(condition)(tuple(left))
        case Not(of):
            found = without(of, measures)
            return None if found is None else Not(found)
        case _:
            return None if condition.measure in measures else condition


def to_json(condition: Condition) -> dict[str, Json]:
    """A condition as people write it (see `reading`): what is kept of it, and what its meaning is the digest of."""
    match condition:
        case Every(of):
            return {"all": [to_json(one) for one in of]}
        case Any(of):
            return {"any": [to_json(one) for one in of]}
        case Not(of):
            return {"not": to_json(of)}
        case Is(measure, values):
            return {**named(measure), "in": list(values)}
        case Lately(measure, months):
            return {**named(measure), "within": f"{months} months"}
    bounds = {"at_least": condition.at_least, "below": condition.below}
    return {**named(condition.measure), **{name: bound for name, bound in bounds.items() if bound is not None}}


def named(measure: Measure) -> dict[str, Json]:
    """A measure as people write it."""
    if measure.name:
        return {"field": f"{measure.dataset}.{measure.name}"}
    found: dict[str, Json] = {"dataset": measure.dataset}
    found |= {"field": measure.where, "in": list(measure.values)} if measure.where else {}
    return found | ({"within": f"{measure.months} months"} if measure.months else {})


def meaning(purpose: str, condition: Condition) -> str:
    """The digest (SHA-256, in hexadecimal) of what a condition means for a purpose."""
    return sha256(canonical({"purpose": purpose, "condition": to_json(normal(condition))})).hexdigest()
