"""Conditions: what they mean, and that the SQL that places people in regions does what the regions say."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp

from pacte.gate.crowds import Crowd
from pacte.gate.measures import Measure
from pacte.kernel.instant import parse_instant
from pacte.policy.document import load_policy
from pacte.uses.audience.condition import (
    Any as Either,
)
from pacte.uses.audience.condition import (
    Between,
    Condition,
    Every,
    Is,
    Not,
    atoms,
    holds,
    meaning,
    normal,
    to_json,
    without,
)
from pacte.uses.audience.query import Grid, Query
from pacte.uses.audience.shown import Limits, Measured, TooFew, judged, parted
from pacte.uses.audience.words import title

TEMPLATE = Path(__file__).parents[2] / "src/pacte/policy/templates/shop/policy.yaml"

NOW = parse_instant("2026-11-22")
CITY, SPENT = Measure("customers", "city"), Measure("orders", "spent")
SINGLE: list[Condition] = [Is(CITY, ("a",)), Is(CITY, ("b", "a")), Between(SPENT, 10), Between(SPENT, 20, 50)]
CONDITIONS = st.recursive(
    st.sampled_from(SINGLE),
    lambda some: st.one_of(
        some.map(Not),
        st.lists(some, min_size=1, max_size=3).map(lambda of: Every(tuple(of))),
        st.lists(some, min_size=1, max_size=3).map(lambda of: Either(tuple(of))),
    ),
    max_leaves=6,
)


@pytest.mark.parametrize(
    ("path", "lang", "called"),
    [
        ("orders.spent", "en", "Amount, total in “Your purchases”"),
        ("orders.spent", "fr", "Montant, total dans « Vos achats »"),
        ("orders.last_order", "en", "Date, last in “Your purchases”"),
        ("orders.order_count", "fr", "nombre de lignes dans « Vos achats »"),
    ],
)
def test_what_is_computed_is_called_by_titles(path: str, lang: str, called: str) -> None:
    """A figure of the policy has no title of its own: people read those of its field and its dataset."""
    policy = load_policy(TEMPLATE)
    assert " ".join(title(policy, path, lang).split()) == called


@given(CONDITIONS, st.sets(st.integers(0, 3)))
def test_the_one_form_means_the_same(condition: Condition, met: set[int]) -> None:
    """Whoever meets a condition meets its one form; that form is its own; "not" stands before single conditions."""
    found = normal(condition)
    true = [normal(SINGLE[at]) for at in met]
    assert holds(condition, lambda atom: normal(atom) in true) == holds(found, lambda atom: atom in true)
    assert normal(found) == found
    assert meaning("p", condition) == meaning("p", found) == meaning("p", Not(Not(found)))


@given(CONDITIONS)
def test_leaving_a_measure_out_leaves_the_rest(condition: Condition) -> None:
    """What is left says nothing of the measure, and all that was said of the others."""
    left = without(condition, [CITY])
    rest = [atom for atom in atoms(condition) if atom.measure != CITY]
    assert ([] if left is None else list(atoms(left))) == rest


@pytest.mark.parametrize(
    ("grid", "values"),
    [
        (Grid(CITY, "words", ("a", "d'e", "b")), {None: 0, "a": 1, "d'e": 2, "b": 3, "c": 0, "": 0}),
        (Grid(SPENT, "number", steps=(10, 20, 50)), {None: 0, -5: 1, 0: 1, 9: 1, 10: 2, 19: 2, 20: 3, 50: 4, 900: 4}),
        (
            Grid(SPENT, "age", steps=(18, 25)),
            {None: 0, date(2020, 1, 1): 1, date(2008, 11, 22): 2, date(2008, 11, 23): 1, date(1950, 2, 3): 3},
        ),
        (
            Grid(SPENT, "day", steps=(1, 3)),
            {None: 0, date(2026, 11, 1): 1, date(2026, 10, 1): 1, date(2026, 9, 30): 2, date(2026, 7, 31): 3},
        ),
    ],
)
def test_everybody_stands_in_the_region_of_their_value(grid: Grid, values: dict[Any, int]) -> None:
    """The region that SQL finds of each value, nothing and bounds included."""
    region = grid.expression(NOW).transform(lambda node: exp.column("v") if node == exp.column("value") else node)
    duck = duckdb.connect()
    for value, expected in values.items():
        kind = "VARCHAR" if grid.kind == "words" else "DATE" if isinstance(value, date) else "BIGINT"
        kind = "DATE" if value is None and grid.kind in ("age", "day") else kind
        sql = f"SELECT {region.sql(dialect='duckdb')} FROM (SELECT CAST(? AS {kind}) AS v)"
        assert duck.execute(sql, [value]).fetchone() == (expected,), value


CITY_GRID, SPENT_GRID = Grid(CITY, "words", ("a", "b")), Grid(SPENT, "number", steps=(10, 20))
LIMITS = Limits(50, 10)


def _judged(condition: Condition, cells: dict[tuple[int, ...], int]) -> Measured | TooFew:
    crowds = {regions: Crowd(people, people) for regions, people in cells.items()}
    grids = tuple(
        grid for grid in (CITY_GRID, SPENT_GRID) if any(one.measure == grid.measure for one in atoms(condition))
    )
    return judged(Query(condition, grids), crowds, Crowd(), LIMITS, bytes(32))


def test_every_combination_needs_people_enough() -> None:
    """All combinations that a condition tells apart, those outside of it too; nobody at all is too few."""
    both = Every((Is(CITY, ("a", "b")), Between(SPENT, 10)))
    full: dict[tuple[int, ...], int] = {(city, spent): 100 for city in range(3) for spent in range(4)}
    found = _judged(both, full)
    assert isinstance(found, Measured)
    assert abs(found.counted - 400) <= 6 * 4
    for city in range(3):
        thin: dict[tuple[int, ...], int] = full | {(city, 2): 0, (city, 3): 0}
        refused = _judged(both, thin)
        assert isinstance(refused, TooFew)
        assert refused.coarser in (Is(CITY, ("a", "b")), Between(SPENT, 10))


def test_what_cannot_be_at_once_is_no_combination() -> None:
    """Nobody lives in two cities, or spends two amounts: that does not make a condition too fine."""
    found = _judged(Either((Is(CITY, ("a",)), Is(CITY, ("b",)))), {(0,): 100, (1,): 100, (2,): 100})
    assert isinstance(found, Measured)


def test_a_part_alone_is_not_left_to_be_worked_out() -> None:
    """Where one part is too small to be said, the next smallest goes with it; two or more hide each other."""
    assert list(parted([(200, 201), (None, 12), (90, 88)])) == [200, None, None]
    assert list(parted([(200, 201), (None, 12), (None, 3)])) == [200, None, None]
    assert list(parted([(200, 201), (90, 88)])) == [200, 90]


def test_below_the_smallest_nothing_is_said() -> None:
    """Neither by how many there are, nor by how many they count for; others in tens."""
    assert LIMITS.number(49, 80) is None
    assert LIMITS.number(70, 69) is None
    assert LIMITS.number(70, 74) == 70
    assert LIMITS.number(70, 75) == 80


def test_a_condition_is_written_as_it_is_read() -> None:
    """What is kept of a condition can be read again."""
    rows = Between(Measure("orders", "", "product", ("tea",), 12), 2)
    assert to_json(rows) == {
        "dataset": "orders", "field": "product", "in": ["tea"], "within": "12 months", "at_least": 2,
    }  # fmt: skip
    assert to_json(Not(Is(CITY, ("a",)))) == {"not": {"field": "customers.city", "in": ["a"]}}
