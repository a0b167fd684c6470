"""Disks that fail: full, read-only, slow. What was acknowledged stays, what was not leaves no trace, and it is said."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from pacte.app.house import open_house
from tests.threats.shop import Answer, empty_house, pacte, python, shop_files

pytestmark = pytest.mark.slow

ROOM = 24
"""Megabytes of the small disk."""


class Disk:
    """A small file system of its own, mounted for one test."""

    def __init__(self, place: Path) -> None:
        self.place = place
        place.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={ROOM}m,mode=0700", "tmpfs", str(place)], capture_output=True
        )
        if done.returncode:
            pytest.skip("this machine does not let the tests mount a small disk")

    def again(self, options: str) -> None:
        """Mount it again with other options."""
        subprocess.run(["mount", "-o", f"remount,{options}", str(self.place)], check=True)

    def fill(self) -> None:
        """Use up every byte that is left, but for a page or two."""
        with (self.place / "ballast").open("wb", buffering=0) as file:
            block = bytes(65536)
            try:
                while True:
                    file.write(block)
            except OSError:
                pass

    def clear(self) -> None:
        """Make room again."""
        (self.place / "ballast").unlink()


@pytest.fixture(autouse=True)
def at_once(quick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Verbs are run by the program that starts at once."""
    monkeypatch.setattr(f"{__name__}.pacte", partial(pacte, quick=quick))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A small disk; unmounted afterwards."""
    small = Disk(tmp_path / "disk")
    yield small
    subprocess.run(["umount", "-l", str(small.place)], check=False)


@pytest.fixture
def house(disk: Disk, tmp_path: Path) -> Path:
    """A house on the small disk with forty people in it."""
    home = disk.place / "house"
    with empty_house(home) as made:
        for file in shop_files(tmp_path / "files"):
            made.load(file)
    return home


def clean(home: Path) -> dict[str, int]:
    """The house checks whole; how the newsletter's audience is decided."""
    with open_house(home) as found:
        assert found.check() == []
        return dict(found.declare("newsletter", channel="email").funnel.counts)


def said_plainly(answer: Answer, *codes: int) -> None:
    """One message for a person, no traceback, one of these exit codes."""
    assert answer.code in codes, (answer.code, answer.out, answer.err)
    assert "Traceback" not in answer.err + answer.out
    assert re.search(r"disk|written|read-only|room", answer.err), answer.err


VERBS = {
    "choose": ("choice", "withdraw", "key:C00001", "newsletter"),
    "audience": ("audience", "newsletter", "--channel", "email"),
    "erase": ("erase", "key:C00002", "--yes"),
    "stop": ("stop", "newsletter", "--reason", "drill"),
    "rotate": ("keys", "rotate"),
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_full_disk_refuses_and_forgets_nothing(disk: Disk, house: Path, verb: str) -> None:
    """With no byte left every verb that writes says so; with room again the same verb works and all is whole."""
    before = clean(house)
    disk.fill()
    refused = pacte(*VERBS[verb], house=house)
    said_plainly(refused, 5)
    assert "full" in refused.err
    disk.clear()
    after = clean(house)
    assert after == before or (verb == "erase" and after["erased"] == 1)
    again = pacte(*VERBS[verb], house=house)
    assert again.code == 0, again.err
    clean(house)


OPEN = {
    "choose": 'house.choose("key:C00001", "newsletter", "withdrawn")',
    "declare": 'house.declare("newsletter", channel="email").table()',
    "erase": 'house.erase("key:C00002")',
}


@pytest.mark.parametrize("verb", OPEN)
def test_a_disk_that_fills_under_an_open_house(disk: Disk, house: Path, verb: str) -> None:
    """A server that is running when the disk fills refuses, goes on answering, and works again with room again."""
    before = clean(house)
    done = python(
        f"""
        from pathlib import Path
        from pacte.app.house import open_house
        from pacte.kernel.errors import PacteError
        house = open_house({str(house)!r})
        ballast = Path({str(disk.place)!r}) / "ballast"
        with ballast.open("wb", buffering=0) as file:
            try:
                while file.write(bytes(65536)):
                    pass
            except OSError:
                pass
            try:
                while file.write(bytes(512)):
                    pass
            except OSError:
                pass
        refused = 0
        for _ in range(40):  # what SQLite has room for in its files goes in; then nothing more
            try:
                {OPEN[verb]}
            except PacteError as error:
                refused += 1
                said = str(error)
        print(refused, said)
        print(house.may("key:C00003", "newsletter", channel="email").permitted)
        ballast.unlink()
        {OPEN[verb]}
        print(house.check())
        """
    )
    assert done.returncode == 0, done.stderr
    refused, answer, whole = done.stdout.splitlines()
    assert int(refused.split()[0]) > 0
    assert "cannot be written" in refused
    assert (answer, whole) == ("True", "[]")
    assert before != clean(house) or verb == "declare"


def test_a_disk_that_fills_during_a_load(disk: Disk, house: Path, tmp_path: Path) -> None:
    """The load stops with a message; with room again the same file goes in whole, and no row twice."""
    files = shop_files(tmp_path / "more", range(1, 9_001))
    stopped = pacte("load", files.customers, house=house)
    said_plainly(stopped, 5)
    disk.again("size=120m")
    assert pacte("load", files.customers, house=house).code == 0
    assert sum(clean(house).values()) == 9_000


@pytest.mark.parametrize("verb", VERBS)
def test_a_read_only_disk_refuses(disk: Disk, house: Path, verb: str) -> None:
    """Mounted read-only nothing is recorded, nothing is released, and the message says why."""
    before = clean(house)
    disk.again("ro")
    try:
        refused = pacte(*VERBS[verb], house=house)
        said_plainly(refused, 5)
        assert "read-only" in refused.err
    finally:
        disk.again("rw")
    assert clean(house) == before


def test_a_read_only_disk_answers(disk: Disk, house: Path, tmp_path: Path) -> None:
    """What records nothing goes on: asking about one person, the doctor, the check, the ledger and its export."""
    before = clean(house)
    disk.again("ro")
    try:
        for verb in (
            ("may", "key:C00003", "newsletter", "--channel", "email"),
            ("ledger", "check"),
            ("ledger", "export", str(tmp_path / "export.jsonl")),
            ("ledger", "checkpoint"),
            ("ledger", "log"),
            ("keys", "status"),
            ("jobs",),
            ("status",),
            ("stop",),
        ):
            answer = pacte(*verb, house=house)
            assert (answer.code, answer.err) == (0, ""), verb
        doctor = pacte("doctor", house=house)
        assert (doctor.code, doctor.err) == (0, "")
    finally:
        disk.again("rw")
    assert clean(house) == before


def test_a_read_only_disk_with_an_unfolded_log(disk: Disk, house: Path) -> None:
    """What a killed process left in the log beside the records is read, too."""
    done = python(
        f"""
        import os
        from pacte.app.house import open_house
        house = open_house({str(house)!r})
        house.choose("key:C00003", "newsletter", "withdrawn")
        house.anchoring.flush()
        os._exit(0)
        """
    )
    assert done.returncode == 0, done.stderr
    assert (house / "records.db-wal").stat().st_size > 0
    disk.again("ro")
    try:
        answer = pacte("may", "key:C00003", "newsletter", "--channel", "email", house=house)
        assert (answer.code, answer.err) == (3, "")
    finally:
        disk.again("rw")
    clean(house)


def test_a_file_that_may_not_grow_refuses(home: Path) -> None:
    """Where a quota ends a write in the middle of a transaction, the transaction leaves no trace."""
    before = clean(home)
    done = python(
        f"""
        import resource, signal
        from pacte.app.house import open_house
        from pacte.kernel.errors import Unsafe
        house = open_house({str(home)!r})
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
        for verb in (
            lambda: house.choose("key:C00001", "newsletter", "withdrawn"),
            lambda: house.declare("newsletter", channel="email").table(),
        ):
            try:
                verb()
            except Unsafe as error:
                print(error, flush=True)
        """
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("cannot be written") == 2, done.stdout + done.stderr
    assert clean(home) == before


def test_a_slow_fsync_delays_and_loses_nothing(home: Path) -> None:
    """When each flush takes a third of a second, choices of several threads take it together and all are there."""
    if shutil.which("strace") is None:
        pytest.skip("slowing the disk needs strace")
    code = f"""
    import threading
    from pacte.app.house import open_house
    house = open_house({str(home)!r})
    def choose(number):
        house.choose(f"key:C{{number:05d}}", "newsletter", "withdrawn")
        done.append(number)
    done = []
    threads = [threading.Thread(target=choose, args=(number,)) for number in range(1, 17)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    print(*done, sep="\\n")
    print("commits", house.committer._mark.batch)
    house.close()
    """
    slow = ["strace", "-f", "-qq", "-o", os.devnull, "-e", "trace=fsync,fdatasync"]
    slow += ["-e", "inject=fsync,fdatasync:delay_exit=300000"]
    done = subprocess.run(
        [*slow, sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=120
    )
    if "ptrace" in done.stderr:
        pytest.skip("this machine does not let the tests slow a process's flushes")
    assert done.returncode == 0, done.stderr
    *numbers, commits = done.stdout.splitlines()
    assert sorted(map(int, numbers)) == list(range(1, 17))
    assert int(commits.split()[1]) <= 8, "sixteen choices that wait for one flush are recorded by few of them"
    assert clean(home)["withdrawn"] == 16
