"""Findings about how often and when offers reach people: a channel without a cap, hours wider than a law's."""

from __future__ import annotations

from collections.abc import Iterator

from pacte.kernel.i18n import LANGUAGES
from pacte.policy.channels import named
from pacte.policy.citations import cite
from pacte.policy.compile import Compiled
from pacte.policy.contact import ContactRule
from pacte.policy.findings import Finding, found
from pacte.policy.packs import HOUSE
from pacte.policy.weeks import covers, week_of

COUNTED = ("email", "sms", "phone", "push", "messaging")
"""Channels that interrupt people. Source: Directive 2005/29/EC Annex I no. 26."""


def lint_contact(compiled: Compiled) -> Iterator[Finding]:
    """Every finding about the policy's rules of contact."""
    document, laws = compiled.document, _laws(compiled)
    capped = {cap.channel for cap in document.contact.caps}
    for name, purpose in document.purposes.items():
        open_ = [
            channel
            for channel in purpose.channels
            if channel in COUNTED and not {None, channel} & capped and not _capped_by_law(channel, laws)
        ]
        if purpose.kind == "direct_marketing" and open_:
            words = {lang: ", ".join(named(channel, lang) for channel in open_) for lang in LANGUAGES}
            yield found(document, "contact_uncapped", ("purposes", name, "channels"), purpose=name, channels=words)
    for channel, hours in document.contact.hours.items():
        for law in laws:
            if law.week is None or (law.channels and channel not in law.channels):
                continue
            if not covers(law.week, week_of(hours.open)) or (hours.holidays and not law.holidays):
                yield found(
                    document,
                    "contact_hours_wider",
                    ("contact", "hours", channel),
                    article=cite(law.article, law.source, law.short, "en"),
                    place={lang: cite(law.article, law.source, law.short, lang) for lang in LANGUAGES},
                    channel={lang: named(channel, lang) for lang in LANGUAGES},
                    says={lang: law.says.get(lang, law.id).rstrip(" .") for lang in LANGUAGES},
                )


def _laws(compiled: Compiled) -> list[ContactRule]:
    rules = compiled.table.contact.rules if compiled.table.contact else ()
    return [rule for rule in rules if rule.pack != HOUSE]


def _capped_by_law(channel: str, laws: list[ContactRule]) -> bool:
    return any(law.caps and channel in law.channels for law in laws)
