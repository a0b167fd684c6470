"""Turns on a lock file: one at a time for each place, among threads and processes, and nobody waits for ever."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from time import monotonic

from pacte.kernel.turns import turns

HOLDER = """
import sys
from pathlib import Path
from pacte.kernel.turns import turns
with turns(Path(sys.argv[1]), [7], 5):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_one_place_is_held_by_one_thread(tmp_path: Path) -> None:
    """Whoever comes second waits for the first; another place is free meanwhile."""
    order, inside = list[str](), threading.Event()

    def second() -> None:
        with turns(tmp_path / "lock", [3], 10) as held:
            order.append(f"second {held}")

    thread = threading.Thread(target=second)
    with turns(tmp_path / "lock", [3, 4], 1) as held:
        assert held
        thread.start()
        with turns(tmp_path / "lock", [5], 1) as free:
            assert free
        inside.wait(0.05)
        order.append("first")
    thread.join()
    assert order == ["first", "second True"]


def test_nobody_waits_for_ever(tmp_path: Path) -> None:
    """After the time that somebody has, the block runs without the turn, and says so."""
    with turns(tmp_path / "lock", [1], 1):
        began = monotonic()
        with turns(tmp_path / "lock", [1], 0.05) as held:
            assert not held
        assert monotonic() - began < 5


def test_a_process_that_dies_lets_go(tmp_path: Path) -> None:
    """What another process holds is free as soon as it is gone."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with turns(tmp_path / "lock", [7], 0) as held:
            assert not held
        other.kill()
    with turns(tmp_path / "lock", [7], 5) as held:
        assert held


def test_a_thousand_turns_are_held_at_once(tmp_path: Path) -> None:
    """As many as one call asks for, by one open file."""
    with turns(tmp_path / "lock", range(1_000), 1) as held:
        assert held
        with turns(tmp_path / "lock", [999], 0) as other:
            assert not other
