"""A customer arrives signed in from the company's own site, by its word: a signed token of five minutes at most.

The token (RFC 7519, profiled as RFC 8725 asks) comes in the body of a POST, never in an address. One algorithm is
taken, the one whose key the settings hold; the token's own word about it counts for nothing. It names this house
(`aud`) and its issuer (`iss`), ends soon (`exp`), is good once (`jti`), and its `sub` is an identifier that the house
knows.

Why a POST from another site is safe here, where every other one is refused:

- It changes nothing but who is signed in with this browser. No form of ours is sent by it.
- Signing somebody in as another person (login CSRF: they would then speak in that one's name, or be shown that one's
  page as their own) needs a page that a browser says belongs to the company: `Origin` must be one of `web.origins`.
  Without an origin, from `null` or from any other, nothing is looked at. A browser writes it, a page cannot.
- A token that was stolen was stolen out of the browser that got it, within minutes, before that browser sent it.
- The page that answers says for which account somebody is signed in now, without naming anybody, and signs out.
- What was typed before under another sign-in does not follow: every form is bound to the browser's own cookie, which a
  POST from another site does not carry and this answer therefore replaces.

Source: RFC 8725 (JWT best current practices); RFC 6749 § 10.12; OWASP ASVS 5.0, chapters 3 and 9.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from math import isfinite
from typing import Annotated, Any
from urllib.parse import urlsplit

import jwt
from fastapi import APIRouter, Depends, Request, Response
from starlette.datastructures import FormData

from pacte.app import links
from pacte.app.house import House
from pacte.app.people import people_of
from pacte.app.settings import ArrivalSettings, secret
from pacte.kernel import db
from pacte.kernel.errors import BadInput, PacteError, Unsafe
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import SECOND, Instant
from pacte.ledger import log
from pacte.web import session
from pacte.web.auth.onward import onward
from pacte.web.pages import language, page, words
from pacte.web.security import ForgedForm, refuse_large, throttle

router = APIRouter()

LASTS = 300
"""Seconds that a token may live."""
SKEW = 60
"""Seconds that the clock of the company's site may be ahead of ours."""
LONGEST = 4_096
"""Characters of a token."""
SHORTEST_SECRET = 32
"""Bytes of a shared secret. Source: RFC 7518 § 3.2."""
SAYS = ("iss", "aud", "sub", "exp", "jti")
"""What every token must say."""

_log = logging.getLogger("pacte.web")


class Refused(PacteError):
    """A token that signs nobody in; `code` says why, to the log alone."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__("what the other site said cannot be taken")


@dataclass(frozen=True, slots=True)
class Word:
    """What a token says that stands: who, since when they are signed in over there, and its own end and name."""

    person: str
    signed_in: Instant | None
    until: Instant
    name: str


async def brought(request: Request) -> FormData:
    """The form that a page of the company's own sent; raises `ForgedForm` for any other."""
    refuse_large(request)
    if request.headers.get("origin") not in request.app.state.house.settings.web.origins:
        raise ForgedForm
    return await request.form(max_files=0, max_fields=10, max_part_size=LONGEST * 2)


@router.post("/{lang}/arrive")
def arrive(request: Request, form: Annotated[FormData, Depends(brought)]) -> Response:
    """Sign the customer in whom the token names."""
    throttle(request, "arrive", 120, 600)
    house: House = request.app.state.house
    try:
        word = read(house, str(form.get("token", "")))
        subject = _taken(house, word)
    except Refused as refusal:
        _log.warning("an arrival was refused: %s", refusal.code)
        return page(request, "auth/arrived.html", status=403, arrived=False)
    return _welcome(request, word, subject, onward(form.get("next")) or "me")


def read(house: House, token: str) -> Word:
    """What a token says, if it was made by the company for this house and lives; raises `Refused`."""
    settings = house.settings.arrival
    algorithm, key = _key(settings)
    if not 0 < len(token) <= LONGEST:
        raise Refused("form")
    try:
        said = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            issuer=settings.issuer,
            audience=settings.audience or house.settings.web.url,
            # Times are compared below, by the house's own clock.
            options={"require": list(SAYS), "verify_exp": False, "verify_iat": False, "verify_nbf": False},
        )
    except (jwt.PyJWTError, ValueError) as error:
        raise Refused(type(error).__name__) from None
    return _word(said, house.clock())


def _word(said: dict[str, Any], now: Instant) -> Word:
    seconds = now // SECOND
    exp, made, before, signed_in = (_time(said.get(name)) for name in ("exp", "iat", "nbf", "auth_time"))
    if exp is None or exp <= seconds:
        raise Refused("expired")
    if exp > seconds + LASTS + SKEW or (made is not None and exp - made > LASTS):
        raise Refused("lasts")
    if any(at is not None and at > seconds + SKEW for at in (before, made, signed_in)):
        raise Refused("early")
    person, name = said["sub"], said["jti"]
    if not (0 < len(person) <= 320 and 0 < len(name) <= 256):
        raise Refused("names")
    at = None if signed_in is None else Instant(min(signed_in, seconds) * SECOND)
    return Word(person, at, Instant(exp * SECOND), f"{said['iss']}\n{name}")


def _time(value: object) -> int | None:
    """A `NumericDate` in whole seconds; raises `Refused` for what is none. Source: RFC 7519 § 2."""
    if value is None:
        return None
    if type(value) not in (int, float) or not isfinite(found := float(str(value))) or not 0 <= found < 2**40:
        raise Refused("times")
    return int(found)


def _taken(house: House, word: Word) -> SubjectId:
    """Whom the token names, once; raises `Refused` for a second time, for nobody and for several."""
    with db.write(house.engine) as conn:
        if not links.once(conn, f"arrival:{word.name}", Instant(word.until + SKEW * SECOND)):
            raise Refused("spent")
    try:
        with house.reading() as conn:
            people = people_of(house, conn, word.person)
            known = [one for one in people if log.of_subject(conn, one)]
    except BadInput:
        raise Refused("form_of_subject") from None
    if len(known) != 1:
        raise Refused("shared" if known else "unknown")
    return known[0]


def _welcome(request: Request, word: Word, subject: SubjectId, where: str) -> Response:
    """The first page: it says who is signed in without naming them, so that a stranger's sign-in is noticed."""
    until = Instant(word.signed_in + session.FRESH) if word.signed_in is not None else Instant(0)
    fresh = until > request.app.state.house.clock()
    given = Response()
    session.begin(request, given, "person", subject, "fresh" if fresh else "link", until if fresh else None)
    shown = page(
        request,
        "auth/arrived.html",
        arrived=True,
        fresh=fresh,
        onward=where,
        site=urlsplit(request.headers["origin"]).netloc,
        account=account(word.person, language(request)),
    )
    shown.raw_headers.extend(header for header in given.raw_headers if header[0] == b"set-cookie")
    return shown


def account(person: str, lang: str) -> str:
    """An identifier in words that only its owner knows again: its end, or the house that holds a mailbox."""
    kind, _, value = person.partition(":")
    if kind not in ("email", "phone", "key"):
        kind, value = ("email" if "@" in person else "phone" if person.startswith("+") else "key"), person
    end = value.rpartition("@")[2] if kind == "email" else f"…{value[-2:]}"
    return words("auth", lang, f"arrived.account.{kind}", end=end)


def _key(settings: ArrivalSettings) -> tuple[str, str]:
    """The algorithm, and the key, that the settings name; raises `Refused` where they name none."""
    if settings.public_key and settings.secret:
        raise Unsafe("settings.toml: `arrival` has a `public_key` and a `secret`; keep one of them")
    if not settings.issuer or not (settings.public_key or settings.secret):
        raise Refused("no_settings")
    if settings.public_key:
        inline = settings.public_key.lstrip().startswith("-----BEGIN PUBLIC KEY-----")
        return "EdDSA", settings.public_key if inline else secret(settings.public_key)
    shared = secret(settings.secret)
    if len(shared.encode()) < SHORTEST_SECRET:
        raise Unsafe(f"settings.toml: the secret of `arrival` is shorter than {SHORTEST_SECRET} bytes")
    return "HS256", shared
