"""The ledger: durable signed appends beside bare inserts of the same bodies into the same database."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, text

from bench.figure import Figure, Scale, at_least, best_seconds, sample_choice
from pacte.kernel import db
from pacte.kernel.canonical import Json, canonical
from pacte.kernel.instant import Instant
from pacte.ledger import log
from pacte.ledger.note import NoteSigner

GROUP = 1_000
NOW = Instant(1_800_000_000_000_000)


def figures(scale: Scale) -> Iterator[tuple[str, Figure]]:
    """Entries per second, in transactions of 1,000."""
    entries = [sample_choice(number) for number in range(scale.rows)]
    groups = [entries[start : start + GROUP] for start in range(0, len(entries), GROUP)]
    bodies = [[{"body": canonical(entry)} for entry in group] for group in groups]
    signer = NoteSigner(bytes(32), "bench.example/log")

    def append() -> float:
        with _database() as engine:
            with db.write(engine) as conn:
                db.metadata.create_all(conn)
                log.create(conn, signer, house="bench", now=NOW, role="controller")
            return best_seconds(lambda: _append(engine, groups, signer), 1)

    def bare() -> float:
        with _database() as engine:
            with db.write(engine) as conn:
                conn.execute(text("CREATE TABLE plain (id INTEGER PRIMARY KEY, body BLOB)"))
            return best_seconds(lambda: _insert(engine, bodies), 1)

    ours = min(append() for _ in range(scale.repeats))
    plain = min(bare() for _ in range(scale.repeats))
    yield "ledger_append", at_least(scale.rows / ours, "entries/s", scale.rows / plain, 0.4)


def _append(engine: Engine, groups: Sequence[Sequence[dict[str, Json]]], signer: NoteSigner) -> None:
    for group in groups:
        with db.write(engine) as conn:
            log.append(conn, group, NOW, signer)


def _insert(engine: Engine, groups: list[list[dict[str, bytes]]]) -> None:
    for group in groups:
        with db.write(engine) as conn:
            conn.execute(text("INSERT INTO plain (body) VALUES (:body)"), group)


@contextmanager
def _database() -> Iterator[Engine]:
    with tempfile.TemporaryDirectory() as folder:
        engine = db.open_sqlite(Path(folder) / "records.db")
        yield engine
        engine.dispose()
