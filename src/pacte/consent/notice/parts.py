"""The parts of a notice that are about the whole: who, your rights, who receives, what stays, and what each law adds.

Sources: GDPR Art. 13(1)(a)-(b), (e)-(f), 13(2)(b)-(d), 14(2)(f), 21(4); loi 78-17 art. 85; 11 CCR § 7012; P-39.1 s. 8.
"""

from __future__ import annotations

from collections.abc import Iterator

from pacte.consent.notice.purposes import OBJECTABLE, recipient_line
from pacte.consent.notice.values import Gap, Line, Part
from pacte.consent.notice.words import (
    category,
    category_of,
    kept,
    length,
    listed,
    of_policy,
    one_by_one,
    place,
    say,
    sentence,
)
from pacte.policy.categories import categories
from pacte.policy.declared import Declared
from pacte.policy.law_checks import outside
from pacte.policy.model import PolicyFile, Recipient
from pacte.policy.packs import built_in
from pacte.policy.places import within


def short(policy: PolicyFile, lang: str) -> tuple[Part, ...]:
    """The short layer: who, what for in a line each, your rights in a line, and apart from all else where to object."""
    found = [who(policy, lang), _purposes(policy, lang), _rights_in_short(policy, lang)]
    objection = _objection(policy, lang)
    return tuple(found if objection is None else [*found, objection])


def details(policy: PolicyFile, lang: str) -> tuple[Part, ...]:
    """The parts that open on demand, after the purposes."""
    found = [_recipients(policy, lang), _sources(policy, lang), _rights(policy, lang), _stays(policy, lang)]
    found += [_california(policy, lang)] if "us-ca" in policy.laws else []
    found += [_quebec(policy, lang)] if "ca-qc" in policy.laws else []
    return tuple(part for part in found if part.paragraphs or part.lines)


def who(policy: PolicyFile, lang: str) -> Part:
    """Who decides, on whose behalf or with whom, and where to write. Source: GDPR Art. 13(1)(a)-(b), 26(2)."""
    controller, dpo = policy.controller, policy.controller.dpo
    words = {"name": controller.name, "behalf": controller.behalf or "", "jointly": controller.jointly or ""}
    lines = [
        say(f"who.{controller.role}", lang, **words),
        say("who.contact", lang, contact=controller.contact),
        say("who.officer_named" if dpo.name else "who.officer", lang, name=dpo.name or "", contact=dpo.contact),
    ]
    if controller.representative:
        lines.append(say("who.representative", lang, representative=controller.representative))
    return Part("who", say("heading.who", lang), tuple(lines), article="GDPR Art. 13(1)(a)-(b)")


def gaps(policy: PolicyFile, lang: str, effective: int) -> Iterator[Gap]:
    """What the laws ask about the whole and the policy does not answer."""
    controller = policy.controller
    if lang not in policy.languages:
        yield Gap("language", "GDPR Art. 12(1)", say("gap.language", lang))
    if "gdpr" in policy.laws and controller.established is None:
        yield Gap("established", "GDPR Art. 3, 13(1)(a)", say("gap.established", lang))
    elif "gdpr" in policy.laws and _abroad(policy) and not controller.representative:
        yield Gap("representative", "GDPR Art. 13(1)(a), 27", say("gap.representative", lang))
    if policy.sources is None:
        yield Gap("sources", "GDPR Art. 14(2)(f); P-39.1 s. 8", say("gap.sources", lang))
    for name in _receiving(policy):
        recipient = policy.recipients[name]
        if "gdpr" in policy.laws and outside(recipient.place) and not _covered(recipient, effective):
            yield Gap("transfer", "GDPR Art. 13(1)(f), 44 to 49", say("gap.transfer", lang, name=recipient.name))


def _abroad(policy: PolicyFile) -> bool:
    return policy.controller.established is not None and outside(policy.controller.established)


def _purposes(policy: PolicyFile, lang: str) -> Part:
    lines = tuple(
        Line(
            sentence(of_policy(purpose.reason, lang)),
            of_policy(purpose.title, lang),
            say(f"tag.{purpose.basis}", lang),
            name,
        )
        for name, purpose in policy.purposes.items()
    )
    return Part("purposes", say("heading.purposes", lang), (), lines, "GDPR Art. 13(1)(c)")


def _rights_in_short(policy: PolicyFile, lang: str) -> Part:
    words = (say("rights.short", lang), say("rights.write", lang, contact=policy.controller.contact))
    return Part("your-rights", say("heading.rights_short", lang), words, article="GDPR Art. 13(2)(b)")


def _objection(policy: PolicyFile, lang: str) -> Part | None:
    """What the law wants brought to attention apart from any other information. Source: GDPR Art. 21(4)."""
    found = {name: purpose for name, purpose in policy.purposes.items() if purpose.basis in OBJECTABLE}
    lines = tuple(
        Line(
            say("object.marketing" if purpose.kind == "direct_marketing" else "object.other", lang),
            of_policy(purpose.title, lang),
            about=name,
        )
        for name, purpose in found.items()
    )
    words = (say("object.how", lang, contact=policy.controller.contact),)
    return Part("object", say("heading.object", lang), words, lines, "GDPR Art. 21(4)") if lines else None


def _receiving(policy: PolicyFile) -> list[str]:
    """The recipients of any purpose, in the order of the policy."""
    named = {name for purpose in policy.purposes.values() for name in purpose.recipients}
    return [name for name in policy.recipients if name in named]


def _recipients(policy: PolicyFile, lang: str) -> Part:
    lines = []
    for name in _receiving(policy):
        recipient = policy.recipients[name]
        titles = [of_policy(one.title, lang) for one in policy.purposes.values() if name in one.recipients]
        words = [say("receives", lang, purposes=listed(titles, lang))]
        if "gdpr" in policy.laws and outside(recipient.place) and recipient.safeguard:
            words.append(_protected(recipient, policy, lang))
        lines.append(Line(" ".join(words), recipient_line(recipient, lang)))
    nobody = () if lines else (say("receives_nobody", lang),)
    return Part("recipients", say("heading.recipients", lang), nobody, tuple(lines), "GDPR Art. 13(1)(e)-(f)")


def _protected(recipient: Recipient, policy: PolicyFile, lang: str) -> str:
    if recipient.safeguard is None:
        return ""
    reference, contact = recipient.safeguard.reference, policy.controller.contact
    under = say(f"safeguard.{recipient.safeguard.under}", lang)
    return say("protected", lang, under=under, reference=reference, contact=contact)


def _covered(recipient: Recipient, at: int) -> bool:
    """Whether what protects the data there holds on that day. Source: GDPR Art. 45, 46."""
    safeguard = recipient.safeguard
    if safeguard is None or not _holds(safeguard.effective, safeguard.until, at):
        return False
    transfers = built_in("gdpr").file.transfers
    if safeguard.under != "adequacy" or transfers is None:
        return True
    decisions = [one for one in transfers.adequacy if within(recipient.place, one.place)]
    return any(_holds(one.effective, one.until, at) for one in decisions)


def _holds(since: int | None, until: int | None, at: int) -> bool:
    return (since is None or since <= at) and (until is None or at < until)


def _sources(policy: PolicyFile, lang: str) -> Part:
    """What is computed from other data is always known; where the rest comes from is a gap until the policy says it."""
    figures = [aggregate for dataset in policy.datasets.values() for aggregate in dataset.aggregates]
    words = [sentence(of_policy(policy.sources, lang))] if policy.sources else []
    words += [say("computed", lang)] if figures else []
    return Part("sources", say("heading.sources", lang), tuple(words), article="GDPR Art. 14(2)(f)")


def _rights(policy: PolicyFile, lang: str) -> Part:
    names = ("access", "correct", "erase", "restrict", "carry", "object", "withdraw", "human")
    used = {purpose.basis for purpose in policy.purposes.values()}
    decides = any(purpose.automated_decision for purpose in policy.purposes.values())
    there = {
        "object": bool(used & set(OBJECTABLE)),
        "withdraw": "consent" in used,
        "carry": bool(used & {"consent", "contract"}),
        "human": decides,
    }
    lines = [Line(say(f"right.{one}", lang)) for one in names if there.get(one, True)]
    if "fr" in policy.laws:
        lines.append(Line(say("right.after_death", lang)))
    words = [say("rights.write", lang, contact=policy.controller.contact)]
    words += [say(f"delay.{law}", lang) for law in ("gdpr",) if law in policy.laws]
    words.append(say("rights.free", lang))
    words += [say(f"complain.{word}", lang) for word in _authorities(policy)]
    return Part("rights", say("heading.rights", lang), tuple(words), tuple(lines), "GDPR Art. 13(2)(b)-(d)")


def _authorities(policy: PolicyFile) -> Iterator[str]:
    if "gdpr" in policy.laws:
        yield "fr" if "fr" in policy.laws else "gdpr"


def _stays(policy: PolicyFile, lang: str) -> Part:
    """What outlives an erasure, why and how long: the list of people not to write to, and sealed evidence."""
    evidence = policy.evidence
    words = [say("stays.suppression", lang, length=length(policy.suppression.keep, lang))]
    if not evidence.shred_with_data:
        after = say(f"stays.{evidence.event}", lang, length=length(evidence.keep, lang))
        words += [after, sentence(of_policy(evidence.reason, lang))]
    return Part("stays", say("heading.stays", lang), tuple(words), article="GDPR Art. 13(2)(a), 17(3)(e)")


def _california(policy: PolicyFile, lang: str) -> Part:
    """The notice at collection: each category with its purposes, its time, and whether it is sold or shared.

    Source: California Civil Code § 1798.100(a); 11 CCR § 7012(e).
    """
    found: dict[str, list[str]] = {}
    for name, purpose in policy.purposes.items():
        for one in dict.fromkeys(category_of(path, policy) for path in purpose.uses):
            found.setdefault(one, []).append(name)
    lines = tuple(Line(_collected(names, policy, lang), _named(one, lang)) for one, names in found.items())
    sold = any(_sold(name, policy) for name in policy.purposes)
    words = [say("california.intro", lang), say("california.sold" if sold else "california.not_sold", lang)]
    if any(categories()[one].special for one in found):
        words.append(say("california.limit", lang))
    words += [say("california.rights", lang, contact=policy.controller.contact), say("california.complain", lang)]
    return Part(
        "california", say("heading.california", lang), tuple(words), lines, "Civ. Code § 1798.100(a); 11 CCR § 7012"
    )


def _named(one: str, lang: str) -> str:
    words = category(one, lang)
    return sentence(say("special", lang, data=words) if categories()[one].special else words).rstrip(".")


def _collected(names: list[str], policy: PolicyFile, lang: str) -> str:
    uses = (
        say(
            "california.use",
            lang,
            purpose=of_policy(policy.purposes[name].title, lang),
            kept=kept(policy.purposes[name].retention, lang),
        )
        for name in names
    )
    sold = say("california.yes" if any(_sold(name, policy) for name in names) else "california.no", lang)
    return f"{one_by_one(uses, lang)}. {sold}"


def _sold(name: str, policy: PolicyFile) -> bool:
    return "yes" in Declared(name, policy.purposes[name], policy).words["sale"]


def _quebec(policy: PolicyFile, lang: str) -> Part:
    """What Québec asks beside: who is responsible, where data go, rights and delay. Source: P-39.1 s. 8, 17, 32."""
    abroad = [policy.recipients[name].place for name in _receiving(policy)]
    places = [policy.controller.established or "", *abroad]
    elsewhere = [place(code, lang) for code in dict.fromkeys(places) if code and not within(code, "CA-QC")]
    words = [say("quebec.responsible", lang, contact=policy.controller.dpo.contact)]
    words += [say("quebec.outside", lang, places=listed(elsewhere, lang))] if elsewhere else []
    words += [say("quebec.rights", lang, contact=policy.controller.contact), say("quebec.complain", lang)]
    return Part("quebec", say("heading.quebec", lang), tuple(words), article="P-39.1 s. 3.1, 8, 17, 27, 28, 32")
