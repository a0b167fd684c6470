"""The OpenAPI document of the API, made of its operations: every form, every answer, every problem; in two languages.

Source: OpenAPI 3.1.1; RFC 9457; Standard Webhooks 1.0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from pacte.app import answers, batch
from pacte.app.settings import EVENTS
from pacte.kernel.i18n import LANGUAGES, catalogue, text
from pacte.web.api import about, choices, decisions, lists, models, of_forms, problems, reports, uses
from pacte.web.api.calls import IDEMPOTENCY, OPERATIONS, ROOT, Operation
from pacte.web.api.pace import WINDOW

ROOM = "web.api"
_REFERENCE = "#/components/schemas/{model}"
_ORDER = (choices, decisions, uses, lists, reports, about)
"""The modules that declare operations, in the order of the documentation."""


@cache
def document(lang: str = "en") -> dict[str, Any]:
    """The whole document, its words in `lang`."""
    paths: dict[str, dict[str, Any]] = {}
    for one in operations():
        paths.setdefault(ROOT + one.path, {})[one.method.lower()] = _operation(one, lang)
    paths[f"{ROOT}/notice/{{lang}}"] = {"get": _notice(lang)}
    paths[f"{ROOT}/forms/{{form}}"] = of_forms.operations(lang, _problems)
    return {
        "openapi": "3.1.1",
        "info": {
            "title": _say("heading", lang),
            "version": metadata.version("pacte"),
            "description": _say("lead", lang),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag, "description": _say(f"tag.{tag}", lang)} for tag in tags()],
        "paths": paths,
        "webhooks": {event: _webhook(event, lang) for event in EVENTS},
        "components": {
            "schemas": _schemas(lang),
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": _say("keys.text", lang)},
            },
        },
    }


def operations() -> list[Operation]:
    """Every operation, room by room, as each declares them."""
    place = {module.__name__: number for number, module in enumerate(_ORDER)}
    return sorted(OPERATIONS, key=lambda one: place[one.answer.__module__])


def tags() -> list[str]:
    """The groups of operations, in their order."""
    return list(dict.fromkeys([*(_tag(one) for one in operations()), "notice", "forms"]))


def _operation(one: Operation, lang: str) -> dict[str, Any]:
    said: dict[str, Any] = {
        "operationId": one.name,
        "tags": [_tag(one)],
        "summary": _say(f"op.{one.name}.summary", lang),
        "description": _say(f"op.{one.name}.text", lang),
        "security": [] if one.scope is None else [{"key": [one.scope] if one.scope else []}],
        "responses": {str(one.status): _success(one, lang), **_problems(one.problems, lang)},
    }
    if one.takes is not None:
        content = {"schema": {"$ref": _REFERENCE.format(model=one.takes.__name__)}}
        said["requestBody"] = {"required": True, "content": {"application/json": content}}
    if one.media:
        whole = {"type": "string", "description": _say(f"op.{one.name}.body", lang)}
        said["requestBody"] = {"required": True, "content": {one.media: {"schema": whole}}}
    parameters = _once(lang) if one.once else []
    parameters += _query(one.asks, lang) if one.asks else []
    return said | ({"parameters": parameters} if parameters else {})


def _success(one: Operation, lang: str) -> dict[str, Any]:
    headers = _paced(lang) if one.scope is not None else {}
    content = {"application/json": {"schema": {"$ref": _REFERENCE.format(model=one.gives.__name__)}}}
    said = {"description": _say(f"model.{one.gives.__name__}", lang), "content": content}
    return said | ({"headers": headers} if headers else {})


def _problems(codes: Iterable[str], lang: str) -> dict[str, Any]:
    """By status: what the problems of these codes say."""
    found: dict[str, list[str]] = {}
    for code in codes:
        found.setdefault(str(problems.CODES[code][0]), []).append(code)
    return {status: _problem(status, of_status, lang) for status, of_status in sorted(found.items())}


def _problem(status: str, codes: list[str], lang: str) -> dict[str, Any]:
    words = " ".join(f"`{code}`: {_say(f'problem.{code}', lang)}" for code in codes)
    content = {problems.MEDIA: {"schema": {"$ref": _REFERENCE.format(model="Problem")}}}
    said: dict[str, Any] = {"description": words, "content": content}
    header = {"429": "Retry-After", "503": "Retry-After", "401": "WWW-Authenticate", "405": "Allow"}.get(status)
    if header:
        schema = {"type": "integer" if header == "Retry-After" else "string"}
        said["headers"] = {header: {"schema": schema, "description": _say(f"header.{header}", lang)}}
    return said


def _paced(lang: str) -> dict[str, Any]:
    names = ("RateLimit-Policy", "RateLimit")
    return {name: {"schema": {"type": "string"}, "description": _say(f"header.{name}", lang)} for name in names}


def _once(lang: str) -> list[dict[str, Any]]:
    schema = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!#-\\[\\]-~]+$"}
    words = _say(f"header.{IDEMPOTENCY}", lang)
    return [{"name": IDEMPOTENCY, "in": "header", "required": False, "schema": schema, "description": words}]


def _query(model: type[BaseModel], lang: str) -> list[dict[str, Any]]:
    schema_of = model.model_json_schema()
    found, required = schema_of["properties"], schema_of.get("required", [])
    return [
        {
            "name": name,
            "in": "query",
            "required": name in required,
            "schema": {key: value for key, value in schema.items() if key not in ("title", "default")},
            "description": _field(model.__name__, name, lang),
        }
        for name, schema in found.items()
    ]


def _schemas(lang: str) -> dict[str, Any]:
    wanted = {model for one in operations() for model in (one.takes, one.gives) if model is not None}
    wanted |= {models.Problem}
    _, found = models_json_schema(
        [(model, "validation") for model in sorted(wanted, key=lambda one: one.__name__)], ref_template=_REFERENCE
    )
    schemas: dict[str, Any] = found["$defs"]
    for name, schema in schemas.items():
        schema.pop("title", None)
        schema["description"] = _say(f"model.{name}", lang)
        for member, form in schema.get("properties", {}).items():
            form.pop("title", None)
            form["description"] = _field(name, member, lang)
    return schemas | {"Message": _message(lang)}


def _message(lang: str) -> dict[str, Any]:
    """What a receiver is sent."""
    text_ = {"type": "string"}
    data: dict[str, dict[str, Any]] = {
        "entry": {"type": "integer"},
        **dict.fromkeys(("purpose", "act", "channel", "recipient", "notice"), text_),
        "purposes": {"type": "array", "items": text_},
        "subject": text_ | {"pattern": "^[0-9a-f]{32}$"},
    }
    properties: dict[str, dict[str, Any]] = {
        "type": {"type": "string", "enum": list(EVENTS)},
        "timestamp": text_ | {"format": "date-time"},
        "data": {
            "type": "object",
            "required": ["entry"],
            "properties": {name: form | {"description": _field("Message", name, lang)} for name, form in data.items()},
        },
    }
    for name, form in properties.items():
        form["description"] = _field("Message", name, lang)
    return {
        "type": "object",
        "description": _say("model.Message", lang),
        "required": list(properties),
        "properties": properties,
    }


def _webhook(event: str, lang: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": _REFERENCE.format(model="Message")}}}
    return {
        "post": {
            "operationId": event.replace(".", "_"),
            "summary": _say(f"event.{event.replace('.', '_')}", lang),
            "security": [],
            "requestBody": {"content": content},
            "responses": {"204": {"description": _say("message.taken", lang)}},
        }
    }


def _notice(lang: str) -> dict[str, Any]:
    """The notice for applications; its door is the notice's own."""
    languages = {"type": "string", "enum": list(LANGUAGES)}
    parameter = {"name": "lang", "in": "path", "required": True, "schema": languages}
    found = {"description": _say("op.read_notice.given", lang), "content": {"application/json": {"schema": {}}}}
    return {
        "operationId": "read_notice",
        "tags": ["notice"],
        "summary": _say("op.read_notice.summary", lang),
        "description": _say("op.read_notice.text", lang),
        "security": [],
        "parameters": [parameter | {"description": _field("Question", "lang", lang)}],
        "responses": {
            "200": found,
            "304": {"description": _say("op.read_notice.same", lang)},
            **_problems(("denied", "not_found", "not_allowed", "uncertain", "unsafe"), lang),
        },
    }


def _field(model: str, name: str, lang: str) -> str:
    """What a member means: in this model, else wherever it stands."""
    key = f"field.{model}.{name}"
    return _say(key if key in catalogue(ROOM) else f"field.{name}", lang)


def _tag(one: Operation) -> str:
    return one.path.split("/")[1]


def _say(key: str, lang: str, **values: str | int) -> str:
    return text(ROOM, key, lang, **values)


def limits() -> Mapping[str, int]:
    """Figures that the documentation names."""
    return {"window": WINDOW, "choices": batch.MOST, "questions": answers.MOST}
