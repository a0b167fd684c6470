"""A real web server on this machine that takes messages, or refuses, dawdles, redirects, or is not there."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass
class Receiver:
    """What came, and how to answer: with `status`, after `delay` seconds, in drips of a byte where `drips` is set.

    Over TLS with a `certificate`: a PEM file with its key.
    """

    status: int = 204
    delay: float = 0.0
    drips: bool = False
    location: str = ""
    certificate: Path | None = None
    port: int = 0
    taken: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http{'s' if self.certificate else ''}://127.0.0.1:{self.port}/hooks?from=house"

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The messages, as they came."""
        return [json.loads(body) for _, body in self.taken]


def signed(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """Whether a message is signed with a shared secret, by the letter of Standard Webhooks."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    said = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{body.decode()}".encode()
    wanted = base64.b64encode(hmac.new(key, said, hashlib.sha256).digest()).decode()
    return f"v1,{wanted}" in headers["webhook-signature"].split(" ")


@contextmanager
def receiving(**how: Any) -> Iterator[Receiver]:
    """A receiver on a free port while the block runs."""
    found = Receiver(**how)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Take a message."""
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.taken.append(({name.lower(): value for name, value in self.headers.items()}, body))
            time.sleep(found.delay)
            if found.drips:
                for byte in b"HTTP/1.1 200 OK\r\n" + b"X-Slow: 1\r\n" * 1000:
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
                    time.sleep(0.05)
                return
            self.send_response(found.status)
            if found.location:
                self.send_header("Location", found.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST  # noqa: N815 # the library's spelling

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """A client that went away is what some tests want."""

    server = Server(("127.0.0.1", 0), Handler)
    found.port = server.server_address[1]
    if found.certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(found.certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
