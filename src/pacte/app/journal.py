"""What a worker is about to hand over, written down before it does: after its death others know what may have left.

One file per worker, held by a lock for as long as the worker lives, written and never waited for: what a process has
written outlives it. After the machine itself has died the file may lack its end; `whole` then says no, and every row
that the worker had leased counts as uncertain.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pacte.kernel.errors import Unsafe
from pacte.kernel.turns import close_held, open_to_hold

FOLDER = "sending"
"""The folder of a house where journals lie."""
UNKNOWN = "unknown"
"""Where nobody can say since when this machine runs, nothing that a journal lacks is certain."""
_LINE = re.compile(r"(begun|taken|left) ([0-9a-f]{32}) (\d+)")
BEGUN, TAKEN, LEFT = "begun", "taken", "left"
"""A message is handed over from here on; the server took it; the server did not take it, and never will."""


class Journal:
    """The journal of one worker that lives. `close` ends it: a worker that has settled everything leaves no file."""

    def __init__(self, folder: Path, worker: str) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        self._path = folder / worker
        self._descriptor = open_to_hold(self._path)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._write(f"boot {_boot()}\n")

    def note(self, word: str, campaign: str, place: int) -> None:
        """Write down one thing; it stands when this returns, as far as this process is concerned."""
        self._write(f"{word} {campaign} {place}\n")

    def close(self, *, settled: bool) -> None:
        """End the journal; one that is not settled stays for whoever comes after."""
        if settled:
            self._path.unlink(missing_ok=True)
        close_held(self._descriptor)

    def _write(self, line: str) -> None:
        try:
            whole = os.write(self._descriptor, line.encode()) == len(line)
        except OSError:
            whole = False
        if not whole:  # a disk that is full takes a part of it and says nothing
            raise Unsafe("the journal of what is sent cannot be written; nothing is sent without it")


@dataclass(frozen=True, slots=True)
class Left:
    """What a worker that died left behind: the last word about each place of a campaign.

    `whole`: whether what is not in it certainly did not happen.
    """

    words: dict[tuple[str, int], str]
    whole: bool

    def of(self, campaign: str, place: int) -> str:
        """The last word about a place, empty where it had not begun."""
        return self.words.get((campaign, place), "")


def left_by(folder: Path, worker: str) -> Left:
    """The journal that a worker left; one of another machine, or of before a restart, is not whole."""
    try:
        content = (folder / worker).read_text("ascii")
    except (OSError, UnicodeDecodeError):
        return Left({}, whole=False)
    *lines, cut = content.split("\n")
    if not lines or lines[0] != f"boot {_boot()}" or _boot() == UNKNOWN:
        return Left({}, whole=False)
    words: dict[tuple[str, int], str] = {}
    whole = not cut
    for line in lines[1:]:
        if found := _LINE.fullmatch(line):
            words[found[2], int(found[3])] = found[1]
        else:  # cut in its middle, when the disk was full
            whole = False
    return Left(words, whole)


def dead(folder: Path) -> list[str]:
    """The workers of this machine that left a journal and live no more."""
    return [path.name for path in _journals(folder) if not _is_held(path)]


def remove(folder: Path, worker: str) -> None:
    """Forget what a worker left: everything of it has been settled."""
    (folder / worker).unlink(missing_ok=True)


def _journals(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.iterdir()) if path.is_file()) if folder.is_dir() else iter(())


def _is_held(path: Path) -> bool:
    try:
        descriptor = open_to_hold(path, make=False)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        close_held(descriptor)
    return False


def _boot() -> str:
    """Names the time since this machine began: files that were not waited for are whole within one."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return UNKNOWN
