"""Format 2: group commit and jobs, check values on rows that lead to people, other indexes of the ledger."""

import sqlalchemy as sa
from alembic import op

revision = "2"
down_revision = "1"

Int64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add what format 2 has. The check values of rows that are here already need keys: `app.migrate` writes them."""
    _committer()
    _found_faster()
    op.add_column("vault_index", sa.Column("checked", sa.LargeBinary))
    op.add_column("vault_suppressed", sa.Column("checked", sa.LargeBinary))


def _found_faster() -> None:
    about, uses = sa.text("subject IS NOT NULL"), sa.text("use IS NOT NULL")
    rare = sa.text(" AND ".join(f"kind <> '{kind}'" for kind in ("choice", "collection", "fact", "look", "told")))
    op.drop_index("ledger_entry_kind", "ledger_entry")
    op.drop_index("ledger_entry_subject", "ledger_entry")
    op.create_index("ledger_entry_rare", "ledger_entry", ["kind"], sqlite_where=rare, postgresql_where=rare)
    op.create_index(
        "ledger_entry_about",
        "ledger_entry",
        [sa.text("(idx >> 15)"), "subject"],
        sqlite_where=about,
        postgresql_where=about,
    )
    if op.get_context().dialect.name == "postgresql":
        op.drop_index("ledger_entry_use", "ledger_entry")
        op.create_index("ledger_entry_use_once", "ledger_entry", ["use"], unique=True, postgresql_where=uses)


def _committer() -> None:
    op.create_table(
        "commit_batch",
        sa.Column("committer", sa.String(32), nullable=False),
        sa.Column("batch", Int64, nullable=False),
        sa.Column("at", Int64, nullable=False),
        sa.PrimaryKeyConstraint("committer"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "commit_key",
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("entry", Int64, nullable=False),
        sa.Column("size", Int64, nullable=False),
        sa.Column("at", Int64, nullable=False),
        sa.PrimaryKeyConstraint("key"),
        sqlite_with_rowid=False,
    )
    op.create_index("commit_key_at", "commit_key", ["at"])
    op.create_table(
        "job",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("about", sa.String(32)),
        sa.Column("entry", Int64),
        sa.Column("target", sa.String(128)),
        sa.Column("due", Int64, nullable=False),
        sa.Column("deadline", Int64),
        sa.Column("attempts", Int64, nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("error", sa.String(64)),
        sa.Column("worker", sa.String(16)),
        sa.Column("changed", Int64, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "job_due",
        "job",
        ["due"],
        sqlite_where=sa.text("state <> 'done'"),
        postgresql_where=sa.text("state <> 'done'"),
    )
