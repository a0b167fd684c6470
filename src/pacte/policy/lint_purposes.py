"""Findings about purposes and recipients: data finer than needed, weak proof, long keeping, a refusal got round."""

from __future__ import annotations

from collections.abc import Iterator

from pacte.policy.categories import categories
from pacte.policy.compile import Compiled
from pacte.policy.durations import Duration
from pacte.policy.findings import Finding, found
from pacte.policy.law_checks import outside
from pacte.policy.model import DataField, PolicyFile, Purpose
from pacte.policy.vocabulary import ADULT_AT

STUDIES = ("measurement", "personalisation", "profiling", "model_training")
"""Kinds that count or compare people, and seldom need a day, a cent or a street."""

# kinds → (usual longest keeping, its source); lengths in months. Practice of the French authority, no law.
_USUAL = {
    ("direct_marketing", "personalisation", "profiling"): (
        36,
        {"en": "3 years after the last contact", "fr": "3 ans après le dernier contact"},
        {"en": "CNIL reference on customer management", "fr": "référentiel CNIL « gestion commerciale »"},
    ),
    ("measurement",): (
        25,
        {"en": "25 months", "fr": "25 mois"},
        {"en": "CNIL guidelines on audience measurement", "fr": "lignes directrices CNIL sur la mesure d'audience"},
    ),
}
_WATCHED = frozenset(
    {"behavioral", "browsing_behavior", "link_clicked", "ip_address", "browser_fingerprint", "user_agent"}
)
"""Categories of an audience that is measured; sales figures are no audience."""
_ALIKE = 0.6
"""As large a part of the same fields makes two purposes twins."""


def lint_purposes(compiled: Compiled) -> Iterator[Finding]:
    """Every finding about a purpose or a recipient by itself."""
    document = compiled.document
    for name, purpose in document.purposes.items():
        yield from _finer_than_needed(name, purpose, document)
        yield from _proof(name, purpose, document)
        yield from _kept(name, purpose, document)
        yield from _forgotten(name, purpose, document)
        yield from _twins(name, purpose, document)
        yield from _reached(name, purpose, document)
        yield from _minors(name, purpose, document)
    yield from _recipients(document)


def _finer_than_needed(name: str, purpose: Purpose, document: PolicyFile) -> Iterator[Finding]:
    chosen = purpose.basis in ("consent", "legitimate_interests", "public_task") and purpose.kind != "service"
    for place, path in enumerate(purpose.uses):
        field, category, here = _field(path, document), _category(path, document), ("purposes", name, "uses", place)
        whole = path in purpose.exact or not (field and field.coarse)
        if chosen and whole and category in ("birth_date", "age", "age_exact"):
            yield found(document, "age_band_suffices", here, purpose=name, field=path)
        if purpose.kind in STUDIES and whole and category == "postal_code":
            yield found(document, "whole_postcode", here, purpose=name, field=path)
    for place, path in enumerate(purpose.exact if purpose.kind in STUDIES else ()):
        field = _field(path, document)
        if field is None or field.type in ("date", "instant", "decimal", "integer"):
            yield found(document, "exact_in_study", ("purposes", name, "exact", place), purpose=name, field=path)


def _proof(name: str, purpose: Purpose, document: PolicyFile) -> Iterator[Finding]:
    if purpose.basis != "consent":
        return
    here, known = ("purposes", name), categories()
    special = any(known[_category(path, document)].special for path in purpose.uses)
    grade = purpose.minimum_grade or ""
    if special and grade in ("none", "attested"):
        yield found(document, "weak_proof_special", (*here, "minimum_grade"), purpose=name, grade=grade)
    elif grade == "none":
        yield found(document, "weak_proof", (*here, "minimum_grade"), purpose=name)
    if purpose.expires_after is None:
        yield found(document, "no_expiry", here, purpose=name)
    deciding = [one for one in purpose.recipients if document.recipients[one].role == "controller"]
    if len(deciding) > 1 and not purpose.by_recipient:
        yield found(document, "one_yes_for_many", (*here, "recipients"), purpose=name, count=len(deciding))


def _kept(name: str, purpose: Purpose, document: PolicyFile) -> Iterator[Finding]:
    watched = "tracker" in purpose.technology or any(_category(path, document) in _WATCHED for path in purpose.uses)
    for kinds, (months, usual, source) in _USUAL.items():
        if purpose.kind == "measurement" and not watched:
            continue
        if purpose.kind in kinds and _months(purpose.retention.keep) > months:
            here = ("purposes", name, "retention")
            yield found(document, "kept_long", here, purpose=name, usual=usual, source=source)


def _forgotten(name: str, purpose: Purpose, document: PolicyFile) -> Iterator[Finding]:
    kept, valid = purpose.retention, purpose.expires_after
    if kept.event == "choice" and valid is not None and _months(kept.keep) < _months(valid):
        yield found(document, "retention_before_expiry", ("purposes", name, "retention"), purpose=name)


def _months(length: Duration) -> float:
    return length.months + length.days / 31


def _twins(name: str, purpose: Purpose, document: PolicyFile) -> Iterator[Finding]:
    for other, twin in document.purposes.items():
        got_round = purpose.basis == "legitimate_interests" and not purpose.exceptions and twin.basis == "consent"
        if got_round and _alike(purpose, twin):
            yield found(document, "interest_beside_consent", ("purposes", name, "basis"), purpose=name, twin=other)
        same = any(purpose.title.get(lang) == title for lang, title in twin.title.items())
        if other < name and same:
            yield found(document, "same_title", ("purposes", name, "title"), purpose=name, twin=other)


def sells_on_interest(purpose: Purpose) -> bool:
    """Whether a purpose is direct marketing that nobody said yes to."""
    return purpose.kind == "direct_marketing" and purpose.basis == "legitimate_interests"


def _reached(name: str, purpose: Purpose, document: PolicyFile) -> Iterator[Finding]:
    """Calls and messages that sell, to people who never asked for one."""
    if not sells_on_interest(purpose):
        return
    here, consumers = ("purposes", name, "channels"), set(purpose.public) != {"professional"}
    if consumers and "phone" in purpose.channels and "fr" in document.laws:
        yield found(document, "phone_on_interest", here, purpose=name)
    written = ", ".join(f"`{channel}`" for channel in purpose.channels if channel in _STORED)
    if written and not _KNOWN & set(purpose.exceptions) and {"gdpr", "fr"} & set(document.laws):
        yield found(document, "email_on_interest", here, purpose=name, channels=written)


_STORED = ("email", "sms", "messaging", "push")
"""Channels of messages that wait for their reader. Source: Directive 2002/58/EC Art. 2(h), 13."""
_KNOWN = frozenset({"existing_customers", "professional_address"})
"""Exceptions that let a company write without consent to those whom it knows."""


def _minors(name: str, purpose: Purpose, document: PolicyFile) -> Iterator[Finding]:
    """Ages below what the law asks, and people under 18 whose behaviour is made use of."""
    ages, here = purpose.ages, ("purposes", name, "ages")
    least = 15 if "fr" in document.laws else 16 if "gdpr" in document.laws else 0
    if ages is None or not least:
        return
    if purpose.basis == "consent" and not ages.below and ages.minimum < least:
        law = {"en": "French law" if least == 15 else "the Regulation"}
        law["fr"] = "la loi française" if least == 15 else "le Règlement"
        yield found(document, "age_below_law", here, purpose=name, age=ages.minimum, least=least, law=law)
    targeted = purpose.kind == "direct_marketing" and "profiling" in purpose.technology
    if (targeted or purpose.kind in ("profiling", "inference")) and (ages.minimum < ADULT_AT or ages.below):
        yield found(document, "profiles_minors", here, purpose=name)


def _alike(one: Purpose, other: Purpose) -> bool:
    reached = not (one.channels or other.channels) or bool(set(one.channels) & set(other.channels))
    shared = len(set(one.uses) & set(other.uses)) >= _ALIKE * len(set(one.uses))
    return one.kind == other.kind and reached and shared


def _recipients(document: PolicyFile) -> Iterator[Finding]:
    used = {name for purpose in document.purposes.values() for name in purpose.recipients}
    for name, recipient in document.recipients.items():
        here, safeguard = ("recipients", name), recipient.safeguard
        if name not in used:
            yield found(document, "recipient_unused", here, recipient=name)
        elif recipient.role == "processor" and not recipient.contract:
            yield found(document, "processor_unbound", here, recipient=name)
        if safeguard is None or not outside(recipient.place):
            continue
        if safeguard.under == "other" and "gdpr" in document.laws:
            yield found(document, "safeguard_other", (*here, "safeguard"), recipient=name)
        elif safeguard.under != "adequacy" and safeguard.effective is None:
            yield found(document, "safeguard_undated", (*here, "safeguard"), recipient=name)


def _field(path: str, document: PolicyFile) -> DataField | None:
    dataset, _, name = path.partition(".")
    return document.datasets[dataset].fields.get(name)


def _category(path: str, document: PolicyFile) -> str:
    dataset, _, name = path.partition(".")
    return document.datasets[dataset].category_of(name)
