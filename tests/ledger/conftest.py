"""A fresh ledger in a real database: a test that takes `engine` runs on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Engine

from pacte.kernel.db import metadata, write
from pacte.kernel.instant import Instant
from pacte.ledger import log, tables
from pacte.ledger.note import NoteSigner

OURS = [tables.entry_table, tables.node_table, tables.head_table]


@pytest.fixture
def signer() -> NoteSigner:
    return NoteSigner(bytes(range(32)), "pacte.example/house/test")


@pytest.fixture
def engine(database: str, open_engine: Callable[[str], Engine], signer: NoteSigner) -> Engine:
    made = open_engine(database)
    with write(made) as conn:
        metadata.create_all(conn, tables=OURS)
        log.create(conn, signer, house="test", now=Instant(1_000), role="controller")
    return made
