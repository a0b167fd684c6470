"""Houses that the tests of this folder attack: each test works on a copy of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.threats.shop import empty_house, shop_files


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A house with forty customers, closed; tests work on copies of it."""
    root = tmp_path_factory.mktemp("furnished")
    with empty_house(root / "house") as house:
        for file in shop_files(root / "files"):
            house.load(file)
        assert house.check() == []
    return root / "house"


@pytest.fixture
def home(furnished: Path, tmp_path: Path) -> Path:
    """A copy of the furnished house, closed."""
    target = tmp_path / "house"
    shutil.copytree(furnished, target)
    return target
