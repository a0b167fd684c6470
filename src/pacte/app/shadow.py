"""Shadow mode: a system that does not go through pacte says what it did, and hears what the gate would have said.

Nothing is released, and nothing about anybody is written down: per day, purpose and reason there is a count of how
often the two agreed. It shows what would change before the system is connected; a report tells no small numbers, which
would say of somebody what the gate says of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Column, String, Table

from pacte.app.answers import Answer, Asked, answers
from pacte.app.figures import shown
from pacte.app.policies import published
from pacte.kernel import db
from pacte.kernel.db import Int64, metadata
from pacte.kernel.errors import BadInput, PacteError
from pacte.kernel.instant import DAY, Instant

if TYPE_CHECKING:
    from pacte.app.house import House

UNDECLARED = ""
"""Stands for every purpose that the policy does not declare: what was typed there is not written down."""
LONGEST = 400
"""Days in one report."""
KEPT = 800 * DAY
"""How long counts are kept, in microseconds."""

count_table = Table(
    "shadow_count",
    metadata,
    Column("day", Int64, primary_key=True, autoincrement=False),  # its first instant, UTC
    Column("purpose", String(128), primary_key=True),
    Column("did", Int64, primary_key=True, autoincrement=False),
    Column("permitted", Int64, primary_key=True, autoincrement=False),
    Column("reason", String(64), primary_key=True),
    Column("count", Int64, nullable=False),
    sqlite_with_rowid=False,
)


@dataclass(frozen=True, slots=True)
class Report:
    """What another system did, or decided to do: `did` is whether it used the person's data."""

    asked: Asked
    did: bool


@dataclass(frozen=True, slots=True)
class Agreement:
    """One purpose on one day: how often both said the same, and who alone said yes; `reasons` of the gate's noes.

    In tens, as `figures.shown` has them: `None`, or for a reason nothing, is a number too small to be told.
    `purpose` is `UNDECLARED` for all that the policy does not declare.
    """

    day: Instant
    purpose: str
    agreed: int | None
    done_though_denied: int | None
    left_though_permitted: int | None
    reasons: dict[str, int]


def compare(house: House, reports: Sequence[Report], by: str) -> list[Answer | PacteError]:
    """What the gate would have said to each, now; those with an answer are counted."""
    if any(report.asked.past for report in reports):
        raise BadInput("a report is about now; ask for a decision about the past instead")
    found = answers(house, [report.asked for report in reports], by)
    with house.reading() as conn:
        now = house.present(conn)
        declared = published(conn, now).document.purposes
    counted = Counter(
        (
            report.asked.purpose if report.asked.purpose in declared else UNDECLARED,
            int(report.did),
            int(one.decision.permitted),
            one.decision.reason.code,
        )
        for report, one in zip(reports, found, strict=True)
        if isinstance(one, Answer)
    )
    _add(house, now - now % DAY, counted)
    return found


def report(house: House, first: Instant, last: Instant, purposes: Collection[str] | None = None) -> list[Agreement]:
    """The counts of the days from `first` to `last`, by day and purpose; `None`: of every purpose.

    Raises `BadInput` for days in the wrong order, or too many.
    """
    if not 0 <= last - first <= LONGEST * DAY:
        raise BadInput(f"expected the first day, then the last, at most {LONGEST} days apart")
    with house.reading() as conn:
        rows = db.fetch(
            conn,
            "SELECT day, purpose, did, permitted, reason, count FROM shadow_count WHERE day >= ? AND day <= ? "
            "ORDER BY day, purpose, reason",
            (first - first % DAY, last),
        )
    found: dict[tuple[int, str], Counter[str]] = {}
    for day, purpose, did, permitted, reason, count in rows:
        if purposes is None or purpose in purposes:
            said = found.setdefault((day, purpose), Counter())
            said["agreed" if did == permitted else "denied" if did else "permitted"] += count
            said[f"reason:{reason}"] += 0 if permitted else count
    return [_agreement(day, purpose, said) for (day, purpose), said in found.items()]


def prune(house: House, now: Instant) -> None:
    """Forget counts whose end has come."""
    with db.write(house.engine) as conn:
        db.run(conn, "DELETE FROM shadow_count WHERE day < ?", (now - KEPT,))


def _add(house: House, day: int, counted: Counter[tuple[str, int, int, str]]) -> None:
    sql = (
        "INSERT INTO shadow_count (day, purpose, did, permitted, reason, count) VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (day, purpose, did, permitted, reason) DO UPDATE SET count = shadow_count.count + excluded.count"
    )
    with db.write(house.engine) as conn:
        db.run_many(conn, sql, [(day, *what, count) for what, count in sorted(counted.items())])


def _agreement(day: int, purpose: str, said: Counter[str]) -> Agreement:
    told = {name: shown(count) for name, count in said.items()}
    reasons = {name.removeprefix("reason:"): n for name, n in told.items() if name.startswith("reason:") and n}
    counts = (told.get("agreed"), told.get("denied"), told.get("permitted"))
    return Agreement(Instant(day), purpose, *counts, reasons)
