"""Settings and databases that every test shares."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from sqlalchemy import Engine

from pacte.kernel import db
from pacte.testing.postgres import Server
from tools.console import environment
from tools.preloaded import preloaded

settings.register_profile("pacte", deadline=None, print_blob=True)
settings.load_profile("pacte")

os.environ.setdefault("PACTE_CHROMIUM", "none")  # a picture takes seconds: the test of pictures names a browser

DATABASES = ("sqlite", "postgresql")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Half as many test processes again as processors: many tests wait for a server, a browser or a disk."""
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return here + here // 2


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where several processes share the files, those with most slow tests come first: none is left for the end."""
    if not hasattr(config, "workerinput"):
        return
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    tests = Counter(item.path for item in items)
    items.sort(key=lambda item: (-slow[item.path], -tests[item.path], item.path))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server of this test process, in a directory of its own.

    Not below pytest's: each start of pytest shuts that one to everybody else, and the server is another user.
    """
    directory = tempfile.mkdtemp(prefix="pacte-pg-")
    try:
        server = Server(Path(directory) / "data")
        yield server
        server.close()
    finally:
        # Hundreds of databases are many thousands of files: nobody waits until they are gone.
        subprocess.Popen(["rm", "-rf", directory], start_new_session=True)


@pytest.fixture(scope="session")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a `pacte` that starts at once, for the commands of this test process."""
    with preloaded(environment(tmp_path_factory.mktemp("home"))) as folder:
        yield folder


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
