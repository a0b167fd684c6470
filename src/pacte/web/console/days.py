"""From which day to which: two fields of a form, read the same wherever the console asks for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pacte.kernel.errors import BadInput
from pacte.kernel.instant import DAY, Instant, parse_instant
from pacte.web.pages import words

LONGEST = 3_660
"""Days that are asked for at once, at most."""


def asked(given: Mapping[str, Any], newest: Instant, usual: int, lang: str) -> tuple[Instant, Instant, dict[str, str]]:
    """The days `since` and `until`, the last one whole, up to `newest`; else the `usual` number of days before it.

    A day that is none, or an order that makes no sense, gives the usual days, and says so.
    """
    before = Instant(newest - usual * DAY), newest
    try:
        until = min(newest, Instant(parse_instant(_day(given, "until")) + DAY)) if given.get("until") else newest
        since = parse_instant(_day(given, "since")) if given.get("since") else Instant(until - usual * DAY)
    except BadInput:
        return *before, {"since": words("console", lang, "figures.day")}
    if not 0 < until - since <= LONGEST * DAY:
        return *before, {"since": words("console", lang, "figures.order")}
    return since, until, {}


def _day(given: Mapping[str, Any], name: str) -> str:
    return str(given[name])[:10]
