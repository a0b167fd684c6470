"""Local hours and public holidays by place: is a week of hours open there now, and when does it open again.

A place may have several time zones; then it must be an hour of that week in every one of them. Zones are those of
CLDR, holidays those of the library `holidays`; both lie on this machine, nothing is asked of anybody.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from pacte.kernel.instant import DAY, SECOND, Instant, from_datetime
from pacte.policy.weeks import Week

HORIZON = 31
"""Days within which a week must open again; otherwise it is never."""

_OWN_ZONES = {
    "CA-QC": ("America/Toronto", "America/Blanc-Sablon", "America/Halifax"),  # the Magdalen Islands keep Halifax's time
    "US-CA": ("America/Los_Angeles",),
}
_OVERSEAS = {"FR-971": "GP", "FR-972": "MQ", "FR-973": "GF", "FR-974": "RE", "FR-976": "YT"}
"""Parts of a country that CLDR knows under a code of their own, far from its zone. Source: ISO 3166-2:FR."""


@dataclass(frozen=True, slots=True)
class Window:
    """Hours of a week, in some places: `holidays` says whether public holidays are open, too."""

    week: Week
    holidays: bool
    places: tuple[str, ...]

    def closed(self, now: Instant) -> str | None:
        """Why it is closed now: `quiet_hours`, `holiday`, or `place_unknown`; `None` when it is open."""
        for place in self.places:
            zones = zones_of(place)
            if not zones:
                return "place_unknown"
            for zone in zones:
                if why := self._closed_in(place, zone, now):
                    return why
        return None

    def next_open(self, now: Instant) -> Instant | None:
        """An instant before which it does not open everywhere; whether it does then, must be asked again."""
        latest = now
        for place in self.places:
            for zone in zones_of(place):
                found = self._next_in(place, zone, now)
                if found is None:
                    return None
                latest = max(latest, found)
        return latest

    def _closed_in(self, place: str, zone: ZoneInfo, now: Instant) -> str | None:
        local = datetime.fromtimestamp(now // SECOND, zone)
        if not self.holidays:
            free = holidays_of(place, local.year)
            if free is None:
                return "place_unknown"
            if local.date() in free:
                return "holiday"
        minute = local.hour * 60 + local.minute
        spans = self.week[local.weekday()]
        return None if any(begin <= minute < end for begin, end in spans) else "quiet_hours"

    def _next_in(self, place: str, zone: ZoneInfo, now: Instant) -> Instant | None:
        if self._closed_in(place, zone, now) is None:
            return now
        day = datetime.fromtimestamp(now // SECOND, zone).date()
        for _ in range(HORIZON + 1):
            # An hour that the clocks go through twice opens twice.
            opens = sorted(
                {_instant(day, begin, zone, fold) for begin, _ in self._spans(place, day) for fold in (0, 1)}
            )
            for instant in opens:
                if instant > now and self._closed_in(place, zone, instant) is None:
                    return instant
            day += timedelta(days=1)
        return None

    def _spans(self, place: str, day: date) -> Iterable[tuple[int, int]]:
        free = frozenset[date]() if self.holidays else holidays_of(place, day.year)
        return () if free is None or day in free else self.week[day.weekday()]


def reopening(windows: Iterable[Window], now: Instant) -> Instant | None:
    """The first instant from now on at which all windows are open in all of their places; `None` if there is none."""
    found, asked = now, list(windows)
    while closed := [window for window in asked if window.closed(found)]:
        steps = [step for window in closed if (step := window.next_open(found)) is not None and step > found]
        # Before the greatest of them one window at least is closed: nothing that is open to all is passed over.
        if len(steps) < len(closed) or max(steps) - now > HORIZON * DAY:
            return None
        found = max(steps)
    return found


@lru_cache(maxsize=1024)
def zones_of(place: str) -> tuple[ZoneInfo, ...]:
    """The time zones of a country or region, one for each that keeps a time of its own; none for an unknown place.

    A region of which nothing else is known has those of its whole country.
    """
    from babel.core import get_global

    own = _OWN_ZONES.get(place)
    code = _OVERSEAS.get(place, place.partition("-")[0])
    return tuple(ZoneInfo(name) for name in own or get_global("territory_zones").get(code, ()))


@lru_cache(maxsize=4096)
def holidays_of(place: str, year: int) -> frozenset[date] | None:
    """The public holidays of a country, and of its region where it has its own; `None` where nobody knows them."""
    import holidays

    code = _OVERSEAS.get(place, place)
    country, _, region = code.partition("-")
    known = holidays.list_supported_countries()
    if country not in known:
        return None
    found = holidays.country_holidays(country, subdiv=region if region in known[country] else None, years=year)
    return frozenset(found)


def _instant(day: date, minute: int, zone: ZoneInfo, fold: int) -> Instant:
    # An hour that the clocks pass over is read by the time before: it is then the first moment after the gap.
    local = datetime(day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=zone, fold=fold)
    return from_datetime(local.astimezone(UTC))
