"""Every crash point that the code names, on PostgreSQL: a real process dies there (SIGKILL), and nothing is lost.

The lake is there as well; the points that only a lake in files has are told of a house that keeps its files.
Afterwards the whole house checks, everything that was acknowledged is there, everything that was released is recorded,
and the same story told again ends where an undisturbed one ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pacte.testing.postgres import Server
from tests.threats.crash import (
    CASES,
    ENDS,
    OF_FILES,
    Prepared,
    dies_and_lives_on,
    ends_all_the_same,
    is_founded_again,
    named,
    prepare,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, postgres: Server) -> Iterator[Prepared]:
    """A house with its story."""
    found = prepare(tmp_path_factory.mktemp("crash"), postgres)
    yield found
    found.teller.close()


@pytest.fixture(scope="module")
def in_files(tmp_path_factory: pytest.TempPathFactory, postgres: Server) -> Iterator[Prepared]:
    """A house whose lake stayed in files, with its story."""
    found = prepare(tmp_path_factory.mktemp("files"), postgres, "files")
    yield found
    found.teller.close()


HERE = [(point, nth) for point, nth in CASES if point not in OF_FILES]


@pytest.mark.parametrize(("point", "nth"), HERE, ids=named(HERE))
def test_a_process_that_dies_there_loses_nothing(prepared: Prepared, tmp_path: Path, point: str, nth: int) -> None:
    """The house checks, what was said is there, and the story told again comes to the same end."""
    dies_and_lives_on(prepared, prepared.copy(tmp_path / "house"), point, nth)


@pytest.mark.parametrize("point", [*OF_FILES, "segment-named", "segments-rewritten", "rows-gone"])
def test_it_loses_nothing_where_the_lake_stayed_in_files(in_files: Prepared, tmp_path: Path, point: str) -> None:
    """Records in PostgreSQL and files beside them: what the one names the other has."""
    dies_and_lives_on(in_files, in_files.copy(tmp_path / "house"), point, 1)


@pytest.mark.parametrize("point", [point for point in ENDS if point not in OF_FILES])
def test_the_end_of_evidence_cut_short_is_finished(prepared: Prepared, tmp_path: Path, point: str) -> None:
    """The evidence is gone or stands; ended again it is gone, and the house checks."""
    ends_all_the_same(prepared, prepared.copy(tmp_path / "house"), point)


@pytest.mark.parametrize("point", [point for point in ENDS if point in OF_FILES])
def test_it_is_finished_where_the_lake_stayed_in_files(in_files: Prepared, tmp_path: Path, point: str) -> None:
    """The same of the copies of derived state, which only such a lake has."""
    ends_all_the_same(in_files, in_files.copy(tmp_path / "house"), point)


def test_a_founding_cut_short_is_founded_again(prepared: Prepared, tmp_path: Path) -> None:
    """No house stands where the founding died after its anchor; founding it again works."""
    is_founded_again(prepared, tmp_path / "founded", prepared.server.database() if prepared.server else "")
