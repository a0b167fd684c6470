"""Anchoring a busy log: one anchor a second, none lost at the end, and no commit that waits for a second flush."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pacte.kernel.errors import Unsafe
from pacte.kernel.instant import Instant
from pacte.ledger import anchors, log
from pacte.ledger.anchoring import WITHIN, Anchoring
from pacte.ledger.checkpoint import sign_checkpoint
from pacte.ledger.note import NoteSigner


def head(signer: NoteSigner, size: int) -> log.Head:
    """A head of a log of `size` entries."""
    return log.Head(size, bytes(32), Instant(size), sign_checkpoint(signer, size, bytes(32)), signer.vkey)


def sizes(path: Path) -> list[int]:
    """What the file holds."""
    return [anchor.size for anchor in anchors.read(path).anchors]


def _until(true: Callable[[], bool]) -> None:
    """Wait for what must come to be true; a minute is far longer than any timer here."""
    for _ in range(1_200):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come to pass")


def test_the_first_at_once_the_others_within_a_second(signer: NoteSigner, tmp_path: Path) -> None:
    """A quiet log anchors each head before its caller goes on; of a hundred heads in a second the newest is written."""
    path = tmp_path / "anchors.log"
    anchoring = Anchoring(path)
    heads = [head(signer, size) for size in range(1, 103)]
    anchoring.note(heads[0])
    began = time.monotonic()
    assert sizes(path) == [1]
    for one in heads[1:101]:
        anchoring.note(one)
    _until(lambda: sizes(path)[-1] == 101)
    assert len(sizes(path)) <= 2 + int((time.monotonic() - began) / WITHIN), "at most one a second"
    time.sleep(WITHIN)
    anchoring.note(heads[101])
    assert sizes(path)[-1] == 102
    anchoring.close()


def test_closing_and_flushing_write_what_waits(signer: NoteSigner, tmp_path: Path) -> None:
    """After `flush` and after `close` every head noted is in the file; threads come in any order."""
    path = tmp_path / "anchors.log"
    anchoring = Anchoring(path)
    for size in (1, 5, 3):
        anchoring.note(head(signer, size))
    anchoring.flush()
    assert sizes(path) == [1, 5]
    anchoring.note(head(signer, 7))
    anchoring.close()
    assert sizes(path) == [1, 5, 7]
    anchoring.close()


def test_a_process_that_forgets_to_close(tmp_path: Path) -> None:
    """A program that ends without closing its house has anchored its last head, and does not wait for it."""
    path = tmp_path / "anchors.log"
    code = f"""
    from pathlib import Path
    from pacte.ledger import log
    from pacte.ledger.anchoring import Anchoring
    from pacte.ledger.checkpoint import sign_checkpoint
    from pacte.ledger.note import NoteSigner
    signer = NoteSigner(bytes(range(32)), "pacte.example/house/test")
    anchoring = Anchoring(Path({str(path)!r}))
    for size in (1, 2, 3):
        anchoring.note(log.Head(size, bytes(32), size, sign_checkpoint(signer, size, bytes(32)), signer.vkey))
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)
    assert sizes(path) == [1, 3]


def test_an_anchor_file_that_cannot_be_written(signer: NoteSigner, tmp_path: Path) -> None:
    """The entry is recorded and the message says so; what waits is written as soon as the file can be."""
    folder = tmp_path / "away"
    anchoring = Anchoring(folder / "anchors.log")
    with pytest.raises(Unsafe, match=r"recorded as entry 0, but `anchors.log` cannot be written"):
        anchoring.note(head(signer, 1))
    with pytest.raises(Unsafe, match="recorded as entry 1,"):
        anchoring.note(head(signer, 2))
    folder.mkdir()
    anchoring.note(head(signer, 3))
    anchoring.note(head(signer, 4))
    folder.rename(tmp_path / "gone")
    time.sleep(WITHIN + 0.3)  # the timer has tried once, or has not; `close` says it either way
    with pytest.raises(Unsafe, match="recorded as entry 3,"):
        anchoring.close()
    (tmp_path / "gone").rename(folder)
    anchoring.close()
    assert sizes(folder / "anchors.log") == [3, 4]


def test_a_copy_of_the_process_waits_for_nobody(signer: NoteSigner, tmp_path: Path) -> None:
    """A child that was forked while the parent wrote an anchor writes its own: no lock of the parent's holds it up."""
    path = tmp_path / "anchors.log"
    anchoring = Anchoring(path)
    begun, goes_on = threading.Event(), threading.Event()
    real = os.fsync

    def slowly(descriptor: int) -> None:
        begun.set()
        goes_on.wait(20)
        real(descriptor)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", slowly)
        parent = threading.Thread(target=anchoring.note, args=(head(signer, 1),))
        parent.start()
        assert begun.wait(20)
        child = os.fork()
        if child == 0:
            try:
                os.fsync = real
                anchoring.note(head(signer, 2))
            except BaseException:
                os._exit(1)
            os._exit(0)
        time.sleep(0.2)
        goes_on.set()
        parent.join(20)
    ended = 0
    for _ in range(1_200):
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            break
        time.sleep(0.05)
    if not ended:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert ended, "the child waits for ever"
    assert status == 0
    assert sizes(path) == [1, 2]
    anchoring.close()
