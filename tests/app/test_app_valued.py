"""Valued data: what no recorded use has read for some months, on each kind of database."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pacte.app.datamap import data_map
from pacte.app.house import POLICY
from pacte.app.publish import publish
from pacte.app.uses import declare
from pacte.app.valued import SPAN, Valued, catch_up, proposal, valued
from pacte.cli.valued import unused
from pacte.gate.permit import Permit
from pacte.kernel import db
from pacte.kernel.errors import BadInput
from pacte.kernel.instant import to_iso
from pacte.ledger import log, spans
from pacte.testing.world import World, world
from tests.conftest import DATABASES

YEAR = 400
"""Days that are more than twelve months."""


@pytest.fixture(params=DATABASES)
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A house of whose data nothing was read yet, on each kind of database."""
    address = "" if request.param == "sqlite" else request.getfixturevalue("postgres").database()
    found = world(tmp_path / "house", database=address)
    yield found
    found.house.close()


def look(home: World, months: int = 12) -> Valued:
    """What nothing has read."""
    return valued(home.house, data_map(home.house), months)


def paths(found: Valued) -> set[str]:
    """The fields that are proposed."""
    return {one.path for one in found.unread}


def test_what_a_use_reads_is_valued_and_the_rest_is_proposed(home: World) -> None:
    """By a use of many people and by one of a single person alike; before the months are over nothing is proposed."""
    house, person = home.house, home.person()
    young = look(home)
    assert (young.unread, young.young) == ((), young.fields)
    home.clock.forward(YEAR)
    every = look(home)
    assert {"customers.email", "customers.first_name", "orders.channel"} <= paths(every)
    assert "customers.birth_date" not in paths(every)  # tells minors, whoever reads it
    declare(house, "newsletter", fields=("customers.first_name",), channel="email")
    assert paths(every) - paths(look(home)) == {"customers.first_name"}
    house.choose(person, "newsletter", "given", grade="double_opt_in", channel="email", authenticated=True)
    permit = house.permit(person, "newsletter", fields=("customers.email",), channel="email", by="worker")
    assert isinstance(permit, Permit)
    assert paths(every) - paths(look(home)) == {"customers.first_name", "customers.email"}
    home.clock.forward(YEAR)
    found = {one.path: one for one in look(home).unread}
    assert found["customers.email"].last == permit.record.question.as_of
    assert found["customers.last_name"].duties == ("invoices",)
    assert "legal obligation" in proposal(found["customers.last_name"], house.policy().document, "en")
    assert (found["orders.channel"].last, to_iso(found["orders.channel"].declared)[:4]) == (None, "2025")
    assert house.check() == []


def test_what_is_computed_values_what_it_is_made_from(home: World) -> None:
    """Whoever reads how much somebody spent has read the amounts."""
    home.clock.forward(YEAR)
    before = paths(look(home))
    computed = "orders.spent"
    purpose = next(name for name, one in home.house.policy().document.purposes.items() if computed in one.uses)
    channel = next(iter(home.house.policy().document.purposes[purpose].channels), "")
    declare(home.house, purpose, fields=(computed,), channel=channel)
    assert before - paths(look(home)) == {"orders.amount"}


def test_the_house_itself_values_nothing(home: World) -> None:
    """What is read to answer a person is read because it is there."""
    person = home.person()
    home.clock.forward(YEAR)
    before = look(home)
    home.house.permit(person, "house:rights", by="staff:1")
    assert look(home).unread == before.unread


def test_a_field_is_as_old_as_its_latest_declaration(home: World) -> None:
    """One that was taken out for a while is new when it comes back; the others keep their age."""
    file = home.house.path / POLICY
    text = file.read_text("utf-8")
    place = "      city: {category: city, type: string}\n"
    assert place in text
    with_one = text.replace(place, f"{place}      shoe_size: {{category: preference, type: string}}\n")
    for words in (with_one, text, with_one):
        file.write_text(words, "utf-8")
        publish(home.house, "owner")
        home.clock.forward(200)
    found = look(home)
    assert "customers.shoe_size" not in paths(found)
    assert found.young == 1
    home.clock.forward(YEAR)
    (one,) = [one for one in look(home).unread if one.path == "customers.shoe_size"]
    assert (one.purposes, one.last, to_iso(one.declared)[:10]) == ((), None, "2026-02-05")
    assert "take it out" in proposal(one, home.house.policy().document, "en")


def test_the_sum_goes_on_and_can_be_made_again(home: World) -> None:
    """Only what was recorded since is looked at; emptied, it says the same as before."""
    home.clock.forward(YEAR)
    declare(home.house, "newsletter", fields=("customers.first_name",), channel="email")
    catch_up(home.house)
    with home.house.reading() as conn:
        size = log.head(conn).size
        rows = db.fetch(conn, "SELECT field, purpose, at, entry FROM field_read")
        assert db.fetch(conn, "SELECT size FROM field_read_until") == [(size,)]
        assert spans.read(conn, size, size + SPAN) == []
    assert [(field, purpose) for field, purpose, _, _ in rows] == [("customers.first_name", "newsletter")]
    with db.write(home.house.engine) as conn:
        db.run(conn, "DELETE FROM field_read")
        db.run(conn, "DELETE FROM field_read_until")
    catch_up(home.house)
    with home.house.reading() as conn:
        assert db.fetch(conn, "SELECT field, purpose, at, entry FROM field_read") == rows


@pytest.mark.parametrize("home", ["sqlite"], indirect=True)
def test_the_command_says_the_same(home: World, capsys: pytest.CaptureFixture[str]) -> None:
    """In words and as JSON, by the clock of the machine; where there is nothing to propose it says so."""
    unused(120, home.house.path, "en", as_json=False)
    assert "is declared for less than that" in " ".join(capsys.readouterr().out.split())
    unused(6, home.house.path, "fr", as_json=False)
    assert "cessez de le collecter" in " ".join(capsys.readouterr().out.split())
    unused(6, home.house.path, "en", as_json=True)
    said = json.loads(capsys.readouterr().out)
    assert (len(said["unread"]), said["young"]) == (said["fields"], 0)
    assert said["unread"][0]["words"].keys() == {"en", "fr"}


@pytest.mark.parametrize("home", ["sqlite"], indirect=True)
@pytest.mark.parametrize("months", [0, -1, 121])
def test_a_number_of_months_that_is_none(home: World, months: int) -> None:
    """It is refused."""
    with pytest.raises(BadInput, match="from 1 to 120"):
        look(home, months)
