"""What one person did, opened for a purpose: recorded first, as far as it goes, without what it must not see."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from pacte.app import events
from pacte.app.events import Opened, open_events
from pacte.app.house import POLICY, House
from pacte.app.publish import publish
from pacte.gate.permit import Permit
from pacte.gate.rows import Row
from pacte.gate.values import Decision
from pacte.kernel.errors import Denied, NotFound
from pacte.kernel.instant import to_datetime
from pacte.ledger import log
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

PRODUCTS = ("teapot", "Kosher salt", "gluten-free flour", "notebook")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """Two customers who want ideas from what they bought; two of the first one's orders tell of more than a taste."""
    with empty_house(tmp_path / "house", TestClock(TODAY)) as made:
        people = [customer(number) for number in (1, 2)]
        when = dict.fromkeys(("signed_at", "recorded_at"), "2025-10-01T10:00:00Z")
        wish = {"purpose": "my_history", "channel": "", "notice": "levels"} | when
        said = [choice(number, **wish) for number in (1, 2)]
        bought = [order(1, n, product=product, amount=17.5) for n, product in enumerate(PRODUCTS)]
        made.load(write_csv(tmp_path / "customers.csv", CUSTOMER_COLUMNS, people))
        made.load(write_csv(tmp_path / "choices.csv", CHOICE_COLUMNS, said))
        made.load(write_orders(tmp_path / "orders.parquet", [*bought, order(2, 9, product="candle")]))
        yield made


def _values(found: Opened | Decision) -> list[dict[str, object]]:
    assert isinstance(found, Opened)
    return [dict(row.values.reveal()) for row in found.rows]


def _change(house: House, old: str, new: str) -> None:
    file = house.path / POLICY
    text = file.read_text(encoding="utf-8")
    before, mark, rest = text.partition("\n  my_history:\n    title")
    assert old in rest
    file.write_text(before + mark + rest.replace(old, new, 1), encoding="utf-8")
    publish(house, "owner")


def test_a_purpose_sees_its_fields_of_one_person_and_no_telling_row(house: House) -> None:
    """The product and nothing else, of nobody else; what tells of a belief or a health stays out of sight."""
    rows = _values(open_events(house, "key:C00001", "my_history", by="shop"))
    assert sorted(str(row["product"]) for row in rows) == ["notebook", "teapot"]
    assert {tuple(row) for row in rows} == {("product",)}
    assert _values(open_events(house, "key:C00002", "my_history", by="shop")) == [{"product": "candle"}]


def test_the_use_is_recorded_before_and_the_same_call_is_the_same_use(house: House) -> None:
    """The permit names an entry that stands in the ledger; a key makes a second call the first one's."""
    first = open_events(house, "key:C00001", "my_history", by="shop", key="a")
    again = open_events(house, "key:C00001", "my_history", by="shop", key="a")
    assert isinstance(first, Opened)
    assert isinstance(again, Opened)
    with house.reading() as conn:
        entry = log.entry(conn, first.permit.index)
        assert log.head(conn).size == first.permit.index + 1
    assert entry is not None
    assert (entry["kind"], entry["purpose"], entry["by"]) == ("use", "my_history", "shop")
    assert again.permit.index == first.permit.index
    assert "teapot" not in repr(first)


def test_values_are_rounded_as_the_policy_says(house: House) -> None:
    """An instant by the month and an amount by tens, unless the purpose is declared to see them as they are."""
    _change(house, "uses: [orders.product]", "uses: [orders.product, orders.amount]")
    opened = open_events(house, "key:C00001", "my_history", by="shop")
    assert isinstance(opened, Opened)
    assert {to_datetime(row.collected).day for row in opened.rows} == {1}
    found = _values(opened)
    assert {row["amount"] for row in found} == {10}
    _change(house, "uses: [orders.product, orders.amount]", "uses: [orders.amount]\n    exact: [orders.amount]")
    found = _values(open_events(house, "key:C00001", "my_history", by="shop"))
    assert {row["amount"] for row in found} == {Decimal("17.5")}
    assert len(found) == 2  # the telling rows stay out of sight whatever is asked of them


def test_what_the_gate_refuses_opens_nothing_and_records_nothing(house: House) -> None:
    """A no, somebody unknown, a field that is not declared."""
    with house.reading() as conn:
        size = log.head(conn).size
    refused = open_events(house, "key:C00001", "my_tastes", by="shop")
    assert isinstance(refused, Decision)
    with pytest.raises(NotFound):
        open_events(house, "key:C00009", "my_history", by="shop")
    with pytest.raises(Denied):
        open_events(house, "key:C00001", "my_history", fields=("orders.amount",), by="shop")
    with house.reading() as conn:
        assert log.head(conn).size == size
    house.choose("key:C00001", "my_history", "withdrawn", by="person")
    assert isinstance(open_events(house, "key:C00001", "my_history", by="shop"), Decision)
    assert house.check() == []


def test_a_no_that_comes_before_the_rows_leave_keeps_them(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was said after the use was recorded, while its rows were read, is the answer; the use stays recorded."""
    read = events._read

    def meanwhile(found: House, given: Permit) -> list[Row]:
        rows = read(found, given)
        found.choose("key:C00001", "my_history", "withdrawn", by="person")
        return rows

    monkeypatch.setattr(events, "_read", meanwhile)
    answer = open_events(house, "key:C00001", "my_history", by="shop")
    assert isinstance(answer, Decision)
    assert (answer.permitted, answer.reason.code) == (False, "withdrawn")
    assert house.check() == []
