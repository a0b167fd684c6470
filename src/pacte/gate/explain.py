"""A decision in plain words: the answer, the rule that decided and where it stands, what else fails.

One fact a paragraph, for a customer's letter as well as for a lawyer: the reason, the article with the day since when
it binds, the rule in a sentence, the choice the decision stands on, then whatever else would have to change for a yes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pacte.gate.one import NO_RULES
from pacte.gate.values import Cited, Decision, Reason
from pacte.kernel.errors import BadInput, named
from pacte.kernel.i18n import LANGUAGES, catalogue, day, text, typeset
from pacte.kernel.instant import parse_instant
from pacte.policy.citations import cite

HOUSE = "house"
"""The pack of what is no law but our own stricter rule."""


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
    lines += _rule(decision.reason, lang)
    if decision.cited:
        lines.append(_cited(decision.cited, lang))
    also = decision.also()
    lines += _others(decision.reason, also, lang)
    for name, code in sorted(decision.fields.items()):
        if code != decision.reason.code:
            lines.append(text("gate", "field", lang, field=name, reason=text("policy", f"reason.{code}", lang)))
    lines.append(text("gate", "rules", lang, digest=decision.rules[:12], known=str(question.known)))
    lines += _unchecked([decision.reason, *also], lang)
    return "\n".join(lines)


def because(reason: Reason, lang: str) -> str:
    """The reason in a sentence, with the law and article it comes from, or that it is a rule of the house."""
    return text("gate", "because", lang, reason=why(reason, lang))


def why(reason: Reason, lang: str) -> str:
    """The same within a sentence: without its own beginning and end."""
    words = _words(reason, lang)
    if reason.pack == HOUSE:
        return text("gate", "why_house", lang, reason=words)
    return text("gate", "why_article", lang, reason=words, article=citation(reason, lang)) if reason.article else words


def citation(reason: Reason, lang: str) -> str:
    """Where a reason stands, such as `GDPR, Art. 7(3)`; tables of before sources had short names cite their title."""
    return typeset(cite(reason.article, reason.source, reason.short or _known(reason.source), lang), lang)


def _known(source: str) -> dict[str, str]:
    """The short name of the Regulation, on which every legal basis stands; no other is known without a pack."""
    regulation = catalogue("gate")["title.gdpr"]["en"]
    return {lang: text("policy", "article.gdpr", lang) for lang in LANGUAGES} if source == regulation else {}


def sentence(says: Mapping[str, str], lang: str) -> str:
    """A rule in a sentence, as the language is set; empty where the table of rules holds none."""
    return typeset(says.get(lang, ""), lang)


def since(reason: Reason, lang: str) -> str:
    """The day since when a rule binds, in words; as it was written where it is no day."""
    try:
        return day(parse_instant(reason.since), lang)
    except BadInput:
        return reason.since


def _words(reason: Reason, lang: str) -> str:
    kind, _, name = reason.requirement.partition(":")
    return text("gate", f"basis.{name}", lang) if kind == "basis" else text("policy", f"reason.{reason.code}", lang)


def _rule(reason: Reason, lang: str) -> list[str]:
    """The rule that decided, in a sentence, and since when and where it stands; tables before 2 hold no sentence."""
    lines = []
    if rule := sentence(reason.says, lang):
        lines.append(text("gate", "says", lang, rule=rule))
    if reason.since and reason.pack != HOUSE:
        lines.append(text("gate", "source", lang, source=_source(reason, lang), day=since(reason, lang)))
    return lines


def _source(reason: Reason, lang: str) -> str:
    """The law's own title; in French where the law has one in both languages."""
    titles = (known for key, known in catalogue("gate").items() if key.startswith("title."))
    return next((title[lang] for title in titles if title["en"] == reason.source), reason.source)


def _others(decided: Reason, also: tuple[Reason, ...], lang: str) -> list[str]:
    """What else fails, each said once: where a law says it, the house's own rule of the same reason adds nothing."""
    said = {reason.code for reason in (decided, *also) if reason.pack != HOUSE}
    lines, seen = [], {decided.code} if decided.pack == HOUSE else set()
    for other in also:
        if other.pack != HOUSE or other.code not in said | seen:
            lines.append(text("gate", "also", lang, rule=_in_short(other, lang)))
        seen |= {other.code} if other.pack == HOUSE else set()
    return [text("gate", "also_head", lang), *dict.fromkeys(lines)] if lines else []


def _in_short(reason: Reason, lang: str) -> str:
    """The rule that is not met, and where it stands; the reason in words where a table holds no sentence."""
    words = sentence(reason.says, lang).rstrip(".") or _words(reason, lang)
    cited = text("gate", "own_rule", lang) if reason.pack == HOUSE else citation(reason, lang)
    return f"{words} ({cited})" if reason.article else words


def _unchecked(reasons: Iterable[Reason], lang: str) -> list[str]:
    """That counsel has not checked a law's rule that is said above; the house's own need no counsel."""
    open_ = [reason for reason in reasons if reason.requirement and not reason.checked and reason.pack != HOUSE]
    return [text("gate", "unchecked", lang)] if open_ else []


def _cited(cited: Cited, lang: str) -> str:
    status = text("gate", f"status.{cited.status}", lang)
    line = text("gate", "cited", lang, entry=str(cited.entry), status=status, day=day(cited.since, lang))
    if cited.notice:
        line += " " + text("gate", "notice", lang, digest=cited.notice[:12])
    return line
