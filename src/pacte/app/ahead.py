"""A clock that stands ahead must destroy nothing: what ends by the clock ends for good, and wrong clocks are mended.

Housekeeping goes on while time passes as it does: from its last round, or from entry to entry of the ledger, by less
than `AHEAD` at a time. A clock that has jumped further is right only if somebody says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection

from pacte.kernel import db
from pacte.kernel.errors import Unsafe
from pacte.kernel.instant import DAY, Instant
from pacte.ledger import log, queries

if TYPE_CHECKING:
    from pacte.app.house import House

AHEAD = 2 * DAY
"""How far the clock may stand after all that is known of the time, in microseconds: a round a day may be late."""

LATE = 7 * DAY
"""How long after it fell due a round of housekeeping counts as late, in microseconds."""


def days_ahead(conn: Connection, now: Instant, leeway: int = AHEAD) -> int:
    """By how many whole days the clock stands too far ahead to destroy anything; 0 when it may.

    `leeway` is how far ahead it may stand, in microseconds.

    Where no round of housekeeping is remembered, the ledger's last entry is all that is known.
    """
    known = _last_round(conn)
    latest = log.head(conn).time if known is None else _onwards(conn, known)
    return 0 if now - latest <= leeway else (now - latest) // DAY


def refuse_ahead(house: House, now: Instant) -> None:
    """Raise `Unsafe` when the clock stands too far ahead."""
    with house.reading() as conn:
        days = days_ahead(conn, now)
    if days:
        raise Unsafe(
            f"the clock stands {days} days after all that this house has recorded, and what has ended by it would be "
            "destroyed for good; mend the clock or, if it is right, ask again with `--trust-clock`"
        )


def _last_round(conn: Connection) -> Instant | None:
    """When housekeeping came round last by a clock that was believed, as its deadline remembers."""
    from pacte.app.jobs import ROUND

    found = db.fetch(conn, "SELECT kind, deadline FROM job WHERE about IS NULL AND deadline IS NOT NULL")
    rounds = [int(deadline) - LATE - ROUND[kind] for kind, deadline in found if kind in ROUND]
    return Instant(max(rounds)) if rounds else None


def _onwards(conn: Connection, since: Instant) -> Instant:
    """How far the entries of the ledger lead from an instant on, without a gap of more than `AHEAD`."""
    while (reached := queries.last_time(conn, Instant(since + AHEAD))) is not None and reached > since:
        since = reached
    return since
