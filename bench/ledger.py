"""The ledger: durable signed appends beside bare inserts of the same rows, the check of a whole log, proofs.

The people are random identifiers, as they are in a house. A bare insert encodes the same bodies with the standard
library's encoder and puts the same columns into a table with nothing but its primary key, in transactions of the same
size and durability.
"""

from __future__ import annotations

import os
import random
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import Engine

from bench.figure import Figure, Scale, at_least, at_most, pairs, sample_choice
from pacte.kernel import db
from pacte.kernel.instant import Instant
from pacte.ledger import log, merkle
from pacte.ledger.check import examine
from pacte.ledger.checkpoint import open_checkpoint
from pacte.ledger.entries import encode
from pacte.ledger.note import NoteSigner, parse_vkey
from pacte.testing.postgres import Server

GROUP = 1_000
NOW = Instant(1_800_000_000_000_000)
SIGNER = NoteSigner(bytes(32), "bench.example/log")
LEAVES = {False: 200_000, True: 2_000_000}
"""Leaves of the tree that proofs are made from, at small and at full scale."""
PROOFS = 200
_COLUMNS = ("idx", "kind", "subject", "use", "leaf", "salt", "body")

Groups = Sequence[Sequence[dict[str, Any]]]


def figures(scale: Scale) -> Iterator[tuple[str, Figure]]:
    """Entries per second in transactions of 1,000, on both databases; entries checked per second; proofs."""
    with tempfile.TemporaryDirectory() as folder, closing(Server(Path(folder) / "pg")) as server:
        count, groups = _groups(scale.rows)
        for name, where in (("sqlite", _files(Path(folder))), ("postgresql", server.database)):
            ours, bare = (partial(_timed, where, action, groups) for action in (_append, _insert))
            taken = pairs(ours, bare, scale.repeats)
            yield f"ledger_append_{name}", taken.throughput(count, "entries/s", 0.6)
        with _ledger(_files(Path(folder))()) as engine:
            _append(engine, groups)
            yield "ledger_check", _checked(engine, count, scale.repeats)
        for name, where in (("", _files(Path(folder))), ("_postgresql", server.database)):
            with _ledger(where()) as engine:
                _grow(engine, LEAVES[scale.rows >= 1_000_000])
                made, checked = _proofs(engine)
            yield f"ledger_proof_made{name}", at_most(made, "ms", 1.0, 1.0)
            yield f"ledger_proof_checked{name}", at_most(checked, "ms", 1.0, 1.0)


def _groups(rows: int) -> tuple[int, Groups]:
    entries = [{**sample_choice(number), "subject": secrets.token_hex(16)} for number in range(rows)]
    return rows, [entries[start : start + GROUP] for start in range(0, rows, GROUP)]


def _files(folder: Path) -> Callable[[], str]:
    return lambda: str(folder / f"{secrets.token_hex(6)}.db")


def _timed(where: Callable[[], str], action: Callable[[Engine, Groups], None], groups: Groups) -> float:
    with _ledger(where()) as engine:
        started = time.perf_counter()
        action(engine, groups)
        return time.perf_counter() - started


@contextmanager
def _ledger(where: str) -> Iterator[Engine]:
    engine = db.open_database(where)
    with db.write(engine) as conn:
        db.metadata.create_all(conn)
        log.create(conn, SIGNER, house="bench", now=NOW, role="controller")
        binary = "bytea" if db.is_postgres(conn) else "BLOB"
        db.run(
            conn,
            "CREATE TABLE plain (idx bigint PRIMARY KEY, kind text NOT NULL, subject text, use text, "
            f"leaf {binary} NOT NULL, salt {binary}, body {binary})".replace(
                "bigint", "bigint" if db.is_postgres(conn) else "INTEGER"
            ),
        )
    yield engine
    engine.dispose()
    if not db.is_postgres(engine):
        for file in Path(where).parent.glob(f"{Path(where).name}*"):
            file.unlink()


def _append(engine: Engine, groups: Groups) -> None:
    for group in groups:
        with db.write(engine) as conn:
            log.append(conn, group, NOW, SIGNER)


def _insert(engine: Engine, groups: Groups) -> None:
    leaf, first = bytes(32), 0
    for group in groups:
        with db.write(engine) as conn:
            salts = os.urandom(16 * len(group))
            rows = [
                (
                    first + number,
                    entry["kind"],
                    entry["subject"],
                    None,
                    leaf,
                    salts[16 * number : 16 * number + 16],
                    encode({**entry, "v": 1, "at": NOW}),
                )
                for number, entry in enumerate(group)
            ]
            db.insert(conn, "plain", _COLUMNS, rows)
        first += len(group)


def _checked(engine: Engine, count: int, repeats: int) -> Figure:
    """Entries that a check of the whole log looks at in a second, beside the goal."""
    rates = []
    for _ in range(max(5, repeats)):
        with db.read(engine) as conn:
            started = time.perf_counter()
            seen = examine(conn, SIGNER.vkey)
            rates.append(count / (time.perf_counter() - started))
        assert not seen.problems, seen
    rate, goal = median(rates), 300_000.0
    return at_least(rate, "entries/s", goal, 1.0, (min(rates) / goal, max(rates) / goal))


def _grow(engine: Engine, leaves: int) -> None:
    """A log of that many entries."""
    step = 50_000
    for first in range(1, leaves, step):
        group = [sample_choice(number) for number in range(first, min(first + step, leaves))]
        with db.write(engine) as conn:
            log.append(conn, group, NOW, SIGNER)


def _proofs(engine: Engine) -> tuple[float, float]:
    """Median milliseconds to make and to check the proof of one entry of the log, entries drawn at random."""
    made, checked = [], []
    with db.read(engine) as conn:
        state = log.head(conn)
        for _ in range(PROOFS):
            index = random.randrange(state.size)
            started = time.perf_counter()
            path = log.prove_inclusion(conn, index, state.size)
            made.append(time.perf_counter() - started)
            commitment = log.leaf(conn, index)
            started = time.perf_counter()
            signed = open_checkpoint(state.checkpoint, parse_vkey(SIGNER.vkey))
            good = merkle.verify_inclusion(merkle.leaf_hash(commitment), index, signed.size, path, signed.root)
            checked.append(time.perf_counter() - started)
            assert good, index
    return 1000 * median(made), 1000 * median(checked)
