"""Erasures cut short anywhere, asked for twice, followed to the end of the evidence, and undone by no load."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from pacte.app import doctor
from pacte.app.ask import explain, may, replay
from pacte.app.choose import subject_of
from pacte.app.erase import Certificate, end_evidence, erase, plan
from pacte.app.house import POLICY, House, open_house
from pacte.app.prove import prove
from pacte.app.publish import publish
from pacte.app.reading import export
from pacte.kernel.canonical import digest
from pacte.kernel.errors import Denied, NotFound
from pacte.kernel.instant import DAY
from pacte.ledger import log
from pacte.testing.world import TestClock
from pacte.verifier import verify_bytes
from tests.threats.shop import (
    CHOICE_COLUMNS,
    CUSTOMER_COLUMNS,
    TODAY,
    choice,
    customer,
    lying_in,
    numbers_of,
    order,
    python,
    shop_files,
    write_csv,
    write_orders,
)

KEY = "key:C00003"
POINTS = {
    "restricted": "pacte.lake.segments.rewrite_without",
    "rows-gone": "pacte.lake.segments.garbage",
    "shredded": "pacte.app.erase._conclude",
}
"""Crash points by name, and the function whose call comes right after each: there the process dies."""


def opened(home: Path, days: float = 0) -> House:
    """The house, some days after the tests began."""
    return open_house(home, clock=TestClock(TODAY + int(days * DAY)))


def subject(house: House, person: str = KEY) -> str:
    """The subject identifier behind a customer's key."""
    with house.reading() as conn:
        found = subject_of(house, conn, person)
    assert found is not None
    return found


def held(house: House) -> dict[str, int]:
    """How much the house holds, loads themselves left out."""
    return {name: count for name, count in numbers_of(house).items() if name != "entry:load"}


def used(home: Path) -> tuple[str, str, bytes]:
    """Make a use with the person in it; returns the use, the person's subject and a proof made now."""
    with opened(home) as house:
        use = house.declare("newsletter", channel="email")
        assert use.funnel.permitted == 40
        return use.id, subject(house), prove(house, KEY, use.id).data


def cut_short(home: Path, point: str) -> None:
    """Erase in a process of its own that dies at the crash point, without a chance to tidy up."""
    module, _, name = POINTS[point].rpartition(".")
    done = python(
        f"""
        import importlib, os
        from pacte.app.erase import erase
        from pacte.app.house import open_house
        from pacte.testing.world import TestClock
        setattr(importlib.import_module({module!r}), {name!r}, lambda *a, **k: os._exit(9))
        erase(open_house({str(home)!r}, clock=TestClock({TODAY})), {KEY!r})
        """
    )
    assert done.returncode == 9, done.stderr


@pytest.mark.parametrize("point", POINTS)
def test_an_erasure_cut_short_is_finished_by_asking_again(home: Path, point: str) -> None:
    """At every crash point the person is out of every use; asking again by the same name finishes it."""
    use, person, proof = used(home)
    with opened(home) as house:
        planned = plan(house, KEY).counts
    assert planned == {"vault:civil": 1, "vault:contact": 1, "lake:customers": 1, "lake:orders": 2}
    cut_short(home, point)
    with opened(home) as house:
        assert may(house, person, "newsletter", channel="email").reason.code == "erasing"
        assert house.declare("newsletter", channel="email").funnel.counts["erasing"] == 1
        assert "erasure_unfinished" in {finding.code for finding in doctor.examine(house)}
        assert replay(house, use, person).matches is True
        done = erase(house, KEY)
        assert done.counts == planned
        assert done.subject == person
        assert {f.code for f in doctor.examine(house)}.isdisjoint({"erasure_unfinished", "shredding_unfinished"})
        assert may(house, person, "newsletter", channel="email").reason.code == "erased"
        again = replay(house, use, person)
        assert (again.recorded, again.matches) == (True, True)
        assert house.check() == []
        assert verify_bytes(proof).ok
        assert verify_bytes(prove(house, person, use).data).ok
        with house.reading() as conn:
            steps = [entry["step"] for _, entry in log.of_subject(conn, person) if entry and entry["kind"] == "erasure"]
    assert steps == ["restricted", "done"]


FAILING = {
    "restricted": "out of every use, and not all of their rows are removed; erase the same person again",
    "rows-gone": "their rows are removed, and their data key may still be there; erase the same person again",
    "shredded": "rows and data key are gone, and what may be missing is the record of it; erase the same person again",
    "done": "the erasure is done and recorded",
}
"""What is said of an erasure where from some point on no file can grow."""


@pytest.mark.parametrize("point", FAILING)
def test_an_erasure_that_fails_says_how_far_it_came(home: Path, point: str) -> None:
    """Not that nothing was recorded: what stands, what to do; and done, it ends as if nothing had happened."""
    _, person, proof = used(home)
    done = python(
        f"""
        import resource, signal
        from pacte.app.erase import erase
        from pacte.app.house import open_house
        from pacte.kernel import crash
        from pacte.kernel.errors import Unsafe
        from pacte.testing.world import TestClock
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        passed = []

        def reached(name):
            passed.append(name)
            now = name == "after-commit" and "shredded" in passed if {point!r} == "done" else name == {point!r}
            if now:
                resource.setrlimit(resource.RLIMIT_FSIZE, (1024, resource.RLIM_INFINITY))

        crash.point = reached
        house = open_house({str(home)!r}, clock=TestClock({TODAY}))
        try:
            erase(house, {KEY!r})
        except Unsafe as error:
            print(error)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        """
    )
    assert done.returncode == 0, done.stderr
    assert FAILING[point] in done.stdout
    assert "nothing was recorded" not in done.stdout
    assert lying_in(done.stdout.encode(), [KEY, "C00003", person, "Nom3"]) == []
    with opened(home) as house:
        decision = may(house, person, "newsletter", channel="email")
        assert decision.reason.code == ("erased" if point == "done" else "erasing")
        certificate = erase(house, person if point == "done" else KEY)
        assert certificate.subject == person
        assert {f.code for f in doctor.examine(house)}.isdisjoint({"erasure_unfinished", "shredding_unfinished"})
        assert may(house, person, "newsletter", channel="email").reason.code == "erased"
        assert house.check() == []
        assert verify_bytes(proof).ok
        with house.reading() as conn:
            steps = [entry["step"] for _, entry in log.of_subject(conn, person) if entry and entry["kind"] == "erasure"]
    assert steps == ["restricted", "done"]


@pytest.mark.parametrize("point", POINTS)
def test_a_load_brings_nobody_back_whose_erasure_was_cut_short(home: Path, tmp_path: Path, point: str) -> None:
    """Between a crash and its end, the same files change nothing about the person, whatever else they bring in."""
    cut_short(home, point)
    files = shop_files(tmp_path / "files", range(1, 43))
    with opened(home) as house:
        report = house.load(files.customers)
        assert (report.new_people, report.accepted) == (2, 2)
        for file in (files.choices, files.orders):
            house.load(file)
        erase(house, KEY)
        whole = held(house)
        assert (whole["lake:customers"], whole["lake:orders"]) == (41, 82)
        assert house.check() == []


def test_erasing_twice_gives_the_same_certificate(home: Path) -> None:
    """Asked again by the subject identifier, at any later time, the answer is the one recorded certificate."""
    _, person, _ = used(home)
    with opened(home) as house:
        first = erase(house, KEY)
        again = erase(house, person)
        with pytest.raises(NotFound, match="perhaps they are erased already"):
            erase(house, KEY)
        entry = last_entry(house, person)
    with opened(home, days=500) as house:
        assert erase(house, person) == first == again
        assert house.check() == []
    assert isinstance(first, Certificate)
    names = ("subject", "counts", "evidence_until", "suppressed_until")
    assert entry["certificate"] == digest({name: getattr(first, name) for name in names})
    assert {name: entry[name] for name in names} == {name: getattr(first, name) for name in names}


def last_entry(house: House, person: str) -> dict:
    """What the ledger says last about a person."""
    with house.reading() as conn:
        return dict(log.of_subject(conn, person)[-1][1] or {})


def test_nobody_speaks_for_an_erased_person(home: Path) -> None:
    """A choice in the name of somebody erased is refused; nothing is recorded."""
    with opened(home) as house:
        person = erase(house, KEY).subject
        with house.reading() as conn:
            size = log.head(conn).size
        with pytest.raises(Denied):
            house.choose(person, "newsletter", "given", channel="email")
        with house.reading() as conn:
            assert log.head(conn).size == size


def test_the_same_files_do_not_bring_an_erased_person_back(home: Path, tmp_path: Path) -> None:
    """Loaded again, or under a new key with the same address, or with choices and orders: suppressed."""
    files = shop_files(tmp_path / "files")
    with opened(home) as house:
        erase(house, KEY)
        before = held(house)
        report = house.load(files.customers)
        assert (report.suppressed, report.accepted, report.rejected) == (1, 0, {})
        report = house.load(files.choices)
        assert (report.suppressed, report.accepted, report.rejected) == (1, 0, {})
        report = house.load(files.orders)
        assert (report.suppressed, report.accepted, report.rejected) == (2, 0, {})
        moved = write_csv(tmp_path / "customers-2.csv", CUSTOMER_COLUMNS, [customer(3, id="NEW-3")])
        report = house.load(moved)
        assert (report.suppressed, report.accepted) == (1, 0)
        bought = write_orders(tmp_path / "orders-2.parquet", [order(3, 9)])
        assert house.load(bought).suppressed == 1
        said = write_csv(tmp_path / "choices-2.csv", CHOICE_COLUMNS, [choice(3, purpose="*")])
        assert house.load(said).suppressed == 1
        assert held(house) == before
        assert house.check() == []


def test_suppression_has_an_end(home: Path, tmp_path: Path) -> None:
    """After the declared three years the fingerprints go; a customer who comes then is somebody new."""
    with opened(home) as house:
        person = erase(house, KEY).subject
    with opened(home, days=3 * 366) as house:
        end_evidence(house, sure=True)
        report = house.load(shop_files(tmp_path / "files", [3]).customers)
        assert report.new_people == 1
        assert subject(house) != person
        assert house.check() == []


def test_the_end_of_the_evidence(home: Path, tmp_path: Path) -> None:
    """After its declared end: replay says so, earlier proofs verify, ledger and states agree, nothing else is left."""
    use, person, proof = used(home)
    with opened(home) as house:
        done = erase(house, KEY)
        assert end_evidence(house, sure=True) == []
        late = prove(house, person, use)
        assert verify_bytes(late.data).ok
    days = (done.evidence_until - TODAY) / DAY
    assert 5 * 365 <= days <= 5 * 366
    with opened(home, days=days - 1) as house:
        assert end_evidence(house, sure=True) == []
        assert replay(house, use, person).matches is True
    with opened(home, days=days + 1) as house:
        assert "evidence_due" in {finding.code for finding in doctor.examine(house)}
        assert end_evidence(house, sure=True) == [person]
        assert end_evidence(house, sure=True) == []
        again = replay(house, use, person)
        assert again.matches is None
        assert again.recorded is None  # the set ended with the evidence
        assert again.answers.by_known.reason.code == again.answers.by_true.reason.code == "evidence_expired"
        assert explain(house, person, "newsletter").by_known.reason.code == "evidence_expired"
        assert erase(house, person) == replace(done, index=done.index)
        assert house.check() == []
        for made in (proof, late.data):
            assert verify_bytes(made).ok
        after = prove(house, person, use)
        report = verify_bytes(after.data)
        assert report.ok
        assert json.loads(after.data)["facts"] == []
        export(house, tmp_path / "export.jsonl")
        assert verify_bytes((tmp_path / "export.jsonl").read_bytes()).ok
        assert len(house.declare("newsletter", channel="email").permits) == 0  # everybody's consent is five years old
    _nothing_about(home, person)


def _nothing_about(home: Path, person: str) -> None:
    """The records hold the person's identifier in entries about the erasure and about looks since, and nowhere else."""
    with sqlite3.connect(home / "records.db") as db:
        assert db.execute("SELECT count(*) FROM lake_subject WHERE subject = ?", (person,)).fetchone() == (0,)
        kinds = {row[0] for row in db.execute("SELECT kind FROM ledger_entry WHERE subject = ?", (person,))}
        tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE name LIKE 'consent_%'")]
        numbers = {row[0] for row in db.execute("SELECT no FROM lake_subject")}
        for table in tables:
            columns = {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
            if "no" in columns:
                assert {row[0] for row in db.execute(f"SELECT no FROM {table}")} <= numbers, table
    assert kinds <= {"erasure", "look"}


def test_evidence_shredded_with_the_data(home: Path) -> None:
    """Where the policy says so, the evidence goes with the data, also when the erasure was cut short in between."""
    use, person, proof = used(home)
    policy = home / POLICY
    policy.write_text(policy.read_text().replace("shred_with_data: no", "shred_with_data: yes "))
    with opened(home) as house:
        assert publish(house, "owner").changed
        second = subject(house, "key:C00004")
        erase(house, KEY)
        assert replay(house, use, person).answers.by_known.reason.code == "evidence_expired"
        assert verify_bytes(proof).ok
        assert house.check() == []
    done = python(
        f"""
        import os
        import pacte.app.erase as erasing
        from pacte.app.house import open_house
        from pacte.testing.world import TestClock
        erasing.end_evidence_of = lambda *a, **k: os._exit(9)
        erasing.erase(open_house({str(home)!r}, clock=TestClock({TODAY})), "key:C00004")
        """
    )
    assert done.returncode == 9, done.stderr
    with opened(home) as house:
        assert replay(house, use, second).matches is True
        erase(house, second)
        assert replay(house, use, second).answers.by_known.reason.code == "evidence_expired"
        assert house.check() == []


@pytest.mark.parametrize("point", ["pacte.ledger.log.redact", "pacte.keys.store.KeyStore.finish_pending"])
def test_an_end_of_evidence_cut_short_is_finished_by_asking_again(home: Path, point: str) -> None:
    """Whether the process dies while the key is destroyed or while bodies are redacted, the next call finishes."""
    use, person, _ = used(home)
    with opened(home) as house:
        erase(house, KEY)
    name, later = point.rpartition(".")[2], TODAY + 2000 * DAY
    done = python(
        f"""
        import os
        from pacte.app.erase import end_evidence
        from pacte.app.house import open_house
        from pacte.keys.store import KeyStore
        from pacte.ledger import log
        from pacte.testing.world import TestClock
        house = open_house({str(home)!r}, clock=TestClock({later}))
        setattr({"KeyStore" if "KeyStore" in point else "log"}, {name!r}, lambda *a, **k: os._exit(9))
        end_evidence(house, sure=True)
        """
    )
    assert done.returncode == 9, done.stderr
    with opened(home, days=2000) as house:
        assert end_evidence(house, sure=True) == [person]
        assert replay(house, use, person).matches is None
        assert house.check() == []
