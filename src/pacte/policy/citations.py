"""How a rule is cited: the short name of where it stands and its article, as each language writes them."""

from __future__ import annotations

import re
from collections.abc import Mapping

_FRENCH = (
    (r"\bArt\. |\bs\. ", "art. "),
    (r"\bpar\. (\d+)\((\d+)\)", r"al. \1, \2°"),
    (r"\bpar\. ", "al. "),
    (r"\brecital ", "considérant "),
    (r"\blast sentence\b", "dernière phrase"),
    (r" to ", " à "),
    (r" and ", " et "),
)
"""French writes an article small, has no sections, and says the rest in French; numbers stay as the law has them."""


def article_in(article: str, lang: str) -> str:
    """An article as a language writes it.

    >>> article_in("Art. 44 to 47", "fr")
    'art. 44 à 47'
    """
    if lang == "fr":
        for written, french in _FRENCH:
            article = re.sub(written, french, article)
    return article


def cite(article: str, source: str, short: Mapping[str, str], lang: str) -> str:
    """The source and the article; the article alone where it names its source, as `16 CFR § 312.5` does.

    >>> cite("Art. 13(1)", "Directive 2002/58/EC", {"en": "ePrivacy Directive"}, "en")
    'ePrivacy Directive, Art. 13(1)'
    """
    if any(article.startswith(name) for name in short.values()):
        return article_in(article, lang)
    return f"{short.get(lang) or source}, {article_in(article, lang)}"
