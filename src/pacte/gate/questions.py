"""Is a question one that the policy in force can answer? Asked once, for one person and for populations alike."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from pacte.gate.values import Question
from pacte.kernel.errors import Denied, named
from pacte.kernel.instant import Instant
from pacte.policy.conditions import Any, Before, Condition, Every, NotBefore, facts_in
from pacte.policy.table import PurposeRules, RuleTable

HOUSE = "house:"
"""Purposes of the house's own work begin with this."""

CHOICE_BASES = ("consent", "legitimate_interests", "public_task")
"""Legal bases under which what a person said decides; they say it per channel, so a question must name one."""


def complete(table: RuleTable, question: Question) -> Question:
    """The question with all of the purpose's fields where none were named."""
    if question.fields or question.purpose not in table.purposes:
        return question
    fields = tuple(table.purposes[question.purpose].fields)
    return Question(question.purpose, question.as_of, question.known, fields, question.channel, question.recipient)


def refuse(table: RuleTable, question: Question) -> None:
    """Raise `Denied` for a question that the policy does not declare, or that leaves out what choices depend on."""
    purpose = table.purposes.get(question.purpose)
    if purpose is None:
        known = _listed(name for name in table.purposes if not name.startswith(HOUSE))
        raise Denied("unknown_purpose", f"the policy declares no such purpose; it declares {known}")
    asked: list[tuple[str, Iterable[str], Iterable[str]]] = [
        ("field", question.fields, purpose.fields),
        ("channel", [question.channel] if question.channel else [], purpose.channels),
        ("recipient", [question.recipient] if question.recipient else [], purpose.recipients),
    ]
    for what, names, declared in asked:
        unknown = [name for name in names if name not in set(declared)]
        if unknown:
            raise Denied(
                f"undeclared_{what}",
                f"purpose `{question.purpose}` does not declare the {what} {_listed(unknown)}; "
                f"it declares {_listed(declared)}",
            )
    for what, given, wanted in needed(purpose, question):
        if not given:
            raise Denied(
                "facts_missing",
                f"people say yes or no to `{question.purpose}` per {what}; say which {what}: {_listed(wanted)}",
            )


def needed(purpose: PurposeRules, question: Question) -> list[tuple[str, str, tuple[str, ...]]]:
    """What the question must name: (what, what it names, what there is)."""
    per_channel = purpose.channels and purpose.basis in CHOICE_BASES
    return [
        *([("channel", question.channel, purpose.channels)] if per_channel else []),
        *([("recipient", question.recipient, purpose.recipients)] if purpose.by_recipient else []),
    ]


def facts_read(purpose: PurposeRules) -> frozenset[str]:
    """The facts that the rules of a purpose read; no other need be looked up."""
    return frozenset().union(*(facts_in(requirement.condition) for requirement in purpose.requirements))


def turns(purpose: PurposeRules, after: Instant) -> Instant | None:
    """When the rules of a purpose next begin, or cease, to say something else by the calendar alone; `None`: never.

    A law that takes effect, one that ends, an adequacy decision that runs out.
    """
    every = purpose.kept.get("turns")
    if not isinstance(every, tuple):
        every = tuple(sorted({moment for rule in purpose.requirements for moment in _moments(rule.condition)}))
        purpose.kept["turns"] = every
    place = bisect_right(every, after)
    return Instant(every[place]) if place < len(every) else None


def _moments(condition: Condition) -> frozenset[int]:
    match condition:
        case Every(of) | Any(of):
            return frozenset().union(*map(_moments, of))
        case Before(instant) | NotBefore(instant):
            return frozenset({instant})
        case _:
            return frozenset()


def _listed(names: Iterable[str]) -> str:
    return ", ".join(named(name) for name in sorted(names)) or "none"
