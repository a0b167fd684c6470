"""Run every rule over every file of the repository."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tools.lint import clock, docstrings, exemptions, permits, tables, words
from tools.lint.source import Finding, Source
from tools.tree import ROOT, repository_files

RULES: dict[str, Callable[[Source], Iterator[Finding]]] = {
    module.NAME: module.check for module in (clock, docstrings, permits, tables)
}


def lint_repository() -> list[Finding]:
    """What is wrong in the whole repository, in the order of its files."""
    return sorted(finding for path in repository_files() for finding in lint_file(path))


def lint_file(path: Path) -> Iterator[Finding]:
    """What is wrong in one file; a file that is not UTF-8 text has no words to check."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return iter(())
    return lint_text(path.relative_to(ROOT).as_posix(), text)


def lint_text(path: str, text: str) -> Iterator[Finding]:
    """What is wrong in `text`, as if it stood at `path`."""
    spoken = words.check_text(path, text)
    if not path.endswith(".py"):
        return spoken
    source = Source(path, text)
    try:
        _ = source.tree
    except SyntaxError as error:
        return iter([Finding(path, error.lineno or 1, "syntax", f"this is no Python 3.11: {error.msg}")])
    return exemptions.apply(path, text, _all(source, spoken), {*RULES, words.NAME})


def _all(source: Source, spoken: Iterable[Finding]) -> Iterator[Finding]:
    yield from spoken
    for rule in RULES.values():
        yield from rule(source)
