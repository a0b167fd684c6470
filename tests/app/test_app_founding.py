"""Founding a house: its keys serve it alone, and what fails or is cut short leaves nothing in the way."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pacte.app.house import create, open_house
from pacte.app.settings import KeySettings
from pacte.kernel.errors import BadInput, PacteError, Unsafe
from pacte.keys.store import KeyStore
from pacte.testing.keyserver import KeyServer
from tools import console

PACTE = Path(sys.executable).with_name("pacte")


@pytest.fixture(autouse=True)
def at_once(quick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands are run by the program that starts at once."""
    monkeypatch.setattr(f"{__name__}.PACTE", quick / "pacte")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[KeyServer]:
    """A key service that answers."""
    found = KeyServer(tmp_path)
    found.start()
    yield found
    found.stop()


def pacte(*words: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the program in a directory."""
    return subprocess.run(
        [PACTE, *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env=console.environment(Path.home()) | environment,
    )


def forget_owner(folder: Path) -> None:
    """Make a key store one from before stores knew their house."""
    with sqlite3.connect(folder / "keys.db") as conn:
        conn.execute("DROP TABLE keys_owner")
    conn.close()


def test_a_key_folder_serves_one_house(tmp_path: Path, records: Callable[[], str]) -> None:
    """Founding another house on it is refused and leaves nothing; also when the first house is gone from the disk."""
    folder = tmp_path / "keys"
    where = KeySettings(folder=str(folder))
    create(tmp_path / "first", keys_in=where).close()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(BadInput, match="belong to another house"):
        create(tmp_path / "second", keys_in=where, database=records())
    assert not (tmp_path / "second").exists()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    open_house(tmp_path / "first").close()
    shutil.rmtree(tmp_path / "first")
    with pytest.raises(BadInput, match="belong to another house"):
        create(tmp_path / "first", origin="shop.example/log", keys_in=where)


def test_a_key_service_serves_one_house(tmp_path: Path, service: KeyServer) -> None:
    """What one house destroys there another could never open again: the second is refused and leaves nothing."""
    where = KeySettings(service="socket", socket=str(service.socket))
    create(tmp_path / "first", keys_in=where).close()
    with pytest.raises(Unsafe, match="serves another house"):
        create(tmp_path / "second", keys_in=where)
    assert not (tmp_path / "second").exists()
    with open_house(tmp_path / "first") as house:
        assert house.check() == []


def test_keys_from_before_are_taken_over_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, service: KeyServer
) -> None:
    """Whoever opens first has them: of two houses that were made over the same keys the other does not open again."""
    where = KeySettings(folder=str(tmp_path / "keys"), service="socket", socket=str(service.socket))
    with monkeypatch.context() as before:
        before.setattr(KeyStore, "promise_to", lambda *_, **__: None)
        before.setattr(KeyStore, "belong_to", lambda *_: None)
        for name in ("first", "second"):
            create(tmp_path / name, origin="shop.example/log", keys_in=where).close()
    forget_owner(tmp_path / "keys")
    for _ in range(2):
        with open_house(tmp_path / "first") as house:
            assert house.check() == []
    with pytest.raises(Unsafe, match="belong to another house"):
        open_house(tmp_path / "second")


@pytest.mark.parametrize("gone", [False, True])
def test_a_founding_cut_short_goes_on(tmp_path: Path, service: KeyServer, gone: bool) -> None:
    """Killed before its records are in place, it is begun again in the same directory, over the same keys."""
    init = ("init", "shop", "--key-folder", "keys") + (() if gone else ("--keys", f"socket:{service.socket}"))
    point = "keys-promised" if gone else "anchored-not-founded"
    killed = pacte(*init, cwd=tmp_path, PACTE_CRASH=point)
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "shop" / "records.db").exists()
    if gone:  # even from another directory: no log was begun with these keys
        shutil.rmtree(tmp_path / "shop")
    again = pacte(*init, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert not (tmp_path / "shop" / "founding").exists()
    with open_house(tmp_path / "shop") as house:
        assert house.check() == []


def test_typed_paths_begin_where_the_caller_stands(tmp_path: Path, service: KeyServer) -> None:
    """`--key-folder` and `socket:` are read from the current directory, whichever house is made."""
    made = pacte("init", "shops/paris", "--keys", "socket:keys.sock", "--key-folder", "far/keys", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "far" / "keys" / "keys.db").exists()
    with open_house(tmp_path / "shops" / "paris") as house:
        assert house.check() == []
    assert service.socket == tmp_path / "keys.sock"


@pytest.mark.parametrize(
    "wrong",
    [
        ("--keys", "socket:nowhere.sock"),
        ("--database", "postgresql://nobody@127.0.0.1:1/none"),
        ("--origin", "two words"),
        ("--key-folder", "file/keys"),
    ],
)
@pytest.mark.parametrize("there", [False, True])
def test_a_founding_that_failed_leaves_nothing(tmp_path: Path, wrong: tuple[str, str], there: bool) -> None:
    """Neither a directory nor a key lies there afterwards, and the same place takes a house at once."""
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    if there:
        (tmp_path / "shop").mkdir()
        (tmp_path / "shop" / "notes").write_text("mine", encoding="utf-8")
    before = sorted(tmp_path.rglob("*"))
    failed = pacte("init", "shop", *wrong, cwd=tmp_path)
    assert failed.returncode in (2, 5, 6)
    assert sorted(tmp_path.rglob("*")) == before
    assert pacte("init", "shop", cwd=tmp_path).returncode == 0


def test_an_older_house_takes_its_keys_when_it_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that cannot be written now opens all the same, and is taken over with the next opening."""
    create(tmp_path / "house").close()
    forget_owner(tmp_path / "house" / "keys")

    def refuse(*_: object) -> None:
        raise PacteError("cannot be written")

    with monkeypatch.context() as now:
        now.setattr(KeyStore, "belong_to", refuse)
        open_house(tmp_path / "house").close()
    open_house(tmp_path / "house").close()
    with sqlite3.connect(tmp_path / "house" / "keys" / "keys.db") as conn:
        assert conn.execute("SELECT taken FROM keys_owner").fetchall() == [(1,)]
    conn.close()
