"""Anchors: what tells a restored backup or a rewritten log from the one that was running."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from pacte.kernel.db import metadata, open_sqlite, read, write
from pacte.kernel.errors import Unsafe
from pacte.kernel.instant import DAY, Instant
from pacte.ledger import anchors, log, tables
from pacte.ledger.check import check
from pacte.ledger.checkpoint import sign_checkpoint
from pacte.ledger.note import NoteSigner

STOP = {"kind": "stop", "role": "controller", "by": "cli", "scope": "*", "effective": 1, "reason": "test"}


def grow(engine: Engine, signer: NoteSigner, path: Path | None, count: int = 3) -> None:
    with write(engine) as conn:
        log.append(conn, [STOP] * count, Instant(2_000), signer)
    if path is not None:
        with read(engine) as conn:
            anchors.append(path, log.head(conn))


def test_anchors_come_back_in_order(engine: Engine, signer: NoteSigner, tmp_path: Path) -> None:
    """What was anchored is read back, and the log that continues it passes the check."""
    path = tmp_path / "anchors.log"
    assert anchors.read(path) == anchors.AnchorFile((), torn=False)
    for _ in range(3):
        grow(engine, signer, path)
    grow(engine, signer, None)
    found = anchors.read(path)
    assert [anchor.size for anchor in found.anchors] == [4, 7, 10]
    assert path.stat().st_mode & 0o777 == 0o600
    with read(engine) as conn:
        assert anchors.rollback(conn, found.anchors) is None
        assert check(conn, signer.vkey, found.anchors) == []


def test_a_torn_last_line_is_tolerated_and_reported(engine: Engine, signer: NoteSigner, tmp_path: Path) -> None:
    """However a crash cuts the last line, the anchors before it are read and the next append stands on its own line."""
    path = tmp_path / "anchors.log"
    grow(engine, signer, path)
    grow(engine, signer, path)
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for cut in range(first + 1, len(whole)):
        path.write_bytes(whole[:cut])
        found = anchors.read(path)
        assert (len(found.anchors), found.torn) == (1, True)
    with read(engine) as conn:
        anchors.append(path, log.head(conn))
    assert path.read_bytes() == whole


def test_the_latest_anchors_are_read_alone(engine: Engine, signer: NoteSigner, tmp_path: Path) -> None:
    """Of a long file only the end is read: the last hundred anchors and more, whole ones, also behind a torn line."""
    path = tmp_path / "anchors.log"
    assert anchors.read_latest(path) == anchors.AnchorFile((), torn=False)
    for _ in range(300):
        grow(engine, signer, path, count=1)
    everything, latest = anchors.read(path), anchors.read_latest(path)
    assert 100 < len(latest.anchors) < 300
    assert latest.anchors == everything.anchors[-len(latest.anchors) :]
    with read(engine) as conn:
        assert anchors.rollback(conn, latest.anchors) is None
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    assert anchors.read_latest(path).torn
    assert anchors.read_latest(path).last == everything.anchors[-2]
    path.write_bytes(whole + b"x\n")
    with pytest.raises(Unsafe, match=r"anchors\.log, near its end"):
        anchors.read_latest(path)
    path.write_bytes(whole + b"x" * 70_000)
    with pytest.raises(Unsafe, match="too long"):
        anchors.read_latest(path)


def test_an_edited_line_is_refused(engine: Engine, signer: NoteSigner, tmp_path: Path) -> None:
    """A whole line that is not an anchor stops the reading, with its place."""
    path = tmp_path / "anchors.log"
    grow(engine, signer, path)
    line = path.read_bytes()
    for bad in (b"\n", b"x\n", b"[]\n", b'{"size":4}\n', line.replace(b'"size":4', b'"size":5'), line[:-1] + b" \n"):
        path.write_bytes(line + bad)
        with pytest.raises(Unsafe, match=r"anchors\.log:2"):
            anchors.read(path)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # the backup is a copy of the file
def test_a_restored_backup_is_noticed(engine: Engine, signer: NoteSigner, tmp_path: Path) -> None:
    """A database older than its last anchor is a rollback."""
    path = tmp_path / "anchors.log"
    grow(engine, signer, path)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT", pacte_bare=True) as conn:
        conn.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
    shutil.copy(tmp_path / "records.db", tmp_path / "backup.db")
    grow(engine, signer, path)
    restored = open_sqlite(tmp_path / "backup.db")
    with read(restored) as conn:
        found = anchors.read(path).anchors
        problem = anchors.rollback(conn, found)
        assert problem is not None
        assert (problem.code, problem.size, problem.head) == ("anchor_ahead", 7, 4)
        assert [problem.code for problem in check(conn, signer.vkey, found)] == ["anchor_ahead"]
    restored.dispose()


def test_another_history_is_noticed(engine: Engine, signer: NoteSigner, tmp_path: Path) -> None:
    """A log that is longer than its last anchor but does not continue it was rewritten, though its key signed it."""
    path = tmp_path / "anchors.log"
    grow(engine, signer, path)
    forged = open_sqlite(tmp_path / "forged.db")
    with write(forged) as conn:
        metadata.create_all(conn, tables=[tables.entry_table, tables.node_table, tables.head_table])
        log.create(conn, signer, house="test", now=Instant(1_000), role="controller")
    grow(forged, signer, None, count=9)
    with read(forged) as conn:
        found = anchors.read(path).anchors
        problem = anchors.rollback(conn, found)
        assert problem is not None
        assert problem.code == "anchor_differs"
        assert check(conn, signer.vkey) == []
        assert [problem.code for problem in check(conn, signer.vkey, found)] == ["anchor_differs"]
    forged.dispose()


def test_an_anchor_of_another_key_is_noticed(engine: Engine, signer: NoteSigner, tmp_path: Path) -> None:
    """An anchor that this log's key did not sign is a problem of the check."""
    stranger = NoteSigner(b"z" * 32, "other.example")
    other = open_sqlite(tmp_path / "other.db")
    with write(other) as conn:
        metadata.create_all(conn, tables=[tables.entry_table, tables.node_table, tables.head_table])
        log.create(conn, stranger, house="other", now=Instant(1_000), role="controller")
    grow(other, stranger, tmp_path / "anchors.log")
    other.dispose()
    with read(engine) as conn:
        codes = [problem.code for problem in check(conn, signer.vkey, anchors.read(tmp_path / "anchors.log").anchors)]
    assert codes == ["anchor_unsigned"]


def zeros(line: bytes) -> bytes:
    """A line of which the first block was on the disk and its last one too, but not the one between."""
    return line[:9] + bytes(60) + line[69:]


def test_a_line_that_lost_a_block_is_torn(engine: Engine, signer: NoteSigner, tmp_path: Path) -> None:
    """A last line with zeros where a power cut kept a block from the disk is left out, and cut off by the next one."""
    path = tmp_path / "anchors.log"
    grow(engine, signer, path)
    kept = path.read_bytes()
    grow(engine, signer, path)
    whole = path.read_bytes()
    damaged = kept + zeros(whole[len(kept) :])
    for torn in (damaged, damaged[:-1], kept + bytes(4_096)):
        path.write_bytes(torn)
        for found in (anchors.read(path), anchors.read_latest(path)):
            assert ([anchor.size for anchor in found.anchors], found.torn) == ([4], True)
        with read(engine) as conn:
            anchors.append(path, log.head(conn))
        assert path.read_bytes() == whole
    path.write_bytes(damaged + kept)
    with pytest.raises(Unsafe, match=r"anchors\.log:2"):
        anchors.read(path)


def test_sizes_never_go_back(engine: Engine, signer: NoteSigner, tmp_path: Path) -> None:
    """Who comes late with an older head, or twice with the same, adds nothing; another history is always noted."""
    path = tmp_path / "anchors.log"
    with read(engine) as conn:
        older = log.head(conn)
    grow(engine, signer, path)
    with read(engine) as conn:
        newer = log.head(conn)
    before = path.read_bytes()
    anchors.append(path, older)
    anchors.append(path, newer)
    assert path.read_bytes() == before
    anchors.append(path, replace(newer, root=b"x" * 32, checkpoint=sign_checkpoint(signer, newer.size, b"x" * 32)))
    assert [anchor.size for anchor in anchors.read(path).anchors] == [4, 4]


def many(signer: NoteSigner, path: Path, count: int, apart: int) -> list[int]:
    """Write `count` anchors of a log that grows by one entry every `apart` microseconds; returns their times."""
    times = [DAY + number * apart for number in range(count)]
    for number, time in enumerate(times):
        checkpoint = sign_checkpoint(signer, number + 1, bytes(32))
        anchors.append(path, log.Head(number + 1, bytes(32), Instant(time), checkpoint, signer.vkey))
    return times


def test_a_large_file_keeps_each_day_and_the_newest(
    signer: NoteSigner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that has grown large keeps the last anchor of every day and the newest ones, word for word."""
    path, copy = tmp_path / "anchors.log", tmp_path / "copy.log"
    times = many(signer, copy, 400, DAY // 5)
    monkeypatch.setattr(anchors, "LARGE", 60_000)
    monkeypatch.setattr(anchors, "NEWEST", 40)
    many(signer, path, 400, DAY // 5)
    kept, everything = anchors.read(path), anchors.read(copy)
    assert path.stat().st_size <= 60_000 < copy.stat().st_size
    assert path.stat().st_mode & 0o777 == 0o600
    assert kept.last == everything.last
    assert kept.anchors[-40:] == everything.anchors[-40:]
    assert set(kept.anchors) <= set(everything.anchors)
    assert {anchor.time // DAY for anchor in kept.anchors} == {time // DAY for time in times}
    last_of_day = {anchor.time // DAY: anchor for anchor in everything.anchors}
    assert set(last_of_day.values()) <= set(kept.anchors)


def test_who_waits_for_a_file_that_is_compacted_goes_to_the_new_one(
    signer: NoteSigner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads that append while others compact lose nothing: the largest anchor is the last line of the new file."""
    monkeypatch.setattr(anchors, "LARGE", 4_000)
    monkeypatch.setattr(anchors, "NEWEST", 4)
    path = tmp_path / "anchors.log"

    def write(first: int) -> None:
        for size in range(first, 200, 4):
            checkpoint = sign_checkpoint(signer, size, bytes(32))
            anchors.append(path, log.Head(size, bytes(32), Instant(size), checkpoint, signer.vkey))
            last = anchors.read(path).last
            assert last is not None
            assert last.size >= size

    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(write, first) for first in (1, 2, 3, 4)]:
            done.result()
    sizes = [anchor.size for anchor in anchors.read(path).anchors]
    assert sizes == sorted(sizes)
    assert sizes[-1] == 199


@pytest.mark.parametrize("where", ["anchor-written-not-synced", "anchors-compacted-not-renamed"])
def test_a_crash_while_anchoring_keeps_what_was_anchored(signer: NoteSigner, tmp_path: Path, where: str) -> None:
    """A process killed in the middle of an append or a compaction leaves a file that is whole and goes on."""
    path = tmp_path / "anchors.log"
    code = f"""
    from pathlib import Path
    from pacte.ledger import anchors, log
    from pacte.ledger.checkpoint import sign_checkpoint
    from pacte.ledger.note import NoteSigner
    anchors.LARGE, anchors.NEWEST = 4_000, 4
    signer = NoteSigner(bytes(range(32)), {signer.name!r})
    for size in range(1, 40):
        checkpoint = sign_checkpoint(signer, size, bytes(32))
        anchors.append(Path({str(path)!r}), log.Head(size, bytes(32), size, checkpoint, signer.vkey))
        print(size, flush=True)
    """
    environment = {**os.environ, "PACTE_CRASH": f"{where}:1" if "renamed" in where else f"{where}:9"}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    written = int(done.stdout.split()[-1])
    last = anchors.read(path).last
    assert last is not None
    assert last.size in (written, written + 1)
    checkpoint = sign_checkpoint(signer, 99, bytes(32))
    anchors.append(path, log.Head(99, bytes(32), Instant(99), checkpoint, signer.vkey))
    assert anchors.read(path).last == anchors.Anchor(99, bytes(32), Instant(99), checkpoint)
