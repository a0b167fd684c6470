"""Bodies as well formed as an example: many stored entries are checked by reading few of them.

Of bodies of the same length one is read, checked and encoded again. Another is well formed too if it differs from that
example only where the form leaves it free (a digest, an identifier, a large number), and holds characters there that
the form allows. That is found for a whole run of bodies at once. What matches no example is read itself.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from pacte.kernel.errors import BadInput
from pacte.ledger.entries import Entry, encode, form_of, free, validate

Bytes: TypeAlias = npt.NDArray[np.uint8]

FEW = 12
"""Bodies that are read as quickly one by one."""
EXAMPLES = 24
"""Examples that are tried on bodies of one length before the rest are read one by one."""
MOST_BYTES = 8_000_000
"""Memory that kept examples may take, about."""

_HEX, _BASE64, _DIGIT, _FIRST = 1, 2, 4, 8
_FREE = {"hex": _HEX, "base64": _BASE64}
_LARGE = range(10, 17)
"""Lengths of the numbers that may differ; with a first digit of 1 to 8 they are below 2^53."""


def _classes() -> bytes:
    letters = bytes(range(65, 91)) + bytes(range(97, 123))
    kinds = {_HEX: b"0123456789abcdef", _BASE64: letters + b"0123456789+/", _DIGIT: b"0123456789", _FIRST: b"12345678"}
    return bytes(sum(kind for kind, members in kinds.items() if byte in members) for byte in range(256))


_CLASSES = _classes()
_LACKS = bytes(255 - kinds for kinds in _CLASSES)
"""The classes that a byte is not in."""


def read_body(body: bytes) -> Entry | None:
    """The entry that a body holds; `None` if it is not an entry of ours in its one spelling."""
    try:
        entry: Entry = json.loads(body)
        validate(entry)
        return entry if encode(entry) == body else None
    except (ValueError, AttributeError, RecursionError, BadInput):
        return None


@dataclass(frozen=True, slots=True)
class Example:
    """A well-formed body: where others must be the same, what they must be made of elsewhere, where values lie."""

    entry: Entry
    body: Bytes
    same: Bytes
    needed: Bytes
    spans: dict[str, slice]

    @classmethod
    def of(cls, entry: Entry, body: bytes) -> Example:
        """The example that a body makes which was read."""
        same, needed = np.full(len(body), 255, np.uint8), np.zeros(len(body), np.uint8)
        form, at, spans = form_of(entry), 1, {}
        for key in sorted(entry):
            start = at + len(key) + 3  # a key is ASCII without anything to escape, as `validate` has seen
            value = encode(entry[key])
            at = start + len(value) + 1
            kind = free(form, key)
            if kind == "number" and len(value) in _LARGE and _CLASSES[value[0]] & _FIRST:
                spans[key] = here = slice(start, start + len(value))
                needed[here], needed[start] = _DIGIT, _FIRST
                same[here] = 0
            elif kind in _FREE:
                spans[key] = here = slice(start + 1, start + len(value) - 1)
                inside = np.frombuffer(value, np.uint8)[1:-1] != ord("=")  # padding stays where it is
                needed[here], same[here] = np.where(inside, _FREE[kind], 0), np.where(inside, 0, 255)
        return cls(entry, np.frombuffer(body, np.uint8), same, needed, spans)

    def matches(self, bodies: Bytes, lacks: Bytes) -> npt.NDArray[np.bool_]:
        """Which of the bodies (one per row, with the classes that their bytes lack) are as well formed as this one."""
        wrong = bodies ^ self.body
        wrong &= self.same
        wrong |= lacks & self.needed
        return ~np.any(wrong, axis=1) if wrong.any() else np.ones(len(bodies), np.bool_)

    def instants(self, bodies: Bytes) -> npt.NDArray[np.int64]:
        """When these matching entries were written."""
        if "at" not in self.spans:
            return np.full(len(bodies), int(str(self.entry["at"])), np.int64)
        digits = bodies[:, self.spans["at"]].astype(np.int64) - ord("0")
        powers: npt.NDArray[np.int64] = 10 ** np.arange(digits.shape[1] - 1, -1, -1, dtype=np.int64)
        found: npt.NDArray[np.int64] = digits @ powers
        return found

    def says(self, bodies: Bytes, key: str, told: Sequence[Any]) -> bool:
        """Whether these matching entries say under `key` what `told` holds for each (`None`: nothing)."""
        if key not in self.spans:
            return set(told) == {self.entry.get(key)}
        wide = self.spans[key].stop - self.spans[key].start
        if set(map(type, told)) != {str} or set(map(len, told)) != {wide}:
            return False
        values = np.frombuffer("".join(told).encode(errors="replace"), np.uint8)
        return values.size == wide * len(told) and bool((bodies[:, self.spans[key]] == values.reshape(-1, wide)).all())


@dataclass(frozen=True, slots=True)
class Told:
    """What the rows beside the bodies tell of them, in the same order."""

    kinds: Sequence[Any]
    subjects: Sequence[Any]
    uses: Sequence[Any]

    def of(self, places: Sequence[int]) -> Told:
        """The same for some of them."""
        return Told([self.kinds[i] for i in places], [self.subjects[i] for i in places], [self.uses[i] for i in places])


@dataclass(frozen=True, slots=True)
class Run:
    """A run of bodies without fault: when each was written, and how many while the clock stood back."""

    instants: npt.NDArray[np.int64]
    skewed: int


class Examples:
    """Examples by the length of their bodies, kept from one run to the next; those that matched last come first."""

    def __init__(self) -> None:
        self._kept: dict[int, list[Example]] = {}
        self._bytes = 0

    def of(self, length: int) -> list[Example]:
        """What is known of bodies of this length."""
        return list(self._kept.get(length, ()))

    def keep(self, example: Example) -> None:
        """Put an example first that has just matched."""
        length = len(example.body)
        here = self._kept.setdefault(length, [])
        if not here or here[0] is not example:
            others = [one for one in here if one is not example]
            self._kept[length] = [example, *others][: EXAMPLES // 2]
            self._bytes += 4 * length * (len(self._kept[length]) - len(here))
        if self._bytes > MOST_BYTES:
            self._kept, self._bytes = {}, 0


def well_formed(bodies: Sequence[bytes], told: Told, examples: Examples) -> Run | None:
    """Whether every body is an entry in its one spelling that says what is told of it; `None` if any is not."""
    instants = np.zeros(len(bodies), np.int64)
    skewed = 0
    lengths = np.fromiter(map(len, bodies), np.int64, len(bodies))
    for length in np.unique(lengths):
        places = np.flatnonzero(lengths == length)
        found = _of_length(bodies, told, places, instants, examples)
        if found is None:
            return None
        skewed += found
    return Run(instants, skewed)


def _of_length(
    bodies: Sequence[bytes],
    told: Told,
    places: npt.NDArray[np.int64],
    instants: npt.NDArray[np.int64],
    examples: Examples,
) -> int | None:
    """Put in the instants of the bodies at these places; how many are skewed, `None` if one is at fault."""
    skewed = 0
    known = examples.of(len(bodies[places[0]]))
    for _ in range(EXAMPLES):
        if len(places) <= FEW:
            break
        raw = b"".join([bodies[i] for i in places])
        rows = np.frombuffer(raw, np.uint8).reshape(len(places), -1)
        example = known.pop(0) if known else _read(bodies[places[0]])
        if example is None:
            return None
        good = example.matches(rows, np.frombuffer(raw.translate(_LACKS), np.uint8).reshape(rows.shape))
        if not good.any():
            continue
        examples.keep(example)
        matching, here = (rows, places) if good.all() else (rows[good], places[good])
        beside = told if len(here) == len(bodies) else told.of(here.tolist())
        if not (
            set(beside.kinds) == {example.entry["kind"]}
            and example.says(matching, "subject", beside.subjects)
            and example.says(matching, "use", beside.uses)
        ):
            return None
        instants[here] = example.instants(matching)
        skewed += len(here) * ("clock" in example.entry)
        places = places[~good]
    for place in places.tolist():
        alone = read_body(bodies[place])
        columns = (told.kinds[place], told.subjects[place], told.uses[place])
        if alone is None or (alone["kind"], alone.get("subject"), alone.get("use")) != columns:
            return None
        instants[place] = int(str(alone["at"]))
        skewed += "clock" in alone
    return skewed


def _read(body: bytes) -> Example | None:
    entry = read_body(body)
    return None if entry is None else Example.of(entry, body)
