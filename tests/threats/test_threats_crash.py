"""Every crash point that the code names, on SQLite: a real process dies there (SIGKILL), and nothing is lost.

Afterwards the whole house checks, everything that was acknowledged is there, everything that was released is recorded,
and the same story told again ends where an undisturbed one ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.threats.crash import (
    CASES,
    ELSEWHERE,
    ENDS,
    POINTS,
    SOURCES,
    TESTS,
    Prepared,
    dies_and_lives_on,
    ends_all_the_same,
    is_founded_again,
    named,
    prepare,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prepared]:
    """A house with its story."""
    found = prepare(tmp_path_factory.mktemp("crash"), None)
    yield found
    found.teller.close()


@pytest.mark.parametrize(("point", "nth"), CASES, ids=named(CASES))
def test_a_process_that_dies_there_loses_nothing(prepared: Prepared, tmp_path: Path, point: str, nth: int) -> None:
    """The house checks, what was said is there, and the story told again comes to the same end."""
    dies_and_lives_on(prepared, prepared.copy(tmp_path / "house"), point, nth)


@pytest.mark.parametrize("point", ENDS)
def test_the_end_of_evidence_cut_short_is_finished(prepared: Prepared, tmp_path: Path, point: str) -> None:
    """The evidence is gone or stands; ended again it is gone, and the house checks."""
    ends_all_the_same(prepared, prepared.copy(tmp_path / "house"), point)


def test_a_founding_cut_short_is_founded_again(prepared: Prepared, tmp_path: Path) -> None:
    """No house stands where the founding died after its anchor; founding it again works."""
    is_founded_again(prepared, tmp_path / "founded", "")


def test_every_crash_point_is_code_and_has_a_test() -> None:
    """A point named in a comment is given to `crash.point`; one that no story here comes to has a test that does."""
    named = {
        name for path in SOURCES.rglob("*.py") for name in re.findall(r"[Cc]rash point `([a-z-]+)`", path.read_text())
    }
    assert named <= set(POINTS), named - set(POINTS)
    assert set(ELSEWHERE) <= set(POINTS)
    for point, file in ELSEWHERE.items():
        # Whole, with the time at which to die behind it, or without the name of its verb.
        assert re.search(rf'"({point}|{point.partition("-")[2]})[":]', (TESTS / file).read_text()), point
