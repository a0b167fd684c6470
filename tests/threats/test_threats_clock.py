"""A clock that goes back: everything is still recorded, in order, and what people say has effect at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from pacte.app import doctor
from pacte.app.ask import may, permit, replay
from pacte.app.house import open_house
from pacte.app.loading import load
from pacte.app.stop import stop
from pacte.gate.permit import Permit
from pacte.kernel.errors import Unsafe
from pacte.kernel.instant import DAY, Instant
from pacte.ledger import log
from pacte.ledger.check import examine
from pacte.testing.world import World, world
from tests.threats.shop import CHOICE_COLUMNS, CUSTOMER_COLUMNS, choice, customer, write_csv


@pytest.fixture
def back(tmp_path: Path) -> World:
    """A house with a subscriber, whose clock has just gone back by twenty days."""
    home = world(tmp_path / "house")
    home.clock.forward(300)
    home.said(home.person(), "given", channel="email")
    home.clock.forward(-20)
    return home


def entries(home: World) -> list[dict]:
    """Everything that the ledger says."""
    with home.house.reading() as conn:
        return [entry for _, entry in log.entries(conn) if entry is not None]


def test_a_withdrawal_works_at_once_and_for_good(back: World) -> None:
    """Whoever withdraws while the clock stands back is out now, and stays out when the clock is right again."""
    person = back.people[0]
    assert may(back.house, person, "newsletter", channel="email").permitted
    back.house.choose(person, "newsletter", "withdrawn")
    assert may(back.house, person, "newsletter", channel="email").reason.code == "withdrawn"
    back.clock.forward(19.5)
    assert len(back.house.declare("newsletter", channel="email").permits) == 0
    back.clock.forward(10)
    assert may(back.house, person, "newsletter", channel="email").reason.code == "withdrawn"
    assert back.house.check() == []


def test_a_clock_far_behind_uses_no_data(back: World) -> None:
    """More than a day behind, no data are used: nobody knows which of the two times was wrong. Nothing is recorded."""
    before = len(entries(back))
    for verb in (back.house.declare, lambda *a, **k: permit(back.house, back.people[0], *a, **k)):
        with pytest.raises(Unsafe) as caught:
            verb("newsletter", channel="email")
        assert str(caught.value) == (
            "the clock stands 20 days before the ledger's last entry: it is wrong now, or was wrong then; "
            "no data are used until it has caught up"
        )
    assert len(entries(back)) == before


def test_a_use_is_recorded_and_opens_its_table(back: World) -> None:
    """Uses made while the clock stands a little back are recorded, give their rows, and can be decided again."""
    back.clock.forward(19.5)
    use = back.house.declare("newsletter", channel="email")
    assert use.table().num_rows == 1
    assert isinstance(permit(back.house, back.people[0], "newsletter", channel="email"), Permit)
    again = replay(back.house, use.id, back.people[0])
    assert (again.recorded, again.matches) == (True, True)
    assert back.house.check() == []


def test_a_stop_and_an_erasure_work_at_once(back: World) -> None:
    """A stop stops now, and whoever is erased is out now."""
    stop(back.house, "newsletter", "incident-1")
    assert may(back.house, back.people[0], "newsletter", channel="email").reason.code == "stopped"
    stop(back.house, "newsletter", "incident-1", lift=True)
    assert may(back.house, back.people[0], "newsletter", channel="email").permitted
    back.house.erase(back.people[0])
    assert may(back.house, back.people[0], "newsletter", channel="email").reason.code == "erased"
    back.clock.forward(60)
    assert may(back.house, back.people[0], "newsletter", channel="email").reason.code == "erased"
    assert back.house.check() == []


def test_a_restriction_works_at_once(back: World) -> None:
    """Art. 18: a restriction given while the clock stands back holds; of one instant, it outlasts its lifting."""
    back.house.choose(back.people[0], "*", "restricted")
    assert may(back.house, back.people[0], "newsletter", channel="email").reason.code == "restricted"
    back.house.choose(back.people[0], "*", "restriction_lifted", authenticated=True)
    assert may(back.house, back.people[0], "newsletter", channel="email").reason.code == "restricted"
    back.clock.forward(30)
    back.house.choose(back.people[0], "*", "restriction_lifted", authenticated=True)
    assert may(back.house, back.people[0], "newsletter", channel="email").permitted


def test_an_undated_withdrawal_of_a_file_works_at_once(back: World, tmp_path: Path) -> None:
    """A file loaded while the clock stands back enters, and an undated withdrawal in it has the last word."""
    people = write_csv(tmp_path / "customers.csv", CUSTOMER_COLUMNS, [customer(1)])
    back.house.load(people)
    back.house.choose("key:C00001", "newsletter", "given", channel="email", grade="form", authenticated=True)
    back.clock.forward(-1)
    left = choice(1, "withdrawn", signed_at="", recorded_at="")
    report = back.house.load(write_csv(tmp_path / "choices.csv", CHOICE_COLUMNS, [left]))
    assert report.accepted == 1
    assert may(back.house, "key:C00001", "newsletter", channel="email").reason.code == "withdrawn"
    back.clock.forward(90)
    assert may(back.house, "key:C00001", "newsletter", channel="email").reason.code == "withdrawn"
    assert back.house.check() == []


def test_the_time_of_entries_never_goes_back_and_the_raw_clock_is_kept(back: World) -> None:
    """Entry times are monotone; an entry written while the clock stood back says what the clock said."""
    back.clock.forward(19.5)
    before = len(entries(back))
    raw = back.clock()
    back.house.choose(back.people[0], "newsletter", "withdrawn")
    back.house.declare("newsletter", channel="email")
    stop(back.house, "newsletter", "incident-1")
    may(back.house, back.people[0], "newsletter")
    times = [entry["at"] for entry in entries(back)]
    assert times == sorted(times)
    late = entries(back)[before:]
    assert [entry.get("clock") for entry in late] == [raw] * len(late)
    assert all(entry["at"] == raw + DAY // 2 for entry in late)


def test_a_clock_that_went_back_is_reported(back: World) -> None:
    """The doctor and the check of the ledger count the entries written while the clock stood back."""
    assert "clock_went_back" not in {finding.code for finding in doctor.examine(back.house)}
    back.house.choose(back.people[0], "newsletter", "withdrawn")
    found = {finding.code: finding for finding in doctor.examine(back.house)}
    assert found["clock_went_back"].level == "warning"
    assert found["clock_went_back"].detail == "1"
    with back.house.reading() as conn:
        assert examine(conn, back.house.vkey).skewed == 1
    assert back.house.check() == []


def test_entries_beside_a_load_do_not_go_back(tmp_path: Path) -> None:
    """What somebody records while a file is loaded does not make the clock look as if it had gone back."""
    home = world(tmp_path / "house")
    home.clock.forward(300)
    person = home.person()
    other = open_house(home.house.path, clock=home.clock)

    def beside(done: int, _all: int) -> None:
        home.clock.now = Instant(home.clock.now + 60_000_000)
        other.choose(person, "newsletter", "refused")

    people = write_csv(tmp_path / "customers.csv", CUSTOMER_COLUMNS, [customer(n) for n in range(1, 20)])
    assert load(home.house, people, progress=beside).accepted == 19
    assert sum(entry["kind"] == "choice" for entry in entries(home)) > 0
    assert [entry for entry in entries(home) if "clock" in entry] == []
    assert "clock_went_back" not in {finding.code for finding in doctor.examine(home.house)}
    other.close()
    assert home.house.check() == []
