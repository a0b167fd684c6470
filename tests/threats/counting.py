"""A population that somebody asks about, day after day, who knows everybody in it but one person; and how they ask.

The answers are made by the functions that make them in a house (`uses.audience`), without its databases: thousands of
populations can be asked about. `Rounded` answers as many systems do, and is what the attacks are tried on first.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import as_file, files
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from pacte.app import shown
from pacte.gate.crowds import Crowd, drawn
from pacte.gate.members import Regions
from pacte.kernel.canonical import Json
from pacte.kernel.instant import Instant
from pacte.policy.compile import compile_policy
from pacte.policy.document import load_policy
from pacte.policy.table import RuleTable
from pacte.uses.audience.condition import meaning, normal
from pacte.uses.audience.query import Grid, Query, query
from pacte.uses.audience.reading import read
from pacte.uses.audience.shown import Earlier, Limits, Measured, judged

PURPOSE = "newsletter"
CITY, SPENT, LAST = "customers.city", "orders.spent", "orders.last_order"
CITIES = tuple(f"Ville {letter}" for letter in "ABCDEFGHZ")
"""The last is where the one person lives, or does not."""
Z = len(CITIES) - 1
NOW = Instant(1_795_000_000_000_000)
LIMITS = Limits(50, 10)
REFUSED = "refused"
Answer = int | str | None


@cache
def table() -> RuleTable:
    """The rules of the shop."""
    with as_file(files("pacte.policy") / "templates" / "shop" / "policy.yaml") as path:
        return compile_policy(load_policy(path)).table


@cache
def _query(written: str) -> Query:
    return query(table(), PURPOSE, normal(read(table(), PURPOSE, json.loads(written))))


@cache
def _members(asked: Query) -> np.ndarray:
    """By cell: whether whoever stands there is a member."""
    return np.array([asked.member(regions) for regions in np.ndindex(*(grid.size for grid in asked.grids))])


class Rounded:
    """People who live somewhere, have spent something, and came last so many months ago; sizes are rounded to tens.

    The last person is the one whom the attacker asks about; `there` says who may be reached.
    """

    least = LIMITS.smallest
    """From how many people on a size is said, as the attacker knows."""

    def __init__(self, rng: np.random.Generator, people: int, pads: int = 0) -> None:
        everybody = people + pads + 1
        self.rng, self.people, self.pads = rng, people, pads
        self.city = rng.choice(Z, everybody)
        self.spent = rng.choice([-1, 0, 10, 20, 60, 110, 260, 600, 1200], everybody)
        self.months = np.where(self.spent < 0, -1, rng.choice([0, 2, 5, 8, 15, 30], everybody))
        self.there = np.ones(everybody, bool)
        self.there[people:] = False
        self.day, self.asked = 0, 0
        self.key = rng.bytes(32)
        self._stand: dict[tuple[Grid, ...], tuple[np.ndarray, tuple[int, ...]]] = {}

    @property
    def one(self) -> int:
        """Where the one person stands in the arrays."""
        return len(self.city) - 1

    def enter(self, pads: int, **of: int | np.ndarray) -> None:
        """So many accounts that the attacker holds become people who may be reached."""
        first = self.people + int(self.there[self.people : self.one].sum())
        self.place(slice(first, first + pads), **of)

    def place(self, who: slice | int, **of: Any) -> None:
        """Set what these people are, and that they may be reached."""
        for name, value in of.items():
            getattr(self, name)[who] = value
        self.there[who] = True
        self._stand.clear()

    def known(self, written: Mapping[str, Any]) -> int:
        """How many people meet a condition, without the one person: the attacker knows it."""
        met = self._met(_asked(written))
        met[self.one] = False
        return int(met.sum())

    def ask(self, written: Mapping[str, Any]) -> Answer:
        """The size of a segment, as it is shown today."""
        self.asked += 1
        count = int(self._met(_asked(written)).sum())
        return None if count < LIMITS.smallest else round(count / LIMITS.rounded) * LIMITS.rounded

    def results(self, left_out: np.ndarray, _campaign: int) -> Answer:
        """How many people a campaign left out because they said no."""
        self.asked += 1
        count = len(left_out)
        return None if count < LIMITS.smallest else round(count / LIMITS.rounded) * LIMITS.rounded

    def tomorrow(self) -> None:
        """A night passes."""
        self.day += 1

    def _met(self, asked: Query) -> np.ndarray:
        code, _ = self._places(asked)
        return np.asarray(_members(asked)[code] & self.there)

    def _places(self, asked: Query) -> tuple[np.ndarray, tuple[int, ...]]:
        """The cell of everybody, as one number, and how many regions each measure has."""
        found = self._stand.get(asked.grids)
        if found is None:
            sizes = tuple(grid.size for grid in asked.grids)
            code = np.ravel_multi_index([self._regions(grid) for grid in asked.grids], sizes)
            found = self._stand[asked.grids] = code, sizes
        return found

    def _regions(self, grid: Grid) -> np.ndarray:
        if grid.measure.name == "city":
            named = [grid.values.index(city) + 1 if city in grid.values else 0 for city in CITIES]
            return np.array(named)[self.city]
        if grid.measure.name == "last_order":
            return np.where(self.months < 0, 0, np.searchsorted(grid.steps, self.months) + 1)
        return np.where(self.spent < 0, 0, np.searchsorted(grid.steps, self.spent, "right") + 1)


class House(Rounded):
    """The same people in a house: what is shown follows its rules."""

    least = LIMITS.enough

    def __init__(self, rng: np.random.Generator, people: int, pads: int = 0) -> None:
        super().__init__(rng, people, pads)
        self._draws = drawn(self.key, np.arange(len(self.city)))
        self._earlier = Earlier()
        self._today: dict[str, Answer] = {}

    def ask(self, written: Mapping[str, Any]) -> Answer:
        self.asked += 1
        asked = _asked(written)
        name = meaning(PURPOSE, asked.condition)
        if name not in self._today:
            self._today[name] = self._answer(asked)
        return self._today[name]

    def results(self, left_out: np.ndarray, _campaign: int) -> Answer:
        self.asked += 1
        keys = SimpleNamespace(keys=SimpleNamespace(house_key=lambda _name: self.key))
        what: dict[str, Json] = {"results": "refused", "reason": "withdrawn", "purpose": PURPOSE, "channel": "email"}
        about = shown.about(cast(Any, keys), what, self._draws.crowd(left_out), str(_campaign))
        return self._earlier.number(LIMITS, about.crowd, about.counted)[0]

    def tomorrow(self) -> None:
        super().tomorrow()
        self._today.clear()

    def _answer(self, asked: Query) -> Answer:
        code, sizes = self._places(asked)
        here = code[self.there]
        people = np.bincount(here, minlength=int(np.prod(sizes)))
        weighted = np.bincount(here, self._draws.weight[self.there], len(people))
        cells: dict[Regions, Crowd] = {
            regions: Crowd(int(people[at]), int(weighted[at])) for at, regions in enumerate(np.ndindex(*sizes))
        }
        members = self._draws.crowd(self._met(asked))
        found = judged(asked, cells, members, LIMITS, self.key)
        if not isinstance(found, Measured):
            return REFUSED
        return self._earlier.number(LIMITS, found.members, found.counted)[0]


def _asked(written: Mapping[str, Any]) -> Query:
    return _query(json.dumps(written, sort_keys=True))


def cities(*places: int) -> dict[str, Any]:
    """Who lives in one of these."""
    return {"field": CITY, "in": [CITIES[place] for place in places]}


def at_least(amount: int) -> dict[str, Any]:
    """Who has spent so much."""
    return {"field": SPENT, "at_least": amount}


def lately(months: int) -> dict[str, Any]:
    """Who came in so many months."""
    return {"field": LAST, "within": f"{months} months"}


def every(*of: Mapping[str, Any]) -> dict[str, Any]:
    """All of these."""
    return {"all": list(of)}


def no(of: Mapping[str, Any]) -> dict[str, Any]:
    """Not this."""
    return {"not": of}
