"""A Python file as the rules see it: its place, its tree, and what its imported names mean."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Something that a rule objects to, at a line of a file."""

    path: str
    line: int
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.message}"


@dataclass(frozen=True)
class Source:
    """One Python file: `path` is relative to the repository, with forward slashes."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree."""
        return ast.parse(self.text)

    @property
    def room(self) -> str:
        """The room of `src/pacte` or of `tests` that the file belongs to; empty elsewhere."""
        match PurePosixPath(self.path).parts:
            case ("src", "pacte", room, *_) | ("tests", room, *_):
                return room.removesuffix(".py")
            case _:
                return ""

    @property
    def shipped(self) -> bool:
        """Whether the file is part of what is installed."""
        return self.path.startswith("src/")

    @cached_property
    def imported(self) -> dict[str, str]:
        """Local name → dotted name, for every import anywhere in the file."""
        names: dict[str, str] = {}
        for node in ast.walk(self.tree):
            match node:
                case ast.Import(names=aliases):
                    for alias in aliases:
                        names[alias.asname or alias.name.split(".")[0]] = (
                            alias.name if alias.asname else alias.name.split(".")[0]
                        )
                case ast.ImportFrom(module=str(module), names=aliases):
                    names |= {alias.asname or alias.name: f"{module}.{alias.name}" for alias in aliases}
        return names

    def dotted(self, node: ast.expr) -> str:
        """The full dotted name that an expression refers to, as far as imports tell; empty if it is no name."""
        match node:
            case ast.Name(id=name):
                return self.imported.get(name, name)
            case ast.Attribute(value=value, attr=attr):
                base = self.dotted(value)
                return f"{base}.{attr}" if base else ""
            case _:
                return ""

    def docstrings(self) -> Iterator[ast.Constant]:
        """The docstring and bare string nodes: prose, not code."""
        for node in ast.walk(self.tree):
            match node:
                case ast.Expr(value=ast.Constant(value=str()) as constant):
                    yield constant
