"""The values of a person as they stand in a message: one line, of a bounded length, nothing that acts.

INVARIANT: what comes out of here holds no control character and no line break, so that it can add no header; no mark
that turns the direction of writing; and nothing that a mail reader makes a link or a call of, so that somebody who
signs up under the name of a website or a telephone number has no mail of ours carry it to others.
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
    r"(?i)[a-z][a-z0-9+.-]*:/|\b(?:mailto|tel|sms|data|javascript):|www\.|[^\s.]\.[^\W\d_]{2}"
    r"|\d\.\d+\.\d+\.\d|[^\s@]@[^\s@]"
)
"""What is made a link of: addresses on the web by name or by number, of mail, and what begins like one."""
_CALLS = re.compile(r"(?<!\w)\+?(?:[\s().\-/]{0,3}\d){7,}(?!\w)")
_DATE = re.compile(r"(?<!\w)(?:[0-3]?\d[./-][01]?\d[./-][12]\d{3}|[12]\d{3}-[01]\d-[0-3]\d)(?!\w)")
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_JOINERS = frozenset("\u200c\u200d")
"""Unseen, yet part of how some languages are written."""
_CALM = re.compile(r"[A-Za-zÀ-ÖØ-öø-ÿ' -]*")
"""Of most names one look is enough: nothing is made of these signs."""
_BESIDE = frozenset({"Cf", "Mn", "Mc", "Me"})
"""Kinds of signs that stand on others or between them, and may be seen or not."""
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
    return words if _CALM.fullmatch(words) or not _leads(words) else ""


def _leads(words: str) -> bool:
    """Whether a mail reader may make a link or a call of it, with signs that look like others or are not seen."""
    asked = words if words.isascii() else "".join(map(_bare, unicodedata.normalize("NFKC", words)))
    return bool(_ACTS.search(asked) or _CALLS.search(_DATE.sub(" ", asked)))


def _bare(character: str) -> str:
    if character == "\u3002":  # a dot in the names of domains. Source: UTS 46 §2.3
        return "."
    return "" if unicodedata.category(character) in _BESIDE else character


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
