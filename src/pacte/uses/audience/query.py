"""From a condition to what is asked of everybody: the regions of each measure, and who is a member, as one SQL tree.

The values of a measure fall into regions: the values that a condition names, each by itself, and the rest; or what lies
between two steps. Everybody stands in one cell: a region for each measure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

from sqlglot import exp, parse_one

from pacte.gate.measures import Asked, Measure, since
from pacte.gate.members import Regions
from pacte.kernel.canonical import Json, canonical
from pacte.kernel.errors import BadInput
from pacte.kernel.instant import Instant, to_iso
from pacte.policy.table import RuleTable
from pacte.uses.audience.condition import (
    Aged,
    Any,
    Atom,
    Condition,
    Every,
    Is,
    Lately,
    Not,
    atoms,
    holds,
    named,
)
from pacte.uses.audience.fields import AGES, MONTHS, conditionable

ROWS = (1, 2, 5, 10, 20, 50)
"""Steps at which numbers of rows are told apart."""
MOST_CELLS = 20_000
"""More cells than this have no people enough anywhere."""


@dataclass(frozen=True, slots=True)
class Grid:
    """The regions of a measure: 0 is the rest (for numbers and dates: no value), the others are counted from 1.

    Of `values` each is a region; `steps` cut numbers (`number`), years (`age`) or months back (`day`).
    """

    measure: Measure
    kind: str
    values: tuple[str, ...] = ()
    steps: tuple[int, ...] = ()

    @property
    def size(self) -> int:
        """How many regions there are."""
        return 1 + len(self.values) if self.kind == "words" else 2 + len(self.steps)

    def meets(self, atom: Atom, region: int) -> bool:
        """Whether everybody in a region meets a single condition about this measure."""
        if isinstance(atom, Is):
            return region > 0 and self.values[region - 1] in atom.values
        if isinstance(atom, Lately):
            return 0 < region <= self.steps.index(atom.months) + 1
        if region == 0:
            return False
        least = 0 if region == 1 else self.steps[region - 2]
        return (atom.at_least is None or least >= atom.at_least) and (atom.below is None or least < atom.below)

    def group(self, region: int, about: Sequence[Atom]) -> tuple[int, ...]:
        """What the conditions tell apart of regions: each named value, and otherwise which conditions are met."""
        return (region,) if self.kind == "words" else tuple(int(self.meets(atom, region)) for atom in about)

    def said(self, region: int) -> Json:
        """What a region means, whatever else is asked: the same words, the same draw."""
        if self.kind != "words":
            return [self.kind, region]
        return ["is", self.values[region - 1]] if region else ["rest", *self.values]

    def expression(self, now: Instant) -> exp.Expression:
        """The region of `value`."""
        value: exp.Expression = exp.column("value")
        case = exp.Case()
        if self.kind == "words":
            for at, word in enumerate(self.values, start=1):
                said = exp.cast(value.copy(), "VARCHAR").eq(exp.Literal.string(word))
                case = case.when(said, exp.Literal.number(at), copy=False)
            return case.else_(exp.Literal.number(0), copy=False)
        case = case.when(value.copy().is_(exp.null()), exp.Literal.number(0), copy=False)
        if self.kind == "day":
            for at, months in enumerate(self.steps, start=1):
                later = exp.GTE(this=value.copy(), expression=parse_one(since(now, months), dialect="duckdb"))
                case = case.when(later, exp.Literal.number(at), copy=False)
            return case.else_(exp.Literal.number(len(self.steps) + 1), copy=False)
        if self.kind == "age":
            today = exp.Literal.string(to_iso(now)[:10])
            value = exp.Anonymous(this="date_sub", expressions=[exp.Literal.string("year"), _date(value), _date(today)])
        for at in range(len(self.steps), 0, -1):
            reached = exp.GTE(this=value.copy(), expression=exp.Literal.number(self.steps[at - 1]))
            case = case.when(reached, exp.Literal.number(at + 1), copy=False)
        return case.else_(exp.Literal.number(1), copy=False)


@dataclass(frozen=True, slots=True)
class Query:
    """A condition with the grids of its measures, in the order of what they are."""

    condition: Condition
    grids: tuple[Grid, ...]

    def about(self, at: int) -> list[Atom]:
        """The single conditions about a measure."""
        return [atom for atom in atoms(self.condition) if atom.measure == self.grids[at].measure]

    def member(self, regions: Regions) -> bool:
        """Whether whoever stands there is a member."""
        places = {grid.measure: (grid, region) for grid, region in zip(self.grids, regions, strict=True)}

        def met(atom: Atom) -> bool:
            grid, region = places[atom.measure]
            return grid.meets(atom, region)

        return holds(self.condition, met)

    def asked(self, now: Instant, *more: Grid) -> Asked:
        """What the gate is asked; `more` are measures that no condition is about."""
        grids = (*self.grids, *more)
        regions = tuple(grid.expression(now) for grid in grids)
        return Asked(tuple(grid.measure for grid in grids), regions, self._member(self.condition))

    def _member(self, condition: Condition) -> exp.Expression:
        match condition:
            case Every(of):
                return exp.paren(reduce(lambda one, other: exp.And(this=one, expression=other), map(self._member, of)))
            case Any(of):
                return exp.paren(reduce(lambda one, other: exp.Or(this=one, expression=other), map(self._member, of)))
            case Not(of):
                return exp.Not(this=exp.paren(self._member(of)))
        at = next(at for at, grid in enumerate(self.grids) if grid.measure == condition.measure)
        met = [exp.Literal.number(r) for r in range(self.grids[at].size) if self.grids[at].meets(condition, r)]
        return exp.In(this=exp.column(f"r{at}"), expressions=met) if met else exp.false()


def query(table: RuleTable, purpose: str, condition: Condition) -> Query:
    """What a checked condition asks; raises `BadInput` for one with more cells than anybody could fill."""
    fields = conditionable(table, purpose)
    by_measure: dict[Measure, list[Atom]] = {}
    for atom in atoms(condition):
        by_measure.setdefault(atom.measure, []).append(atom)
    grids, cells = [], 1
    for measure in sorted(by_measure, key=lambda one: canonical(dict(named(one)))):
        field = fields.get(f"{measure.dataset}.{measure.name}")
        grids.append(_grid(measure, by_measure[measure], field.steps if field else ROWS))
        cells *= grids[-1].size
    if cells > MOST_CELLS:
        raise BadInput("so many conditions at once leave too few people each; ask for fewer, or name fewer values")
    return Query(condition, tuple(grids))


def _date(value: exp.Expression) -> exp.Expression:
    return exp.cast(value, "DATE")


def _grid(measure: Measure, about: list[Atom], steps: tuple[int, ...]) -> Grid:
    match about[0]:
        case Is():
            words = {value for atom in about if isinstance(atom, Is) for value in atom.values}
            return Grid(measure, "words", tuple(sorted(words)))
        case Lately():
            return Grid(measure, "day", steps=MONTHS)
        case Aged():
            return Grid(measure, "age", steps=AGES)
    return Grid(measure, "number", steps=steps)
