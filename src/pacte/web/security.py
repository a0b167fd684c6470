"""What every answer carries and every request must pass: headers, bounds, forms that are ours, a pace that is human.

Source: OWASP ASVS 5.0, chapters 3 and 4; W3C Content Security Policy Level 3; Fetch Metadata.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import logging
import re
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request, Response
from starlette.datastructures import FormData

from pacte.kernel.errors import PacteError
from pacte.kernel.instant import SECOND
from pacte.web.session import cookie, secured

LARGEST = 1 << 20
"""Bytes of a request's body."""
SHOWN_FOR = 86_400
"""Seconds for which a form that was shown may be sent."""
_UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_BROUGHT = "csrf"
_HERE = ("127.0.0.1", "localhost", "[::1]")
_PORT = re.compile(r":\d*$")

FLOOR = 0.35
"""Seconds that an answer takes at least which must not say whether an address is known."""
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), browsing-topics=()",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}
"""What every answer carries, unless its handler says otherwise."""

_log = logging.getLogger("pacte.web")

Next = Callable[[Request], Awaitable[Response]]


class ForgedForm(PacteError):
    """A form that does not come from a page of ours, or one that was shown too long ago."""

    def __init__(self) -> None:
        super().__init__("this form was open for too long, or does not come from this site; send it once more")


class TooFast(PacteError):
    """Too many requests of one kind; `seconds` until the next one is welcome."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        super().__init__("too many attempts; wait a little")


class TooLarge(PacteError):
    """A request with more bytes than any form here has."""

    def __init__(self) -> None:
        super().__init__("more was sent than anything here takes")


def dress(request: Request, response: Response) -> None:
    """Add the headers that every answer carries."""
    framed = "frame-ancestors" in response.headers.get("Content-Security-Policy", "")
    for name, value in HEADERS.items():
        if not (framed and name == "X-Frame-Options"):  # a page that says itself who may frame it
            response.headers.setdefault(name, value)
    if secured(request):
        response.headers.setdefault("Strict-Transport-Security", "max-age=63072000; includeSubDomains")


async def headed(request: Request, call_next: Next) -> Response:
    """Add the headers, and write one line per request: the route, never the address that was asked for."""
    began = time.perf_counter()
    response = await call_next(request)
    dress(request, response)
    route = request.scope.get("route")
    # INVARIANT: a link in an address opens something; the log holds the route's pattern instead.
    shown = getattr(route, "path", "(none)")
    _log.info("%s %s %d %.1f ms", request.method, shown, response.status_code, 1e3 * (time.perf_counter() - began))
    return response


def refuse_large(request: Request) -> None:
    """Raise `TooLarge` for a body that says it is, or does not say how large it is."""
    if request.method in _UNSAFE:
        size = request.headers.get("content-length")
        if size is None and "transfer-encoding" in request.headers:
            raise TooLarge
        if size is not None and (not size.isdecimal() or len(size) > 15 or int(size) > LARGEST):
            raise TooLarge


def refuse_foreign(request: Request) -> None:
    """Raise `ForgedForm` for what a browser says was begun by another site.

    What it says in `Sec-Fetch-Site` counts; an older one, which does not say it, is asked by `Origin`.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        if site not in ("same-origin", "none"):
            raise ForgedForm
        return
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.url.netloc:
        own = urlsplit(request.app.state.house.settings.web.url).netloc
        if origin == "null" or urlsplit(origin).netloc != own:
            raise ForgedForm


async def checked_form(request: Request) -> FormData:
    """The fields of a form that one of our pages showed to this browser; raises `ForgedForm`."""
    refuse_large(request)
    refuse_foreign(request)
    form = await request.form(max_files=0, max_fields=500, max_part_size=LARGEST)
    if not is_ours(request, form):
        raise ForgedForm
    return form


Posted = Annotated[FormData, Depends(checked_form)]
"""The parameter of a handler that takes a form of ours; every handler that changes something has one, or an API key.

Two doors take a POST of others, and say why that is safe: `web.auth.from_site` and `web.messages.unsubscribe`.
"""


def form_token(request: Request) -> str:
    """What a form of ours carries: bound to this browser, and to the moment."""
    visitor = getattr(request.state, "visitor", None) or request.cookies.get(cookie(request, "visitor"))
    if not visitor:
        visitor = secrets.token_urlsafe(16)
        request.state.new_visitor = visitor
    request.state.visitor = visitor
    made = str(request.app.state.house.clock() // SECOND)
    return f"{made}.{_mac(request, visitor, made)}"


def remember_visitor(request: Request, response: Response) -> None:
    """Give the browser what its form's token is bound to; it says nothing of anybody and goes with the window."""
    if visitor := getattr(request.state, "new_visitor", None):
        name, safe = cookie(request, "visitor"), secured(request)
        # Lax: a link in a letter opens a page beside others that are open, whose forms stay bound to this cookie.
        response.set_cookie(name, visitor, path="/", secure=safe, httponly=True, samesite="lax")


def is_ours(request: Request, form: FormData) -> bool:
    """Whether one of our pages showed this form to this browser: for the few doors that take others', too."""
    brought = form.get(_BROUGHT)
    return isinstance(brought, str) and _is_ours(request, brought)


def is_elsewhere(request: Request) -> bool:
    """Whether a request was meant for another host than the one that the settings name.

    This machine may always ask, and so may whoever watches the server. Source: RFC 9110 § 7.4.
    """
    own, asked = request.app.state.host, _PORT.sub("", request.headers.get("host", "")).lower()
    return bool(own and asked) and asked not in (own, *_HERE) and request.url.path != "/health"


def _is_ours(request: Request, brought: str) -> bool:
    visitor = request.cookies.get(cookie(request, "visitor"), "")
    made, _, mac = brought.partition(".")
    if not (visitor and made.isdecimal() and len(made) < 16):
        return False
    age = request.app.state.house.clock() // SECOND - int(made)
    return hmac.compare_digest(mac, _mac(request, visitor, made)) and 0 <= age <= SHOWN_FOR


def _mac(request: Request, visitor: str, made: str) -> str:
    key: bytes = request.app.state.form_key
    return hmac.new(key, f"{visitor}.{made}".encode(), hashlib.sha256).hexdigest()


class Pace:
    """How often somebody did something lately: at most `KEPT` of them are remembered, those who came last."""

    KEPT = 20_000

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: OrderedDict[str, list[float]] = OrderedDict()

    def allow(self, name: str, count: int, seconds: float) -> float:
        """Note one more; 0 when that is not more than `count` in so many seconds, else the seconds to wait."""
        now = time.monotonic()
        with self._lock:
            times = [at for at in self._seen.pop(name, []) if at > now - seconds]
            late = times[0] + seconds - now if len(times) >= count else 0.0
            self._seen[name] = times if late else [*times, now]
            while len(self._seen) > self.KEPT:
                self._seen.popitem(last=False)
        return late


def throttle(request: Request, what: str, count: int, seconds: float, who: str = "") -> None:
    """Raise `TooFast` when one address (or `who`, of whom a digest is kept) does something too often."""
    if late := lateness(request, what, count, seconds, who):
        raise TooFast(max(1, round(late)))


def lateness(request: Request, what: str, count: int, seconds: float, who: str) -> float:
    """Note one more; how long to wait where that is too many, else 0. For what is refused without being told."""
    pace: Pace = request.app.state.pace
    name = hashlib.sha256(f"{what}|{who or caller(request)}".encode(errors="surrogatepass")).hexdigest()
    return pace.allow(name, count, seconds)


@contextmanager
def evenly() -> Iterator[None]:
    """Let a block take `FLOOR` at least: how long an answer takes says nothing of what was found."""
    began = time.monotonic()
    try:
        yield
    finally:
        time.sleep(max(0.0, FLOOR - (time.monotonic() - began)))


def caller(request: Request) -> str:
    """The address that a request comes from; behind a proxy that is trusted, what that one says last.

    Of IPv6 the network of 64 bits, of which one household or machine has all addresses. Source: RFC 6177.
    """
    said = ""
    if request.app.state.house.settings.web.trusted_proxy:
        said = ",".join(request.headers.getlist("x-forwarded-for")).rpartition(",")[2].strip()
    return _network(said or (request.client.host if request.client else ""))


def _network(address: str) -> str:
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, 64), strict=False))
