"""Instants: the one way pacte writes down a moment.

An `Instant` is an integer: microseconds since 1970-01-01T00:00:00Z, leap seconds ignored (POSIX time). Databases
compare it without surprises; SQLite would compare timestamps as text. An open end is an absent value, never a far date.
"""

from __future__ import annotations

import time
from datetime import UTC, date, datetime
from typing import NewType

from pacte.kernel.errors import BadInput

Instant = NewType("Instant", int)
"""Microseconds since 1970-01-01T00:00:00Z."""

SECOND = 1_000_000
DAY = 86_400 * SECOND


def now() -> Instant:
    """Read the system clock. Only front doors call it; everything below receives `now` as an argument."""
    return Instant(time.time_ns() // 1_000)


def parse_instant(text: str) -> Instant:
    """Read an ISO 8601 date or date-time; a missing time zone means UTC, a missing time means 00:00.

    >>> parse_instant("2026-05-03")
    1777766400000000
    >>> parse_instant("2026-05-03T12:00:00+02:00") - parse_instant("2026-05-03")
    36000000000
    """
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise BadInput("a date that cannot be read; expected `YYYY-MM-DD` or `YYYY-MM-DDThh:mm:ss+hh:mm`") from None
    return from_datetime(moment)


def from_datetime(moment: datetime) -> Instant:
    """Turn a `datetime` into an instant; one without a zone is read as UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    delta = aware - datetime(1970, 1, 1, tzinfo=UTC)
    return Instant((delta.days * 86_400 + delta.seconds) * SECOND + delta.microseconds)


def from_date(day: date) -> Instant:
    """The first instant of a day, in UTC."""
    return from_datetime(datetime(day.year, day.month, day.day, tzinfo=UTC))


def to_datetime(instant: int) -> datetime:
    """The instant as an aware UTC `datetime`."""
    seconds, micros = divmod(instant, SECOND)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=micros)


def to_iso(instant: int) -> str:
    """The instant in ISO 8601, always UTC.

    >>> to_iso(1777766400000000)
    '2026-05-03T00:00:00Z'
    """
    return to_datetime(instant).isoformat().replace("+00:00", "Z")


def add_years(instant: int, years: int) -> Instant:
    """The same calendar moment `years` later; 29 February becomes 28 February in a common year."""
    moment = to_datetime(instant)
    try:
        return from_datetime(moment.replace(year=moment.year + years))
    except ValueError:
        return from_datetime(moment.replace(year=moment.year + years, day=28))


def add_months(instant: int, months: int) -> Instant:
    """The same day of the month `months` later, or that month's last day where it is shorter."""
    moment = to_datetime(instant)
    year, month0 = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    for day in (moment.day, 30, 29, 28):
        try:
            return from_datetime(moment.replace(year=year, month=month0 + 1, day=day))
        except ValueError:
            continue
    raise AssertionError("every month has 28 days")
