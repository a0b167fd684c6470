"""Whether requirements leave anybody: an exact search over the few values that matter of the facts they read.

Conditions are positive, so only the best that each fact can do for its atoms counts: a value that makes fewer atoms
true than another never helps. What is left to try is small, and nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, combinations, islice, product
from typing import TypeAlias

from pacte.kernel.instant import Instant
from pacte.policy.conditions import (
    AfterNow,
    AgeAtLeast,
    Any,
    Before,
    Compare,
    Condition,
    Elsewhere,
    Every,
    Fixed,
    Inside,
    NotAfterNow,
    NotBefore,
    OneOf,
    Within,
    Younger,
    facts_in,
)
from pacte.policy.rules import Facts, adulthood_bound, earliest, holds
from pacte.policy.table import Requirement
from pacte.policy.vocabulary import AGES, CHANNELS, CHOICE_STATUSES, FACTS, GRADES, HOLD_STATUSES, SIGNALS, STATEMENTS

_Values: TypeAlias = Mapping[str, "str | int | None"]

_SOME_DAY = Instant(1_800_000_000 * 1_000_000)
"""Any day will do where no rule names one; all other instants are tried around it."""
_YES_NO = (0, 1)
_CLOSED: dict[str, Sequence[str | int]] = {
    "person.age": AGES,
    "person.known": _YES_NO,
    "hold.status": HOLD_STATUSES,
    "choice.signal": SIGNALS,
    "sale.signal": SIGNALS,
    "choice.after_hold": _YES_NO,
    "use.channel": ("", *CHANNELS),
    "use.stopped": _YES_NO,
    "use.in_force": _YES_NO,
    "told.requested": _YES_NO,
    **{f"told.{statement}": _YES_NO for statement in STATEMENTS},
    **{f"{who}.status": CHOICE_STATUSES for who in ("choice", "guardian", "sale", "sensitive", "automated")},
    **{f"{who}.grade": range(len(GRADES)) for who in ("choice", "guardian")},
}
"""Facts whose every value is known; of another, the values that rules name and one that none names."""
_AGE = ("person.age", "person.minor_until")
MOST_TRIED = 20_000
"""As many combinations of values as are tried of one condition; rules that need more are not judged."""
_MOST_IN_ALL = 10 * MOST_TRIED


Pair: TypeAlias = tuple[Requirement, Requirement]


def contradiction(requirements: Iterable[Requirement]) -> Pair | None:
    """The first two requirements that cannot hold of one person at one moment; twice the same if it never holds."""
    return judged(requirements)[0]


def judged(requirements: Iterable[Requirement]) -> tuple[Pair | None, Pair | None]:
    """The first contradiction, and the first pair whose rules need too many combinations to be judged.

    What the policy settles (`Fixed`) is left out: that is no contradiction between rules. Each rule is taken as begun:
    that two do not contradict each other yet helps nobody later.
    """
    asked = [(rule, _begun(rule)) for rule in requirements if not isinstance(rule.when, Fixed)]
    unjudged: Pair | None = None
    spent, tired = 0, set()
    alone = ((one, one) for one in asked)
    for (one, first), (other, second) in chain(alone, combinations(asked, 2)):
        if one is not other and (one.id in tired or other.id in tired or not _reads(first) & _reads(second)):
            continue
        verdict, tried = _search((first,) if one is other else (first, second), _MOST_IN_ALL - spent)
        spent += tried
        if verdict is False:
            return (one, other), unjudged
        if verdict is None:
            unjudged = unjudged or (one, other)
            tired |= {one.id, other.id}
    return None, unjudged


def _begun(rule: Requirement) -> Condition:
    return replace(rule, starts=None).condition


def possible(conditions: Iterable[Condition]) -> bool | None:
    """Whether some facts at some moment make all of the conditions true; None where that would take too long to say."""
    return _search(conditions, MOST_TRIED)[0]


def _search(conditions: Iterable[Condition], most: int) -> tuple[bool | None, int]:
    """The verdict, and how many combinations it took."""
    whole = Every(tuple(conditions))
    atoms = list(dict.fromkeys(_atoms(whole)))
    trials = (holds(whole, facts, t) for t in _moments(atoms) for facts in _worth_trying(atoms, t))
    tried = 0
    for found in islice(trials, max(0, min(most, MOST_TRIED))):
        tried += 1
        if found:
            return True, tried
    return (False if next(trials, None) is None else None), tried


def _worth_trying(atoms: list[Condition], t: Instant) -> Iterator[Facts]:
    """Every combination of the best values of the facts that the atoms read."""
    groups: dict[tuple[str, ...], list[Condition]] = {}
    for atom in atoms:
        if facts := facts_in(atom):
            groups.setdefault(_AGE if facts & set(_AGE) else tuple(facts), []).append(atom)
    best = [_best(facts, members, t) for facts, members in groups.items()]
    return (_merged(chosen) for chosen in product(*best))


def _best(facts: tuple[str, ...], atoms: list[Condition], t: Instant) -> list[_Values]:
    """Of all values of these facts, those that no other outdoes: none makes the same atoms true and more."""
    found: dict[frozenset[int], _Values] = {}
    for values in product(*(_candidates(fact, atoms, t) for fact in facts)):
        known = dict(zip(facts, values, strict=True))
        if known.get("person.minor_until") is not None and known["person.age"] != "minor":
            continue  # only a minor has a day of majority to come
        found.setdefault(frozenset(n for n, atom in enumerate(atoms) if holds(atom, known, t)), known)
    return [known for true, known in found.items() if not any(true < other for other in found)]


def values_that_matter(fact: str, conditions: Iterable[Condition], t: Instant) -> list[str | int | None]:
    """Every value of a fact at which one of the conditions turns, unknown among them."""
    return _candidates(fact, [atom for condition in conditions for atom in _atoms(condition)], t)


def _candidates(fact: str, atoms: list[Condition], t: Instant) -> list[str | int | None]:
    if fact in _CLOSED:
        return [None, *_CLOSED[fact]]
    named = [value for atom in atoms for value in _named(atom, fact)]
    if FACTS[fact] is str:
        return [None, *named, "".join(str(value) for value in named) + "?"]
    marks = {mark for atom in atoms for mark in _marks(atom, t)} | {value for value in named if isinstance(value, int)}
    return [None, *sorted({mark + step for mark in marks for step in (-1, 0, 1)})]


def _named(atom: Condition, fact: str) -> Iterable[str | int]:
    match atom:
        case Compare(_, name, value) if name == fact:
            return (value,)
        case OneOf(name, values) if name == fact:
            return values
        case Elsewhere(places) | Inside(places) if fact == "person.place":
            return ("-", *places)  # "-" first: what no rule names begins like no country
    return ()


def _marks(atom: Condition, t: Instant) -> Iterable[int]:
    """The instants at which an atom about an instant turns."""
    match atom:
        case AgeAtLeast(years) | Younger(years):
            return (adulthood_bound(t, years),)
        case Within(_, months, days):
            return (earliest(t, months, days),)
        case AfterNow() | NotAfterNow():
            return (t,)
    return (t,)


def _moments(atoms: list[Condition]) -> list[Instant]:
    """Moments on both sides of every date that a rule names; one is enough where none does."""
    named = [atom.instant for atom in atoms if isinstance(atom, Before | NotBefore)]
    return [Instant(mark) for mark in sorted({day + step for day in named for step in (-1, 0)})] or [_SOME_DAY]


def _atoms(condition: Condition) -> Iterator[Condition]:
    if isinstance(condition, Every | Any):
        for member in condition.of:
            yield from _atoms(member)
    else:
        yield condition


def _reads(condition: Condition) -> set[str]:
    """The facts of a condition, an age by its two facts, and the clock where it reads it."""
    dated = any(isinstance(atom, Before | NotBefore) for atom in _atoms(condition))
    return set(facts_in(condition)) | ({"now"} if dated else set())


def _merged(chosen: Iterable[_Values]) -> Facts:
    return {fact: value for values in chosen for fact, value in values.items()}
