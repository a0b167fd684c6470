"""The `house` pack: purposes for the house's own work, in every rule table. Nothing reads without a purpose.

They serve the persons themselves and the duty to account for what was done, so they wait for no notice. A stop halts
what could wait; it never keeps the house from answering, erasing or restoring.
"""

from __future__ import annotations

from collections.abc import Mapping

from pacte.policy.declared import DEFAULT_GRADE
from pacte.policy.packs import HOUSE, built_in
from pacte.policy.requirements import rule_of
from pacte.policy.table import PurposeRules, Requirement
from pacte.policy.vocabulary import IDENTITIES


def _rules_named(*names: str) -> tuple[Requirement, ...]:
    """Rules of the Regulation where it has one of that name, else of the house: they bind the house's own work too."""
    return tuple(rule_of(built_in(_PACK.get(name, HOUSE)), name) for name in names)


_PACK = dict.fromkeys(("erased", "erasing", "restricted"), "gdpr")


_ALL = IDENTITIES
_TO_RECOGNISE = tuple(identity for identity in IDENTITIES if identity != "other")

# purpose → (title, ground, kind, identities it may see, whether it may see everything else, requirements)
_PURPOSES: dict[str, tuple[dict[str, str], str, str, tuple[str, ...], bool, tuple[str, ...]]] = {
    "house:accountability": (
        {"en": "Account for a decision", "fr": "Rendre compte d'une décision"},
        "GDPR Art. 5(2)",
        "legal_claims",
        (),
        False,
        ("once_known",),
    ),
    "house:rights": (
        {"en": "Answer a person's request", "fr": "Répondre à la demande d'une personne"},
        "GDPR Art. 12, 15 to 22",
        "service",
        _ALL,
        True,
        ("known", "hold_known", "erased"),
    ),
    "house:matching": (
        {"en": "Recognise a person", "fr": "Reconnaître une personne"},
        "GDPR Art. 5(1)(d)",
        "service",
        _TO_RECOGNISE,
        False,
        ("stopped", "known", "hold_known", "erased", "erasing", "restricted"),
    ),
    "house:erasure": (
        {"en": "Erase a person's data", "fr": "Effacer les données d'une personne"},
        "GDPR Art. 17, 19",
        "service",
        _ALL,
        True,
        ("known", "hold_known", "erased"),
    ),
    "house:double_opt_in": (
        {"en": "Confirm a choice by message", "fr": "Confirmer un choix par message"},
        "GDPR Art. 7(1)",
        "service",
        ("email", "phone"),
        False,
        ("stopped", "known", "hold_known", "erased", "erasing", "restricted", "alive"),
    ),
    "house:restore": (
        {"en": "Restore the house from a backup", "fr": "Rétablir la maison depuis une sauvegarde"},
        "GDPR Art. 32(1)(c)",
        "security",
        _ALL,
        True,
        ("known", "hold_known", "erased"),
    ),
}


def house_purposes(fields: Mapping[str, tuple[str, str]]) -> dict[str, PurposeRules]:
    """The house's own purposes; `fields` is every declared `dataset.field` with its category and identity (or "")."""
    return {name: _rules(name, fields) for name in _PURPOSES}


def _rules(name: str, fields: Mapping[str, tuple[str, str]]) -> PurposeRules:
    title, ground, kind, identities, everything, asked = _PURPOSES[name]
    seen = {path: category for path, (category, who) in fields.items() if (who in identities if who else everything)}
    return PurposeRules(
        basis="legal_obligation",
        kind=kind,
        title=title,
        requirements=_rules_named(*asked),
        categories=tuple(sorted(set(seen.values()))),
        fields=tuple(seen),
        exact=tuple(seen),
        channels=(),
        recipients=(),
        by_recipient=False,
        public=(),
        honours=(),
        min_grade=DEFAULT_GRADE,
        expires_after=None,
        keep=None,
        keep_from="",
        domain=name,
        ground=ground,
    )
