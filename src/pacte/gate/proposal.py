"""A use that is decided and not recorded: everybody is asked outside of the write lock, which a use then holds briefly.

A proposal says what was so at one instant, by what was known then. It may still be recorded as long as it stands: the
same rules are in force, and whoever was spoken of since would not be refused now. It opens nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sqlalchemy import Connection

from pacte.consent import snapshot
from pacte.gate import rules as stored
from pacte.gate.one import may
from pacte.gate.population import Verdicts, decide_set
from pacte.gate.questions import HOUSE, complete, refuse, turns
from pacte.gate.values import Question
from pacte.kernel.errors import Denied
from pacte.kernel.ids import UseId, new_use_id
from pacte.kernel.instant import Instant
from pacte.lake import numbers
from pacte.ledger import log, membership, queries
from pacte.policy.table import RuleTable

FEW = 1_000
"""So many people who were spoken of since are asked again one by one; after more, everybody is."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """The answer for everybody, and the sealed set that a record of it would commit to."""

    question: Question
    policy: str
    rules: str
    table: RuleTable
    verdicts: Verdicts
    set: membership.MembershipTree

    @property
    def use(self) -> UseId:
        """The identifier that the use will have."""
        return self.set.use


def declared(conn: Connection, question: Question) -> tuple[tuple[str, str], RuleTable]:
    """The policy and rules digests in force, and the table; raises `Denied` for what it does not declare."""
    found = stored.load_in_force(conn, question.as_of, question.known)
    if found is None:
        raise Denied("unknown_purpose", "no policy is in force at that instant; publish one with `pacte publish`")
    policy, rules, table = found
    refuse(table, question)
    return (policy, rules), table


def propose(conn: Connection, lake: Path, question: Question, *, proofs: bool = False) -> Proposal:
    """Decide for everybody as `conn` sees them. Raises `Denied` when the whole use is impossible."""
    if question.purpose.startswith(HOUSE):
        raise Denied("unknown_purpose", "the house's own purposes are about one person at a time")
    (policy, digest), table = declared(conn, question)
    question = complete(table, question)
    verdicts = decide_set(conn, lake, table, question, proofs=proofs)
    _, ids = snapshot.subjects(conn, lake, verdicts.permitted.to_numpy())
    return Proposal(question, policy, digest, table, verdicts, membership.build(new_use_id(), ids))


def stands(conn: Connection, proposal: Proposal, present: Instant) -> bool:
    """Whether, in this write transaction, recording the proposal would still permit nobody who is refused now."""
    asked, head = proposal.question, log.head(conn).size
    if stored.in_force(conn, present, head) != (proposal.policy, proposal.rules):
        return False
    if stored.stopped(conn, asked.purpose, present, head) != _stopped(conn, asked):
        return False
    turn = turns(proposal.table.purposes[asked.purpose], asked.as_of)
    if turn is not None and turn <= present:
        return False
    if not queries.changed_since(conn, asked.known):
        return True
    spoken_of = queries.subjects_since(conn, asked.known)
    if len(spoken_of) > FEW:
        return False
    known = numbers.numbers(conn, spoken_of)
    if len(known) < len(spoken_of):  # somebody's evidence ended: their number can no longer be looked for
        return False
    permitted = proposal.verdicts.permitted.to_numpy()
    now = replace(asked, as_of=present, known=head)
    return all(
        may(conn, subject, now, proposal.rules).permitted
        for subject, number in known.items()
        if _holds(permitted, number)
    )


def _stopped(conn: Connection, asked: Question) -> bool:
    return stored.stopped(conn, asked.purpose, asked.as_of, asked.known)


def _holds(ascending: np.ndarray, number: int) -> bool:
    place = int(np.searchsorted(ascending, number))
    return place < len(ascending) and int(ascending[place]) == number
