"""The tables of the key store and what every part of it knows about them.

INVARIANT: a wrapped key never moves within the file. Rows are appended, rewritten at the same size, never deleted, so
no page of the database keeps a copy of a key that was overwritten elsewhere. A key made of zeros is a shredded key.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Column, Connection, Integer, LargeBinary, MetaData, Table, Text

from pacte.kernel.db import run
from pacte.kernel.errors import Unsafe

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


TOGETHER = 50_000
"""People whose keys are added by one statement."""
_ADDED = (
    "INSERT INTO keys_person (subject, data, evidence) "
    "WITH RECURSIVE person(no) AS (SELECT 0 UNION ALL SELECT no + 1 FROM person WHERE no + 1 < ?) "
    "SELECT CAST(substr(?, ? * no + 1, ?) AS TEXT), substr(?, ? * no + 1, ?), substr(?, ? * no + 1, ?) "
    "FROM person WHERE true ON CONFLICT DO NOTHING"
)


def add_people(
    connection: Connection, subjects: Sequence[str], data: Sequence[bytes], evidence: Sequence[bytes]
) -> int:
    """Add the wrapped keys of people; who has keys keeps them. Answers how many were added.

    A statement cuts them out of three long values: one for each person takes nearly twice as long. Raises `Unsafe` when
    not all keys are of one length, as a key service has to wrap them.
    """
    added = 0
    for start in range(0, len(subjects), TOGETHER):
        columns = [column[start : start + TOGETHER] for column in ([s.encode() for s in subjects], data, evidence)]
        if any(len(set(map(len, column))) != 1 for column in columns):
            raise Unsafe("the key service wraps keys of one length to several lengths; nothing was stored")
        cut = [part for column in columns for part in (b"".join(column), len(column[0]), len(column[0]))]
        added += run(connection, _ADDED, (len(columns[0]), *cut)).rowcount
    return added


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
