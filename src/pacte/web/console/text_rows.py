"""The texts of the draft as the console shows them: parts, rows, and a cell for each language, with what is to be said.

What somebody typed stands in its cell until it is saved, whatever others wrote meanwhile.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from pacte.app.drafts import LONGEST, Draft, Saved, Words, known_as
from pacte.consent.notice.words import of_policy
from pacte.policy.model import EVERY
from pacte.policy.readability import FEWEST_WORDS, Readability, measured, score
from pacte.policy.texts import Text, part_of
from pacte.policy.tree import Path
from pacte.web.pages import words

FEWEST_SCORED = 5
"""Words of the shortest text that has a score beside it."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One text in one language: the words of the field, and how they stand; `was` says what the form showed.

    `before` are the words in force where they are others, `theirs` what somebody else wrote meanwhile, `problem` why
    this cannot be written. `ease` is its score of 0 to 100, `judged` whether it is long enough for that to mean much.
    """

    name: str
    lang: str
    words: str
    was: str
    missing: bool
    before: str = ""
    changed: bool = False
    ease: int | None = None
    level: str = ""
    judged: bool = False
    theirs: str | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One text: what it is, and a cell for each language; `file` is another file of the policy that holds it."""

    key: str
    about: str
    cells: tuple[Cell, ...]
    file: str


@dataclass(frozen=True, slots=True)
class Part:
    """A purpose, a form, or the whole policy, with its texts."""

    anchor: str
    kind: str
    title: str
    rows: tuple[Row, ...]

    @property
    def missing(self) -> int:
        """How many of its texts are not written."""
        return sum(cell.missing for row in self.rows for cell in row.cells)

    @property
    def changed(self) -> int:
        """How many of its texts are others than in force."""
        return sum(cell.changed for row in self.rows for cell in row.cells)

    @property
    def own(self) -> bool:
        """Whether any of them can be changed here."""
        return any(not row.file for row in self.rows)


def parts(draft: Draft, lang: str, typed: Words, saved: Saved) -> Iterator[Part]:
    """The parts of a draft in its order; `typed` and `saved` are of a form that could not be saved."""
    titles = {text.part: text.words for text in draft.texts if text.path[2:] == ("title",)}
    groups: dict[Path, list[Row]] = {}
    for text in draft.texts:
        groups.setdefault(text.part, []).append(_row(text, draft, typed, saved, lang))
    for part, rows in groups.items():
        named = titles.get(part, {})
        title = named.get(lang) or next(filter(None, named.values()), "") or str(part[-1]) if part else ""
        kind = str(part[0]) if part else "whole"
        yield Part("-".join(["part", *map(str, part)]), kind, title, tuple(rows))


def wanted(found: Iterator[Part], show: str, q: str) -> Iterator[Part]:
    """The parts with the texts that were asked for: those that are `missing` or `changed`, those that hold words."""
    for part in found:
        rows = tuple(row for row in part.rows if _stands(row, show) and _folded(q) in _folded(_all(part, row)))
        if rows:
            yield Part(part.anchor, part.kind, part.title, rows)


def same_everywhere(draft: Draft, lang: str) -> Iterator[tuple[str, str, str]]:
    """What people read in whatever language they read: its place, what it is, and the words; changed in the file."""
    if draft.compiled is None:
        return
    policy = draft.compiled.document
    for name, purpose in policy.purposes.items():
        if purpose.ground and EVERY in purpose.ground:
            about = _said("ground", lang, of_policy(purpose.title, lang))
            yield f"purposes.{name}.ground", about, purpose.ground[EVERY]
    for name, recipient in policy.recipients.items():
        yield f"recipients.{name}.name", _said("recipient", lang), recipient.name
        if recipient.safeguard:
            reference = recipient.safeguard.reference
            yield f"recipients.{name}.safeguard", _said("safeguard", lang, recipient.name), reference


def strays(draft: Draft, typed: Words, saved: Saved) -> list[tuple[str, str]]:
    """What somebody typed for texts that the draft no longer has, so that their words are not lost."""
    here = {(text.path, one) for text in draft.texts for one in text.words}
    return [(name_of(*place), typed[place]) for place in saved.wrong if place not in here]


def name_of(path: Path, lang: str) -> str:
    """How a form names a text."""
    return "/".join([*map(str, path), lang])


def place_of(name: str) -> tuple[Path, str] | None:
    """The text that a form names so; `None` for no name of one."""
    *steps, lang = name.split("/")
    path = tuple(int(step) if step.isdecimal() and len(step) < 4 else step for step in steps)
    return (path, lang) if path else None


def label(path: Path, lang: str) -> str:
    """What a text is, in words."""
    step = path[2:] if part_of(path) else path
    if step[0] == "fields":
        return words("console", lang, "texts.key.field", name=str(step[1]))
    if step[0] == "personalisation":
        return words("console", lang, "texts.key.level", number=int(step[1]) + 1)
    key = "asks" if step[0] == "asks" else "_".join(map(str, step))
    return words("console", lang, f"texts.key.{key}", name=str(step[-1]))


def _said(key: str, lang: str, name: str = "") -> str:
    return words("console", lang, f"texts.fixed.{key}", name=name)


def _stands(row: Row, show: str) -> bool:
    return not show or any(getattr(cell, show) for cell in row.cells)


def _all(part: Part, row: Row) -> str:
    return " ".join([part.title, part.anchor, row.key, row.about, *(cell.words for cell in row.cells)])


def _folded(text: str) -> str:
    """A text as it is searched: without capitals and accents."""
    return "".join(one for one in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(one))


def _row(text: Text, draft: Draft, typed: Words, saved: Saved, lang: str) -> Row:
    cells = tuple(_cell(text, one, draft, typed, saved, lang) for one in text.words)
    return Row(text.key, label(text.path, lang), cells, text.file)


def _cell(text: Text, lang: str, draft: Draft, typed: Words, saved: Saved, reader: str) -> Cell:
    place, now = (text.path, lang), text.words[lang]
    before, shown, ease = draft.before.get(place, ""), typed.get(place, now), _ease(typed.get(place, now), lang)
    overtaken = place in saved.overtaken
    code = "overtaken" if overtaken else saved.wrong.get(place, "")
    return Cell(
        name=name_of(text.path, lang),
        lang=lang,
        words=shown,
        was=known_as(now),
        missing=not now,
        before=before if before != now else "",
        changed=now != before,
        ease=min(100, max(0, round(ease.score))) if ease else None,
        level=ease.level if ease else "",
        judged=ease is not None and ease.words >= FEWEST_WORDS,
        theirs=now if overtaken else None,
        problem=words("console", reader, f"texts.wrong.{code}", count=LONGEST) if code else "",
    )


def _ease(text: str, lang: str) -> Readability | None:
    found = score(text, lang) if measured(text, lang) else None
    return found if found and found.words >= FEWEST_SCORED else None
