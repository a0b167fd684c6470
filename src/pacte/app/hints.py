"""Hints for whoever misspelt: which part of a question the policy in force does not declare, and what it does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from pacte.app.choose import published
from pacte.app.house import House
from pacte.gate.questions import needed
from pacte.gate.values import Question


@dataclass(frozen=True, slots=True)
class Undeclared:
    """A part of a question (`purpose`, `field`, `channel` or `recipient`) that the policy does not declare.

    Or one that was left out and that people choose by: `channel_needed`, `recipient_needed`.

    `declared` is what it declares instead, `meant` the likely one among them. What was asked is not repeated: anything
    may have been typed there.
    """

    what: str
    declared: tuple[str, ...]
    meant: str = ""


def undeclared(house: House, question: Question) -> list[Undeclared]:
    """What in the question is not declared; empty when all of it is. The house's own purposes are not looked at."""
    with house.reading() as conn:
        compiled = published(conn, house.present(conn))
    purposes = compiled.document.purposes
    if question.purpose.startswith("house:"):
        return []
    if question.purpose not in purposes:
        return [_hint("purpose", question.purpose, purposes)]
    purpose = purposes[question.purpose]
    asked = [
        *(("field", field, purpose.uses) for field in question.fields),
        ("channel", question.channel, purpose.channels),
        ("recipient", question.recipient, purpose.recipients),
    ]
    left_out = needed(compiled.table.purposes[question.purpose], question)
    return [
        *(_hint(what, name, declared) for what, name, declared in asked if name and name not in declared),
        *(Undeclared(f"{what}_needed", wanted) for what, given, wanted in left_out if not given),
    ]


def _hint(what: str, asked: str, declared: Iterable[str]) -> Undeclared:
    names = tuple(declared)
    return Undeclared(what, names, next(iter(get_close_matches(asked, names, 1, 0.6)), ""))
