"""Values that tell something of a special category are out of sight of every purpose without a ground for it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from pacte.app.house import POLICY, House
from pacte.app.publish import publish
from pacte.testing.world import TestClock
from tests.threats.shop import (
    CHOICE_COLUMNS,
    CUSTOMER_COLUMNS,
    TODAY,
    choice,
    customer,
    empty_house,
    order,
    write_csv,
    write_orders,
)

PRODUCTS = ("galettes", "Kosher salt", " KÓSHER-WINE ", "not kosher", "diabetic jam", None)
"""What one person bought, for 1, 10, 100 … each; three of them tell something of a belief or a health."""
TOWNS = ("Lourdes", "LOÜRDES", "Lourdes-sur-Mer")
REVEALS = """\
      city: {category: city, type: string, reveals: {religious_belief: [lourdes]}}
"""


@pytest.fixture
def shop(tmp_path: Path) -> House:
    """Four subscribers; one bought tell-tale things, two live in a place of pilgrimage, one bought one such thing."""
    house = empty_house(tmp_path / "house", TestClock(TODAY))
    _change(house, "      city: {category: city, type: string}\n", REVEALS)
    people = [customer(number, city=TOWNS[number % 3]) for number in range(1, 5)]
    bought = [order(1, n, product=product, amount=10.0**n) for n, product in enumerate(PRODUCTS)]
    house.load(write_csv(tmp_path / "customers.csv", CUSTOMER_COLUMNS, people))
    house.load(write_csv(tmp_path / "choices.csv", CHOICE_COLUMNS, [choice(number) for number in range(1, 5)]))
    house.load(write_orders(tmp_path / "orders.parquet", [*bought, order(2, 1, product="halal")]))
    return house


def _change(house: House, old: str, new: str) -> None:
    file = house.path / POLICY
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    publish(house, "owner")


def _newsletter(house: House) -> list[tuple[object, ...]]:
    columns = ["orders.order_count", "orders.spent", "customers.city"]
    table = house.declare("newsletter", channel="email").table(columns)
    return sorted((tuple(row[name] for name in columns) for row in table.to_pylist()), key=repr)


def test_a_purpose_without_a_ground_sees_no_telling_row_or_value(shop: House) -> None:
    """Three of six orders count for nothing; who bought only such things has no figures; a telling town is none."""
    rows = _newsletter(shop)
    spent = 10**0 + 10**3 + 10**5
    assert [row[:2] for row in rows if row[0] is not None] == [(3, spent - spent % 10)]
    assert sum(row[0] is None for row in rows) == 3, "she who bought halal looks like those who bought nothing"
    assert sorted(row[2] for row in rows if row[2] is not None) == ["Lourdes-sur-Mer"]


def test_a_purpose_with_a_ground_sees_them(shop: House) -> None:
    """With explicit consent everything counts: the figures of the same people differ."""
    _change(shop, "    basis: consent                         #", "    basis: consent\n    explicit: yes #")
    rows = _newsletter(shop)
    assert sorted(row[0] for row in rows if row[0] is not None) == [1, 6]
    assert max(row[1] for row in rows if row[1] is not None) == 111_110
    assert sorted(row[2] for row in rows) == ["LOÜRDES", "LOÜRDES", "Lourdes", "Lourdes-sur-Mer"]


def test_no_pattern_and_no_telling_value_comes_out(shop: House) -> None:
    """Neither in cells nor in names of columns, types or metadata."""
    table = shop.declare("newsletter", channel="email").table()
    assert isinstance(table, pa.Table)
    whole = f"{table.schema} {table.schema.metadata} {table.to_pylist()}".casefold()
    for word in ("kosher", "kósher", "halal", "diabetic", "lourdes'", "loürdes"):
        assert word not in whole


def test_the_smallest_of_the_rest_is_not_the_telling_one(shop: House) -> None:
    """A minimum, a maximum and a date are taken over what may be seen, too."""
    _change(shop, "      spent: {take: sum,", "      spent: {take: max,")
    assert max(row[1] for row in _newsletter(shop) if row[1] is not None) == Decimal(10**5)
    assert shop.check() == []
