"""What a policy without mistakes should still be asked about: where, how grave, in words, by which article."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from pacte.kernel.i18n import LANGUAGES, text
from pacte.policy.model import PolicyFile

Level: TypeAlias = Literal["stops", "risk", "advice"]
"""`stops`: nobody can ever be permitted; `risk`: likely against a law; `advice`: could be better."""

CODES: Mapping[str, tuple[Level, str]] = {
    "never_permitted": ("stops", ""),
    "contradiction": ("stops", ""),
    "never_told": ("stops", "GDPR Art. 13, 14"),
    "refused_for_some": ("risk", ""),
    "told_in_part": ("risk", "GDPR Art. 13(1)(c), 14(1)(d)"),
    "looks_personal": ("risk", "GDPR Art. 4(1), 25"),
    "free_text": ("risk", "GDPR Art. 5(1)(c), 9"),
    "processor_unbound": ("risk", "GDPR Art. 28(3)"),
    "weak_proof": ("risk", "GDPR Art. 7(1)"),
    "weak_proof_special": ("risk", "GDPR Art. 7(1), 9(2)(a)"),
    "interest_beside_consent": ("risk", "GDPR Art. 5(1)(a), 6(1)"),
    "consent_became_interest": ("risk", "GDPR Art. 5(1)(a), 6(1), 7(3)"),
    "consent_outgrown": ("risk", "GDPR Art. 4(11), 6(1)(a), 7"),
    "phone_on_interest": ("risk", "Code de la consommation, art. L223-1"),
    "email_on_interest": ("risk", "Directive 2002/58/EC, Art. 13(1)-(2)"),
    "objection_untold": ("risk", "GDPR Art. 21(4)"),
    "age_below_law": ("risk", "GDPR Art. 8(1)"),
    "profiles_minors": ("risk", "GDPR recitals 38, 71"),
    "safeguard_other": ("risk", "GDPR Art. 46"),
    "one_yes_for_many": ("risk", "GDPR Art. 4(11), 7(2)"),
    "hard_to_read": ("risk", "GDPR Art. 12(1)"),
    "postal_missing": ("risk", ""),
    "contact_uncapped": ("advice", "Directive 2005/29/EC, Annex I no. 26"),
    "contact_hours_wider": ("advice", ""),
    "not_judged": ("advice", ""),
    "unused_field": ("advice", "GDPR Art. 5(1)(c)"),
    "values_may_reveal": ("advice", "GDPR Art. 9"),
    "recipient_unused": ("advice", "GDPR Art. 30(1)(d)"),
    "safeguard_undated": ("advice", "GDPR Art. 46"),
    "age_band_suffices": ("advice", "GDPR Art. 5(1)(c), 25"),
    "exact_in_study": ("advice", "GDPR Art. 5(1)(c), 25"),
    "whole_postcode": ("advice", "GDPR Art. 5(1)(c), 25"),
    "kept_long": ("advice", "GDPR Art. 5(1)(e)"),
    "retention_before_expiry": ("advice", "GDPR Art. 5(2), 7(1)"),
    "no_expiry": ("advice", "GDPR Art. 7"),
    "same_title": ("advice", "GDPR Art. 7(2), 12(1)"),
    "notice_language": ("advice", "GDPR Art. 12(1)"),
    "notice_tells_unused": ("advice", "GDPR Art. 5(1)(a), 12(1)"),
    "notice_tells_ended": ("advice", "GDPR Art. 5(1)(a), 12(1)"),
    "says_untold": ("advice", "GDPR Art. 13, 14"),
}
"""Every code: its level and its article; a finding about a rule of a pack has the rule's own article."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Where (a line of the policy), how grave, what; `words` in every language, with the mend."""

    line: int
    level: Level
    code: str
    words: Mapping[str, str]
    purpose: str = ""
    field: str = ""
    article: str = ""
    file: str = ""
    """The file of the line: a part of an extended policy stands in another."""

    def say(self, lang: str) -> str:
        """The finding in words of one language."""
        return self.words[lang]


def found(
    document: PolicyFile,
    code: str,
    path: tuple[str | int, ...],
    *,
    purpose: str = "",
    field: str = "",
    article: str = "",
    **parts: str | int | Mapping[str, str],
) -> Finding:
    """A finding at a path of the policy, with the parts of its sentence; a part may differ by language."""
    level, known = CODES[code]
    named = {"purpose": purpose, "field": field, "article": article} | parts
    words = {
        lang: text("policy", f"lint.{code}", lang, **{key: _in(part, lang) for key, part in named.items()})
        for lang in LANGUAGES
    }
    file, line = document.place(*path)
    return Finding(line, level, code, words, purpose, field, article or known, file)


def _in(part: str | int | Mapping[str, str], lang: str) -> str | int:
    return part[lang] if isinstance(part, Mapping) else part
