"""Format 1: the house of the promise and the law, on SQLite; PostgreSQL begins with it."""

import sqlalchemy as sa
from alembic import op

revision = "1"
down_revision = None

Int64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make every table of format 1."""
    _consent()
    _gate()
    _intake()
    _lake()
    _ledger()
    _vault()
    _triggers()


def _consent() -> None:
    op.create_table(
        "consent_base",
        sa.Column("id", Int64, nullable=False),
        sa.Column("size", Int64, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "consent_choice",
        sa.Column("no", Int64, autoincrement=False, nullable=False),
        sa.Column("voice", sa.String, nullable=False),
        sa.Column("purpose", sa.String, nullable=False),
        sa.Column("channel", sa.String, nullable=False),
        sa.Column("recipient", sa.String, nullable=False),
        sa.Column("known_from", Int64, nullable=False),
        sa.Column("valid_from", Int64, nullable=False),
        sa.Column("valid_to", Int64),
        sa.Column("known_to", Int64),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("since", Int64, nullable=False),
        sa.Column("expires", Int64),
        sa.Column("grade", Int64, nullable=False),
        sa.Column("signal", sa.String, nullable=False),
        sa.Column("weak", Int64, nullable=False),
        sa.Column("entry", Int64, nullable=False),
        sa.Column("notice", sa.String),
        sa.Column("method", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("no", "voice", "purpose", "channel", "recipient", "known_from", "valid_from"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "consent_head",
        sa.Column("id", Int64, nullable=False),
        sa.Column("size", Int64, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "consent_hold",
        sa.Column("no", Int64, autoincrement=False, nullable=False),
        sa.Column("known_from", Int64, nullable=False),
        sa.Column("valid_from", Int64, nullable=False),
        sa.Column("valid_to", Int64),
        sa.Column("known_to", Int64),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("entry", Int64, nullable=False),
        sa.PrimaryKeyConstraint("no", "known_from", "valid_from"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "consent_person",
        sa.Column("no", Int64, autoincrement=False, nullable=False),
        sa.Column("known_from", Int64, nullable=False),
        sa.Column("valid_from", Int64, nullable=False),
        sa.Column("valid_to", Int64),
        sa.Column("known_to", Int64),
        sa.Column("place", sa.String),
        sa.Column("capacity", sa.String),
        sa.Column("age", sa.String),
        sa.Column("minor_until", Int64),
        sa.Column("contract_since", Int64),
        sa.Column("contract_until", Int64),
        sa.Column("guardian", sa.String),
        sa.Column("place_entry", Int64),
        sa.Column("capacity_entry", Int64),
        sa.Column("age_entry", Int64),
        sa.Column("contract_since_entry", Int64),
        sa.Column("contract_until_entry", Int64),
        sa.Column("guardian_entry", Int64),
        sa.PrimaryKeyConstraint("no", "known_from", "valid_from"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "consent_subject",
        sa.Column("no", Int64, autoincrement=False, nullable=False),
        sa.Column("known_from", Int64, nullable=False),
        sa.PrimaryKeyConstraint("no"),
    )
    op.create_table(
        "consent_told",
        sa.Column("no", Int64, autoincrement=False, nullable=False),
        sa.Column("notice", sa.String, nullable=False),
        sa.Column("known_from", Int64, nullable=False),
        sa.Column("valid_from", Int64, nullable=False),
        sa.PrimaryKeyConstraint("no", "notice", "known_from"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "consent_touched", sa.Column("no", Int64, autoincrement=False, nullable=False), sa.PrimaryKeyConstraint("no")
    )


def _gate() -> None:
    op.create_table(
        "gate_notice",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("entry", Int64, nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_table(
        "gate_policy",
        sa.Column("entry", Int64, autoincrement=False, nullable=False),
        sa.Column("policy", sa.String(64), nullable=False),
        sa.Column("rules", sa.String(64), nullable=False),
        sa.Column("effective", Int64, nullable=False),
        sa.PrimaryKeyConstraint("entry"),
    )
    op.create_table(
        "gate_policy_text",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("body", sa.Text),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_table(
        "gate_rules",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("body", sa.Text),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_table(
        "gate_stop",
        sa.Column("entry", Int64, autoincrement=False, nullable=False),
        sa.Column("scope", sa.String, nullable=False),
        sa.Column("stopped", Int64, nullable=False),
        sa.Column("effective", Int64, nullable=False),
        sa.PrimaryKeyConstraint("entry"),
    )
    op.create_index("gate_stop_scope", "gate_stop", ["scope"])
    op.create_table(
        "gate_use_set",
        sa.Column("use", sa.String(32), nullable=False),
        sa.Column("bucket", Int64, autoincrement=False, nullable=False),
        sa.Column("members", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("use", "bucket"),
    )


def _intake() -> None:
    op.create_table(
        "intake_collection",
        sa.Column("no", Int64, autoincrement=False, nullable=False),
        sa.Column("dataset", sa.String, nullable=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("notice", sa.String, nullable=False),
        sa.Column("since", Int64, nullable=False),
        sa.PrimaryKeyConstraint("no", "dataset", "source", "notice"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "intake_row",
        sa.Column("dataset", sa.String, nullable=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("row", sa.LargeBinary, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("facts", sa.LargeBinary, nullable=False),
        sa.Column("fields", sa.String, nullable=False),
        sa.Column("since", Int64),
        sa.Column("no", Int64),
        sa.PrimaryKeyConstraint("dataset", "source", "row"),
        sqlite_with_rowid=False,
    )
    op.create_index("intake_row_no", "intake_row", ["no"])


def _lake() -> None:
    op.create_table(
        "lake_pool",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("blocks", Int64, nullable=False),
        sa.Column("remaining", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "lake_segment",
        sa.Column("id", Int64, nullable=False),
        sa.Column("dataset", sa.String, nullable=False),
        sa.Column("file", sa.String, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("rows", Int64, nullable=False),
        sa.Column("added_by", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("file"),
    )
    op.create_index("ix_lake_segment_dataset", "lake_segment", ["dataset"])
    op.create_table(
        "lake_subject",
        sa.Column("no", Int64, autoincrement=False, nullable=False),
        sa.Column("subject", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("no"),
        sa.UniqueConstraint("subject"),
    )


def _ledger() -> None:
    op.create_table(
        "ledger_entry",
        sa.Column("idx", Int64, autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(24), nullable=False),
        sa.Column("subject", sa.String(32)),
        sa.Column("use", sa.String(32)),
        sa.Column("leaf", sa.LargeBinary(32), nullable=False),
        sa.Column("salt", sa.LargeBinary(16)),
        sa.Column("body", sa.LargeBinary),
        sa.CheckConstraint("(salt IS NULL) = (body IS NULL)", name="ledger_entry_salt_with_body"),
        sa.CheckConstraint("length(leaf) = 32", name="ledger_entry_leaf_length"),
        sa.PrimaryKeyConstraint("idx"),
    )
    op.create_index("ledger_entry_kind", "ledger_entry", ["kind"])
    op.create_index(
        "ledger_entry_subject",
        "ledger_entry",
        ["subject"],
        sqlite_where=sa.text("subject IS NOT NULL"),
        postgresql_where=sa.text("subject IS NOT NULL"),
    )
    op.create_index(
        "ledger_entry_use",
        "ledger_entry",
        ["use"],
        sqlite_where=sa.text("use IS NOT NULL"),
        postgresql_where=sa.text("use IS NOT NULL"),
    )
    op.create_table(
        "ledger_head",
        sa.Column("id", sa.SmallInteger, sa.CheckConstraint("id = 0"), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("root", sa.LargeBinary(32), nullable=False),
        sa.Column("frontier", sa.LargeBinary, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("checkpoint", sa.Text, nullable=False),
        sa.Column("vkey", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "ledger_node",
        sa.Column("level", sa.SmallInteger, autoincrement=False, nullable=False),
        sa.Column("idx", Int64, autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("level", "idx"),
        sqlite_with_rowid=False,
    )


def _vault() -> None:
    op.create_table(
        "vault_index",
        sa.Column("slot", Int64, nullable=False),
        sa.Column("field", sa.Text),
        sa.Column("blind", sa.LargeBinary),
        sa.Column("subject", sa.Text),
        sa.Column("norm_version", sa.Integer),
        sa.PrimaryKeyConstraint("slot"),
    )
    op.create_index(
        "vault_index_field_blind_subject",
        "vault_index",
        ["field", "blind", "subject"],
        unique=True,
        sqlite_where=sa.text("field IS NOT NULL"),
        postgresql_where=sa.text("field IS NOT NULL"),
    )
    op.create_index(
        "vault_index_subject",
        "vault_index",
        ["subject"],
        sqlite_where=sa.text("subject IS NOT NULL"),
        postgresql_where=sa.text("subject IS NOT NULL"),
    )
    op.create_table(
        "vault_sealed",
        sa.Column("slot", Int64, nullable=False),
        sa.Column("subject", sa.Text),
        sa.Column("grp", sa.Text),
        sa.Column("version", sa.Integer),
        sa.Column("sealed", sa.LargeBinary),
        sa.Column("source", sa.Text),
        sa.Column("collected", Int64),
        sa.Column("notice", sa.Text),
        sa.PrimaryKeyConstraint("slot"),
    )
    op.create_index(
        "vault_sealed_subject_grp",
        "vault_sealed",
        ["subject", "grp"],
        unique=True,
        sqlite_where=sa.text("subject IS NOT NULL"),
        postgresql_where=sa.text("subject IS NOT NULL"),
    )
    op.create_table(
        "vault_suppressed",
        sa.Column("slot", Int64, nullable=False),
        sa.Column("blind", sa.LargeBinary),
        sa.Column("field", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("until", Int64),
        sa.PrimaryKeyConstraint("slot"),
    )
    op.create_index(
        "vault_suppressed_field_blind_reason",
        "vault_suppressed",
        ["field", "blind", "reason"],
        unique=True,
        sqlite_where=sa.text("field IS NOT NULL"),
        postgresql_where=sa.text("field IS NOT NULL"),
    )


def _triggers() -> None:
    if op.get_context().dialect.name == "sqlite":
        for name, statement in SQLITE.items():
            op.execute(f"CREATE TRIGGER {name} {statement}")
        return
    for name, (when, body) in POSTGRES.items():
        op.execute(f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $${body}$$")
        op.execute(f"CREATE TRIGGER {name} {when} EXECUTE FUNCTION {name}()")


SQLITE = {
    "ledger_entry_appended": (
        "BEFORE INSERT ON ledger_entry WHEN NEW.idx IS NOT (SELECT coalesce(max(idx), -1) + 1 FROM "
        "ledger_entry) OR (NEW.use IS NOT NULL AND EXISTS (SELECT 1 FROM ledger_entry WHERE use = NEW.use)) "
        "BEGIN SELECT RAISE(ABORT, 'ledger entries are only appended'); END"
    ),
    "ledger_entry_redacted": (
        "BEFORE UPDATE ON ledger_entry WHEN NEW.idx IS NOT OLD.idx OR NEW.kind IS NOT OLD.kind OR NEW.leaf IS "
        "NOT OLD.leaf OR NEW.salt IS NOT NULL OR NEW.body IS NOT NULL OR NEW.subject IS NOT NULL OR NEW.use "
        "IS NOT NULL OR OLD.kind = 'genesis' BEGIN SELECT RAISE(ABORT, 'ledger entries are never changed, "
        "only redacted'); END"
    ),
    "ledger_entry_kept": (
        "BEFORE DELETE ON ledger_entry BEGIN SELECT RAISE(ABORT, 'ledger entries are never deleted'); END"
    ),
    "ledger_node_once": (
        "BEFORE INSERT ON ledger_node WHEN EXISTS (SELECT 1 FROM ledger_node WHERE level = NEW.level AND idx "
        "= NEW.idx) BEGIN SELECT RAISE(ABORT, 'ledger nodes are written once'); END"
    ),
    "ledger_node_fixed": (
        "BEFORE UPDATE ON ledger_node BEGIN SELECT RAISE(ABORT, 'ledger nodes are never changed'); END"
    ),
    "ledger_node_kept": (
        "BEFORE DELETE ON ledger_node BEGIN SELECT RAISE(ABORT, 'ledger nodes are never deleted'); END"
    ),
    "ledger_head_single": (
        "BEFORE INSERT ON ledger_head WHEN EXISTS (SELECT 1 FROM ledger_head) BEGIN SELECT RAISE(ABORT, 'a "
        "ledger has one head'); END"
    ),
    "ledger_head_grows": (
        "BEFORE UPDATE ON ledger_head WHEN NEW.id IS NOT OLD.id OR NEW.size <= OLD.size OR NEW.time < "
        "OLD.time OR NEW.vkey IS NOT OLD.vkey BEGIN SELECT RAISE(ABORT, 'the head of the ledger only grows'); "
        "END"
    ),
    "ledger_head_kept": (
        "BEFORE DELETE ON ledger_head BEGIN SELECT RAISE(ABORT, 'the head of the ledger is never deleted'); END"
    ),
}


def _refuses(message: str, condition: str = "true") -> str:
    return f"\nBEGIN\n  IF {condition} THEN\n    RAISE EXCEPTION '{message}';\n  END IF;\n  RETURN NEW;\nEND\n"


POSTGRES = {
    "ledger_entry_appended": (
        "AFTER INSERT ON ledger_entry REFERENCING NEW TABLE AS added FOR EACH STATEMENT",
        """
DECLARE
  first bigint; last bigint; many bigint;
BEGIN
  SELECT min(idx), max(idx), count(*) INTO first, last, many FROM added;
  IF many > 0 AND (
    last - first + 1 <> many
    OR last <> (SELECT max(idx) FROM ledger_entry)
    OR first <> (SELECT coalesce(max(idx), -1) + 1 FROM ledger_entry WHERE idx < first)
  ) THEN
    RAISE EXCEPTION 'ledger entries are only appended';
  END IF;
  RETURN NULL;
END
""",
    ),
    "ledger_entry_redacted": (
        "BEFORE UPDATE ON ledger_entry FOR EACH ROW",
        _refuses(
            "ledger entries are never changed, only redacted",
            "NEW.idx IS DISTINCT FROM OLD.idx OR NEW.kind IS DISTINCT FROM OLD.kind OR NEW.leaf IS DISTINCT FROM "
            "OLD.leaf OR NEW.salt IS NOT NULL OR NEW.body IS NOT NULL OR NEW.subject IS NOT NULL OR NEW.use IS "
            "NOT NULL OR OLD.kind = 'genesis'",
        ),
    ),
    "ledger_entry_kept": (
        "BEFORE DELETE OR TRUNCATE ON ledger_entry FOR EACH STATEMENT",
        _refuses("ledger entries are never deleted"),
    ),
    "ledger_node_fixed": (
        "BEFORE DELETE OR UPDATE OR TRUNCATE ON ledger_node FOR EACH STATEMENT",
        _refuses("ledger nodes are never changed"),
    ),
    "ledger_head_grows": (
        "BEFORE UPDATE ON ledger_head FOR EACH ROW",
        _refuses(
            "the head of the ledger only grows",
            "NEW.id IS DISTINCT FROM OLD.id OR NEW.size <= OLD.size OR NEW.time < OLD.time OR NEW.vkey IS "
            "DISTINCT FROM OLD.vkey",
        ),
    ),
    "ledger_head_kept": (
        "BEFORE DELETE OR TRUNCATE ON ledger_head FOR EACH STATEMENT",
        _refuses("the head of the ledger is never deleted"),
    ),
}
