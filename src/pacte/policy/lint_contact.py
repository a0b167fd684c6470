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
from pacte.policy.vocabulary import SERVICE
from pacte.policy.weeks import covers, week_of

COUNTED = ("email", "sms", "phone", "push", "messaging")
"""Channels that interrupt people. Source: Directive 2005/29/EC Annex I no. 26."""


POSTAL = {
    "us-ca": {"en": "15 U.S.C. § 7704(a)(5)(A)(iii)", "fr": "15 U.S.C. § 7704(a)(5)(A)(iii)"},
    "ca-qc": {
        "en": "S.C. 2010, c. 23, s. 6(2)(b)-(c); SOR/2012-36, s. 2(1)(d)",
        "fr": "L.C. 2010, ch. 23, art. 6(2)b)-c) ; DORS/2012-36, art. 2(1)d)",
    },
}
"""By pack: where the law of that place wants a valid postal address in every offer by e-mail."""


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
    yield from _nowhere(compiled)
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


def _nowhere(compiled: Compiled) -> Iterator[Finding]:
    """Offers by e-mail under a law that wants to know where their sender is, from a company that does not say it."""
    document = compiled.document
    wants = [cited for law, cited in POSTAL.items() if law in document.laws]
    sells = [name for name, one in document.purposes.items() if one.kind not in SERVICE and "email" in one.channels]
    if wants and sells and not document.controller.postal:
        yield found(
            document,
            "postal_missing",
            ("controller",),
            article="; ".join(cited["en"] for cited in wants),
            place={lang: (" ; " if lang == "fr" else "; ").join(one[lang] for one in wants) for lang in LANGUAGES},
            purposes=", ".join(f"`{name}`" for name in sells),
        )


def _laws(compiled: Compiled) -> list[ContactRule]:
    rules = compiled.table.contact.rules if compiled.table.contact else ()
    return [rule for rule in rules if rule.pack != HOUSE]


def _capped_by_law(channel: str, laws: list[ContactRule]) -> bool:
    return any(law.caps and channel in law.channels for law in laws)
