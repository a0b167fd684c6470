"""The tables of the key store and what every part of it knows about them.

INVARIANT: a wrapped key never moves within the file. Rows are appended, rewritten at the same size, never deleted, so
no page of the database keeps a copy of a key that was overwritten elsewhere. A key made of zeros is a shredded key.
"""

from __future__ import annotations

from sqlalchemy import Column, Connection, Integer, LargeBinary, MetaData, Table, Text

key_metadata = MetaData()
"""The tables of the key store; they never meet those of the record database."""

Table(
    "keys_person",
    key_metadata,
    Column("slot", Integer, primary_key=True),
    Column("subject", Text, nullable=False, unique=True),
    Column("data", LargeBinary, nullable=False),
    Column("evidence", LargeBinary, nullable=False),
)
Table(
    "keys_house",
    key_metadata,
    Column("slot", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("wrapped", LargeBinary, nullable=False),
)
for _name in ("keys_intent", "keys_tombstone"):
    Table(
        _name,
        key_metadata,
        Column("name", Text, primary_key=True),
        Column("which", Text, primary_key=True),
        Column("at", Integer, nullable=False),
        Column("epoch", Integer, nullable=False),
    )


def house_row(connection: Connection, name: str) -> bytes | None:
    """The wrapped house key of this name: zeros when shredded, `None` when there never was one."""
    row = connection.exec_driver_sql("SELECT wrapped FROM keys_house WHERE name = ?", (name,)).first()
    return None if row is None else bytes(row[0])


def person_place(subject: str, which: str) -> bytes:
    """The associated data of a person's wrapped key: it opens for nobody else and as nothing else."""
    return f"pacte-key/1:{which}:{subject}".encode()


def house_place(name: str) -> bytes:
    """The associated data of a wrapped house key."""
    return f"pacte-key/1:house:{name}".encode()
