"""Other words in a policy file: each text is replaced where it stands, and every other character stays as it was.

The parser says where a text begins and ends; nothing is loaded and dumped again, so that comments, order, blank lines
and the writer's own manner survive.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pacte.kernel.errors import BadInput
from pacte.policy.tree import Path, Tree, Unreadable, read_tree

WIDTH = 120
"""Characters of a line."""
_STEP = 2
"""Spaces by which the lines of a text stand within its key."""

_PLAIN = re.compile(r"[^\W_][^\n]*")
_WORDS_OF_YAML = re.compile(r"(?i:true|false|yes|no|on|off|null|~|[-+.\d_:eE]+)")
_NEEDS_QUOTES = {True: re.compile(r": | #|:$|[,\[\]{}]"), False: re.compile(r": | #|:$")}
"""By whether a text stands between braces: what would end it, or mean something else."""
_HEAD, _BEHIND = re.compile(r"[|>][-+\d]*[ \t]*(#[^\n]*)?"), re.compile(r"[ \t]*(#[^\n]*)?")
"""What may stand on the first line of a block, and behind another text."""


@dataclass(slots=True)
class _Places:
    """By path: the parser's event for the key, and the one that begins its value."""

    keys: dict[Path, Any] = field(default_factory=dict)
    values: dict[Path, Any] = field(default_factory=dict)

    def note(self, path: Path, event: Any) -> None:
        (self.values if path in self.keys else self.keys)[path] = event


def rewritten(source: str, words: Mapping[Path, str]) -> str:
    """The text of a policy file with other words at these paths (`("purposes", "newsletter", "title", "en")`).

    A language that a text lacks is added after those that it has. Raises `Unreadable` for what is no YAML, and
    `BadInput` for a text that is not there, or cannot be written where it would stand.
    """
    found = _Places()
    before = read_tree(source, found.note)
    newline = "\r\n" if "\r\n" in source else "\n"
    changed = source
    edits = [_edit(source, before, found, path, text) for path, text in words.items()]
    for start, end, written in sorted(edits, reverse=True):  # from below, so that the places above stay right
        changed = changed[:start] + written.replace("\n", newline) + changed[end:]
    _refuse_other(before, changed, words)
    return changed


def _edit(source: str, tree: Tree, found: _Places, path: Path, text: str) -> tuple[int, int, str]:
    """Which characters become which, so that one text is another."""
    parent, language = path[:-1], str(path[-1])
    written = tree.mapping(*parent)
    if not written:
        raise BadInput("this text is not in the file; write it there first, in one language")
    flow = bool(found.values[parent].flow_style)
    column = found.keys[(*parent, next(iter(written)))].start_mark.column
    if language not in written:
        return _added(source, found, (*parent, list(written)[-1]), language, _represented(text, column, 0, flow=flow))
    value, key = found.values[path], found.keys[path]
    if value.start_mark.index == value.end_mark.index:  # nothing is written after the colon yet
        start = end = source.index(":", key.end_mark.index) + 1
        new = " " + _represented(text, column, key.end_mark.column + 2, flow=flow)
    else:
        start, end = _span(source, value)
        new = _represented(text, column, value.start_mark.column, flow=flow)
    if value.style in ("|", ">"):
        return start, end, _with_comment(new, _HEAD.match(source, start))
    if new.lstrip()[0] in "|>":  # what stands behind it would become part of the block
        behind = _BEHIND.match(source, end)
        return start, behind.end() if behind else end, _with_comment(new, behind)
    return start, end, new


def _added(source: str, found: _Places, last: Path, language: str, written: str) -> tuple[int, int, str]:
    """Where one more language goes: after the last that is there, in braces or on a line of its own."""
    key, value = found.keys[last], found.values[last]
    flow = bool(found.values[last[:-1]].flow_style)
    empty = value.start_mark.index == value.end_mark.index
    end = source.index(":", key.end_mark.index) + 1 if empty else _span(source, value)[1]
    if flow:
        return end, end, f", {language}: {written}"
    stop = source.find("\n", end)
    at = len(source) if stop < 0 else stop - (source[stop - 1] == "\r")
    return at, at, f"\n{' ' * key.start_mark.column}{language}: {written}"


def _span(source: str, value: Any) -> tuple[int, int]:
    """From where to where a value is written, without the empty lines after a block."""
    start, end = value.start_mark.index, value.end_mark.index
    return start, start + len(source[start:end].rstrip())


def _with_comment(written: str, found: re.Match[str] | None) -> str:
    """The new text with the comment that stood on the first line of the old one."""
    if found is None or not found[1]:
        return written
    first, newline, rest = written.partition("\n")
    return f"{first}   {found[1].rstrip()}{newline}{rest}"


def _represented(text: str, column: int, start: int, *, flow: bool) -> str:
    """A text as a careful person writes it in YAML: as it is, in quotes, or as a block under its key.

    `column` is where its key begins, `start` where the text would, in characters from the left.
    """
    room = 10_000 if flow else WIDTH - max(start, column + 4)
    one_line = "\n" not in text
    plain = _PLAIN.fullmatch(text) and not _NEEDS_QUOTES[flow].search(text) and not _WORDS_OF_YAML.fullmatch(text)
    if one_line and plain and len(text) <= room:
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    frayed = any(line != line.rstrip() for line in text.split("\n"))  # a block says nothing of what ends its lines
    if flow or frayed or "  " in text or (one_line and len(quoted) <= room):
        return quoted
    return "\n".join(_block(text, " " * (column + _STEP)))


def _block(text: str, indent: str) -> Iterator[str]:
    if "\n" in text:
        yield "|-"
        yield from (f"{indent}{line}".rstrip() for line in text.split("\n"))
        return
    yield ">-"
    lines = textwrap.wrap(text, WIDTH - len(indent), break_long_words=False, break_on_hyphens=False)
    yield from (f"{indent}{line}" for line in lines)


def _refuse_other(before: Tree, changed: str, words: Mapping[Path, str]) -> None:
    """INVARIANT: the file says what it said, and these words."""
    for path, text in words.items():
        before.mapping(*path[:-1])[str(path[-1])] = text
    try:
        same = read_tree(changed).value == before.value
    except Unreadable:
        same = False
    if not same:
        raise BadInput("this text cannot be written where it stands; change it in the file itself")
