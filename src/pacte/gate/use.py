"""Permits: decide, record, only then release.

Both verbs run inside the caller's write transaction, so that nobody can slip a withdrawal between the decision and its
record: one person is decided there by the ledger's head; a population is decided before, and then looked at again for
what was said since (see `proposal`). INVARIANT: the caller hands the permit on after COMMIT only
(`app.House` does), therefore nothing is released that is not recorded.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, delete, select

from pacte.gate import rules as stored
from pacte.gate.one import categories_of, may_under
from pacte.gate.permit import LIFETIME, LIFETIME_ONE, Permit, PermitSet, _permit, _permit_set
from pacte.gate.proposal import Proposal, declared
from pacte.gate.questions import complete, turns
from pacte.gate.values import Decision, Funnel, Question, UseRecord
from pacte.kernel import db
from pacte.kernel.errors import BadInput
from pacte.kernel.ids import SubjectId, UseId, new_use_id
from pacte.kernel.instant import Instant
from pacte.ledger import log, membership, queries
from pacte.ledger.entries import BUCKETS
from pacte.ledger.note import Signer
from pacte.policy.table import RuleTable


@dataclass(frozen=True, slots=True)
class Act:
    """Who uses data, and the clock of the transaction: read once, inside it.

    `clock` is what the machine says; `present` is never before the ledger's last entry, and is what the use is dated.
    """

    by: str
    signer: Signer
    clock: Instant
    present: Instant


def permit_set(conn: Connection, proposal: Proposal, act: Act, until: Instant) -> PermitSet:
    """Record a proposed use, and return the set that may be used. The caller has seen that the proposal stands.

    The permit counts from the instant that was decided about. `until` is the declared end of the sealed set.
    """
    question, table, tree = proposal.question, proposal.table, proposal.set
    about = {"mode": "set", "set": tree.commitment(), "until": until}
    decided = replace(act, present=question.as_of)
    term = _term(conn, table, question.purpose, decided, LIFETIME)
    rules = (proposal.policy, proposal.rules)
    entry = _entry(question, proposal.verdicts.funnel, rules, table, tree.use, act, term, about)
    index = log.append(conn, [entry], act.clock, act.signer).first_index
    db.insert(conn, "gate_use_set", ("use", "bucket", "members"), [(tree.use, *held) for held in _buckets(tree)])
    record = UseRecord(
        tree.use, index, question, proposal.verdicts.funnel, proposal.rules, proposal.policy, tree.root.hex()
    )
    return _permit_set(record, _capacity(table, question.purpose), term, proposal.verdicts.permitted)


@dataclass(frozen=True, slots=True)
class Intended:
    """A permitted use of one person that is not recorded yet: it opens nothing before it is."""

    entry: Mapping[str, Any]
    """The `use` entry, to be recorded in the transaction that decided."""
    _use: UseId
    _question: Question
    _rules: tuple[str, str]
    _capacity: tuple[str, str, str]
    _term: tuple[Instant, Instant]
    _subject: SubjectId

    def for_message(self, campaign: str, message: str) -> Intended:
        """The same use, to write to the person: of which campaign (identifier), with which message (digest)."""
        return replace(self, entry={**self.entry, "campaign": campaign, "message": message})

    def recorded(self, index: int) -> Permit:
        """The permit, once the entry is durable under this ledger index; whoever records it calls this after COMMIT."""
        policy, digest = self._rules
        record = UseRecord(self._use, index, self._question, _ALONE, digest, policy)
        return _permit(record, self._capacity, self._term, self._subject)


_ALONE = Funnel(1, {"permitted": 1}, {})


def intend_one(
    conn: Connection, subject: SubjectId, question: Question, act: Act, number: int | None = None
) -> Intended | Decision:
    """Decide for one person at the ledger's head; a permitted use is still to be recorded, in this transaction.

    `number` is the person's, where the caller has looked it up in this transaction.
    """
    return intend_each(conn, {subject: number}, question, act)[subject]


def intend_each(
    conn: Connection, people: Mapping[SubjectId, int | None], question: Question, act: Act
) -> dict[SubjectId, Intended | Decision]:
    """The same for several people, each by themselves, under one look at the rules: nothing changes in between."""
    (policy, digest), table = declared(conn, question)
    question = complete(table, question)
    capacity = _capacity(table, question.purpose)
    term = _term(conn, table, question.purpose, act, LIFETIME_ONE)
    answers: dict[SubjectId, Intended | Decision] = {}
    for subject, number in people.items():
        decision = may_under(conn, subject, question, table, digest, number)
        if not decision.permitted:
            answers[subject] = decision
            continue
        use = new_use_id()
        about = {"mode": "one", "subject": subject}
        entry = _entry(question, _ALONE, (policy, digest), table, use, act, term, about)
        answers[subject] = Intended(entry, use, question, (policy, digest), capacity, term, subject)
    return answers


def permitted_before(
    conn: Connection, subject: SubjectId, question: Question, index: int, entry: Mapping[str, Any]
) -> Permit | None:
    """The permit that a recorded `use` entry of one person gave, with its first term; `None` if it was another use.

    The caller asks again for the same: nothing is decided, and the permit ends when it would have ended.
    """
    table = stored.load(conn, entry["rules"])
    asked = complete(table, question)
    wanted = (subject, asked.purpose, sorted(asked.fields), asked.channel, asked.recipient)
    about = (
        entry.get("subject"),
        entry["purpose"],
        entry["fields"],
        entry.get("channel", ""),
        entry.get("recipient", ""),
    )
    if wanted != about:
        return None
    issued = Instant(entry["as_of"])
    then = replace(asked, as_of=issued, known=entry["known"])
    record = UseRecord(UseId(entry["use"]), index, then, _ALONE, entry["rules"], entry["policy"])
    return _permit(record, _capacity(table, asked.purpose), (issued, Instant(entry["expires"])), subject)


def permit_one(conn: Connection, subject: SubjectId, question: Question, act: Act) -> Permit | Decision:
    """Decide for one person at the ledger's head; a permitted use is recorded and gives a `Permit`."""
    intended = intend_one(conn, subject, question, act)
    if isinstance(intended, Decision):
        return intended
    return intended.recorded(log.append(conn, [intended.entry], act.clock, act.signer).first_index)


def look(conn: Connection, subject: SubjectId, purpose: str, reason: str, now: Instant, signer: Signer, by: str) -> int:
    """Record that somebody looks at one person's record under a purpose of the house; returns the ledger index."""
    role = stored.role(conn, now)
    entry = {"kind": "look", "subject": subject, "purpose": purpose, "reason": reason, "by": by, **role}
    return log.append(conn, [entry], now, signer).first_index


def bucket(conn: Connection, use: UseId, number: int) -> bytes:
    """The members of one bucket of a recorded use, 16 bytes each, sorted; empty when the bucket is."""
    row = conn.execute(
        select(stored.use_sets.c.members).where(stored.use_sets.c.use == use, stored.use_sets.c.bucket == number)
    ).scalar()
    return bytes(row or b"")


def sealed_set(conn: Connection, use: UseId) -> membership.MembershipTree:
    """The recorded set of a use, read back from its buckets."""
    rows = conn.execute(
        select(stored.use_sets.c.members).where(stored.use_sets.c.use == use).order_by(stored.use_sets.c.bucket)
    )
    return membership.from_values(use, b"".join(row.members for row in rows))


def is_as_recorded(conn: Connection, entry: Mapping[str, Any]) -> bool:
    """Whether the stored set of a use still has the root that its `use` entry committed to.

    A use of one person has no set; neither has one whose set has reached its declared end.
    """
    if entry["mode"] == "one":
        return True
    if not has_set(conn, UseId(entry["use"])):
        return bool(entry["set"]["size"] == 0 or entry["until"] <= log.head(conn).time)
    try:
        return bool(sealed_set(conn, UseId(entry["use"])).commitment() == entry["set"])
    except BadInput:
        return False


def is_whole(conn: Connection, entry: Mapping[str, Any]) -> bool:
    """Whether it can still be told who was in a recorded use: its set is stored, is empty, or it is of one person."""
    return entry["mode"] == "one" or entry["set"]["size"] == 0 or has_set(conn, UseId(entry["use"]))


def has_set(conn: Connection, use: UseId) -> bool:
    """Whether anything of the use's set is stored: an empty set, or one whose end has come, has no rows."""
    return (
        conn.execute(select(stored.use_sets.c.bucket).where(stored.use_sets.c.use == use).limit(1)).first() is not None
    )


def was_in(conn: Connection, entry: Mapping[str, Any], subject: SubjectId) -> bool:
    """Whether a recorded use (its `use` entry) had this person."""
    if entry["mode"] == "one":
        return bool(entry["subject"] == subject)
    member = membership.member_value(entry["use"], subject)
    return member in _each(bucket(conn, entry["use"], membership.bucket_of(member)))


def had(
    conn: Connection, entries: Collection[Mapping[str, Any]], subject: SubjectId
) -> tuple[frozenset[UseId], frozenset[UseId]]:
    """Which of these recorded uses had this person, and of which nobody can say it any more; one look-up for all."""
    alone = {UseId(entry["use"]) for entry in entries if entry["mode"] == "one" and entry["subject"] == subject}
    members = {
        UseId(entry["use"]): membership.member_value(entry["use"], subject)
        for entry in entries
        if entry["mode"] != "one" and entry["set"]["size"]
    }
    asked = [f"{use}{membership.bucket_of(member)}" for use, member in members.items()]
    place = "s.use = substr(asked.value, 1, 32) AND s.bucket = CAST(substr(asked.value, 33) AS integer)"
    sql = f"SELECT s.use, s.members FROM {db.among(conn, 'text')} AS asked CROSS JOIN gate_use_set AS s WHERE {place}"
    held: dict[UseId, bytes] = dict(db.fetch(conn, sql, (db.listed(conn, asked),))) if asked else {}
    found = {use for use, run in held.items() if members[use] in _each(bytes(run))}
    # A bucket that is not stored is an empty one, or of a set that has reached its end.
    unsure = [use for use in members if use not in held]
    return frozenset(alone | found), frozenset(unsure) - _stored(conn, unsure)


def _each(run: bytes) -> Iterator[bytes]:
    return (run[i : i + membership.VALUE] for i in range(0, len(run), membership.VALUE))


def _stored(conn: Connection, uses: Collection[UseId]) -> frozenset[UseId]:
    """Of which of these uses a set is stored."""
    held = "SELECT 1 FROM gate_use_set AS s WHERE s.use = asked.value"
    sql = f"SELECT asked.value FROM {db.among(conn, 'text')} AS asked WHERE EXISTS ({held})"
    return frozenset(UseId(row[0]) for row in db.fetch(conn, sql, (db.listed(conn, uses),))) if uses else frozenset()


def end_sets(conn: Connection, now: Instant) -> int:
    """Delete the sealed sets whose declared end has come; returns of how many uses."""
    sets = queries.uses_of_sets(conn, 0, log.head(conn).size)
    ended = [entry["use"] for _, entry in sets if int(str(entry["until"])) <= now]
    held = [use for use in ended if has_set(conn, UseId(str(use)))]
    for use in held:
        conn.execute(delete(stored.use_sets).where(stored.use_sets.c.use == use))
    return len(held)


def _entry(
    question: Question,
    funnel: Funnel,
    rules: tuple[str, str],
    table: RuleTable,
    use: UseId,
    act: Act,
    term: tuple[Instant, Instant],
    about: Mapping[str, Any],
) -> dict[str, Any]:
    """The `use` entry; what it is about (a set, or one person) is in `about`."""
    entry: dict[str, Any] = {
        "kind": "use",
        "use": use,
        "purpose": question.purpose,
        "fields": sorted(question.fields),
        "categories": sorted(categories_of(table, question.fields)),
        "as_of": question.as_of,
        "known": question.known,
        "policy": rules[0],
        "rules": rules[1],
        "counts": dict(funnel.counts),
        "candidates": funnel.candidates,
        "domain": table.purposes[question.purpose].domain,
        "expires": term[1],
        "by": act.by,
        **stored.role_of(table),
        **about,
    }
    entry |= {"channel": question.channel} if question.channel else {}
    entry |= {"recipient": question.recipient} if question.recipient else {}
    return entry


def _term(conn: Connection, table: RuleTable, purpose: str, act: Act, lifetime: int) -> tuple[Instant, Instant]:
    """When a permit is issued and when it ends: after its lifetime, or when what it stands on ends before.

    That is a rule that begins or ends by the calendar, or another policy that takes effect.
    """
    turn = turns(table.purposes[purpose], act.present)
    ends = [act.present + lifetime, *([] if turn is None else [turn])]
    ends += [row.effective for row in stored.scheduled(conn, act.present)[:1]]
    return act.present, Instant(min(ends))


def _capacity(table: RuleTable, purpose: str) -> tuple[str, str, str]:
    controller = table.controller
    return str(controller["role"]), str(controller.get("behalf", "")), table.purposes[purpose].domain


def _buckets(tree: membership.MembershipTree) -> Iterator[tuple[int, bytes]]:
    """The buckets that hold somebody."""
    for number in range(BUCKETS):
        if held := tree.bucket(number):
            yield number, held
