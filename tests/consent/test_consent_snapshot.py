"""The columnar copy of the facts: written beside what goes on, in one format, equal to the records."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import Connection, Engine

from pacte.consent import base, population, snapshot, state
from pacte.consent.population import Asked
from pacte.kernel import db
from pacte.kernel.errors import Conflict, Unsafe
from pacte.kernel.instant import Instant
from pacte.lake import segments
from pacte.lake.drafts import Drafts
from pacte.lake.numbers import numbers
from pacte.lake.source import open_lake
from pacte.ledger import log
from pacte.ledger.note import NoteSigner

PEOPLE = [f"{number:032x}" for number in range(1, 8)]
NOTICE = "a" * 64
SIGNER = NoteSigner(bytes(32), "test.example/log")
NOW = Instant(1_000)
Entry = dict[str, Any]


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """An empty lake."""
    (tmp_path / "lake").mkdir()
    return tmp_path / "lake"


@pytest.fixture
def engine(database: str, open_engine: Callable[[str], Engine]) -> Engine:
    """A record database in which everybody has said something, in a ledger."""
    engine = open_engine(database)
    with db.write(engine) as conn:
        db.metadata.create_all(conn)
        log.create(conn, SIGNER, house="test", now=NOW)
        for who in PEOPLE:
            told = {"dataset": "customers", "source": "crm", "load": "l1", "notice": NOTICE}
            _record(conn, {"kind": "collection", "subject": who, "effective": 1, "by": "test", **told})
            _record(conn, _said(who, "given", 10))
    return engine


def _said(who: str, act: str, effective: int, **more: Any) -> Entry:
    said = {"kind": "choice", "subject": who, "purpose": "news", "act": act, "learned": 50, "effective": effective}
    return said | {"method": "paper", "grade": "paper", "voice": "self", "authenticated": 1, "by": "test"} | more


def _record(conn: Connection, entry: Entry) -> None:
    added = log.append(conn, [{**entry, "role": "controller"}], NOW, SIGNER)
    state.apply(conn, [(added.first_index, entry)], lambda _who, _index, _entry: {})


def _statuses(conn: Connection, lake: Path, t: int = 100) -> dict[str, Any]:
    reads = frozenset({"choice.status", "told.requested"})
    asked = Asked("news", "", "", Instant(t), log.head(conn).size, reads, notices={NOTICE: 0})
    with open_lake(conn, lake, {}) as duck:
        people = population.read(duck, conn, lake, asked)
    found = {no: people.facts["choice.status"][at] for no, at in zip(people.numbers, people.classes, strict=True)}
    return {who: found.get(no) for who, no in numbers(conn, PEOPLE).items()}


def test_what_is_said_while_a_copy_is_prepared_is_read_from_the_records(engine: Engine, lake: Path) -> None:
    """A copy that was written without the lock speaks for those of whom nothing was said meanwhile."""
    with Drafts(lake) as drafts:
        with db.read(engine) as conn:
            prepared = snapshot.prepare(conn, drafts)
        with db.write(engine) as conn:
            _record(conn, _said(PEOPLE[0], "withdrawn", 20))
        with db.write(engine) as conn:
            assert segments.garbage(conn, lake) == 0
            assert snapshot.conclude(conn, prepared)
    with db.read(engine) as conn:
        assert snapshot.differences(conn, lake) == []
        assert _statuses(conn, lake) == {PEOPLE[0]: "withdrawn", **dict.fromkeys(PEOPLE[1:], "given")}
        assert set(db.fetch(conn, "SELECT no FROM consent_touched")) == {(numbers(conn, PEOPLE)[PEOPLE[0]],)}


def test_whoever_was_touched_before_and_is_again_stays_touched(engine: Engine, lake: Path) -> None:
    """Of two statements of one person, one before a new copy was read and one after, the second counts too."""
    with db.write(engine) as conn:
        snapshot.write(conn, lake)
        _record(conn, _said(PEOPLE[0], "withdrawn", 20))
        _record(conn, _said(PEOPLE[1], "withdrawn", 20))
    with Drafts(lake) as drafts:
        with db.read(engine) as conn:
            prepared = snapshot.prepare(conn, drafts)
        with db.write(engine) as conn:
            _record(conn, _said(PEOPLE[0], "given", 30))
            assert snapshot.conclude(conn, prepared)
    with db.read(engine) as conn:
        assert snapshot.differences(conn, lake) == []
        assert _statuses(conn, lake)[PEOPLE[0]] == "given"
        assert _statuses(conn, lake)[PEOPLE[1]] == "withdrawn"
        assert len(db.fetch(conn, "SELECT no FROM consent_touched")) == 1


def test_few_words_become_many_while_the_records_are_read(engine: Engine, lake: Path) -> None:
    """What a copy holds in few words counts still when the records say things that it has no words for."""
    with db.write(engine) as conn:
        snapshot.write(conn, lake)
        for act in ("refused", "withdrawn", "objected"):
            _record(conn, _said(PEOPLE[0], act, 20))
            reads, marks = frozenset({"choice.status", "choice.expires"}), {"choice.expires": (1, 2, 3, 4)}
            asked = Asked("news", "", "", Instant(100), log.head(conn).size, reads, marks)
            with open_lake(conn, lake, {}) as duck:
                people = population.read(duck, conn, lake, asked)
            held = [people.facts["choice.status"][at] for at in people.classes.tolist()]
            said = dict(zip(people.numbers.tolist(), held, strict=True))
            of = numbers(conn, PEOPLE)
            assert said == {of[PEOPLE[0]]: act, **dict.fromkeys([of[who] for who in PEOPLE[1:]], "given")}


def test_a_copy_that_holds_ended_evidence_is_not_taken(engine: Engine, lake: Path) -> None:
    """Evidence that ends while a copy is prepared is in its files: it must be prepared again, and leaves no file."""
    with Drafts(lake) as drafts:
        with db.read(engine) as conn:
            prepared = snapshot.prepare(conn, drafts)
        with db.write(engine) as conn:
            _record(
                conn, {"kind": "erasure", "subject": PEOPLE[0], "step": "evidence_ended", "effective": 60, "by": "test"}
            )
            assert not snapshot.conclude(conn, prepared)
    assert list(lake.iterdir()) == []


def test_a_copy_of_a_former_format_is_not_read(engine: Engine, lake: Path) -> None:
    """What an earlier version wrote is passed over, and goes with the next copy."""
    with db.write(engine) as conn:
        former = pa.table({"_no": pa.array([1], pa.int64()), "status": ["withdrawn"]})
        segments.add_segment(conn, lake, "facts:choice", former, "snapshot")
        db.run(conn, "INSERT INTO consent_base (id, size) VALUES (1, ?)", (log.head(conn).size,))
    with db.read(engine) as conn:
        assert snapshot.open_base(conn, lake) is None
        assert snapshot.differences(conn, lake) == []
        assert set(_statuses(conn, lake).values()) == {"given"}
    with db.write(engine) as conn:
        snapshot.write(conn, lake)
        assert not segments.segments(conn, "facts:choice")
    with db.read(engine) as conn:
        assert snapshot.open_base(conn, lake) is not None
        assert set(_statuses(conn, lake).values()) == {"given"}


def test_a_copy_without_its_words_or_its_people_decides_nothing(engine: Engine, lake: Path) -> None:
    """Words of another copy are refused, and what is missing is found by the check."""
    with db.write(engine) as conn:
        snapshot.write(conn, lake)
    with db.write(engine) as conn:
        words = segments.segments(conn, base.dataset("words"))
        held = pq.read_table(lake / words[0].file)
        segments.retire(conn, words)
        segments.add_segment(conn, lake, base.dataset("words"), held.slice(1), "attack")
        with pytest.raises(Unsafe):
            _statuses(conn, lake)
        segments.retire(conn, segments.segments(conn, base.dataset("words")))
        assert snapshot.differences(conn, lake)


def test_a_reader_whose_files_went_away_is_asked_to_come_again(engine: Engine, lake: Path) -> None:
    """A copy that was replaced and unlinked while somebody read by it is no error of the rules, and nobody's no."""
    with db.write(engine) as conn:
        snapshot.write(conn, lake)
    with db.read(engine) as conn:
        before = {segment.file for segment in segments.segments(conn)}
        with db.write(engine) as other:
            snapshot.write(other, lake)
        for name in before:
            (lake / name).unlink()
        with pytest.raises(Conflict, match="ask again"):
            _statuses(conn, lake)
        with pytest.raises(Conflict, match="ask again"):
            snapshot.subjects(conn, lake, np.array([1]))
    with db.read(engine) as conn:
        assert _statuses(conn, lake)


def test_a_copy_whose_files_are_gone_is_told(engine: Engine, lake: Path) -> None:
    """Files that the newest manifest names and nobody finds do not come back by asking again."""
    with db.write(engine) as conn:
        snapshot.write(conn, lake)
    for path in lake.iterdir():
        path.rename(path.with_suffix(".gone"))
    with db.read(engine) as conn:
        with pytest.raises(Unsafe, match="are gone"):
            _statuses(conn, lake)
        with pytest.raises(Unsafe, match="are gone"):
            snapshot.subjects(conn, lake, np.array([1]))


def test_subjects_come_alike_from_the_copy_and_from_the_records(engine: Engine, lake: Path) -> None:
    """Whose numbers these are is the same with a copy, without one, and for those touched since."""
    with db.write(engine) as conn:
        nos = np.array(sorted(numbers(conn, PEOPLE).values()))[1:-1]
        plain = _whose(snapshot.subjects(conn, lake, nos))
        snapshot.write(conn, lake)
        assert _whose(snapshot.subjects(conn, lake, nos)) == plain
        _record(conn, _said(PEOPLE[2], "withdrawn", 20))
        assert _whose(snapshot.subjects(conn, lake, nos)) == plain
        held = {no: bytes.fromhex(who) for who, no in numbers(conn, PEOPLE).items()}
        assert plain == {no: held[no] for no in nos.tolist()}


def _whose(found: tuple[np.ndarray, bytes]) -> dict[int, bytes]:
    return {no: found[1][at * 16 : at * 16 + 16] for at, no in enumerate(found[0].tolist())}
