"""Send one message to one receiver over HTTP, and to nobody else.

The receiver's address is looked up once, checked, and that very address is connected to: a name that leads into the
company's own network, at once or at the second look-up, is refused, unless the owner said that this receiver is there.
No redirect is followed, nothing of the answer is kept but its status, and everything ends within a few seconds.
Source: OWASP Server-Side Request Forgery Prevention; RFC 6890 (special-purpose addresses).
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from pacte.kernel.errors import Unsafe

SECONDS = 10.0
"""How long one attempt may take, from the look-up of the name to the answer's status."""
CARRYING = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"), IPv6Network("2002::/16"))
"""Networks whose addresses hold an IPv4 address that a gateway may lead to."""
INSIDE = (
    IPv4Network("168.63.129.16/32"),  # the host of a virtual machine at Azure, which hands out its settings
    IPv4Network("192.88.99.0/24"),  # the nearest gateway to 2002::/16, whoever runs it: RFC 7526
    IPv6Network("3fff::/20"),  # examples: RFC 9637
    IPv6Network("fec0::/10"),  # one site's own, as machines of before still take it: RFC 3879
)
"""Networks that are nobody's on the internet, though the registries, as Python knows them, may call them global."""


class Failed(Unsafe):
    """The receiver did not take a message; `code` says why."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__("the receiver did not take the message; it is sent again later")


class Unreachable(Failed):
    """Nobody answers there, or not in time, or the certificate is not to be trusted.

    `handed`: the connection stood, so that the message may have arrived all the same.
    """

    def __init__(self, code: str, *, handed: bool = False) -> None:
        self.handed = handed
        super().__init__(code)


class Forbidden(Failed):
    """The name leads to an address of the company's own network, or of no network at all."""

    def __init__(self) -> None:
        super().__init__("private_address")


class Refused(Failed):
    """The receiver answered with anything but a success; a redirect is none."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__("redirected" if 300 <= status < 400 else f"answered_{status}")


class Receiver(Protocol):
    """Where a message goes."""

    @property
    def url(self) -> str:
        """The address that is posted to."""
        ...

    @property
    def private(self) -> bool:
        """Whether it is meant to lie in the company's own network."""
        ...

    @property
    def ca(self) -> str:
        """A PEM file of the one authority that is believed about its certificate; empty for the public ones."""
        ...


def post(
    receiver: Receiver,
    body: bytes,
    headers: Mapping[str, str],
    house: Path = Path(),
    begun: Callable[[], None] = lambda: None,
) -> int:
    """Send a message; answers the status. Raises `Failed`, which holds no word of the receiver's.

    `house` is the folder where the receiver's `ca` lies, unless it names its own. `begun` is called once the connection
    stands, before the first byte of the message: what it raises ends it there.
    """
    parts = urlsplit(receiver.url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    context = _trust(house / receiver.ca if receiver.ca else None) if secure else None
    connection = _Bounded(host, parts.port or (443 if secure else 80), context, private=receiver.private)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    sent = {"Content-Type": "application/json", "User-Agent": "pacte", "Connection": "close", **headers}
    try:
        connection.connect()
        begun()
        connection.request("POST", path, body, sent)
        status = connection.getresponse().status
        if connection.over:  # what was cut off may look like an answer
            raise Unreachable("slow", handed=True)
        return status
    except Failed:
        raise
    except ssl.SSLError:
        raise Unreachable("certificate") from None
    except (OSError, http.client.HTTPException, ValueError):
        raise Unreachable("slow" if connection.over else "unreachable", handed=connection.stands) from None
    finally:
        connection.end()


class _Bounded(http.client.HTTPConnection):
    """A connection to an address that was looked at, cut when its time is over, however slowly the other side talks."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext | None, *, private: bool) -> None:
        super().__init__(host, port, timeout=SECONDS)
        self._context, self._private = context, private
        self.over = self.stands = False
        self._timer = threading.Timer(SECONDS, self._cut)
        self._timer.daemon = True

    def connect(self) -> None:
        """Look the name up, and connect to an address that may be connected to."""
        self._timer.start()
        found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
        if not addresses or not all(self._private or allowed(one, self.host) for one in addresses):
            raise Forbidden
        self.sock = self._first(addresses)
        if self._context is not None:
            self.sock = self._context.wrap_socket(self.sock, server_hostname=self.host, do_handshake_on_connect=False)
            self.sock.do_handshake()
        self.stands = True

    def end(self) -> None:
        """Let go of everything."""
        self._timer.cancel()
        self.close()

    def _first(self, addresses: list[str]) -> socket.socket:
        for place, address in enumerate(addresses[:4], start=1):
            try:
                return socket.create_connection((address, self.port), timeout=SECONDS / min(len(addresses), 4))
            except OSError:
                if place == min(len(addresses), 4):
                    raise
        raise Unreachable("unreachable")

    def _cut(self) -> None:
        self.over = True
        sock: Any = self.sock
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                return


def _trust(ca: Path | None) -> ssl.SSLContext:
    """Who is believed about a certificate: the public authorities, or the one of this file alone."""
    try:
        return ssl.create_default_context(cafile=ca)
    except OSError:  # also a file that holds no certificate
        raise Unreachable("ca_file") from None


def allowed(address: str, host: str) -> bool:
    """Whether a message may go to an address that a name leads to: one of the internet, or this machine by its name."""
    found = ip_address(address.partition("%")[0])
    if loopback(host):
        return found.is_loopback
    plain = _carried(found)
    if plain is None or any(plain in network for network in INSIDE):
        return False
    return plain.is_global and not plain.is_multicast and not plain.is_reserved


def loopback(host: str) -> bool:
    """Whether a name is this machine's own: `localhost`, `127.0.0.1`, `::1`."""
    return host in ("localhost", "127.0.0.1", "::1")


def _carried(found: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address | None:
    """The address itself; for one that stands for an IPv4 address, that one; `None` for one behind a gateway."""
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            return found.ipv4_mapped
        if any(found in network for network in CARRYING) or found.teredo is not None:
            return None
    return found
