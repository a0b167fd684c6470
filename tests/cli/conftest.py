"""One small shop, made by the commands themselves, and a way to run a command as its user would."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from pacte.app import ask
from pacte.app.house import open_house
from pacte.cli.main import run as entry_point
from pacte.kernel.instant import now
from pacte.testing.retailer import generate

PURPOSE = "newsletter"


@dataclass(frozen=True)
class Done:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, which must be one JSON value and nothing else."""
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        """Standard error, which must be one JSON object and nothing else; standard output must be empty."""
        assert self.out == ""
        return json.loads(self.err)


def pacte(*arguments: str | Path, answer: str = "", **environment: str) -> Done:
    """Run `pacte` with these arguments through its entry point, on a terminal of 80 columns, in English."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    settings = {"COLUMNS": "80", "LC_ALL": "C.UTF-8", **environment}
    with (
        mock.patch.dict(os.environ, settings),
        mock.patch.object(sys, "argv", ["pacte", *map(str, arguments)]),
        mock.patch.object(sys, "stdin", io.StringIO(answer)),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as ended,
    ):
        os.environ.pop("PACTE_HOUSE", None)
        os.environ.pop("PACTE_LANGUAGE", None)
        os.environ |= environment
        entry_point()
    code = ended.value.code
    assert isinstance(code, int)
    return Done(code, *(stream.buffer.getvalue().decode() for stream in (out, err)))  # type: ignore[attr-defined]


def ok(*arguments: str | Path, **environment: str) -> Done:
    """Run a command that must end well and say nothing on standard error."""
    done = pacte(*arguments, **environment)
    assert (done.code, done.err) == (0, ""), done
    return done


@dataclass(frozen=True)
class Shop:
    """A house with three hundred people, the files they came from, and some of them by what may be done."""

    house: Path
    files: Path
    permitted: tuple[str, ...]
    denied: str
    use: str
    load_with_rejects: str

    def copy(self, target: Path) -> Shop:
        """The same house elsewhere, for a test that changes it."""
        shutil.copytree(self.house, target, copy_function=shutil.copy2)
        return Shop(target, self.files, self.permitted, self.denied, self.use, self.load_with_rejects)

    def __call__(self, *arguments: str | Path, **more: str) -> Done:
        """Run a command on this house."""
        return pacte(*arguments, "--house", self.house, **more)


@pytest.fixture(scope="session")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The shop as it was made; no test runs a command on it, so that every copy of it is the same."""
    base = tmp_path_factory.mktemp("cli")
    house = base / "shop"
    files = generate(base / "files", 300, now=now())
    ok("init", house)
    ok("publish", "--house", house)
    loads = ok("load", *files.files, "--house", house, "--json").json
    use = ok("audience", PURPOSE, "--channel", "email", "--house", house, "--json").json
    with open_house(house) as home:
        keys = [f"key:C{number:07d}" for number in range(1, 60)]
        answers = {key: ask.may(home, key, PURPOSE, channel="email").permitted for key in keys}
    permitted = tuple(key for key in keys if answers[key])
    denied = next(key for key in keys if not answers[key])
    rejects = next(load["load"] for load in loads if load["rejected"])
    return Shop(house, base / "files", permitted, denied, use["use"], rejects)


@pytest.fixture(scope="session")
def shop(opened: Shop) -> Shop:
    """The shop that tests read: only looks and answers, which it records, are added to it."""
    return opened.copy(opened.house.with_name("read"))


@pytest.fixture
def mine(opened: Shop, tmp_path: Path) -> Iterator[Shop]:
    """A copy of the shop that a test may change; the whole house is checked afterwards."""
    copy = opened.copy(tmp_path / "mine")
    yield copy
    with open_house(copy.house) as home:
        assert home.check() == []


@pytest.fixture
def spoilt(opened: Shop, tmp_path: Path) -> Shop:
    """A copy of the shop that a test may break."""
    return opened.copy(tmp_path / "spoilt")


@pytest.fixture(params=["en", "fr"])
def lang(request: pytest.FixtureRequest) -> str:
    """Each of the two languages in turn."""
    return str(request.param)


@pytest.fixture(name="pacte", scope="session")
def program() -> Callable[..., Done]:
    """The command line itself, without a house."""
    return pacte
