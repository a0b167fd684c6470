"""Internal numbers, on a real SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from pacte.kernel.db import metadata, open_sqlite, read, write
from pacte.kernel.ids import SubjectId, new_subject_id
from pacte.lake.numbers import BLOCK, allot, numbers, release, subjects


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A record database with every table."""
    engine = open_sqlite(tmp_path_factory.mktemp("house") / "records.db")
    with write(engine) as conn:
        metadata.create_all(conn)
    yield engine
    engine.dispose()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.integers(0, 400), max_size=60), max_size=4))
def test_a_person_has_one_number_and_a_number_one_person(engine: Engine, batches: list[list[int]]) -> None:
    """However often and in whatever batches persons are asked for, numbers and persons correspond one to one."""
    for batch in batches:
        ids = [SubjectId(f"{one:032x}") for one in batch]
        with write(engine) as conn:
            found = allot(conn, ids)
        with read(engine) as conn:
            assert numbers(conn, ids) == found
            assert subjects(conn, found.values()) == {no: subject for subject, no in found.items()}
            assert numbers(conn, [new_subject_id()]) == {}
        assert len(set(found.values())) == len(found) == len(set(ids))


def test_numbers_are_dense_and_do_not_tell_who_came_first(tmp_path: Path) -> None:
    """Two blocks of people take the first numbers there are, in an order that is not that of their arrival."""
    engine = open_sqlite(tmp_path / "records.db")
    with write(engine) as conn:
        metadata.create_all(conn)
        drawn = [no for _ in range(4) for no in allot(conn, [new_subject_id() for _ in range(BLOCK // 2)]).values()]
    assert sorted(drawn) == list(range(1, 2 * BLOCK + 1))
    assert sorted(drawn[:BLOCK]) == list(range(1, BLOCK + 1))
    rising = sum(one < other for one, other in pairwise(drawn))
    assert 0.45 < rising / len(drawn) < 0.55
    engine.dispose()


def test_a_released_number_is_never_drawn_again(tmp_path: Path) -> None:
    """When a person is forgotten, the number belongs to nobody for ever, even to the same person come back."""
    engine = open_sqlite(tmp_path / "records.db")
    who = new_subject_id()
    with write(engine) as conn:
        metadata.create_all(conn)
        first = allot(conn, [who])[who]
        release(conn, [first])
        assert numbers(conn, [who]) == {}
        later = allot(conn, [who, *(new_subject_id() for _ in range(2 * BLOCK))])
    assert first not in later.values()
    engine.dispose()


@pytest.mark.slow
def test_numbers_for_fifty_thousand_people_are_quick(engine: Engine) -> None:
    """A large load does not wait for its numbers."""
    ids = [new_subject_id() for _ in range(50_000)]
    with write(engine) as conn:
        began = process_time()  # this process's own work: what else the machine does is not counted
        allot(conn, ids)
        assert process_time() - began < 3, "about 0.2 s alone on one core"
