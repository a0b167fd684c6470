"""Mistakes in a file, all at once, in words: where, what was found, what was expected, what was probably meant."""

from __future__ import annotations

import types
from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from pacte.policy.tree import QUOTES, Node, Path, Tree, shown

M = TypeVar("M", bound=BaseModel)
MOST = 200
"""As many problems as one run reports; a file with more is not a policy."""
ENOUGH = 1_000
"""As many as it looks for in one pass, so that a hostile file costs no more than its size."""


@dataclass(slots=True)
class Mistakes:
    """The problems found so far in one tree: the file (`""` for the tree's own), the line, the words."""

    tree: Tree
    found: list[tuple[str, int, str]] = field(default_factory=list)

    def add(self, path: Path, message: str) -> None:
        """Note a problem at a path."""
        self.found.append((*self.tree.place(path), message))

    def unknown(self, path: Path, what: str, word: str, known: Iterable[str]) -> None:
        """Note a name that refers to nothing, with what was probably meant.

        Where a purpose is written twice, another may be hidden behind it: then no purpose is called unknown.
        """
        if len(self.found) > ENOUGH or (what == "purpose" and ("purposes",) in self.tree.doubled):
            return
        names = sorted(set(known))
        hint = cut_short(self.tree, path) or meant(word, names) or _listed(names)
        self.add(path, f"unknown {what} `{shown(word)}`{hint}")

    def lines(self, name: str) -> list[str]:
        """Every problem once, sorted by file and line, as `name:LINE: message`; `name` is the tree's own file.

        The same words about other lines of the same file are said once, with those lines.
        """
        places: dict[tuple[str, str], list[int]] = {}
        for file, line, message in sorted(set(self.found) | {("", *problem) for problem in self.tree.problems}):
            places.setdefault((file, message), []).append(line)
        unique = sorted((file, lines[0], message, lines[1:]) for (file, message), lines in places.items())
        cut = [f"{file or name}:{line}: {message}{_also(others)}" for file, line, message, others in unique[:MOST]]
        return [*cut, f"{name}: and {len(unique) - MOST} more"] if len(unique) > MOST else cut


def _also(lines: list[int]) -> str:
    if not lines:
        return ""
    more = f" and {len(lines) - 10} more" if len(lines) > 10 else ""
    return f" (also on line{'s' if len(lines) > 1 else ''} {', '.join(map(str, lines[:10]))}{more})"


def cut_short(tree: Tree, path: Path) -> str:
    """A hint where a key without a value stands in braces: a text was likely cut at its own comma.

    Of `{en: news, and offers}` the second half is such a key.
    """
    parent = tree.at(path[:-1])
    within = isinstance(parent, dict) and len(parent) > 1 and path[-1] in parent and tree.at(path) is None
    return f"; {QUOTES}" if within and tree.line(path) in _lines_of_others(tree, path) else ""


def _lines_of_others(tree: Tree, path: Path) -> set[int]:
    """The lines of the mapping itself and of its other keys: braces share them, indented keys do not."""
    siblings = tree.mapping(*path[:-1])
    return {tree.line((*path[:-1], key)) for key in siblings if key != path[-1]}


def meant(word: str, known: Iterable[str]) -> str:
    """What was probably meant: "; did you mean `newsletter`?", or nothing.

    >>> meant("newsleter", ["newsletter", "invoices"])
    '; did you mean `newsletter`?'
    """
    names, typed = list(known), word[:80].lower()
    begun = [name for name in names if len(typed) > 4 and name.startswith(typed[:5])]
    # A slip of the finger first, then a word cut short (`religion` for `religious_belief`), then what looks alike.
    close = get_close_matches(typed, names, 1, 0.8) or begun or get_close_matches(typed, names, 1, 0.6)
    return f"; did you mean `{close[0]}`?" if close else ""


def alike(word: str, known: Iterable[str]) -> bool:
    """Whether a word looks like a slip of the finger in one of these."""
    return bool(get_close_matches(word[:80].lower(), list(known), 1, 0.8))


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
        called = _CALLED.get(word, "")
        hint = f"; did you mean `{called}`?" if called in known else cut_short(tree, path) or meant(word, known)
        mistakes.add(path, f"unknown key `{shown(word)}` in {_where(path[:-1])}{hint or _listed(known)}")
    elif tree.at(path) is None and not is_key:
        mistakes.add(path, f"{_where(path)} is empty{cut_short(tree, path)}")
    elif kind == "literal_error" and path in _FORMS and _is_later(tree.at(path)):
        mistakes.add(path, f"{_where(path)}: the file is written for a newer pacte; update pacte, or write `1`")
    elif kind == "literal_error":
        mistakes.add(path, _not_in_list(path, tree.at(path), str(context["expected"])))
    elif kind == "value_error":
        mistakes.add(path, f"{_where(path)}: {context['error']}")
    else:
        mistakes.add(path, f"{_where(path)}: {_expected(kind, context)}")


_FORMS: tuple[Path, ...] = (("pacte",), ("form",))
"""The keys that say in which form a policy or a pack is written."""
_CALLED = {
    **dict.fromkeys(("withdraw", "withdraws", "withdrawn", "remove", "removes", "except"), "without"),
    **dict.fromkeys(("inherits", "inherit", "base", "from_base", "parent"), "extends"),
}
"""What people call a key → the key."""


def _is_later(found: Node) -> bool:
    return isinstance(found, str) and found.isdecimal() and found.lstrip("0") not in ("", "1")


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
