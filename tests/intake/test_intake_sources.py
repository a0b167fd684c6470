"""Several sources about the same people: each speaks for what it maps, and for nothing else."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pacte.consent.facts import facts_at
from pacte.intake.quarantine import forget as forget_rows
from pacte.intake.quarantine import open_quarantine
from pacte.kernel import db
from pacte.kernel.instant import DAY, Instant, from_date, parse_instant
from pacte.keys.seal import place, unseal
from pacte.lake.numbers import numbers
from pacte.lake.segments import segments
from pacte.ledger import log
from pacte.vault import index, suppression

NOW = parse_instant("2026-06-01T08:00")
LATER = Instant(NOW + DAY)
KEY = "key:customers.customer_id"
SOURCES = """
  desk:
    file: "desk*.csv"
    dataset: customers
    fields: {customer_id: id, email: mail}
  shop:
    file: "shop*.csv"
    dataset: customers
    collected: since
    fields: {customer_id: id, phone: phone, city: town}
    facts:
      capacity: kind
      birth_date: born
      place: land
  ages:
    file: "ages*.csv"
    dataset: customers
    fields: {customer_id: id}
    facts: {birth_date: born}
  declared:
    file: "declared*.csv"
    dataset: customers
    collected: since
    fields: {customer_id: id}
    facts:
      birth_date: born
      over: {column: of_age, years: 15, yes: [oui, yes, 1]}
  older:
    file: "older*.csv"
    dataset: customers
    collected: since
    fields: {customer_id: id}
    facts: {over: {column: of_age, years: 16}}
  visits:
    file: "visits*.parquet"
    dataset: orders
    collected: ordered_at
    fields: {order_id: order_id, line: line, customer_id: customer, ordered_at: ordered_at}
"""
SHOP = "id,phone,town,kind,born,land,since\n"


@pytest.fixture
def house(found: Callable[..., object], tmp_path: Path, mapping_file: Path):  # type: ignore[no-untyped-def]
    """A house whose people come from several sources."""
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text(mapping_file.read_text(encoding="utf-8") + SOURCES, encoding="utf-8")
    return found("sources", mapping=mapping)


@pytest.fixture
def load(house, tmp_path: Path) -> Callable[..., object]:
    """Write a file and load it; the house is sound afterwards."""

    def write(name: str, text: str, now: Instant = NOW):  # type: ignore[no-untyped-def]
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        report = house.load(path, now)
        house.check()
        return report

    return write


def subject_of(house, key: str, field: str = KEY):  # type: ignore[no-untyped-def]
    with house.reading() as conn:
        return index.find(conn, house.keys, field, key)


def facts(house, key: str, at: Instant) -> dict[str, object]:
    with house.reading() as conn:
        no = numbers(conn, [subject_of(house, key)])[subject_of(house, key)]
        return dict(facts_at(conn, no, "newsletter", "", "", at, log.head(conn).size))


def vault(house, key: str) -> dict[str, object]:
    """Everything sealed about a person, opened."""
    subject, opened = subject_of(house, key), {}
    with house.reading() as conn:
        query = "SELECT grp, version, sealed FROM vault_sealed WHERE subject = ?"
        for group, version, content in conn.exec_driver_sql(query, (subject,)):
            opened |= json.loads(unseal(house.keys.data_key(subject), content, place(subject, group, version)))
    return opened


def lake(house, dataset: str = "customers") -> list[dict[str, object]]:
    with house.reading() as conn:
        held = segments(conn, dataset)
    return [row for one in held for row in pq.read_table(house.stores.lake / one.file).to_pylist()]


def test_a_file_that_maps_less_takes_nothing_away(house, load) -> None:
    """A second source that maps id and mail leaves the deceased deceased, the phone, the names and the city alone."""
    load("shop1.csv", SHOP + "K1,+33639980001,Nantes,deceased,1980-02-03,France,2024-01-05\n")
    before = facts(house, "K1", NOW)
    load("desk1.csv", "id,mail\nK1,new@poste.example\n", LATER)
    assert facts(house, "K1", LATER) == before
    assert before["person.capacity"] == "deceased"
    assert vault(house, "K1") == {
        "customers.customer_id": "K1",
        "customers.email": "new@poste.example",
        "customers.phone": "+33639980001",
    }
    assert [row["city"] for row in lake(house)] == ["Nantes"]


DECLARED = "id,since,born,of_age\n"
OLDER = "id,since,of_age\n"


@pytest.mark.parametrize("word", ["oui", " OUI ", "yes", "1"])
def test_a_declared_age_holds_from_the_declaration(house, load, word) -> None:
    """ "15 or over" without a birth date: known from the day it was said, not before, and without a day of majority."""
    load("declared1.csv", DECLARED + f"K1,2026-03-01,,{word}\n")
    assert facts(house, "K1", NOW)["person.age"] == "over_15"
    assert facts(house, "K1", NOW)["person.minor_until"] is None
    assert facts(house, "K1", parse_instant("2026-02-01"))["person.age"] is None
    before = house.kinds()
    assert load("declared1.csv", DECLARED + f"K1,2026-03-01,,{word}\n", LATER).unchanged == 1
    assert house.kinds() == before


@pytest.mark.parametrize("word", ["non", "", "no", "0", "peut-être"])
def test_only_a_yes_says_something_of_an_age(house, load, word) -> None:
    """A no is no statement of being a child, and sets no row aside."""
    report = load("declared1.csv", DECLARED + f"K1,2026-03-01,,{word}\n")
    assert (report.accepted, report.rejected) == (1, {})
    assert facts(house, "K1", NOW)["person.age"] is None


@pytest.mark.parametrize(("born", "age"), [("1980-05-17", "adult"), ("2013-05-17", "minor")])
def test_a_birth_date_says_more_than_a_declaration(house, load, born, age) -> None:
    """In the same row, before or after it, and when the declaration is taken back, the birth date decides."""
    yes = DECLARED + "{},2026-03-01,,oui\n"
    load("declared1.csv", DECLARED + f"K1,2026-03-01,{born},oui\n")
    load("declared2.csv", yes.format("K2"))
    for key in ("K2", "K3"):
        load(f"ages-{key}.csv", f"id,born\n{key},{born}\n")
    load("declared3.csv", yes.format("K3"))
    until = facts(house, "K1", NOW)["person.minor_until"]
    for key in ("K1", "K2", "K3"):
        found = facts(house, key, LATER)
        assert (found["person.age"], found["person.minor_until"]) == (age, until)
    for number, key in ((4, "K2"), (5, "K3")):
        load(f"declared{number}.csv", DECLARED + f"{key},2026-03-01,,non\n", LATER)
        assert facts(house, key, Instant(LATER + 1))["person.age"] == age


def test_a_declaration_never_makes_anybody_younger(house, load) -> None:
    """Of two declarations the higher one stays, whoever said it last; one that is taken back takes back itself."""
    load("older1.csv", OLDER + "K1,2026-03-01,true\nK2,2026-03-01,true\n")
    load("declared1.csv", DECLARED + "K1,2026-04-01,,oui\nK3,2026-04-01,,oui\n")
    load("older2.csv", OLDER + "K3,2026-05-01,1\n")
    assert [facts(house, key, NOW)["person.age"] for key in ("K1", "K2", "K3")] == ["over_16"] * 3
    load("declared2.csv", DECLARED + "K1,2026-05-01,,non\nK3,2026-05-01,,non\n", LATER)
    assert [facts(house, key, LATER)["person.age"] for key in ("K1", "K3")] == ["over_16"] * 2
    load("older3.csv", OLDER + "K2,2026-05-01,non\n", LATER)
    assert facts(house, "K2", LATER)["person.age"] is None


def test_files_of_two_sources_loaded_again_change_nothing(house, load) -> None:
    """Each source is compared with what it said itself."""
    shop, desk = SHOP + "K1,,Nantes,consumer,1980-02-03,France,2024-01-05\n", "id,mail\nK1,new@poste.example\n"
    load("shop1.csv", shop)
    load("desk1.csv", desk)
    before = house.kinds()
    for name, text in (("shop1.csv", shop), ("desk1.csv", desk)):
        assert load(name, text, LATER).unchanged == 1
    assert house.kinds() == before


def test_what_a_source_no_longer_says_is_withdrawn(house, load) -> None:
    """A cell that this source had filled and now leaves empty takes its own word back, from now on."""
    load("shop1.csv", SHOP + "K1,+33639980001,Nantes,deceased,1980-02-03,France,2024-01-05\n")
    load("desk1.csv", "id,mail\nK1,new@poste.example\n")
    load("shop2.csv", SHOP + "K1,,,,1980-02-03,France,2024-01-05\n", LATER)
    assert facts(house, "K1", NOW)["person.capacity"] == "deceased"
    after = facts(house, "K1", LATER)
    assert (after["person.capacity"], after["person.place"], after["person.age"]) == (None, "FR", "adult")
    assert "customers.phone" not in vault(house, "K1")
    assert vault(house, "K1")["customers.email"] == "new@poste.example"
    assert [row["city"] for row in lake(house)] == [None]
    with house.reading() as conn:
        assert index.find(conn, house.keys, "phone", "+33639980001") is None


def test_an_empty_cell_that_was_never_filled_says_nothing(house, load) -> None:
    """A source that has a column and nothing in it does not contradict the one that has something."""
    load("shop1.csv", SHOP + "K1,+33639980001,Nantes,deceased,1980-02-03,France,2024-01-05\n")
    load("ages1.csv", "id,born\nK1,\n", LATER)
    assert facts(house, "K1", LATER)["person.age"] == "adult"
    load("ages2.csv", "id,born\nK1,1981-01-01\n", Instant(LATER + DAY))
    assert vault(house, "K1")["customers.phone"] == "+33639980001"


def test_a_corrected_birth_date_holds_from_the_first_collection(house, load) -> None:
    """Who turns out to be a minor was one all along; the capacity changes from now, or from the row's newer date."""
    load("shop1.csv", SHOP + "K1,,,consumer,1990-01-01,France,2024-01-05\n")
    known = house.kinds()["fact"]
    load("shop2.csv", SHOP + "K1,,,former,2010-01-01,France,2024-01-05\n", LATER)
    assert house.kinds()["fact"] == known + 2
    then = parse_instant("2024-02-01")
    assert facts(house, "K1", then)["person.age"] == "minor"
    assert facts(house, "K1", then)["person.minor_until"] == parse_instant("2028-01-01T12:00")
    assert facts(house, "K1", NOW)["person.capacity"] == "consumer"
    assert facts(house, "K1", LATER)["person.capacity"] == "former"
    third = Instant(LATER + 30 * DAY)
    load("shop3.csv", SHOP + "K1,,,prospect,2010-01-01,France,2026-06-10\n", third)
    assert facts(house, "K1", parse_instant("2026-06-09"))["person.capacity"] == "former"
    assert facts(house, "K1", parse_instant("2026-06-10"))["person.capacity"] == "prospect"


def test_an_age_learnt_later_holds_from_the_first_collection_too(house, load) -> None:
    """A birth date of another source is told for the time since the person is known, as old as they were then."""
    load("shop1.csv", SHOP + "K1,,,consumer,,France,2024-01-05\n")
    load("ages1.csv", "id,born\nK1,2007-01-01\n", LATER)
    seen = facts(house, "K1", parse_instant("2024-06-01"))
    assert (seen["person.age"], seen["person.minor_until"]) == ("minor", parse_instant("2025-01-01T12:00"))


def test_a_fact_names_its_source(house, load) -> None:
    """The ledger says which source each fact came from."""
    load("shop1.csv", SHOP + "K1,,,consumer,,France,2024-01-05\n")
    with house.reading() as conn:
        assert [entry["source"] for _, entry in log.of_kind(conn, "fact")] == ["shop"]


MEMBERS = """
  members:
    per: person
    person: member
    key: [member]
    fields:
      member: {category: identifier, type: string, identity: key}
      email: {category: email_address, type: string, identity: email, group: contact}
  bookings:
    per: event
    person: member
    references: members.member
    key: [number]
    fields:
      number: {category: purchase, type: string}
"""
MEMBER_FILES = """
  members:
    file: "members*.csv"
    dataset: members
    fields: {member: id, email: mail}
  bookings:
    file: "bookings*.csv"
    dataset: bookings
    fields: {number: number, member: member}
"""


def test_two_datasets_that_number_people_alike_hold_different_people(
    found: Callable[..., object], tmp_path: Path, policy_file: Path, mapping_file: Path
) -> None:
    """Customer 1 and member 1 are two people; events find theirs through `references`, and so does suppression."""
    policy, mapping = tmp_path / "two-policy.yaml", tmp_path / "two-mapping.yaml"
    template = policy_file.read_text(encoding="utf-8")
    policy.write_text(template.replace("\ndatasets:\n", f"\ndatasets:\n{MEMBERS}", 1), encoding="utf-8")
    mapping.write_text(mapping_file.read_text(encoding="utf-8") + SOURCES + MEMBER_FILES, encoding="utf-8")
    house = found("two", mapping=mapping, policy=policy)
    for name, text in (
        ("desk.csv", "id,mail\n1,customer@poste.example\n"),
        ("members.csv", "id,mail\n1,member@poste.example\n2,second@poste.example\n"),
        ("bookings.csv", "number,member\nB1,1\n"),
    ):
        (tmp_path / name).write_text(text)
        house.load(tmp_path / name)
    customer, member = subject_of(house, "1"), subject_of(house, "1", "key:members.member")
    assert customer is not None
    assert member is not None
    assert customer != member
    with house.reading() as conn:
        assert [row["_no"] for row in lake(house, "bookings")] == [numbers(conn, [member])[member]]
    with db.write(house.engine) as conn:
        suppression.add(conn, house.keys, [("key:members.member", "9")], "erased", Instant(NOW + 900 * DAY))
    for name, suppressed in (("desk", 0), ("members", 1)):
        (tmp_path / f"{name}9.csv").write_text("id,mail\n9,\n")
        assert house.load(tmp_path / f"{name}9.csv").suppressed == suppressed
    house.check()


def test_a_row_collected_before_its_notice_took_effect_is_set_aside(house, tmp_path: Path) -> None:
    """Nobody was shown a text that was not in use yet."""
    head = "id,mail,phone,first_name,last_name,birth_date,city,postcode,country,region,kind,signup_date,customer_since"
    path = tmp_path / "customers.csv"
    tail = ",,,,,,,,France,,private,{},,,v3,\n"
    path.write_text(
        f"{head},closed_at,notice,parent_id\n" + "K1" + tail.format("2023-12-01") + "K2" + tail.format("2024-03-04")
    )
    report = house.load(path)
    assert (report.accepted, report.rejected) == (1, {"notice_too_early": 1})
    assert all("reason." not in line for lang in ("en", "fr") for line in report.lines(lang))


def visits(path: Path, **columns: pa.Array) -> Path:
    """A file of visits; every column has three rows, the second of which is sound."""
    sound = {"order_id": pa.array(["A", "B", "C"]), "line": pa.array([1, 2, 3]), "customer": pa.array([None] * 3)}
    sound = {name: column.cast(pa.string()) if name == "customer" else column for name, column in sound.items()}
    moments = {"ordered_at": pa.array([NOW - DAY] * 3, pa.timestamp("us"))}
    pq.write_table(pa.table({**sound, **moments, **columns}), path)
    return path


@pytest.mark.parametrize(
    ("columns", "rejected"),
    [
        ({"ordered_at": pa.array([1_750_000_000_000] * 3, pa.int64())}, {"bare_number": 3}),
        ({"ordered_at": pa.array([1.75e12, None, 1.75e12])}, {"bare_number": 2, "missing_date": 1}),
        ({"line": pa.array([2**53, 5, -(2**60)], pa.int64())}, {"bad_number": 2}),
        ({"line": pa.array([float("inf"), 5.0, 1.5])}, {"bad_number": 2}),
        ({"ordered_at": pa.array([2**50, NOW // 1_000_000, -(2**50)], pa.timestamp("s"))}, {"bad_date": 2}),
        ({"ordered_at": pa.array([4_000_000, 20_000, -60_000], pa.date32())}, {"bad_date": 2}),
        ({"ordered_at": pa.array([NOW * 1000] * 3, pa.timestamp("ns"))}, {}),
    ],
)
def test_times_and_numbers_of_parquet_cost_their_own_row_only(
    house, tmp_path: Path, columns: dict[str, pa.Array], rejected: dict[str, int]
) -> None:
    """Bare numbers are no times, years are those of people's lives, integers those that every reader shares."""
    report = house.load(visits(tmp_path / "visits.parquet", **columns), source="visits")
    assert report.rejected == rejected
    assert report.accepted == 3 - sum(rejected.values())
    if report.quarantine:
        assert len(list(open_quarantine(report.quarantine, house.keys))) == report.rejected_rows
    house.check()


def test_midnights_of_pandas_are_dates(house, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A timestamp at midnight is a date; one with a time of day is not."""
    from pacte.intake.check import Bad, Moment, Style, converter

    read = converter("date", Style())
    day = parse_instant("2024-02-29")
    assert from_date(read(Moment(day))) == day
    assert str(Moment(day)) == "2024-02-29"
    for wrong in (Moment(day + 1), 19_782, Moment(2**70)):
        with pytest.raises(Bad):
            read(wrong)


def test_a_row_set_aside_during_an_erasure_does_not_come_back(
    house, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Suppression is looked up and the row written under one lock; an erasure meanwhile waits and then finds it."""
    blind = index.blinds(house.keys, [(KEY, "K1")])
    order: list[str] = []

    def erase() -> None:
        with db.write(house.engine) as conn:
            suppression.add(conn, house.keys, [(KEY, "K1")], "erased", Instant(NOW + 900 * DAY))
        order.append("suppressed")
        forget_rows(house.stores.quarantine, blind)

    erasure = threading.Thread(target=erase)
    real = suppression.suppressed

    def suppressed(*asked):  # type: ignore[no-untyped-def]
        found = real(*asked)
        if not erasure.is_alive() and not order:
            erasure.start()
            erasure.join(0.3)
            order.append("looked up")
        return found

    monkeypatch.setattr("pacte.intake.run.suppression.suppressed", suppressed)
    path = tmp_path / "shop.csv"
    path.write_text(SHOP + "K1,,Nantes,unheard-of,1980-02-03,France,2024-01-05\n")
    report = house.load(path)
    erasure.join()
    assert order == ["looked up", "suppressed"]
    assert not [line for file in house.stores.quarantine.glob("*.jsonl") for line in file.read_text().splitlines()[1:]]
    assert report.rejected == {"bad_value": 1}


def test_a_shared_telephone_does_not_take_others_rows_along(house, tmp_path: Path) -> None:
    """Rows set aside are forgotten by key and e-mail address; a household shares its telephone."""
    path = tmp_path / "shop.csv"
    path.write_text(
        SHOP
        + "K1,+33639980001,Nantes,consumer,1980-02-03,France,2024-01-05\n"
        + "K2,+33639980001,Nantes,unheard-of,1980-02-03,France,2024-01-05\n"
    )
    report = house.load(path)
    with house.reading() as conn:
        blinds = index.blinds_of(conn, subject_of(house, "K1"))
    assert forget_rows(house.stores.quarantine, blinds) == 0
    assert report.rejected == {"bad_value": 1}
