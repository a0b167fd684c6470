"""Doors of the API: every operation under its address, the OpenAPI document, and a page to read it on."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from markupsafe import Markup, escape
from starlette.exceptions import HTTPException

from pacte.app.apikeys import SCOPES
from pacte.app.settings import EVENTS
from pacte.web.api import openapi, problems
from pacte.web.api.calls import ROOT, Operation, answered
from pacte.web.pages import LANGUAGES, address, language, page
from pacte.web.security import throttle

router = APIRouter()


def _door(operations: dict[str, Operation]) -> Callable[[Request], Awaitable[Response]]:
    """The one door of an address: which operation it is, is the method's to say."""

    async def door(request: Request) -> Response:
        return await answered(request, operations[request.method])

    return door


def _open_doors() -> None:
    found: dict[str, dict[str, Operation]] = {}
    for one in openapi.operations():
        found.setdefault(one.path, {})[one.method] = one
    for path, by_method in found.items():
        router.add_api_route(ROOT + path, _door(by_method), methods=list(by_method), response_model=None)


_open_doors()


@router.get("/api/openapi.json")
def document(request: Request) -> Response:
    """The OpenAPI document; `?lang=fr` for French words."""
    throttle(request, "api-open", 600, 60)
    asked = request.query_params.get("lang", "en")
    lang = asked if asked in LANGUAGES else "en"
    headers = {"Content-Language": lang, "Cache-Control": "public, max-age=3600"}
    return JSONResponse(openapi.document(lang), headers=headers)


@router.get("/api/problems/{code}")
def problem(request: Request, code: str) -> Response:
    """What the type of a problem leads to: the words about it."""
    if code not in problems.CODES:
        raise HTTPException(404)
    return RedirectResponse(address(language(request), f"api#problem-{code}"), 303)


@router.get("/{lang}/api")
def documentation(request: Request) -> Response:
    """The page for those who write the calls."""
    lang = language(request)
    said = openapi.document(lang)
    return page(
        request,
        "api/page.html",
        document=said,
        groups=_groups(said),
        schemas=said["components"]["schemas"],
        forms=_forms,
        coded=_coded,
        written=_written,
        placed=_placed,
        codes=problems.CODES,
        scopes=SCOPES,
        events=EVENTS,
        limits=openapi.limits(),
    )


def _groups(said: dict[str, Any]) -> list[tuple[dict[str, str], list[dict[str, Any]]]]:
    """The operations of each group, with the address and the method of each."""
    found: dict[str, list[dict[str, Any]]] = {tag["name"]: [] for tag in said["tags"]}
    for path, methods in said["paths"].items():
        for method, one in methods.items():
            found[one["tags"][0]].append({**one, "path": path, "method": method.upper()})
    return [(tag, found[tag["name"]]) for tag in said["tags"]]


def _coded(words: str) -> Markup:
    """Words of which what stands in backticks is code."""
    parts = [
        Markup("<code>{}</code>").format(part) if number % 2 else escape(part)
        for number, part in enumerate(words.split("`"))
    ]
    return Markup("").join(parts)


def _placed(path: str) -> Markup:
    """An address of which what a caller puts in is set apart."""
    parts = re.split(r"\{(\w+)\}", path)
    return Markup("").join(
        Markup("<var>{}</var>").format(part) if number % 2 else escape(part) for number, part in enumerate(parts)
    )


def _written(example: dict[str, Any], form: dict[str, Any]) -> str:
    """An example, its members in the order of the form."""
    ordered = {name: example[name] for name in form["properties"] if name in example}
    return json.dumps(ordered, indent=2, ensure_ascii=False)


def _forms(form: dict[str, Any]) -> str:
    """The type of a member in a few signs: `string`, `integer`, `Name[]`, `"en" | "fr"`."""
    if "$ref" in form:
        return str(form["$ref"]).rpartition("/")[2]
    if "anyOf" in form:
        return " | ".join(_forms(one) for one in form["anyOf"] if one.get("type") != "null")
    if "enum" in form:
        return " | ".join(f'"{one}"' for one in form["enum"])
    if "const" in form:
        return f'"{form["const"]}"'
    if form.get("type") == "array":
        return f"{_forms(form.get('items', {}))}[]"
    if form.get("type") == "object":
        return "object"
    return str(form.get("format") or form.get("type") or "any")
