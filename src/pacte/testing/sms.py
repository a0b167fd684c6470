"""A service that takes text messages by HTTP, on this machine: for tests and demonstrations, it sends nothing on."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LARGEST = 65_536


@dataclass
class Service:
    """What was taken, each name once; `status` is how it answers (0: it hangs up), `key` what callers must show."""

    key: str = ""
    status: int = 201
    port: int = 0
    taken: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where messages are posted to."""
        return f"http://127.0.0.1:{self.port}/messages"

    @property
    def settings(self) -> str:
        """What the settings of a house say so that its text messages come here; the key is `env:PACTE_SMS_KEY`."""
        return f'\n[sms]\nurl = "{self.url}"\nkey = "env:PACTE_SMS_KEY"\nfrom = "36180"\n'

    def take(self, message: dict[str, str], key: str) -> int:
        """Take a message; answers the status."""
        if self.key and key != f"Bearer {self.key}":
            return 401
        if not 200 <= self.status < 300:
            return self.status
        if message["id"] in self.taken:
            return 409
        self.taken[message["id"]] = message
        return self.status


@contextmanager
def service(key: str = "", port: int = 0) -> Iterator[Service]:
    """A service on a port (a free one) while the block runs."""
    found = Service(key)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = min(int(self.headers.get("Content-Length", "0")), LARGEST)
            status = found.take(json.loads(self.rfile.read(size)), self.headers.get("Authorization", ""))
            if not status:
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Numbers and words come in what is logged."""

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        found.port = int(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()
