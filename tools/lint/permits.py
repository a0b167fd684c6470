"""A permit comes from the gate, and only after the use was recorded."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tools.lint.source import Finding, Source

NAME = "permit-outside-gate"
WHY = "a permit built outside the gate would release data that no use entry accounts for"

_GUARDED = {"Permit", "PermitSet", "PermitSome"}


def check(source: Source) -> Iterator[Finding]:
    """Calls, copies and subclasses of a permit outside `gate`."""
    if source.room == "gate":
        return
    for node in ast.walk(source.tree):
        if _makes_permit(source, node):
            yield Finding(source.path, node.lineno, NAME, WHY)  # type: ignore[attr-defined] # only nodes with a line


def _makes_permit(source: Source, node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(attr="__new__", value=value), args=args):
            return any(_is_permit(source, item) for item in [value, *args])
        case ast.Call(func=function):
            return _is_permit(source, function)
        case ast.ClassDef(bases=bases, name=name):
            return name not in _GUARDED and any(_is_permit(source, base) for base in bases)
        case _:
            return False


def _is_permit(source: Source, node: ast.expr) -> bool:
    return source.dotted(node).rsplit(".", 1)[-1] in _GUARDED
