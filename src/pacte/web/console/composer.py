"""A message as a form holds it: one row for each part, with its words in every language side by side.

What stands in the form is what the browser sent, and nothing is kept of it before it is saved: every button sends the
whole form, and gets it back with what it did.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pacte.policy.findings import Finding
from pacte.policy.vocabulary import SERVICE
from pacte.uses.message.checks import MOST_BLOCKS
from pacte.uses.message.model import BLOCKS, LINKED, Block, Message, Text

LONGEST = 20_000
"""Characters of one field, at most; what is longer than a part may be is said, and not lost."""


@dataclass(frozen=True, slots=True)
class Row:
    """One part of a message: its words and where it leads, by language."""

    kind: str
    words: Mapping[str, str]
    links: Mapping[str, str]

    @property
    def linked(self) -> bool:
        """Whether it may lead somewhere."""
        return self.kind in LINKED


@dataclass(frozen=True, slots=True)
class Sheet:
    """The whole form. `seen` is the version it was begun from, 0 for a new message."""

    name: str
    kind: Any
    purpose: str
    channel: str
    seen: int
    subjects: Mapping[str, str]
    preheaders: Mapping[str, str]
    rows: tuple[Row, ...]

    def message(self) -> Message:
        """The message as it would be saved."""
        texts = {
            lang: Text(_line(self.subjects[lang]), _line(self.preheaders[lang]), tuple(self._blocks(lang)))
            for lang in self.subjects
        }
        return Message(self.name, self.kind, self.purpose, self.channel, texts)

    def _blocks(self, lang: str) -> Iterator[Block]:
        for row in self.rows:
            words = row.words[lang]
            said = (
                "\n".join(line.rstrip() for line in words.splitlines()).strip() if row.kind == "text" else _line(words)
            )
            yield Block(row.kind, said, row.links[lang].strip() if row.linked else "")  # type: ignore[arg-type] # of `BLOCKS`


def blank(name: str, kind: str, purpose: str, channel: str, langs: Sequence[str]) -> Sheet:
    """A new message: the parts that most messages have, empty."""
    kinds = ("heading", "text", "button") if channel == "email" else ("text",)
    nothing = dict.fromkeys(langs, "")
    rows = tuple(Row(one, nothing, nothing) for one in kinds)
    return Sheet(name, kind, purpose, channel, 0, nothing, nothing, rows)


def of_message(message: Message, seen: int, langs: Sequence[str]) -> Sheet:
    """The form of a saved message; a part that one language lacks is empty there."""
    there = {lang: message.texts.get(lang, Text("", "", ())) for lang in langs}
    longest = max(there.values(), key=lambda text: len(text.blocks))
    rows = (_row(longest.blocks[place].kind, place, there) for place in range(len(longest.blocks)))
    subjects = {lang: text.subject for lang, text in there.items()}
    preheaders = {lang: text.preheader for lang, text in there.items()}
    return Sheet(message.name, message.kind, message.purpose, message.channel, seen, subjects, preheaders, tuple(rows))


def of_form(form: Mapping[str, Any], langs: Sequence[str]) -> Sheet:
    """What a browser sent; whatever is no part of a message is left out."""
    said = {name: str(value)[:LONGEST].replace("\r\n", "\n") for name, value in form.items()}
    rows = []
    for place in range(MOST_BLOCKS):
        kind = said.get(f"block/{place}/kind", "")
        if kind in BLOCKS:
            words = {lang: said.get(f"block/{place}/{lang}/text", "") for lang in langs}
            links = {lang: said.get(f"block/{place}/{lang}/link", "") for lang in langs}
            rows.append(Row(kind, words, links))
    seen = said.get("seen", "0")
    return Sheet(
        said.get("name", ""),
        said.get("kind", ""),
        said.get("purpose", ""),
        said.get("channel", ""),
        int(seen) if seen.isascii() and seen.isdecimal() and len(seen) < 10 else 0,
        {lang: said.get(f"text/{lang}/subject", "") for lang in langs},
        {lang: said.get(f"text/{lang}/preheader", "") for lang in langs},
        tuple(rows),
    )


def changed(sheet: Sheet, act: str) -> Sheet:
    """The form after a button: `add:KIND`, `up:PLACE`, `down:PLACE`, `remove:PLACE`; the same for any other word."""
    verb, _, what = act.partition(":")
    rows = list(sheet.rows)
    if verb == "add" and what in BLOCKS and len(rows) < MOST_BLOCKS:
        nothing = dict.fromkeys(sheet.subjects, "")
        rows.append(Row(what, nothing, nothing))
    elif what.isascii() and what.isdecimal() and len(what) < 4 and int(what) < len(rows):
        place = int(what)
        if verb == "remove":
            del rows[place]
        elif verb in ("up", "down"):
            other = place + (1 if verb == "down" else -1)
            if 0 <= other < len(rows):
                rows[place], rows[other] = rows[other], rows[place]
    return replace(sheet, rows=tuple(rows))


def kind_for(purpose_kind: str) -> str:
    """The kind of message that a purpose of this kind may send: there is never a choice."""
    return "service" if purpose_kind in SERVICE else "promotion"


def field_of(finding: Finding) -> str:
    """The name of the field that a finding is about; empty for one about the whole."""
    match finding.field.split("."):
        case ["texts", lang, ("subject" | "preheader") as part]:
            return f"text/{lang}/{part}"
        case ["texts", lang, "blocks", place, "link"]:
            return f"block/{place}/{lang}/link"
        case ["texts", lang, "blocks", place]:
            return f"block/{place}/{lang}/text"
    return ""


def _row(kind: str, place: int, there: Mapping[str, Text]) -> Row:
    blocks = {lang: text.blocks[place] if place < len(text.blocks) else None for lang, text in there.items()}
    words = {lang: block.text if block else "" for lang, block in blocks.items()}
    return Row(kind, words, {lang: block.link if block else "" for lang, block in blocks.items()})


def _line(words: str) -> str:
    return " ".join(words.split())


def _lines(words: str) -> str:
    return "\n".join(line.rstrip() for line in words.splitlines()).strip()
