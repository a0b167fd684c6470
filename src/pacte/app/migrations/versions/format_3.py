"""Format 3: what the web needs: links that open once, sessions, and what its verbs keep."""

import sqlalchemy as sa
from alembic import op

revision = "3"
down_revision = "2"

Int64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the tables of format 3; what is there already stays as it is."""
    _links()
    _sessions()
    _staff()
    _passkeys()
    _checks()
    _programs()
    _uses_of_sets()
    _forms()
    _ended_jobs()


def _ended_jobs() -> None:
    ended = sa.text("state = 'done' AND error IS NOT NULL")
    op.create_index("job_ended", "job", ["changed"], sqlite_where=ended, postgresql_where=ended)


def _uses_of_sets() -> None:
    of_sets = sa.text("kind = 'use' AND subject IS NULL")
    op.create_index(
        "ledger_entry_sets", "ledger_entry", ["kind", "idx"], sqlite_where=of_sets, postgresql_where=of_sets
    )


def _links() -> None:
    op.create_table(
        "link_spent",
        sa.Column("token", sa.String(64), nullable=False),
        sa.Column("until", Int64, nullable=False),
        sa.PrimaryKeyConstraint("token"),
        sqlite_with_rowid=False,
    )


def _sessions() -> None:
    op.create_table(
        "web_session",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("who", sa.String(32), nullable=False),
        sa.Column("strength", sa.String(8), nullable=False),
        sa.Column("made", Int64, nullable=False),
        sa.Column("seen", Int64, nullable=False),
        sa.Column("fresh_until", Int64, nullable=False),
        sa.Column("until", Int64, nullable=False),
        sa.Column("device", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        sqlite_with_rowid=False,
    )
    op.create_index("web_session_who", "web_session", ["who"])


def _staff() -> None:
    op.create_table(
        "staff_member",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("login", sa.String(64), nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("password", sa.String(256), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("wrong", Int64, nullable=False),
        sa.Column("locked_until", Int64, nullable=False),
        sa.Column("last_code", Int64, nullable=False),
        sa.Column("made", Int64, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_with_rowid=False,
    )
    op.create_index("staff_member_login", "staff_member", ["login"], unique=True)


def _programs() -> None:
    op.add_column("commit_key", sa.Column("said", sa.String(64)))
    op.create_table(
        "api_key",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("label", sa.String(64), nullable=False),
        sa.Column("scopes", sa.String, nullable=False),
        sa.Column("bound", sa.String, nullable=False),
        sa.Column("rate", Int64, nullable=False),
        sa.Column("made", Int64, nullable=False),
        sa.Column("expires", Int64),
        sa.Column("revoked", Int64),
        sa.Column("used", Int64),
        sa.PrimaryKeyConstraint("id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "shadow_count",
        sa.Column("day", Int64, nullable=False),
        sa.Column("purpose", sa.String(128), nullable=False),
        sa.Column("did", Int64, nullable=False),
        sa.Column("permitted", Int64, nullable=False),
        sa.Column("reason", sa.String(64), nullable=False),
        sa.Column("count", Int64, nullable=False),
        sa.PrimaryKeyConstraint("day", "purpose", "did", "permitted", "reason"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "webhook_receiver",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("failures", Int64, nullable=False),
        sa.Column("rest_until", Int64, nullable=False),
        sa.Column("last_answer", Int64),
        sa.Column("last_failure", Int64),
        sa.Column("error", sa.String(64)),
        sa.PrimaryKeyConstraint("name"),
        sqlite_with_rowid=False,
    )


def _passkeys() -> None:
    op.create_table(
        "passkey",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("who", sa.String(32), nullable=False),
        sa.Column("credential", sa.LargeBinary, nullable=False),
        sa.Column("public_key", sa.LargeBinary, nullable=False),
        sa.Column("counter", Int64, nullable=False),
        sa.Column("name", sa.LargeBinary, nullable=False),
        sa.Column("made", Int64, nullable=False),
        sa.Column("used", Int64),
        sa.PrimaryKeyConstraint("id"),
        sqlite_with_rowid=False,
    )
    op.create_index("passkey_who", "passkey", ["who"])


def _checks() -> None:
    op.create_table(
        "house_check",
        sa.Column("at", Int64, nullable=False, autoincrement=False),
        sa.Column("size", Int64, nullable=False),
        sa.Column("problems", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("at"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "figure_week",
        sa.Column("week", Int64, nullable=False, autoincrement=False),
        sa.Column("at", Int64, nullable=False),
        sa.PrimaryKeyConstraint("week"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "figure_people",
        sa.Column("week", Int64, nullable=False, autoincrement=False),
        sa.Column("purpose", sa.String(128), nullable=False),
        sa.Column("channel", sa.String(128), nullable=False),
        sa.Column("recipient", sa.String(128), nullable=False),
        sa.Column("people", Int64, nullable=False),
        sa.PrimaryKeyConstraint("week", "purpose", "channel", "recipient"),
        sqlite_with_rowid=False,
    )


def _forms() -> None:
    op.create_table(
        "form_shown",
        sa.Column("form", sa.String(64), nullable=False),
        sa.Column("name", sa.String(48), nullable=False),
        sa.Column("lang", sa.String(2), nullable=False),
        sa.Column("reader", sa.String(8), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("since", Int64, nullable=False),
        sa.Column("picture", sa.LargeBinary),
        sa.Column("taken", Int64),
        sa.PrimaryKeyConstraint("form"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "optin",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("subject", sa.String(32), nullable=False),
        sa.Column("form", sa.String(48), nullable=False),
        sa.Column("lang", sa.String(2), nullable=False),
        sa.Column("shown", sa.String(64), nullable=False),
        sa.Column("notice", sa.String(64), nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("entry", Int64),
        sa.Column("asked", Int64, nullable=False),
        sa.Column("until", Int64, nullable=False),
        sa.Column("sent", Int64, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_with_rowid=False,
    )
    op.create_index("optin_subject", "optin", ["subject"])
    op.create_index("optin_until", "optin", ["until"])
