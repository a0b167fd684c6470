"""Permits: decide, record, only then release.

Both verbs run inside the caller's write transaction, so that the facts they read are the ledger's head and nobody can
slip a withdrawal between the decision and its record. INVARIANT: the caller hands the permit on after COMMIT only
(`app.House` does), therefore nothing is released that is not recorded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from pacte.gate import rules as stored
from pacte.gate.one import categories_of, may
from pacte.gate.permit import LIFETIME, LIFETIME_ONE, Permit, PermitSet, _permit, _permit_set
from pacte.gate.population import decide_set
from pacte.gate.questions import HOUSE, complete, refuse, turns
from pacte.gate.values import Decision, Funnel, Question, UseRecord
from pacte.kernel.errors import BadInput, Denied
from pacte.kernel.ids import SubjectId, UseId, new_use_id
from pacte.kernel.instant import Instant
from pacte.lake import numbers
from pacte.ledger import log, membership
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


def permit_set(
    conn: Connection, lake: Path, question: Question, act: Act, until: Instant, *, proofs: bool = False
) -> PermitSet:
    """Decide for everybody at the ledger's head, record the use, and return the set that may be used.

    `until` is the declared end of the sealed set. Raises `Denied` when the whole use is impossible: no policy in force,
    unknown purpose, undeclared field, channel left out, a purpose of the house's own.
    """
    if question.purpose.startswith(HOUSE):
        raise Denied("unknown_purpose", "the house's own purposes are about one person at a time")
    (policy, digest), table = declared(conn, question)
    question = complete(table, question)
    verdicts = decide_set(conn, lake, table, question, proofs=proofs)
    use = new_use_id()
    ids = numbers.subjects(conn, verdicts.permitted.to_pylist())
    tree = membership.build(use, b"".join(bytes.fromhex(subject) for subject in ids.values()))
    about = {"mode": "set", "set": tree.commitment(), "until": until}
    term = _term(conn, table, question.purpose, act, LIFETIME)
    index = _record(conn, question, verdicts.funnel, (policy, digest), table, use, act, term, about)
    rows = [{"use": use, "bucket": number, "members": held} for number, held in _buckets(tree)]
    if rows:
        conn.execute(insert(stored.use_sets), rows)
    record = UseRecord(use, index, question, verdicts.funnel, digest, policy, tree.root.hex())
    return _permit_set(record, _capacity(table, question.purpose), term, verdicts.permitted)


def permit_one(conn: Connection, subject: SubjectId, question: Question, act: Act) -> Permit | Decision:
    """Decide for one person at the ledger's head; a permitted use is recorded and gives a `Permit`."""
    (policy, digest), table = declared(conn, question)
    question = complete(table, question)
    decision = may(conn, subject, question, digest)
    if not decision.permitted:
        return decision
    use = new_use_id()
    funnel = Funnel(1, {"permitted": 1}, {})
    about = {"mode": "one", "subject": subject}
    term = _term(conn, table, question.purpose, act, LIFETIME_ONE)
    index = _record(conn, question, funnel, (policy, digest), table, use, act, term, about)
    record = UseRecord(use, index, question, funnel, digest, policy)
    return _permit(record, _capacity(table, question.purpose), term, subject)


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
    held = bucket(conn, entry["use"], membership.bucket_of(member))
    return any(held[i : i + 16] == member for i in range(0, len(held), 16))


def end_sets(conn: Connection, now: Instant) -> int:
    """Delete the sealed sets whose declared end has come; returns of how many uses."""
    ended = [e["use"] for _, e in log.of_kind(conn, "use") if e["mode"] == "set" and int(str(e["until"])) <= now]
    held = [use for use in ended if has_set(conn, UseId(str(use)))]
    for use in held:
        conn.execute(delete(stored.use_sets).where(stored.use_sets.c.use == use))
    return len(held)


def declared(conn: Connection, question: Question) -> tuple[tuple[str, str], RuleTable]:
    """The policy and rules digests in force, and the table; raises `Denied` for what it does not declare."""
    found = stored.in_force(conn, question.as_of, question.known)
    if found is None:
        raise Denied("unknown_purpose", "no policy is in force at that instant; publish one with `pacte publish`")
    table = stored.load(conn, found[1])
    refuse(table, question)
    return found, table


def _record(
    conn: Connection,
    question: Question,
    funnel: Funnel,
    rules: tuple[str, str],
    table: RuleTable,
    use: UseId,
    act: Act,
    term: tuple[Instant, Instant],
    about: Mapping[str, Any],
) -> int:
    """Append the `use` entry; what it is about (a set, or one person) is in `about`. Returns its ledger index."""
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
    return log.append(conn, [entry], act.clock, act.signer).first_index


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
