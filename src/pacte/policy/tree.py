"""Reading YAML 1.2 into plain values that remember their lines.

A file becomes dictionaries, lists and texts; what a text means (a number, yes or no, a date) is for the model to say,
so that `NO` stays Norway and `01000` a postcode. The reader walks the parser's events without recursion and expands no
alias: a hostile file costs no more than its size.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

Node: TypeAlias = "dict[str, Node] | list[Node] | str | None"
Path: TypeAlias = "tuple[str | int, ...]"

LARGEST_BYTES = 512 * 1024
DEEPEST = 16
_NULL = re.compile(r"~|null|Null|NULL|")


class Unreadable(Exception):
    """The text is not YAML from this line on."""

    def __init__(self, line: int, message: str) -> None:
        self.line = line
        self.message = message
        super().__init__(message)


@dataclass(slots=True)
class Tree:
    """A document: its values, the line of each path (keys and list items), and what was wrong on the way.

    A document that extends another holds the parts of both: `files` says of a path that comes from another file which
    one, `withdrawn` what was taken away and where that is said.
    """

    value: Node = None
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[tuple[int, str]] = field(default_factory=list)
    files: dict[Path, str] = field(default_factory=dict)
    withdrawn: dict[Path, Path] = field(default_factory=dict)
    doubled: set[Path] = field(default_factory=set)
    """Mappings in which a key is written twice: what its second value declares is known to nobody."""

    def line(self, path: Path) -> int:
        """The line of the path, or of its nearest known parent; lines count from 1."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def place(self, path: Path) -> tuple[str, int]:
        """The file, `""` for the document's own, and the line of the path or of its nearest known parent."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.files.get(path, ""), self.lines.get(path, 1)

    def at(self, path: Path) -> Node:
        """The value at a path, or None."""
        node = self.value
        for step in path:
            if isinstance(node, dict) and isinstance(step, str):
                node = node.get(step)
            elif isinstance(node, list) and isinstance(step, int) and step < len(node):
                node = node[step]
            else:
                return None
        return node

    def mapping(self, *path: str | int) -> dict[str, Node]:
        """The mapping at a path; empty when something else is there."""
        node = self.at(path)
        return node if isinstance(node, dict) else {}

    def texts(self, *path: str | int) -> list[tuple[Path, str]]:
        """The texts of the list at a path, each with its own path."""
        node = self.at(path)
        items = node if isinstance(node, list) else []
        return [((*path, place), item) for place, item in enumerate(items) if isinstance(item, str)]


@dataclass(slots=True)
class _Open:
    """A collection being read: its path and, for a mapping, the key whose value comes next."""

    path: Path
    node: dict[str, Node] | list[Node]
    key: str | None = None
    skip: bool = False


def read_tree(text: str, note: Callable[[Path, Any], object] | None = None) -> Tree:
    """Read one YAML document; raises `Unreadable` with a line when it is not one.

    `note` is given each event of the parser that begins a key or a value, with its path: the key first.
    """
    tree = Tree()
    stack: list[_Open] = []
    documents = 0
    for line, event in _events(text):
        kind = type(event).__name__
        if kind == "DocumentStartEvent":
            documents += 1
            _check_document(event, documents, line)
        if getattr(event, "anchor", None):
            tree.problems.append((line, "an anchor or alias (`&` or `*`); write the value out where it is meant"))
        if getattr(event, "tag", None) and kind != "DocumentStartEvent":
            tree.problems.append((line, "a tag (`!`); values of a policy need none"))
        if kind in ("MappingStartEvent", "SequenceStartEvent"):
            if len(stack) >= DEEPEST:
                raise Unreadable(line, f"nested more than {DEEPEST} levels deep")
            opened: dict[str, Node] | list[Node] = {} if kind == "MappingStartEvent" else []
            path = _place(tree, stack, opened, line, collection=True)
            stack.append(_Open(path, opened))
            if note:
                note(path, event)
        elif kind in ("MappingEndEvent", "SequenceEndEvent"):
            stack.pop()
        elif kind == "ScalarEvent":
            path = _place(tree, stack, _scalar(event), line)
            if note:
                note(path, event)
        elif kind == "AliasEvent":
            _place(tree, stack, None, line)
    return tree


def _place(tree: Tree, stack: list[_Open], node: Node, line: int, *, collection: bool = False) -> Path:
    """Put a value where the parser is, and say its path."""
    if not stack:
        tree.value = node
        tree.lines[()] = line
        return ()
    top = stack[-1]
    if isinstance(top.node, list):
        path = (*top.path, len(top.node))
        top.node.append(node)
        tree.lines[path] = line
        return path
    if top.key is None:
        return _key(tree, top, node, line, collection=collection)
    path, top.key = (*top.path, top.key), None
    if top.skip:
        # A second value under one key is read (its own problems count) but kept apart from the first.
        return (*top.path, "")
    top.node[str(path[-1])] = node
    return path


def _key(tree: Tree, top: _Open, node: Node, line: int, *, collection: bool) -> Path:
    if collection:
        # Its contents come next: nothing after it could be placed.
        raise Unreadable(line, "a list or mapping used as a key; a text with braces or brackets needs quotes")
    if not isinstance(node, str) or not node:
        tree.problems.append((line, "a key that is no plain word; expected `key: value`"))
        top.key, top.skip = "", True
        return top.path
    path = (*top.path, node)
    top.key, top.skip = node, isinstance(top.node, dict) and node in top.node
    if top.skip:
        first = tree.lines[path]
        tree.problems.append((line, f"`{shown(node)}` is written twice; the first is on line {first}"))
        tree.doubled.add(top.path)
    else:
        tree.lines[path] = line
    return path


def shown(name: str) -> str:
    """A name as a message may repeat it: short, and only if it looks like a name; otherwise an ellipsis."""
    return name if re.fullmatch(r"[\w.:*<>/ -]{1,60}", name) else "…"


QUOTES = "a text with `:`, `,` or `'` needs double quotes"
"""What is likely meant where a text inside braces or brackets ends too early."""


def _scalar(event: Any) -> str | None:
    plain = event.style is None or event.style == ""
    return None if plain and _NULL.fullmatch(event.value) else str(event.value)


def _check_document(event: Any, documents: int, line: int) -> None:
    if documents > 1:
        raise Unreadable(line, "a second document (`---`); expected one")
    if event.version and tuple(event.version) != (1, 2):
        raise Unreadable(line, "a `%YAML` directive of another version; pacte reads YAML 1.2")


def _events(text: str) -> Iterator[tuple[int, Any]]:
    """The parser's events with their lines; every way of failing becomes `Unreadable`."""
    line = 1
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            line = event.start_mark.line + 1
            yield line, event
    except MarkedYAMLError as error:
        raise Unreadable(*_explain(error, line)) from None
    except Exception:  # the scanner fails in many ways on hostile input; a policy file never shows a traceback
        raise Unreadable(_bad_character(text) or line, "a character that YAML does not allow") from None


def _explain(error: MarkedYAMLError, line: int) -> tuple[int, str]:
    problem = str(error.problem or "")
    opened = error.context_mark.line + 1 if error.context_mark else line
    found = error.problem_mark.line + 1 if error.problem_mark else opened
    if "mapping values are not allowed" in problem:
        return found, "a `:` where none can be; check the indentation, or put the value in quotes"
    if "could not find expected ':'" in problem:
        return opened, "a line that is no `key: value`"
    if "\\t" in problem or "\t" in problem:
        return found, "a tab; indent with spaces"
    if "quoted scalar" in str(error.context or ""):
        return opened, "a quote that is opened here and never closed"
    if "flow" in str(error.context or ""):
        return opened, f"a `[` or `{{` opened here that is not closed, or lacks a comma; {QUOTES}"
    if "block" in str(error.context or "") or "block end" in problem:
        return found, "an indentation that does not fit the lines above"
    if "cannot start any token" in problem:
        return found, "a value that begins with a special character; put it in quotes"
    return found, "a line that cannot be read as YAML"


def _bad_character(text: str) -> int | None:
    bad = re.search("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", text)
    return text.count("\n", 0, bad.start()) + 1 if bad else None
