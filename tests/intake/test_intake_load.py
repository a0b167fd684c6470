"""Loading whole files into a real house: nothing doubled, nothing lost, nothing entered that should not be."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import Connection

from pacte.consent.facts import facts_at
from pacte.intake import reader
from pacte.intake.load import LoadReport, forget, load_file
from pacte.kernel import db
from pacte.kernel.errors import BadInput, Conflict
from pacte.kernel.instant import DAY, Instant, parse_instant
from pacte.lake.numbers import numbers
from pacte.lake.segments import segments
from pacte.ledger import log
from pacte.testing.retailer import Retailer
from pacte.vault import index, suppression

ASSETS = Path(__file__).parent.parent / "assets" / "intake"
KEY = "key:customers.customer_id"
HEAD = (
    "id,mail,phone,first_name,last_name,birth_date,city,postcode,country,region,kind,signup_date,customer_since,"
    "closed_at,notice,parent_id\n"
)
CHOICE_HEAD = (
    "customer,purpose,act,signed_at,recorded_at,channel,recipient,method,proof,notice,voice,authenticated,signal\n"
)


@pytest.fixture
def where(records: Callable[[], str]) -> Callable[[], str]:
    """Every test of this file runs on both databases."""
    return records


def customers(path: Path, *rows: dict[str, str]) -> Path:
    """A customer file with these rows over sound defaults."""
    default = dict.fromkeys(HEAD.strip().split(","), "")
    default |= {"first_name": "Ada", "last_name": "Martin", "birth_date": "1980-02-03", "city": "Nantes"}
    default |= {"country": "France", "kind": "private", "signup_date": "2024-03-04", "notice": "v3"}
    path.write_text(HEAD + "".join(",".join((default | row).values()) + "\n" for row in rows), encoding="utf-8")
    return path


def choices(path: Path, *rows: dict[str, str]) -> Path:
    """A choice file with these rows over sound defaults."""
    default = dict.fromkeys(CHOICE_HEAD.strip().split(","), "")
    default |= {"customer": "K1", "purpose": "newsletter", "act": "given", "signed_at": "2024-05-06"}
    default |= {"recorded_at": "2024-05-06", "method": "web_form", "proof": "form", "notice": "v3", "voice": "self"}
    default |= {"authenticated": "1"}
    path.write_text(CHOICE_HEAD + "".join(",".join((default | row).values()) + "\n" for row in rows), encoding="utf-8")
    return path


def facts(house, key: str, at: Instant, channel: str = "") -> dict[str, object]:
    """What rules see of one person."""
    with house.reading() as conn:
        subject = index.find(conn, house.keys, KEY, key)
        assert subject is not None
        no = numbers(conn, [subject])[subject]
        return dict(facts_at(conn, no, "newsletter", channel, "", at, log.head(conn).size))


def everything(house) -> dict[str, int]:
    """How many rows every table of the house has, and how many entries of each kind."""
    return house.kinds() | {table: house.count(table) for table in db.metadata.tables}


def test_the_retailer_enters_whole_and_twice_changes_nothing(house, retailer: Retailer) -> None:
    """Every row is accounted for; the same files again leave every table and the ledger as they were."""
    for path in retailer.files:
        report = house.load(path)
        assert report.rows == retailer.rows[path.name] == report.accepted + report.rejected_rows
        assert set(report.rejected) <= {"unknown_person"}
    assert house.load(retailer.customers).undeclared == ("remark",)
    before = everything(house)
    for path in retailer.files:
        report = house.load(path)
        assert (report.accepted, report.index) == (0, None)
        assert report.unchanged + report.rejected_rows == report.rows
    assert everything(house) == before
    house.check()


def test_undeclared_columns_and_values_never_enter_in_clear(house, retailer: Retailer) -> None:
    """No name, address or remark stands in any file of the house: sealed, blinded, or not entered at all."""
    for path in retailer.files:
        house.load(path)
    db.truncate_wal(house.engine)
    rows = [line.split('"') for line in retailer.customers.read_text(encoding="utf-8").splitlines()[1:]]
    canaries = [row[3].encode() for row in rows] + [b"late parcel", b"@courriel", b"@liste", "Quéméner".encode()]
    for file in house.path.rglob("*"):
        content = file.read_bytes() if file.is_file() else b""
        assert not [canary for canary in canaries if canary in content], file.name


def test_a_load_cut_short_goes_on_where_it_stopped(
    found: Callable[..., object], retailer: Retailer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After crashes between batches and inside a batch, running the loads again gives the house of one clean run."""
    monkeypatch.setattr(reader, "BATCH", 120)
    whole, broken = found("whole"), found("broken")
    for path in retailer.files:
        whole.load(path)
    for path in retailer.files:
        for crash in (_after_two_batches, _inside_a_batch):
            with pytest.raises(_Crash):
                crash(broken, path, monkeypatch)
            broken.check()
        broken.load(path)
    assert everything(broken) == everything(whole)
    broken.check()


class _Crash(Exception):
    pass


def _after_two_batches(house, path: Path, _patch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def progress(done: int, _total: int) -> None:
        calls.append(done)
        if len(calls) == 2 or path.name == "legacy_list.csv":
            raise _Crash

    load_file(house.stores, path, now=parse_instant("2026-06-01T08:00"), progress=progress)


def _inside_a_batch(house, path: Path, patch: pytest.MonkeyPatch) -> None:
    from pacte.consent import state

    real = state.apply

    def apply(*arguments: object) -> None:
        real(*arguments)  # type: ignore[arg-type]
        raise _Crash

    with patch.context() as context:
        context.setattr(state, "apply", apply)
        house.load(path)


def test_two_loads_at_once_enter_every_row_once(
    found: Callable[..., object], retailer: Retailer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second waits for the first, batch by batch; together they do what one would have done."""
    monkeypatch.setattr(reader, "BATCH", 50)
    house, alone = found("two"), found("alone")
    reports: list[LoadReport] = []
    threads = [threading.Thread(target=lambda: reports.append(house.load(retailer.customers))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    alone.load(retailer.customers)
    assert sum(report.new_people for report in reports) == 500
    assert house.count("lake_subject") == alone.count("lake_subject") == 500
    one, other = house.kinds(), alone.kinds()
    assert (one["collection"], one["fact"]) == (other["collection"], other["fact"])
    house.check()


def test_a_house_held_by_another_writer_is_a_clear_conflict(
    found: Callable[..., object], retailer: Retailer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the other writer does not let go, the load ends with what to do, and nothing was recorded."""
    monkeypatch.setattr(db, "BUSY_MILLISECONDS", 100)
    house = found("held")
    with db.write(house.engine), pytest.raises(Conflict, match="busy with another writer"):
        house.load(retailer.customers)
    assert house.count("lake_subject") == 0
    house.check()


@pytest.mark.parametrize(
    ("name", "rejected"),
    [
        ("customers-bad-encoding", {"bad_encoding": 1}),
        ("customers-nul-byte", {"nul_byte": 1}),
        ("customers-wrong-column-count", {"wrong_column_count": 2}),
        ("customers-open-quote", {"open_quote": 1}),
        ("customers-bad-quotes", {"bad_quotes": 1}),
        ("customers-formula", {"formula": 2}),
        ("customers-control-character", {"control_character": 1}),
        ("customers-duplicate-id", {"duplicate_key": 1}),
        ("customers-bad-email", {"bad_email": 1}),
        ("customers-bad-phone", {"bad_phone": 1}),
        ("customers-bad-date", {"bad_date": 1, "future_date": 1}),
        ("customers-unknown-word", {"bad_value": 2}),
        ("customers-missing-key", {"missing_key": 1, "missing_date": 1}),
    ],
)
def test_bad_rows_are_set_aside_and_the_others_enter(house, name: str, rejected: dict[str, int]) -> None:
    """Each named bad file: the sound rows enter, the bad ones wait sealed with their reason, in both languages."""
    report = house.load(ASSETS / f"{name}.csv")
    assert report.rejected == rejected
    assert report.accepted == house.count("lake_subject") == 2
    assert report.quarantine is not None
    assert report.quarantine.stat().st_mode & 0o777 == 0o600
    assert len(report.quarantine.read_text().splitlines()) == 1 + report.rejected_rows
    assert all(len(report.lines(lang)) > 1 for lang in ("en", "fr"))
    house.check()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("customers-empty.csv", "is empty"),
        ("customers-no-header.csv", "no header line"),
        ("customers-twice-the-same-column.csv", "lacks columns|same name"),
        ("customers-lacks-a-column.csv", "`mail`"),
        ("orders-not-parquet.parquet", "not a Parquet file"),
    ],
)
def test_files_that_cannot_be_read_are_refused_whole(house, name: str, says: str) -> None:
    """The message says what is wrong; nothing was recorded."""
    before = everything(house)
    with pytest.raises(BadInput, match=says):
        house.load(ASSETS / name)
    assert everything(house) == before


def test_a_changed_row_replaces_what_was_known(house, tmp_path: Path) -> None:
    """A new address finds the person and the old one no longer does; facts change from now on, not in the past."""
    first = customers(tmp_path / "customers1.csv", {"id": "K1", "mail": "old@poste.example", "city": "Nantes"})
    second = customers(
        tmp_path / "customers2.csv", {"id": "K1", "mail": "new@poste.example", "city": "Lyon", "country": "USA"}
    )
    house.load(first)
    later = Instant(parse_instant("2026-06-01T08:00") + DAY)
    report = house.load(second, later)
    assert (report.accepted, report.updated, report.new_people) == (1, 1, 0)
    with house.reading() as conn:
        assert index.find(conn, house.keys, "email", "new@poste.example") is not None
        assert index.find(conn, house.keys, "email", "old@poste.example") is None
        held = segments(conn, "customers")
    assert [pq.read_table(house.stores.lake / one.file)["city"].to_pylist() for one in held] == [["Lyon"]]
    assert len(list(house.stores.lake.glob("*.parquet"))) == 1
    assert facts(house, "K1", Instant(later - 1))["person.place"] == "FR"
    assert facts(house, "K1", later)["person.place"] == "US"
    house.check()


def test_a_parent_may_stand_later_in_the_file(house, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child's guardian is found in the same batch, a later one, or a later file; ages are told at collection."""
    monkeypatch.setattr(reader, "BATCH", 2)
    child = {"birth_date": "2012-02-29", "parent_id": "K3"}
    file = customers(
        tmp_path / "customers1.csv",
        {"id": "K1", **child},
        {"id": "K2", **child, "parent_id": "K9"},
        {"id": "K3"},
        {"id": "K4", **child},
    )
    report = house.load(file)
    assert report.guardians_missing == 1
    seen = facts(house, "K1", Instant(parse_instant("2024-03-05")))
    assert seen["person.age"] == "minor"
    assert seen["person.minor_until"] == parse_instant("2030-03-01T12:00")
    with house.reading() as conn:
        parent = index.find(conn, house.keys, KEY, "K3")
        rows = conn.exec_driver_sql("SELECT guardian FROM consent_person WHERE guardian IS NOT NULL").scalars().all()
    assert set(rows) == {parent}
    house.load(customers(tmp_path / "customers2.csv", {"id": "K9"}))
    assert house.load(file).guardians_missing == 0
    house.check()


def test_orders_of_nobody_stay_nobodys_and_strangers_are_set_aside(house, tmp_path: Path) -> None:
    """A sale without a customer enters without a person; one that names a stranger waits until they are known."""
    house.load(customers(tmp_path / "customers.csv", {"id": "K1"}))
    orders = pa.table(
        {
            "order_id": ["A", "B", "C", "A"],
            "line": [1, 1, 1, 1],
            "customer": ["K1", None, "K2", "K1"],
            "ordered_at": pa.array([1_750_000_000] * 4, pa.timestamp("s", "UTC")),
            "channel": ["web", "shop", "web", "web"],
            "product": ["teapot"] * 4,
            "amount": [12.5, 1.0, 3.0, 12.5],
        }
    )
    pq.write_table(orders, tmp_path / "orders.parquet")
    report = house.load(tmp_path / "orders.parquet")
    assert (report.accepted, report.rejected) == (2, {"unknown_person": 1, "duplicate_key": 1})
    with house.reading() as conn:
        held = [pq.read_table(house.stores.lake / one.file) for one in segments(conn, "orders")]
    assert [row["_no"] is None for row in held[0].to_pylist()] == [False, True]
    assert "customer" not in held[0].column_names
    assert "customer_id" not in held[0].column_names
    house.load(customers(tmp_path / "customers2.csv", {"id": "K2"}))
    assert house.load(tmp_path / "orders.parquet").accepted == 1
    house.check()


def test_a_consent_history_becomes_choices_of_its_own_strength(house, tmp_path: Path) -> None:
    """What is dated in the future, nobody's, or not the policy's is set aside; the expiry is fixed from the policy."""
    house.load(customers(tmp_path / "customers.csv", {"id": "K1", "mail": "k1@poste.example"}, {"id": "K2"}))
    file = choices(
        tmp_path / "choices.csv",
        {},
        {},
        {"customer": "K2", "act": "withdrawn", "signed_at": "", "notice": "", "method": "letter", "proof": "paper"},
        {"customer": "K7"},
        {"customer": ""},
        {"purpose": "newsleter"},
        {"act": "maybe"},
        {"signed_at": "2027-01-01"},
        {"channel": "pigeon"},
        {"act": "restricted"},
        {"recipient": "mailer"},
        {"notice": "v9"},
        {"signed_at": "2024-05-07", "recorded_at": "2024-05-06"},
        {"authenticated": "perhaps"},
    )
    report = house.load(file)
    assert (report.accepted, report.unchanged) == (2, 1)
    assert report.rejected == {
        "unknown_person": 1,
        "missing_key": 1,
        "unknown_purpose": 1,
        "bad_choice": 3,
        "future_date": 1,
        "bad_value": 3,
        "bad_boolean": 1,
    }
    now = parse_instant("2026-06-01")
    assert facts(house, "K1", now)["choice.status"] == "given"
    assert facts(house, "K1", now)["choice.expires"] == parse_instant("2027-05-06")
    assert facts(house, "K2", now)["choice.status"] == "withdrawn"
    house.check()


def test_a_list_without_proof_never_outweighs_a_refusal(house, tmp_path: Path) -> None:
    """An undated yes of an old list counts as weak as it is: nothing against somebody's own no."""
    house.load(
        customers(
            tmp_path / "customers.csv",
            {"id": "K1", "mail": "k1@poste.example"},
            {"id": "K2", "mail": "k2@poste.example"},
        )
    )
    house.load(choices(tmp_path / "choices.csv", {"act": "refused"}))
    listed = tmp_path / "legacy_list.csv"
    listed.write_text("email,opted_in\nK1@POSTE.example,yes\nk2@poste.example,yes\nnobody@liste.example,yes\n")
    report = house.load(listed)
    assert (report.accepted, report.rejected) == (2, {"unknown_person": 1})
    now = parse_instant("2026-06-02")
    assert facts(house, "K1", now, "email")["choice.status"] == "refused"
    weak = facts(house, "K2", now, "email")
    assert (weak["choice.status"], weak["choice.grade"]) == ("given", 0)
    house.check()


def test_people_who_were_erased_are_not_brought_back(house, tmp_path: Path) -> None:
    """A suppressed key or address keeps the person, their orders and their choices out, and the report counts them."""
    until = Instant(parse_instant("2026-06-01") + 900 * DAY)
    with db.write(house.engine) as conn:
        suppression.add(conn, house.keys, [(KEY, "K1"), ("email", "k2@poste.example")], "erased", until)
    people = customers(tmp_path / "customers.csv", {"id": "K1"}, {"id": "K2", "mail": "k2@poste.example"}, {"id": "K3"})
    report = house.load(people)
    assert (report.accepted, report.suppressed, report.new_people) == (1, 2, 1)
    report = house.load(choices(tmp_path / "choices.csv", {}, {"customer": "K3"}))
    assert (report.accepted, report.suppressed, report.rejected) == (1, 1, {})
    house.check()


@pytest.mark.parametrize("reason", ["bounced", "complained", "objected"])
def test_an_address_that_is_written_to_no_more_keeps_nobody_out(house, tmp_path: Path, reason: str) -> None:
    """Who objected may still buy something: they enter, and stay suppressed."""
    until = Instant(parse_instant("2026-06-01") + 900 * DAY)
    with db.write(house.engine) as conn:
        suppression.add(conn, house.keys, [("email", "k2@poste.example")], reason, until)
    report = house.load(customers(tmp_path / "customers.csv", {"id": "K2", "mail": "k2@poste.example"}))
    assert (report.accepted, report.suppressed, report.new_people) == (1, 0, 1)
    with house.engine.connect() as conn:
        subject = index.find(conn, house.keys, KEY, "K2")
        assert subject is not None
        now = parse_instant("2026-06-02")
        assert suppression.of_people(conn, house.keys, "email", [subject], now) == {subject: frozenset({reason})}
    house.check()


def test_forgetting_a_person_removes_what_intake_remembers(house, tmp_path: Path) -> None:
    """After an erasure no row of that person is remembered; others' rows are."""
    house.load(customers(tmp_path / "customers.csv", {"id": "K1"}, {"id": "K2"}))
    house.load(choices(tmp_path / "choices.csv", {}))

    def forget_first(conn: Connection) -> int:
        subject = index.find(conn, house.keys, KEY, "K1")
        assert subject is not None
        return forget(conn, subject)

    with db.write(house.engine) as conn:
        assert forget_first(conn) == 2
        assert forget_first(conn) == 0
    assert (house.count("intake_row"), house.count("intake_collection")) == (1, 1)


def test_a_report_holds_counts_and_column_names_only(house, retailer: Retailer) -> None:
    """What is shown and recorded of a load can be shown to anybody."""
    report = house.load(retailer.customers)
    told = json.dumps(report.to_json()) + "".join(report.lines("fr"))
    assert "@" not in told
    assert report.to_json()["accepted"] == 500
