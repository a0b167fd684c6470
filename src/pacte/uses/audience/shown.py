"""What may be shown of a segment, so that no single person shows in it, however often and cunningly one asks.

- Everybody stands in a *cell* (a region for each measure). Each cell that the condition tells apart must have people
  enough; otherwise nothing is said but that, and what would be coarse enough. Nobody at all is too few as well.
- People count by their draws (`gate.crowds`), and every cell has an offset of its own, drawn once and for ever from
  what the cell means. A number is the sum of its cells: asking for it in parts, or all around, brings no more.
- It is rounded, and below the smallest not said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import combinations, product

import numpy as np

from pacte.gate.crowds import BUCKETS, Crowd
from pacte.gate.members import Regions
from pacte.kernel.canonical import Json, canonical
from pacte.uses.audience.condition import Condition, named, without
from pacte.uses.audience.query import Query

SPREAD = 6
"""The greatest offset of a cell, in people."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The policy's: below how many people nothing is said, and to what the others are rounded."""

    smallest: int
    rounded: int

    @property
    def enough(self) -> int:
        """What people must count for at least, and by how many two crowds must differ to show two numbers.

        Two fifths more than the smallest, so that draws hardly ever lead below it: a number would then prove that the
        last of so many is there.
        """
        return self.smallest + 2 * self.smallest // 5

    def number(self, people: int, counted: int) -> int | None:
        """A number of people as it may be shown; `None` where they are too few."""
        if people < self.smallest or counted < self.enough:
            return None
        return max(self.smallest, (counted + self.rounded // 2) // self.rounded * self.rounded)

    def allow(self, groups: Sequence[_Group]) -> bool:
        """Whether every group has people enough."""
        return all(self.number(group.people, group.counted) is not None for group in groups)

    def step(self, counted: int) -> int:
        """The greatest of a few round numbers that does not pass this many: the smallest, 2, 5, 10… times it."""
        reached = [times for times in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if times * self.smallest <= counted]
        return self.smallest * max(reached, default=1)


@dataclass(frozen=True, slots=True)
class Measured:
    """A segment whose cells all have people enough: for how many its members count, and those of its rarest cell."""

    members: Crowd
    counted: int
    rarest: int


@dataclass(frozen=True, slots=True)
class TooFew:
    """Some combination has too few people; `coarser` is a condition that leaves something out and would do."""

    coarser: Condition | None


def judged(
    query: Query, cells: Mapping[Regions, Crowd], members: Crowd, limits: Limits, key: bytes
) -> Measured | TooFew:
    """What may be said of a segment, from how many stand in each cell."""
    groups = _groups(query, cells, key)
    if limits.allow(groups):
        inside = [group.counted for group in groups if group.member]
        return Measured(members, sum(inside), min(inside, default=0))
    return TooFew(_coarser(query, cells, limits, key))


def offset(key: bytes, meaning: Json) -> int:
    """The offset of what has this meaning, in people."""
    return _offset(key, canonical(meaning))


def _offset(key: bytes, meaning: bytes) -> int:
    drawn = int.from_bytes(blake2b(meaning, key=key, digest_size=8, person=b"pacte offset").digest(), "big")
    return drawn % (2 * SPREAD + 1) - SPREAD


@dataclass(slots=True)
class _Group:
    """People whom a condition does not tell apart: whether they are members, how many, for how many they count."""

    member: bool
    people: int = 0
    counted: int = 0


def _groups(query: Query, cells: Mapping[Regions, Crowd], key: bytes) -> list[_Group]:
    """What a condition tells apart; what cannot be at once (two cities, two bands of one number) is no group."""
    by_measure = []
    for at, grid in enumerate(query.grids):
        name, about = named(grid.measure), query.about(at)
        said = [canonical([name, grid.said(region)]) for region in range(grid.size)]
        by_measure.append([(region, grid.group(region, about), said[region]) for region in range(grid.size)])
    found: dict[tuple[tuple[int, ...], ...], _Group] = {}
    for places in product(*by_measure):
        regions, told = tuple(place[0] for place in places), tuple(place[1] for place in places)
        group = found.get(told)
        if group is None:
            group = found[told] = _Group(query.member(regions))
        crowd = cells.get(regions, _NOBODY)
        group.people += crowd.people
        group.counted += crowd.weighted + _offset(key, b"[" + b",".join(place[2] for place in places) + b"]")
    return list(found.values())


_NOBODY = Crowd()


def _coarser(query: Query, cells: Mapping[Regions, Crowd], limits: Limits, key: bytes) -> Condition | None:
    """The condition without one measure, else without two, that has people enough everywhere."""
    for count in range(1, len(query.grids)):
        for dropped in combinations(range(len(query.grids)), count):
            left = without(query.condition, [query.grids[at].measure for at in dropped])
            if left is None:
                continue
            kept = [at for at in range(len(query.grids)) if at not in dropped]
            smaller = Query(left, tuple(query.grids[at] for at in kept))
            if limits.allow(_groups(smaller, _folded(cells, kept), key)):
                return left
    return None


def _folded(cells: Mapping[Regions, Crowd], kept: Sequence[int]) -> dict[Regions, Crowd]:
    """The cells, told apart by some of the measures only."""
    found: dict[Regions, Crowd] = {}
    for regions, crowd in cells.items():
        place = tuple(regions[at] for at in kept)
        found[place] = found.get(place, _NOBODY) + crowd
    return found


class Earlier:
    """What was shown before, each number, or none, with the sketch of those whom it was counted for."""

    def __init__(self) -> None:
        self._numbers: list[int | None] = []
        self._sketches, self._lengths = np.empty((0, BUCKETS)), np.empty(0)

    def add(self, sketches: np.ndarray, numbers: Sequence[int | None]) -> None:
        """Add what was shown: a sketch for each number."""
        start, stop = len(self._numbers), len(self._numbers) + len(numbers)
        if stop > len(self._lengths):
            room = stop // 8 + 64
            self._sketches = np.concatenate([self._sketches[:start], np.empty((stop - start + room, BUCKETS))])
            self._lengths = np.concatenate([self._lengths[:start], np.empty(stop - start + room)])
        self._sketches[start:stop] = sketches.reshape(-1, BUCKETS)
        self._lengths[start:stop] = np.einsum("ij,ij->i", self._sketches[start:stop], self._sketches[start:stop])
        self._numbers += numbers

    def number(self, limits: Limits, crowd: Crowd, counted: int) -> tuple[int | None, bool]:
        """The number to be shown of a crowd, and whether it is its own: that of nearly the same people is repeated.

        So is that there is none. Whoever is nearly nobody has none whatever was shown: it would be the number of some
        whole, and say of a few that they are many.
        """
        sketch = crowd.sketch.astype(np.float64)
        length, there = float(sketch @ sketch), len(self._numbers)
        nobody = length < limits.enough
        if there:
            differ = self._lengths[:there] - 2 * np.einsum("ij,j->i", self._sketches[:there], sketch) + length
            nearest = int(differ.argmin())
            shown = self._numbers[nearest]
            if differ[nearest] < limits.enough and (shown is None or not nobody):
                return shown if crowd.people >= limits.smallest else None, False
        found = None if nobody else limits.number(crowd.people, counted)
        self.add(sketch, [found])
        return found, True


def parted(numbers: Sequence[tuple[int | None, int]]) -> Iterator[int | None]:
    """Numbers of parts as they may stand beside their whole; with each, for how many it counts.

    Where one part alone is too small to be said, the next smallest is left out too: it would follow from the others.
    """
    hidden = {at for at, (number, _) in enumerate(numbers) if number is None}
    if len(hidden) == 1 and len(numbers) > 1:
        hidden.add(min((at for at in range(len(numbers)) if at not in hidden), key=lambda at: numbers[at][1]))
    for at, (number, _) in enumerate(numbers):
        yield None if at in hidden else number
