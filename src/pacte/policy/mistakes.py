"""Mistakes in a file, all at once, in words: where, what was found, what was expected, what was probably meant."""

from __future__ import annotations

import types
from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from pacte.policy.tree import Node, Path, Tree, shown

M = TypeVar("M", bound=BaseModel)
MOST = 200
"""As many problems as one run reports; a file with more is not a policy."""
ENOUGH = 1_000
"""As many as it looks for in one pass, so that a hostile file costs no more than its size."""


@dataclass(slots=True)
class Mistakes:
    """The problems found so far in one tree."""

    tree: Tree
    found: list[tuple[int, str]] = field(default_factory=list)

    def add(self, path: Path, message: str) -> None:
        """Note a problem at a path."""
        self.found.append((self.tree.line(path), message))

    def unknown(self, path: Path, what: str, word: str, known: Iterable[str]) -> None:
        """Note a name that refers to nothing, with what was probably meant."""
        if len(self.found) > ENOUGH:
            return
        names = sorted(set(known))
        self.add(path, f"unknown {what} `{shown(word)}`{meant(word, names) or _listed(names)}")

    def lines(self, name: str) -> list[str]:
        """Every problem once, sorted by line, as `name:LINE: message`."""
        unique = sorted(set(self.found) | set(self.tree.problems))
        cut = [f"{name}:{line}: {message}" for line, message in unique[:MOST]]
        return [*cut, f"{name}: and {len(unique) - MOST} more"] if len(unique) > MOST else cut


def meant(word: str, known: Iterable[str]) -> str:
    """What was probably meant: "; did you mean `newsletter`?", or nothing.

    >>> meant("newsleter", ["newsletter", "invoices"])
    '; did you mean `newsletter`?'
    """
    close = get_close_matches(word[:80].lower(), list(known), n=1, cutoff=0.6)
    return f"; did you mean `{close[0]}`?" if close else ""


def validate(model: type[M], tree: Tree, mistakes: Mistakes) -> M | None:
    """Read a tree as a model; every mistake is noted and None returned when there are any."""
    try:
        return model.model_validate(tree.value)
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False)[:ENOUGH]:
            _note(model, tree, mistakes, problem)
        return None


def attempt(model: type[M], node: Node) -> M | None:
    """Read one part for further checks, or None when it has mistakes (which `validate` notes)."""
    try:
        return model.model_validate(node)
    except ValidationError:
        return None


def _note(model: type[BaseModel], tree: Tree, mistakes: Mistakes, problem: Any) -> None:
    is_key = problem["loc"][-1:] == ("[key]",)
    path: Path = tuple(step for step in problem["loc"] if step != "[key]")
    kind, context = str(problem["type"]), problem.get("ctx", {})
    if kind == "missing":
        mistakes.add(path[:-1], f"{_where(path[:-1])} lacks `{path[-1]}`")
    elif kind == "extra_forbidden":
        word = str(path[-1])
        known = _keys(_model_at(model, path[:-1]))
        mistakes.add(path, f"unknown key `{shown(word)}` in {_where(path[:-1])}{meant(word, known) or _listed(known)}")
    elif tree.at(path) is None and not is_key:
        mistakes.add(path, f"{_where(path)} is empty")
    elif kind == "literal_error":
        mistakes.add(path, _not_in_list(path, tree.at(path), str(context["expected"])))
    elif kind == "value_error":
        mistakes.add(path, f"{_where(path)}: {context['error']}")
    else:
        mistakes.add(path, f"{_where(path)}: {_expected(kind, context)}")


def _not_in_list(path: Path, found: Node, expected: str) -> str:
    known = [word for word in expected.replace(" or ", ", ").replace("'", "").split(", ") if word]
    if not isinstance(found, str):
        return f"{_where(path)}: expected one word{_listed(known)}"
    return f"{_where(path)}: unknown value `{shown(found)}`{meant(found, known) or _listed(known)}"


def _expected(kind: str, context: dict[str, Any]) -> str:
    match kind:
        case "model_type" | "dict_type" | "model_attributes_type":
            return "expected `key: value` pairs"
        case "tuple_type" | "list_type":
            return "expected a list, such as `[a, b]`"
        case "string_type":
            return "expected a text"
        case "int_parsing" | "int_type" | "int_from_float" | "int_parsing_size":
            return "expected a whole number"
        case "greater_than_equal":
            return f"expected at least {context['ge']}"
        case "less_than_equal":
            return f"expected at most {context['le']}"
    return "a value that cannot be used here"


def _where(path: Path) -> str:
    """A path as people say it: `purposes.newsletter.basis`, list places counted from 1."""
    words = [f"[{step + 1}]" if isinstance(step, int) else f".{shown(step)}" for step in path]
    return f"`{''.join(words).lstrip('.')}`" if words else "the file"


def _listed(known: Iterable[str]) -> str:
    names = [f"`{name}`" for name in known]
    return f"; expected one of {', '.join(names)}" if 0 < len(names) <= 12 else ""


def _keys(model: type[BaseModel] | None) -> list[str]:
    return [info.alias or name for name, info in model.model_fields.items()] if model else []


def _model_at(model: type[BaseModel], path: Path) -> type[BaseModel] | None:
    """The model that reads the mapping at a path."""
    reader: Any = model
    for step in path:
        reader = _inside(reader)
        if isinstance(reader, type) and issubclass(reader, BaseModel):
            fields = {info.alias or name: info.annotation for name, info in reader.model_fields.items()}
            reader = fields.get(str(step))
        elif get_args(reader):
            arguments = get_args(reader)
            reader = arguments[1] if get_origin(reader) is dict else arguments[0]
    reader = _inside(reader)
    return reader if isinstance(reader, type) and issubclass(reader, BaseModel) else None


def _inside(reader: Any) -> Any:
    """What an optional type holds."""
    if get_origin(reader) in (Union, types.UnionType):
        return next(argument for argument in get_args(reader) if argument is not type(None))
    return reader
