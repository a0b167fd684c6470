"""A mail server of the tests' own: real SMTP on this machine, with TLS and a password where a test asks for them."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

USER, PASSWORD = "house", "correct horse"


@dataclass
class Mailbox:
    """What the server has taken, and what it does to those who send. `refuse` is a reply such as `451 later`."""

    port: int = 0
    taken: list[EmailMessage] = field(default_factory=list)
    refuse: str = ""

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 # the library's name
        """Take a message, or refuse it."""
        if self.refuse:
            return self.refuse
        self.taken.append(message_from_bytes(envelope.content, policy=policy.default))  # type: ignore[arg-type]
        return "250 taken"

    def letter(self, place: int = -1) -> str:
        """The text of a message."""
        body = self.taken[place].get_body(("plain",))
        assert body is not None
        return str(body.get_content())


class _Server(Controller):
    def __init__(self, box: Any, tls: str, certificate: ssl.SSLContext | None, *, password: bool) -> None:
        self._options: dict[str, Any] = {}
        if tls == "starttls":
            self._options |= {"tls_context": certificate, "require_starttls": True}
        if password:
            self._options |= {
                "authenticator": _authenticate,
                "auth_required": True,
                "auth_require_tls": tls == "starttls",
            }
        super().__init__(box, hostname="127.0.0.1", port=0, ssl_context=certificate if tls == "implicit" else None)

    def factory(self) -> SMTP:
        return SMTP(self.handler, **self._options)

    def _trigger_server(self) -> None:
        # Port 0: the port that the system gave is known once the server listens.
        self.port = self.server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        super()._trigger_server()


def _authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
    known = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=known)


@contextmanager
def mail_server(tls: str = "none", certificate: Path | None = None, *, password: bool = False) -> Iterator[Mailbox]:
    """A mail server on a free port while the block runs; `certificate` is a PEM file with its key."""
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    box = Mailbox()
    server = _Server(box, tls, context, password=password)
    server.start()
    box.port = server.port
    try:
        yield box
    finally:
        server.stop()


@contextmanager
def serving(handler: Any) -> Iterator[int]:
    """A mail server that asks this handler, in the clear, on a free port while the block runs; answers the port."""
    server = _Server(handler, "none", None, password=False)
    server.start()
    try:
        yield server.port
    finally:
        server.stop()


def certificate(folder: Path) -> Path:
    """A certificate for this machine with its key in one PEM file; it is its own authority."""
    target = folder / "server.pem"
    key = folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
         "-keyout", str(key), "-out", str(target)],
        check=True, capture_output=True,
    )  # fmt: skip
    target.write_bytes(target.read_bytes() + key.read_bytes())
    return target
