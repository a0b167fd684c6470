"""Every type that the policy declares, from a file to an audience and to one person: the same value all the way."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pacte.app.house import MAPPING, POLICY, House, create
from pacte.app.publish import publish
from pacte.app.templates import write_template
from pacte.gate.permit import Permit
from pacte.testing.world import TestClock
from pacte.vault import sealed
from tests.threats.shop import CUSTOMER_COLUMNS, TODAY, customer, write_csv

TYPES: dict[str, tuple[str, Any, pa.DataType]] = {
    "string": ("l’été à Saint-Malo", "l’été à Saint-Malo", pa.string()),
    "integer": ("-9007199254740991", -9_007_199_254_740_991, pa.int64()),
    "decimal": ("-12345678901234.5678", Decimal("-12345678901234.5678"), pa.decimal128(18, 4)),
    "date": ("2024-02-29", date(2024, 2, 29), pa.date32()),
    "instant": (
        "2024-02-29T23:59:59.999999Z",
        datetime(2024, 2, 29, 23, 59, 59, 999_999),  # noqa: DTZ001 # a table's times are UTC, without saying so
        pa.timestamp("us"),
    ),
    "boolean": ("oui", True, pa.bool_()),
}
"""By type: how a file writes it, what it is, and its column in Parquet."""
SEALED = {
    "s_string": "l’été à Saint-Malo",
    "s_integer": -9_007_199_254_740_991,
    "s_decimal": "-12345678901234.5678",
    "s_date": "2024-02-29",
    "s_instant": 1_709_251_199_999_999,
    "s_boolean": True,
}
"""What is sealed of each: no digit is lost, and a decimal that JSON would round is a text."""
OURS, THEIRS = [f"d_{kind}" for kind in TYPES], [f"s_{kind}" for kind in TYPES]
"""Fields of each type: of what is known of a customer, and of who they are (sealed)."""


def _declared(indent: str) -> str:
    lines = [f"{indent}{name}: {{category: city, type: {kind}}}" for name, kind in zip(OURS, TYPES, strict=True)]
    lines += [
        f"{indent}{name}: {{category: name, type: {kind}, identity: other, group: civil}}"
        for name, kind in zip(THEIRS, TYPES, strict=True)
    ]
    return "".join(f"{line}\n" for line in lines)


def _house(path: Path, database: str) -> House:
    """The template's shop, whose customers have a field of each type, twice, for the purpose of their contract."""
    house = create(path, clock=TestClock(TODAY), database=database)
    write_template(path)
    city = "      city: {category: city, type: string}\n"
    uses = "      - customers.city\n"
    policy = (path / POLICY).read_text("utf-8")
    assert city in policy
    before, service, after = policy.partition("  order_service:\n")
    assert uses in after
    added = "".join(f"      - customers.{name}\n" for name in (*OURS, *THEIRS))
    after = after.replace(uses, uses + added, 1).replace(city, city + _declared("      "), 1)
    exact = ", ".join(f"customers.{name}" for name in OURS)
    after = after.replace("    exact: [orders.ordered_at,", f"    exact: [{exact}, orders.ordered_at,", 1)
    (path / POLICY).write_text(before + service + after, "utf-8")
    mapping = (path / MAPPING).read_text("utf-8")
    field = "      city: city\n"
    assert field in mapping
    columns = "".join(f"      {name}: {name}\n" for name in (*OURS, *THEIRS))
    mapping = mapping.replace(field, field + columns, 1)
    again = mapping.partition("  customers:\n")[2].partition("\n  # What people bought")[0]
    parquet = "  typed:\n" + again.replace("customers*.csv", "typed*.parquet") + "    format: parquet\n"
    (path / MAPPING).write_text(
        mapping.replace("\n  # What people bought", f"\n{parquet}\n  # What people bought", 1), "utf-8"
    )
    publish(house, "owner")
    return house


def _files(folder: Path) -> tuple[Path, Path]:
    """A customer whose values are words of a CSV file, and one whose values are typed columns of a Parquet file."""
    words = {name: TYPES[name[2:]][0] for name in (*OURS, *THEIRS)}
    columns = (*CUSTOMER_COLUMNS, *words)
    csv = write_csv(folder / "customers.csv", columns, [customer(1, **words), customer(3)])
    table = pa.Table.from_pylist([customer(2)])
    for name in words:
        _, value, kind = TYPES[name[2:]]
        table = table.append_column(name, pa.array([value], kind))
    for name in CUSTOMER_COLUMNS:
        if name not in table.column_names:
            table = table.append_column(name, pa.array([None], pa.string()))
    pq.write_table(table, folder / "typed.parquet")
    return csv, folder / "typed.parquet"


def _revealed(house: House, key: str) -> dict[str, Any]:
    """Who somebody is, as a permit opens it."""
    permit = house.permit(key, "order_service")
    assert isinstance(permit, Permit), permit
    with house.reading() as conn:
        found = sealed.get(conn, house.keys, permit, permit.subject, ["civil"], house.clock())
    return {name.removeprefix("customers."): value.reveal() for name, value in found.items()}


@pytest.fixture
def house(tmp_path: Path, records: Callable[[], str]) -> House:
    """The shop with both files in it."""
    found = _house(tmp_path / "house", records())
    for file in _files(tmp_path):
        report = found.load(file)
        assert report.rejected == {}
    return found


def test_every_type_comes_out_of_the_lake_as_it_came_in(house: House) -> None:
    """Words and typed columns give the same column of the audience, of the declared type; nothing stays nothing."""
    table = house.declare("order_service").table()
    for name in OURS:
        _, value, kind = TYPES[name[2:]]
        column = table.column(f"customers.{name}")
        assert column.type == kind, name
        assert sorted(map(str, column.to_pylist())) == sorted(map(str, [value, value, None])), name
    assert house.check() == []
    house.close()


def test_every_type_is_sealed_and_opened_as_it_was(house: House) -> None:
    """What says who somebody is opens under a permit as the value that was loaded, whichever file brought it."""
    one, other, nobody = (_revealed(house, f"key:C0000{number}") for number in (1, 2, 3))
    for name in THEIRS:
        assert one[name] == other[name], name
        assert nobody.get(name) is None, name
    assert {name: one[name] for name in THEIRS} == SEALED
    assert house.check() == []
    house.close()
