"""The fictional worlds: reproducible, nobody real, every story told."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from pacte.intake.mapping import load_mapping
from pacte.kernel.instant import parse_instant
from pacte.policy.document import load_policy
from pacte.testing.online_retail import companion
from pacte.testing.retailer import Retailer, generate

NOW = parse_instant("2026-06-01T08:00")
FICTION = re.compile(r"06 39 98 \d\d \d\d|\+33 1 99 00 \d\d \d\d|\(?\d{3}\)?[- ]555-01\d\d")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Retailer:
    """A retailer with 3,000 people."""
    return generate(tmp_path_factory.mktemp("world"), 3_000, now=NOW)


def test_the_same_seed_gives_the_same_files(tmp_path: Path) -> None:
    """Byte for byte; another seed gives other people."""
    first, second, other = (
        generate(tmp_path / name, 200, now=NOW, seed=seed) for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    for one, same, different in zip(first.files, second.files, other.files, strict=True):
        assert one.read_bytes() == same.read_bytes() != different.read_bytes()


def test_nobody_can_be_reached(world: Retailer) -> None:
    """Addresses end in `.example`; telephone numbers are of ranges reserved for fiction, and nobody shares one."""
    people = pa_csv.read_csv(
        world.customers, convert_options=pa_csv.ConvertOptions(column_types={"phone": pa.string()})
    )
    phones = [phone for phone in people["phone"].to_pylist() if phone]
    assert len(phones) == len(set(phones)) > 1_000
    assert all(FICTION.fullmatch(phone) for phone in phones)
    assert all(mail.endswith(".example") for mail in people["mail"].to_pylist())


def test_the_public_is_as_described(world: Retailer) -> None:
    """About 65, 20 and 15 % in the three regions; minors with and without a parent; some orders are nobody's."""
    people = pa_csv.read_csv(world.customers)
    regions = Counter(people["country"].to_pylist())
    assert 0.6 < regions["France"] / 3_000 < 0.7
    assert 0.15 < regions["Canada"] / 3_000 < 0.25
    assert 60 < sum(1 for parent in people["parent_id"].to_pylist() if parent) < 180
    orders = pq.read_table(world.orders)
    assert 10_000 < orders.num_rows < 14_000
    assert 0.03 < orders["customer"].null_count / orders.num_rows < 0.12
    assert orders.group_by(["order_id", "line"]).aggregate([]).num_rows == orders.num_rows


def test_people_change_their_minds_in_every_way(world: Retailer) -> None:
    """Every act, method and grade occurs, with undated, late, parental and signalled ones among them."""
    rows = pa_csv.read_csv(world.choices).to_pylist()
    acts = {row["act"] for row in rows}
    assert acts == {"given", "refused", "withdrawn", "objected", "objection_lifted", "restricted", "restriction_lifted"}
    assert {row["proof"] for row in rows} == {"double_opt_in", "form", "paper", "attested"}
    assert any(row["signed_at"] is None for row in rows)
    late = [row for row in rows if row["signed_at"] is not None and row["recorded_at"] > row["signed_at"]]
    assert {row["method"] for row in late} == {"paper"}
    assert {"guardian", "self"} == {row["voice"] for row in rows}
    assert any(row["signal"] == "gpc" for row in rows)
    assert {0, 1} == {row["authenticated"] for row in rows}
    assert max(row["recorded_at"] for row in rows).timestamp() * 1_000_000 <= NOW


def test_a_companion_fits_the_purchases_it_stands_beside(tmp_path: Path) -> None:
    """One person per customer number, none for sales without one; its policy and mapping are without mistakes."""
    purchases = tmp_path / "online_retail.parquet"
    table = {"InvoiceNo": ["1", "1", "2", "3"], "StockCode": ["A", "B", "A", "A"], "Description": ["x"] * 4}
    table |= {"Quantity": [1, 2, -1, 3], "UnitPrice": [2.5, 1.0, 2.5, 2.5], "CustomerID": [7, 7, None, 9]}
    table |= {"Country": ["France", "France", "EIRE", "Unspecified"]}
    when = pa.array([1_300_000_000, 1_300_000_000, 1_310_000_000, 1_320_000_000], pa.timestamp("s"))
    pq.write_table(pa.table(table | {"InvoiceDate": when.cast(pa.timestamp("us"))}), purchases)
    made = companion(purchases, tmp_path / "beside", now=NOW)
    people = pa_csv.read_csv(made.customers)
    assert people["id"].to_pylist() == [7, 9]
    assert people["country"].to_pylist() == ["France", "Unspecified"]
    policy = load_policy(made.policy)
    mapping = load_mapping(made.mapping, policy)
    assert mapping.source_for(purchases).dataset == "purchases"
    assert set(pa_csv.read_csv(made.choices).column("customer").to_pylist()) <= {7, 9}
