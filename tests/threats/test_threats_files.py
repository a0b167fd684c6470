"""Files as bad as they come: every row enters or is set aside, and a mended file brings in the rest."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from pyarrow import csv as arrow_csv

from pacte.app.house import House, open_house
from pacte.app.loading import rejected_rows
from pacte.kernel.errors import BadInput, NotFound
from pacte.kernel.instant import DAY
from pacte.ledger import log
from pacte.ledger.export import export
from pacte.testing.world import TestClock
from pacte.verifier import verify_bytes
from tests.threats.shop import CUSTOMER_COLUMNS, TODAY, customer, empty_house, numbers_of, write_csv


@pytest.fixture
def house(tmp_path: Path) -> House:
    """An empty house."""
    return empty_house(tmp_path / "house")


def opened_rows(house: House, load: str, target: Path) -> list[dict]:
    """The rows that a load set aside."""
    rejected_rows(house, load, target)
    return [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]


def test_whoever_opens_rows_set_aside_is_recorded(house: House, tmp_path: Path) -> None:
    """Before any row comes out the ledger says who opened how many; for rows that are not there it says nothing."""
    path = write_csv(tmp_path / "customers.csv", CUSTOMER_COLUMNS, [customer(1), customer(2, mail="not-an-address")])
    load = house.load(path).load
    with house.reading() as conn:
        before = log.head(conn).size
    with pytest.raises(NotFound):
        rejected_rows(house, "20200101-0011", tmp_path / "none.jsonl")
    with pytest.raises(BadInput, match="cannot be made there"):
        rejected_rows(house, load, tmp_path / "no-such-folder" / "rows.jsonl", by="staff:17")
    with house.reading() as conn:
        ((index, entry),) = log.of_kind(conn, "look_aside")
    assert (index, entry["load"], entry["rows"], entry["by"]) == (before, load, 1, "staff:17")
    assert len(opened_rows(house, load, tmp_path / "rows.jsonl")) == 1
    with house.reading() as conn:
        assert len(log.of_kind(conn, "look_aside")) == 2
        with (tmp_path / "export").open("wb") as out:
            export(conn, out)
    found = verify_bytes((tmp_path / "export").read_bytes())
    assert found.ok
    assert house.check() == []


def test_bad_files_lose_nothing(house: House, tmp_path: Path) -> None:
    """Every way of being bad in one file: what is sound enters, each other row is set aside with its reason."""
    path = write_csv(tmp_path / "customers.csv", CUSTOMER_COLUMNS, [customer(n) for n in range(1, 21)])
    lines = path.read_bytes().splitlines(keepends=True)
    columns = len(CUSTOMER_COLUMNS)

    def cell(number: int, name: str, value: bytes) -> None:
        cells = lines[number].rstrip(b"\r\n").split(b",")
        cells[CUSTOMER_COLUMNS.index(name)] = value
        lines[number] = b",".join(cells) + b"\r\n"

    cell(2, "last_name", b"M\xe9nard")
    cell(3, "last_name", b"=cmd|' /C calc'!A0")
    cell(4, "last_name", b"x" * 10_000_000)
    cell(5, "id", b"C00001")
    cell(6, "mail", b"not-an-address")
    cell(7, "birth_date", b"2031-02-30")
    cell(8, "last_name", b"nul\x00byte")
    cell(9, "last_name", b'"never closed')
    cell(10, "notice", b"v99")
    cell(11, "id", b"")
    cell(12, "signup_date", b"2999-01-01")
    cell(13, "phone", b"12")
    cell(14, "last_name", "‮drow\x07".encode())
    lines.insert(15, b"too,few\r\n")
    lines.append(b"," * (columns + 3) + b"\r\n")
    path.write_bytes(b"".join(lines))

    report = house.load(path)
    rejected = sum(report.rejected.values())
    assert report.rows == report.accepted + rejected + report.unchanged + report.suppressed
    assert (report.rows, report.accepted, rejected) == (22, 7, 15)
    aside = opened_rows(house, report.load, tmp_path / "opened.jsonl")
    assert [row["line"] for row in aside] == [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 23]
    assert len({row["reason"] for row in aside}) >= 10
    assert house.load(path).accepted == 0
    assert numbers_of(house)["lake:customers"] == 7

    good = write_csv(tmp_path / "customers.csv", CUSTOMER_COLUMNS, [customer(n) for n in range(1, 21)])
    mended = house.load(good)
    assert (mended.accepted, mended.unchanged, mended.rejected) == (13, 7, {})
    assert house.check() == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\n\n", "header line"),
        (b"\xff\xfei\x00d\x00", "header line"),
        (b"PAR1garbage", "header line"),
        (b"id,mail\n1,2\n", "lacks columns"),
    ],
)
def test_files_that_are_no_customers(house: House, tmp_path: Path, content: bytes, said: str) -> None:
    """A file that cannot be read as a whole is refused with one message, and changes nothing."""
    path = tmp_path / "customers.csv"
    path.write_bytes(content)
    before = numbers_of(house)
    with pytest.raises(BadInput) as caught:
        house.load(path)
    assert said in str(caught.value)
    assert numbers_of(house) == before
    (tmp_path / "orders.parquet").write_bytes(content)
    with pytest.raises(BadInput):
        house.load(tmp_path / "orders.parquet")
    assert house.check() == []


def test_rows_set_aside_have_an_end(house: House, tmp_path: Path) -> None:
    """After thirty days the next load removes what was set aside, and nothing of it can be opened any more."""
    bad = write_csv(tmp_path / "customers.csv", CUSTOMER_COLUMNS, [customer(1, mail="no address")])
    report = house.load(bad)
    kept = (house.path / "quarantine" / f"{report.load}.jsonl").read_bytes()
    assert len(opened_rows(house, report.load, tmp_path / "opened.jsonl")) == 1
    with open_house(house.path, clock=TestClock(TODAY + 31 * DAY)) as later:
        later.load(write_csv(tmp_path / "customers-2.csv", CUSTOMER_COLUMNS, [customer(2)]))
        assert list((house.path / "quarantine").iterdir()) == []
        (house.path / "quarantine" / f"{report.load}.jsonl").write_bytes(kept)
        with pytest.raises(Exception, match="shredded"):
            opened_rows(later, report.load, tmp_path / "opened.jsonl")


def test_a_quarantine_torn_by_a_crash_stops_nothing(house: House, tmp_path: Path) -> None:
    """A line cut short in the middle: erasures and loads go on, and the same load sets the row aside again."""
    rows = [customer(1), customer(2, mail="no address"), customer(3, mail="no address")]
    report = house.load(write_csv(tmp_path / "customers.csv", CUSTOMER_COLUMNS, rows))
    aside = house.path / "quarantine" / f"{report.load}.jsonl"
    aside.write_bytes(aside.read_bytes()[:-25])
    house.erase("key:C00001")
    again = house.load(tmp_path / "customers.csv")
    assert (again.suppressed, sum(again.rejected.values())) == (1, 2)
    assert len(opened_rows(house, again.load, tmp_path / "opened.jsonl")) == 2
    aside.write_bytes(b'{"load"')
    assert sum(house.load(tmp_path / "customers.csv").rejected.values()) == 2
    assert house.check() == []


def test_a_file_of_formulas_opens_as_text(house: House, tmp_path: Path) -> None:
    """What enters the lake and comes out as CSV holds no cell that a spreadsheet would run."""
    rows = [customer(n, city=city) for n, city in enumerate(("Rennes", "=1+1", "+1", "-1", "@SUM(A1)", "\t=1"), 1)]
    report = house.load(write_csv(tmp_path / "customers.csv", CUSTOMER_COLUMNS, rows))
    assert report.accepted == 1 + (report.rejected.get("formula", 0) == 4)
    table = house.declare("statistics").table(["customers.city"])
    cells = [cell for cell in table.column("customers.city").to_pylist() if cell]
    assert not any(cell[0] in "=+-@\t\r" for cell in cells)
    arrow_csv.write_csv(table, tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(encoding="utf-8") as out:
        assert all(cell[:1] not in "=+-@" or cell == "" for row in csv.reader(out) for cell in row)
