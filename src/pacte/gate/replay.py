"""Replay: take a decision again as it was taken, and say what we would answer with what we know today.

*By what right did you use this person's data on that day?* has two answers where they differ: by what was known then
(the ledger at that size), and by what was true then (the same instant, seen with everything learnt since).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from pacte.gate import rules as stored
from pacte.gate.one import may
from pacte.gate.use import is_whole, was_in
from pacte.gate.values import Decision, Question, Reason
from pacte.kernel.ids import SubjectId, UseId
from pacte.kernel.instant import Instant
from pacte.lake import numbers
from pacte.ledger import log, queries


@dataclass(frozen=True, slots=True)
class Answers:
    """The two answers about one person, one purpose and one instant.

    `by_known` is the decision by what was known then, `by_true` by everything learnt since; `between` names the uses
    of this purpose that included the person although, as we know today, they should not have.
    """

    by_known: Decision
    by_true: Decision
    between: tuple[tuple[int, UseId], ...] = ()

    @property
    def differ(self) -> bool:
        """Whether something learnt later changes the answer."""
        return (self.by_known.permitted, self.by_known.reason.code) != (
            self.by_true.permitted,
            self.by_true.reason.code,
        )


@dataclass(frozen=True, slots=True)
class Replay:
    """A recorded use taken again for one person.

    `recorded` says whether the person stands in the recorded set; `matches` whether the decision, taken again from the
    stored rules and the facts of that ledger size, agrees with it; both are `None` once the evidence, or the set,
    has reached its end.
    """

    index: int
    use: UseId
    recorded: bool | None
    answers: Answers
    matches: bool | None


def question_of(entry: Mapping[str, Any]) -> Question:
    """The question that a `use` entry answered."""
    return Question(
        entry["purpose"],
        Instant(entry["as_of"]),
        entry["known"],
        tuple(entry["fields"]),
        entry.get("channel", ""),
        entry.get("recipient", ""),
    )


def replay(conn: Connection, use: UseId, subject: SubjectId) -> Replay:
    """Take a recorded use again for one person; raises `NotFound` for an unknown use."""
    index, entry = queries.use(conn, use)
    answers = at(conn, subject, question_of(entry), entry["rules"])
    if answers.by_known.reason.code == "evidence_expired" or not is_whole(conn, entry):
        return Replay(index, use, None, answers, None)
    recorded = was_in(conn, entry, subject)
    return Replay(index, use, recorded, answers, answers.by_known.permitted == recorded)


def at(conn: Connection, subject: SubjectId, question: Question, rules: str | None = None) -> Answers:
    """The two answers to a question about the past; the second is seen from the ledger's present head."""
    answers = both(conn, subject, question, rules)
    if not answers.differ:
        return answers
    return replace(answers, between=tuple(_between(conn, subject, question, answers.by_true)))


def both(conn: Connection, subject: SubjectId, question: Question, rules: str | None = None) -> Answers:
    """The two answers alone, as `at` gives them, without the uses in between."""
    if evidence_ended(conn, subject):
        gone = Decision(False, Reason("evidence_expired"), question, rules or "", {}, subject=subject)
        return Answers(gone, gone)
    if rules is None:
        # The law of the day decides both answers: what we learnt later are facts, not a policy published since.
        known_rules = stored.in_force(conn, question.as_of, question.known)
        rules = None if known_rules is None else known_rules[1]
    by_known = may(conn, subject, question, rules)
    by_true = may(conn, subject, replace(question, known=log.head(conn).size), rules)
    return Answers(by_known, by_true)


def known_at(conn: Connection, as_of: Instant) -> int:
    """How many entries the ledger held at an instant."""
    return queries.size_at(conn, as_of)


def evidence_ended(conn: Connection, subject: SubjectId) -> bool:
    """Whether this person's evidence reached its declared end; an entry says since when."""
    if numbers.numbers(conn, [subject]).get(subject) is not None:
        return False
    return any(entry.get("step") == "evidence_ended" for _, entry in queries.about(conn, subject))


def _between(conn: Connection, subject: SubjectId, question: Question, true: Decision) -> list[tuple[int, UseId]]:
    """Uses of this purpose, from that instant on, that had the person before we learnt what changed the answer."""
    if true.permitted:
        return []
    found = []
    for index, entry in queries.uses_near(conn, subject):
        if entry["purpose"] != question.purpose or entry["as_of"] < question.as_of:
            continue
        use = UseId(entry["use"])
        if not was_in(conn, entry, subject):
            continue
        again = replace(question_of(entry), known=log.head(conn).size)
        if not may(conn, subject, again, entry["rules"]).permitted:
            found.append((index, use))
    return found
