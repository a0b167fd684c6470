"""Attacks that once worked: each stays closed."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from pacte.app.ask import may
from pacte.consent import snapshot
from pacte.kernel import db
from pacte.kernel.errors import BadInput, Denied, Unsafe
from pacte.kernel.instant import DAY, SECOND, Instant
from pacte.testing.world import World, world


@pytest.fixture
def home(tmp_path: Path) -> World:
    """A house with three subscribers, at ten in the morning of some day."""
    found = world(tmp_path / "house")
    found.clock.forward(300 + 10 / 24)
    for _ in range(3):
        found.said(found.person(), "given", channel="email")
    return found


def test_a_no_of_the_same_day_counts_after_the_yes(home: World) -> None:
    """A withdrawal dated by its day alone beats a consent given earlier that day; a yes of a day begins it."""
    home.clock.forward(0.25)
    today = Instant(home.clock() // DAY * DAY)
    home.house.choose(home.people[0], "newsletter", "withdrawn", effective=today)
    assert not may(home.house, home.people[0], "newsletter", channel="email").permitted
    home.clock.forward(2)
    assert may(home.house, home.people[0], "newsletter", channel="email").reason.code == "withdrawn"
    assert home.house.check() == []


def test_an_overlay_that_was_emptied_is_noticed_before_anybody_is_permitted(home: World) -> None:
    """Who forgets, in the columnar copy, that somebody withdrew, gets no audience and is found by the check."""
    with home.house.writing() as conn:
        snapshot.write(conn, home.house.lake)
    home.said(home.people[0], "withdrawn", channel="email")
    assert len(home.house.declare("newsletter", channel="email").permits) == 2
    with db.write(home.house.engine) as conn:
        conn.execute(text("DELETE FROM consent_touched"))
    with pytest.raises(Unsafe, match="behind the ledger"):
        home.house.declare("newsletter", channel="email")
    assert any("columnar copy" in problem for problem in home.house.check())


def test_a_columnar_copy_is_compared_with_the_records(home: World) -> None:
    """A copy that says something else than the records is found by the check."""
    with home.house.writing() as conn:
        snapshot.write(conn, home.house.lake)
    assert home.house.check() == []
    with db.write(home.house.engine) as conn:
        conn.execute(text("DELETE FROM lake_segment WHERE dataset LIKE 'facts:2:choice:%'"))
    assert any("columnar copy" in problem for problem in home.house.check())


def test_a_clock_turned_back_opens_no_old_permit(home: World) -> None:
    """A permit given yesterday stays closed when the clock is set back to before it."""
    use = home.house.declare("newsletter", channel="email")
    home.clock.forward(-400)
    with pytest.raises((Unsafe, Denied)):
        use.table()


def test_an_expiry_counts_at_once_between_decision_and_table(home: World) -> None:
    """A consent that ends ten seconds after the decision gives no row half a minute later."""
    home.said(home.people[0], "given", channel="email", expires=home.clock() + 10 * SECOND)
    use = home.house.declare("newsletter", channel="email")
    assert use.table().num_rows == 3
    home.clock.forward(30 / 86_400)
    assert use.table().num_rows == 2


def test_a_parents_yes_that_nobody_checked_opens_nothing(home: World) -> None:
    """Anybody can call themselves a parent: without knowing that it is one, the yes is refused."""
    child = home.person(age="minor", minor_until=home.clock() + 3000 * DAY)
    home.said(child, "given", channel="email")
    with pytest.raises(BadInput, match="parent"):
        home.house.choose(child, "newsletter", "given", channel="email", grade="form", voice="guardian")
    assert not may(home.house, child, "newsletter", channel="email").permitted


def test_records_open_to_others_are_not_served(home: World) -> None:
    """A database that other users may read is refused, as a key file is."""
    from pacte.app.house import open_house

    (home.house.path / "records.db").chmod(0o644)
    with pytest.raises(Unsafe, match="chmod 600"):
        open_house(home.house.path, clock=home.clock)


def test_an_undated_no_said_again_in_another_file_counts_again(tmp_path: Path) -> None:
    """The same undated row in a later file is a new no: it was learnt of again, after the yes in between."""
    from pacte.app.loading import load
    from tests.threats.shop import CHOICE_COLUMNS, CUSTOMER_COLUMNS, choice, customer, write_csv

    home = world(tmp_path / "house")
    home.clock.forward(300)
    load(home.house, write_csv(tmp_path / "customers.csv", CUSTOMER_COLUMNS, [customer(1), customer(2)]))
    undated = choice(1, "withdrawn", signed_at="", recorded_at="")
    load(home.house, write_csv(tmp_path / "choices-1.csv", CHOICE_COLUMNS, [undated]))
    home.clock.forward(10)
    home.house.choose("key:C00001", "newsletter", "given", channel="email", grade="double_opt_in", authenticated=True)
    assert may(home.house, "key:C00001", "newsletter", channel="email").permitted
    home.clock.forward(10)
    later = write_csv(tmp_path / "choices-2.csv", CHOICE_COLUMNS, [choice(2), undated])
    load(home.house, later)
    assert may(home.house, "key:C00001", "newsletter", channel="email").reason.code == "withdrawn"
    before = home.size
    load(home.house, later)
    assert home.size == before, "the same file twice changes nothing"
    assert home.house.check() == []


def test_the_doctor_notices_an_anchor_file_that_was_emptied(home: World) -> None:
    """An anchor file that no longer knows the ledger's head is an error, until the next commit writes it again."""
    from pacte.app.doctor import examine

    assert "anchors_behind" not in {finding.code for finding in examine(home.house)}
    home.house.anchor_file.write_bytes(b"")
    assert "anchors_behind" in {finding.code for finding in examine(home.house)}


def test_a_founding_cut_short_is_begun_again_and_lost_records_are_not_hidden(tmp_path: Path) -> None:
    """Before its records are in place no house stands and `create` may be asked again; afterwards it refuses."""
    from pacte.app.house import create, open_house

    place = tmp_path / "house"
    create(place).close()
    (place / "records.db").unlink()  # the crash point `anchored-not-founded`
    create(place).close()
    open_house(place).close()
    standing = world(tmp_path / "other")
    standing.house.close()
    (standing.house.path / "records.db").unlink()
    with pytest.raises(BadInput, match="put it back"):
        create(standing.house.path)
