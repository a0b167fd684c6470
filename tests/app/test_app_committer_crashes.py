"""Processes that are killed while they record choices, and a database that is: what was acknowledged is there, once."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from pacte.app.house import House, open_house
from pacte.kernel.db import BUSY_MILLISECONDS
from pacte.ledger import log
from pacte.testing.postgres import Server
from pacte.testing.world import World, world
from tests.conftest import DATABASES

pytestmark = pytest.mark.slow

POINTS = {
    "committer-before-append": False,
    "ledger-before-head": False,
    "committer-before-commit": False,
    "before-commit": False,
    "after-commit": True,
    "committer-after-commit-before-anchor": True,
    "committer-after-commit-before-wake": True,
}
"""Crash points of a commit, and whether what it holds has been recorded by then."""
CALLERS = 8

CALLER = """
    import sys, threading
    from pacte.app.house import open_house
    from pacte.kernel.errors import PacteError
    from pacte.testing.world import TestClock
    home, now, first, *people = sys.argv[1:]
    house = open_house(home, clock=TestClock(int(now)))
    said = threading.Lock()

    def call(share):
        for person in share:
            try:
                done = house.choose(person, "similar_offers", "objected", key=person)
            except PacteError:
                continue
            with said:
                print(person, done.index, flush=True)

    threads = [threading.Thread(target=call, args=(people[n::{callers}],)) for n in range({callers})]
    print("ready", flush=True)
    call([first])  # a commit by itself, answered and said before the next one begins
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    house.close()
"""


@pytest.fixture(params=DATABASES)
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A house with people who have said nothing yet, on each kind of database."""
    address = "" if request.param == "sqlite" else request.getfixturevalue("postgres").database()
    found = _peopled(tmp_path / "house", address)
    yield found
    found.house.close()


def _peopled(path: Path, address: str) -> World:
    found = world(path, database=address)
    found.clock.forward(200)
    for _ in range(32):
        found.person()
    return found


def start(home: World, people: list[str], crash: str = "") -> subprocess.Popen[str]:
    """A process of its own that objects for the first of these people, then in eight threads for the others, and says
    whom it was answered for.
    """
    code = textwrap.dedent(CALLER.format(callers=CALLERS))
    return subprocess.Popen(
        [sys.executable, "-c", code, str(home.house.path), str(home.clock()), *people],
        env={**os.environ, **({"PACTE_CRASH": crash} if crash else {})},
        stdout=subprocess.PIPE,
        text=True,
    )


def answered(process: subprocess.Popen[str]) -> dict[str, int]:
    """By person: the ledger index that a process printed before it ended."""
    out, _ = process.communicate(timeout=120)
    lines = [line.split() for line in out.splitlines() if line != "ready"]
    return {person: int(index) for person, index in (line for line in lines if len(line) == 2)}


def recorded(house: House) -> dict[str, int]:
    """By person: the ledger index of their choice; fails if somebody's is there twice."""
    with house.reading() as conn:
        found = [(str(entry["subject"]), index) for index, entry in log.of_kind(conn, "choice")]
    assert max(Counter(person for person, _ in found).values(), default=1) == 1
    return dict(found)


@pytest.mark.parametrize("point", POINTS)
def test_a_killed_process_loses_and_doubles_nothing(home: World, point: str) -> None:
    """Killed at its second commit: what was answered is recorded, what is tried again with its key is there once."""
    people = home.people
    killed = start(home, people, f"{point}:2")
    before = answered(killed)
    assert killed.returncode == -signal.SIGKILL
    assert list(before) == people[:1]
    there = recorded(home.house)
    assert before.items() <= there.items()
    assert (len(there) > len(before)) == POINTS[point]
    after = answered(start(home, people))
    assert set(after) == set(people)
    assert before.items() <= after.items()
    assert recorded(home.house) == after
    with open_house(home.house.path, clock=home.clock) as again:
        assert again.check() == []


def test_processes_at_once_share_one_database(home: World) -> None:
    """Three processes record choices, of the same people too, while this one reads: each choice is there once."""
    people = home.people
    several = [start(home, people[:20]), start(home, people[10:]), start(home, people)]
    while any(process.poll() is None for process in several):
        began = time.monotonic()
        recorded(home.house)
        # A reader that waited for writers would wait as long as one of them may: half a minute.
        assert time.monotonic() - began < BUSY_MILLISECONDS / 1000 * 0.7
    found = [answered(process) for process in several]
    there = recorded(home.house)
    assert set(there) == set(people)
    assert all(one.items() <= there.items() for one in found)
    assert home.house.check() == []


def test_a_killed_server_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """PostgreSQL is killed while choices are committed, and comes back: callers who try again are each there once."""
    directory = tempfile.mkdtemp(prefix="pacte-pg-")
    server = Server(Path(directory) / "data")
    try:
        home = _peopled(tmp_path / "house", server.database())
        acknowledged: dict[str, int] = {}
        lock = threading.Lock()

        def call(share: list[str]) -> None:
            for person in share:
                for _ in range(300):
                    try:
                        done = home.house.choose(person, "similar_offers", "objected", key=person)
                    except Exception:
                        time.sleep(0.05)
                        continue
                    with lock:
                        acknowledged[person] = done.index
                    break

        threads = [threading.Thread(target=call, args=(home.people[n::CALLERS],)) for n in range(CALLERS)]
        for thread in threads:
            thread.start()
        while len(acknowledged) < 12:
            time.sleep(0.001)
        server.kill()
        server.start()
        for thread in threads:
            thread.join(120)
        assert set(acknowledged) == set(home.people)
        assert recorded(home.house) == acknowledged
        assert home.house.check() == []
        home.house.close()
    finally:
        server.close()
        shutil.rmtree(directory, ignore_errors=True)
