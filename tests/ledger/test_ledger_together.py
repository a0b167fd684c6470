"""Several processes on one ledger at once: they take turns to write, and nobody who reads waits for them."""

from __future__ import annotations

import subprocess
import sys
import time

from sqlalchemy import Engine

from pacte.kernel.db import BUSY_MILLISECONDS, read, write
from pacte.kernel.instant import Instant
from pacte.ledger import log
from pacte.ledger.check import check
from pacte.ledger.note import NoteSigner

TURNS, EACH = 40, 25
LOOK = {"purpose": "house:rights", "reason": "request"}
NOW = Instant(9_000)
APPEND = """
import sys
from pacte.kernel.db import open_database, write
from pacte.kernel.instant import Instant
from pacte.ledger import log
from pacte.ledger.note import NoteSigner

where, who, turns, each, held = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5] == "held"
signer = NoteSigner(bytes(range(32)), "pacte.example/house/test")
engine = open_database(where)
told = {"kind": "told", "role": "controller", "by": who, "notice": "c" * 64, "effective": 1, "how": "mail"}
print("ready", flush=True)
sys.stdin.readline()
for turn in range(turns):
    with write(engine) as conn:
        log.append(conn, [{**told, "subject": f"{turn * each + i:032x}"} for i in range(each)], Instant(turn), signer)
        if held:
            print("holding", flush=True)
            sys.stdin.readline()
print("done", flush=True)
"""


def started(where: str, who: str, turns: int, *, held: bool = False) -> subprocess.Popen[str]:
    arguments = [where, who, str(turns), str(EACH), "held" if held else "free"]
    process = subprocess.Popen(
        [sys.executable, "-c", APPEND, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert said(process) == "ready"
    return process


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def go_on(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_two_processes_append_at_once(engine: Engine, database: str, signer: NoteSigner) -> None:
    """Every entry of both is in the log once, each batch together and in its order; no index is used twice."""
    processes = [started(database, who, TURNS) for who in ("first", "second")]
    for process in processes:
        go_on(process)
    sizes = []
    while any(process.poll() is None for process in processes):
        with read(engine) as conn:
            sizes.append(log.head(conn).size)
            assert len(list(log.entries(conn, max(0, sizes[-1] - 3)))) == min(3, sizes[-1])
    assert [process.communicate()[0] for process in processes] == ["done\n"] * 2
    assert all((size - 1) % EACH == 0 for size in sizes)
    assert sizes == sorted(sizes)
    with read(engine) as conn:
        assert check(conn, signer.vkey) == []
        entries = [entry for _, entry in log.entries(conn, 1) if entry is not None]
    batches = [entries[start : start + EACH] for start in range(0, len(entries), EACH)]
    assert len(batches) == 2 * TURNS
    assert all(len({entry["by"] for entry in batch}) == 1 for batch in batches)
    for who in ("first", "second"):
        theirs = [entry["subject"] for entry in entries if entry["by"] == who]
        assert theirs == [f"{number:032x}" for number in range(TURNS * EACH)]


def test_nobody_who_reads_waits_for_a_writer(engine: Engine, database: str, signer: NoteSigner) -> None:
    """While another process has entries written and not committed, the log is read and checked as it was before."""
    writer = started(database, "first", 1, held=True)
    go_on(writer)
    assert said(writer) == "holding"
    begun = time.monotonic()
    with read(engine) as conn:
        assert log.head(conn).size == 1
        assert [index for index, _ in log.entries(conn)] == [0]
        assert check(conn, signer.vkey) == []
        assert time.monotonic() - begun < BUSY_MILLISECONDS / 1000 * 0.7
        go_on(writer)
        assert said(writer) == "done"
        assert log.head(conn).size == 1, "a snapshot stays what it was"
    assert writer.wait(60) == 0
    with read(engine) as conn:
        assert log.head(conn).size == 1 + EACH
    with write(engine) as conn:
        log.append(
            conn, [{"kind": "look", "role": "controller", "by": "cli", "subject": "a" * 32, **LOOK}], NOW, signer
        )
        assert check(conn, signer.vkey) == []
