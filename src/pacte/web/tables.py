"""The tables of the web: sessions. What people say is not kept here but in the ledger."""

from __future__ import annotations

from sqlalchemy import Column, Index, String, Table

from pacte.kernel.db import Int64, metadata

session_table = Table(
    "web_session",
    metadata,
    Column("name", String(64), primary_key=True),  # SHA-256 of the cookie: who reads this table opens no session
    Column("kind", String(8), nullable=False),  # person or staff
    Column("who", String(32), nullable=False),
    Column("strength", String(8), nullable=False),  # link, fresh; of staff: password, full
    Column("made", Int64, nullable=False),
    Column("seen", Int64, nullable=False),
    Column("fresh_until", Int64, nullable=False),
    Column("until", Int64, nullable=False),
    Column("device", String(64), nullable=False),  # the kind of browser, in a word; never an address
    sqlite_with_rowid=False,
)
Index("web_session_who", session_table.c.who)
