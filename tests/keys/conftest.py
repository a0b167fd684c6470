"""A real key service in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pacte.testing.keyserver import KeyServer


@pytest.fixture
def served(tmp_path: Path) -> Iterator[KeyServer]:
    service = KeyServer(tmp_path)
    service.start()
    yield service
    service.stop()
