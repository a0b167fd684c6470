"""What a badge asks: public words for everybody, a person's own state for their session or token, and the switch.

Only the origins that the settings list may read the answers, or send a choice: a browser asks first (a preflight), for
what is sent is JSON. Source: Fetch § 3.2 (CORS); RFC 6750 for the token.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from pacte.app import badges
from pacte.app.badges import Badge, Own
from pacte.app.house import House
from pacte.app.links import Expired, Forged
from pacte.app.overview import Switch
from pacte.kernel.errors import BadInput
from pacte.kernel.i18n import day
from pacte.kernel.ids import SubjectId
from pacte.policy import channels
from pacte.web.origins import shared
from pacte.web.pages import LANGUAGES, address, language, words
from pacte.web.security import ForgedForm, refuse_large, throttle
from pacte.web.session import current

router = APIRouter()

SCRIPT = "badge.js"
SAYS = ("open", "on", "off", "saved", "failed")


@router.get("/badge/badge.js")
def script() -> Response:
    """The element itself, for pages of other origins."""
    content = files("pacte.web").joinpath("static", SCRIPT).read_bytes()
    headers = {"Cross-Origin-Resource-Policy": "cross-origin", "Cache-Control": "public, max-age=3600"}
    return Response(content, media_type="text/javascript; charset=utf-8", headers=headers)


@router.options("/badge/{purpose}")
def preflight(request: Request, purpose: str) -> Response:  # noqa: ARG001 # every purpose may be asked for
    """Whether a page of another origin may ask."""
    return _shared(request, Response(status_code=204))


@router.get("/badge/{purpose}")
def badge(request: Request, purpose: str) -> Response:
    """The words of a purpose; with a session or a token, what holds for that person."""
    throttle(request, "badge", 600, 60)
    house, lang = _house(request), _language(request)
    found = badges.badge(house, purpose, lang)
    who = _who(request)
    return _answer(request, found, badges.own(house, who[0], purpose, lang, fresh=who[1]) if who else None, lang)


@router.post("/badge/{purpose}")
async def switch(request: Request, purpose: str) -> Response:
    """Record what the person says with the switch, and answer how it stands then."""
    from fastapi.concurrency import run_in_threadpool

    refuse_large(request)
    _refuse_unlisted(request)
    said = _read(await request.body(), request.headers.get("content-type", ""))
    return await run_in_threadpool(_turned, request, purpose, said)


def _turned(request: Request, purpose: str, said: dict[str, Any]) -> Response:
    who = _who(request)
    if who is None:
        return _shared(request, JSONResponse({"error": "sign_in"}, 401))
    subject, fresh = who
    if said["on"]:  # a no is never refused for coming too often
        throttle(request, "badge-switch", 60, 600, who=subject)
    house, lang = _house(request), _language(request)
    shown = {"seen": said["seen"], "notice": said["notice"]}
    badges.turn(house, subject, purpose, said["name"], said["on"], lang=lang, **shown)
    held = badges.own(house, subject, purpose, lang, fresh=fresh)
    return _answer(request, badges.badge(house, purpose, lang), held, lang)


def _read(body: bytes, kind: str) -> dict[str, Any]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    right = isinstance(said, dict) and type(said.get("on")) is bool and type(said.get("seen")) is int
    named = right and all(isinstance(said.get(key), str) for key in ("name", "notice"))
    if not named or kind.split(";")[0].strip() != "application/json":
        raise BadInput("expected JSON with `name`, `on`, `seen` and `notice`, as the badge sends it")
    return dict(said)


def _answer(request: Request, found: Badge, own: Own | None, lang: str) -> Response:
    at = _house(request).settings.web.url
    doors = [["notice", "notice"], ["choices", "me/choices"]]
    doors += [["receipt", f"me/receipt/{own.entry}"]] if own is not None and own.entry >= 0 else []
    body = {
        "title": _of(found.purpose.title, lang),
        "why": _of(found.purpose.reason, lang),
        "facts": _facts(found, lang),
        "links": [[words("badge", lang, key), at + address(lang, path)] for key, path in doors],
        "words": {key: words("badge", lang, key) for key in SAYS},
        "own": None if own is None else _own(found, own, lang),
    }
    return _shared(request, JSONResponse(body, headers={"Content-Language": lang, "Vary": "Cookie, Authorization"}))


def _facts(found: Badge, lang: str) -> list[list[str]]:
    purpose, named = found.purpose, ", ".join(one.fr if lang == "fr" else one.en for one in found.data)
    facts = [["data", named], ["right", words("badge", lang, f"basis.{purpose.basis}")]]
    facts += [["in_return", _of(purpose.in_return, lang)]] if purpose.in_return else []
    facts += [["recipients", ", ".join(found.recipients.values()) or words("badge", lang, "nobody")]]
    return [[words("badge", lang, key), value] for key, value in facts]


def _own(found: Badge, own: Own, lang: str) -> dict[str, Any]:
    last = day(own.last_use, lang) if own.last_use else words("badge", lang, "never")
    facts = [[words("badge", lang, "last_use"), last]] if own.disclosed else []
    if own.since is not None:
        facts.insert(0, [words("badge", lang, "since_on" if own.on else "since_off"), day(own.since, lang)])
    switches = [
        {"name": one.name, "label": _label(found, one, lang), "on": one.on, "seen": one.entry} for one in own.switches
    ]
    return {"on": own.on, "facts": facts, "switches": switches, "notice": found.notice.digest if found.notice else ""}


def _label(found: Badge, switch: Switch, lang: str) -> str:
    """What a switch is about: the purpose, where it has one; else the channel, the recipient, or both."""
    parts = [channels.titled(channels.by(switch.channel, lang))] if switch.channel else []
    parts += [found.recipients[switch.recipient]] if switch.recipient else []
    return ", ".join(parts) or _of(found.purpose.title, lang)


def _who(request: Request) -> tuple[SubjectId, bool] | None:
    """Who asks: the person of the token, else of the session; a token that is over or forged names nobody.

    And whether they proved a moment ago who they are: the token's page says so, a session knows.
    """
    scheme, _, brought = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        try:
            return badges.holder(_house(request), brought), True
        except (Expired, Forged):
            return None
    if not _is_listed(request):  # a page that is not ours and not listed learns nothing of a session
        return None
    session = current(request, "person")
    return (SubjectId(session.who), session.fresh(_house(request).clock())) if session else None


def _is_listed(request: Request) -> bool:
    """Whether a page of our own or of a listed origin asks; a browser says no origin when our own page reads."""
    origin = request.headers.get("origin")
    if origin is None:
        return request.headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")
    settings = _house(request).settings.web
    own = {request.url.netloc, urlsplit(settings.url).netloc}
    return origin in settings.origins or (origin != "null" and urlsplit(origin).netloc in own)


def _refuse_unlisted(request: Request) -> None:
    """A choice is sent by a page of ours or of a listed origin; what a browser did not send has a token of its own."""
    if not _is_listed(request) or ("origin" not in request.headers and "authorization" not in request.headers):
        raise ForgedForm


def _shared(request: Request, response: Response) -> Response:
    """Let pages of the listed origins read an answer, and no other."""
    return shared(request, response, _house(request).settings.web.origins, known=True)


def _language(request: Request) -> str:
    asked = request.query_params.get("lang", "")[:2]
    return asked if asked in LANGUAGES else language(request)


def _house(request: Request) -> House:
    house: House = request.app.state.house
    return house


def _of(localised: Any, lang: str) -> str:
    return str(localised.get(lang) or next(iter(localised.values())))
