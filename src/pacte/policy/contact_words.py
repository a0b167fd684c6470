"""Rules of contact in a sentence: a law's in its own words, the policy's own made from what it says."""

from __future__ import annotations

from pacte.kernel.i18n import LANGUAGES, counted, text
from pacte.policy.channels import named
from pacte.policy.contact import ContactRule
from pacte.policy.durations import Duration
from pacte.policy.weeks import DAYS, Span, Week


def said(rule: ContactRule, lang: str) -> str:
    """The rule in a sentence, in a language of `LANGUAGES`."""
    if rule.says:
        return rule.says.get(lang) or next(rule.says[one] for one in LANGUAGES if one in rule.says)
    ways = ", ".join(named(channel, lang) for channel in rule.channels) or text("policy", "contact.every", lang)
    if rule.week is None:
        return counted("policy", "contact.cap", lang, rule.at_most, length=_length(rule.within, lang), channels=ways)
    free = text("policy", f"contact.{'with' if rule.holidays else 'without'}_holidays", lang)
    return text("policy", "contact.hours", lang, channels=ways, hours=hours(rule.week, lang), holidays=free)


def hours(week: Week, lang: str) -> str:
    """A week of hours: days that have the same ones together.

    >>> from pacte.policy.weeks import week_of
    >>> hours(week_of({"mon-fri": [(600, 780), (840, 1200)], "sun": [(600, 720)]}), "en")
    'Mon–Fri 10:00–13:00, 14:00–20:00; Sun 10:00–12:00'
    """
    runs: list[tuple[int, int]] = []
    for day, spans in enumerate(week):
        if runs and week[runs[-1][1]] == spans:
            runs[-1] = (runs[-1][0], day)
        else:
            runs.append((day, day))
    return "; ".join(
        f"{_days(first, last, lang)} {', '.join(map(_span, week[first]))}" for first, last in runs if week[first]
    )


def _days(first: int, last: int, lang: str) -> str:
    names = [text("policy", f"contact.day.{DAYS[day]}", lang) for day in (first, last)]
    return names[0] if first == last else "–".join(names)


def _span(span: Span) -> str:
    return "–".join(f"{minute // 60}:{minute % 60:02}" for minute in span)


def _length(length: Duration, lang: str) -> str:
    if length.months and length.months % 12 == 0:
        return counted("policy", "diff.length.year", lang, length.months // 12)
    unit, count = ("month", length.months) if length.months else ("day", length.days)
    return counted("policy", f"diff.length.{unit}", lang, count)
