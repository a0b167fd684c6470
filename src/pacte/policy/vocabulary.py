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
)
"""What is done with the data, whatever the legal basis."""

CHANNELS = ("email", "sms", "phone", "post", "push", "messaging", "web", "app")

GRADES = ("none", "attested", "paper", "form", "double_opt_in")
"""Grades of proof, from weak to strong; a grade's integer is its place in this list."""

CAPACITIES = ("consumer", "prospect", "former", "professional")
"""In what capacity a living person deals with the company; `deceased` is a fact, never a public."""

SIGNALS = ("gpc",)
"""Browser signals that can count as an objection. Source: privacycg GPC specification; 11 CCR § 7025."""

RETENTION_EVENTS = ("last_contact", "collection", "last_order", "contract_end", "choice")
EVIDENCE_EVENTS = ("last_use", "erasure")
CONTROLLER_ROLES = ("controller", "joint_controller", "processor")
STANDING = ("role", "behalf", "jointly")
"""The keys of a policy's `controller` that every ledger entry repeats."""
RECIPIENT_ROLES = ("processor", "controller")
IDENTITIES = ("key", "email", "phone", "name", "address", "birth_date", "other")
TYPES = ("string", "integer", "decimal", "date", "instant", "boolean")
AGGREGATES = ("count", "sum", "min", "max")

CHOICE_STATUSES = ("none", "given", "refused", "withdrawn", "objected", "lifted")
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
    "hold.status": str,
    "told.requested": int,
    "use.stopped": int,
    "use.in_force": int,
}
"""Every fact a rule may read and its type; instants and grades are integers. The SQL column replaces `.` by `_`."""

REASONS = (
    "permitted",
    "unknown_person",
    "unknown_purpose",
    "stopped",
    "erased",
    "erasing",
    "restricted",
    "not_informed",
    "deceased",
    "wrong_capacity",
    "age_unknown",
    "under_age_no_guardian",
    "never_asked",
    "refused",
    "withdrawn",
    "objected",
    "opt_out_signal",
    "expired",
    "proof_too_weak",
    "no_contract",
    "contract_ended",
    "undeclared_field",
    "rule_error",
    "facts_missing",
    "evidence_expired",
)
"""Every reason code a decision can carry."""


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
