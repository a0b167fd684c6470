"""Whom an offer may reach, and when, worked out by hand: an oracle that shares no code with the house.

Clocks, holidays, caps and wishes of France, Québec and California, as the policy of `POLICY` and the laws have them.
Instants are minutes since 1970 in universal time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta

HOUR, DAY = 60, 1440
EPOCH = date(1970, 1, 1)

POLICY = """
contact:
  caps:
    - {at_most: 3, within: 1 week}
    - {at_most: 1, within: 2 days, channel: sms}
    - {at_most: 5, within: 2 months}
  hours:
    sms: {open: {mon-sat: [9:00-20:00]}, holidays: no}
    email: {open: {mon-sun: [7:00-22:00]}, holidays: yes}
"""
"""The part of the policy that `refusal` knows by heart."""

PLACES = ("FR", "CA-QC", "US-CA")


@dataclass
class Person:
    """Somebody as the oracle knows them; `contacts` are offers of before, as (minute, channel)."""

    place: str = ""
    frequency: str = "as_announced"
    quiet: str = "none"
    reach: str = "also"
    contacts: list[tuple[int, str]] = field(default_factory=list)
    suppressed: frozenset[str] = frozenset()
    address: bool = True
    elsewhere: bool = False


def refusal(person: Person, kind: str, channel: str, now: int) -> tuple[str, int | None] | None:
    """The reason and the minute at which it has passed; any reason that passes is called `later`."""
    stops = person.suppressed & {"bounced"} if kind == "service" else person.suppressed
    if stops:
        return "suppressed", None
    if not person.address:
        return "no_address", None
    if kind == "service":
        return None
    if person.reach == "least" and person.elsewhere:
        return "channel_unwanted", None
    mine = [at for at, by in person.contacts if by == channel]
    every = [at for at, _ in person.contacts]
    if person.frequency == "weekly" and any(at > now - 7 * DAY for at in mine):
        return "preferred_frequency", None
    if person.frequency == "monthly" and any(_months_later(at, 1) > now for at in mine):
        return "preferred_frequency", None
    if _capped(person, channel, mine, every, now):
        return "cap_reached", None
    if not person.place and channel in ("phone", "sms"):
        return "place_unknown", None
    if _open(person, channel, now):
        return None
    for later in _half_hours(now):
        if _open(person, channel, later):
            return "later", later
    return "later", None


def _capped(person: Person, channel: str, mine: list[int], every: list[int], now: int) -> bool:
    if sum(at > now - 7 * DAY for at in every) >= 3:
        return True
    if channel == "sms" and any(at > now - 2 * DAY for at in mine):
        return True
    if sum(_months_later(at, 2) > now for at in every) >= 5:
        return True
    lives_there = person.place in ("FR", "")
    return channel == "phone" and lives_there and sum(at > now - 30 * DAY for at in mine) >= 4


def _half_hours(now: int) -> Iterator[int]:
    """Every span begins and ends at a full or a half hour, and so do the clocks' steps."""
    first = now - now % 30 + 30
    return iter(range(first, first + 31 * DAY, 30))


def _open(person: Person, channel: str, now: int) -> bool:
    return all(_open_in(place, person.quiet, channel, now) for place in ([person.place] if person.place else PLACES))


def _open_in(place: str, quiet: str, channel: str, now: int) -> bool:
    for offset in _offsets(place, now):
        local = now + offset
        day, minute = EPOCH + timedelta(days=local // DAY), local % DAY
        if quiet != "none":
            begin, end = (int(hour) * HOUR for hour in quiet.split("-"))
            silent = begin <= minute < end if begin < end else minute >= begin or minute < end
            if silent:
                return False
        if not _hours(place, channel, day, minute):
            return False
    return True


def _hours(place: str, channel: str, day: date, minute: int) -> bool:
    weekday = day.weekday()
    if channel == "email":
        return 7 * HOUR <= minute < 22 * HOUR
    if channel == "sms":
        if weekday == 6 or day in holidays(place, day.year) or not 9 * HOUR <= minute < 20 * HOUR:
            return False
        return place != "US-CA" or 8 * HOUR <= minute < 21 * HOUR
    if place == "FR":
        working = weekday < 5 and day not in holidays(place, day.year)
        return working and (10 * HOUR <= minute < 13 * HOUR or 14 * HOUR <= minute < 20 * HOUR)
    if place == "CA-QC":
        begin, end = (9 * HOUR, 21 * HOUR + 30) if weekday < 5 else (10 * HOUR, 18 * HOUR)
        return begin <= minute < end
    return 8 * HOUR <= minute < 21 * HOUR


def _offsets(place: str, now: int) -> list[int]:
    """Minutes by which the clocks of a place are before universal time, one for each of its zones."""
    year = (EPOCH + timedelta(days=now // DAY)).year
    if place == "FR":
        summer = _minute(_last_sunday(year, 3)) + HOUR <= now < _minute(_last_sunday(year, 10)) + HOUR
        return [HOUR * (2 if summer else 1)]
    if place == "US-CA":
        return [_american(-8, year, now)]
    # Montréal, the Magdalen Islands, and Blanc-Sablon, which keeps Atlantic standard time.
    return [_american(-5, year, now), _american(-4, year, now), -4 * HOUR]


def _american(standard: int, year: int, now: int) -> int:
    begins = _minute(_sunday(year, 3, 2)) + (2 - standard) * HOUR
    ends = _minute(_sunday(year, 11, 1)) + (2 - standard - 1) * HOUR
    return (standard + (begins <= now < ends)) * HOUR


def holidays(place: str, year: int) -> set[date]:
    """The public holidays of a place, but those of `UNSURE`."""
    easter = _easter(year)
    if place == "FR":  # code du travail art. L3133-1
        fixed = {date(year, *day) for day in ((1, 1), (5, 1), (5, 8), (7, 14), (8, 15), (11, 1), (11, 11), (12, 25))}
        return fixed | {easter + timedelta(days=after) for after in (1, 39, 50)}
    if place == "CA-QC":
        fixed = {date(year, *day) for day in ((1, 1), (6, 24), (7, 1), (12, 25))}
        victoria = next(date(year, 5, day) for day in range(18, 25) if date(year, 5, day).weekday() == 0)
        return fixed | {easter - timedelta(days=2), victoria, _monday(year, 9, 1), _monday(year, 10, 2)}
    fixed = {date(year, *day) for day in ((1, 1), (3, 31), (6, 19), (7, 4), (11, 11), (12, 25))}
    memorial = max(date(year, 5, day) for day in range(25, 32) if date(year, 5, day).weekday() == 0)
    thanks = next(date(year, 11, day) for day in range(22, 29) if date(year, 11, day).weekday() == 3)
    mondays = {_monday(year, 1, 3), _monday(year, 2, 3), memorial, _monday(year, 9, 1)}
    return fixed | mondays | {thanks, thanks + timedelta(days=1)}


UNSURE = {"US-CA": {(2, 12), (2, 15), (7, 3), (9, 9), (9, 25), (10, 12), (11, 8)}}
"""Days of 2026 of which it can be argued whether they are holidays there."""


def unsure(place: str, now: int) -> bool:
    """Whether such a day is near enough to matter."""
    days = {EPOCH + timedelta(days=now // DAY + step) for step in range(-1, 9)}
    return any((day.month, day.day) in UNSURE.get(place, set()) for day in days)


def _monday(year: int, month: int, which: int) -> date:
    return [date(year, month, day) for day in range(1, 29) if date(year, month, day).weekday() == 0][which - 1]


def _sunday(year: int, month: int, which: int) -> date:
    return [date(year, month, day) for day in range(1, 29) if date(year, month, day).weekday() == 6][which - 1]


def _last_sunday(year: int, month: int) -> date:
    return max(date(year, month, day) for day in range(25, 32) if date(year, month, day).weekday() == 6)


def _easter(year: int) -> date:
    """Source: J. Meeus, Astronomical Algorithms (the Gregorian Easter)."""
    a, b, c = year % 19, year // 100, year % 100
    d = (19 * a + b - b // 4 - (b - (b + 8) // 25 + 1) // 3 + 15) % 30
    e = (32 + 2 * (b % 4) + 2 * (c // 4) - d - c % 4) % 7
    f = d + e - 7 * ((a + 11 * d + 22 * e) // 451) + 114
    return date(year, f // 31, f % 31 + 1)


def _minute(day: date) -> int:
    return (day - EPOCH).days * DAY


def _months_later(at: int, months: int) -> int:
    found = EPOCH + timedelta(days=at // DAY)
    year, month = divmod(found.year * 12 + found.month - 1 + months, 12)
    next_first = date(year + (month + 1) // 12, (month + 1) % 12 + 1, 1)
    last = (next_first - timedelta(days=1)).day
    return _minute(date(year, month + 1, min(found.day, last))) + at % DAY
