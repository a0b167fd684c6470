"""Whose keys these are: a key store says which house it serves, and serves no other.

Two houses with the same keys would sign two logs with one key, and what one of them destroys the other could never open
again. A house is named by what its log says in its first entry. While one is being founded its store is promised to it;
the store is taken, for good, just before the house stands.
"""

from __future__ import annotations

from sqlalchemy import Column, Connection, Integer, Table, Text

from pacte.kernel.db import fetch, run
from pacte.keys.tables import key_metadata

owner_table = Table(
    "keys_owner",
    key_metadata,
    Column("one", Integer, primary_key=True),
    Column("house", Text, nullable=False),
    Column("taken", Integer, nullable=False),  # 0 while the house is being founded
)


def owner(connection: Connection) -> tuple[str, bool]:
    """The house that the store serves, and whether for good; `("", False)` where nobody has said so yet."""
    if not fetch(connection, "SELECT 1 FROM sqlite_master WHERE name = 'keys_owner'"):
        return "", False  # from before stores knew their house
    rows = fetch(connection, "SELECT house, taken FROM keys_owner WHERE one = 1")
    return (str(rows[0][0]), bool(rows[0][1])) if rows else ("", False)


def own(connection: Connection, house: str, *, taken: bool) -> None:
    """Say which house the store serves, whatever it said before."""
    owner_table.create(connection, checkfirst=True)
    run(
        connection,
        "INSERT INTO keys_owner (one, house, taken) VALUES (1, ?, ?) "
        "ON CONFLICT (one) DO UPDATE SET house = excluded.house, taken = excluded.taken",
        (house, int(taken)),
    )


def is_untouched(connection: Connection) -> bool:
    """Whether no person ever had a key here and none was destroyed: what a founding that was cut short leaves."""
    tables = ("keys_person", "keys_intent", "keys_tombstone")
    return not any(fetch(connection, f"SELECT 1 FROM {table} LIMIT 1") for table in tables)
