"""Asking somebody outside over HTTP, who may be dead, slow or talkative: with a deadline and a largest answer.

Callers hold no transaction and no lock while they ask, so that whoever does not answer never keeps the house from
recording. Redirections are not followed: what is asked goes where the settings say and nowhere else.
"""

from __future__ import annotations

import ssl
import threading
from dataclasses import dataclass
from http.client import HTTPException
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import HTTPHandler, HTTPSHandler, OpenerDirector, ProxyHandler, Request, UnknownHandler

from pacte.kernel.errors import BadInput, Conflict, PacteError

PATIENCE = 15.0
"""Seconds that an answer may take in all, from the name's look-up to its last byte."""

LARGEST = 1 << 16
"""Bytes of the largest answer: time-stamp tokens and cosignatures take a few thousand."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: HTTP status, media type without parameters, body."""

    status: int
    kind: str
    body: bytes


def ask(url: str, body: bytes, kind: str, *, patience: float = PATIENCE) -> Answer:
    """Send `body`, of the media type `kind`, by POST; the answer, whatever its status.

    Raises `BadInput` for an address that cannot be asked and `Conflict`, since trying again may succeed, where nobody
    answers in `patience` seconds or the answer is larger than `LARGEST`.
    """
    host = _host(url)
    request = Request(url, data=body, headers={"Content-Type": kind, "User-Agent": "pacte"})  # noqa: S310 # the scheme was checked
    outcome: list[Answer | PacteError] = []

    def exchange() -> None:
        try:
            outcome.append(_exchange(request, host, patience))
        except PacteError as error:
            outcome.append(error)

    # A thread of its own, because a timeout of the library is one per read: a drop of answer now and then resets it.
    thread = threading.Thread(target=exchange, daemon=True)
    thread.start()
    thread.join(patience)
    if not outcome:
        raise Conflict(f"{host} did not answer within {patience:g} seconds; try again later")
    if isinstance(outcome[0], PacteError):
        raise outcome[0]
    return outcome[0]


def _exchange(request: Request, host: str, patience: float) -> Answer:
    opener = OpenerDirector()
    for handler in (ProxyHandler(), HTTPHandler(), HTTPSHandler(), UnknownHandler()):
        opener.add_handler(handler)
    try:
        with opener.open(request, timeout=patience) as response:
            body = response.read(LARGEST + 1)
            answer = Answer(response.status, response.headers.get_content_type(), body)
    except (OSError, HTTPException, ValueError) as error:
        raise Conflict(f"{host} {_why(error)}; try again later") from None
    if len(body) > LARGEST:
        raise Conflict(f"{host} answered more than {LARGEST} bytes, which is no answer to what was asked")
    return answer


def _why(error: Exception) -> str:
    reason = error.reason if isinstance(error, URLError) else error
    if isinstance(reason, ssl.SSLCertVerificationError):
        return "has a certificate that does not verify"
    if isinstance(reason, TimeoutError):
        return "did not answer in time"
    if isinstance(reason, HTTPException | ssl.SSLError):
        return "gave an answer that cannot be read"
    return "cannot be reached"


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https") or not url.isascii() or any(c <= " " for c in url):
        raise BadInput("an address that cannot be asked; expected `https://host/path`")
    if parts.username is not None or parts.password is not None:
        raise BadInput("an address with a name or a password in it; expected `https://host/path`")
    return f"`{host}`"
