"""Crowds: how many people, and what may be made of the number so that no single one of them shows in it.

Each person counts for nobody, for one or for two, by a draw of their own that never changes: one on average. Whoever
knows everybody else of a crowd, and sees its number, still cannot tell whether this person is in it. A crowd also keeps
a sketch, so that by how many people two crowds differ can be estimated though nobody is remembered.

Source: Dwork and Roth, "The Algorithmic Foundations of Differential Privacy" (2014), § 1.1 (differencing) and § 8.1
(reconstruction); Alon, Matias and Szegedy, "The space complexity of approximating the frequency moments" (1999).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np

BUCKETS = 128
"""Of a sketch. The estimate of how many people two crowds differ by is off by an eighth of it (one standard error)."""

_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Crowd:
    """Some people: how many they are, how many they count for, and their sketch. It stays inside of the house."""

    people: int = 0
    weighted: int = 0
    sketch: np.ndarray = field(default_factory=lambda: np.zeros(BUCKETS, np.int64), repr=False, compare=False)

    def __add__(self, other: Crowd) -> Crowd:
        return Crowd(self.people + other.people, self.weighted + other.weighted, self.sketch + other.sketch)


@dataclass(frozen=True, slots=True)
class Draws:
    """What each person of an array drew: a bucket, a sign (1 or -1), and for how many they count (0, 1 or 2)."""

    bucket: np.ndarray
    sign: np.ndarray
    weight: np.ndarray

    def crowd(self, chosen: np.ndarray | slice = slice(None)) -> Crowd:
        """The crowd of those chosen."""
        bucket, sign = self.bucket[chosen], self.sign[chosen]
        sketch = np.bincount(bucket, weights=sign, minlength=BUCKETS).astype(np.int64)
        return Crowd(len(bucket), int(self.weight[chosen].sum(dtype=np.int64)), sketch)


def drawn(key: bytes, numbers: np.ndarray) -> Draws:
    """What the people of these numbers draw under a secret key: the same each time.

    >>> draws = drawn(bytes(32), np.arange(100_000))
    >>> 99_000 < draws.crowd().weighted < 101_000
    True
    """
    mixed = _mixed(key, numbers)
    bucket = (mixed & np.uint64(BUCKETS - 1)).astype(np.uint8)
    sign = (mixed >> np.uint64(32) & np.uint64(1)).astype(np.int8) * np.int8(2) - np.int8(1)
    weight = (mixed >> np.uint64(40) & np.uint64(1)) + (mixed >> np.uint64(41) & np.uint64(1))
    return Draws(bucket, sign, weight.astype(np.uint8))


def _mixed(key: bytes, numbers: np.ndarray) -> np.ndarray:
    """64 bits of each number that look random to whoever lacks the key."""
    words = np.frombuffer(blake2b(key, digest_size=32, person=b"pacte people").digest(), np.uint64)
    found = np.empty(len(numbers), np.uint64)
    for start in range(0, len(numbers), _CHUNK):  # what is worked on stays in the processor's cache
        some = numbers[start : start + _CHUNK].astype(np.uint64)
        for word in words:  # the finaliser of SplitMix64, once for each word of the key
            some += word
            some ^= some >> np.uint64(30)
            some *= _FIRST
            some ^= some >> np.uint64(27)
            some *= _SECOND
            some ^= some >> np.uint64(31)
        found[start : start + _CHUNK] = some
    return found
