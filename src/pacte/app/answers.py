"""Answers for other systems: one person or many at once, now or as of another instant, with what a yes asks for.

Everything is answered from one snapshot of the records. Nothing is released, and a look into the past is recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sqlalchemy import Connection

from pacte.app.ask import ACCOUNTABILITY
from pacte.app.overview import OBJECTABLE
from pacte.app.people import only, people_of_all
from pacte.gate import one, questions, use
from pacte.gate import replay as replaying
from pacte.gate import rules as stored
from pacte.gate.permit import LIFETIME_ONE
from pacte.gate.values import Decision, Question
from pacte.kernel import given
from pacte.kernel.errors import BadInput, PacteError
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import Instant
from pacte.ledger import log
from pacte.policy.table import PurposeRules

if TYPE_CHECKING:
    from pacte.app.house import House

MOST = 1_000
"""Questions in one call."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One question about one person; `as_of` and `known` (a ledger size) are the present where they are absent."""

    person: str
    purpose: str
    fields: tuple[str, ...] = ()
    channel: str = ""
    recipient: str = ""
    as_of: Instant | None = None
    known: int | None = None

    @property
    def past(self) -> bool:
        """Whether it is about another instant, or about what was known at one."""
        return self.as_of is not None or self.known is not None


@dataclass(frozen=True, slots=True)
class Obligation:
    """What whoever acts on a yes must do: a code, and the instant by which, where there is one.

    `declare_use`: the answer releases nothing; have the use recorded. `ask_again`: the answer may have changed after
    `before`. `offer_withdrawal` (GDPR Art. 7(3)) and `offer_objection` (Art. 21(2), 21(4)): with every message.
    """

    code: Literal["declare_use", "ask_again", "offer_withdrawal", "offer_objection"]
    before: Instant | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A decision, and what goes with it if it is a yes."""

    decision: Decision
    obligations: tuple[Obligation, ...] = ()


def answer(house: House, asked: Asked, by: str) -> Answer:
    """The answer to one question. Raises `BadInput` for an instant to come, `Conflict` for a shared identifier."""
    found = answers(house, [asked], by)[0]
    if isinstance(found, PacteError):
        raise found
    return found


def answers(house: House, asked: Sequence[Asked], by: str) -> list[Answer | PacteError]:
    """The answer to each question, in their order; what is wrong with one is its own answer and no other's."""
    for question in asked:
        _check(question)
    if any(question.past for question in asked):
        with house.writing() as conn:
            return _answers(house, conn, asked, by)
    with house.reading() as conn:
        return _answers(house, conn, asked, by)


def _answers(house: House, conn: Connection, asked: Sequence[Asked], by: str) -> list[Answer | PacteError]:
    people = people_of_all(house, conn, [question.person for question in asked])
    now, size = house.present(conn), log.head(conn).size
    found: list[Answer | PacteError] = []
    for question in asked:
        try:
            behind = people[question.person]
            if isinstance(behind, BadInput):
                raise behind
            found.append(_answer(house, conn, question, only(question.person, behind), (now, size), by))
        except PacteError as error:
            found.append(error)
    return found


def _answer(
    house: House, conn: Connection, asked: Asked, subject: SubjectId | None, present: tuple[Instant, int], by: str
) -> Answer:
    now, size = present
    as_of, known = now if asked.as_of is None else asked.as_of, size if asked.known is None else asked.known
    if as_of > now or known > size:
        raise BadInput("an answer about what is to come: expected an instant that is past, a size that the ledger has")
    question = Question(asked.purpose, as_of, known, asked.fields, asked.channel, asked.recipient)
    if asked.past and subject is not None:
        if replaying.evidence_ended(conn, subject):
            return Answer(replaying.at(conn, subject, question).by_known)
        use.look(conn, subject, ACCOUNTABILITY, "explain", house.clock(), house.signer, by)
    decision = one.may(conn, subject, question)
    return Answer(decision, () if asked.past or not decision.permitted else obligations(conn, decision))


def obligations(conn: Connection, decision: Decision) -> tuple[Obligation, ...]:
    """What a yes asks of whoever acts on it now."""
    table = stored.load(conn, decision.rules)
    rules = table.purposes[decision.question.purpose]
    found = [Obligation("declare_use"), Obligation("ask_again", _ends(conn, decision, rules))]
    found += [Obligation("offer_withdrawal")] if rules.basis == "consent" else []
    weighed = rules.basis in OBJECTABLE or rules.kind == "direct_marketing"
    found += [Obligation("offer_objection")] if weighed and rules.basis != "consent" else []
    return tuple(found)


def _ends(conn: Connection, decision: Decision, rules: PurposeRules) -> Instant:
    """How long an answer may stand unasked: as a permit for one person, or until what it stands on ends."""
    now = decision.question.as_of
    turn = questions.turns(rules, now)
    ends = [now + LIFETIME_ONE, *([] if turn is None else [turn])]
    ends += [row.effective for row in stored.scheduled(conn, now)[:1]]
    ends += [decision.cited.expires] if decision.cited and decision.cited.expires else []
    return Instant(min(ends))


def _check(asked: Asked) -> None:
    for name in ("purpose", "channel", "recipient"):
        given.word(getattr(asked, name), name)
    given.names(asked.fields, "fields")
