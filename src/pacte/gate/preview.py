"""A recorded use decided again under rules that are not in force: what a policy would have done to it.

The question stays what it was (the day, what was known, the channel, the recipient); the rules are the new ones as
they will stand on the day when they take effect, so that a law of tomorrow shows what it does to the uses of last
month. Nothing is stored, and nothing is released.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection

from pacte.gate.one import categories_of, may_under
from pacte.gate.population import each
from pacte.gate.questions import refuse
from pacte.gate.values import Question
from pacte.kernel.errors import Denied
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import Instant
from pacte.lake import numbers
from pacte.policy.conditions import Any, Before, Condition, Every, Fixed, NotBefore
from pacte.policy.table import PurposeRules, Requirement, RuleTable

NOBODY = np.array([], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Answer:
    """Who would have been permitted, and why the others would not: internal numbers, and a reason code for each."""

    permitted: np.ndarray
    denied: np.ndarray
    reasons: np.ndarray


def as_of_day(table: RuleTable, day: Instant) -> RuleTable:
    """The table as it stands on `day` for ever: what begins later is left out, what has begun by then always counts."""
    return replace(table, purposes={name: _settled(rules, day) for name, rules in table.purposes.items()})


def fitting(table: RuleTable, question: Question) -> tuple[Question | None, str]:
    """What is left of a question under a table, and why the use could not be made as it was: a reason code, or "".

    A field that is no more declared stops the use, and leaves a question about the others; nothing is left without
    its purpose, its channel, its recipient or a field.
    """
    try:
        refuse(table, question)
    except Denied as denied:
        declared = set(table.purposes[question.purpose].fields) if question.purpose in table.purposes else set()
        left = replace(question, fields=tuple(name for name in question.fields if name in declared))
        if denied.code != "undeclared_field" or not left.fields:
            return None, denied.code
        return fitting(table, left)[0], denied.code
    return question, ""


def deciding(table: RuleTable, question: Question, day: Instant | None = None) -> object:
    """What of a table decides a question, to be compared: the purpose's rules (as they stand on `day`), what is told.

    Fields are those of the question alone; a purpose that is not declared is decided by nothing (`None`).
    """
    name = question.purpose
    if name not in table.purposes or not set(question.fields) <= set(table.purposes[name].fields):
        return None
    rules = table.purposes[name] if day is None else _settled(table.purposes[name], day)
    told = {
        digest: (notice.purposes.get(name), notice.says.get(name))
        for digest, notice in table.notices.items()
        if name in notice.purposes or name in notice.says
    }
    open_to = (rules.channels, rules.recipients, rules.by_recipient)
    decisive = [(rule.when, rule.exempt, rule.otherwise) for rule in rules.requirements]
    return rules.basis, decisive, categories_of(table, question.fields), open_to, told


def answers(
    conn: Connection, lake: Path, tables: Sequence[RuleTable], question: Question, subject: SubjectId | None
) -> list[Answer]:
    """The answer under each table: for the one person of a use, or for everybody."""
    if subject is not None:
        return [of_one(conn, table, question, subject) for table in tables]
    return of_everybody(conn, lake, tables, question)


def of_everybody(conn: Connection, lake: Path, tables: Sequence[RuleTable], question: Question) -> list[Answer]:
    """The answer for everybody who was known then, under each table; raises what a rule that goes wrong raises."""
    return [_answer(decided) for decided in each(conn, lake, tables, question)]


def _answer(decided: pa.Table) -> Answer:
    yes = pc.equal(decided["reason"], "permitted")
    no = decided.filter(pc.invert(yes))
    people = decided.filter(yes)["no"].to_numpy()
    return Answer(people, no["no"].to_numpy(), no["reason"].to_numpy(zero_copy_only=False))


def of_one(conn: Connection, table: RuleTable, question: Question, subject: SubjectId) -> Answer:
    """The answer for the one person of a use; nobody's where their evidence has ended."""
    number = numbers.numbers(conn, [subject]).get(subject)
    if number is None:
        return Answer(NOBODY, NOBODY, NOBODY)
    decision = may_under(conn, subject, question, table, "")
    alone = np.array([number], dtype=np.int64)
    if decision.permitted:
        return Answer(alone, NOBODY, NOBODY)
    return Answer(NOBODY, alone, np.array([decision.reason.code], dtype=object))


def _settled(rules: PurposeRules, day: Instant) -> PurposeRules:
    return replace(
        rules, requirements=tuple(_dateless(rule, day) for rule in rules.requirements if _in_force(rule, day))
    )


def _in_force(rule: Requirement, day: Instant) -> bool:
    return (rule.starts is None or rule.starts <= day) and (rule.ends is None or day < rule.ends)


def _dateless(rule: Requirement, day: Instant) -> Requirement:
    exempt = None if rule.exempt is None else _fixed(rule.exempt, day)
    return replace(rule, when=_fixed(rule.when, day), exempt=exempt, starts=None, ends=None)


def _fixed(condition: Condition, day: Instant) -> Condition:
    """The condition with its calendar read on `day`; ages and ends of choices are still of the use's own day."""
    match condition:
        case Every(of):
            return Every(tuple(_fixed(member, day) for member in of))
        case Any(of):
            return Any(tuple(_fixed(member, day) for member in of))
        case Before(instant):
            return Fixed(int(day < instant))
        case NotBefore(instant):
            return Fixed(int(day >= instant))
    return condition
