"""Whose turn it is to prepare a campaign: one at a time, and whoever lost the turn writes nothing more.

A turn is kept by signs of life. Where they end another may take it, so that what was cut short begins anew; whoever
then wakes up is told at its next sign, in the transaction that would have written.
"""

from __future__ import annotations

import secrets
from typing import NamedTuple

from sqlalchemy import Column, Connection, String, Table

from pacte.kernel import db
from pacte.kernel.db import Int64, metadata
from pacte.kernel.errors import Conflict
from pacte.kernel.instant import SECOND, Instant

HELD = 300 * SECOND
"""How long a turn is kept without a sign of life, in microseconds."""

turn_table = Table(
    "campaign_turn",
    metadata,
    Column("campaign", String(32), primary_key=True),
    Column("turn", String(64), nullable=False),
    Column("by", String(72), nullable=False),  # who asked for it
    Column("until", Int64, nullable=False),  # without a sign of life
    sqlite_with_rowid=False,
)


class Turn(NamedTuple):
    """A turn: its name, who asked for it, and until when nobody else takes it."""

    name: str
    by: str
    until: Instant


def new() -> str:
    """Draw a name for a turn."""
    return secrets.token_hex(16)


def take(conn: Connection, campaign: str, turn: str, by: str, now: Instant) -> None:
    """Give the turn to `turn`, whoever had it; the caller has looked whether it is free."""
    sql = (
        'INSERT INTO campaign_turn (campaign, turn, "by", until) VALUES (?, ?, ?, ?) ON CONFLICT (campaign) '
        'DO UPDATE SET turn = excluded.turn, "by" = excluded."by", until = excluded.until'
    )
    db.run(conn, sql, (campaign, turn, by, now + HELD))


def of(conn: Connection, campaign: str) -> Turn | None:
    """Whose turn it is; `None`: nobody's."""
    found = db.fetch(conn, 'SELECT turn, "by", until FROM campaign_turn WHERE campaign = ?', (campaign,))
    return Turn(found[0][0], found[0][1], Instant(found[0][2])) if found else None


def keep(conn: Connection, campaign: str, turn: str, now: Instant) -> None:
    """A sign of life, in the transaction that writes; raises `Conflict` where the turn is another's by now."""
    sql = "UPDATE campaign_turn SET until = ? WHERE campaign = ? AND turn = ?"
    if not db.change(conn, sql, (now + HELD, campaign, turn)):
        raise Conflict("somebody else prepares this campaign by now; nothing more was written")


def end(conn: Connection, campaign: str, turn: str) -> bool:
    """Let go of the turn; false where it was another's."""
    return db.change(conn, "DELETE FROM campaign_turn WHERE campaign = ? AND turn = ?", (campaign, turn)) > 0
