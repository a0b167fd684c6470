"""Soft bounces, counted: on how many days mail did not reach somebody though their address may be good.

A full mailbox or a server that is down says nothing of the address, and nothing follows from it; when it does not end,
nobody reads there any more. The count goes with the person, or when mail has not come back for long: whether a message
arrived is never known, so nothing else ends it. Source: RFC 3463 (classes 4 and 5); GDPR Art. 5(1)(d), (e).
"""

from __future__ import annotations

from sqlalchemy import Column, Connection, String, Table

from pacte.kernel import db
from pacte.kernel.db import Int64, metadata
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import DAY, Instant

ENOUGH, OVER = 5, 7 * DAY
"""On how many days mail comes back, and over how long (in microseconds), before an address counts as gone: longer than
a server tries again, which is four or five days. Source: RFC 5321 § 4.5.4.1."""
KEPT = 90 * DAY
"""After how long without mail that came back the count begins anew, in microseconds."""

soft_table = Table(
    "bounce_soft",
    metadata,
    Column("subject", String(32), primary_key=True),
    Column("channel", String(16), primary_key=True),
    Column("count", Int64, nullable=False),  # of days
    Column("first", Int64, nullable=False),
    Column("last", Int64, nullable=False),
    sqlite_with_rowid=False,
)


def count(conn: Connection, subject: SubjectId, channel: str, now: Instant) -> bool:
    """Count the day, once; true, and counted no more, when the address counts as gone by that."""
    sql = "SELECT count, first, last FROM bounce_soft WHERE subject = ? AND channel = ?"
    days, first, last = next(iter(db.fetch(conn, sql, (subject, channel))), (0, now, now - KEPT))
    if now - last < DAY:
        return False
    if now - last >= KEPT:
        days, first = 0, now
    db.run(conn, "DELETE FROM bounce_soft WHERE subject = ? AND channel = ?", (subject, channel))
    if days + 1 >= ENOUGH and now - first >= OVER:
        return True
    columns = ("subject", "channel", "count", "first", "last")
    db.insert(conn, "bounce_soft", columns, [(subject, channel, days + 1, first, now)])
    return False


def people(conn: Connection, channel: str) -> list[SubjectId]:
    """Whose mail came back lately and may arrive again; how many they are is for `shown` to say."""
    return [
        SubjectId(one) for (one,) in db.fetch(conn, "SELECT subject FROM bounce_soft WHERE channel = ?", (channel,))
    ]


def forget(conn: Connection, subject: SubjectId) -> None:
    """Forget a person's."""
    db.change(conn, "DELETE FROM bounce_soft WHERE subject = ?", (subject,))


def prune(conn: Connection, now: Instant) -> int:
    """Forget those of long ago; returns of how many people."""
    return db.change(conn, "DELETE FROM bounce_soft WHERE last <= ?", (now - KEPT,))
