"""Anchors: what tells a restored backup or a rewritten log from the one that was running."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from pacte.kernel.db import metadata, open_sqlite, read, write
from pacte.kernel.errors import Unsafe
from pacte.kernel.instant import Instant
from pacte.ledger import anchors, log, tables
from pacte.ledger.check import check
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
