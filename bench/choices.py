"""Choices by 64 callers at once, each waiting until its own is durable, beside bare bulk inserts of the same rows.

The baseline is one thread that inserts, into a database of the same kind with the same tables, indices and triggers,
the rows that a choice leaves (ledger entry, consent state, job), 64 choices in a transaction. It encodes and hashes
each entry as the ledger does, and keeps no tree, no head, no signature, and looks nobody up.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

from sqlalchemy import Connection, Engine

from bench.figure import Figure, Pairs, Scale, at_most, timed
from pacte.app.ask import permit
from pacte.app.house import House
from pacte.gate.permit import Permit
from pacte.kernel import db, jobs
from pacte.kernel.canonical import Json
from pacte.kernel.ids import SubjectId, new_subject_id
from pacte.kernel.jobs import Job
from pacte.ledger import log
from pacte.ledger.entries import encode
from pacte.testing.postgres import Server
from pacte.testing.world import world

CALLERS = 64
EACH = {"small": 12, "full": 100}
USES = 150
PURPOSE = "similar_offers"


def figures(scale: Scale) -> Iterator[tuple[str, Figure]]:
    """Choices and uses of one person, on SQLite and on PostgreSQL."""
    each = EACH["small" if scale.rows < 1_000_000 else "full"]
    with tempfile.TemporaryDirectory(prefix="pacte-bench-") as folder:
        Path(folder).chmod(0o755)
        yield from _on("sqlite", Path(folder), None, each, scale.repeats)
        server = Server(Path(folder) / "pg")
        try:
            yield from _on("postgresql", Path(folder), server, each, scale.repeats)
        finally:
            server.close()


def _on(kind: str, folder: Path, server: Server | None, each: int, repeats: int) -> Iterator[tuple[str, Figure]]:
    def address() -> str:
        return "" if server is None else server.database()

    repeats = max(5, repeats)
    with _shop(folder / f"{kind}-ours", address(), CALLERS * each * (repeats + 1) + 1) as shop:
        beside = _Beside(db.open_database(address() or folder / f"{kind}-bare.db"), shop)
        latencies: list[float] = []
        _ = shop.callers(each), beside.insert(CALLERS * each)
        taken, fsyncs = [], []
        for _repeat in range(repeats):
            taken.append((timed(lambda: shop.callers(each, latencies)), timed(lambda: beside.insert(CALLERS * each))))
            fsyncs += _fsyncs(folder)
        pairs = Pairs(tuple(ours for ours, _ in taken), tuple(bare for _, bare in taken))
        yield f"choices_{kind}", pairs.throughput(CALLERS * each, "choices/s", 0.5)
        fsync = median(fsyncs)
        slowest = quantiles(latencies, n=100)[98]
        yield f"choices_{kind}_p99", at_most(slowest * 1e3, "ms", fsync * 1e3, 5)
        yield f"use_of_one_{kind}_p50", at_most(median(shop.uses(USES)) * 1e3, "ms", fsync * 1e3, 2)
        beside.engine.dispose()


@dataclass
class _Shop:
    """A house whose people have said nothing yet, and those of them who have not been asked."""

    house: House
    people: list[SubjectId]
    customers: list[SubjectId]
    """People whose contract the gate permits to serve."""

    def callers(self, each: int, latencies: list[float] | None = None) -> float:
        """Seconds until 64 threads have recorded `each` objections, one person each."""
        shares = [[self.people.pop() for _ in range(each)] for _ in range(CALLERS)]
        ready = threading.Barrier(CALLERS + 1)
        waited: list[list[float]] = [[] for _ in range(CALLERS)]

        def caller(share: Sequence[SubjectId], taken: list[float]) -> None:
            ready.wait()
            for person in share:
                began = time.perf_counter()
                self.house.choose(person, PURPOSE, "objected", by="bench", authenticated=True)
                taken.append(time.perf_counter() - began)

        threads = [threading.Thread(target=caller, args=pair) for pair in zip(shares, waited, strict=True)]
        for thread in threads:
            thread.start()
        ready.wait()
        began = time.perf_counter()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - began
        if latencies is not None:
            latencies.extend(one for taken in waited for one in taken)
        return seconds

    def uses(self, count: int) -> list[float]:
        """Seconds that each of `count` uses of one person took, one after the other."""
        taken = []
        for _ in range(count + 1):
            person = self.customers.pop()
            began = time.perf_counter()
            answer = permit(self.house, person, "order_service", by="bench")
            taken.append(time.perf_counter() - began)
            assert isinstance(answer, Permit), answer.reason.code
        return taken[1:]


@contextmanager
def _shop(path: Path, address: str, people: int) -> Iterator[_Shop]:
    home = world(path, database=address)
    home.clock.forward(400)
    now = home.clock()
    customers = [home.person(contract_since=now) for _ in range(USES + 1)]
    shop = _Shop(home.house, [new_subject_id() for _ in range(people)], customers)
    told = {"kind": "told", "by": "bench", "role": "controller", "effective": now, "how": "mail"}
    told["notice"] = home.notice("web-2024")
    for start in range(0, people, 5_000):
        home.record(*({**told, "subject": person} for person in shop.people[start : start + 5_000]))
    try:
        yield shop
    finally:
        home.house.close()


class _Beside:
    """A database with the same tables and triggers, and rows as a recorded choice leaves them."""

    def __init__(self, engine: Engine, shop: _Shop) -> None:
        self.engine = engine
        with db.write(engine) as conn:
            db.metadata.create_all(conn)
            log.create(conn, shop.house.signer, house="ab" * 8, now=shop.house.clock())
            self.size = log.head(conn).size
        index = shop.house.choose(shop.people.pop(), PURPOSE, "objected", by="bench", authenticated=True).index
        with shop.house.reading() as conn:
            self.entry = log.entry(conn, index) or {}
            # pacte: allow guarded-table because the baseline inserts the very rows that the room leaves
            found = db.run(conn, "SELECT * FROM consent_choice WHERE entry = ?", (index,))
            self.columns = tuple(found.keys())
            self.state = tuple(found.one())
            self.jobs = [job for job in jobs.listed(conn) if job.entry == index]

    def insert(self, count: int) -> float:
        """Seconds for `count` rows of each table, 64 in a transaction."""
        entries = [{**self.entry, "subject": new_subject_id()} for _ in range(count)]
        began = time.perf_counter()
        for start in range(0, count, CALLERS):
            with db.write(self.engine) as conn:
                self._together(conn, entries[start : start + CALLERS])
        return time.perf_counter() - began

    def _together(self, conn: Connection, entries: Sequence[Mapping[str, Json]]) -> None:
        rows, states, asked = [], [], []
        for entry in entries:
            body, salt = encode(dict(entry)), secrets.token_bytes(16)
            leaf = hashlib.sha256(salt + body).digest()
            rows.append((self.size, "choice", entry["subject"], None, leaf, salt, body))
            states.append((self.size, *self.state[1:]))
            about = str(entry["subject"])
            asked += [jobs.row_of(Job(job.kind, job.due, about, self.size, job.target)) for job in self.jobs]
            self.size += 1
        db.insert(conn, "ledger_entry", ("idx", "kind", "subject", "use", "leaf", "salt", "body"), rows)
        db.insert(conn, "consent_choice", self.columns, states)
        jobs.add_new(conn, asked)


def _fsyncs(folder: Path) -> list[float]:
    """Seconds that the disk takes to make four kilobytes durable, time after time."""
    taken = []
    with (folder / "fsync").open("wb") as file:
        for _ in range(50):
            file.write(bytes(4096))
            file.flush()
            began = time.perf_counter()
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - began)
    return taken
