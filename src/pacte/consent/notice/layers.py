"""The layers of a notice, from a compiled policy: the short one first, details on demand, and what is missing.

Nothing is invented: the texts of purposes are the policy's, the rest says what the policy declares, and what a law asks
beyond that is a named gap for the company. Source: GDPR Art. 12(1), 13, 14; WP 260 on layered notices.
"""

from __future__ import annotations

from pacte.consent.notice import parts, purposes
from pacte.consent.notice.values import Fact, Gap, Layers, Line, Part, Told
from pacte.consent.notice.words import say
from pacte.kernel.i18n import check_language, day
from pacte.kernel.instant import Instant
from pacte.policy.compile import Compiled

__all__ = ["Fact", "Gap", "Layers", "Line", "Part", "Told", "layers"]


def layers(compiled: Compiled, lang: str, version: str, effective: Instant) -> Layers:
    """The notice of a policy in one language, as a version that is shown from `effective` on.

    `tells` names the categories that the gate will ask for, so that whoever was shown this notice is informed of
    exactly what the purposes use. Raises `BadInput` for a language that pacte does not speak.
    """
    policy = compiled.document
    check_language(lang)
    missing = [
        *parts.gaps(policy, lang, effective),
        *(gap for name in policy.purposes for gap in purposes.gaps(name, policy, lang)),
    ]
    said = {name: purposes.statements(name, policy) for name in policy.purposes}
    return Layers(
        lang=lang,
        version=version,
        effective=effective,
        title=say("title", lang),
        dated=say("dated", lang, version=version, day=day(effective, lang)),
        controller=policy.controller.name,
        short=parts.short(policy, lang),
        purposes=tuple(purposes.told(name, policy, lang) for name in policy.purposes),
        parts=parts.details(policy, lang),
        gaps=tuple(missing),
        tells={name: compiled.table.purposes[name].categories for name in policy.purposes},
        says={name: words for name, words in said.items() if words},
    )
