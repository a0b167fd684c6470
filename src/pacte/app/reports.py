"""The report before a sending, as it was told: kept with its campaign, so that opening a page counts nobody again.

INVARIANT: only numbers that came through the one door for numbers of people (`app.shown`) are kept, never exact ones.
A report holds for the day on which it was counted, as its numbers do, and as long as the same rules are in force and
the purpose is as stopped as it was.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, String, Table, Text

from pacte.app.reach import Reach
from pacte.gate import rules as stored
from pacte.kernel import db
from pacte.kernel.db import Int64, metadata
from pacte.kernel.instant import DAY, Instant
from pacte.ledger import log

report_table = Table(
    "campaign_report",
    metadata,
    Column("campaign", String(32), primary_key=True),
    Column("at", Int64, nullable=False),  # when it was counted
    Column("under", String(80), nullable=False),  # the rules in force then, and whether the purpose was stopped
    Column("body", Text, nullable=False),
    sqlite_with_rowid=False,
)


@dataclass(frozen=True, slots=True)
class Counted:
    """Numbers by outcome and reason. `all` is how many people they are about; `None`: fewer than may be shown.

    INVARIANT: what has fewer is not named at all; that there is somebody would tell what one person did.
    """

    all: int | None
    numbers: Mapping[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class Report:
    """First whom the purpose may reach by the channel; then, of those entered, who would be written to, and who not."""

    reach: Reach
    entered: Counted
    at: Instant


def under(conn: Connection, purpose: str, now: Instant) -> str:
    """What a report rests on: the rules in force, and whether the purpose is stopped."""
    size = log.head(conn).size
    rules = stored.in_force(conn, now, size)
    stopped = stored.stopped(conn, purpose, now, size)
    return f"{rules[1] if rules else ''}:{int(stopped)}"


def keep(conn: Connection, campaign: str, report: Report, rests: str) -> None:
    """Keep a report in the place of the one before; `rests` is what `under` said when it was counted."""
    sql = (
        "INSERT INTO campaign_report (campaign, at, under, body) VALUES (?, ?, ?, ?) ON CONFLICT (campaign) "
        "DO UPDATE SET at = excluded.at, under = excluded.under, body = excluded.body"
    )
    db.run(conn, sql, (campaign, report.at, rests, json.dumps(_written(report))))


def kept(conn: Connection, campaign: str, rests: str, now: Instant) -> Report | None:
    """The report that was counted today and rests on the same; `None` where there is none."""
    found = db.fetch(conn, "SELECT at, under, body FROM campaign_report WHERE campaign = ?", (campaign,))
    if not found or found[0][0] // DAY != now // DAY or found[0][1] != rests:
        return None
    return _read(Instant(found[0][0]), json.loads(found[0][2]))


def forget(conn: Connection, campaign: str) -> None:
    """A report that no longer holds."""
    db.run(conn, "DELETE FROM campaign_report WHERE campaign = ?", (campaign,))


def _written(report: Report) -> dict[str, Any]:
    reach, entered = report.reach, report.entered
    return {
        "reach": [reach.everybody, reach.permitted, [list(one) for one in reach.reasons]],
        "all": entered.all,
        "numbers": [[*about, number] for about, number in entered.numbers.items()],
    }


def _read(at: Instant, body: Any) -> Report:
    everybody, permitted, reasons = body["reach"]
    numbers = {(outcome, reason): number for outcome, reason, number in body["numbers"]}
    reach = Reach(everybody, permitted, tuple((reason, number) for reason, number in reasons))
    return Report(reach, Counted(body["all"], numbers), at)
