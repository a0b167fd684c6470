"""The ledger's tables, and the triggers that make them unchangeable, on SQLite and on PostgreSQL.

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
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    event,
    text,
)

from pacte.kernel.db import Int64, metadata

entry_table = Table(
    "ledger_entry",
    metadata,
    Column("idx", Int64, primary_key=True, autoincrement=False),
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

STRETCH = 15
"""Entries are found by person stretch by stretch, each of 2**15 neighbours.

One index over all of them would be written at a thousand random places for a thousand new entries, and slower the
longer the log is; like this the places are few and near. A look-up asks every stretch, about a microsecond each.
"""

BULK = ("choice", "collection", "fact", "look", "told")
"""Kinds of which a log holds the most and nobody asks for all."""

RARE = " AND ".join(f"kind <> '{kind}'" for kind in BULK)
"""The condition under which entries are indexed by their kind; a query that has it, word by word, uses the index."""

SETS = "kind = 'use' AND subject IS NULL"
"""The condition under which uses of many people are indexed: a house that writes letters has many more of one."""

WISHES = "kind = 'preference' AND subject IS NOT NULL"
"""The condition under which wishes are indexed by person: whoever sends asks for those of a thousand people at once."""

_RARE, _ABOUT, _DECLARES = text(RARE), text("subject IS NOT NULL"), text("use IS NOT NULL")
_SETS, _WISHES = text(SETS), text(WISHES)
Index("ledger_entry_wishes", entry_table.c.subject, sqlite_where=_WISHES, postgresql_where=_WISHES)
Index("ledger_entry_sets", entry_table.c.kind, entry_table.c.idx, sqlite_where=_SETS, postgresql_where=_SETS)
Index("ledger_entry_rare", entry_table.c.kind, sqlite_where=_RARE, postgresql_where=_RARE)
Index(
    "ledger_entry_about",
    text(f"(idx >> {STRETCH})"),
    entry_table.c.subject,
    sqlite_where=_ABOUT,
    postgresql_where=_ABOUT,
)
Index("ledger_entry_use", entry_table.c.use, sqlite_where=_DECLARES).ddl_if(dialect="sqlite")
# PostgreSQL has no `REPLACE` that would get round a unique index, so that no trigger has to look for each row.
Index("ledger_entry_use_once", entry_table.c.use, unique=True, postgresql_where=_DECLARES).ddl_if(dialect="postgresql")

node_table = Table(
    "ledger_node",
    metadata,
    Column("level", SmallInteger, primary_key=True, autoincrement=False),
    Column("idx", Int64, primary_key=True, autoincrement=False),
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

ABOUT = (
    "WITH RECURSIVE stretch(no) AS (SELECT ? + 0 "
    f"UNION ALL SELECT no + 1 FROM stretch WHERE no < (SELECT size >> {STRETCH} FROM ledger_head)) "
    "SELECT idx, body FROM stretch CROSS JOIN ledger_entry "
    f"WHERE (idx >> {STRETCH}) = stretch.no AND ledger_entry.subject = ?"
)
"""What is recorded about a person, from a stretch on; bind the number of the stretch and the person."""

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
"""Every trigger of SQLite by name, with its table and what follows its name in the statement that makes it."""

_APPENDED = """
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
"""


def _refuses(message: str, condition: str = "true") -> str:
    return f"\nBEGIN\n  IF {condition} THEN\n    RAISE EXCEPTION '{message}';\n  END IF;\n  RETURN NEW;\nEND\n"


POSTGRES_TRIGGERS: dict[str, tuple[Table, str, str]] = {
    # Once per statement, not once per row: a batch of a thousand entries is looked at once.
    "ledger_entry_appended": (
        entry_table,
        "AFTER INSERT ON ledger_entry REFERENCING NEW TABLE AS added FOR EACH STATEMENT",
        _APPENDED,
    ),
    "ledger_entry_redacted": (
        entry_table,
        "BEFORE UPDATE ON ledger_entry FOR EACH ROW",
        _refuses(
            "ledger entries are never changed, only redacted",
            "NEW.idx IS DISTINCT FROM OLD.idx OR NEW.kind IS DISTINCT FROM OLD.kind "
            "OR NEW.leaf IS DISTINCT FROM OLD.leaf OR NEW.salt IS NOT NULL OR NEW.body IS NOT NULL "
            "OR NEW.subject IS NOT NULL OR NEW.use IS NOT NULL OR OLD.kind = 'genesis'",
        ),
    ),
    "ledger_entry_kept": (
        entry_table,
        "BEFORE DELETE OR TRUNCATE ON ledger_entry FOR EACH STATEMENT",
        _refuses("ledger entries are never deleted"),
    ),
    "ledger_node_fixed": (
        node_table,
        "BEFORE DELETE OR UPDATE OR TRUNCATE ON ledger_node FOR EACH STATEMENT",
        _refuses("ledger nodes are never changed"),
    ),
    "ledger_head_grows": (
        head_table,
        "BEFORE UPDATE ON ledger_head FOR EACH ROW",
        _refuses(
            "the head of the ledger only grows",
            "NEW.id IS DISTINCT FROM OLD.id OR NEW.size <= OLD.size OR NEW.time < OLD.time "
            "OR NEW.vkey IS DISTINCT FROM OLD.vkey",
        ),
    ),
    "ledger_head_kept": (
        head_table,
        "BEFORE DELETE OR TRUNCATE ON ledger_head FOR EACH STATEMENT",
        _refuses("the head of the ledger is never deleted"),
    ),
}
"""Every trigger of PostgreSQL by name (its function is called the same): its table, when it runs, what it runs."""


def _after_create(table: Table, dialect: str, statement: str) -> None:
    ddl = DDL(statement).execute_if(dialect=dialect)  # type: ignore[no-untyped-call] # theirs
    event.listen(table, "after_create", ddl)


for _name, (_table, _statement) in TRIGGERS.items():
    _after_create(_table, "sqlite", f"CREATE TRIGGER {_name} {_statement}")

for _name, (_table, _when, _body) in POSTGRES_TRIGGERS.items():
    _function = f"CREATE OR REPLACE FUNCTION {_name}() RETURNS trigger LANGUAGE plpgsql AS $${_body}$$"
    _after_create(_table, "postgresql", _function)
    _after_create(_table, "postgresql", f"CREATE TRIGGER {_name} {_when} EXECUTE FUNCTION {_name}()")
