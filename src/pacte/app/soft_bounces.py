"""Soft bounces, counted: how often mail did not reach somebody though their address may be good.

A full mailbox or a server that is down says nothing of the address: nothing follows from one, and the count goes with
the person, or a year after the last. Source: RFC 3463 (classes 4 and 5); GDPR Art. 5(1)(e).
"""

from __future__ import annotations

from sqlalchemy import Column, Connection, String, Table

from pacte.kernel import db
from pacte.kernel.db import Int64, metadata
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import DAY, Instant

KEPT = 400 * DAY
"""How long they are counted after the last one, in microseconds."""

soft_table = Table(
    "bounce_soft",
    metadata,
    Column("subject", String(32), primary_key=True),
    Column("channel", String(16), primary_key=True),
    Column("count", Int64, nullable=False),
    Column("first", Int64, nullable=False),
    Column("last", Int64, nullable=False),
    sqlite_with_rowid=False,
)


def count(conn: Connection, subject: SubjectId, channel: str, now: Instant) -> None:
    """Count one more."""
    db.change(
        conn,
        "INSERT INTO bounce_soft (subject, channel, count, first, last) VALUES (?, ?, 1, ?, ?) "
        "ON CONFLICT (subject, channel) DO UPDATE SET count = bounce_soft.count + 1, last = excluded.last",
        (subject, channel, now, now),
    )


def counted(conn: Connection, subject: SubjectId, channel: str) -> int:
    """How many somebody's address gave back."""
    rows = db.fetch(conn, "SELECT count FROM bounce_soft WHERE subject = ? AND channel = ?", (subject, channel))
    return int(rows[0][0]) if rows else 0


def forget(conn: Connection, subject: SubjectId) -> None:
    """Forget a person's."""
    db.change(conn, "DELETE FROM bounce_soft WHERE subject = ?", (subject,))


def prune(conn: Connection, now: Instant) -> int:
    """Forget those of long ago; returns of how many people."""
    return db.change(conn, "DELETE FROM bounce_soft WHERE last <= ?", (now - KEPT,))
