"""A small web server for those who watch the ledger: its newest checkpoint and its tiles, nothing else, read-only.

`/checkpoint` and `/tile/…` as C2SP describes them. It listens on the loopback unless told otherwise; whoever publishes
it puts it behind the company's own web server. No request is logged.
Source: c2sp.org/tlog-tiles.
"""

from __future__ import annotations

import errno
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

from pacte.app.house import House
from pacte.app.outside import published
from pacte.kernel.errors import BadInput, PacteError
from pacte.ledger import tiles

LOOPBACK = "127.0.0.1"

_FOR_EVER = "public, max-age=31536000, immutable"
_PATIENCE = 10


def server(house: House, address: str = LOOPBACK, port: int = 0) -> ThreadingHTTPServer:
    """A server of this house's ledger, bound and not yet serving; port 0 takes a free one."""

    class Handler(_Handler):
        watched = house

    try:
        return _Server((address, port), Handler)
    except UnicodeError:
        raise BadInput("that is no address of this machine; choose another with `--address`") from None
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        raise BadInput(
            f"port {port} is in use by another program; choose another with `--port`, or 0 for a free one"
            if taken
            else f"cannot listen at port {port} of that address: {(error.strerror or 'unknown').lower()}"
        ) from None


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing: that a client went away is no error, and its address nobody's business."""


class _Handler(BaseHTTPRequestHandler):
    watched: ClassVar[House]
    protocol_version = "HTTP/1.1"
    server_version = "pacte"
    sys_version = ""
    timeout = _PATIENCE

    def do_GET(self) -> None:
        if self.headers.get_all("Content-Length") or self.headers.get_all("Transfer-Encoding"):
            # What nobody reads here would be taken for the next request of this connection, perhaps somebody else's.
            self._send(400, "text/plain; charset=utf-8", b"a request without a body, please\n", "no-store")
            return
        try:
            self._answer()
        except PacteError:
            self._send(503, "text/plain; charset=utf-8", b"not now\n", "no-store")

    do_HEAD = do_GET  # noqa: N815 # the library's spelling

    def _answer(self) -> None:
        if self.path == "/checkpoint":
            self._send(200, "text/plain; charset=utf-8", published(self.watched).encode(), "max-age=1")
            return
        tile = tiles.parse_path(self.path)
        if tile is not None:
            with self.watched.reading() as conn:
                found = tiles.hashes(conn, tile)
            if found is not None:
                self._send(200, "application/octet-stream", found, _FOR_EVER)
                return
        self._send(404, "text/plain; charset=utf-8", b"not found\n", "no-store")

    def _send(self, status: int, kind: str, body: bytes, cached: str) -> None:
        self.send_response(status)
        for name, value in (("Content-Type", kind), ("Content-Length", str(len(body))), ("Cache-Control", cached)):
            self.send_header(name, value)
        self.send_header("X-Content-Type-Options", "nosniff")
        if status == 400:
            self.send_header("Connection", "close")  # which also makes the library close it
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: who watches a ledger is nobody's business."""
