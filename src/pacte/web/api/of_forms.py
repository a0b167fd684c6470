"""The two calls of a form, as the OpenAPI document describes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from pacte.kernel.i18n import LANGUAGES, text

Problems = Callable[[Iterable[str], str], dict[str, Any]]
"""(codes of problems, language) → the answers that tell of them, by status."""

ALWAYS = ("denied", "not_found", "not_allowed", "too_fast", "uncertain", "unsafe")
OF_ANSWERS = ("malformed", "bad_input", "conflict", "too_large", "media_type", "invalid")
_TEXT = {"type": "string"}


def operations(lang: str, problems: Problems) -> dict[str, Any]:
    """The methods of the address of a form, in words of `lang`."""
    form = {"name": "form", "in": "path", "required": True, "schema": _TEXT, "description": _say("form", lang)}
    language = {"type": "string", "enum": list(LANGUAGES)}
    asked = {"name": "lang", "in": "query", "required": False, "schema": language, "description": _say("lang", lang)}
    read = {
        "operationId": "read_form",
        "tags": ["forms"],
        "summary": _say("read", lang),
        "description": _say("read_text", lang),
        "security": [],
        "parameters": [form, asked],
        "responses": {"200": _given("read_given", {"type": "object"}, lang), **problems(ALWAYS, lang)},
    }
    status = {"type": "object", "required": ["status"], "properties": {"status": _TEXT}}
    answer = {
        "operationId": "answer_form",
        "tags": ["forms"],
        "summary": _say("answer", lang),
        "description": _say("answer_text", lang),
        "security": [],
        "parameters": [form],
        "requestBody": {"required": True, "content": {"application/json": {"schema": _answer(lang)}}},
        "responses": {
            "200": _given("nothing", status, lang),
            "202": _given("asked", status, lang),
            **problems((*ALWAYS, *OF_ANSWERS), lang),
        },
    }
    return {"get": read, "post": answer}


def _answer(lang: str) -> dict[str, Any]:
    properties: dict[str, dict[str, Any]] = {
        "ticket": _TEXT,
        "yes": {"type": "array", "items": _TEXT},
        "fields": {"type": "object", "additionalProperties": _TEXT},
        "over": {"type": "boolean"},
        "place": _TEXT,
    }
    return {
        "type": "object",
        "required": ["ticket", "yes"],
        "additionalProperties": False,
        "properties": {name: {**of, "description": _say(f"of_{name}", lang)} for name, of in properties.items()},
    }


def _given(key: str, schema: dict[str, Any], lang: str) -> dict[str, Any]:
    return {"description": _say(key, lang), "content": {"application/json": {"schema": schema}}}


def _say(key: str, lang: str) -> str:
    return text("web.forms", f"api.{key}", lang)
