"""What a rule table says of one purpose, worked out once for all the people about whom it will be asked.

Everything here follows from the table alone, which never changes: nothing of it can be out of date.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pacte.consent.facts import standing_in
from pacte.gate.questions import facts_read, refuse
from pacte.gate.values import Question, Reason
from pacte.policy.compiled import Reader, reader_of
from pacte.policy.conditions import facts_in
from pacte.policy.rules import Outcome
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

_STATEMENTS = tuple((f"told.{word}", word) for word in STATEMENTS)

MOST_KEPT = 4_096
"""Kinds of questions and of answers kept of one purpose before they are forgotten together."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an outcome of the rules means: its reason, the others that fail, and the purpose of the choice it cites."""

    permitted: bool
    reason: Reason
    failing: tuple[str, ...]
    others: tuple[Reason, ...]
    cited: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """One purpose of a table, ready to be asked about; `standing` names the standing choices that its rules read."""

    table: RuleTable
    purpose: str
    rules: PurposeRules
    reader: Reader
    standing: tuple[str, ...]
    _accepted: set[tuple[object, ...]] = field(default_factory=set)
    _verdicts: dict[Outcome, Verdict] = field(default_factory=dict)
    _categories: dict[tuple[str, ...], frozenset[str]] = field(default_factory=dict)

    def refuse(self, question: Question) -> None:
        """Raise `Denied` for a question that the policy does not declare; see `questions.refuse`."""
        asked = (question.fields, question.channel, question.recipient)
        if asked not in self._accepted:
            refuse(self.table, question)
            if len(self._accepted) >= MOST_KEPT:
                self._accepted.clear()
            self._accepted.add(asked)

    def told(self, notices: frozenset[str], fields: tuple[str, ...]) -> dict[str, str | int | None]:
        """The facts about what somebody was told by these notices, for these fields taken together."""
        said = {word for digest in notices if digest in self.table.notices for word in self._says(digest)}
        facts: dict[str, str | int | None] = {fact: int(word in said) for fact, word in _STATEMENTS}
        facts["told.requested"] = self.covers(self.covered(notices), fields)
        return facts

    def covered(self, notices: frozenset[str]) -> frozenset[str] | None:
        """The categories that these notices told of for the purpose; `None` when none of them names it."""
        known = self.table.notices
        naming = [
            known[digest].purposes[self.purpose]
            for digest in notices
            if digest in known and self.purpose in known[digest].purposes
        ]
        return frozenset().union(*naming) if naming else None

    def covers(self, told: frozenset[str] | None, fields: tuple[str, ...]) -> int:
        """Whether the told categories (`None`: not told of the purpose at all) hold those of the fields; 1 or 0."""
        return int(told is not None and self._of(fields) <= told)

    def verdict(self, outcome: Outcome) -> Verdict:
        """What an outcome means, with the words and articles of the table."""
        found = self._verdicts.get(outcome)
        if found is None:
            if len(self._verdicts) >= MOST_KEPT:
                self._verdicts.clear()
            found = self._verdicts[outcome] = self._verdict(outcome)
        return found

    def _of(self, fields: tuple[str, ...]) -> frozenset[str]:
        found = self._categories.get(fields)
        if found is None:
            if len(self._categories) >= MOST_KEPT:
                self._categories.clear()
            found = self._categories[fields] = frozenset(categories_of(self.table, fields))
        return found

    def _says(self, digest: str) -> tuple[str, ...]:
        return self.table.notices[digest].says.get(self.purpose, ())

    def _verdict(self, outcome: Outcome) -> Verdict:
        later = outcome.needed[1:]
        return Verdict(
            permitted=outcome.effect == "permit",
            reason=reason_of(self.table, self.purpose, outcome.reason, outcome.requirement),
            failing=outcome.needed,
            others=tuple(_reason(rule) for rule in self.rules.requirements if rule.id in later),
            cited=self._concerned(outcome.requirement),
        )

    def _concerned(self, failed: str | None) -> str:
        """The purpose of the choice that a decision stands on: a standing choice's where a rule about one said no."""
        read = [facts_in(rule.condition) for rule in self.rules.requirements if rule.id == failed]
        standing = standing_in(frozenset().union(*read))
        return STANDING_CHOICES[standing[0]] if standing else self.purpose


def prepared(table: RuleTable, purpose: str) -> Prepared:
    """A declared purpose of a table, ready to be asked about; an undeclared one raises `KeyError`."""
    found = table.kept.get(f"gate:{purpose}")
    if not isinstance(found, Prepared):
        rules = table.purposes[purpose]
        found = Prepared(table, purpose, rules, reader_of(rules), standing_in(facts_read(rules)))
        table.kept[f"gate:{purpose}"] = found
    return found


def categories_of(table: RuleTable, fields: tuple[str, ...]) -> set[str]:
    """The data categories of `dataset.field` names; an undeclared name raises `KeyError`, which denies."""
    found = set()
    for name in fields:
        dataset, _, field_name = name.partition(".")
        declared: Any = table.datasets[dataset]
        found.add(str({**declared.get("aggregates", {}), **declared["fields"]}[field_name]["category"]))
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
