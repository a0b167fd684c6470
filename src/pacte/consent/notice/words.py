"""Small words of a notice: lengths, places, categories of data, lists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import reduce

from babel import Locale

from pacte.kernel.i18n import counted, text, typeset
from pacte.policy.categories import categories
from pacte.policy.citations import article_in
from pacte.policy.durations import Duration
from pacte.policy.model import PolicyFile, Retention

ROOM = "consent.notice"

# ISO 3166-2 regions whose law is their own; their names are the same in both languages but one.
_REGIONS = {"CA-QC": {"en": "Québec", "fr": "Québec"}, "US-CA": {"en": "California", "fr": "Californie"}}


def say(key: str, lang: str, **parameters: str | int) -> str:
    """A text of the notice's catalogue."""
    return text(ROOM, key, lang, **parameters)


def of_policy(words: Mapping[str, str], lang: str) -> str:
    """A text of the policy in `lang`, else in the first language that it has."""
    found = lang if lang in words else next(iter(words))
    return typeset(words[found], found)


def length(duration: Duration, lang: str) -> str:
    """A duration in words: 3 years, 18 months, 30 days."""
    if duration.months and duration.months % 12 == 0:
        return counted("policy", "diff.length.year", lang, duration.months // 12)
    if duration.months:
        return counted("policy", "diff.length.month", lang, duration.months)
    return counted("policy", "diff.length.day", lang, duration.days)


def kept(retention: Retention, lang: str) -> str:
    """How long data are kept, and from when it counts."""
    return say(f"kept.{retention.event}", lang, length=length(retention.keep, lang))


def place(code: str, lang: str) -> str:
    """The name of a country or region; a code that has none stays as it is."""
    country, _, _ = code.partition("-")
    found = _REGIONS.get(code, {}).get(lang) or Locale(lang).territories.get(country, code)
    return str(found)


def category(name: str, lang: str) -> str:
    """A category of personal data in plain words."""
    found = categories()[name]
    return found.fr if lang == "fr" else found.en


def category_of(path: str, policy: PolicyFile) -> str:
    """The category of `dataset.field`."""
    dataset, _, name = path.partition(".")
    return policy.datasets[dataset].category_of(name)


def listed(words: Iterable[str], lang: str) -> str:
    """Several things in a sentence, each once."""
    found = list(dict.fromkeys(words))
    if len(found) < 2:
        return "".join(found)
    return text("policy", "diff.and", lang, first=", ".join(found[:-1]), last=found[-1])


def one_by_one(words: Iterable[str], lang: str) -> str:
    """Several things one after the other, with the language's semicolon between them."""
    return reduce(lambda first, following: say("then", lang, first=first, next=following), words)


def cited(article: str, lang: str) -> str:
    """An article as the language cites it: `GDPR Art. 13(1)(c)`, `RGPD art. 13(1)(c)`."""
    return article_in(article, lang).replace("GDPR", "RGPD") if lang == "fr" else article


def sentence(words: str) -> str:
    """Words that begin with a capital and end with a full stop."""
    whole = words.strip()
    whole = whole[:1].upper() + whole[1:]
    return whole if whole.endswith((".", "!", "?", "…")) else f"{whole}."
