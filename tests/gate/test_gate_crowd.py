"""Crowds: a population by the million is decided as a replay of its events would decide it, in little memory."""

from __future__ import annotations

import multiprocessing
import resource
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from bench import crowd, population
from pacte.kernel import db

MILLION = 1_000_000
BYTES_PER_PERSON = 500
"""Of disk, for files and events."""
GIGABYTES = 4.0


def _decided(folder: str, found: dict[str, Any]) -> tuple[list[int], float]:
    """How many are permitted by consent alone and by all rules, now and as known then; the greatest memory in GB."""
    lake = crowd.Crowd(**found)
    engine = db.open_sqlite(Path(folder) / population.RECORDS)
    with db.read(engine) as conn:
        house = population.Asked(conn, lake, *population.rules())
        counts = [
            house.decide(rules, known) for rules in (house.consent, house.whole) for known in (None, lake.size // 2)
        ]
    return counts, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def _crowd(folder: Path, people: int) -> None:
    engine, found = population.built(folder, people)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        counts, gigabytes = pool.apply(_decided, (str(folder), asdict(found)))
    with db.read(engine) as conn:
        house = population.Asked(conn, found, *population.rules())
        assert counts[:2] == [population.replayed(house, found.size), population.replayed(house, found.size // 2)]
    assert 0 < counts[2] < counts[0] < people
    assert 0 < counts[3] < counts[1] < counts[0]
    assert gigabytes < GIGABYTES
    engine.dispose()


@pytest.mark.slow
def test_a_crowd_is_decided_as_its_events_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty thousand people, two hundred thousand statements, some heard of late: intervals and events agree."""
    monkeypatch.setattr(population, "SLICE", 7_000)  # as a hundred million people are replayed
    _crowd(tmp_path, 30_000)


@pytest.mark.soak
def test_a_hundred_million_people_fit_into_four_gigabytes(tmp_path: Path) -> None:
    """A hundred million people with 660 million statements are decided within 4 GB."""
    people, free = 100 * MILLION, shutil.disk_usage(tmp_path).free
    if free < people * BYTES_PER_PERSON:
        pytest.skip(f"needs {people * BYTES_PER_PERSON // 10**9} GB of disk; {free // 10**9} GB are free")
    _crowd(tmp_path, people)
