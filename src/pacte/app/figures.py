"""Figures that may be shown: how many people agree to what, week by week, so that no single person shows in them.

Below `SMALLEST` people nothing is said, above it tens. A week is counted when it is over, once, and a number moves on
from the one before it only when `SMALLEST` people or more make the difference: two pages that differ by fewer, of
whatever range and on whatever day, show the same. What was shown stays, though people come, go or are erased since.
Source: CNIL, « Anonymisation »; Article 29 WP, Opinion 05/2014.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Column, Connection, String, Table

from pacte.app.policies import published
from pacte.consent import figures
from pacte.kernel import db
from pacte.kernel.db import Int64, metadata
from pacte.kernel.instant import DAY, Instant
from pacte.ledger import log

if TYPE_CHECKING:
    from pacte.app.house import House

SMALLEST, ROUNDED = 10, 10
"""Below how many people nothing is said, and to what the others are rounded."""
POINTS = 13
"""Instants of a series at most, and weeks that are counted in one reading."""
WEEK, MONDAY = 7 * DAY, 4 * DAY
"""A week, and the first Monday after the beginning of 1970, in microseconds."""
BACK = 156
"""Weeks that are counted before the first that anybody looked at."""
KEPT = 530
"""Weeks whose numbers are kept: ten years."""

week_table = Table(
    "figure_week",
    metadata,
    Column("week", Int64, primary_key=True, autoincrement=False),  # its end, the instant that is counted about
    Column("at", Int64, nullable=False),  # when it was counted
    sqlite_with_rowid=False,
)
people_table = Table(
    "figure_people",
    metadata,
    Column("week", Int64, primary_key=True, autoincrement=False),
    Column("purpose", String(128), primary_key=True),
    Column("channel", String(128), primary_key=True),
    Column("recipient", String(128), primary_key=True),
    Column("people", Int64, nullable=False),  # that week's, or those of the last week that differed enough
    sqlite_with_rowid=False,
)

Settled = Mapping[figures.About, Mapping[Instant, int]]
"""By what people agreed to: how many, by week."""


@dataclass(frozen=True, slots=True)
class Series:
    """One line: what people agreed to, its words by language, and how many did at each instant (`None`: too few).

    `by_channel`: whether the purpose asks by channel, so that a yes without one is something of its own.
    """

    purpose: str
    title: Mapping[str, str]
    channel: str
    recipient: str
    counts: tuple[int | None, ...]
    by_channel: bool


@dataclass(frozen=True, slots=True)
class Figures:
    """Series over the same instants, of which the latest week was counted at `counted`."""

    instants: tuple[Instant, ...]
    series: tuple[Series, ...]
    counted: Instant


def agreed(house: House, since: Instant, until: Instant) -> Figures:
    """How many people agreed to each purpose, by channel and recipient, at the ends of weeks from `since` to `until`.

    Of a range without any it is the last one before. Those purposes that the policy in force asks for; one that nobody
    agreed to has a series, too.
    """
    with house.reading() as conn:
        now = house.present(conn)
    counted = _count(house, monday(now))
    with house.reading() as conn:
        policy = published(conn, now).document
        instants = tuple(spread(_weeks(conn), since, min(until, now))) or (monday(min(until, now)),)
        found = _settled(conn, instants)
    asked = {name: purpose for name, purpose in policy.purposes.items() if purpose.basis == "consent"}
    silent = {(name, "", ""): dict[Instant, int]() for name in asked if not any(about[0] == name for about in found)}
    series = [
        Series(
            name,
            asked[name].title,
            channel,
            recipient,
            tuple(shown(weeks.get(at, 0)) for at in instants),
            bool(asked[name].channels),
        )
        for (name, channel, recipient), weeks in sorted({**found, **silent}.items())
        if name in asked
    ]
    order = list(asked)
    return Figures(instants, tuple(sorted(series, key=lambda one: order.index(one.purpose))), counted)


def monday(at: Instant) -> Instant:
    """The end of the last whole week: the latest Monday, 0 h UTC."""
    return Instant(at - (at - MONDAY) % WEEK)


def spread(weeks: Sequence[Instant], since: Instant, until: Instant, most: int = POINTS) -> Sequence[Instant]:
    """At most `most` of these weeks, from `since` to `until`, evenly apart; the last is the latest before `until`."""
    past = [week for week in weeks if week <= until]
    within = [week for week in past if week >= since] or past[-1:]
    step = max(1, -(-(len(within) - 1) // (most - 1)))
    return within[::-1][::step][::-1]


def moved(counts: Iterable[int], people: int) -> Iterator[int]:
    """What may be known of each of these numbers, after `people`: it, where `SMALLEST` or more make the difference."""
    for count in counts:
        people = count if abs(count - people) >= SMALLEST else people
        yield people


def shown(count: int) -> int | None:
    """A number of people as it may be shown; `None` below the smallest."""
    return None if count < SMALLEST else round(count / ROUNDED) * ROUNDED


def _count(house: House, week: Instant) -> Instant:
    """Count the weeks up to `week` that were not counted yet; answers when it was. A house of nobody waits for people.

    The first who asks counts, outside of any lock; what somebody else has counted meanwhile stands.
    """
    with house.reading() as conn:
        known, at = log.head(conn).size, house.present(conn)
        counted = db.fetch(conn, "SELECT week, at FROM figure_week ORDER BY week DESC LIMIT 1")
        if counted and counted[0][0] >= week:
            return Instant(counted[0][1])
        before = Instant(counted[0][0]) if counted else Instant(week - BACK * WEEK)
        weeks = _between(before, week)
        last = {about: many[before] for about, many in _settled(conn, (before,)).items()}
        found = dict(_moved(conn, weeks, known, last))
        new = {about for about, many in found.items() if many[week] >= SMALLEST} - _ever(conn)
        if new and counted:  # what people agree to since lately has a past as well
            whole = dict(_moved(conn, _between(Instant(week - BACK * WEEK), week), known, {}))
            found |= {about: whole[about] for about in new}
    if not counted and not any(many[week] for many in found.values()):
        return at
    rows = [(one, *about, people) for about, many in found.items() for one, people in many.items() if people]
    with db.write(house.engine) as conn:
        if not db.fetch(conn, "SELECT 1 FROM figure_week WHERE week >= ?", (week,)):
            db.insert(conn, "figure_week", ("week", "at"), [(one, at) for one in weeks])
            db.insert(conn, "figure_people", ("week", "purpose", "channel", "recipient", "people"), rows)
            for table in ("figure_week", "figure_people"):
                db.run(conn, f"DELETE FROM {table} WHERE week < ?", (week - KEPT * WEEK,))
    return at


def _between(before: Instant, week: Instant) -> list[Instant]:
    return [Instant(one) for one in range(before + WEEK, week + 1, WEEK)]


def _moved(
    conn: Connection, weeks: Sequence[Instant], known: int, last: Mapping[figures.About, int]
) -> Iterator[tuple[figures.About, dict[Instant, int]]]:
    """By what people agreed to: of each week, how many may be known; `last` is what was before."""
    counts: dict[figures.About, list[int]] = {about: [] for about in last}
    for start in range(0, len(weeks), POINTS):
        some = weeks[start : start + POINTS]
        for about, many in figures.given(conn, some, known).items():
            counts.setdefault(about, [0] * start).extend(many)
        for many in counts.values():
            many.extend([0] * (start + len(some) - len(many)))
    for about, many in counts.items():
        yield about, dict(zip(weeks, moved(many, last.get(about, 0)), strict=True))


def _ever(conn: Connection) -> set[figures.About]:
    """What has numbers that were shown, or could have been."""
    return {tuple(row) for row in db.fetch(conn, "SELECT DISTINCT purpose, channel, recipient FROM figure_people")}


def _weeks(conn: Connection) -> list[Instant]:
    return [Instant(row[0]) for row in db.fetch(conn, "SELECT week FROM figure_week ORDER BY week")]


def _settled(conn: Connection, weeks: Sequence[Instant]) -> Settled:
    found: dict[figures.About, dict[Instant, int]] = {}
    if weeks:
        marks = ", ".join("?" * len(weeks))
        sql = f"SELECT week, purpose, channel, recipient, people FROM figure_people WHERE week IN ({marks})"
        for week, purpose, channel, recipient, people in db.fetch(conn, sql, tuple(weeks)):
            found.setdefault((purpose, channel, recipient), {})[Instant(week)] = people
    return found
