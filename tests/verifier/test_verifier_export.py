"""Exports of the whole ledger."""

from __future__ import annotations

import shutil
import subprocess
import tracemalloc
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest
from sqlalchemy import text

from pacte import verifier
from pacte.kernel.db import metadata, open_sqlite, read, write
from pacte.kernel.instant import Instant
from pacte.ledger import log, tables
from pacte.ledger.export import export
from pacte.ledger.note import NoteSigner


def test_an_export_verifies_and_says_so(story: Any) -> None:
    """The report counts the entries, says from when to when, and what no export can show."""
    report = verifier.verify_bytes(story.export(), checkpoints=story.checkpoints.values(), anchors=story.anchors)
    assert report.ok, report.problems
    words = "\n".join(report.shows)
    assert "signed exactly these 9 entries" in words
    assert "choice 3" in words
    assert "checkpoint of 3 entries that you kept" in words
    assert any("nothing was left out" in line for line in report.does_not_show)
    alone = verifier.verify_bytes(story.export())
    assert alone.ok
    assert "nothing kept elsewhere was given" in alone.does_not_show[0]


@pytest.mark.parametrize("pattern", [0x01, 0x80])
def test_every_flipped_byte_is_found(story: Any, pattern: int) -> None:
    """An export with any one byte changed does not verify."""
    data = story.export()
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= pattern
        assert not verifier.verify_bytes(bytes(changed)).ok, position


def test_lines_moved_removed_or_repeated(story: Any) -> None:
    """No line can be taken out, repeated, or swapped with its neighbour."""
    lines = story.export().splitlines(keepends=True)
    for i in range(len(lines)):
        assert not verifier.verify_bytes(b"".join(lines[:i] + lines[i + 1 :])).ok
        assert not verifier.verify_bytes(b"".join([*lines[:i], lines[i], *lines[i:]])).ok
        if i:
            assert not verifier.verify_bytes(b"".join([*lines[: i - 1], lines[i], lines[i - 1], *lines[i + 1 :]])).ok
    assert not verifier.verify_bytes(b"".join(lines)[:-1]).ok


def test_redacted_entries_stay_in_place(story: Any, tmp_path: Path) -> None:
    """An export with redacted entries verifies against checkpoints from before, and says how many it cannot read."""
    with story.engine.connect().execution_options(isolation_level="AUTOCOMMIT", pacte_bare=True) as conn:
        conn.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
    shutil.copy(story.path / "records.db", tmp_path / "records.db")
    engine = open_sqlite(tmp_path / "records.db")
    with write(engine) as conn:
        log.redact(conn, [4, 6])
    shorter = type(story)(engine, story.signer, story.path).export()
    assert b"b" * 32 not in shorter
    report = verifier.verify_bytes(shorter, checkpoints=story.checkpoints.values())
    assert report.ok, report.problems
    assert any("2 redacted" in line for line in report.does_not_show)
    engine.dispose()


def test_rewriting_is_found_by_whatever_was_kept(story: Any, rewritten: Any, resigned: Any) -> None:
    """A rewritten log verifies alone, and fails against any checkpoint, anchor or key that contradicts it."""
    assert verifier.verify_bytes(rewritten.export()).ok
    for size, kept in story.checkpoints.items():
        report = verifier.verify_bytes(rewritten.export(), checkpoints=[kept])
        assert not report.ok
        assert f"first {size} entries" in report.problems[0]
    assert not verifier.verify_bytes(rewritten.export(), anchors=story.anchors).ok
    assert verifier.verify_bytes(resigned.export()).ok
    assert not verifier.verify_bytes(resigned.export(), key=story.signer.vkey).ok
    assert not verifier.verify_bytes(resigned.export(), checkpoints=[story.checkpoints[3]]).ok


def test_truncation_is_found_by_a_later_checkpoint(story: Any) -> None:
    """An old export, honest in itself, fails against a checkpoint of more entries."""
    lines = story.export().splitlines(keepends=True)
    short = story.checkpoints[6]
    cut = [lines[0].replace(b'"size":9', b'"size":6'), *lines[1:7], checkpoint_line(short)]
    assert verifier.verify_bytes(b"".join(cut), checkpoints=[story.checkpoints[5]]).ok
    report = verifier.verify_bytes(b"".join(cut), checkpoints=[story.checkpoints[9]])
    assert "cut off" in report.problems[0]
    assert not verifier.verify_bytes(b"".join(cut), anchors=story.anchors).ok


def test_an_export_larger_than_the_memory(tmp_path: Path) -> None:
    """An export is verified line by line: what it takes does not grow with it. A pipe works too."""
    signer = NoteSigner(b"k" * 32, "pacte.example/house/large")
    engine = open_sqlite(tmp_path / "records.db")
    told = {"kind": "told", "role": "controller", "by": "cli", "notice": "c" * 64, "effective": 1, "how": "mail"}
    with write(engine) as conn:
        metadata.create_all(conn, tables=[tables.entry_table, tables.node_table, tables.head_table])
        log.create(conn, signer, house="test", now=Instant(1), role="controller")
        log.append(conn, [{**told, "subject": f"{number:032x}"} for number in range(8_000)], Instant(2), signer)
    with read(engine) as conn, (tmp_path / "ledger.jsonl").open("wb") as out:
        export(conn, out)
    engine.dispose()
    with (tmp_path / "ledger.jsonl").open("rb") as file:
        tracemalloc.start()
        report = verifier.verify_file(file)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert report.ok, report.problems
    assert most < 600_000 < (tmp_path / "ledger.jsonl").stat().st_size / 3
    with subprocess.Popen(["cat", tmp_path / "ledger.jsonl"], stdout=subprocess.PIPE) as cat:
        assert cat.stdout is not None
        assert verifier.verify_file(cast("BinaryIO", cat.stdout)) == report


def checkpoint_line(note: str) -> bytes:
    return verifier._canonical({"checkpoint": note}) + b"\n"
