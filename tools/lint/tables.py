"""A room's tables are its own: nobody else reads or writes them behind its back."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tools.lint.source import Finding, Source

NAME = "guarded-table"
STEPS = "src/pacte/app/migrations/versions/"

_GUARDED = r"\b(vault|ledger|consent|gate|lake)_[a-z][a-z_]*"
_TABLE = re.compile(_GUARDED, re.IGNORECASE)
_SCHEMA = r"\b(lake)\"?\."
_BEFORE = (
    r"\b(?:from|join|into|update|table|trigger|index|on|truncate|pragma)\s+(?:if\s+(?:not\s+)?exists\s+)?[\w.\"]*?"
)
_SQL = re.compile(rf"{_BEFORE}(?:{_GUARDED}|{_SCHEMA})", re.IGNORECASE)


def check(source: Source) -> Iterator[Finding]:
    """SQL text, `metadata.tables[…]` and imported table objects that belong to another room; tests may tamper.

    The steps from one format of the records to the next make every room's tables, and nothing else.
    """
    if source.path.startswith(("tests/", STEPS)):
        return
    prose = {id(node) for node in source.docstrings()}
    for node in ast.walk(source.tree):
        if id(node) in prose:
            continue
        for owner, line in _named(node):
            if owner != source.room:
                message = f"names a table of `{owner}` outside that room; call a function of `{owner}` instead"
                yield Finding(source.path, line, NAME, message)


def _named(node: ast.AST) -> Iterator[tuple[str, int]]:
    match node:
        case ast.Constant(value=str(text)):
            for words in _SQL.finditer(text):
                yield (words[1] or words[2]).lower(), node.lineno
        case ast.Subscript(value=ast.Attribute(attr="tables"), slice=ast.Constant(value=str(text))):
            if found := _TABLE.fullmatch(text):
                yield found[1].lower(), node.lineno
        case ast.ImportFrom(module=str(module), names=names):
            for room in re.findall(r"^pacte\.(\w+)\.tables$", module):
                yield room, node.lineno
            for alias in names:
                if module.startswith("pacte.") and (found := _TABLE.fullmatch(alias.name)):
                    yield found[1], node.lineno
