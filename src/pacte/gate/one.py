"""Decide for one person. Reads facts, releases nothing.

A person unknown, a purpose unknown, a missing fact, a rule that errors: each denies and says which.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from sqlalchemy import Connection

from pacte.consent import facts as consent
from pacte.gate import rules as stored
from pacte.gate.missing import missing
from pacte.gate.prepared import Prepared, categories_of, prepared
from pacte.gate.questions import complete
from pacte.gate.values import Cited, Decision, Question, Reason
from pacte.kernel.errors import Denied
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import Instant
from pacte.lake import numbers
from pacte.ledger import queries
from pacte.policy.rules import Outcome
from pacte.policy.table import RuleTable

__all__ = ["NO_RULES", "categories_of", "facts_of", "may", "may_under"]

NO_RULES = "0" * 64
"""Stands for the digest of the rule table where no policy is in force."""


def may(conn: Connection, subject: SubjectId | None, question: Question, rules: str | None = None) -> Decision:
    """Whether this person's fields may be used. `rules` names a stored table; else the one in force is taken."""
    if rules is not None:
        return may_under(conn, subject, question, stored.load(conn, rules), rules)
    found = stored.load_in_force(conn, question.as_of, question.known)
    if found is None:
        return _denied("unknown_purpose", question, NO_RULES, subject)
    _, digest, table = found
    return may_under(conn, subject, question, table, digest)


def may_under(
    conn: Connection,
    subject: SubjectId | None,
    question: Question,
    table: RuleTable,
    digest: str,
    number: int | None = None,
) -> Decision:
    """The same under a given table, known by `digest`: the preview of a policy decides by one that is not stored.

    `number` is the person's, where the caller has looked it up in this transaction.
    """
    if question.purpose not in table.purposes:
        return _denied("unknown_purpose", question, digest, subject)
    question = complete(table, question)
    asked = prepared(table, question.purpose)
    try:
        asked.refuse(question)
    except Denied as fault:
        code = "undeclared_field" if fault.code.startswith("undeclared") else fault.code
        return _denied(code, question, digest, subject)
    if number is None and subject is not None:
        number = numbers.number(conn, subject)
    if subject is None or number is None:
        return _denied("unknown_person", question, digest, subject)
    try:
        seen = _seen(conn, asked, question, number)
        if queries.person_since(conn, subject, seen.applied):
            return _denied("facts_missing", question, digest, subject)
        return _decide(conn, asked, question, digest, subject, seen)
    except Exception:  # fail closed: whatever goes wrong while deciding is a refusal, never a permit
        return _denied("rule_error", question, digest, subject)


def facts_of(conn: Connection, table: RuleTable, question: Question, number: int) -> Mapping[str, str | int | None]:
    """Every fact that the rules may read to answer a completed question about one person."""
    asked = prepared(table, question.purpose)
    return _facts(conn, asked, question, _seen(conn, asked, question, number))


def _seen(conn: Connection, asked: Prepared, question: Question, number: int) -> consent.Seen:
    about = (question.purpose, question.channel, question.recipient, question.as_of, question.known)
    return consent.seen(conn, number, *about, asked.standing)


def _facts(conn: Connection, asked: Prepared, question: Question, seen: consent.Seen) -> dict[str, str | int | None]:
    facts = seen.facts(question.purpose, asked.standing)
    facts |= asked.told(seen.told, question.fields)
    facts["use.channel"] = question.channel
    facts["use.recipient"] = question.recipient
    facts["use.stopped"] = int(stored.stopped(conn, question.purpose, question.as_of, question.known))
    facts["use.in_force"] = 1
    return facts


def _decide(
    conn: Connection, asked: Prepared, question: Question, digest: str, subject: SubjectId, seen: consent.Seen
) -> Decision:
    facts = _facts(conn, asked, question, seen)
    whole = asked.reader.decide(facts, question.as_of)
    verdict = asked.verdict(whole)
    return Decision(
        permitted=verdict.permitted,
        reason=verdict.reason,
        question=question,
        rules=digest,
        fields=_each(asked, question, seen, facts, whole),
        failing=verdict.failing,
        others=verdict.others,
        also=partial(missing, asked, facts, question.as_of, whole),
        cited=_cited(seen, verdict.cited),
        subject=subject,
    )


def _each(
    asked: Prepared, question: Question, seen: consent.Seen, facts: Mapping[str, str | int | None], whole: Outcome
) -> dict[str, str]:
    """The reason for each field by itself: fields differ in nothing but whether the person was told of them."""
    found = {facts["told.requested"]: whole.reason}
    covered = asked.covered(seen.told)
    fields: dict[str, str] = {}
    for name in question.fields:
        told = asked.covers(covered, (name,))
        if told not in found:
            found[told] = asked.reader.decide({**facts, "told.requested": told}, question.as_of).reason
        fields[name] = found[told]
    return fields


def _cited(seen: consent.Seen, purpose: str) -> Cited | None:
    found = seen.cited(purpose)
    if found is None:
        return None
    entry, status, since, grade, notice, expires = found
    return Cited(entry, status, Instant(since), grade, notice or "", None if expires is None else Instant(expires))


def _denied(code: str, question: Question, rules: str, subject: SubjectId | None) -> Decision:
    return Decision(False, Reason(code), question, rules, dict.fromkeys(question.fields, code), subject=subject)
