"""A decision in plain words: the answer, the reason and its article, the choice it stands on, what is unchecked."""

from __future__ import annotations

from pacte.gate.one import NO_RULES
from pacte.gate.values import Cited, Decision, Reason
from pacte.kernel.errors import named
from pacte.kernel.i18n import catalogue, day, text


def explain(decision: Decision, lang: str) -> str:
    """The decision in words, one fact a line. Holds no personal value: purposes, dates, entry numbers only."""
    question = decision.question
    head = "yes" if decision.permitted else "no"
    lines = [
        text("gate", f"answer.{head}", lang, purpose=named(question.purpose).strip("`"), day=day(question.as_of, lang)),
        because(decision.reason, lang),
    ]
    if decision.rules == NO_RULES:
        return "\n".join([lines[0], text("gate", "no_rules", lang)])
    if decision.cited:
        lines.append(_cited(decision.cited, lang))
    for name, code in sorted(decision.fields.items()):
        if code != decision.reason.code:
            lines.append(text("gate", "field", lang, field=name, reason=text("policy", f"reason.{code}", lang)))
    lines.append(text("gate", "rules", lang, digest=decision.rules[:12], known=str(question.known)))
    if decision.reason.requirement and not decision.reason.checked:
        lines.append(text("gate", "unchecked", lang))
    return "\n".join(lines)


def because(reason: Reason, lang: str) -> str:
    """The reason in words, with the law and article it comes from, or that it is a rule of the house."""
    kind, _, name = reason.requirement.partition(":")
    words = text("gate", f"basis.{name}", lang) if kind == "basis" else text("policy", f"reason.{reason.code}", lang)
    if reason.pack == "house":
        return text("gate", "because_house", lang, reason=words)
    if not reason.article:
        return text("gate", "because", lang, reason=words)
    return text("gate", "because_article", lang, reason=words, article=citation(reason, lang))


def citation(reason: Reason, lang: str) -> str:
    """The law and the article of a reason, such as `GDPR, Art. 7(3)`; the full title where a law has no short name."""
    key = f"article.{reason.pack}"
    law = text("policy", key, lang) if key in catalogue("policy") else reason.source
    return f"{law}, {reason.article}"


def _cited(cited: Cited, lang: str) -> str:
    status = text("gate", f"status.{cited.status}", lang)
    line = text("gate", "cited", lang, entry=str(cited.entry), status=status, day=day(cited.since, lang))
    if cited.notice:
        line += " " + text("gate", "notice", lang, digest=cited.notice[:12])
    return line
