"""Lists for use outside: recorded first, without those who must not be reached, gone at their end, traced by a seed."""

from __future__ import annotations

import csv
import json
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection

from pacte.app import (
    contact,
    doctor,
    export_files,
    exports,
    preferences,
    seeds,
    segments,
    suppressions,
    webhooks,
    withdrawn,
)
from pacte.app.erase import erase
from pacte.app.exports import ENDED, Export
from pacte.app.house import House, open_house
from pacte.app.jobs import HANDLERS
from pacte.app.publish import publish
from pacte.app.settings import ListSettings, WebhookSettings
from pacte.app.shown import TooFew
from pacte.kernel import crash, db, jobs
from pacte.kernel.errors import BadInput, Conflict, Denied, NotFound
from pacte.kernel.instant import DAY
from pacte.ledger import log
from pacte.testing.world import TestClock, World
from tests.app.listing import PEOPLE, email, lines, listing, phone, street, withdraws
from tests.threats.shop import (
    CHOICE_COLUMNS,
    CUSTOMER_COLUMNS,
    TODAY,
    choice,
    customer,
    empty_house,
    write_csv,
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The company, to be copied."""
    found = listing(tmp_path_factory.mktemp("lists") / "house")
    found.house.close()
    return found


@pytest.fixture
def home(made: World, tmp_path: Path) -> Iterator[World]:
    """A copy of it."""
    shutil.copytree(made.house.path, tmp_path / "house")
    clock = replace(made.clock)
    house = open_house(tmp_path / "house", clock=clock)
    yield World(house, clock, list(made.people))
    house.close()


def file_of(home: World, export: Export) -> Path:
    """Where a list lies."""
    return export_files.path_of(home.house.path / export_files.FOLDER, export.id)


def entries(home: World, kind: str = "export") -> list[dict[str, object]]:
    """What the ledger says of lists."""
    with home.house.reading() as conn:
        return [dict(entry) for _, entry in log.of_kind(conn, kind)]


def streets(home: World, export: Export) -> set[str]:
    """Where the people of a list live, the seed's among them."""
    return {line["street"] for line in lines(file_of(home, export))}


def test_a_list_is_recorded_and_holds_what_its_channel_needs(home: World) -> None:
    """Everybody permitted once, in another order each time, and one line that is nobody's; for its owner's eyes."""
    first = exports.make(home.house, "newsletter", "post", by="cli")
    rows = lines(file_of(home, first))
    assert set(rows[0]) == {"reference", "first_name", "street"}
    assert len(rows) == PEOPLE + 1 == len({row["reference"] for row in rows})
    assert {street(at) for at in range(PEOPLE)} < {row["street"] for row in rows}
    assert [row["street"] for row in rows] != sorted(row["street"] for row in rows)
    folder = home.house.path / export_files.FOLDER
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    header = json.loads(export_files.header_of(folder, first.id).read_text())
    assert (header["purpose"], header["channel"], header["until"]) == ("newsletter", "post", "2025-01-31T00:00:00Z")
    (entry,) = entries(home)
    assert (entry["act"], entry["within"], entry["people"]) == ("made", first.use, PEOPLE)
    assert entries(home, "use")[0]["use"] == first.use
    assert home.house.check() == []


def test_nothing_is_written_that_is_not_recorded(home: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut short after the record there is no file; nobody collects it, and it ends as every list does."""
    monkeypatch.setattr(crash, "point", lambda name: _cut(name))
    with pytest.raises(KeyboardInterrupt):
        exports.make(home.house, "newsletter", "post", by="cli")
    with home.house.reading() as conn:
        (export,) = exports.listed(conn)
    assert not file_of(home, export).exists()
    with pytest.raises(NotFound):
        exports.collect(home.house, export.id, home.house.path / "x.csv", by="cli")
    assert exports.end(home.house, export.id, by="cli").state == ENDED


def test_what_is_said_before_the_file_is_written_counts(home: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the record and the file somebody is erased, and somebody withdraws: neither is on it."""

    def meanwhile(name: str) -> None:
        if name == "list-recorded":
            erase(home.house, home.people[0])
            withdraws(home, 1, "post")

    monkeypatch.setattr(crash, "point", meanwhile)
    export = exports.make(home.house, "newsletter", "post", by="cli")
    assert {street(0), street(1)}.isdisjoint(streets(home, export))
    assert len(streets(home, export)) == PEOPLE - 2 + 1
    assert len(withdrawn.withdrawn(home.house, export).references) == 2


def _cut(name: str) -> None:
    if name == "list-recorded":
        raise KeyboardInterrupt


def test_whoever_must_not_be_reached_is_left_out(home: World) -> None:
    """No yes for the channel, a suppressed number: left out, and counted as may be shown."""
    silent = withdraws(home, 0, "phone")
    with home.house.writing() as conn:
        for one in home.people[1:21]:
            suppressions.add_of(conn, home.house, one, "phone", "objected", home.clock(), "cli")
    export = exports.make(home.house, "newsletter", "phone", by="cli")
    numbers = {line["phone"] for line in lines(file_of(home, export))}
    assert {phone(at) for at in range(21)}.isdisjoint(numbers)
    assert len(numbers) == PEOPLE - 21 + 1
    assert set(export.said["refused"]) == {"suppressed"}
    shown = [export.said["all"], *export.said["refused"].values()]
    assert all(number is None or number % 10 == 0 for number in shown)
    assert silent not in exports_of(home, export)


def exports_of(home: World, export: Export) -> set[str]:
    """Who is on a list, by the records."""
    with home.house.reading() as conn:
        return {str(person) for _, person, _ in withdrawn.people_of(conn, export.id)}


def test_a_list_counts_as_an_offer(home: World) -> None:
    """Three lists in a week use up the cap of three; one that ended uncollected was no offer."""
    for _ in range(3):
        last = exports.make(home.house, "newsletter", "post", by="cli")
    with pytest.raises(TooFew):
        exports.make(home.house, "newsletter", "post", by="cli")
    exports.end(home.house, last.id, by="cli")
    exports.make(home.house, "newsletter", "post", by="cli")


def test_hours_are_for_whoever_uses_the_list(home: World) -> None:
    """It is made at midnight of New Year's Day, when nobody may be called; a wish to hear less by this way counts."""
    preferences.wish(home.house, home.people[0], "phone", {"reach": "least"}, by="person")
    export = exports.make(home.house, "newsletter", "phone", by="cli")
    with home.house.reading() as conn:
        now = contact.refusals(conn, home.house, "promotion", "phone", home.people, home.clock(), campaign=export.id)
    assert {one.reason for one in now.values()} == {"holiday", "channel_unwanted"}
    assert exports_of(home, export) == set(home.people[1:])


def test_mail_and_texts_leave_for_a_recipient_only(home: World) -> None:
    """Without one the house sends them itself; one that the policy does not know is refused by the gate."""
    with pytest.raises(BadInput, match="recipient"):
        exports.make(home.house, "newsletter", "email", by="cli")
    with pytest.raises(Denied):
        exports.make(home.house, "newsletter", "email", recipient="stranger", by="cli")
    export = exports.make(home.house, "newsletter", "email", recipient="mailer", by="cli")
    assert {email(at) for at in range(PEOPLE)} < {line["email"] for line in lines(file_of(home, export))}
    assert {entries(home, "use")[-1]["recipient"], entries(home)[-1]["recipient"]} == {"mailer"}


@pytest.mark.parametrize(
    ("purpose", "channel", "lasts"),
    [("newsletter", "push", None), ("newsletter", "post", 31 * DAY), ("newsletter", "post", 0)],
)
def test_what_no_list_has_is_refused(home: World, purpose: str, channel: str, lasts: int | None) -> None:
    """A channel without addresses, an end that is too far or none; nothing is recorded."""
    with pytest.raises(BadInput):
        exports.make(home.house, purpose, channel, lasts=lasts, by="cli")
    assert entries(home) == entries(home, "use") == []


def test_a_purpose_without_such_addresses_has_no_list(home: World) -> None:
    """Orders are sent by post, and this policy keeps no street for them; nobody declares an unknown purpose."""
    with pytest.raises(BadInput, match="identity: address"):
        exports.make(home.house, "order_service", "post", by="cli")
    with pytest.raises(Denied):
        exports.make(home.house, "nothing", "post", by="cli")


def test_collecting_leaves_out_who_said_no_since(home: World, tmp_path: Path) -> None:
    """Who takes it is recorded; the copy has nobody who withdrew between the list and its collection."""
    export = exports.make(home.house, "newsletter", "post", by="cli")
    withdraws(home, 0, "post")
    taken = exports.collect(home.house, export.id, tmp_path / "out.csv", by="printer")
    assert (taken.collector, taken.collected) == ("printer", home.clock())
    rows = lines(tmp_path / "out.csv")
    assert street(0) not in {row["street"] for row in rows}
    assert len(rows) == PEOPLE == len(streets(home, export))
    assert json.loads((tmp_path / "out.json").read_text())["list"] == export.id
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("out.csv", "out.json")} == {0o600}
    assert [(one["act"], one["people"], one["by"]) for one in entries(home)][-1] == ("collected", PEOPLE - 1, "printer")


def test_a_no_said_while_a_list_is_collected_counts(
    home: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody withdraws at the last moment before the collection is recorded: the copy has them no more."""
    export = exports.make(home.house, "newsletter", "post", by="cli")
    begins, meanwhile = House.writing, iter([0])

    @contextmanager
    def writing(house: House) -> Iterator[Connection]:
        for at in meanwhile:
            withdraws(home, at, "post")
        with begins(house) as conn:
            yield conn

    monkeypatch.setattr(House, "writing", writing)
    exports.collect(home.house, export.id, tmp_path / "out.csv", by="printer")
    assert street(0) not in {row["street"] for row in lines(tmp_path / "out.csv")}
    assert entries(home)[-1]["people"] == PEOPLE - 1


@pytest.mark.parametrize("kind", ["service", "security", "legal_claims"])
def test_the_notice_of_a_breach_is_no_offer(home: World, kind: str) -> None:
    """By telephone, to whoever complained of offers or used up the caps, and to as few people as it concerns."""
    path = home.house.path / "policy.yaml"
    before, _, rest = path.read_text(encoding="utf-8").partition("  newsletter:\n")
    path.write_text(f"{before}  newsletter:\n{rest.replace('kind: direct_marketing', f'kind: {kind}', 1)}", "utf-8")
    home.clock.forward(1)
    publish(home.house)
    with home.house.writing() as conn:
        for one in home.people[1:]:
            suppressions.add_of(conn, home.house, one, "phone", "bounced", home.clock(), "cli")
        suppressions.add_of(conn, home.house, home.people[0], "phone", "complained", home.clock(), "cli")
    export = exports.make(home.house, "newsletter", "phone", by="cli")
    assert (export.kind, exports_of(home, export)) == ("service", {home.people[0]})


def test_a_list_ends_by_itself(home: World, tmp_path: Path) -> None:
    """The worker removes the file on the day, not before; what is over is handed to nobody."""
    export = exports.make(home.house, "newsletter", "phone", by="cli")
    with home.house.reading() as conn:
        (job,) = [job for job in jobs.listed(conn) if job.kind == exports.END]
    assert HANDLERS[exports.END](home.house, job, home.clock()) is not None
    assert file_of(home, export).exists()
    home.clock.forward(7)
    with pytest.raises(Conflict):
        exports.collect(home.house, export.id, tmp_path / "out.csv", by="cli")
    assert withdrawn.withdrawn(home.house, export).over
    assert HANDLERS[exports.END](home.house, job, home.clock()) is None
    assert list((home.house.path / export_files.FOLDER).iterdir()) == []
    assert [one["act"] for one in entries(home)] == ["made", "ended"]
    assert HANDLERS[exports.END](home.house, job, home.clock()) is None
    assert exports_of(home, export) == set()
    home.clock.forward(3 * 365)
    with db.write(home.house.engine) as conn:
        assert exports.prune(conn, home.clock()) == 1
        assert db.fetch(conn, "SELECT 1 FROM export_seed") == []


def test_a_file_that_should_be_gone_shows(home: World) -> None:
    """A list whose end is a day past, and one that nobody made."""
    exports.make(home.house, "newsletter", "phone", by="cli")
    assert exports.overdue(home.house) == 0
    (home.house.path / export_files.FOLDER / "copy.csv").write_text("")
    assert exports.overdue(home.house) == 1
    home.clock.forward(8)
    assert exports.overdue(home.house) == 2


def test_an_erasure_takes_a_person_out_of_lists(home: World) -> None:
    """The file is written without them, the certificate counts it, and whoever holds a copy is told to drop them."""
    export = exports.make(home.house, "newsletter", "post", by="cli")
    before = {line["street"]: line["reference"] for line in lines(file_of(home, export))}
    certificate = erase(home.house, home.people[3])
    assert certificate.counts["lists:post"] == 1
    assert streets(home, export) == set(before) - {street(3)}
    gone = withdrawn.withdrawn(home.house, export)
    assert gone.references == (before[street(3)],)
    assert gone.people == ()
    assert home.people[3] not in exports_of(home, export)
    assert home.house.check() == []


def test_a_copy_that_is_out_learns_whom_to_drop(home: World) -> None:
    """Whoever withdrew, whose address is dead, and everybody once the purpose is stopped; nobody else."""
    export = exports.make(home.house, "newsletter", "email", recipient="mailer", by="cli")
    references = {line["email"]: line["reference"] for line in lines(file_of(home, export))}
    assert withdrawn.asked(home.house, export).references == ()
    withdraws(home, 0, "email")
    withdraws(home, 1, "post")
    suppressions.add(home.house, email(2), "email", "bounced", by="cli")
    gone = withdrawn.asked(home.house, export)
    assert set(gone.references) == {references[email(0)], references[email(2)]}
    assert not gone.over
    assert withdrawn.stale(home.house, export) is None
    with home.house.reading() as conn:
        assert exports.of(conn, export.id).asked == home.clock()


def test_a_stop_drops_everybody(home: World, tmp_path: Path) -> None:
    """And nobody collects what nobody may be reached by."""
    from pacte.app.stop import stop

    export = exports.make(home.house, "newsletter", "post", by="cli")
    home.clock.forward(1e-6)
    stop(home.house, "newsletter", "incident", by="cli")
    assert len(withdrawn.withdrawn(home.house, export).references) == PEOPLE
    with pytest.raises(Conflict):
        exports.collect(home.house, export.id, tmp_path / "out.csv", by="cli")
    assert not (tmp_path / "out.csv").exists()


def test_a_tool_that_is_told_of_withdrawals_knows_people_by_the_same_name(home: World) -> None:
    """References are the pseudonyms that the receiver of that name hears."""
    receiver = WebhookSettings(name="mailer", url="https://tool.example/hook")
    house = replace(home.house, settings=home.house.settings.model_copy(update={"webhooks": (receiver,)}))
    export = exports.make(house, "newsletter", "email", recipient="mailer", by="cli")
    references = {line["email"]: line["reference"] for line in lines(file_of(home, export))}
    assert references[email(5)] == webhooks.name_of(house, receiver, home.people[5])


def test_a_seed_leads_back_to_its_list(home: World) -> None:
    """An address that turns up is traced to the list that it was on; a customer's is on none, and none is kept."""
    seeded = home.house.settings.model_copy(update={"lists": ListSettings(email="watch@shop.example")})
    house = replace(home.house, settings=seeded)
    made = [exports.make(house, "newsletter", "email", recipient="mailer", by="cli") for _ in range(2)]
    known = {email(at) for at in range(PEOPLE)}
    for export in made:
        (seed,) = [one["email"] for one in lines(file_of(home, export)) if one["email"] not in known]
        assert seed.startswith("watch+")
        assert [one.id for one in exports.traced(house, f" {seed.upper()}")] == [export.id]
    assert exports.traced(house, email(1)) == []
    with home.house.reading() as conn:
        assert "watch" not in str(db.fetch(conn, "SELECT * FROM export_seed"))


def test_the_doctor_asks_for_a_number_of_ones_own(home: World) -> None:
    """While a list by telephone is out whose seed has a number that is kept for fiction."""

    def told(house: House) -> list[str]:
        return [one.detail for one in doctor.examine(house) if one.code == "seeds_known"]

    assert told(home.house) == []
    export = exports.make(home.house, "newsletter", "phone", by="cli")
    assert told(home.house) == ["1"]
    own = home.house.settings.model_copy(update={"lists": ListSettings(phone="+33123456789")})
    assert told(replace(home.house, settings=own)) == []
    exports.end(home.house, export.id, by="cli")
    assert told(home.house) == []


def test_seeds_are_alike_and_none_is_another(home: World) -> None:
    """Each field that a list has gets a value; a number is one of those kept for fiction."""
    kinds = {
        "a.first_name": "name",
        "a.last_name": "name",
        "a.phone": "phone",
        "a.street": "address",
        "a.mail": "email",
    }
    some = [seeds.invented(home.house, kinds) for _ in range(20)]
    assert {tuple(one) for one in some} == {tuple(sorted(kinds, key=list(some[0]).index))}
    assert len({one["a.last_name"] for one in some}) == 20
    assert all(one["a.phone"].startswith("+3363998") and len(one["a.phone"]) == 12 for one in some)


FORMULAS = [
    ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
    ("-1+2", "'-1+2"),
    (" =1+1", "' =1+1"),
    ("\uff1d1+1", "'\uff1d1+1"),
    ("\t=1+1", "\t'=1+1"),
    ("y;=1+1", "y;'=1+1"),
    ('y;"=1+1&"', 'y;\'"=1+1&"'),
    ("y; @SUM(1);+33 6=2", "y;' @SUM(1);'+33 6=2"),
    ("+33 612", "+33 612"),
    ("y;+33612", "y;+33612"),
    ("Anne-Marie = O'Neil", "Anne-Marie = O'Neil"),
]


def test_no_value_becomes_a_formula(tmp_path: Path) -> None:
    """A spreadsheet shows it as it is, whatever it separates cells by; a telephone number stays one."""
    export_files.write(tmp_path, "x", ["name"], [("r", value) for value, _ in FORMULAS])
    assert [one["name"] for one in lines(tmp_path / "x.csv")] == [shown for _, shown in FORMULAS]
    with (tmp_path / "x.csv").open(encoding="utf-8", newline="") as file:
        cells = [cell.strip(' "') for row in csv.reader(file, delimiter=";") for cell in row]
    assert [cell for cell in cells if cell.startswith(("=", "@", "-", "+33 6="))] == []
    written = (tmp_path / "x.csv").read_text(encoding="utf-8")
    assert written.splitlines()[0] == '"reference","name"'
    export_files.write(tmp_path, "x", ["name"], [("r", shown) for _, shown in FORMULAS])
    assert (tmp_path / "x.csv").read_text(encoding="utf-8") == written


def test_too_few_make_no_list(tmp_path: Path) -> None:
    """Fewer than may be told apart: nothing is written, and nobody counts as reached."""
    home = listing(tmp_path / "house", people=9)
    with pytest.raises(TooFew):
        exports.make(home.house, "newsletter", "post", by="cli")
    assert entries(home) == []
    assert not (home.house.path / export_files.FOLDER).exists()


def test_a_list_of_a_segment(tmp_path: Path) -> None:
    """Those of the permitted whom a segment has, by the rule of its size; the condition's own fields do not leave."""
    house = empty_house(tmp_path / "house", TestClock(TODAY))
    people = range(1, 451)
    house.load(write_csv(tmp_path / "customers.csv", CUSTOMER_COLUMNS, [customer(n) for n in people]))
    house.load(write_csv(tmp_path / "choices.csv", CHOICE_COLUMNS, [choice(n) for n in people]))
    near = {"field": "customers.city", "in": ["Nantes", "Rennes"]}
    saved = segments.save(house, "near", "newsletter", near, "cli")
    export = exports.make(house, "newsletter", "email", segment=saved.digest, recipient="mailer", by="cli")
    rows = lines(export_files.path_of(house.path / export_files.FOLDER, export.id))
    assert {row["email"] for row in rows} > {f"person.{n}@shop.example" for n in people if n % 3 != 2}
    assert len(rows) == 300 + 1
    assert set(rows[0]) == {"reference", "email", "first_name"}
    never = segments.save(house, "never", "newsletter", {"field": "orders.order_count", "at_least": 1}, "cli")
    with pytest.raises(TooFew):
        exports.make(house, "newsletter", "email", segment=never.digest, recipient="mailer", by="cli")
    assert house.check() == []
    house.close()


def test_lists_on_both_databases(tmp_path: Path, records: Callable[[], str]) -> None:
    """Made, collected, stale, rewritten by an erasure, and ended."""
    home = listing(tmp_path / "house", database=records(), people=12)
    export = exports.make(home.house, "newsletter", "post", by="cli")
    withdraws(home, 0, "post")
    erase(home.house, home.people[1])
    assert len(withdrawn.asked(home.house, export).references) == 2
    exports.collect(home.house, export.id, tmp_path / "out.csv", by="cli")
    assert len(lines(tmp_path / "out.csv")) == 12 - 2 + 1
    assert exports.end(home.house, export.id, by="cli") == exports.end(home.house, export.id, by="cli")
    assert [one["act"] for one in entries(home)] == ["made", "collected", "ended"]
    assert home.house.check() == []
    home.house.close()
