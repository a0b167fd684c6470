"""What a policy without mistakes should still be asked about, as a database explains a query before it runs it.

The law itself stands in the packs alone: a purpose that a law refuses is found by the requirement that nobody can meet.
Findings hinder nothing; whoever publishes decides. Source of the idea: K9db (OSDI 2023), EXPLAIN COMPLIANCE.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from pacte.kernel.i18n import LANGUAGES, day, text
from pacte.kernel.instant import parse_instant
from pacte.policy.citations import cite
from pacte.policy.compile import Compiled
from pacte.policy.conditions import Fixed, facts_in
from pacte.policy.declared import Declared, selected
from pacte.policy.diff import asked_again
from pacte.policy.findings import CODES, Finding, found
from pacte.policy.lint_contact import lint_contact
from pacte.policy.lint_data import lint_data
from pacte.policy.lint_notices import lint_notices
from pacte.policy.lint_purposes import lint_purposes
from pacte.policy.model import PolicyFile
from pacte.policy.packs import BUILT_IN, HOUSE, packs_of
from pacte.policy.satisfy import judged
from pacte.policy.table import Requirement
from pacte.policy.tree import Node

__all__ = ["CODES", "Finding", "lint", "lint_change"]


def lint(compiled: Compiled) -> list[Finding]:
    """Every finding of a policy, by line."""
    readers = (_refused, lint_purposes, lint_contact, lint_data, lint_notices)
    return _ordered(one for reader in readers for one in reader(compiled))


def lint_change(old: Compiled, new: Compiled) -> list[Finding]:
    """What only shows from one policy to the next: a consent that was turned into an interest, or that was outgrown."""
    before, fresh = old.document.purposes, set(new.document.notices) - set(old.document.notices)
    interests = [
        found(new.document, "consent_became_interest", ("purposes", name, "basis"), purpose=name)
        for name, purpose in new.document.purposes.items()
        if purpose.basis == "legitimate_interests" and name in before and before[name].basis == "consent"
    ]
    outgrown = [
        found(new.document, "consent_outgrown", ("purposes", name), purpose=name)
        for name in asked_again(old, new)
        if not fresh & set(new.document.purposes[name].asked_by)
    ]
    return _ordered([*interests, *outgrown])


def _ordered(findings: Iterable[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda finding: (finding.line, list(CODES).index(finding.code), finding.words["en"]))


def _refused(compiled: Compiled) -> Iterator[Finding]:
    """Purposes that their own requirements leave without anybody, or without some."""
    for name in compiled.document.purposes:
        rules = compiled.table.purposes[name].requirements
        for rule in rules:
            if rule.when == Fixed(0):
                code = "refused_for_some" if rule.exempt else "never_permitted"
                yield _of_rule(compiled, code, name, rule, since=rule.since)
        pair, unjudged = judged(rules)
        if pair:
            yield _of_rule(compiled, "contradiction", name, pair[0], other=_says(pair[1]))
        if unjudged:
            yield _of_rule(compiled, "not_judged", name, unjudged[0], other=_says(unjudged[1]))
        if any("told.requested" in facts_in(rule.condition) for rule in rules):
            yield from _untold(name, compiled)


def _untold(name: str, compiled: Compiled) -> Iterator[Finding]:
    notices = compiled.table.notices.values()
    told = {category for notice in notices for category in notice.purposes.get(name, ())}
    missing = [category for category in compiled.table.purposes[name].categories if category not in told]
    if not any(name in notice.purposes for notice in notices):
        yield found(compiled.document, "never_told", ("purposes", name), purpose=name)
    elif missing:
        words = ", ".join(f"`{category}`" for category in missing)
        yield found(compiled.document, "told_in_part", ("purposes", name, "uses"), purpose=name, missing=words)


def _of_rule(
    compiled: Compiled, code: str, purpose: str, rule: Requirement, since: str = "", other: Mapping[str, str] | str = ""
) -> Finding:
    """A finding about a purpose that says the rule, in whose name it speaks, and where to look it up."""
    asks = "law" if rule.pack in BUILT_IN else "house"
    return found(
        compiled.document,
        code,
        ("purposes", purpose),
        purpose=purpose,
        article=rule.article,
        says=_says(rule),
        asks={lang: text("policy", f"asks.{asks}", lang) for lang in LANGUAGES},
        mend={lang: _mended(rule, purpose, compiled.document, lang) for lang in LANGUAGES},
        place={lang: _place(rule, lang) for lang in LANGUAGES},
        since={lang: day(parse_instant(since), lang) if since else "" for lang in LANGUAGES},
        other=other,
    )


def _says(rule: Requirement) -> dict[str, str]:
    """What a rule asks, to be quoted: it is a demand, and no fact about the policy."""
    return {lang: rule.says.get(lang, f"`{rule.id}`").rstrip(" .") for lang in LANGUAGES}


# What a rule asks of the policy → where the policy says it.
_KEYS = {
    "balancing": "balancing",
    "ground": "ground",
    "explicit": "explicit: yes",
    "claims": "exceptions",
    "in_return": "in_return",
    "expires": "expires_after",
    "ages": "ages",
    "ages_unknown": "ages",
    "honours": "honours",
    "asked_by": "asked_by",
    "choice.asked": "asked_by",
    "guardian.asked": "asked_by",
    "public": "public",
    "by": "channels",
    "technology": "technology",
    "sector": "sector",
    "sale": "sale",
    "financial_incentive": "financial_incentive",
    "automated_decision": "automated_decision",
    "special": "uses",
    "category": "uses",
    "work_contact": "uses",
    "discloses_to": "recipients",
    "processors_bound": "recipients.*.contract",
    "transfer": "recipients.*.safeguard",
    "offered_to": "offered_to",
    "regulated_as": "controller.regulated_as",
    "law": "laws",
    "choice.shown": "notices.*.says",
    "guardian.shown": "notices.*.says",
    "basis": "basis",
    "depends_on_choice": "basis",
    "kind": "kind",
}


def _mended(rule: Requirement, purpose: str, document: PolicyFile, lang: str) -> str:
    """Where the policy can mend what a rule misses: the unmet conditions of its pack, as keys of the policy."""
    keys = ", ".join(f"`{key}`" for key in _missing(rule, purpose, document))
    return text("policy", "asks.missing" if keys else "asks.nothing", lang, keys=keys)


def _missing(rule: Requirement, purpose: str, document: PolicyFile) -> list[str]:
    declared = Declared(purpose, document.purposes[purpose], document)
    for pack in packs_of(document):
        for index, one in enumerate(pack.file.rules):
            if f"{pack.id}:{one.id}" == rule.id:
                unmet = [key for key, test in _tests(pack.node(index, "require")) if not _met(key, test, declared)]
                return list(dict.fromkeys(_KEYS[key] for key in unmet if key in _KEYS))
    return []


def _tests(node: Node) -> Iterator[tuple[str, Node]]:
    for one in node if isinstance(node, list) else [node]:
        for key, test in one.items() if isinstance(one, dict) else ():
            if key in ("any", "all"):
                yield from _tests(test)
            else:
                yield key, test


def _met(key: str, test: Node, declared: Declared) -> bool:
    return key in declared.words and selected({key: test}, declared)


def _place(rule: Requirement, lang: str) -> str:
    """Where a rule stands; of the house's own, that it is no law."""
    source = text("policy", "article.house", lang) if rule.pack == HOUSE else rule.source
    return cite(rule.article, source, rule.short, lang)
