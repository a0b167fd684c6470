"""How long the house remembers whom a campaign was for: until its bounces, complaints and results are over, and a year.

The rows of a campaign name people, what became of their message and why. Bounces need them for thirty days, results for
a quarter of a year, and whoever asks what they were sent for as long as caps look back. Then they go; what stays of a
campaign is what it was, and what the ledger says of it. Source: GDPR Art. 5(1)(e).
"""

from __future__ import annotations

from sqlalchemy import Engine

from pacte.kernel import db
from pacte.kernel.instant import DAY, Instant
from pacte.policy.contact import LONGEST

KEPT = LONGEST * DAY
"""How long after its end, in microseconds: 400 days, as long as anybody remembers when a person was reached."""
TOGETHER = 5_000
"""Rows that go in one transaction: nobody's no waits for long."""


def prune(engine: Engine, now: Instant) -> int:
    """Forget who was in campaigns that ended long ago; answers how many rows that were."""
    over = "SELECT id FROM campaign WHERE coalesce(ended, until) <= ?"
    oldest = f"SELECT campaign, place FROM campaign_recipient WHERE campaign IN ({over}) LIMIT {TOGETHER}"
    count = 0
    while True:
        with db.write(engine) as conn:
            rows = db.fetch(conn, oldest, (now - KEPT,))
            db.run_many(conn, "DELETE FROM campaign_recipient WHERE campaign = ? AND place = ?", rows)
        count += len(rows)
        if len(rows) < TOGETHER:
            return count
