"""Why somebody is not reached now, in plain words: the reason, the rule that says so, where it stands, until when."""

from __future__ import annotations

from pacte.gate.contact import REASONS, Refusal
from pacte.gate.explain import HOUSE
from pacte.kernel.errors import NotFound
from pacte.kernel.i18n import moment, text, typeset
from pacte.policy.citations import cite


def reason_text(code: str, lang: str) -> str:
    """What a reason means; raises `NotFound` for another code.

    >>> reason_text("no_address", "en")
    'no address is known for this channel'
    """
    if code not in REASONS:
        raise NotFound("an unknown reason not to reach somebody")
    return text("gate", f"contact.{code}", lang)


def explain(refusal: Refusal, lang: str) -> str:
    """A refusal within a sentence: what a law says is cited, what is the company's own rule says so."""
    words, rule = reason_text(refusal.reason, lang), refusal.rule
    if rule is not None and rule.pack == HOUSE:
        words = text("gate", "why_house", lang, reason=words)
    elif rule is not None:
        article = typeset(cite(rule.article, rule.source, rule.short, lang), lang)
        words = text("gate", "why_article", lang, reason=words, article=article)
    if refusal.until is None:
        return words
    return text("gate", "contact.until", lang, reason=words, moment=moment(refusal.until, lang))
