"""Figures that may be shown: how many people agree to what, over time, so that no single person shows in them.

Below `SMALLEST` people nothing is said, above it tens; and what is counted is counted once a day, so that two looks at
the same day cannot be subtracted from each other. Source: CNIL, « Anonymisation »; Article 29 WP, Opinion 05/2014.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, TypeAlias

from sqlalchemy import Column, Connection, Table

from pacte.app.policies import published
from pacte.consent import figures
from pacte.kernel import db
from pacte.kernel.db import Int64, metadata
from pacte.kernel.instant import DAY, Instant
from pacte.kernel.quiet import free_in_copies
from pacte.ledger import log

if TYPE_CHECKING:
    from pacte.app.house import House

SMALLEST, ROUNDED = 10, 10
"""Below how many people nothing is said, and to what the others are rounded."""
POINTS = 13
"""Instants of a series at most."""

KEPT = 32
"""How many ranges a process remembers the numbers of, the latest asked for."""

Counts: TypeAlias = dict[figures.About, list[int]]
_counted: OrderedDict[tuple[str, int, tuple[Instant, ...]], Counts] = OrderedDict()
_lock = free_in_copies(Lock())

day_table = Table(
    "figure_day",
    metadata,
    Column("day", Int64, primary_key=True, autoincrement=False),  # days since 1970
    Column("at", Int64, nullable=False),
    Column("size", Int64, nullable=False),
    sqlite_with_rowid=False,
)


@dataclass(frozen=True, slots=True)
class Series:
    """One line: what people agreed to, its words by language, and how many did at each instant (`None`: too few)."""

    purpose: str
    title: Mapping[str, str]
    channel: str
    recipient: str
    counts: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Figures:
    """Series over the same instants, as known at the instant `frozen`, which stays the same for a day."""

    instants: tuple[Instant, ...]
    series: tuple[Series, ...]
    frozen: Instant


def frozen(house: House) -> tuple[Instant, int]:
    """The instant, and the size of the ledger, that all figures of this day are about: when somebody first asked.

    Kept in the records, so that neither another process nor a new start counts anew.
    """
    sql = "SELECT at, size FROM figure_day WHERE day = ?"
    with house.reading() as conn:
        day = house.present(conn) // DAY
        found = db.fetch(conn, sql, (day,))
    if not found:
        with db.write(house.engine) as conn:
            row = (day, house.present(conn), log.head(conn).size)
            db.run(conn, "INSERT INTO figure_day (day, at, size) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", row)
            db.run(conn, "DELETE FROM figure_day WHERE day < ?", (day,))
            found = db.fetch(conn, sql, (day,))
    return Instant(found[0][0]), int(found[0][1])


def agreed(house: House, since: Instant, until: Instant) -> Figures:
    """How many people agreed to each purpose, by channel and recipient, from `since` to `until` (today at the latest).

    Those purposes that the policy in force asks for; a purpose that nobody agreed to has a series, too.
    """
    at, known = frozen(house)
    instants = spread(since, min(until, at))
    with house.reading() as conn:
        policy = published(conn, at).document
        found = _given(house, conn, tuple(instants), known)
    asked = {name: purpose for name, purpose in policy.purposes.items() if purpose.basis == "consent"}
    silent = {(name, "", ""): [0] * len(instants) for name in asked if not any(key[0] == name for key in found)}
    series = [
        Series(name, asked[name].title, channel, recipient, tuple(shown(count) for count in counts))
        for (name, channel, recipient), counts in sorted((found | silent).items())
        if name in asked
    ]
    order = list(asked)
    return Figures(tuple(instants), tuple(sorted(series, key=lambda one: order.index(one.purpose))), at)


def _given(house: House, conn: Connection, instants: tuple[Instant, ...], known: int) -> Counts:
    """Counted once a day and range in this process: it is one reading of everything that anybody said."""
    asked = (str(house.path), known, instants)
    with _lock:
        found = _counted.get(asked)
    if found is None:
        found = figures.given(conn, instants, known)
    with _lock:
        _counted[asked] = found
        _counted.move_to_end(asked)
        while len(_counted) > KEPT:
            _counted.popitem(last=False)
    return found


def spread(since: Instant, until: Instant, most: int = POINTS) -> Sequence[Instant]:
    """At most `most` instants from one to the other, as far apart as whole days allow; the last is `until`."""
    days = max(0, -(-(until - since) // DAY))
    step = max(1, -(-days // (most - 1))) * DAY
    return [Instant(until - n * step) for n in reversed(range(days * DAY // step + 1))]


def shown(count: int) -> int | None:
    """A number of people as it may be shown; `None` below the smallest."""
    return None if count < SMALLEST else round(count / ROUNDED) * ROUNDED
