"""What a process keeps between two answers is never legal state: what another process records, the next answer sees."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pacte.app.house import POLICY
from pacte.gate import one
from pacte.gate import rules as stored
from pacte.gate.values import Question
from pacte.kernel.errors import NotFound, Unsafe
from pacte.ledger import log
from pacte.policy.table import RuleTable
from pacte.testing.world import World, world

OTHER = """
import sys
from pathlib import Path
from pacte.app.house import open_house
from pacte.app.publish import publish
from pacte.app.stop import stop
from pacte.kernel.instant import Instant
from pacte.testing.world import TestClock

with open_house(Path(sys.argv[1]), clock=TestClock(Instant(int(sys.argv[2])))) as house:
    for line in sys.stdin:
        verb, *words = line.split()
        if verb == "publish":
            publish(house, "owner")
        elif verb == "choose":
            house.choose(words[0], words[1], words[2], channel="email", grade="double_opt_in", method="web_form")
        else:
            stop(house, words[0], "test", lift=verb == "lift")
        print("recorded", flush=True)
"""
"""Another process that has the same house open all the while, and does as it is told."""


@contextmanager
def another_process(home: World) -> Iterator[Callable[[str], None]]:
    """A way to have things recorded by another process; returns when they are durable."""
    command = [sys.executable, "-c", OTHER, str(home.house.path), str(home.clock())]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def tell(line: str) -> None:
            print(line, file=process.stdin, flush=True)
            assert process.stdout.readline() == "recorded\n"

        yield tell
        process.stdin.close()


def test_the_next_answer_sees_what_another_process_recorded(tmp_path: Path, records: Callable[[], str]) -> None:
    """A stop, its end, a withdrawal, a stricter policy: each between two answers of one process."""
    home = world(tmp_path / "house", database=records())
    person, proved, leaving = home.person(), home.person(), home.person()
    home.said(person, "given", channel="email")
    home.said(proved, "given", channel="email", grade="double_opt_in")
    home.said(leaving, "given", channel="email", grade="double_opt_in")

    def reasons() -> list[str]:
        people = (person, proved, leaving)
        return [home.house.may(one, "newsletter", channel="email").reason.code for one in people]

    assert reasons() == ["permitted"] * 3
    with another_process(home) as tell:
        tell("stop newsletter")
        assert reasons() == ["stopped"] * 3
        tell("lift newsletter")
        assert reasons() == ["permitted"] * 3
        tell("stop *")
        assert reasons() == ["stopped"] * 3
        tell("lift *")
        tell(f"choose {leaving} newsletter withdrawn")
        assert reasons() == ["permitted", "permitted", "withdrawn"]
        file = home.house.path / POLICY
        stricter = file.read_text(encoding="utf-8").replace("grade: form", "grade: double_opt_in")
        file.write_text(stricter, encoding="utf-8")
        assert reasons() == ["permitted", "permitted", "withdrawn"], "an unpublished policy binds nobody"
        tell("publish")
        assert reasons() == ["proof_too_weak", "permitted", "withdrawn"]
    assert home.house.check() == []


def test_an_open_snapshot_keeps_its_answer(tmp_path: Path, records: Callable[[], str]) -> None:
    """Within one transaction nothing changes; the past is answered as it was known, and the present as it is."""
    home = world(tmp_path / "house", database=records())
    person = home.person()
    home.said(person, "given", channel="email")

    with another_process(home) as tell, home.house.reading() as conn:
        question = Question("newsletter", home.house.present(conn), log.head(conn).size, (), "email")
        assert one.may(conn, person, question).permitted
        tell("stop newsletter")
        assert one.may(conn, person, question).permitted
    with home.house.reading() as conn:
        now = Question("newsletter", home.house.present(conn), log.head(conn).size, (), "email")
        assert one.may(conn, person, question).permitted, "as known before the stop"
        assert one.may(conn, person, now).reason.code == "stopped"


def test_what_was_rolled_back_is_never_remembered(tmp_path: Path, records: Callable[[], str]) -> None:
    """An answer within a transaction that fails rests on what nobody recorded: the next one does not."""
    home = world(tmp_path / "house", database=records())
    person = home.person()
    home.said(person, "given", channel="email")

    def reason(conn) -> str:
        question = Question("newsletter", home.house.present(conn), log.head(conn).size, (), "email")
        return one.may(conn, person, question).reason.code

    with pytest.raises(ZeroDivisionError), home.house.writing() as conn:
        entry = {"kind": "stop", "scope": "*", "effective": home.clock(), "reason": "test", "by": "test"}
        home.house.record(conn, [{**entry, "role": "controller"}], home.clock())
        assert reason(conn) == "stopped"
        _ = 1 // 0
    with home.house.reading() as conn:
        assert reason(conn) == "permitted"


def test_a_table_that_was_read_once_is_still_compared(tmp_path: Path, records: Callable[[], str]) -> None:
    """What is kept in memory decides nothing that is not stored: a table that is changed or gone is found at once."""
    home = world(tmp_path / "house", database=records())
    with home.house.reading() as conn:
        found = stored.load_in_force(conn, home.clock(), home.size)
        assert found is not None
        _, digest, table = found
        assert stored.load(conn, digest) is table
    with pytest.raises(ZeroDivisionError), home.house.writing() as conn:
        conn.exec_driver_sql("UPDATE gate_rules SET body = replace(body, 'gdpr:given', 'gdpr:other')")
        with pytest.raises(Unsafe, match="a stored rule table was changed"):
            stored.load(conn, digest)
        conn.exec_driver_sql("DELETE FROM gate_rules")
        with pytest.raises(NotFound):
            stored.load_in_force(conn, home.clock(), home.size)
        _ = 1 // 0
    with home.house.reading() as conn:
        assert stored.load(conn, digest) is table


def test_few_tables_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one read longest ago goes; read again it is an equal table."""
    home = world(tmp_path / "house")
    monkeypatch.setattr(stored, "KEPT_TABLES", 1)
    monkeypatch.setattr(stored, "_read", type(stored._read)())
    found = []
    with home.house.writing() as conn:
        digests = [stored.store(conn, RuleTable({"name": name}, {}, {}, {}, {})) for name in ("a", "b")]
        for digest in (*digests, digests[0]):
            found.append(stored.load(conn, digest))
            assert len(stored._read) == 1
    assert found[0] == found[2]
    assert found[0] is not found[2]
