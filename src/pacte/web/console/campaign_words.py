"""Numbers of a campaign in words: each outcome and reason, and the law or the rule of the house that stands behind it.

What is too few to be told has no line of its own; one line, the same for every campaign, says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pacte.app.recipients import QUEUED
from pacte.app.reports import Counted
from pacte.gate.explain import HOUSE
from pacte.kernel.i18n import catalogue, text, typeset
from pacte.policy.citations import cite
from pacte.policy.contact import ContactRule
from pacte.policy.table import Requirement, RuleTable
from pacte.uses.message.bounce import explained
from pacte.web.pages import words

_STATUS = re.compile(r"(?:refused|status)_(\d{1,3})[._](\d{1,3})[._](\d{1,3})")
HOURS = ("quiet_hours", "holiday")
WISHES = ("channel_unwanted", "preferred_frequency")
"""Reasons that are the person's own wish, and no rule."""


@dataclass(frozen=True, slots=True)
class Line:
    """So many people of one outcome: why, in words, and which laws or rules say so; both may be empty."""

    outcome: str
    why: str
    behind: tuple[str, ...]
    people: int

    @property
    def label(self) -> str:
        """What it is called beside a bar."""
        return f"{self.outcome} – {self.why}" if self.why else self.outcome


def lines(found: Counted, table: RuleTable, purpose: str, channel: str, lang: str, *, over: bool = False) -> list[Line]:
    """A line for each outcome and reason that is told, the most people first.

    Once a campaign is `over`, whoever is still to be written to never will be.
    """
    return [
        Line(
            words("console", lang, f"campaigns.outcome.{'unsent' if over and outcome == QUEUED else outcome}"),
            why(reason, lang),
            behind(reason, table, purpose, channel, lang),
            people,
        )
        for (outcome, reason), people in sorted(found.numbers.items(), key=lambda one: (-one[1], one[0]))
    ]


def why(reason: str, lang: str) -> str:
    """A reason in words; a code of a mail server by what it says."""
    if found := _STATUS.fullmatch(reason):
        code = ".".join(found.groups())
        return f"{explained(code, lang).rstrip('.')} ({code})"
    places: Mapping[str, str] = {
        "web.console": f"campaigns.why.{reason}",
        "policy": f"reason.{reason}",
        "gate": f"contact.{reason}",
    }
    return next((text(room, key, lang) for room, key in places.items() if key in catalogue(room)), reason)


def unready(code: str, lang: str, smallest: int = 0) -> str:
    """Why a campaign could not be prepared, in words: ours, or those for what the gate said."""
    if f"campaigns.unready.{code}" in catalogue("web.console"):
        return text("web.console", f"campaigns.unready.{code}", lang, count=smallest)
    said = "reason.undeclared_field" if code.startswith("undeclared") else f"reason.{code}"
    if said in catalogue("policy"):
        return words("console", lang, "campaigns.unready.denied", reason=text("policy", said, lang))
    return words("console", lang, "campaigns.unready.cut_short")


def behind(reason: str, table: RuleTable, purpose: str, channel: str, lang: str) -> tuple[str, ...]:
    """Each law and article, that it is a rule of the house, or the person's wish; empty for what is none of them."""
    if reason in WISHES:
        return (words("console", lang, "campaigns.wish"),)
    return tuple(dict.fromkeys(_cited(rule, lang) for rule in _rules(reason, table, purpose, channel)))


def _rules(reason: str, table: RuleTable, purpose: str, channel: str) -> Iterator[Requirement | ContactRule]:
    """Every rule that may give this reason here."""
    if reason == "cap_reached" or reason in HOURS:
        found = table.contact.rules if table.contact else ()
        for rule in found:
            if rule.caps == (reason == "cap_reached") and (not rule.channels or channel in rule.channels):
                yield rule
    elif purpose in table.purposes:
        yield from (one for one in table.purposes[purpose].requirements if one.otherwise == reason)


def _cited(rule: Requirement | ContactRule, lang: str) -> str:
    if rule.pack == HOUSE or not rule.article:
        return text("gate", "own_rule", lang)
    return typeset(cite(rule.article, rule.source, rule.short, lang), lang)
