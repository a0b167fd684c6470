"""Doors of the notice; all of them are public, and what a version says never changes.

Source: GDPR Art. 12(1), 12(7), 13, 14; 11 CCR § 7012(c) (at the till: paper or a sign); P-39.1 s. 8.2.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from pacte.app import notices
from pacte.app.house import House
from pacte.app.notices import Shown
from pacte.consent.notice.plain import blocks
from pacte.consent.notice.words import cited
from pacte.kernel.errors import NotFound
from pacte.kernel.i18n import LANGUAGES
from pacte.web.notice.printed import SIZES, qr_code
from pacte.web.pages import language, page

router = APIRouter()

AN_HOUR = 3_600
"""Seconds for which programs may keep the notice before they ask again."""


@router.get("/{lang}/notice")
def current(request: Request) -> Response:
    """The notice in force: the short layer, then details on demand; where words were written by hand, those first."""
    lang, house = language(request), _house(request)
    shown = notices.shown(house, lang)
    found = notices.versions(house, lang)
    earlier = None if shown.version is None else notices.before(house, shown.version)
    return page(
        request,
        "notice/current.html",
        notice=shown.layers,
        version=shown.version,
        generated=shown.generated,
        words=blocks(shown.version.text) if shown.version and not shown.generated else [],
        earlier=earlier,
        versions=list(reversed(found)),
        sizes=SIZES,
        cited=_cited(lang),
    )


@router.get("/{lang}/notice/print")
def printed(request: Request, size: str = "a4") -> Response:
    """The notice for the till, on A5 or A4, with a code that leads to its permanent address."""
    lang, house = language(request), _house(request)
    if size not in SIZES:
        raise NotFound("a notice is printed on `a4` or on `a5`")
    shown = notices.shown(house, lang)
    address = _permanent(house, lang, shown)
    return page(
        request,
        "notice/print.html",
        notice=shown.layers,
        version=shown.version,
        words=blocks(shown.version.text) if shown.version and not shown.generated else [],
        size=size,
        code=qr_code(address),
        address=address,
    )


@router.get("/{lang}/notice/{name}")
def permanent(request: Request, name: str) -> Response:
    """One version, in the words that were recorded."""
    lang, house = language(request), _house(request)
    version = notices.named(house, lang, name)
    return page(
        request,
        "notice/version.html",
        version=version,
        words=blocks(version.text),
        earlier=notices.before(house, version),
        newer=notices.newer(house, version.digest),
    )


@router.get("/{lang}/notice/{name}/changes")
def changes(request: Request, name: str, since: str = "") -> Response:
    """What a version changes for people since an earlier one; since the one before it, where none is named."""
    lang, house = language(request), _house(request)
    version = notices.named(house, lang, name)
    old = notices.named(house, lang, since) if since else notices.before(house, version)
    if old is None:
        raise NotFound("this is the first notice; nothing changes before it")
    found = notices.between(house, old, version)
    policy = notices.titles(house, version)
    return page(
        request,
        "notice/changes.html",
        old=old,
        version=version,
        found=found,
        again=[policy.get(one, one) for one in found.changes.again],
    )


@router.get("/api/v1/notice/{lang}")
def for_programs(request: Request, lang: str) -> Response:
    """The notice for applications that draw their own, with an address for each purpose."""
    if lang not in LANGUAGES:
        raise NotFound(f"the notice is given in {', '.join(f'`{one}`' for one in LANGUAGES)}")
    house = _house(request)
    shown = notices.shown(house, lang)
    body = as_json(house, lang, shown)
    etag = f'"{hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": f"public, max-age={AN_HOUR}", "Content-Language": lang}
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    return JSONResponse(body, headers=headers)


def as_json(house: House, lang: str, shown: Shown) -> dict[str, Any]:
    """The notice in force as JSON: what is shown, under which digest a choice is recorded, and where to read it."""
    version, address = shown.version, _permanent(house, lang, shown)
    ease = None if version is None else version.ease
    here = f"{house.settings.web.url}/{lang}/notice"
    anchors = {told.name: f"{here}#{told.anchor}" for told in shown.layers.purposes}
    return {
        **shown.layers.to_json(),
        "notice": None if version is None else version.digest,
        "generated": shown.generated,
        "text": None if version is None else version.text,
        "address": address,
        "links": {"purposes": anchors, "rights": f"{here}#rights", "print": f"{here}/print?size=a5"},
        "readability": None if ease is None else {"score": ease.score, "level": ease.level, "formula": ease.formula},
    }


def _permanent(house: House, lang: str, shown: Shown) -> str:
    here = f"{house.settings.web.url}/{lang}/notice"
    return here if shown.version is None else f"{here}/{shown.version.name}"


def _cited(lang: str) -> Callable[[str], str]:
    return lambda article: cited(article, lang)


def _house(request: Request) -> House:
    house: House = request.app.state.house
    return house
