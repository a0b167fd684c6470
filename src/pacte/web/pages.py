"""Pages: templates rendered in the language of the address, with the words of the feature that they belong to."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache, partial
from importlib.resources import files
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pacte.gate.explain import why
from pacte.gate.values import Decision
from pacte.kernel import i18n
from pacte.kernel.errors import BadInput
from pacte.policy import channels
from pacte.web import security
from pacte.web.doors import open_doors
from pacte.web.session import current

LANGUAGES = i18n.LANGUAGES


def page(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """A page; `template` is `<feature>/<name>.html`, and `t("key")` in it are words of `web.<feature>`, else of `web`.

    In every template: `lang`, `t`, `url(path)` (an address in this language), `static(name)`, `csrf()` (the field that
    every form needs), `day`, `month_name`, `moment`, `number`, `channel_name`, `by_channel`, `person` and `staff` (the
    sessions), `controller` (who answers for the data).
    """
    lang = language(request)
    feature = template.partition("/")[0] if "/" in template else ""
    shown = {
        "request": request,
        "lang": lang,
        "other": other(request, lang),
        "t": partial(words, feature, lang),
        "url": partial(address, lang),
        "static": static,
        "csrf": partial(_field, request),
        "day": partial(_in, i18n.day, lang),
        "month_name": partial(_in, i18n.month, lang),
        "moment": partial(_in, i18n.moment, lang),
        "number": partial(_in, i18n.number, lang),
        "person": current(request, "person"),
        "staff": current(request, "staff"),
        "doors": partial(open_doors, request),
        "reason": partial(_in, _why, lang),
        "channel_name": partial(_in, _channel, lang),
        "by_channel": partial(_in, channels.by, lang),
        "controller": request.app.state.controller(lang),
    }
    body = _templates().get_template(template).render(shown | values)
    response = HTMLResponse(body, status)
    response.headers["Content-Language"] = lang
    security.remember_visitor(request, response)
    return response


def to(request: Request, path: str) -> RedirectResponse:
    """Go on to a page of ours in this language, after something was sent (303: with a GET)."""
    return RedirectResponse(address(language(request), path), 303)


def words(feature: str, lang: str, key: str, **values: str | int) -> str:
    """The words `key` of a feature, or those that all features share; with `count`, as the language counts."""
    for room in (f"web.{feature}", "web"):
        found = _catalogue(room)
        if key in found:
            return i18n.text(room, key, lang, **values)
        if f"{key}.many" in found and isinstance(values.get("count"), int):
            return i18n.counted(room, key, lang, **values)  # type: ignore[arg-type] # `count` is an integer
    raise BadInput(f"no words `{key}` for `{feature or 'web'}`")


def language(request: Request) -> str:
    """The language of the address; where it says none, the one that the browser prefers of ours, else the house's."""
    said = request.scope.get("path", "").split("/")[1:2]
    if said and said[0] in LANGUAGES:
        return str(said[0])
    for one in _preferred(request.headers.get("accept-language", "")):
        if one in LANGUAGES:
            return one
    house: str = request.app.state.house.settings.language
    return house if house in LANGUAGES else LANGUAGES[0]


def other(request: Request, lang: str) -> dict[str, str]:
    """By language: the address of this same page."""
    parts = request.scope.get("path", "").split("/")
    rest = "/".join(parts[2:] if parts[1:2] == [lang] else parts[1:])
    return {one: address(one, rest) for one in LANGUAGES}


def address(lang: str, path: str = "") -> str:
    """The address of a page of ours in a language."""
    return f"/{lang}/{path.lstrip('/')}"


@cache
def static(name: str) -> str:
    """The address of a file that pages load; it changes whenever the file does, so that browsers may keep it."""
    content = files("pacte.web").joinpath("static", name).read_bytes()
    return f"/static/{name}?v={hashlib.sha256(content).hexdigest()[:12]}"


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("pacte.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _catalogue(room: str) -> dict[str, dict[str, str]]:
    try:
        return i18n.catalogue(room)
    except (FileNotFoundError, ModuleNotFoundError):
        return {}


def _field(request: Request) -> Markup:
    return Markup('<input type="hidden" name="csrf" value="{}">').format(security.form_token(request))


def _in(shown: Callable[[Any, str], str], lang: str, value: Any) -> str:
    return shown(value, lang)


def _channel(name: str, lang: str) -> str:
    return channels.titled(channels.named(name, lang))


def _why(decision: Decision, lang: str) -> str:
    return why(decision.reason, lang)


def _preferred(header: str) -> list[str]:
    """The languages of an Accept-Language header, the most wanted first. Source: RFC 9110 § 12.5.4."""
    found: list[tuple[float, int, str]] = []
    for place, part in enumerate(header.split(",")[:20]):
        tag, _, weight = part.partition(";q=")
        try:
            wanted = float(weight or 1)
        except ValueError:
            continue
        if wanted > 0:
            found.append((-wanted, place, tag.strip().lower()[:2]))
    return [tag for _, _, tag in sorted(found)]
