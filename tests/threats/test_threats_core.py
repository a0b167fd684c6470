"""Core files: whoever holds the key that wraps the others leaves none, and nobody of the same name looks into it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from pacte.app.settings import KeySettings
from pacte.testing.world import TestClock
from tests.threats.shop import TODAY

HOW = """
    import ctypes, resource, sys
    {before}
    print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))  # PR_GET_DUMPABLE
"""
OPENED = "from pacte.app.house import open_house; open_house({home!r})"
RUN = """
    import pacte.cli.main as main
    try:
        main.run()
    except SystemExit:
        pass
"""


def told(before: str, *words: str) -> str:
    """What a process that allowed core files says of them after it has done this."""
    code = textwrap.dedent(HOW).replace("{before}", textwrap.dedent(before))
    allowing = f'ulimit -c unlimited 2> /dev/null; exec {sys.executable} -c "$CODE" {" ".join(words)}'
    environment = {**os.environ, "CODE": code, "PACTE_PASSPHRASE": "violet kettle"}
    done = subprocess.run(["sh", "-c", allowing], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux")
@pytest.mark.parametrize("service", ["file", "passphrase"])
def test_who_holds_the_key_leaves_no_core_file(tmp_path: Path, service: str) -> None:
    """Before a house is opened a crash may write one; afterwards none is written, whatever the system is set to."""
    from pacte.app.house import create

    home = tmp_path / "house"
    keys_in = KeySettings(service=service, passphrase="env:PACTE_PASSPHRASE" if service == "passphrase" else "")
    words = "violet kettle" if service == "passphrase" else None
    create(home, clock=TestClock(TODAY), passphrase=words, keys_in=keys_in).close()
    assert told("pass").endswith(" 1")
    assert told(OPENED.format(home=str(home))) == "(0, 0) 0"


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux")
def test_the_program_leaves_no_core_file() -> None:
    """Every command, also one that was misspelt: a passphrase may have been typed."""
    assert told(RUN, "--version") == "(0, 0) 0"
