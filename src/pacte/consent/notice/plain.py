"""A notice as plain text: the exact words that are recorded by digest, and read back into blocks for a page.

The form is the one in which people write such texts: a heading stands alone on its line without a full stop, a line
that begins with `–` belongs to a list, an empty line ends a paragraph. Texts written by hand are read the same way.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field

from pacte.consent.notice.values import Layers, Line, Part, Told
from pacte.consent.notice.words import one_by_one, say, sentence

DASH = "–"
_ITEM = re.compile(r"\s*[–—•*-]\s+(?=\S)")
WIDEST = 110
"""Characters of a line."""
LONGEST_HEADING = 90
"""Characters of a line that may still be a heading."""


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a text: a `heading`, a `paragraph`, or a `list` with its lines."""

    kind: str
    text: str = ""
    lines: tuple[str, ...] = field(default=())


def plain(notice: Layers) -> str:
    """The whole notice as text; the same layers always give the same bytes."""
    found = [notice.title, sentence(f"{notice.controller}. {notice.dated}")]
    for part in notice.short:
        found += _part(part)
    found.append(say("heading.details", notice.lang))
    for told in notice.purposes:
        found += _told(told, notice.lang)
    for part in notice.parts:
        found += _part(part)
    return "\n\n".join(map(_wrapped, found)) + "\n"


def blocks(text: str) -> list[Block]:
    """A recorded text in blocks, so that a page can show it with headings and lists; no word is lost or added."""
    found: list[Block] = []
    for chunk in re.split(r"\n\s*\n", text.strip()):
        found += _blocks(chunk.splitlines())
    return found


def _wrapped(words: str) -> str:
    """Lines that an editor shows whole; the later lines of a list's item are indented."""
    fold = textwrap.TextWrapper(WIDEST, break_long_words=False, break_on_hyphens=False)
    lines = []
    for line in words.splitlines():
        fold.subsequent_indent = "  " if line.startswith(DASH) else ""
        lines += fold.wrap(line)
    return "\n".join(lines)


def _part(part: Part) -> Iterator[str]:
    yield part.title
    if part.paragraphs:
        yield "\n".join(part.paragraphs)
    if part.lines:
        yield "\n".join(f"{DASH} {_line(line)}" for line in part.lines)


def _line(line: Line) -> str:
    head = f"{line.title} ({line.tag})" if line.tag else line.title
    return f"{head}. {line.text}" if head else line.text


def _told(told: Told, lang: str) -> Iterator[str]:
    yield told.title
    facts = (say("labelled", lang, label=fact.label, words=_values(fact.values, lang)) for fact in told.facts)
    yield "\n".join(f"{DASH} {fact}" for fact in facts)


def _values(values: tuple[str, ...], lang: str) -> str:
    whole = all(value.endswith((".", "!", "?", "…")) for value in values)
    return " ".join(values) if whole else sentence(one_by_one(values, lang))


def _blocks(lines: list[str]) -> Iterator[Block]:
    items: list[str] = []
    words: list[str] = []
    if len(lines) == 1 and not _ITEM.match(lines[0]) and _is_heading(lines[0]):
        yield Block("heading", lines[0].strip())
        return
    for line in lines:
        if _ITEM.match(line):
            items.append(_ITEM.sub("", line, count=1).rstrip())
        elif items and line.startswith((" ", "\t")):
            items[-1] += f" {line.strip()}"  # a line of the list that was wrapped
        elif items:
            yield from _said(words, items)
            words, items = [line.strip()], []
        else:
            words.append(line.strip())
    yield from _said(words, items)


def _said(words: list[str], items: list[str]) -> Iterator[Block]:
    if words:
        yield Block("paragraph", " ".join(words))
    if items:
        yield Block("list", lines=tuple(items))


def _is_heading(line: str) -> bool:
    words = line.strip()
    return len(words) <= LONGEST_HEADING and not words.endswith((".", ";", ":", ",", "!", "…"))
