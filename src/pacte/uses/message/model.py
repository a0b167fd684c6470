"""A message: a text in each language, of one kind, for one purpose and one channel; read from a file, kept as JSON.

A `service` message is about what somebody bought or must know and carries no offer; a `promotion` is one. A text is a
list of blocks without any markup of its own: what it looks like, and who stands under it, is the renderer's alone.
`{dataset.field}` stands for a value of the person, `{dataset.field|words}` for those words where there is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from pydantic import ValidationError, model_validator

from pacte.kernel import canonical
from pacte.kernel.errors import BadInput, PolicyError
from pacte.policy.document import read_yaml
from pacte.policy.mistakes import Mistakes, validate
from pacte.policy.model import Channel, Name, Part

Kind = Literal["service", "promotion"]
BlockKind = Literal["heading", "text", "button", "offer"]
KINDS: tuple[Kind, ...] = ("service", "promotion")
BLOCKS: tuple[BlockKind, ...] = ("heading", "text", "button", "offer")
LINKED = ("button", "offer")
"""The blocks that may lead somewhere: a button always does."""
_GAP = re.compile(r"[^\S\u00a0\u202f]+")
PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]{0,47}\.[a-z][a-z0-9_]{0,47})(?:\|([^{}|\n]*))?\}")


@dataclass(frozen=True, slots=True)
class Block:
    """One part of a text; `link` is where a button or an offer leads."""

    kind: BlockKind
    text: str
    link: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    """What a message says in one language; `preheader` is what a mail reader shows beside the subject."""

    subject: str
    preheader: str
    blocks: tuple[Block, ...]

    def parts(self) -> Iterator[tuple[str, str]]:
        """Every text that people will read, with its place: `subject`, `preheader`, `blocks.0`, …"""
        yield "subject", self.subject
        yield "preheader", self.preheader
        for place, block in enumerate(self.blocks):
            yield f"blocks.{place}", block.text


@dataclass(frozen=True)
class Message:
    """A message; `lines` says where in its file a place stands, such as `texts.fr.subject`."""

    name: str
    kind: Kind
    purpose: str
    channel: str
    texts: Mapping[str, Text]
    lines: Mapping[str, int] = field(default_factory=dict, compare=False, repr=False)

    def to_json(self) -> dict[str, Any]:
        """The message as its file has it."""
        return {
            "message": self.name,
            "kind": self.kind,
            "purpose": self.purpose,
            "channel": self.channel,
            "texts": {lang: _text_json(text) for lang, text in sorted(self.texts.items())},
        }

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON, in hexadecimal: the message's name in the ledger."""
        return canonical.digest(self.to_json())

    def line(self, place: str) -> int:
        """The line of a place in the file, or of what it stands in; 1 where there is no file."""
        while place and place not in self.lines:
            place = place.rpartition(".")[0]
        return self.lines.get(place, 1)


def read(content: bytes, name: str = "message.yaml") -> Message:
    """Read the bytes of a file; raises `PolicyError` with every mistake as `name:LINE: message`."""
    tree = read_yaml(content, name)
    mistakes = Mistakes(tree)
    if not isinstance(tree.value, dict):
        raise PolicyError([f"{name}:{tree.line(())}: expected a message that begins with `message: its_name`"])
    found = validate(_File, tree, mistakes)
    if found is None or tree.problems or mistakes.found:
        raise PolicyError(mistakes.lines(name))
    return _message(found, {".".join(map(str, path)): line for path, line in tree.lines.items()})


def from_json(value: object) -> Message:
    """A message from what `to_json` gave; raises `BadInput`."""
    try:
        return _message(_File.model_validate(value), {})
    except ValidationError as error:
        places = ", ".join(sorted({f"`{'.'.join(map(str, one['loc']))}`" for one in error.errors()}))
        raise BadInput(f"a message with mistakes at {places}") from None


def placeholders(message: Message) -> tuple[str, ...]:
    """Every `dataset.field` that the message prints, in any language, sorted."""
    texts = (words for text in message.texts.values() for _, words in text.parts())
    return tuple(sorted({found[1] for words in texts for found in PLACEHOLDER.finditer(words)}))


class _Block(Part):
    """One of four words with its text."""

    heading: str | None = None
    text: str | None = None
    button: str | None = None
    offer: str | None = None
    link: str | None = None

    @model_validator(mode="after")
    def _one(self) -> _Block:
        given = [kind for kind in BLOCKS if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError("expected one of `heading`, `text`, `button`, `offer`, with its words")
        if self.link is not None and given[0] not in LINKED:
            raise ValueError("only a `button` or an `offer` has a `link`")
        return self


class _Text(Part):
    subject: str = ""
    preheader: str = ""
    blocks: tuple[_Block, ...]


class _File(Part):
    """The file: the name under `message`, and what a message has."""

    message: Name
    kind: Kind
    purpose: str
    channel: Channel
    texts: dict[Literal["en", "fr"], _Text]


def _message(found: _File, lines: Mapping[str, int]) -> Message:
    texts: dict[str, Text] = {lang: _text(text) for lang, text in found.texts.items()}
    return Message(found.message, found.kind, found.purpose, found.channel, texts, lines)


def _text(found: _Text) -> Text:
    return Text(line(found.subject), line(found.preheader), tuple(map(_block, found.blocks)))


def _block(found: _Block) -> Block:
    kind = next(kind for kind in BLOCKS if getattr(found, kind) is not None)
    words = "\n".join(line.rstrip() for line in getattr(found, kind).splitlines()).strip()
    return Block(kind, words if kind == "text" else line(words), (found.link or "").strip())


def line(words: str) -> str:
    """Words on one line; a space that keeps two of them together stays one."""
    return _GAP.sub(" ", words).strip()


def _text_json(text: Text) -> dict[str, Any]:
    blocks = [{block.kind: block.text} | ({"link": block.link} if block.link else {}) for block in text.blocks]
    return {"subject": text.subject, "preheader": text.preheader, "blocks": blocks}
