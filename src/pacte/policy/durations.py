"""Durations as the policy writes them: `30 days`, `18 months`, `3 years`.

Months and days are kept apart: three years from 29 February is a date of the calendar, not a number of days.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pacte.kernel.canonical import Json
from pacte.kernel.errors import BadInput
from pacte.kernel.instant import DAY, Instant, add_months

_FORM = re.compile(r"(\d{1,5}) ?(day|week|month|year)s?")
_MONTHS = {"month": 1, "year": 12}
_DAYS = {"day": 1, "week": 7}
LONGEST_YEARS = 100


@dataclass(frozen=True, slots=True)
class Duration:
    """A length of time in calendar months and days."""

    months: int = 0
    days: int = 0

    def after(self, start: int) -> Instant:
        """The instant this long after `start`."""
        return Instant(add_months(start, self.months) + self.days * DAY)

    def __str__(self) -> str:
        """As the policy writes it: `3 years`."""
        if self.months and self.months % 12 == 0:
            return _counted(self.months // 12, "year")
        return _counted(self.months, "month") if self.months else _counted(self.days, "day")

    def to_json(self) -> dict[str, Json]:
        """Months and days, only those that count."""
        return {unit: n for unit, n in (("days", self.days), ("months", self.months)) if n}


def parse_duration(text: str) -> Duration:
    """Read a duration; raises `BadInput` for anything else, and for zero or more than a hundred years.

    >>> parse_duration("18 months")
    Duration(months=18, days=0)
    >>> str(parse_duration("3 years"))
    '3 years'
    """
    found = _FORM.fullmatch(text.strip())
    if not found:
        raise BadInput("a duration that cannot be read; expected a form such as `30 days`, `18 months` or `3 years`")
    count, unit = int(found[1]), found[2]
    duration = Duration(count * _MONTHS.get(unit, 0), count * _DAYS.get(unit, 0))
    if not count or duration.months > LONGEST_YEARS * 12 or duration.days > LONGEST_YEARS * 366:
        raise BadInput(f"a duration of nothing or of more than {LONGEST_YEARS} years; everything has a declared end")
    return duration


def _counted(count: int, unit: str) -> str:
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
