"""The layers of a notice, kept as they were when it was published: a later pacte may word the same policy otherwise.

What people were shown stays what it was, with its headings and its details, and stays known as generated.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from pacte.consent.notice.layers import layers
from pacte.consent.notice.plain import plain
from pacte.consent.notice.values import Fact, Layers, Line, Part, Told
from pacte.kernel.canonical import canonical
from pacte.kernel.i18n import LANGUAGES
from pacte.policy.compile import Compiled
from pacte.policy.model import Notice


def generated(compiled: Compiled, notice: Notice) -> Layers | None:
    """The layers whose very words a notice of this policy is; `None` where somebody wrote or changed its words."""
    lang = notice.locale.partition("-")[0]
    if lang not in LANGUAGES:
        return None
    made = layers(compiled, lang, notice.version, notice.effective)
    return made if plain(made) == notice.text else None


def written(made: Layers) -> str:
    """Layers as text, without the gaps, which are for the company alone; the same layers always give the same bytes."""
    said = json.loads(json.dumps(asdict(made)))  # lists in the place of tuples
    del said["gaps"]
    return canonical(said).decode()


def read(text: str) -> Layers:
    """The layers that `written` wrote."""
    said = json.loads(text)
    purposes = (Told(**one | {"facts": _each(Fact, one["facts"], "values")}) for one in said["purposes"])
    return Layers(
        **said
        | {
            "short": tuple(map(_part, said["short"])),
            "parts": tuple(map(_part, said["parts"])),
            "purposes": tuple(purposes),
            "tells": _tuples(said["tells"]),
            "says": _tuples(said["says"]),
        }
    )


def _part(said: Mapping[str, Any]) -> Part:
    return Part(**{**said, "paragraphs": tuple(said["paragraphs"]), "lines": _each(Line, said["lines"])})


def _each(kind: type[Any], said: Iterable[Mapping[str, Any]], *lists: str) -> tuple[Any, ...]:
    return tuple(kind(**{**one, **{name: tuple(one[name]) for name in lists}}) for one in said)


def _tuples(said: Mapping[str, Iterable[str]]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(words) for name, words in said.items()}
