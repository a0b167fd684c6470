"""Settings and databases that every test shares."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from sqlalchemy import Engine

from pacte.kernel import db
from pacte.testing.postgres import Server

settings.register_profile("pacte", deadline=None, print_blob=True)
settings.load_profile("pacte")

os.environ.setdefault("PACTE_CHROMIUM", "none")  # a picture takes seconds: the test of pictures names a browser

DATABASES = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server of this test process, in a directory of its own.

    Not below pytest's: each start of pytest shuts that one to everybody else, and the server is another user.
    """
    with tempfile.TemporaryDirectory(prefix="pacte-pg-") as directory:
        server = Server(Path(directory) / "data")
        yield server
        server.close()


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty record database is: a test that takes it runs on both."""
    if request.param == "sqlite":
        return str(tmp_path / "records.db")
    server: Server = request.getfixturevalue("postgres")
    return server.database()


@pytest.fixture(scope="session", params=DATABASES)
def records(request: pytest.FixtureRequest) -> Callable[[], str]:
    """Where a new house shall have its records, as `app.house.create` takes it: a test that takes it runs on both."""
    if request.param == "sqlite":
        return lambda: ""
    server: Server = request.getfixturevalue("postgres")
    return server.database


@pytest.fixture
def open_engine() -> Iterator[Callable[[str], Engine]]:
    """Opens databases and lets go of them after the test."""
    opened: list[Engine] = []

    def opener(where: str) -> Engine:
        opened.append(db.open_database(where))
        return opened[-1]

    yield opener
    for engine in opened:
        engine.dispose()
