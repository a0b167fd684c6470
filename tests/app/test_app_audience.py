"""The table of a use: pseudonyms, declared columns, coarsened values, in an order that tells nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from pacte.app.house import House
from pacte.app.uses import Use
from pacte.kernel.errors import BadInput, Denied
from pacte.kernel.instant import DAY
from pacte.lake import numbers
from pacte.testing.world import START, TestClock
from tests.threats.shop import (
    CHOICE_COLUMNS,
    TODAY,
    choice,
    empty_house,
    order,
    shop_files,
    write_csv,
    write_orders,
)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, records: Callable[[], str]) -> House:
    """Forty subscribers with two orders each, plus one with an odd order and anonymous sales."""
    root = tmp_path_factory.mktemp("audience")
    house = empty_house(root / "house", TestClock(TODAY), database=records())
    for file in shop_files(root / "files"):
        house.load(file)
    odd = [order(1, 7, amount=1234.56, ordered_at=START - 45 * DAY), order(2, 8, customer=None, amount=999.0)]
    house.load(write_orders(root / "orders-2.parquet", odd))
    partner = [choice(n, purpose="partner_offers", recipient="cookery_school", proof="double_opt_in",
                      signed_at="2025-09-01", recorded_at="2025-09-01") for n in range(1, 11)]  # fmt: skip
    house.load(write_csv(root / "choices-2.csv", CHOICE_COLUMNS, partner))
    return house


@pytest.fixture(scope="module")
def use(shop: House) -> Use:
    """The newsletter by e-mail."""
    return shop.declare("newsletter", channel="email")


def test_rows_are_ordered_by_pseudonym_and_hold_no_number(shop: House, use: Use) -> None:
    """One row per permitted person, by pseudonym; no internal number, subject or source key in any cell or name."""
    table = use.table()
    names = table.column("pseudonym").to_pylist()
    assert len(names) == len(set(names)) == len(use.permits) == 40
    assert names == sorted(names)
    assert table.column_names == [
        "pseudonym", "customers.city", "customers.country", "orders.last_order", "orders.order_count", "orders.spent",
    ]  # fmt: skip
    with shop.reading() as conn:
        drawn = numbers.subjects(conn, use.permits.numbers.to_pylist())
    cells = {str(cell) for column in table.columns for cell in column.to_pylist()}
    assert cells.isdisjoint(drawn.values())
    assert not any("C000" in cell or "_no" in cell for cell in cells)
    assert "numbers" not in repr(use.permits)
    assert table.schema.metadata is None


def test_the_order_of_rows_tells_nothing_of_the_order_of_arrival(shop: House, use: Use) -> None:
    """Neither internal numbers nor pseudonyms follow the order in which people came."""
    with shop.reading() as conn:
        from pacte.vault import index

        arrived = [index.find(conn, shop.keys, "key:customers.customer_id", f"C{n:05d}") for n in range(1, 41)]
        drawn = numbers.numbers(conn, [one for one in arrived if one])
    order_of_numbers = [drawn[one] for one in arrived if one]
    assert order_of_numbers != sorted(order_of_numbers)
    assert abs(np.corrcoef(np.argsort(order_of_numbers), np.arange(40))[0, 1]) < 0.75


def test_values_are_coarsened_as_the_policy_says(use: Use) -> None:
    """Amounts by tens, dates by months, postcodes by two figures; nothing finer leaves."""
    table = use.table(["orders.spent", "orders.last_order", "orders.order_count"])
    assert all(value % 10 == 0 for value in table.column("orders.spent").to_pylist())
    assert all(value.day == 1 for value in table.column("orders.last_order").to_pylist())
    assert sorted(set(table.column("orders.order_count").to_pylist())) == [2, 3]
    assert table.column("orders.spent").type == pa.int64()


def test_exact_values_where_the_policy_says_exact(shop: House) -> None:
    """Postcodes for statistics come as two figures, and single events in no table of people."""
    statistics = shop.declare("statistics")
    table = statistics.table(["customers.postcode"])
    assert set(table.column("customers.postcode").to_pylist()) == {"35", "44", "29"}
    with pytest.raises(BadInput, match="has many values per person; take one of the aggregates"):
        statistics.table(["orders.amount"])


def test_other_domains_cannot_be_joined(shop: House, use: Use) -> None:
    """Purposes of one domain share pseudonyms, another domain's have none in common and another order."""
    mine = use.table(["customers.city"])
    again = shop.declare("newsletter", channel="email").table(["customers.city"])
    assert mine.equals(again)
    offers = shop.declare("similar_offers", channel="email").table(["orders.last_order"])
    assert offers.column("pseudonym").to_pylist() == mine.column("pseudonym").to_pylist()
    counted = shop.declare("statistics").table(["customers.city"])
    assert set(counted.column("pseudonym").to_pylist()).isdisjoint(mine.column("pseudonym").to_pylist())
    assert len(counted) == len(mine)
    assert counted.column("customers.city").to_pylist() != mine.column("customers.city").to_pylist()


def test_an_undeclared_column_names_the_declared_ones(use: Use) -> None:
    """The message says what was asked wrongly and all that may be asked."""
    with pytest.raises(BadInput) as caught:
        use.table(["customers.postcode"])
    assert str(caught.value) == (
        "purpose `newsletter` does not declare `customers.postcode`; it declares `customers.city`, "
        "`customers.country`, `orders.last_order`, `orders.order_count`, `orders.spent`"
    )
    for wrong in ("pseudonym", "_no", "customers", "customers.city; DROP", "", "customers.city, customers.postcode"):
        with pytest.raises(BadInput, match="it declares"):
            use.table([wrong])


@pytest.mark.parametrize("column", ["customers.email", "customers.phone", "customers.first_name"])
def test_identities_are_refused(use: Use, column: str) -> None:
    """Who people are is declared, and stays sealed until the sending step asks, person by person."""
    with pytest.raises(BadInput) as caught:
        use.table([column])
    assert str(caught.value).startswith(
        f"`{column}` says who a person is; it stays sealed until the sending step asks for it, person by person; "
        "columns that may be taken: `customers.city`"
    )


def test_a_use_of_fewer_fields_opens_no_more(shop: House) -> None:
    """A use declared for one field gives that one only, even where the purpose declares more."""
    narrow = shop.declare("newsletter", channel="email", fields=["customers.city"])
    assert narrow.table().column_names == ["pseudonym", "customers.city"]
    with pytest.raises(BadInput, match=r"it declares `customers\.city`$"):
        narrow.table(["customers.country"])


def test_a_use_without_releasable_fields_gives_pseudonyms_only(shop: House) -> None:
    """Partner offers declare identities only: the table counts people and names none."""
    partner = shop.declare("partner_offers", channel="email", recipient="cookery_school")
    assert partner.funnel.permitted == 10
    assert partner.table().column_names == ["pseudonym"]
    other = shop.declare("partner_offers", channel="email", recipient="sugar_shack")
    assert other.table().num_rows == 0
    with pytest.raises(Denied):
        shop.declare("partner_offers", channel="email", recipient="mailer")


def test_arrow_pandas_and_polars_agree(use: Use) -> None:
    """The three forms hold the same rows."""
    table, pandas, polars = use.table(), use.to_pandas(), use.to_polars()
    assert list(pandas.columns) == list(polars.columns) == table.column_names
    assert pandas["pseudonym"].tolist() == polars["pseudonym"].to_list() == table.column("pseudonym").to_pylist()
    assert pandas["orders.spent"].tolist() == polars["orders.spent"].to_list()
    assert use.to_pandas(["customers.city"]).shape == use.to_polars(["customers.city"]).shape == (40, 2)


def test_sales_of_nobody_stay_nobodys(shop: House, use: Use) -> None:
    """An anonymous sale is in the lake and in nobody's figures."""
    assert 990 not in use.table(["orders.spent"]).column("orders.spent").to_pylist()
    assert use.funnel.candidates == 40
    assert shop.check() == []
