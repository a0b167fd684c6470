"""What a no lacks beside its reason: the rules that would still refuse this person once the reason were mended.

Many rules fail together for one cause. To somebody born in 1958 who withdrew, the rule about *a child's own yes* is not
met either, and saying so helps nobody. So the cause is mended, as far as it can be, and the rules are asked again: what
refuses then is the next thing to say, and so on to the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from pacte.gate.prepared import Prepared, reason_of
from pacte.gate.values import Reason
from pacte.kernel.instant import Instant
from pacte.policy.conditions import facts_in
from pacte.policy.rules import Facts, Outcome, holds
from pacte.policy.table import Requirement
from pacte.policy.vocabulary import GRADES, STANDING_CHOICES, STATEMENTS

_Values: TypeAlias = Mapping[str, "str | int | None"]


def missing(asked: Prepared, facts: Facts, t: Instant, outcome: Outcome) -> tuple[Reason, ...]:
    """One reason for each thing that must change beside the reason of a refusal, in the order of the rules.

    Only rules that are not met as it is are named, and none whose refusal ends with what was named before it.
    """
    named = _causes(asked, facts, t, outcome.needed)[1:]
    return tuple(reason_of(asked.table, asked.purpose, rule.otherwise, rule.id) for rule in named)


def _causes(asked: Prepared, facts: Facts, t: Instant, needed: tuple[str, ...]) -> list[Requirement]:
    rules = {rule.id: rule for rule in asked.rules.requirements}
    causes: list[Requirement] = []
    left = list(needed)
    while left:
        causes.append(rules[left.pop(0)])
        facts = _mended(causes[-1], facts, t)
        still = asked.reader.decide(facts, t).needed
        left = [name for name in left if name in still]
    return causes


def _mended(rule: Requirement, facts: Facts, t: Instant) -> Facts:
    """The facts with the first thing changed that lets the rule hold; as they are where no change of one does."""
    read = facts_in(rule.condition)
    for changed in _changes(t):
        if read & changed.keys() and holds(rule.condition, tried := {**facts, **changed}, t):
            return tried
    return facts


def _changes(t: Instant) -> Iterator[_Values]:
    """What can be mended, by itself: what the company does first, then what people say, last who they are.

    A choice that is mended is a proved yes of this moment, made on the notice and in the way of the one before. An age
    is mended to that of an adult: until it is known, no rule about children concerns the person.
    """
    yes: _Values = {"status": "given", "since": t, "expires": None, "grade": len(GRADES) - 1}
    yield {"told.requested": 1, **{f"told.{statement}": 1 for statement in STATEMENTS}}
    yield {"use.stopped": 0}
    yield {"hold.status": "none"}
    yield {**{f"choice.{word}": value for word, value in yes.items()}, "choice.signal": ""}
    yield {f"guardian.{word}": value for word, value in yes.items()}
    for name in STANDING_CHOICES:
        yield {f"{name}.status": "none"} | ({f"{name}.signal": ""} if name == "sale" else {})
        yield {f"{name}.status": "given"} | ({f"{name}.signal": ""} if name == "sale" else {})
    yield {"contract.since": t, "contract.until": None}
    yield {"person.age": "adult", "person.minor_until": None}
