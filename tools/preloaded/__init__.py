"""A `pacte` that starts at once: for pages and tests that run many commands, most of whose time is imports.

One process (`server`) imports every module of pacte, reads its law packs, puts its commands together, and waits. A
program named `pacte` (`shim`), first on the PATH, hands it the arguments, environment, working directory, umask,
ignored signals and standard streams of a command. The server forks for each one, and the child does what the installed
program does from its first line on, as a process of its own, apart from the terminal. The shim passes signals on and
ends as the child ends; a child dies with its shim.

What differs from the installed program: the hash seed is that of the server, limits set by `ulimit` are not heard, `ps`
shows the server's command line, and modules are not taken down in the end. A command whose environment differs in
anything but `PACTE_…`, `SHOP_…`, `NEW_…`, `HOME` and what the shell keeps for itself is run with the installed program,
for an interpreter reads its environment when it starts.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

INSTALLED = Path(sys.executable).with_name("pacte")
_HERE = Path(__file__).parent
_LONGEST = 120
"""Characters that may stand in the first line of a program, and that a socket's name may have."""


@contextmanager
def preloaded(environment: Mapping[str, str]) -> Iterator[Path]:
    """A folder with a quick `pacte` for commands run in this environment; it must stand first on their PATH.

    Where this cannot be (no descriptors of processes, a path too long), the folder is empty, and the installed program
    is found behind it.
    """
    with tempfile.TemporaryDirectory(prefix="pacte-") as name:
        folder = Path(name)
        first = f"#!{sys.executable} -IS\n"
        if not hasattr(os, "pidfd_open") or " " in sys.executable or max(len(first), len(name)) + 10 > _LONGEST:
            yield folder
            return
        with _server(folder, environment):
            shim = folder / "pacte"
            shim.write_text(first + (_HERE / "shim.py").read_text(encoding="utf-8"), encoding="utf-8")
            shim.chmod(0o700)
            yield folder


@contextmanager
def _server(folder: Path, environment: Mapping[str, str]) -> Iterator[None]:
    command = [sys.executable, str(_HERE / "server.py"), str(folder / "socket"), str(INSTALLED)]
    (folder / "installed").symlink_to(INSTALLED)
    (folder / "environment").write_bytes(b"\0".join(os.fsencode(f"{k}={v}") for k, v in environment.items()))
    # Its standard input stays open as long as this process lives and wants it.
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdin  # noqa: S101 # asked for above
        assert server.stdout  # noqa: S101 # the same
        try:
            if server.stdout.readline() != b"ready\n":
                raise RuntimeError("the process with pacte preloaded did not start; what it says is above")
            yield
        finally:
            server.stdin.close()
