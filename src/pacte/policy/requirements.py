"""The requirements of each legal basis, in the order of their reasons, each with its article, source and day.

These are readings of the law by people who are not counsel: `checked` is 0 until counsel has confirmed one. What is no
law but our own stricter rule belongs to the pack `house`. A set here is an ordered list: the first that fails is the
reason a person is told, so what protects everybody (a stop) comes before what the person chose, and that before proof.
"""

from __future__ import annotations

from pacte.policy.conditions import (
    Absent,
    AfterNow,
    AgeAtLeast,
    Any,
    Compare,
    Condition,
    Every,
    GradeAtLeast,
    NotAfterNow,
    OneOf,
    Present,
    Told,
)
from pacte.policy.model import Ages, Purpose
from pacte.policy.table import Requirement
from pacte.policy.vocabulary import ADULT_AT, CAPACITIES, CHOICE_STATUSES, HOLD_STATUSES

DEFAULT_GRADE = "form"
"""The grade of proof that a consent needs when its purpose names none."""

# pack → (source, the day it took effect)
_SOURCES = {
    "gdpr": ("Regulation (EU) 2016/679", "2018-05-25"),
    "fr": ("Loi n° 78-17 du 6 janvier 1978", "2019-06-01"),
    "us-ca": ("California Code of Regulations, title 11", "2023-03-29"),
    "house": ("pacte house rules", "2026-11-01"),
}


def requirements_of(purpose: Purpose) -> tuple[Requirement, ...]:
    """Every requirement of a declared purpose, in order."""
    return (*_held(purpose), *_public(purpose), *_informed(purpose), *_chosen(purpose), *_bound(purpose))


def requirement(name: str, when: Condition, reason: str, pack: str, article: str) -> Requirement:
    """One requirement of a pack; `article` is what a reader looks up in the pack's source."""
    source, since = _SOURCES[pack]
    return Requirement(
        id=f"{pack}:{name}", when=when, otherwise=reason, article=article, source=source, since=since, pack=pack
    )


STOPPED = requirement("stopped", Compare("eq", "use.stopped", 0), "stopped", "house", "a stop has effect at once")
IN_FORCE = requirement(
    "in_force", Compare("eq", "use.in_force", 1), "unknown_purpose", "house", "a policy binds from its effective day"
)
KNOWN = requirement("known", Compare("eq", "person.known", 1), "unknown_person", "house", "unknown means no")
ERASED = requirement("erased", Compare("ne", "hold.status", "erased"), "erased", "gdpr", "Art. 17(1)")
ERASING = requirement("erasing", Compare("ne", "hold.status", "erasing"), "erasing", "gdpr", "Art. 17(1)")
RESTRICTED = requirement("restricted", Compare("ne", "hold.status", "restricted"), "restricted", "gdpr", "Art. 18(2)")
DECEASED = requirement(
    "deceased", Any((Absent("person.capacity"), OneOf("person.capacity", CAPACITIES))), "deceased", "fr", "art. 84 à 86"
)


HOLD_KNOWN = requirement(
    "hold_known", OneOf("hold.status", HOLD_STATUSES), "facts_missing", "house", "unknown means no"
)


def _held(purpose: Purpose) -> list[Requirement]:
    """Nothing is stopped, erased, being erased or restricted, except for what the law lets go on."""
    found = [STOPPED, IN_FORCE, KNOWN, HOLD_KNOWN, ERASED]
    # The parcel, the invoice, a breach notice and a person in danger do not wait for an erasure to end.
    unhindered = purpose.basis in ("legal_obligation", "vital_interests") or purpose.kind == "legal_claims"
    if not unhindered and not (purpose.basis == "contract" and purpose.kind == "service"):
        found.append(ERASING)
    if not unhindered:
        found.append(RESTRICTED)
    return found


def _public(purpose: Purpose) -> list[Requirement]:
    found = [DECEASED] if purpose.public or _depends_on_choice(purpose) else []
    if purpose.public:
        when = OneOf("person.capacity", purpose.public)
        found.append(requirement("public", when, "wrong_capacity", "house", "the policy's `public`"))
    return found


def _informed(purpose: Purpose) -> list[Requirement]:
    """Every basis but vital interests waits for information. Source: GDPR Art. 6(1)(d)."""
    if purpose.basis == "vital_interests":
        return []
    facts = requirement("told_known", Present("told.requested"), "facts_missing", "house", "unknown means no")
    return [facts, requirement("informed", Told(), "not_informed", "gdpr", "Art. 5(1)(b), 6(4), 13(3), 14")]


def _chosen(purpose: Purpose) -> list[Requirement]:
    """What the person said. A refused consent is not got round by calling the purpose an interest."""
    if not _depends_on_choice(purpose):
        return []
    heard = OneOf("choice.status", CHOICE_STATUSES)
    facts = requirement("choice_known", heard, "facts_missing", "house", "unknown means no")
    agreed = _agreed(purpose) if purpose.basis == "consent" else []
    return [facts, *_not_objected(purpose), *_not_refused(), *_not_overruled(purpose), *agreed]


def _not_objected(purpose: Purpose) -> list[Requirement]:
    found = []
    free = Compare("ne", "choice.status", "objected")
    if "gpc" in purpose.honours:
        by_hand = Any((free, Compare("ne", "choice.signal", "gpc"), Absent("choice.signal")))
        found.append(requirement("signal", by_hand, "opt_out_signal", "us-ca", "§ 7025"))
    return [*found, requirement("objected", free, "objected", "gdpr", _objection_article(purpose))]


def _objection_article(purpose: Purpose) -> str:
    return "Art. 21(2)-(3)" if purpose.kind == "direct_marketing" else "Art. 21(1)"


def _not_refused() -> list[Requirement]:
    return [
        requirement("refused", Compare("ne", "choice.status", "refused"), "refused", "gdpr", "Art. 4(11), 6(1)(a)"),
        requirement("withdrawn", Compare("ne", "choice.status", "withdrawn"), "withdrawn", "gdpr", "Art. 7(3)"),
    ]


def _not_overruled(purpose: Purpose) -> list[Requirement]:
    """A guardian's no is a no until the person is 18; who may be a minor is treated as one."""
    of_age = AgeAtLeast(ADULT_AT)
    heard = Any((of_age, OneOf("guardian.status", CHOICE_STATUSES)))
    articles = {"objected": _objection_article(purpose), "refused": "Art. 8(1)", "withdrawn": "Art. 7(3), 8(1)"}
    return [
        requirement("guardian_known", heard, "facts_missing", "house", "unknown means no"),
        *(
            requirement(f"guardian_{no}", Any((of_age, Compare("ne", "guardian.status", no))), no, "gdpr", article)
            for no, article in articles.items()
        ),
    ]


def _agreed(purpose: Purpose) -> list[Requirement]:
    given = Compare("eq", "choice.status", "given")
    live = Any((Absent("choice.expires"), AfterNow("choice.expires")))
    proven = GradeAtLeast("choice.grade", purpose.minimum_grade or DEFAULT_GRADE)
    article = "Art. 6(1)(a), 9(2)(a)" if purpose.explicit else "Art. 6(1)(a)"
    return [
        requirement("given", given, "never_asked", "gdpr", article),
        requirement("expired", live, "expired", "house", "the policy's `expires_after`"),
        requirement("proof", proven, "proof_too_weak", "gdpr", "Art. 7(1)"),
    ]


def _bound(purpose: Purpose) -> list[Requirement]:
    """The contract that the basis names, then the age."""
    found = []
    if purpose.basis == "contract":
        begun = NotAfterNow("contract.since")
        lasting = Any((Absent("contract.until"), AfterNow("contract.until")))
        found.append(requirement("contract", begun, "no_contract", "gdpr", "Art. 6(1)(b)"))
        found.append(requirement("contract_lasts", lasting, "contract_ended", "gdpr", "Art. 6(1)(b)"))
    if purpose.ages:
        found += _of_age(purpose.ages, purpose.minimum_grade or DEFAULT_GRADE)
    return found


def _of_age(ages: Ages, grade: str) -> list[Requirement]:
    """Old enough, or with the parent's agreement as well as the child's. Source: GDPR Art. 8(1); loi 78-17 art. 45."""
    old_enough: Condition = AgeAtLeast(ages.minimum)
    if ages.unknown == "adult":
        old_enough = Any((Absent("person.age"), old_enough))
    found = []
    if ages.unknown is None:
        found.append(
            requirement(
                "age_known", Present("person.age"), "age_unknown", "house", "the policy's `ages`, unknown means no"
            )
        )
    if ages.below != "guardian":
        return [*found, requirement("age", old_enough, "under_age_no_guardian", "house", "the policy's `ages`")]
    parent = Every(
        (
            Compare("eq", "guardian.status", "given"),
            Any((Absent("guardian.expires"), AfterNow("guardian.expires"))),
            GradeAtLeast("guardian.grade", grade),
        )
    )
    return [
        *found,
        requirement(
            "guardian",
            Any((old_enough, parent)),
            "under_age_no_guardian",
            "fr",
            "art. 45; Regulation (EU) 2016/679, Art. 8(1)",
        ),
    ]


def _depends_on_choice(purpose: Purpose) -> bool:
    return purpose.basis in ("consent", "legitimate_interests", "public_task")
