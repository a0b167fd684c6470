"""A fresh ledger in a real SQLite file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from pacte.kernel.db import metadata, open_sqlite, write
from pacte.kernel.instant import Instant
from pacte.ledger import log, tables
from pacte.ledger.note import NoteSigner

OURS = [tables.entry_table, tables.node_table, tables.head_table]


@pytest.fixture
def signer() -> NoteSigner:
    return NoteSigner(bytes(range(32)), "pacte.example/house/test")


@pytest.fixture
def engine(tmp_path: Path, signer: NoteSigner) -> Iterator[Engine]:
    made = open_sqlite(tmp_path / "records.db")
    with write(made) as conn:
        metadata.create_all(conn, tables=OURS)
        log.create(conn, signer, house="test", now=Instant(1_000), role="controller")
    yield made
    made.dispose()
