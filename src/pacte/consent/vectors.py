"""The facts of one person over two times: every field has its own timeline, the cells lay them over each other. Pure.

A `fact` entry speaks of the fields that it mentions and of no other. In each field the latest effective statement wins,
then the later entry; a cell is a stretch of time and knowledge in which no field changes its winner.

INVARIANT: a statement that loses in a field at its own start loses there everywhere and for ever, so that the winners
of the cells are all that needs to be remembered.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, NamedTuple, TypeAlias

FACTS = ("place", "capacity", "age", "minor_until", "contract_since", "contract_until", "guardian")
"""The closed vector of a `fact` entry, in the order of the table."""
FIELDS = (("place",), ("capacity",), ("age", "minor_until"), ("contract_since",), ("contract_until",), ("guardian",))
"""What is stated together: whoever speaks of an age says of both names what they are."""
WITHDRAWN = "unknown"
"""The key of the sealed facts that lists the fields of which nothing is known any more."""

Values: TypeAlias = "tuple[str | int | None, ...]"


class Statement(NamedTuple):
    """What one entry says from `start` on: the values of each of `FIELDS`, `None` for those it does not mention."""

    start: int
    entry: int
    said: tuple[Values | None, ...]


class Cell(NamedTuple):
    """From `valid_from` until `valid_to`, known from `known_from` to `known_to`: the winner of each of `FIELDS`."""

    known_from: int
    valid_from: int
    valid_to: int | None
    known_to: int | None
    winners: tuple[Statement | None, ...]

    def values(self) -> Values:
        """The values of `FACTS`, in order; `None` is what nobody told us or what was withdrawn."""
        found: list[str | int | None] = []
        for at, names in enumerate(FIELDS):
            winner = self.winners[at]
            found.extend((winner.said[at] if winner else None) or (None,) * len(names))
        return tuple(found)

    def entries(self) -> tuple[int | None, ...]:
        """The entry that each of `FIELDS` rests on."""
        return tuple(winner.entry if winner else None for winner in self.winners)


@dataclass(slots=True)
class _Step:
    start: int
    known: int
    winners: tuple[Statement | None, ...]


def statement(start: int, entry: int, vector: Mapping[str, Any]) -> Statement | None:
    """What a vector of sealed facts says, `None` if it mentions nothing.

    Raises `ValueError` for names outside the closed vector, or one that is told and withdrawn at once.
    """
    withdrawn = vector.get(WITHDRAWN, ())
    told = vector.keys() - {WITHDRAWN}
    if not (told | set(withdrawn)) <= set(FACTS) or told & set(withdrawn):
        raise ValueError("facts outside the closed vector")
    named = told | set(withdrawn)
    said = tuple(tuple(map(vector.get, names)) if named.intersection(names) else None for names in FIELDS)
    return Statement(start, entry, said) if named else None


def cells(statements: Iterable[Statement]) -> list[Cell]:
    """The cells of one person. Each entry in turn changes what is known from its start on."""
    steps: list[_Step] = []
    past: list[Cell] = []
    for one in sorted(statements, key=attrgetter("entry")):
        at = bisect_left(steps, one.start, key=attrgetter("start"))
        if at == len(steps) or steps[at].start != one.start:
            before: tuple[Statement | None, ...] = steps[at - 1].winners if at else (None,) * len(FIELDS)
            if _after(before, one) is None:
                continue
            if at:
                past.append(_cell(steps, at - 1, one.entry))
                steps[at - 1].known = one.entry
            steps.insert(at, _Step(one.start, one.entry, before))
        for later in range(at, len(steps)):
            step = steps[later]
            after = _after(step.winners, one)
            if after is not None:
                if step.known < one.entry:
                    past.append(_cell(steps, later, one.entry))
                step.known, step.winners = one.entry, after
    return past + [_cell(steps, at, None) for at in range(len(steps))]


def _after(winners: tuple[Statement | None, ...], one: Statement) -> tuple[Statement | None, ...] | None:
    # Statements come in the order of their entries: of two with one start the newer wins.
    wins = [
        said is not None and (old is None or old.start <= one.start)
        for said, old in zip(one.said, winners, strict=True)
    ]
    return tuple(one if won else old for won, old in zip(wins, winners, strict=True)) if any(wins) else None


def _cell(steps: list[_Step], at: int, known_to: int | None) -> Cell:
    valid_to = steps[at + 1].start if at + 1 < len(steps) else None
    return Cell(steps[at].known, steps[at].start, valid_to, known_to, steps[at].winners)
