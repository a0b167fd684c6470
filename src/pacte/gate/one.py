"""Decide for one person. Reads facts, releases nothing.

A person unknown, a purpose unknown, a missing fact, a rule that errors: each denies and says which.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from pacte.consent import facts as consent
from pacte.consent import state
from pacte.gate import rules as stored
from pacte.gate.questions import complete, facts_read, refuse
from pacte.gate.values import Cited, Decision, Question, Reason
from pacte.kernel.errors import Denied
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import Instant
from pacte.lake import numbers
from pacte.ledger import queries
from pacte.policy.conditions import facts_in
from pacte.policy.rules import decide
from pacte.policy.table import PurposeRules, Requirement, RuleTable
from pacte.policy.vocabulary import STANDING_CHOICES, STATEMENTS

BASIS_ARTICLES = {
    "consent": "Art. 6(1)(a)",
    "contract": "Art. 6(1)(b)",
    "legal_obligation": "Art. 6(1)(c)",
    "vital_interests": "Art. 6(1)(d)",
    "public_task": "Art. 6(1)(e)",
    "legitimate_interests": "Art. 6(1)(f)",
}
"""What a permitted use stands on. Source: GDPR Art. 6(1)."""

NO_RULES = "0" * 64
"""Stands for the digest of the rule table where no policy is in force."""


def may(conn: Connection, subject: SubjectId | None, question: Question, rules: str | None = None) -> Decision:
    """Whether this person's fields may be used. `rules` names a stored table; else the one in force is taken."""
    digest = rules or _rules_in_force(conn, question)
    if digest is None:
        return _denied("unknown_purpose", question, NO_RULES, subject)
    return may_under(conn, subject, question, stored.load(conn, digest), digest)


def may_under(
    conn: Connection, subject: SubjectId | None, question: Question, table: RuleTable, digest: str
) -> Decision:
    """The same under a given table, known by `digest`: the preview of a policy decides by one that is not stored."""
    question = complete(table, question)
    try:
        refuse(table, question)
    except Denied as fault:
        code = "undeclared_field" if fault.code.startswith("undeclared") else fault.code
        return _denied(code, question, digest, subject)
    number = None if subject is None else numbers.numbers(conn, [subject]).get(subject)
    if subject is None or number is None:
        return _denied("unknown_person", question, digest, subject)
    if queries.person_since(conn, subject, state.applied(conn)):
        return _denied("facts_missing", question, digest, subject)
    try:
        return _decide(conn, table, question, digest, subject, number)
    except Exception:  # fail closed: whatever goes wrong while deciding is a refusal, never a permit
        return _denied("rule_error", question, digest, subject)


def _rules_in_force(conn: Connection, question: Question) -> str | None:
    found = stored.in_force(conn, question.as_of, question.known)
    return None if found is None else found[1]


def facts_of(conn: Connection, table: RuleTable, question: Question, number: int) -> Mapping[str, Any]:
    """Every fact that the rules may read to answer a completed question about one person."""
    told = consent.told_notices(conn, number, question.as_of, question.known)
    covered = told_categories(table, question.purpose, told)
    facts = _facts(conn, table, question, number, told)
    return {**facts, "told.requested": _told(covered, table, question.fields)}


def _facts(conn: Connection, table: RuleTable, question: Question, number: int, told: set[str]) -> Mapping[str, Any]:
    """Every fact but `told.requested`; `told` are the notices that the person was told."""
    standing = consent.standing_in(facts_read(table.purposes[question.purpose]))
    facts: dict[str, Any] = dict(consent.facts_at(conn, number, *_about(question), standing))
    said = told_statements(table, question.purpose, told)
    facts |= {f"told.{statement}": int(statement in said) for statement in STATEMENTS}
    facts["use.channel"] = question.channel
    facts["use.recipient"] = question.recipient
    facts["use.stopped"] = int(stored.stopped(conn, question.purpose, question.as_of, question.known))
    facts["use.in_force"] = 1
    return facts


def _about(question: Question) -> tuple[str, str, str, Instant, int]:
    return question.purpose, question.channel, question.recipient, question.as_of, question.known


def _decide(
    conn: Connection, table: RuleTable, question: Question, digest: str, subject: SubjectId, number: int
) -> Decision:
    purpose = table.purposes[question.purpose]
    told = consent.told_notices(conn, number, question.as_of, question.known)
    facts = _facts(conn, table, question, number, told)
    covered = told_categories(table, question.purpose, told)
    fields: dict[str, str] = {}
    for name in question.fields:
        own = {**facts, "told.requested": _told(covered, table, (name,))}
        fields[name] = decide(purpose, own, question.as_of).reason
    whole = decide(purpose, {**facts, "told.requested": _told(covered, table, question.fields)}, question.as_of)
    return Decision(
        permitted=whole.effect == "permit",
        reason=reason_of(table, question.purpose, whole.reason, whole.requirement),
        question=question,
        rules=digest,
        fields=fields,
        failing=tuple(whole.needed),
        others=tuple(_reason(rule) for rule in purpose.requirements if rule.id in whole.needed[1:]),
        cited=_cited(conn, number, _concerned(purpose, question, whole.requirement)),
        subject=subject,
    )


def told_categories(table: RuleTable, purpose: str, told: set[str]) -> set[str] | None:
    """The categories that these notices told of for `purpose`; `None` when none of them names the purpose."""
    naming = [
        table.notices[digest].purposes[purpose]
        for digest in told
        if digest in table.notices and purpose in table.notices[digest].purposes
    ]
    return {category for categories in naming for category in categories} if naming else None


def told_statements(table: RuleTable, purpose: str, told: set[str]) -> set[str]:
    """What else, beside data, these notices say of `purpose`: words of `vocabulary.STATEMENTS`."""
    return {word for digest in told if digest in table.notices for word in table.notices[digest].says.get(purpose, ())}


def _told(covered: set[str] | None, table: RuleTable, fields: tuple[str, ...]) -> int:
    return int(covered is not None and categories_of(table, fields) <= covered)


def categories_of(table: RuleTable, fields: tuple[str, ...]) -> set[str]:
    """The data categories of `dataset.field` names; an undeclared name raises `KeyError`, which denies."""
    found = set()
    for name in fields:
        dataset, _, field = name.partition(".")
        declared: Any = table.datasets[dataset]
        found.add(str({**declared.get("aggregates", {}), **declared["fields"]}[field]["category"]))
    return found


def reason_of(table: RuleTable, purpose: str, code: str, requirement: str | None) -> Reason:
    """The reason with its article and source, taken from the stored table."""
    if code == "permitted":
        basis = table.purposes[purpose].basis
        return Reason(code, f"basis:{basis}", BASIS_ARTICLES[basis], "Regulation (EU) 2016/679", "2018-05-25", "gdpr")
    for candidate in table.purposes[purpose].requirements:
        if candidate.id == requirement:
            return _reason(candidate)
    return Reason(code)


def _reason(rule: Requirement) -> Reason:
    checked = bool(rule.checked)
    cited = (rule.article, rule.source, rule.since, rule.pack)
    return Reason(rule.otherwise, rule.id, *cited, checked, rule.says, rule.short)


def _concerned(rules: PurposeRules, question: Question, failed: str | None) -> Question:
    """The question whose choice a decision stands on: that of a standing choice where a rule about one said no."""
    read = [facts_in(rule.condition) for rule in rules.requirements if rule.id == failed]
    standing = consent.standing_in(frozenset().union(*read))
    return replace(question, purpose=STANDING_CHOICES[standing[0]]) if standing else question


def _cited(conn: Connection, number: int, question: Question) -> Cited | None:
    found = consent.cited(conn, number, *_about(question))
    if found is None:
        return None
    entry, status, since, grade, notice, expires = found
    return Cited(entry, status, Instant(since), grade, notice or "", None if expires is None else Instant(expires))


def _denied(code: str, question: Question, rules: str, subject: SubjectId | None) -> Decision:
    return Decision(False, Reason(code), question, rules, dict.fromkeys(question.fields, code), subject=subject)
