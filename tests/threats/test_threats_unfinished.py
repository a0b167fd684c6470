"""Verbs of several commits that a disk or a server ends half-way: each says how far it came, and asked again ends."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pacte.app import erase, keys
from pacte.app.ask import may
from pacte.app.doctor import examine
from pacte.app.house import House, open_house
from pacte.app.move import move
from pacte.app.restore import restore
from pacte.kernel import crash
from pacte.kernel.errors import Conflict, PacteError, Unsafe
from pacte.kernel.instant import DAY, Instant
from pacte.ledger import log
from pacte.testing.postgres import Server
from pacte.testing.world import TestClock
from tests.threats.shop import CUSTOMER_COLUMNS, TODAY, customer, python, write_csv

LATER = Instant(TODAY + 2000 * DAY)
"""When the evidence about those who were erased has ended."""


def cut_short(home: Path, at: str, act: str, now: int = TODAY) -> str:
    """What an act says when, from the moment at which `at` is true, no file can grow any more."""
    done = python(
        f"""
        import resource, signal
        from pathlib import Path
        from pacte.app import erase, keys
        from pacte.app.house import House, open_house
        from pacte.app.restore import restore
        from pacte.intake import reader
        from pacte.kernel import crash
        from pacte.kernel.errors import PacteError
        from pacte.testing.world import TestClock
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        home, clock, passed = Path({str(home)!r}), TestClock({now}), []

        def reached(name):
            passed.append(name)
            if {at}:
                resource.setrlimit(resource.RLIMIT_FSIZE, (1024, resource.RLIM_INFINITY))

        def opened():
            house = open_house(home, clock=clock)
            passed.clear()
            return house

        crash.point = reached
        reader.BATCH = 20
        try:
            {act}
        except PacteError as error:
            print(type(error).__name__, error)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        """
    )
    assert done.returncode == 0, done.stderr
    assert "nothing was recorded" not in done.stdout
    assert done.stdout.startswith("Unsafe ")
    return done.stdout


def test_a_load_says_what_is_here_already(home: Path, tmp_path: Path) -> None:
    """Of sixty new customers the first twenty are in; the same file again brings the others, and nobody twice."""
    file = write_csv(tmp_path / "customers-2.csv", CUSTOMER_COLUMNS, [customer(n) for n in range(100, 160)])
    # A batch commits keys first, then rows.
    said = cut_short(home, "passed.count('after-commit') == 2", f"opened().load({str(file)!r})")
    assert "20 rows of this file are here already, and stay; load it again, and it goes on from there" in said
    with open_house(home, clock=TestClock(TODAY)) as house:
        assert house.load(file).accepted == 40
        assert house.load(file).unchanged == 60
        assert house.check() == []


def test_a_rotation_says_that_all_keys_open(home: Path) -> None:
    """Some keys are under the new version, others under the old one; the next rotation goes on, under the same."""
    said = cut_short(home, "name == 'rotation-house'", "keys.rotate(opened())")
    assert "the rotation is begun and not finished" in said
    with open_house(home, clock=TestClock(TODAY)) as house:
        assert house.keys.unopened() == 0
        assert may(house, "key:C00001", "newsletter", channel="email").permitted
        assert set(house.keys.status().under) == {1, 2}
        assert keys.rotate(house).version == 2
        assert house.keys.status().under.keys() == {1, 2}
        assert house.keys.status().under[1] == 0
        assert house.check() == []


def test_a_rotation_that_is_not_recorded_says_so(home: Path) -> None:
    """All keys are under the new version and the ledger does not say so: another rotation is recorded."""
    said = cut_short(home, "name == 'rotated-unrecorded'", "keys.rotate(opened())")
    assert "every key is wrapped under version 2, which the ledger may not say yet; rotate again" in said
    with open_house(home, clock=TestClock(TODAY)) as house:
        assert keys.rotate(house).version == 3
        assert house.check() == []


def test_the_end_of_evidence_says_whose_is_gone(home: Path) -> None:
    """Of two people whose evidence has ended the first one's is gone; the next call ends the other's."""
    with open_house(home, clock=TestClock(TODAY)) as house:
        people = {house.erase(f"key:C{number:05d}").subject for number in (3, 4)}
    act = "erase.end_evidence(opened(), sure=True)"
    said = cut_short(home, "passed.count('evidence-redacted') == 2", act, LATER)
    assert "the evidence of 1 of 2 people has ended, that of the next one perhaps in part; ask again" in said
    with open_house(home, clock=TestClock(LATER)) as house:
        assert set(erase.end_evidence(house, sure=True)) <= people
        assert {finding.code for finding in examine(house)}.isdisjoint({"evidence_unfinished", "evidence_due"})
        with house.reading() as conn:
            for person in people:
                entries = [entry for _, entry in log.of_subject(conn, person) if entry]
                assert {entry["step"] for entry in entries} == {"restricted", "done", "evidence_ended"}
        assert house.check() == []


def test_a_restore_says_that_it_goes_on(home: Path, tmp_path: Path) -> None:
    """The backup's house serves nobody before the restore has ended, which the next one does."""
    shutil.copytree(home, tmp_path / "backup")
    with open_house(home, clock=TestClock(TODAY)) as house:
        house.erase("key:C00003")
    for name in ("records.db", "lake"):
        target = home / name
        shutil.rmtree(target) if target.is_dir() else target.unlink()
    shutil.copytree(tmp_path / "backup" / "lake", home / "lake")
    shutil.copy2(tmp_path / "backup" / "records.db", home / "records.db")
    said = cut_short(home, "name == 'restore-begun'", "restore(home, clock=clock)")
    assert "the restore is begun and not finished, and the house serves nobody yet" in said
    with pytest.raises(PacteError):
        open_house(home, clock=TestClock(TODAY))
    assert restore(home, clock=TestClock(TODAY)).erased == 1
    with open_house(home, clock=TestClock(TODAY)) as house:
        assert house.check() == []


def test_an_erasure_that_is_recorded_and_not_anchored(home: Path) -> None:
    """The anchor file cannot be written: the first step stands all the same, and the message says so."""
    with open_house(home, clock=TestClock(TODAY)) as house:
        anchors = home / "anchors.log"
        anchors.rename(home / "aside")
        anchors.mkdir()
        with pytest.raises(Unsafe, match=r"recorded as entry \d+, but .* the erasure is begun and not finished"):
            house.erase("key:C00003")
        assert may(house, "key:C00003", "newsletter", channel="email").reason.code == "erasing"
        anchors.rmdir()
        (home / "aside").rename(anchors)
        house.erase("key:C00003")
        assert house.check() == []


@pytest.fixture
def server() -> Iterator[Server]:
    """A server of its own, that may be killed."""
    with tempfile.TemporaryDirectory(prefix="pacte-pg-") as directory:
        found = Server(Path(directory) / "data")
        yield found
        found.close()


def test_an_erasure_whose_server_is_killed(home: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The person is restricted, and the message says so; when the server is back, asking again erases them."""
    move(home, server.database())

    def killed(name: str) -> None:
        if name == "restricted" and not gone:
            gone.append(name)
            server.kill()

    gone: list[str] = []
    with open_house(home, clock=TestClock(TODAY)) as house:
        monkeypatch.setattr(crash, "point", killed)
        with pytest.raises(Conflict, match="out of every use, and not all of their rows are removed") as raised:
            house.erase("key:C00003")
        assert "nothing was recorded" not in str(raised.value)
        server.start()
        assert _answer(house) == "erasing"
        house.erase("key:C00003")
        assert house.check() == []


def _answer(house: House) -> str:
    """The reason about the person, as soon as the server answers again."""
    for _ in range(300):
        try:
            return may(house, "key:C00003", "newsletter", channel="email").reason.code
        except Conflict:
            time.sleep(0.2)
    raise AssertionError("the server does not come back")
