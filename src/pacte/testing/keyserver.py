"""A key service in a process of its own, that tests start, kill and start again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any


class KeyServer:
    """`pacte keys serve` over a socket in `base`; its key file lies in `folder`."""

    def __init__(self, base: Path) -> None:
        self.base, self.socket, self.folder = base, base / "keys.sock", base / "service"
        self._process: Any = None

    @property
    def pid(self) -> int:
        """The process to kill."""
        return int(self._process.pid)

    def start(self, folder: Path | None = None) -> None:
        """Start it, over another folder if one is named, and wait until it answers."""
        command = [str(Path(sys.executable).with_name("pacte")), "keys", "serve", "--create", "--lang", "en"]
        command += ["--socket", str(self.socket), "--keys", str(folder or self.folder)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 # our own program
        if "Answering at" not in self._process.stdout.readline():
            raise RuntimeError("the key service did not start")

    def kill(self) -> None:
        """End it as `kill -9` does."""
        self._process.kill()
        self._process.communicate()
        self._process = None

    def stop(self) -> None:
        """Ask it to end, as a service manager does."""
        if self._process is not None:
            self._process.terminate()
            self._process.communicate(timeout=20)
            self._process = None
