"""Lists from partners: with the seller's proof or not at all, of nobody who said no, and nothing before they know."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from pacte.app import doctor, notices, partners, suppressions
from pacte.app.erase import erase
from pacte.app.house import MAPPING, House
from pacte.app.policies import document
from pacte.kernel.errors import BadInput, Conflict, NotFound
from pacte.kernel.instant import DAY, Instant
from pacte.ledger import log
from pacte.testing.world import TestClock
from tests.threats.shop import CUSTOMER_COLUMNS, TODAY, customer, empty_house, pacte_here, write_csv

SOURCE = """
  tea_fair:
    file: "fair*.csv"
    dataset: customers
    source: tea_fair
    fields:
      customer_id: id
      email: mail
      phone: phone
      first_name: first_name
    facts:
      place: {from: [country]}
      capacity: {fixed: prospect}
"""


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A shop with three customers, and a source for a list of a fair."""
    return _made(tmp_path, "")


def _made(path: Path, database: str) -> House:
    found = empty_house(path / "house", TestClock(TODAY), database=database)
    found.load(write_csv(path / "customers.csv", CUSTOMER_COLUMNS, [customer(n) for n in (1, 2, 3)]))
    mapping = found.path / MAPPING
    text = mapping.read_text(encoding="utf-8")
    mapping.write_text(text.replace("sources:\n", f"sources:\n{SOURCE}", 1), encoding="utf-8")
    (path / "proof.pdf").write_bytes(b"what they read, and when they said yes")
    return found


def fair(path: Path, *rows: dict[str, str]) -> Path:
    """The list of the fair."""
    return write_csv(path / "fair.csv", ("id", "mail", "phone", "first_name", "country"), rows)


def visitor(number: int, **said: str) -> dict[str, str]:
    """Somebody on it."""
    row = {"id": f"F{number}", "mail": f"visitor.{number}@fair.example", "phone": f"06120001{number:02d}"}
    return row | {"first_name": "Visite", "country": "France"} | said


def enter(house: House, path: Path, *rows: dict[str, str]) -> Any:
    """Enter a list of these people, with its proof."""
    return partners.enter(house, fair(path, *rows), "tea_fair", path / "proof.pdf", by="cli")


def entries(house: House, kind: str = "list") -> list[dict[str, Any]]:
    """What the ledger says of partners' lists."""
    with house.reading() as conn:
        return [dict(entry) for _, entry in log.of_kind(conn, kind)]


def test_a_list_enters_with_its_proof(house: House, tmp_path: Path) -> None:
    """Its digest is recorded and the file kept; the month to tell its people counts from that day."""
    list_, report = enter(house, tmp_path, visitor(1), visitor(2))
    digest = hashlib.sha256((tmp_path / "proof.pdf").read_bytes()).hexdigest()
    kept = house.path / partners.FOLDER / f"{digest}.pdf"
    assert kept.read_bytes() == (tmp_path / "proof.pdf").read_bytes()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert (report.accepted, list_.rows, list_.proof) == (2, 2, digest)
    assert 28 * DAY <= list_.due - house.clock() <= 31 * DAY
    (entry,) = entries(house)
    assert (entry["act"], entry["source"], entry["rows"], entry["proof"]) == ("entered", "tea_fair", 2, digest)
    assert house.check() == []


def test_nothing_is_permitted_before_they_are_told(house: House, tmp_path: Path) -> None:
    """Not even what waits for no yes; told, the reason is no longer that they do not know."""
    enter(house, tmp_path, visitor(1))
    before = house.may("email:visitor.1@fair.example", "statistics")
    assert (before.permitted, before.reason.code) == (False, "not_informed")
    assert partners.told_all(house, "tea_fair", by="cli") == 1
    after = house.may("email:visitor.1@fair.example", "statistics")
    assert after.reason.code != "not_informed"
    assert partners.told_all(house, "tea_fair", by="cli") == 0
    assert [one["act"] for one in entries(house)] == ["entered", "told", "told"]
    assert not house.may("email:visitor.1@fair.example", "newsletter", channel="email").permitted
    assert house.check() == []


def test_whoever_is_suppressed_or_known_stays_out(house: House, tmp_path: Path) -> None:
    """An address that came back, one of somebody who objected or was erased, a customer's, and a customer's key."""
    suppressions.add(house, "visitor.1@fair.example", "email", "objected", by="cli")
    suppressions.add(house, "+33612000102", "phone", "objected", by="cli")
    erase(house, "email:person.3@shop.example")
    _, report = enter(
        house,
        tmp_path,
        visitor(1),
        visitor(2),
        visitor(3, mail="person.3@shop.example"),
        visitor(4, mail="Person.1@shop.example"),
        visitor(5, id="C00002"),
        visitor(6),
    )
    assert (report.accepted, report.suppressed, report.new_people) == (1, 5, 1)
    assert (report.erased, report.known, report.unwanted) == (1, 2, 2)
    assert [line for line in report.lines("en") if "out" in line] == [
        "1 belongs to somebody who was erased, and stays out",
        "2 are of people who are known here already, and stay out: what they said here holds",
        "2 have an address or a number that nothing is sent to any more, and stay out",
    ]
    again = partners.enter(house, tmp_path / "fair.csv", "tea_fair", tmp_path / "proof.pdf", by="cli")[1]
    assert (again.accepted, again.unchanged) == (0, 1)
    assert len(entries(house)) == 1


def test_a_row_set_aside_names_nobody_suppressed(house: House, tmp_path: Path) -> None:
    """What cannot enter is kept of nobody who objected, who is not said to be erased."""
    suppressions.add(house, "visitor.1@fair.example", "email", "objected", by="cli")
    _, report = enter(house, tmp_path, visitor(1, phone="none"), visitor(2, phone="none"))
    assert (report.rejected, report.suppressed, report.erased, report.unwanted) == ({"bad_phone": 1}, 1, 0, 1)


@pytest.mark.parametrize("proof", [b"what they read", b""])
def test_a_load_is_no_way_round_the_proof(house: House, tmp_path: Path, proof: bytes) -> None:
    """A source of a list that entered, or was refused for want of a proof, is entered as one, not loaded."""
    suppressions.add(house, "visitor.1@fair.example", "email", "bounced", by="cli")
    (tmp_path / "proof.pdf").write_bytes(proof)
    with nullcontext() if proof else pytest.raises(BadInput):
        enter(house, tmp_path, visitor(1), visitor(2))
    file = fair(tmp_path, visitor(1, first_name="Autre"), visitor(2), visitor(3))
    loads = len(entries(house, "load"))
    with pytest.raises(Conflict, match="pacte partner enter"):
        house.load(file)
    with pytest.raises(Conflict, match="pacte partner enter"):
        house.load(file, "tea_fair")
    assert len(entries(house, "load")) == loads
    assert house.may("email:visitor.1@fair.example", "statistics").reason.code == "unknown_person"
    assert house.load(write_csv(tmp_path / "customers-2.csv", CUSTOMER_COLUMNS, [customer(9)])).accepted == 1
    assert house.check() == []


def test_a_files_own_suppressions_stay_as_they_were(house: House, tmp_path: Path) -> None:
    """A file of the company's own brings in whoever only objected to be written to."""
    suppressions.add(house, "person.9@shop.example", "email", "objected", by="cli")
    report = house.load(write_csv(tmp_path / "customers-2.csv", CUSTOMER_COLUMNS, [customer(9)]))
    assert (report.accepted, report.suppressed) == (1, 0)


def test_no_proof_no_list(house: House, tmp_path: Path) -> None:
    """An empty proof is refused, which is recorded; a missing one is not read."""
    (tmp_path / "proof.pdf").write_bytes(b"")
    with pytest.raises(BadInput, match="proof"):
        enter(house, tmp_path, visitor(1))
    assert [(one["act"], one["rows"]) for one in entries(house)] == [("refused", 0)]
    with pytest.raises(BadInput, match="proof"):
        partners.enter(house, tmp_path / "fair.csv", "tea_fair", tmp_path / "none.pdf", by="cli")
    assert len(entries(house, "load")) == 1
    with house.reading() as conn:
        assert partners.listed(conn) == []


def test_each_list_is_a_source_of_its_own(house: House, tmp_path: Path) -> None:
    """One that other files use, that tells people something, or that has another list already, takes none."""
    for source in ("customers", "choices", "nothing"):
        with pytest.raises((BadInput, Conflict)):
            partners.enter(house, fair(tmp_path, visitor(1)), source, tmp_path / "proof.pdf", by="cli")
    enter(house, tmp_path, visitor(1))
    (tmp_path / "proof.pdf").write_bytes(b"another proof")
    with pytest.raises(Conflict):
        enter(house, tmp_path, visitor(2))
    with pytest.raises(NotFound):
        partners.told_all(house, "customers", by="cli")
    with pytest.raises(NotFound):
        partners.told_all(house, "tea_fair", notice="0" * 64, by="cli")


def test_people_who_are_not_told_in_time_show(house: House, tmp_path: Path) -> None:
    """The doctor names the list from the day on at which they should have known, until they do."""
    enter(house, tmp_path, visitor(1))
    clock = house.clock
    assert isinstance(clock, TestClock)
    clock.forward(27)
    assert _late(house) == []
    clock.forward(5)
    assert _late(house) == ["`tea_fair`"]
    partners.told_all(house, "tea_fair", by="cli")
    assert _late(house) == []


def test_more_people_of_a_list_are_owed_the_notice_too(house: House, tmp_path: Path) -> None:
    """Another file of a list that was told begins a month of its own; one that brings nobody new changes nothing."""
    enter(house, tmp_path, visitor(1))
    partners.told_all(house, "tea_fair", by="cli")
    clock = house.clock
    assert isinstance(clock, TestClock)
    clock.forward(40)
    same, _ = enter(house, tmp_path, visitor(1, first_name="Autre"))
    assert (same.told is not None, same.rows, _late(house)) == (True, 1, [])
    more, _ = enter(house, tmp_path, visitor(2), visitor(3))
    assert (more.told, more.rows) == (None, 3)
    assert 28 * DAY <= more.due - house.clock() <= 31 * DAY
    clock.forward(32)
    assert _late(house) == ["`tea_fair`"]
    assert partners.told_all(house, "tea_fair", by="cli") == 2
    assert _late(house) == []
    assert [(one["act"], one["rows"]) for one in entries(house)][-2:] == [("entered", 3), ("told", 2)]
    assert house.check() == []


def _late(house: House) -> list[str]:
    return [one.detail for one in doctor.examine(house) if one.code == "partners_untold"]


def test_a_list_on_both_databases(tmp_path: Path, records: Callable[[], str]) -> None:
    """Entered, erased from, told."""
    house = _made(tmp_path, records())
    enter(house, tmp_path, *(visitor(number) for number in range(5)))
    erase(house, "email:visitor.3@fair.example")
    notice = notices.current(house, "fr")
    assert notice is not None
    assert partners.told_all(house, "tea_fair", notice=notice.digest, by="cli") == 4
    assert house.check() == []
    house.close()


def test_the_command_line(house: House, tmp_path: Path) -> None:
    """Entered, listed, told; in words."""
    file, proof = fair(tmp_path, visitor(1)), tmp_path / "proof.pdf"
    done = pacte_here("partner", "enter", file, "--source", "tea_fair", "--proof", proof, house=house.path)
    assert (done.code, "Art. 14" in done.out) == (0, True), done.err
    assert "tea_fair: to be told by" in pacte_here("partner", "list", "--lang", "en", house=house.path).out
    told = pacte_here("partner", "told", "tea_fair", "--lang", "fr", house=house.path)
    assert told.out == "1 personne a été informée.\n", told.err
    assert pacte_here("partner", "list", "--json", house=house.path).json[0]["told"] is not None


def test_a_sellers_proof_goes_when_nothing_can_be_asked_of_it(house: House, tmp_path: Path) -> None:
    """As long as somebody of the list is here it stays, then as long as claims can be made; its digest stands."""
    enter(house, tmp_path, visitor(1))
    folder, began = house.path / partners.FOLDER, house.clock()
    keep = document(house).evidence.keep
    (proof,) = folder.iterdir()
    assert partners.prune(house, keep.after(began)) == 0
    erase(house, "email:visitor.1@fair.example")
    assert partners.prune(house, Instant(keep.after(began) - DAY)) == 0
    assert proof.exists()
    assert partners.prune(house, keep.after(began)) == 1
    assert list(folder.iterdir()) == []
    assert entries(house)[0]["proof"] == proof.stem
    assert house.check() == []
