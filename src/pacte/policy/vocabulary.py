"""The closed lists of the policy: legal bases, kinds of use, channels, grades of proof, facts, reasons.

A word that is not in its list is refused wherever it is read. Adding one changes what a policy can mean.
"""

from __future__ import annotations

from pacte.kernel.errors import BadInput, NotFound
from pacte.kernel.i18n import text

BASES = ("consent", "contract", "legal_obligation", "vital_interests", "public_task", "legitimate_interests")
"""Legal bases in the order of GDPR Art. 6(1)(a) to (f)."""

KINDS = (
    "service",
    "direct_marketing",
    "measurement",
    "personalisation",
    "profiling",
    "sharing",
    "model_training",
    "security",
    "legal_claims",
    "inference",
)
"""What is done with the data, whatever the legal basis; `inference` is psychological, sensitive or scoring."""

SERVICE = ("service", "security", "legal_claims")
"""Kinds of use that people wait for or are owed, such as a receipt or the notice of a breach: never an offer.

Caps, wishes and objections to offers do not keep them from anybody. Source: GDPR Art. 21(2), 34; CPCE art. L34-5.
"""

CHANNELS = ("email", "sms", "phone", "post", "push", "messaging", "web", "app")

GRADES = ("none", "attested", "paper", "form", "double_opt_in")
"""Grades of proof, from weak to strong; a grade's integer is its place in this list."""

CAPACITIES = ("consumer", "prospect", "former", "professional")
"""In what capacity a living person deals with the company; `deceased` is a fact, never a public."""

SIGNALS = ("gpc",)
"""Browser signals that can count as an objection. Source: privacycg GPC specification; 11 CCR § 7025."""

AUDIENCES = ("adults", "everyone", "children")
"""Whom the offer is meant for: whether an unknown age may be a child's. Source: GDPR Art. 8; 16 CFR § 312.2."""

REGULATED = ("covered_entity", "business_associate", "public_body", "online_platform")
"""What sector laws call the company. Source: 45 CFR § 160.103; GDPR Art. 6(1) last sentence; DSA Art. 3(i)."""

TECHNOLOGIES = ("identification", "location", "profiling", "tracker", "email_pixel")
"""Technology of a purpose that some laws want off until it is switched on.

Source: Québec P-39.1 s. 8.1; loi 78-17 art. 82; CNIL délibération 2026-042.
"""

SECTORS = ("home_energy_works", "home_adaptation_works", "training_account")
"""Trades whose prospecting a law singles out, as a purpose declares them.

Source: code de la consommation art. L223-1; code du travail art. L6323-8-1.
"""

STATEMENTS = (
    "objection",
    "sale",
    "limit",
    "technology",
    "automated_decision",
    "financial_incentive",
    "transfer",
)
"""What a notice may say of a purpose beside its data, and the gate may ask for: facts `told.objection` and so on."""

ELEMENTS = (
    "information",
    "discloser",
    "recipient",
    "purpose",
    "expiry",
    "signature",
    "revocation",
    "conditioning",
    "redisclosure",
    "remuneration",
)
"""The parts of a written authorisation that a notice may hold. Source: 45 CFR § 164.508(a), (c)."""

STANDING_CHOICES = {
    "sale": "all:sale",
    "sensitive": "all:sensitive",
    "automated": "all:automated",
    "directive": "all:after_death",
}
"""Choices about many purposes at once: fact → the purpose that their entries name.

`all:sale` no sale or sharing, `all:sensitive` limit the use of sensitive data, `all:automated` no automated decisions
(California Civil Code § 1798.120, 1798.121; 11 CCR § 7221); `all:after_death` directives (loi 78-17 art. 85).
"""

METHODS_OF_PARENTS = (
    "signed_form",
    "payment_card",
    "call_center",
    "video_call",
    "id_check",
    "knowledge_questions",
    "face_match",
    "email_plus",
    "text_plus",
)
"""How a parent was recognised. Source: 16 CFR § 312.5(b)(2)."""

STANDING = ("role", "behalf", "jointly")
"""The keys of a policy's `controller` that every ledger entry repeats."""
RECIPIENT_ROLES = ("processor", "controller")
RETENTION_EVENTS = ("last_contact", "collection", "last_order", "contract_end", "choice")
"""From which event on data are kept for a purpose."""
IDENTITIES = ("key", "email", "phone", "name", "address", "birth_date", "other")
TYPES = ("string", "integer", "decimal", "date", "instant", "boolean")

CHOICE_STATUSES = ("none", "given", "refused", "withdrawn", "objected", "lifted", "overruled")
"""What a choice leaves; `overruled`: an objection was examined and compelling grounds were shown (GDPR Art. 21(1))."""
AGES = ("adult", "minor", "over_13", "over_14", "over_15", "over_16")
"""What is known of an age: `over_15` is a declaration of being 15 or over, without a date."""
HOLD_STATUSES = ("none", "restricted", "erasing", "erased")
ADULT_AT = 18

FACTS: dict[str, type[str] | type[int]] = {
    "person.known": int,
    "person.place": str,
    "person.capacity": str,
    "person.age": str,
    "person.minor_until": int,
    "contract.since": int,
    "contract.until": int,
    "choice.status": str,
    "choice.since": int,
    "choice.expires": int,
    "choice.grade": int,
    "choice.signal": str,
    "guardian.status": str,
    "guardian.since": int,
    "guardian.expires": int,
    "guardian.grade": int,
    "choice.notice": str,
    "choice.method": str,
    "choice.after_hold": int,
    "guardian.notice": str,
    "guardian.method": str,
    "sale.status": str,
    "sale.signal": str,
    "sensitive.status": str,
    "automated.status": str,
    "directive.status": str,
    "hold.status": str,
    "told.requested": int,
    **{f"told.{statement}": int for statement in STATEMENTS},
    "use.channel": str,
    "use.recipient": str,
    "use.stopped": int,
    "use.in_force": int,
}
"""Every fact a rule may read and its type; instants and grades are integers. The SQL column replaces `.` by `_`."""

REASONS = (
    "permitted",
    "stopped",
    "unknown_purpose",
    "unknown_person",
    "facts_missing",
    "erased",
    "erasing",
    "restricted",
    "banned",
    "no_ground",
    "not_separate",
    "no_safeguard",
    "deceased",
    "wrong_capacity",
    "not_informed",
    "told_too_little",
    "opt_out_signal",
    "objected",
    "sale_refused",
    "sensitive_limited",
    "automation_refused",
    "refused",
    "withdrawn",
    "not_activated",
    "never_asked",
    "expired",
    "proof_too_weak",
    "authorisation_incomplete",
    "no_contract",
    "contract_ended",
    "retention_ended",
    "age_unknown",
    "too_young",
    "under_age_no_guardian",
    "guardian_unverified",
    "undeclared_field",
    "rule_error",
    "evidence_expired",
)
"""Every reason code a decision can carry, in the order in which rules are asked.

What protects everybody comes first, then what the policy lacks, what the person was told, what they said, and last the
proof of it, the contract and the age.
"""


class RuleError(BadInput):
    """A rule that cannot be evaluated: an unknown operation, fact, grade or reason, or a value of the wrong type."""


def grade_level(grade: str) -> int:
    """The integer of a grade of proof; raises `RuleError` for an unknown one.

    >>> grade_level("form")
    3
    """
    if grade not in GRADES:
        raise RuleError("an unknown grade of proof in a rule")
    return GRADES.index(grade)


def reason_text(code: str, lang: str, *, to_person: bool = False) -> str:
    """What a reason code means, to a marketer or (`to_person`) to the customer; raises `NotFound` for another code."""
    if code not in REASONS:
        raise NotFound("an unknown reason code")
    return text("policy", f"{'reason_person' if to_person else 'reason'}.{code}", lang)
