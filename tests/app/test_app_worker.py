"""Jobs: what must follow from a choice is done by somebody, once at a time, and shows while it is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from pacte.app import jobs as handlers
from pacte.app import worker
from pacte.app.choose import TELL
from pacte.app.doctor import examine
from pacte.app.erase import end_evidence
from pacte.app.worker import work
from pacte.kernel import db, jobs
from pacte.kernel.errors import Unsafe
from pacte.kernel.instant import DAY, SECOND, Instant
from pacte.kernel.jobs import Job
from pacte.ledger import queries
from pacte.testing.world import World, world
from tests.conftest import DATABASES


@pytest.fixture(params=DATABASES)
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A house that nobody has entered yet, on each kind of database."""
    address = "" if request.param == "sqlite" else request.getfixturevalue("postgres").database()
    found = world(tmp_path / "house", database=address)
    found.clock.forward(200)
    yield found
    found.house.close()


def ask(home: World, *asked: Job) -> None:
    """Put jobs into the table."""
    with db.write(home.house.engine) as conn:
        jobs.add(conn, asked)


def state_of(home: World, kind: str) -> list[tuple[str, int, str | None]]:
    """State, attempts and last error of every job of a kind, also of those that are done."""
    with home.house.reading() as conn:
        sql = "SELECT state, attempts, error FROM job WHERE kind = ? ORDER BY id"
        return [(str(state), int(attempts), error) for state, attempts, error in db.fetch(conn, sql, (kind,))]


def once(home: World, *, trust_clock: bool = False) -> worker.Report:
    """Do what is due."""
    return work(home.house, threading.Event(), once=True, trust_clock=trust_clock)


@pytest.fixture
def handled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A kind of job, `note`, whose handler writes down its target here."""
    found: list[str] = []
    monkeypatch.setattr(
        worker, "HANDLERS", {**handlers.HANDLERS, "note": lambda _house, job, _now: found.append(str(job.target))}
    )
    return found


def test_telling_a_recipient_waits_for_a_connector(home: World) -> None:
    """Nobody can be told yet: the job is not done, says why, is looked at every day, and becomes overdue."""
    home.house.choose(home.person(), "similar_offers", "objected")
    first = once(home)
    assert first.waiting > 0
    assert {(state, error) for state, _, error in state_of(home, TELL)} == {("waiting", "no_connector")}
    assert (first.overdue, once(home).waiting) == (0, 0)
    home.clock.forward(4)
    late = once(home, trust_clock=True)
    assert (late.waiting, late.overdue) == (first.waiting, first.waiting)
    assert home.house.check() == []


def test_housekeeping_comes_round(home: World) -> None:
    """Evidence whose declared end has come is ended by the worker, without anybody asking, and again the next time."""
    person = home.person()
    home.house.erase(person)
    once(home)
    home.clock.forward(366 * 40)
    done = once(home, trust_clock=True)
    assert done.done >= 2
    with home.house.reading() as conn:
        assert list(queries.evidence_ends(conn)) == []
    assert {state for state, *_ in state_of(home, "end_evidence")} == {"ready"}
    assert home.house.check() == []


def test_keys_and_finished_jobs_are_forgotten(home: World, handled: list[str]) -> None:
    """After their declared end nothing is left of them."""
    home.house.choose(home.person(), "newsletter", "refused", key="k")
    ask(home, Job("note", home.clock(), target="a"))
    once(home)
    assert (handled, state_of(home, "note")) == (["a"], [("done", 1, None)])
    home.clock.forward(31)
    once(home, trust_clock=True)
    with home.house.reading() as conn:
        assert db.fetch(conn, "SELECT * FROM commit_key") == []
    assert state_of(home, "note") == []


def test_a_clock_far_ahead_destroys_nothing(home: World) -> None:
    """Housekeeping waits, says why, and comes round when the clock is right again, or when somebody trusts it."""
    person = home.person()
    home.house.erase(person)
    say = partial(home.house.choose, home.person(), "newsletter", "refused", key="k")
    recorded = say().index
    once(home)
    home.clock.forward(366 * 40)
    home.house.choose(home.people[1], "newsletter", "refused")  # even now that the ledger stands ahead, too
    with home.house.reading() as conn:
        assert list(queries.evidence_ends(conn))
    report = once(home)
    assert (report.done, report.waiting) == (0, 3)
    assert {error for kind in handlers.ROUND for _, _, error in state_of(home, kind)} == {"clock_ahead"}
    assert "clock_ahead" in {finding.code for finding in examine(home.house)}
    with pytest.raises(Unsafe, match="--trust-clock"):
        end_evidence(home.house)
    with home.house.reading() as conn:
        assert [subject for subject, _ in queries.evidence_ends(conn)] == [person]
    home.clock.forward(1 / 24 - 366 * 40)
    assert "clock_behind" in {finding.code for finding in examine(home.house)}
    assert say().index == recorded, "the key was not forgotten"
    assert once(home).done == 3
    with home.house.reading() as conn:
        assert all(job.due <= home.clock() + DAY for job in jobs.listed(conn))
    assert home.house.check() == []


def test_what_a_wrong_clock_put_off_comes_back(home: World) -> None:
    """Somebody trusted a clock that was wrong: nothing stays due in years, also not what follows from a withdrawal."""
    once(home)
    home.clock.forward(366 * 15)
    assert once(home, trust_clock=True).done == 3
    home.house.choose(home.person(), "newsletter", "refused")
    home.clock.forward(-366 * 15)
    home.house.choose(home.people[0], "similar_offers", "objected")
    with home.house.reading() as conn:
        late = [job for job in jobs.listed(conn) if job.kind == TELL]
        assert {job.deadline for job in late} == {home.clock() + 3 * DAY}
    report = once(home)
    assert (report.done, report.waiting) == (3, len(late))
    with home.house.reading() as conn:
        assert all(job.due <= home.clock() + DAY for job in jobs.listed(conn))
    home.clock.forward(1)
    assert once(home).done == 3


def test_entries_day_after_day_vouch_for_the_clock(home: World) -> None:
    """A worker that was away for months comes back to a ledger that went on, and does what is due."""
    once(home)
    for _ in range(30):
        home.clock.forward(1.5)
        home.house.choose(home.person(), "newsletter", "refused")
    assert once(home).done == 3
    home.clock.forward(3)
    assert once(home).waiting == 3


def test_a_failing_job_is_tried_again_later(home: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each time twice as late; what it said is not repeated, and the other jobs go on."""

    def fail(*_: object) -> None:
        raise ValueError("ada@example.com")

    monkeypatch.setattr(worker, "HANDLERS", {"bad": fail, "good": lambda *_: None})
    monkeypatch.setattr(worker, "remind", lambda *_, **__: None)
    ask(home, Job("bad", home.clock()), Job("good", home.clock()))
    report = once(home)
    assert (report.done, report.failed) == (1, 1)
    assert state_of(home, "bad") == [("ready", 1, "unforeseen")]
    assert once(home).failed == 0
    home.clock.now = Instant(home.clock.now + 31 * SECOND)
    assert once(home).failed == 1
    home.clock.now = Instant(home.clock.now + 31 * SECOND)
    assert once(home).failed == 0


def test_several_workers_share_the_jobs(home: World, handled: list[str]) -> None:
    """Four at once: every job is done, none twice."""
    ask(home, *(Job("note", home.clock(), target=f"t{number:03}") for number in range(150)))
    threads = [threading.Thread(target=once, args=(home,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(handled) == [f"t{number:03}" for number in range(150)]


def test_a_claim_that_ended_is_another_workers(home: World) -> None:
    """Nobody takes a claimed job before its claim ends; what the first worker says afterwards no longer counts."""
    ask(home, Job("note", home.clock()))
    now = home.clock()
    with db.write(home.house.engine) as conn:
        (mine,) = jobs.claim(conn, "one", now, ["note"])
        assert jobs.claim(conn, "two", now, ["note"]) == []
        jobs.renew(conn, [mine], Instant(now + jobs.CLAIM // 2))
        assert jobs.claim(conn, "two", Instant(now + jobs.CLAIM), ["note"]) == []
        (theirs,) = jobs.claim(conn, "two", Instant(now + 2 * jobs.CLAIM), ["note"])
        assert theirs.job.attempts == 2
        assert not jobs.finish(conn, mine, now)
        assert jobs.finish(conn, theirs, now)


WORKER = """
    import sys, threading
    from pathlib import Path
    from pacte.app import jobs, worker
    from pacte.app.house import open_house
    from pacte.testing.world import TestClock
    home, now, notes = sys.argv[1:]

    def note(house, job, at):
        with open(notes, "a") as file:
            file.write(job.target + "\\n")

    worker.HANDLERS = {"note": note}
    worker.remind = lambda *_, **__: None
    worker.TOGETHER = 4
    with open_house(home, clock=TestClock(int(now))) as house:
        worker.work(house, threading.Event(), once=True)
"""


@pytest.mark.parametrize("point", ["worker-claimed:2", "worker-handled:6"])
def test_a_killed_workers_jobs_are_done_again(home: World, tmp_path: Path, point: str) -> None:
    """Killed with a job in its hand: it is another worker's once the claim has ended, and no job is lost."""
    targets = [f"t{number:03}" for number in range(12)]
    ask(home, *(Job("note", home.clock(), target=target) for target in targets))
    notes = tmp_path / "notes"

    def run(crash: str = "") -> int:
        return subprocess.run(
            [sys.executable, "-c", textwrap.dedent(WORKER), str(home.house.path), str(home.clock()), str(notes)],
            env={**os.environ, **({"PACTE_CRASH": crash} if crash else {})},
            check=False,
        ).returncode

    assert run(point) == -signal.SIGKILL
    assert run() == 0
    unfinished = [state for state, *_ in state_of(home, "note") if state != "done"]
    assert unfinished
    assert set(unfinished) == {"claimed"}
    home.clock.now = Instant(home.clock.now + jobs.CLAIM)
    assert run() == 0
    done = notes.read_text().split()
    assert set(done) == set(targets)
    assert len(done) <= len(targets) + 1
    assert {state for state, *_ in state_of(home, "note")} == {"done"}
    assert home.house.check() == []


def test_a_worker_stops_when_it_is_told_to(home: World) -> None:
    """SIGTERM ends `pacte worker` after the job in hand, with a report; it did what was due."""
    home.house.choose(home.person(), "similar_offers", "objected")
    process = subprocess.Popen(
        [sys.executable, "-c", "from pacte.cli.main import run; run()", "worker", "--json", "-H", str(home.house.path)],
        stdout=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + 60
    while time.monotonic() < until and {state for state, *_ in state_of(home, TELL)} != {"waiting"}:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert '"waiting"' in out


def test_a_stopped_worker_gives_back_what_it_did_not_begin(home: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told to stop in the middle of what it claimed, it leaves the rest ready for the next one."""
    stop = threading.Event()
    monkeypatch.setattr(worker, "HANDLERS", {"note": lambda *_: stop.set()})
    monkeypatch.setattr(worker, "remind", lambda *_, **__: None)
    ask(home, *(Job("note", home.clock(), target=f"t{number}") for number in range(3)))
    assert work(home.house, stop).done == 1
    assert sorted(state_of(home, "note")) == [("done", 1, None), ("ready", 0, None), ("ready", 0, None)]
