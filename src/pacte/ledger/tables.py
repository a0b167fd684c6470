"""The ledger's tables, and the triggers that make them unchangeable.

A row of `ledger_entry` may lose its body, salt, subject and use together (redaction); nothing else about it may ever
change, and no row may go. The triggers are made together with the tables. They stop mistakes and casual edits; whoever
drops them is found by the tree, the signed checkpoints and the anchors.
"""

from __future__ import annotations

from sqlalchemy import (
    DDL,
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    event,
    text,
)

from pacte.kernel.db import metadata

_INDEX = BigInteger().with_variant(Integer, "sqlite")  # only `INTEGER` is SQLite's own row number

entry_table = Table(
    "ledger_entry",
    metadata,
    Column("idx", _INDEX, primary_key=True, autoincrement=False),
    Column("kind", String(24), nullable=False),
    Column("subject", String(32)),
    Column("use", String(32)),
    Column("leaf", LargeBinary(32), nullable=False),
    Column("salt", LargeBinary(16)),
    Column("body", LargeBinary),
    CheckConstraint("(salt IS NULL) = (body IS NULL)", name="ledger_entry_salt_with_body"),
    CheckConstraint("length(leaf) = 32", name="ledger_entry_leaf_length"),
)
"""`leaf` is SHA-256(salt ‖ canonical entry); `subject` and `use` are copies of the body's, for finding."""

Index("ledger_entry_subject", entry_table.c.subject, sqlite_where=text("subject IS NOT NULL"))
Index("ledger_entry_use", entry_table.c.use, sqlite_where=text("use IS NOT NULL"))
Index("ledger_entry_kind", entry_table.c.kind)

node_table = Table(
    "ledger_node",
    metadata,
    Column("level", SmallInteger, primary_key=True, autoincrement=False),
    Column("idx", _INDEX, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary(32), nullable=False),
    sqlite_with_rowid=False,
)
"""Hashes of complete nodes at levels 8, 16, …: a proof reads at most 256 neighbours per eight levels."""

head_table = Table(
    "ledger_head",
    metadata,
    Column("id", SmallInteger, CheckConstraint("id = 0"), primary_key=True, autoincrement=False),
    Column("size", BigInteger, nullable=False),
    Column("root", LargeBinary(32), nullable=False),
    Column("frontier", LargeBinary, nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("checkpoint", Text, nullable=False),
    Column("vkey", Text, nullable=False),
)
"""One row: the state of the log after its last append."""

TRIGGERS: dict[str, tuple[Table, str]] = {
    "ledger_entry_appended": (
        entry_table,
        # Also stops INSERT OR REPLACE, which deletes without firing the delete trigger; for the same reason it is here,
        # and not in a unique index, that a use identifier is kept from being declared twice.
        "BEFORE INSERT ON ledger_entry WHEN NEW.idx IS NOT (SELECT coalesce(max(idx), -1) + 1 FROM ledger_entry) "
        "OR (NEW.use IS NOT NULL AND EXISTS (SELECT 1 FROM ledger_entry WHERE use = NEW.use)) "
        "BEGIN SELECT RAISE(ABORT, 'ledger entries are only appended'); END",
    ),
    "ledger_entry_redacted": (
        entry_table,
        "BEFORE UPDATE ON ledger_entry WHEN NEW.idx IS NOT OLD.idx OR NEW.kind IS NOT OLD.kind "
        "OR NEW.leaf IS NOT OLD.leaf OR NEW.salt IS NOT NULL OR NEW.body IS NOT NULL "
        "OR NEW.subject IS NOT NULL OR NEW.use IS NOT NULL OR OLD.kind = 'genesis' "
        "BEGIN SELECT RAISE(ABORT, 'ledger entries are never changed, only redacted'); END",
    ),
    "ledger_entry_kept": (
        entry_table,
        "BEFORE DELETE ON ledger_entry BEGIN SELECT RAISE(ABORT, 'ledger entries are never deleted'); END",
    ),
    "ledger_node_once": (
        node_table,
        "BEFORE INSERT ON ledger_node "
        "WHEN EXISTS (SELECT 1 FROM ledger_node WHERE level = NEW.level AND idx = NEW.idx) "
        "BEGIN SELECT RAISE(ABORT, 'ledger nodes are written once'); END",
    ),
    "ledger_node_fixed": (
        node_table,
        "BEFORE UPDATE ON ledger_node BEGIN SELECT RAISE(ABORT, 'ledger nodes are never changed'); END",
    ),
    "ledger_node_kept": (
        node_table,
        "BEFORE DELETE ON ledger_node BEGIN SELECT RAISE(ABORT, 'ledger nodes are never deleted'); END",
    ),
    "ledger_head_single": (
        head_table,
        "BEFORE INSERT ON ledger_head WHEN EXISTS (SELECT 1 FROM ledger_head) "
        "BEGIN SELECT RAISE(ABORT, 'a ledger has one head'); END",
    ),
    "ledger_head_grows": (
        head_table,
        "BEFORE UPDATE ON ledger_head WHEN NEW.id IS NOT OLD.id OR NEW.size <= OLD.size OR NEW.time < OLD.time "
        "OR NEW.vkey IS NOT OLD.vkey BEGIN SELECT RAISE(ABORT, 'the head of the ledger only grows'); END",
    ),
    "ledger_head_kept": (
        head_table,
        "BEFORE DELETE ON ledger_head BEGIN SELECT RAISE(ABORT, 'the head of the ledger is never deleted'); END",
    ),
}
"""Every trigger by name, with its table and what follows its name in the statement that makes it."""

for _name, (_table, _statement) in TRIGGERS.items():
    event.listen(
        _table,
        "after_create",
        DDL(f"CREATE TRIGGER {_name} {_statement}").execute_if(dialect="sqlite"),  # type: ignore[no-untyped-call] # theirs
    )
