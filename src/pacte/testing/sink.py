"""A mail server on this machine that takes everything and sends nothing on: for the demo, whose people are invented."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pacte.kernel.errors import BadInput


@dataclass
class Sink:
    """How many messages were taken, and the last of them."""

    port: int = 0
    taken: int = 0
    last: bytes = b""

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 # the library's name
        """Take a message."""
        self.taken += 1
        self.last = envelope.content
        return "250 taken"


@contextmanager
def sink() -> Iterator[Sink]:
    """A server on a free port of the loopback while the block runs; raises `BadInput` without `aiosmtpd`."""
    try:
        from aiosmtpd.controller import Controller
    except ImportError:
        raise BadInput("needs aiosmtpd; install it with `pip install pacte[demo]`") from None

    class Server(Controller):
        def _trigger_server(self) -> None:
            # Port 0: the port that the system gave is known once the server listens.
            sockets = getattr(self.server, "sockets", None)
            self.port = sockets[0].getsockname()[1] if sockets else 0
            super()._trigger_server()  # type: ignore[no-untyped-call] # the library has no types

    found = Sink()
    server = Server(found, hostname="127.0.0.1", port=0)
    server.start()
    found.port = server.port
    try:
        yield found
    finally:
        server.stop()
