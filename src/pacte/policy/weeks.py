"""Hours of a week as policies and packs write them: `{mon-fri: [10:00-13:00, 14:00-20:00]}`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from pacte.kernel.errors import BadInput

Span: TypeAlias = tuple[int, int]
"""Minutes after midnight; the second is no longer in it."""
Week: TypeAlias = tuple[tuple[Span, ...], ...]
"""From Monday to Sunday, the spans of each day."""

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile(r"(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})")
_EXPECTED = "expected a span within a day, such as `10:00-13:00`"


def parse_span(text: str) -> Span:
    """Read a span; raises `BadInput` for anything else, and for one that does not end after it begins.

    >>> parse_span("10:00-13:30")
    (600, 810)
    """
    found = _SPAN.fullmatch(text.strip())
    if not found or int(found[2]) > 59 or int(found[4]) > 59:
        raise BadInput(_EXPECTED)
    begin, end = int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4])
    if not begin < end <= 24 * 60:
        raise BadInput(_EXPECTED)
    return begin, end


def days_of(text: str) -> tuple[int, ...]:
    """The days that a text names, 0 for Monday; `sat-mon` goes over the end of the week. Raises `BadInput`.

    >>> days_of("mon-fri"), days_of("sat-mon"), days_of("sun")
    ((0, 1, 2, 3, 4), (5, 6, 0), (6,))
    """
    first, _, last = text.partition("-")
    if first not in DAYS or (last or first) not in DAYS:
        raise BadInput("expected a day or days such as `mon` or `mon-fri`")
    begin = DAYS.index(first)
    length = (DAYS.index(last or first) - begin) % 7 + 1
    return tuple((begin + step) % 7 for step in range(length))


def week_of(hours: Mapping[str, Iterable[Span]]) -> Week:
    """The whole week: spans of a day in order, those that meet joined; a day that nobody names has none."""
    days: list[list[Span]] = [[] for _ in DAYS]
    for names, spans in hours.items():
        for day in days_of(names):
            days[day] += spans
    return tuple(_joined(spans) for spans in days)


def covers(wide: Week, narrow: Week) -> bool:
    """Whether every hour of the second week is one of the first."""
    return all(
        any(begin >= first and end <= last for first, last in outer)
        for outer, inner in zip(wide, narrow, strict=True)
        for begin, end in inner
    )


def _joined(spans: Iterable[Span]) -> tuple[Span, ...]:
    found: list[Span] = []
    for begin, end in sorted(spans):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((begin, end))
    return tuple(found)
