"""A time-stamping authority of the tests' own: its root, its certificate, and `openssl ts -reply` behind HTTP."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Respond = Callable[[BaseHTTPRequestHandler, bytes], None]


@contextmanager
def served(respond: Respond) -> Iterator[str]:
    """An HTTP server on the loopback whose POSTs are answered by `respond`; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            respond(self, self.rfile.read(int(self.headers["Content-Length"])))

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def reply(handler: BaseHTTPRequestHandler, status: int, kind: str, body: bytes) -> None:
    """Answer and close the connection."""
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(body)))
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.wfile.write(body)


@dataclass
class Authority:
    """One authority: `kind` is `ec` or `rsa`; its certificate is good for `life` from now, and for time-stamps."""

    home: Path
    kind: str = "ec"
    life: timedelta = timedelta(days=30)
    began: timedelta = timedelta(days=60)
    root: str = "Root of a test"
    change: Callable[[bytes], bytes] = field(default=lambda query: query)
    asked: int = 0

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True)
        root, leaf = self._key(), self._key()
        root_name, leaf_name = _name(self.root), _name("Clock of a test")
        root_cert = (
            _certificate(root_name, root_name, root.public_key(), timedelta(days=3650), self.began)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(root, hashes.SHA256())
        )
        leaf_cert = (
            _certificate(leaf_name, root_name, leaf.public_key(), self.life, self.began)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
            .sign(root, hashes.SHA256())
        )
        (self.home / "ca.pem").write_bytes(root_cert.public_bytes(Encoding.PEM))
        (self.home / "tsa.pem").write_bytes(leaf_cert.public_bytes(Encoding.PEM))
        pem = leaf.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (self.home / "tsa.key").write_bytes(pem)
        (self.home / "serial").write_text("01\n")
        (self.home / "tsa.cnf").write_text(
            "[tsa]\ndefault_tsa = clock\n[clock]\n"
            f"serial = {self.home}/serial\nsigner_cert = {self.home}/tsa.pem\nsigner_key = {self.home}/tsa.key\n"
            "signer_digest = sha256\ndefault_policy = 1.2.3.4.1\ndigests = sha256\ness_cert_id_alg = sha256\n"
            "accuracy = secs:1\nordering = yes\n"
        )

    @property
    def ca(self) -> Path:
        """The root certificate that a client trusts."""
        return self.home / "ca.pem"

    def stamp(self, query: bytes) -> bytes:
        """The answer to a request, made by openssl."""
        self.asked += 1
        source, target = self.home / f"{self.asked}.tsq", self.home / f"{self.asked}.tsr"
        source.write_bytes(self.change(query))
        options = ["-config", str(self.home / "tsa.cnf"), "-queryfile", str(source), "-out", str(target)]
        subprocess.run(["openssl", "ts", "-reply", *options], check=True, capture_output=True)
        return target.read_bytes()

    def respond(self, handler: BaseHTTPRequestHandler, query: bytes) -> None:
        """Answer over HTTP, as RFC 3161 §3.4 says."""
        assert handler.headers["Content-Type"] == "application/timestamp-query"
        reply(handler, 200, "application/timestamp-reply", self.stamp(query))

    def _key(self) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey:
        if self.kind == "ec":
            return ec.generate_private_key(ec.SECP256R1())
        return rsa.generate_private_key(public_exponent=65_537, key_size=2048)


def drip(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    """Answer one header byte every tenth of a second, for half a minute: no single read ever waits long."""
    try:
        for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"y" * 275:
            handler.wfile.write(bytes([byte]))
            handler.wfile.flush()
            time.sleep(0.1)
    except OSError:
        pass  # the client has gone, as it should
    handler.close_connection = True


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
    life: timedelta,
    began: timedelta,
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - began)
        .not_valid_after(now + life)
    )
