"""Decisions: a whole population decided by the stored rules, beside a raw scan of the same facts."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import duckdb
from sqlalchemy import Connection

from bench.figure import Figure, Scale, at_most, best_seconds, sample_choice
from pacte.consent import snapshot, state
from pacte.gate.population import decide_set
from pacte.gate.questions import complete
from pacte.gate.values import Question
from pacte.kernel import db
from pacte.kernel.canonical import Json
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import Instant
from pacte.lake.segments import segments
from pacte.ledger import log
from pacte.ledger.note import NoteSigner
from pacte.policy.compile import compile_policy
from pacte.policy.document import load_policy
from pacte.policy.table import RuleTable

PURPOSE, CHANNEL = "newsletter", "email"
NOW = Instant(1_800_000_000_000_000)
START = Instant(1_700_000_000_000_000)
_BATCH = 50_000
_ACTS = ("given", "given", "given", "refused", "withdrawn")


def figures(scale: Scale) -> Iterator[tuple[str, Figure]]:
    """Milliseconds for everybody, from the base files of the facts."""
    with tempfile.TemporaryDirectory() as folder:
        lake = Path(folder) / "lake"
        lake.mkdir()
        engine = db.open_sqlite(Path(folder) / "records.db")
        table = _policy()
        with db.write(engine) as conn:
            db.metadata.create_all(conn)
            known = _people(conn, table, scale.people)
            snapshot.write(conn, lake)
        with db.read(engine) as conn:
            question = complete(table, Question(PURPOSE, NOW, known, (), CHANNEL))
            verdicts = decide_set(conn, lake, table, question)
            assert 0 < verdicts.funnel.permitted < scale.people, verdicts.funnel
            seconds = best_seconds(lambda: decide_set(conn, lake, table, question), scale.repeats)
            raw = best_seconds(lambda: _scan(conn, lake), scale.repeats)
        engine.dispose()
    yield "decide_set", at_most(1000 * seconds, "ms", 1000 * raw, 3.0)


def _policy() -> RuleTable:
    with as_file(files("pacte.policy") / "templates" / "shop" / "policy.yaml") as path:
        return compile_policy(load_policy(path)).table


def _people(conn: Connection, table: RuleTable, count: int) -> int:
    """Invented adults, each told by the fullest notice, each with one choice; returns the ledger size."""
    notice = max(table.notices, key=lambda digest: len(table.notices[digest].purposes.get(PURPOSE, ())))
    signer = NoteSigner(bytes(32), "bench.example/log")
    size = log.create(conn, signer, house="bench", now=START, role="controller").size
    for first in range(0, count, _BATCH):
        entries = list(_entries(notice, range(first, min(first + _BATCH, count))))
        state.apply(conn, list(enumerate(entries, start=size)), _open)
        size = log.append(conn, entries, START, signer).size
    return size


def _entries(notice: str, people: range) -> Iterator[dict[str, Json]]:
    for number in people:
        about: dict[str, Json] = {"subject": f"{number:032x}", "effective": START, "role": "controller", "by": "import"}
        yield {**about, "kind": "fact", "commit": "0" * 64, "sealed": ""}
        shown: dict[str, Json] = {"dataset": "customers", "source": "crm", "load": "bench", "notice": notice}
        yield {**about, **shown, "kind": "collection"}
        act = _ACTS[number % len(_ACTS)]
        yield {**sample_choice(number), "act": act, "channel": CHANNEL, "notice": notice, "effective": START}


def _open(_subject: SubjectId, _index: int, _entry: Mapping[str, Any]) -> dict[str, Any]:
    return {"place": "FR", "capacity": "consumer", "age": "adult"}


def _scan(conn: Connection, lake: Path) -> None:
    """Read every value of every base file once, and keep one number per column."""
    duck = duckdb.connect(config={"threads": 2})
    for segment in segments(conn):
        duck.execute("SELECT bit_xor(hash(COLUMNS(*))) FROM read_parquet(?)", [str(lake / segment.file)]).fetchall()
    duck.close()
