"""Format 4: segments, messages, campaigns, and whom they reached."""

import sqlalchemy as sa
from alembic import op

revision = "4"
down_revision = "3"

Int64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the tables of format 4; what is there already stays as it is."""
    _campaigns()
    _messages()
    _contact()
    _segments()
    _bounces()
    _valued()
    _outcomes()
    _lists()


def _contact() -> None:
    op.create_table(
        "contact",
        sa.Column("subject", sa.String(32), nullable=False),
        sa.Column("at", Int64, nullable=False, autoincrement=False),
        sa.Column("campaign", sa.String(32), nullable=False),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("purpose", sa.String(128), nullable=False),
        sa.PrimaryKeyConstraint("subject", "at", "campaign", "channel"),
        sqlite_with_rowid=False,
    )
    op.create_index("contact_at", "contact", ["at"])
    wishes = sa.text("kind = 'preference' AND subject IS NOT NULL")
    op.create_index("ledger_entry_wishes", "ledger_entry", ["subject"], sqlite_where=wishes, postgresql_where=wishes)


def _campaigns() -> None:
    op.create_table(
        "campaign",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("purpose", sa.String(128), nullable=False),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("message", sa.String(64), nullable=False),
        sa.Column("segment", sa.String(64)),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("reason", sa.String(40)),
        sa.Column("by", sa.String(72), nullable=False),
        sa.Column("made", Int64, nullable=False),
        sa.Column("started", Int64),
        sa.Column("until", Int64, nullable=False),
        sa.Column("ended", Int64),
        sa.Column("use", sa.String(32)),
        sa.Column("people", Int64, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_with_rowid=False,
    )
    sending = sa.text("state = 'sending'")
    op.create_index("campaign_sending", "campaign", ["state"], sqlite_where=sending, postgresql_where=sending)
    op.create_table(
        "campaign_recipient",
        sa.Column("campaign", sa.String(32), nullable=False),
        sa.Column("place", Int64, nullable=False, autoincrement=False),
        sa.Column("subject", sa.String(32), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("reason", sa.String(40)),
        sa.Column("due", Int64, nullable=False),
        sa.Column("attempts", Int64, nullable=False),
        sa.Column("domain", sa.String(16)),
        sa.Column("worker", sa.String(32)),
        sa.Column("entry", Int64),
        sa.Column("changed", Int64, nullable=False),
        sa.PrimaryKeyConstraint("campaign", "place"),
        sqlite_with_rowid=False,
    )
    op.create_index("campaign_recipient_subject", "campaign_recipient", ["subject"])
    open_ = sa.text("state IN ('queued', 'leased')")
    op.create_index(
        "campaign_recipient_open",
        "campaign_recipient",
        ["campaign", "place"],
        sqlite_where=open_,
        postgresql_where=open_,
    )
    op.create_table(
        "campaign_block",
        sa.Column("campaign", sa.String(32), nullable=False),
        sa.Column("block", Int64, nullable=False, autoincrement=False),
        sa.Column("due", Int64, nullable=False),
        sa.Column("worker", sa.String(32)),
        sa.Column("until", Int64, nullable=False),
        sa.Column("failures", Int64, nullable=False),
        sa.PrimaryKeyConstraint("campaign", "block"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "campaign_turn",
        sa.Column("campaign", sa.String(32), nullable=False),
        sa.Column("turn", sa.String(64), nullable=False),
        sa.Column("by", sa.String(72), nullable=False),
        sa.Column("until", Int64, nullable=False),
        sa.PrimaryKeyConstraint("campaign"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "campaign_report",
        sa.Column("campaign", sa.String(32), nullable=False),
        sa.Column("at", Int64, nullable=False),
        sa.Column("under", sa.String(80), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("campaign"),
        sqlite_with_rowid=False,
    )


def _messages() -> None:
    op.create_table(
        "message",
        sa.Column("name", sa.String(48), nullable=False),
        sa.Column("version", Int64, nullable=False, autoincrement=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("purpose", sa.String(128), nullable=False),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("by", sa.String(72), nullable=False),
        sa.Column("saved", Int64, nullable=False),
        sa.Column("removed", Int64),
        sa.PrimaryKeyConstraint("name", "version"),
        sqlite_with_rowid=False,
    )
    op.create_index("message_digest", "message", ["digest"])


def _bounces() -> None:
    op.create_table(
        "bounce_soft",
        sa.Column("subject", sa.String(32), nullable=False),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("count", Int64, nullable=False),
        sa.Column("first", Int64, nullable=False),
        sa.Column("last", Int64, nullable=False),
        sa.PrimaryKeyConstraint("subject", "channel"),
        sqlite_with_rowid=False,
    )


def _segments() -> None:
    op.create_table(
        "segment",
        sa.Column("name", sa.String(48), nullable=False),
        sa.Column("version", Int64, nullable=False, autoincrement=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("purpose", sa.String(128), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("by", sa.String(72), nullable=False),
        sa.Column("saved", Int64, nullable=False),
        sa.Column("removed", Int64),
        sa.PrimaryKeyConstraint("name", "version"),
        sqlite_with_rowid=False,
    )
    op.create_index("segment_digest", "segment", ["digest"])
    op.create_table(
        "segment_shown",
        sa.Column("meaning", sa.String(64), nullable=False),
        sa.Column("day", Int64, nullable=False, autoincrement=False),
        sa.Column("number", Int64),
        sa.Column("said", sa.Text, nullable=False),
        sa.Column("sketch", sa.LargeBinary),
        sa.PrimaryKeyConstraint("meaning", "day"),
        sqlite_with_rowid=False,
    )
    op.create_index("segment_shown_day", "segment_shown", ["day"])


def _valued() -> None:
    op.create_table(
        "field_read",
        sa.Column("field", sa.String(128), nullable=False),
        sa.Column("purpose", sa.String(128), nullable=False),
        sa.Column("at", Int64, nullable=False),
        sa.Column("entry", Int64, nullable=False),
        sa.PrimaryKeyConstraint("field", "purpose"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "field_read_until",
        sa.Column("id", Int64, primary_key=True, autoincrement=False),
        sa.Column("size", Int64, nullable=False),
    )


def _outcomes() -> None:
    op.create_table(
        "outcome_month",
        sa.Column("month", Int64, primary_key=True, autoincrement=False),
        sa.Column("at", Int64, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "outcome_people",
        sa.Column("month", Int64, nullable=False, autoincrement=False),
        sa.Column("purpose", sa.String(128), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(40), nullable=False),
        sa.Column("people", Int64, nullable=False),
        sa.PrimaryKeyConstraint("month", "purpose", "outcome", "reason"),
        sqlite_with_rowid=False,
    )


def _lists() -> None:
    op.create_table(
        "export",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("purpose", sa.String(128), nullable=False),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("recipient", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("segment", sa.String(64)),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("by", sa.String(72), nullable=False),
        sa.Column("made", Int64, nullable=False),
        sa.Column("until", Int64, nullable=False),
        sa.Column("use", sa.String(32), nullable=False),
        sa.Column("people", Int64, nullable=False),
        sa.Column("collected", Int64),
        sa.Column("collector", sa.String(72)),
        sa.Column("asked", Int64),
        sa.Column("ended", Int64),
        sa.Column("said", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "export_person",
        sa.Column("export", sa.String(32), nullable=False),
        sa.Column("place", Int64, nullable=False, autoincrement=False),
        sa.Column("subject", sa.String(32)),
        sa.Column("reference", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("export", "place"),
        sqlite_with_rowid=False,
    )
    op.create_index("export_person_subject", "export_person", ["subject"])
    op.create_table(
        "export_seed",
        sa.Column("digest", sa.String(32), nullable=False),
        sa.Column("export", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("digest", "export"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "partner_list",
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("proof", sa.String(64), nullable=False),
        sa.Column("rows", Int64, nullable=False),
        sa.Column("begun", Int64, nullable=False),
        sa.Column("entered", Int64),
        sa.Column("due", Int64, nullable=False),
        sa.Column("told", Int64),
        sa.PrimaryKeyConstraint("source"),
        sqlite_with_rowid=False,
    )
