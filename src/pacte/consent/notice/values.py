"""What a notice is made of: layers, parts, purposes and their facts, and the gaps that only the company can fill."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pacte.kernel.canonical import Json


@dataclass(frozen=True, slots=True)
class Fact:
    """One answer about a purpose or a recipient: what is asked, what the policy answers, which law asks it."""

    key: str
    label: str
    values: tuple[str, ...]
    article: str = ""

    def to_json(self) -> dict[str, Json]:
        """The form for programs."""
        return {"key": self.key, "label": self.label, "values": list(self.values), "article": self.article}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a list; `tag` is what stands beside it, such as “only if you say yes”, `about` a purpose's name."""

    text: str
    title: str = ""
    tag: str = ""
    about: str = ""

    def to_json(self) -> dict[str, Json]:
        """The form for programs; empty parts are not written."""
        parts = {"title": self.title, "text": self.text, "tag": self.tag, "purpose": self.about}
        return {name: value for name, value in parts.items() if value}


@dataclass(frozen=True, slots=True)
class Part:
    """A part with a heading; `key` is also its anchor in the page and in applications."""

    key: str
    title: str
    paragraphs: tuple[str, ...] = ()
    lines: tuple[Line, ...] = ()
    article: str = ""

    def to_json(self) -> dict[str, Json]:
        """The form for programs."""
        return {
            "anchor": self.key,
            "title": self.title,
            "paragraphs": list(self.paragraphs),
            "lines": [line.to_json() for line in self.lines],
            "article": self.article,
        }


@dataclass(frozen=True, slots=True)
class Told:
    """What a notice tells of one purpose, whose details open on demand."""

    name: str
    title: str
    basis: str
    tag: str
    facts: tuple[Fact, ...]

    @property
    def anchor(self) -> str:
        """Where the purpose stands in the page: what applications link to."""
        return f"purpose-{self.name}"

    def fact(self, key: str) -> tuple[str, ...]:
        """The values of one fact; none where the notice does not speak of it."""
        return next((fact.values for fact in self.facts if fact.key == key), ())

    def to_json(self) -> dict[str, Json]:
        """The form for programs."""
        return {
            "purpose": self.name,
            "anchor": self.anchor,
            "title": self.title,
            "basis": self.basis,
            "tag": self.tag,
            "facts": [fact.to_json() for fact in self.facts],
        }


@dataclass(frozen=True, slots=True)
class Gap:
    """A field that a law asks for and the policy cannot answer; `words` says what is missing, for the company.

    Nothing is put in its place: a notice says what the policy says.
    """

    key: str
    article: str
    words: str
    purpose: str = ""

    def to_json(self) -> dict[str, Json]:
        """The form for programs."""
        return {"gap": self.key, "purpose": self.purpose, "article": self.article, "words": self.words}


@dataclass(frozen=True, slots=True)
class Layers:
    """A notice in one language: the short layer first, the purposes and the parts behind it, and its gaps.

    `tells` and `says` are what the gate may count a person as told of once this notice was shown.
    """

    lang: str
    version: str
    effective: int
    title: str
    dated: str
    controller: str
    short: tuple[Part, ...]
    purposes: tuple[Told, ...]
    parts: tuple[Part, ...]
    gaps: tuple[Gap, ...] = ()
    tells: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    says: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def purpose(self, name: str) -> Told | None:
        """What is told of one purpose; `None` for one that the notice does not know."""
        return next((told for told in self.purposes if told.name == name), None)

    def to_json(self) -> dict[str, Json]:
        """The form for programs, such as a mobile application that draws its own; without the gaps."""
        return {
            "language": self.lang,
            "version": self.version,
            "effective": self.effective,
            "title": self.title,
            "controller": self.controller,
            "short": [part.to_json() for part in self.short],
            "purposes": [told.to_json() for told in self.purposes],
            "parts": [part.to_json() for part in self.parts],
            "tells": {purpose: list(names) for purpose, names in self.tells.items()},
            "says": {purpose: list(names) for purpose, names in self.says.items()},
        }
