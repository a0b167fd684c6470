"""The clock is read once per verb, at the front door; below it, `now` is an argument."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tools.lint.source import Finding, Source

NAME = "clock"

_CLOCKS = {
    "time.time",
    "time.time_ns",
    "time.localtime",
    "time.gmtime",
    "datetime.datetime.now",
    "datetime.datetime.utcnow",
    "datetime.datetime.today",
    "datetime.date.today",
    "pacte.kernel.instant.now",
}
_FRONT_DOORS = {"app", "cli", "testing", "kernel"}


def check(source: Source) -> Iterator[Finding]:
    """Any mention of a clock in a room that must be told the time."""
    if not source.shipped or source.room in _FRONT_DOORS:
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Name | ast.Attribute) and source.dotted(node) in _CLOCKS:
            message = f"reads the clock ({source.dotted(node)}); take `now: Instant` as an argument"
            yield Finding(source.path, node.lineno, NAME, message)
