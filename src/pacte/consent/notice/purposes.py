"""What a notice tells of each purpose: why, on which basis, with which data, for whom, how long, and how to say no.

Source: GDPR Art. 13(1)(c)-(e), 13(2)(a), (c), (e)-(f), 14(1)(d); 11 CCR § 7012(e); Québec P-39.1 s. 8.
"""

from __future__ import annotations

from collections.abc import Iterator

from pacte.consent.notice.values import Fact, Gap, Told
from pacte.consent.notice.words import (
    ROOM,
    category,
    category_of,
    kept,
    length,
    listed,
    of_policy,
    place,
    say,
    sentence,
)
from pacte.kernel.i18n import counted, day
from pacte.policy.categories import categories
from pacte.policy.channels import named
from pacte.policy.declared import Declared
from pacte.policy.model import PolicyFile, Purpose, Recipient
from pacte.policy.packs import exceptions, packs_of

OBJECTABLE = ("legitimate_interests", "public_task")
"""Bases to which a person may object. Source: GDPR Art. 21(1)."""


def told(name: str, policy: PolicyFile, lang: str) -> Told:
    """One purpose, in words; raises nothing: what the policy does not say is left to `gaps`."""
    purpose = policy.purposes[name]
    facts = tuple(fact for fact in _facts(Declared(name, purpose, policy), lang) if fact.values)
    return Told(name, of_policy(purpose.title, lang), purpose.basis, tag(purpose, lang), facts)


def tag(purpose: Purpose, lang: str) -> str:
    """Why it is allowed, in three words that stand beside the title."""
    return say(f"tag.{purpose.basis}", lang)


def gaps(name: str, policy: PolicyFile, lang: str) -> Iterator[Gap]:
    """What the laws ask about this purpose and the policy does not answer."""
    purpose = policy.purposes[name]
    title = of_policy(purpose.title, lang)
    missing = {
        "ground": purpose.basis in ("legal_obligation", "public_task") and not purpose.ground,
        "balancing": purpose.basis == "legitimate_interests" and purpose.balancing is None and "gdpr" in policy.laws,
        "decision": purpose.automated_decision and not purpose.decision,
        "worth": purpose.financial_incentive and not purpose.worth and "us-ca" in policy.laws,
        "title": lang not in purpose.title or lang not in purpose.reason,
    }
    for key in [key for key, lacking in missing.items() if lacking]:
        yield Gap(key, _GAPS[key], say(f"gap.{key}", lang, purpose=title), name)


_GAPS = {
    "ground": "GDPR Art. 6(3), 13(1)(c)",
    "balancing": "GDPR Art. 6(1)(f), 13(1)(d)",
    "decision": "GDPR Art. 13(2)(f), 22",
    "worth": "11 CCR § 7016",
    "title": "GDPR Art. 12(1)",
}


def statements(name: str, policy: PolicyFile) -> tuple[str, ...]:
    """What the notice says of a purpose beside its data, in words of `vocabulary.STATEMENTS`.

    A decision by machine and a price for data are not said to be told while what the law asks of them is a gap.
    """
    purpose = policy.purposes[name]
    words = Declared(name, purpose, policy).words
    known = categories()
    special = any(known[category_of(path, policy)].special for path in purpose.uses)
    said = {
        "objection": purpose.basis in OBJECTABLE,
        "sale": "yes" in words["sale"],
        "limit": "us-ca" in policy.laws and special,
        "technology": bool(purpose.technology),
        "automated_decision": purpose.automated_decision and purpose.decision is not None,
        "financial_incentive": purpose.financial_incentive and purpose.worth is not None,
        "transfer": bool(purpose.recipients) or policy.controller.established is not None,
    }
    return tuple(word for word, holds in said.items() if holds)


def recipient_line(recipient: Recipient, lang: str) -> str:
    """A recipient in a line: who, where, in which role."""
    role = say(f"role.{recipient.role}", lang)
    return say("recipient", lang, name=recipient.name, place=place(recipient.place, lang), role=role)


def _facts(declared: Declared, lang: str) -> Iterator[Fact]:
    purpose, policy = declared.purpose, declared.document
    yield _fact("why", lang, sentence(of_policy(purpose.reason, lang)))
    yield _fact("in_return", lang, *([sentence(of_policy(purpose.in_return, lang))] if purpose.in_return else []))
    yield _fact("basis", lang, *_basis(purpose, policy, lang))
    yield _fact("data", lang, *_data(purpose, policy, lang))
    yield _fact("channels", lang, *_channels(purpose, lang))
    yield _fact("recipients", lang, *(recipient_line(one, lang) for one in declared.recipients.values()))
    yield _fact("kept", lang, sentence(kept(purpose.retention, lang)))
    yield _fact("lasts", lang, *_lasts(purpose, lang))
    yield _fact("must", lang, say(f"must.{purpose.basis}", lang))
    yield _fact("stop", lang, *_stop(purpose, lang))
    yield _fact("ages", lang, *_ages(purpose, lang))
    yield _fact("technology", lang, *(say(f"technology.{one}", lang) for one in purpose.technology))
    yield _fact("decision", lang, *_decision(purpose, lang))
    yield _fact("worth", lang, *([sentence(of_policy(purpose.worth, lang))] if purpose.worth else []))
    yield _fact("sale", lang, *([say("sold", lang)] if "us-ca" in policy.laws and _sold(declared) else []))


def _fact(key: str, lang: str, *values: str) -> Fact:
    return Fact(key, say(f"label.{key}", lang), values, _ARTICLES.get(key, ""))


_ARTICLES = {
    "why": "GDPR Art. 13(1)(c)",
    "basis": "GDPR Art. 13(1)(c)-(d)",
    "data": "GDPR Art. 14(1)(d)",
    "recipients": "GDPR Art. 13(1)(e)",
    "kept": "GDPR Art. 13(2)(a)",
    "must": "GDPR Art. 13(2)(e)",
    "stop": "GDPR Art. 7(3), 13(2)(c), 21(4)",
    "technology": "P-39.1 s. 8.1",
    "decision": "GDPR Art. 13(2)(f)",
    "worth": "11 CCR § 7016(d)(5)",
    "sale": "11 CCR § 7012(e)",
}


def _basis(purpose: Purpose, policy: PolicyFile, lang: str) -> Iterator[str]:
    yield say(f"basis.{purpose.basis}", lang)
    if purpose.ground:
        yield sentence(of_policy(purpose.ground, lang))
    if purpose.balancing:
        on = day(purpose.balancing.effective, lang)
        yield say("weighed", lang, day=on, reference=of_policy(purpose.balancing.reference, lang))
    known = exceptions(packs_of(policy)) if purpose.exceptions else {}
    for word in purpose.exceptions:
        if word in known:
            yield sentence(of_policy(known[word].file.exceptions[word], lang))


def _data(purpose: Purpose, policy: PolicyFile, lang: str) -> tuple[str, ...]:
    names = dict.fromkeys(category_of(path, policy) for path in purpose.uses)
    known = categories()
    words = (
        say("special", lang, data=category(name, lang)) if known[name].special else category(name, lang)
        for name in names
    )
    return tuple(words)


def _channels(purpose: Purpose, lang: str) -> tuple[str, ...]:
    if not purpose.channels:
        return ()
    return (say("by", lang, channels=listed((named(one, lang) for one in purpose.channels), lang)),)


def _lasts(purpose: Purpose, lang: str) -> tuple[str, ...]:
    if purpose.expires_after is None:
        return ()
    return (say("lasts", lang, length=length(purpose.expires_after, lang)),)


def _stop(purpose: Purpose, lang: str) -> Iterator[str]:
    if purpose.basis in OBJECTABLE:
        yield say("stop.marketing" if purpose.kind == "direct_marketing" else "stop.objection", lang)
    else:
        yield say(f"stop.{purpose.basis}", lang)
    if purpose.by_recipient:
        yield say("stop.by_recipient", lang)
    if "gpc" in purpose.honours:
        yield say("stop.gpc", lang)


def _decision(purpose: Purpose, lang: str) -> Iterator[str]:
    if purpose.automated_decision:
        yield say("decides", lang)
    if purpose.decision:
        yield sentence(of_policy(purpose.decision, lang))


def _ages(purpose: Purpose, lang: str) -> tuple[str, ...]:
    if purpose.ages is None:
        return ()
    return (counted(ROOM, "ages.guardian" if purpose.ages.below else "ages.minimum", lang, purpose.ages.minimum),)


def _sold(declared: Declared) -> bool:
    return "yes" in declared.words["sale"]
