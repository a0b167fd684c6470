"""Two texts compared word by word: what was taken out and what was put in, in the blocks in which people read them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest

from pacte.consent.notice.plain import blocks

SAME, OUT, IN = "same", "out", "in"
ALIKE = 0.4
"""Two pieces that share less than this are shown as one taken out and one put in: a patchwork helps nobody."""


@dataclass(frozen=True, slots=True)
class Run:
    """Words that stayed (`same`), were taken out (`out`) or put in (`in`)."""

    what: str
    text: str


@dataclass(frozen=True, slots=True)
class Piece:
    """A heading, a paragraph or one line of a list, in runs; `changed` where any of it did."""

    kind: str
    runs: tuple[Run, ...]

    @property
    def changed(self) -> bool:
        """Whether anything was taken out or put in."""
        return any(run.what != SAME for run in self.runs)


def redline(old: str, new: str) -> list[Piece]:
    """The new text with what was taken out of the old one; joined again, the runs give back both, spaces aside."""
    before, after = list(_pieces(old)), list(_pieces(new))
    found: list[Piece] = []
    for tag, i, j, k, m in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag == "equal":
            found += [Piece(kind, (Run(SAME, words),)) for kind, words in after[k:m]]
        else:
            found += _replaced(before[i:j], after[k:m])
    return found


_Said = tuple[str, str]


def _pieces(text: str) -> Iterator[_Said]:
    for block in blocks(text):
        yield from ([("item", line) for line in block.lines] if block.kind == "list" else [(block.kind, block.text)])


def _replaced(old: Sequence[_Said], new: Sequence[_Said]) -> Iterator[Piece]:
    for before, after in zip_longest(old, new):
        if before and after and before[0] == after[0] and _alike(before[1], after[1]):
            yield Piece(after[0], tuple(_runs(before[1], after[1])))
            continue
        if before:
            yield Piece(before[0], (Run(OUT, before[1]),))
        if after:
            yield Piece(after[0], (Run(IN, after[1]),))


def _alike(old: str, new: str) -> bool:
    return SequenceMatcher(None, _words(old), _words(new), autojunk=False).ratio() >= ALIKE


def _words(text: str) -> list[str]:
    """Words as they are set: a narrow space before a semicolon ends none."""
    return re.findall(r"[^ \t\n]+", text)


def _runs(old: str, new: str) -> Iterator[Run]:
    before, after = (_words(text) for text in (old, new))
    for tag, i, j, k, m in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag == "equal":
            yield Run(SAME, " ".join(after[k:m]))
            continue
        if i < j:
            yield Run(OUT, " ".join(before[i:j]))
        if k < m:
            yield Run(IN, " ".join(after[k:m]))
