"""How the columnar copy of the derived tables lies in the lake: its datasets, columns and words.

Each facet is cut into tracks, a dataset each, so that a question reads only what could answer it: choices by voice,
purpose, channel and recipient, notices by their digest. What no longer holds by all that is known (a rectangle whose
`known_to` is set) lies apart, under `…:past`. Rows are sorted by person; texts are integers, and the dataset `words`
says what they stand for. The format is part of the datasets' names: a copy in another format is not read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from pacte.consent.tables import COLUMNS
from pacte.lake.segments import DERIVED

FORMAT = f"{DERIVED}2:"
"""What the names of the datasets of this format begin with."""
PAST = ":past"

Word: TypeAlias = "tuple[str | int | None, ...]"

TRACKS = {"choice": ("voice", "purpose", "channel", "recipient"), "told": ("notice",)}
"""By facet: the columns that make a track."""
WORDS = {
    "choice": ("status", "grade", "signal", "weak", "notice", "method"),
    "person": ("place", "capacity", "age"),
    "hold": ("status",),
}
"""By facet: the columns that are kept together as one integer, `said`."""
INSTANTS = {"choice": ("since", "expires"), "person": ("minor_until", "contract_since", "contract_until")}
"""By facet: the instants that rules may ask for, beside those of the rectangle."""
SPANS = {
    "subject": ("known_from",),
    "told": ("valid_from", "known_from"),
    **dict.fromkeys(("choice", "hold", "person"), ("valid_from", "valid_to", "known_from")),
}
"""By facet: when, and for whom, a row holds. What is past has `known_to` besides."""

_NOBODY: Mapping[int, bytes] = {}


class Words:
    """Integers for texts, both ways; by kind, each kind counting from 0."""

    def __init__(self) -> None:
        self._codes: dict[str, dict[Word, int]] = {}

    def code(self, kind: str, word: Word) -> int:
        """The integer of a word, given now if it has none."""
        known = self._codes.setdefault(kind, {})
        return known.setdefault(word, len(known))

    def of(self, kind: str) -> list[Word]:
        """The words of a kind, each at the place of its integer."""
        return list(self._codes.get(kind, ()))

    def table(self) -> pa.Table:
        """As the lake holds them; they are nobody's. The last row says how many there are."""
        rows = [(kind, code, json.dumps(word)) for kind, words in self._codes.items() for word, code in words.items()]
        columns = list(zip(*rows, (_END, len(rows), ""), strict=True))
        kinds, codes, words = (pa.array(column, kind) for column, kind in zip(columns, _WORD_TYPES, strict=True))
        return pa.table({"_no": pa.nulls(len(kinds), pa.int32()), "kind": kinds, "code": codes, "word": words})

    @staticmethod
    def read(table: pa.Table) -> Words:
        """Back from the lake; raises `ValueError` where a word is missing."""
        words = Words()
        rows = list(zip(*(table[name].to_pylist() for name in ("kind", "code", "word")), strict=True))
        if rows[-1:] != [(_END, len(rows) - 1, "")]:
            raise ValueError("not all words")
        for kind, code, word in rows[:-1]:
            if words.code(kind, tuple(json.loads(word))) != code:
                raise ValueError("words out of order")
        return words


_END = "end"
_WORD_TYPES = (pa.string(), pa.int32(), pa.string())


def dataset(facet: str, track: int | None = None, *, past: bool = False) -> str:
    """The dataset of a facet, or of one track of it."""
    return f"{FORMAT}{facet}" + ("" if track is None else f":{track}") + (PAST if past else "")


def columns(facet: str, *, past: bool = False) -> tuple[str, ...]:
    """The columns of a facet's datasets, in order."""
    said = ("said",) if facet in WORDS else ()
    ends = ("known_to",) if past else ()
    who = ("subject",) if facet == "subject" else ()
    return ("_no", *said, *SPANS[facet], *ends, *INSTANTS.get(facet, ()), *who)


def packed(facet: str) -> tuple[str, ...]:
    """The columns that are stored as differences."""
    return tuple(name for name in columns(facet, past=facet in WORDS) if name not in ("said", "subject"))


def table(facet: str, values: Mapping[str, Any], *, past: bool = False) -> pa.Table:
    """Rows of a track, from one array for each of its columns."""
    names = columns(facet, past=past)
    arrays = [values[name] if isinstance(values[name], pa.Array) else pa.array(values[name]) for name in names]
    return pa.Table.from_arrays([array.cast(_kind(name)) for array, name in zip(arrays, names, strict=True)], names)


def encoded(
    words: Words, facet: str, rows: Sequence[tuple[Any, ...]], subjects: Mapping[int, bytes] = _NOBODY
) -> Iterator[tuple[str, pa.Table]]:
    """Rows of the record database, sorted by person, as rows of the datasets that they belong to.

    `subjects` are those of the rows of the facet `subject`, by number.
    """
    if not rows:
        return
    held = dict(zip(COLUMNS[facet], zip(*rows, strict=True), strict=True))
    values: dict[str, Any] = {"_no": pa.array(held["no"], pa.int32())}
    for name in (*SPANS[facet], *INSTANTS.get(facet, ())):
        values[name] = pa.array(held[name], pa.int64())
    if facet == "subject":
        values["subject"] = pa.array([subjects[no] for no in held["no"]], pa.binary(16))
    if facet in WORDS:
        values["said"] = _coded(words, facet, [held[name] for name in WORDS[facet]])
        values["known_to"] = pa.array(held["known_to"], pa.int64())
    tracks = np.zeros(len(rows), np.int32)
    if facet in TRACKS:
        tracks = _coded(words, f"track:{facet}", [held[name] for name in TRACKS[facet]]).to_numpy()
    over = ~values["known_to"].is_null().to_numpy(zero_copy_only=False) if facet in WORDS else np.zeros(len(rows), bool)
    for track in np.unique(tracks):
        for past in (False, True):
            chosen = np.flatnonzero((tracks == track) & (over == past))
            if len(chosen):
                taken = {name: array.take(pa.array(chosen)) for name, array in values.items()}
                name = dataset(facet, int(track) if facet in TRACKS else None, past=past)
                yield name, table(facet, taken, past=past)


def _coded(words: Words, kind: str, parts: Sequence[Sequence[Any]]) -> pa.Array:
    code = words.code
    return pa.array([code(kind, word) for word in zip(*parts, strict=True)], pa.int32())


def _kind(name: str) -> pa.DataType:
    if name == "subject":
        return pa.binary(16)
    return pa.int32() if name in ("_no", "said") else pa.int64()
