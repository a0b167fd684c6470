"""The `pacte` that starts at once does what the installed one does, as far as whoever calls it can see."""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.console import environment

SCRIPTS = [
    "pacte nope; echo $?; pacte --version; echo $?",
    "pacte --version > /dev/full; echo $?; pacte --help | head -n 1",
    "mkdir inner; cd inner; umask 027; pacte init shop > said; echo $?; stat -c %a said shop/*.yaml shop/records.db",
    "pacte init shop > new; echo nobody | PACTE_HOUSE=shop PACTE_LANGUAGE=fr pacte may - newsletter --json; echo $?",
    "pacte may 'é ü' newsletter -H nowhere; echo $?",
    "PYTHONIOENCODING=latin-1 pacte --version; pacte --version <&-",
]


def shell(script: str, folder: Path, first: Path | None) -> tuple[int, str, str]:
    """Run a script in a new folder: how it ends and what it says."""
    folder.mkdir()
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environment(folder, first), capture_output=True, text=True, timeout=120
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("script", SCRIPTS)
def test_both_programs_do_the_same(script: str, quick: Path, tmp_path: Path) -> None:
    """Status, words, working directory, umask, environment and standard streams are those of the installed program."""
    assert shell(script, tmp_path / "quick", quick) == shell(script, tmp_path / "installed", None)


@pytest.mark.parametrize(
    ("before", "status"), [("PACTE_LANGUAGE=fr", 0), ("HOME=/", 0), ("LC_ALL=C", 1), ("TZ=UTC", 1)]
)
def test_an_interpreter_that_starts_otherwise_is_one_of_its_own(
    before: str, status: int, quick: Path, tmp_path: Path
) -> None:
    """Beside a link that leads to no installed program, only what runs in the server runs."""
    for name in ("socket", "environment"):
        (tmp_path / name).symlink_to(quick / name)
    shutil.copy2(quick / "pacte", tmp_path)
    (tmp_path / "installed").symlink_to("/nowhere/pacte")
    ended, said, _ = shell(f"{before} pacte --version", tmp_path / "folder", tmp_path)
    assert (ended, bool(said)) == (status, status == 0)


@pytest.fixture
def running(quick: Path, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A service of keys that answers, as its caller sees it, and the process that answers."""
    command = [quick / "pacte", "keys", "serve", "--create", "--socket", "s", "--keys", "keys"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment(tmp_path, quick), stdout=subprocess.PIPE, text=True
    ) as shim:
        assert shim.stdout
        assert shim.stdout.readline()
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(os.path.relpath(tmp_path / "s"))
            peer = caller.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        yield shim, struct.unpack("3i", peer)[0]
        shim.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_the_command(number: int, running: tuple[subprocess.Popen[str], int]) -> None:
    """A service that is told to end ends well, and so does the program that was started."""
    shim, _ = running
    shim.send_signal(number)
    assert shim.wait(60) == 0


@pytest.mark.parametrize("killed", ["shim", "child"])
def test_both_end_together(killed: str, running: tuple[subprocess.Popen[str], int]) -> None:
    """Whoever kills the program that was started kills what it started, and the other way round."""
    shim, child = running
    with os.fdopen(os.pidfd_open(child)) as gone:
        os.kill({"shim": shim.pid, "child": child}[killed], signal.SIGKILL)
        assert select.select([gone], [], [], 60)[0]
    assert shim.wait(60) == -signal.SIGKILL
