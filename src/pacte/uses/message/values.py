"""The values of a person as they stand in a message: one line, of a bounded length, nothing that acts.

INVARIANT: what comes out of here holds no control character and no line break, so that it can add no header; no mark
that turns the direction of writing; and nothing that a mail reader makes a link of, so that somebody who signs up
under the name of a website has no mail of ours carry it to others.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from babel.dates import format_date
from babel.numbers import format_decimal

from pacte.kernel.redacted import Redacted
from pacte.uses.message.model import PLACEHOLDER

LONGEST = 120
"""Characters of one value; what is longer is cut."""
_ACTS = re.compile(
    r"(?i)[a-z][a-z0-9+.-]*:/|\b(?:mailto|tel|sms|data|javascript):|www\.|\w{2}\.[a-z]{2}|\w\.[a-z]{2,}/"
)
_ADDRESS = re.compile(r"[^\s@<>]+@[^\s@<>]+")
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_JOINERS = frozenset("\u200c\u200d")
"""Unseen, yet part of how some languages are written."""
_LOCALES = {"en": "en_GB", "fr": "fr_FR"}


def filled(words: str, values: Mapping[str, Redacted[Any]], lang: str) -> str:
    """Words with their placeholders filled in; a value that is unknown leaves the words given for it, or nothing."""
    return PLACEHOLDER.sub(lambda found: shown(values.get(found[1]), lang) or (found[2] or ""), words)


def shown(value: Redacted[Any] | None, lang: str) -> str:
    """One value in words of a language; nothing for one that is unknown, or that a reader would turn into a link."""
    if value is None or (found := value.reveal()) is None:
        return ""
    words = _words(found, lang)
    if not words.isascii() or not words.isprintable():
        words = "".join(map(_seen, words))
    words = " ".join(words.split())[:LONGEST].rstrip()
    return "" if _ACTS.search(words) and not _ADDRESS.fullmatch(words) else words


def _seen(character: str) -> str:
    hidden = unicodedata.category(character) in _UNSEEN and character not in _JOINERS
    return " " if hidden else character


def _words(value: object, lang: str) -> str:
    match value:
        case str():
            return value[: 4 * LONGEST]
        case bool():
            return ""
        case int() | float() | Decimal():
            return str(format_decimal(value, locale=_LOCALES[lang]))
        case datetime():
            return str(format_date(value.date(), format="long", locale=_LOCALES[lang]))
        case date():
            return str(format_date(value, format="long", locale=_LOCALES[lang]))
    return ""
