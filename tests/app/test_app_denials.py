"""Unknown means no: people, purposes, fields, channels, recipients and facts that nobody declared or told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pacte.app.ask import explain, may, permit
from pacte.app.uses import declare
from pacte.gate.permit import Permit
from pacte.gate.values import Decision
from pacte.kernel.errors import BadInput, Conflict, Denied, NotFound
from pacte.kernel.ids import new_subject_id
from pacte.kernel.instant import DAY
from pacte.lake import numbers
from pacte.testing.world import World, world
from tests.threats.shop import CUSTOMER_COLUMNS, customer, write_csv


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, records: Callable[[], str]) -> World:
    """Two subscribers and nobody else; the tests of this file add people and take none away."""
    found = world(tmp_path_factory.mktemp("denials") / "house", database=records())
    found.clock.forward(100)
    for _ in range(2):
        found.said(found.person(), "given", channel="email")
    return found


@pytest.mark.parametrize("person", ["0" * 32, "key:nobody", "nobody", "nobody@shop.example", "+33612345678"])
def test_somebody_unknown(home: World, person: str) -> None:
    """Whoever is not known here is denied as such; whoever asks to record or to look is told that nobody is known."""
    decision = may(home.house, person, "newsletter", channel="email")
    assert (decision.permitted, decision.reason.code) == (False, "unknown_person")
    for verb in (permit, explain):
        with pytest.raises(NotFound):
            verb(home.house, person, "newsletter")
    with pytest.raises(NotFound):
        home.house.choose(person, "newsletter", "given")


def test_somebody_with_a_number_and_nothing_said(home: World) -> None:
    """A number in the lake without a single entry in the ledger is nobody: no facts, no permission, no row."""
    ghost, known = new_subject_id(), len(declare(home.house, "statistics").permits)
    with home.house.writing() as conn:
        numbers.allot(conn, [ghost])
    assert may(home.house, ghost, "order_service").reason.code == "unknown_person"
    assert len(declare(home.house, "statistics").permits) == known
    assert home.house.check() == []


@pytest.mark.parametrize("purpose", ["", "newsleter", "*", "house:nothing", "newsletter ", "NEWSLETTER"])
def test_an_unknown_purpose(home: World, purpose: str) -> None:
    """A purpose that the policy does not declare, to the letter, is denied for one and for all."""
    assert may(home.house, home.people[0], purpose).reason.code == "unknown_purpose"
    with pytest.raises(Denied) as caught:
        declare(home.house, purpose)
    assert "`newsletter`" in str(caught.value) or purpose.startswith("house:")


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"fields": ("customers.birth_date",)}, "undeclared_field"),
        ({"fields": ("customers.nothing",)}, "undeclared_field"),
        ({"fields": ("",)}, "undeclared_field"),
        ({"fields": ("customers.city", "orders.product")}, "undeclared_field"),
        ({"channel": "post"}, "undeclared_channel"),
        ({"channel": "Email"}, "undeclared_channel"),
        ({"recipient": "cookery_school"}, "undeclared_recipient"),
    ],
)
def test_an_undeclared_part_of_a_question(home: World, asked: dict[str, Any], code: str) -> None:
    """A field, channel or recipient that the purpose does not declare denies the whole question."""
    before = home.size
    decision = may(home.house, home.people[0], "newsletter", **asked)
    assert (decision.permitted, decision.reason.code) == (False, "undeclared_field")
    with pytest.raises(Denied) as caught:
        declare(home.house, "newsletter", **asked)
    assert caught.value.code == code
    with pytest.raises(Denied) as caught:
        permit(home.house, home.people[0], "newsletter", **asked)
    assert caught.value.code == code
    assert home.size == before


def test_a_yes_for_one_channel_is_no_yes_for_another(home: World) -> None:
    """Permitted by e-mail, never asked for text messages; a question without a channel is denied."""
    assert may(home.house, home.people[0], "newsletter", channel="email").permitted
    assert may(home.house, home.people[0], "newsletter", channel="sms").reason.code == "never_asked"
    assert not may(home.house, home.people[0], "newsletter").permitted
    with pytest.raises(Denied):
        declare(home.house, "newsletter")


@pytest.mark.parametrize(
    ("purpose", "facts", "code"),
    [
        ("newsletter", {"age": None}, "age_unknown"),
        ("newsletter", {"capacity": None}, "wrong_capacity"),
        ("newsletter", {"capacity": "deceased"}, "deceased"),
        ("newsletter", {"capacity": "professional"}, "wrong_capacity"),
        ("newsletter", {"age": "minor", "minor_until": 2_000_000_000_000_000}, "under_age_no_guardian"),
        ("similar_offers", {"age": None}, "age_unknown"),
        ("order_service", {}, "no_contract"),
        ("order_service", {"contract_since": 1, "contract_until": 2}, "contract_ended"),
    ],
)
def test_a_missing_fact_denies(home: World, purpose: str, facts: dict[str, Any], code: str) -> None:
    """What nobody told us about a person is never to their disadvantage: each gap has its reason, in both readers."""
    person = home.person(**facts)
    home.said(person, "given", purpose=purpose)
    assert may(home.house, person, purpose, channel="email").reason.code == code
    assert declare(home.house, purpose, channel="email").funnel.counts.get(code, 0) >= 1
    assert isinstance(permit(home.house, person, purpose, channel="email"), Decision)


def test_nothing_told_and_nothing_known(home: World) -> None:
    """A person without notice, place, age and capacity is permitted nothing at all."""
    person = home.person(notice=None, place=None, age=None, capacity=None)
    home.said(person, "given", purpose="*", notice=None)
    for purpose in ("newsletter", "order_service", "invoices", "similar_offers", "statistics", "partner_offers"):
        assert not may(home.house, person, purpose).permitted, purpose
    assert home.house.check() == []


def test_every_reason_is_said_in_both_languages(home: World) -> None:
    """A denial explains itself in French and in English, and names nobody."""
    for person in home.people:
        decision = may(home.house, person, "newsletter", channel="email")
        for lang in ("en", "fr"):
            assert person not in decision.explain(lang)
            assert len(decision.explain(lang).splitlines()) >= 3


def test_what_cannot_be_a_choice_is_refused(home: World) -> None:
    """Purposes, channels, grades and dates that cannot be: refused, and nothing recorded."""
    before, person = home.size, home.people[0]
    for wrong in (
        {"purpose": "newsleter"},
        {"channel": "post"},
        {"recipient": "mailer"},
        {"grade": "gold"},
        {"effective": home.clock() + DAY},
        {"notice": "web-1999"},
        {"method": "telepathy"},
        {"form": "abc"},
        {"voice": "neighbour"},
    ):
        details = {"purpose": "newsletter", "act": "given"} | wrong
        with pytest.raises(BadInput):
            home.house.choose(person, details.pop("purpose"), details.pop("act"), **details)
    assert home.size == before


def test_the_permitted_are_still_permitted(home: World) -> None:
    """After all these refusals, the two subscribers are in, and the house checks."""
    for person in home.people[:2]:
        assert isinstance(permit(home.house, person, "newsletter", channel="email"), Permit)
    assert declare(home.house, "newsletter", channel="email").funnel.permitted >= 2
    assert home.house.check() == []


def test_two_people_with_one_address(tmp_path: Path) -> None:
    """A shared address names nobody: the answer asks for something that one of them alone has."""
    found = world(tmp_path / "house")
    found.clock.forward(200)
    both = [customer(n, mail="household@shop.example") for n in (1, 2)]
    found.house.load(write_csv(tmp_path / "customers.csv", CUSTOMER_COLUMNS, both))
    with pytest.raises(Conflict) as caught:
        may(found.house, "household@shop.example", "newsletter")
    assert str(caught.value) == "2 people share this `email`; name the person by something they alone have"
    assert found.house.check() == []
