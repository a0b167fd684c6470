"""Tidying a house: fewer files, the same answers, on both databases' houses; and the worker does it by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from pacte.app import compaction
from pacte.app.jobs import HANDLERS, ROUND
from pacte.consent import snapshot
from pacte.lake import segments
from pacte.lake.schema import schema_of
from pacte.testing.postgres import Server
from pacte.testing.world import World, world
from tests.lake.test_lake_compaction import _rows

SHAPE = schema_of({"shop": "string"})


@pytest.fixture
def home(tmp_path: Path) -> World:
    """A house with three people and six small files of what they did."""
    home = world(tmp_path / "house")
    for _ in range(3):
        home.said(home.person(), "given", channel="email")
    with home.house.writing() as conn:
        for at in range(6):
            segments.add_segment(conn, home.house.lake, "visits", _rows(at * 10, [1, None], SHAPE), "load")
    return home


def test_small_files_become_one_and_the_house_stays_sound(home: World) -> None:
    """The rows are the same, the old files go with the next tidying, and what is going on shows."""
    seen: list[tuple[int, int]] = []
    first = compaction.compact(home.house, lambda done, of: seen.append((done, of)))
    assert (first.gathered, first.written, first.folded) == (6, 1, False)
    assert seen[-1] == (12, 12)
    assert len(list(home.house.lake.iterdir())) == 7
    second = compaction.compact(home.house)
    assert (second.gathered, second.written, second.unlinked) == (0, 0, 6)
    assert home.house.check() == []


def test_in_postgresql_there_is_nothing_to_tidy(tmp_path: Path, postgres: Server) -> None:
    """However small the loads were, and whoever insists: rows stay where they are, and no file appears."""
    home = world(tmp_path / "house", database=postgres.database())
    home.said(home.person(), "given", channel="email")
    with home.house.writing() as conn:
        for at in range(6):
            segments.add_segment(conn, home.house.lake, "visits", _rows(at * 10, [1, None], SHAPE), "load")
    done = compaction.compact(home.house)
    assert (done.gathered, done.written, done.folded, done.unlinked) == (0, 0, False, 0)
    assert not compaction.renew(home.house, always=True)
    assert list(home.house.lake.iterdir()) == []
    assert home.house.check() == []


def test_an_overlay_is_folded_into_a_new_copy(home: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was said since the last copy is in the next one; who has access stays the same."""
    monkeypatch.setattr(snapshot, "WORTH", 1)
    assert compaction.compact(home.house).folded
    home.said(home.people[0], "withdrawn", channel="email")
    assert len(home.house.declare("newsletter", channel="email").permits) == 2
    assert compaction.renew(home.house)
    assert not compaction.renew(home.house)
    assert compaction.renew(home.house, always=True)
    assert len(home.house.declare("newsletter", channel="email").permits) == 2
    assert home.house.check() == []


def test_the_worker_tidies(home: World) -> None:
    """Tidying comes round by itself, and may be done twice."""
    assert "compact" in ROUND
    for _ in range(2):
        HANDLERS["compact"](home.house, None, home.clock())  # type: ignore[arg-type] # it asks nothing of its job
    with home.house.reading() as conn:
        assert len(segments.segments(conn, "visits")) == 1
