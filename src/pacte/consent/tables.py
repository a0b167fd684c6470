"""The derived tables of consent: rectangles over two times, rebuildable from the ledger.

A rectangle says what held from `valid_from` to `valid_to` (instants, end excluded, null = open) for those who know the
entries from `known_from` to `known_to` (ledger indices): with S entries known it is visible when
`known_from < S` and (`known_to` is null or `S <= known_to`). `entry` is the ledger entry that it rests on; in
`consent_person` every field has its own.
Rows lie together by person, so that one person is one short range.
"""

from __future__ import annotations

from sqlalchemy import Column, String, Table

from pacte.kernel.db import Int64, metadata

consent_head = Table(
    "consent_head",
    metadata,
    Column("id", Int64, primary_key=True),  # always 1
    Column("size", Int64, nullable=False),  # every entry below this index that concerns a person was applied
)

consent_subject = Table(
    "consent_subject",
    metadata,
    Column("no", Int64, primary_key=True, autoincrement=False),
    Column("known_from", Int64, nullable=False),  # the first entry about this person
)

consent_choice = Table(
    "consent_choice",
    metadata,
    Column("no", Int64, primary_key=True, autoincrement=False),
    Column("voice", String, primary_key=True),  # self, guardian
    Column("purpose", String, primary_key=True),  # "*" = every purpose
    Column("channel", String, primary_key=True),  # "" = every channel
    Column("recipient", String, primary_key=True),  # "" = every recipient
    Column("known_from", Int64, primary_key=True),
    Column("valid_from", Int64, primary_key=True),
    Column("valid_to", Int64),
    Column("known_to", Int64),
    Column("status", String, nullable=False),  # given, refused, withdrawn, objected, lifted, overruled
    Column("since", Int64, nullable=False),
    Column("expires", Int64),
    Column("grade", Int64, nullable=False),
    Column("signal", String, nullable=False),
    Column("weak", Int64, nullable=False),  # 1: undated or not authenticated; gives way to any firm statement
    Column("entry", Int64, nullable=False),
    Column("notice", String),
    Column("method", String, nullable=False),  # how it was said; a parent's, how they were recognised
    sqlite_with_rowid=False,
)

consent_hold = Table(
    "consent_hold",
    metadata,
    Column("no", Int64, primary_key=True, autoincrement=False),
    Column("known_from", Int64, primary_key=True),
    Column("valid_from", Int64, primary_key=True),
    Column("valid_to", Int64),
    Column("known_to", Int64),
    Column("status", String, nullable=False),  # none, restricted, erasing, erased
    Column("entry", Int64, nullable=False),
    sqlite_with_rowid=False,
)

consent_person = Table(
    "consent_person",
    metadata,
    Column("no", Int64, primary_key=True, autoincrement=False),
    Column("known_from", Int64, primary_key=True),
    Column("valid_from", Int64, primary_key=True),
    Column("valid_to", Int64),
    Column("known_to", Int64),
    Column("place", String),
    Column("capacity", String),
    Column("age", String),
    Column("minor_until", Int64),
    Column("contract_since", Int64),
    Column("contract_until", Int64),
    Column("guardian", String),
    # The entry that each field rests on, null where nothing was ever said; age and minor_until are told together.
    Column("place_entry", Int64),
    Column("capacity_entry", Int64),
    Column("age_entry", Int64),
    Column("contract_since_entry", Int64),
    Column("contract_until_entry", Int64),
    Column("guardian_entry", Int64),
    sqlite_with_rowid=False,
)

consent_told = Table(
    "consent_told",
    metadata,
    Column("no", Int64, primary_key=True, autoincrement=False),
    Column("notice", String, primary_key=True),
    Column("known_from", Int64, primary_key=True),  # the entry that says so
    Column("valid_from", Int64, nullable=False),
    sqlite_with_rowid=False,
)

consent_base = Table(
    "consent_base",
    metadata,
    Column("id", Int64, primary_key=True),  # always 1; a row = columnar base files exist
    Column("size", Int64, nullable=False),  # ledger entries applied when they were written
)

consent_touched = Table(
    "consent_touched",
    metadata,
    Column("no", Int64, primary_key=True, autoincrement=False),  # rows of this person changed after the base
)

FACETS = {
    "subject": consent_subject,
    "choice": consent_choice,
    "hold": consent_hold,
    "person": consent_person,
    "told": consent_told,
}
"""The tables that hold what is known of persons, by the name of what they say."""

COLUMNS = {facet: tuple(column.name for column in table.columns) for facet, table in FACETS.items()}
"""Their columns, in the order in which rows are built and read."""
