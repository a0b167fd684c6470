"""Every public name of pacte is explained where it stands."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tools.lint.source import Finding, Source

NAME = "docstring"

_Documented = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def check(source: Source) -> Iterator[Finding]:
    """Public modules, classes, functions and methods of what is installed that have no docstring."""
    if not source.shipped:
        return
    if not ast.get_docstring(source.tree):
        yield Finding(source.path, 1, NAME, "a module without a first sentence")
    yield from _undocumented(source, source.tree)


def _undocumented(source: Source, scope: ast.Module | ast.ClassDef) -> Iterator[Finding]:
    for node in scope.body:
        if not isinstance(node, _Documented) or node.name.startswith("_") or _repeats(node):
            continue
        if not ast.get_docstring(node):
            yield Finding(source.path, node.lineno, NAME, f"`{node.name}` is public and unexplained")
        if isinstance(node, ast.ClassDef):
            yield from _undocumented(source, node)


def _repeats(node: _Documented) -> bool:
    """Overloads and setters speak of something that is explained beside them."""
    marks = [ast.unparse(decorator) for decorator in node.decorator_list]
    return any(mark.endswith(("overload", ".setter", "override")) for mark in marks)
