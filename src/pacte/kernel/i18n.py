"""Words on screens: French and English, side by side in one file per room.

Each room keeps `texts.toml` beside its code: a table per message with one line per language, so that neither language
can be forgotten; a file with a hole is refused when it is read. Parameters use `{name}`.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.resources import files

from babel.dates import format_date, format_datetime
from babel.numbers import format_decimal

from pacte.kernel.errors import BadInput
from pacte.kernel.instant import to_datetime

LANGUAGES = ("en", "fr")


def text(room: str, key: str, lang: str, **parameters: str | int) -> str:
    """The message `key` of `room` (such as `"gate"`) in `lang`; integers are written as the language writes them."""
    shown = {name: _shown(value, lang) for name, value in parameters.items()}
    return catalogue(room)[key][check_language(lang)].format(**shown)


def counted(room: str, key: str, lang: str, count: int, **parameters: str | int) -> str:
    """The message `key.one` or `key.many`, as the language counts: French has 0 in the singular, English has not."""
    one = count == 1 or (lang == "fr" and count == 0)
    return text(room, f"{key}.one" if one else f"{key}.many", lang, count=count, **parameters)


def check_language(lang: str) -> str:
    """Return `lang` if pacte speaks it; raises `BadInput` otherwise."""
    if lang not in LANGUAGES:
        raise BadInput(f"a language that pacte does not speak; expected one of {', '.join(LANGUAGES)}")
    return lang


@cache
def catalogue(room: str) -> dict[str, dict[str, str]]:
    """All messages of a room: dotted key → language → text. A message without both languages raises `BadInput`."""
    source = files(f"pacte.{room}").joinpath("texts.toml").read_text(encoding="utf-8")
    found: dict[str, dict[str, str]] = {}
    _flatten(tomllib.loads(source), "", found)
    holes = [key for key, words in found.items() if set(words) != set(LANGUAGES)]
    if holes:
        raise BadInput(f"messages of `{room}` without all of {', '.join(LANGUAGES)}: {', '.join(sorted(holes))}")
    return found


def number(value: int | float, lang: str) -> str:
    """A number as the language writes it: 1,234 or 1 234."""
    return str(format_decimal(value, locale=lang))


def day(instant: int, lang: str) -> str:
    """A date in words, in UTC: 3 May 2026; the first of a month in French is `1er`."""
    words = str(format_date(to_datetime(instant).date(), format="long", locale=_locale(lang)))
    return re.sub("^1 ", "1er ", words) if lang == "fr" else words


def month(instant: int, lang: str) -> str:
    """A month in words, in UTC: May 2026."""
    return str(format_date(to_datetime(instant).date(), format="LLLL y", locale=_locale(lang)))


def moment(instant: int, lang: str) -> str:
    """A date and time in words, in UTC, and says so."""
    words = format_datetime(to_datetime(instant), format="medium", locale=_locale(lang))
    return f"{words} UTC"


def _shown(value: str | int, lang: str) -> str | int:
    # A truth is an integer, too, and has no number format.
    return number(value, lang) if isinstance(value, int) and not isinstance(value, bool) else value


def _locale(lang: str) -> str:
    return {"en": "en_GB", "fr": "fr_FR"}[check_language(lang)]


def _flatten(table: dict[str, object], prefix: str, found: dict[str, dict[str, str]]) -> None:
    words = {key: typeset(value, key) for key, value in table.items() if isinstance(value, str)}
    if words:
        found[prefix] = words
    for key, value in table.items():
        if isinstance(value, dict):
            _flatten(value, f"{prefix}.{key}" if prefix else key, found)


def typeset(words: str, lang: str) -> str:
    """The typographer's apostrophe; in French the narrow spaces before ; : ! ? and inside guillemets."""
    words = re.sub(r"(?<=\w)'(?=\w)", "’", words)
    return re.sub("(?<=«) | (?=[;:!?»])", "\u202f", words) if lang == "fr" else words
