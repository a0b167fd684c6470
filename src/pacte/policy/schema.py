"""The JSON Schema of `policy.yaml`, so that an editor completes it, explains each key and marks what cannot be read.

It follows from the model and adds what each key means (`schema.toml`). It knows the form alone: whether names refer to
something, and what a law makes of it, is for `pacte policy check`. Values are as an editor reads YAML 1.2: `yes` is a
text, `true` a truth, `1` a number.
"""

from __future__ import annotations

import json
import tomllib
import types
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pacte.kernel.i18n import LANGUAGES
from pacte.policy import model
from pacte.policy.categories import categories
from pacte.policy.form_checks import DECLARED_AGES
from pacte.policy.packs import BUILT_IN, exceptions
from pacte.policy.weeks import DAYS

DIALECT = "https://json-schema.org/draft/2020-12/schema"
ID = "urn:pacte:policy:1"
FILE = "policy.schema.json"
"""What the schema is called beside a policy; the first line of each template names it."""

_TEXT = {"type": ["string", "number", "boolean"], "pattern": r"\S"}
_COUNT = {"type": "integer", "minimum": 1}
_DAY, _TIME = r"\d{4}-\d{2}-\d{2}", r"\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:?\d{2})?"


def schema() -> dict[str, Any]:
    """The schema as JSON values (JSON Schema 2020-12); a policy that extends another may leave anything out."""
    return {
        "$schema": DIALECT,
        "$id": ID,
        "title": "policy.yaml",
        "description": "What a company promises the people whose data it uses, and what the law asks of it.",
        "type": "object",
        "if": {"required": ["extends"]},
        "then": {"$ref": "#/$defs/PolicyFilePart"},
        "else": {"$ref": "#/$defs/PolicyFile"},
        "$defs": _definitions("") | _definitions("Part"),
    }


def published() -> str:
    """The schema as the text of a file, the same for the same version of pacte."""
    return json.dumps(schema(), ensure_ascii=False, indent=1) + "\n"


@cache
def descriptions() -> dict[str, dict[str, str]]:
    """What each key means: part of the policy → key → a short sentence."""
    return tomllib.loads(files("pacte.policy").joinpath("schema.toml").read_text(encoding="utf-8"))


def parts() -> dict[str, type[model.Part]]:
    """Every part of the policy file by its name in the model."""
    found: dict[str, type[model.Part]] = {}
    waiting: list[Any] = [model.PolicyFile]
    while waiting:
        kind = waiting.pop()
        if isinstance(kind, type) and issubclass(kind, model.Part) and kind.__name__ not in found:
            found[kind.__name__] = kind
            waiting += [info.annotation for info in kind.model_fields.values()]
        waiting += [inner for inner in get_args(kind) if not isinstance(inner, str)]
    return dict(sorted(found.items()))


def _definitions(suffix: str) -> dict[str, Any]:
    """One definition for each part; with the suffix `Part`, nothing is required."""
    found = {name + suffix: _part(kind, suffix) for name, kind in parts().items()}
    found[f"Safeguard{suffix}"] = {"anyOf": [_TEXT, found[f"Safeguard{suffix}"]]}
    units = get_args(get_type_hints(model.Coarse)["unit"])[0]
    found[f"Coarse{suffix}"] = {"anyOf": [_form(units, suffix), _COUNT, found[f"Coarse{suffix}"]]}
    return found


def _part(kind: type[model.Part], suffix: str) -> dict[str, Any]:
    told = descriptions()[kind.__name__]
    hints = get_type_hints(kind, include_extras=True)
    shown: dict[str, Any] = {}
    required = []
    for name, info in kind.model_fields.items():
        key = info.alias or name
        form = _special().get((kind.__name__, key)) or _form(hints[name], suffix)
        shown[key] = {"description": told[key], **form}
        if info.is_required() and not suffix:
            required.append(key)
    needed: dict[str, Any] = {"required": required} if required else {}
    return {"type": "object", "properties": shown, **needed, "additionalProperties": False}


def _form(kind: Any, suffix: str) -> dict[str, Any]:
    """The form of one type of the model."""
    for known, form in _FORMS:
        if kind is known:
            return form
    origin, inside = get_origin(kind), get_args(kind)
    if origin is Literal:
        return {"enum": list(inside)}
    if origin is tuple:
        return {"type": "array", "items": _form(inside[0], suffix)}
    if origin is dict:
        return _keyed(_form(inside[0], suffix).get("pattern"), _form(inside[1], suffix))
    if origin in (Union, types.UnionType):
        return _form(next(one for one in inside if one is not types.NoneType), suffix)
    if origin is Annotated and inside[0] is int:
        bounds = {type(bound).__name__: bound for info in inside[1:] for bound in info.metadata}
        least = {"minimum": bounds["Ge"].ge} if "Ge" in bounds else {}
        return {"type": "integer", **least, **({"maximum": bounds["Le"].le} if "Le" in bounds else {})}
    if isinstance(kind, type) and issubclass(kind, model.Part):
        return {"$ref": f"#/$defs/{kind.__name__}{suffix}"}
    if kind is str:
        return {"type": "string"}
    raise TypeError(f"no JSON Schema is known for `{kind}`")


def _keyed(pattern: str | None, value: dict[str, Any]) -> dict[str, Any]:
    if pattern is None:
        return {"type": "object", "additionalProperties": value}
    return {"type": "object", "patternProperties": {pattern: value}, "additionalProperties": False}


def _pattern(text: str) -> dict[str, Any]:
    return {"type": "string", "pattern": f"^({text})$"}


def _closed(words: Iterable[str], value: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": dict.fromkeys(words, value), "additionalProperties": False}


def _listed(words: Iterable[str]) -> dict[str, Any]:
    return {"type": "array", "items": {"enum": list(words)}}


_FORMS: tuple[tuple[Any, dict[str, Any]], ...] = (
    (model.Text, _TEXT),
    # A column may be called `true`; it is read as its text.
    (model.Name, _pattern(r"[a-z][a-z0-9_]{0,47}") | {"type": ["string", "boolean"]}),
    (model.NoticeName, _pattern(r"[a-z0-9][a-z0-9_.-]{0,47}")),
    (model.FieldPath, _pattern(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")),
    (model.Place, _pattern(r"[A-Z]{2}(-[A-Z0-9]{1,3})?")),
    (model.Locale, _pattern(r"[a-z]{2}(-[A-Z]{2})?")),
    (model.YesNo, {"enum": ["yes", "no", True, False]}),
    (model.Length, _pattern(r"0*[1-9][0-9]{0,4} ?(day|week|month|year)s?")),
    (model.Moment, _pattern(f"{_DAY}([T ]{_TIME})?")),
    (model.Days, _pattern("({0})(-({0}))?".format("|".join(DAYS)))),
    (model.Hours, _pattern(r"[0-9]{1,2}:[0-5][0-9]-[0-9]{1,2}:[0-5][0-9]")),
    (model.Said, {"anyOf": [_TEXT, {**_closed(LANGUAGES, _TEXT), "minProperties": 1}]}),
    (model.Localised, {**_closed(LANGUAGES, _TEXT), "minProperties": 1}),
)
"""The types of the model that are written in a form of their own."""


@cache
def _special() -> dict[tuple[str, str], dict[str, Any]]:
    """Keys whose values come from a closed list that the model does not hold."""
    category = {"enum": list(categories())}
    claims = {word: pack.file.exceptions[word]["en"] for word, pack in exceptions().items()}
    return {
        ("PolicyFile", "pacte"): {"enum": [1, "1"]},
        ("PolicyFile", "languages"): _listed(LANGUAGES),
        ("Form", "over"): {"enum": list(DECLARED_AGES)},
        ("PolicyFile", "laws"): {
            "type": "array",
            "items": {"anyOf": [{"enum": list(BUILT_IN)}, {"type": "string", "pattern": r"/|\.ya?ml$"}]},
            "minItems": 1,
        },
        ("Notice", "tells"): {"type": "object", "additionalProperties": _listed(categories())},
        ("DataField", "category"): category,
        ("Aggregate", "category"): category,
        ("DataField", "reveals"): _closed(
            [one.id for one in categories().values() if one.special == "art9"],
            {"type": "array", "items": _TEXT, "minItems": 1},
        ),
        ("Purpose", "exceptions"): {
            "type": "object",
            "properties": {word: {"description": said, **_TEXT} for word, said in claims.items()},
            # A company's own pack may define words that are not listed here.
            "additionalProperties": _TEXT,
        },
    }
