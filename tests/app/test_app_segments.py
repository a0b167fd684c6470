"""Segments of a house: saved, counted so that nobody shows, and who is in one, for the sending step alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from pacte.app import reach, segments, shown, staff
from pacte.app.house import House
from pacte.app.uses import Use
from pacte.kernel.errors import BadInput, Denied, NotFound
from pacte.ledger import browse, log
from pacte.testing.world import TestClock
from tests.threats.shop import CHOICE_COLUMNS as CHOICES
from tests.threats.shop import CUSTOMER_COLUMNS, TODAY, choice, customer, empty_house, order, write_csv, write_orders

PEOPLE = range(1, 1_001)
NEAR = {"field": "customers.city", "in": ["Nantes", "Rennes"]}
SPENT = {"field": "orders.spent", "at_least": 20}


def _spent(number: int) -> float:
    return float(10 + number * 7919 % 97)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, records: Callable[[], str]) -> House:
    """A thousand people in three cities; one in ten never said yes to the newsletter, half ever bought anything."""
    root = tmp_path_factory.mktemp("segments")
    made = empty_house(root / "house", TestClock(TODAY), database=records())
    made.load(write_csv(root / "customers.csv", CUSTOMER_COLUMNS, [customer(n) for n in PEOPLE]))
    made.load(write_csv(root / "choices.csv", CHOICES, [choice(n) for n in PEOPLE if n % 10]))
    made.load(write_orders(root / "orders.parquet", [order(n, 1, amount=_spent(n)) for n in PEOPLE if n % 2]))
    return made


@pytest.fixture
def use(house: House) -> Use:
    """The newsletter by e-mail."""
    return house.declare("newsletter", channel="email")


def test_a_size_is_about_so_many_and_the_same_all_day(house: House, use: Use) -> None:
    """Rounded to tens and near the truth; however the condition is said, and however often it is asked."""
    sized = segments.size(house, use, NEAR)
    assert sized.size is not None
    assert sized.size % 10 == 0
    assert abs(sized.size - 600) < 120
    assert sized == segments.size(house, use, {"not": {"not": {"all": [NEAR, NEAR]}}})
    assert sized.rarest in (100, 250)


def test_the_members_are_those_who_meet_the_condition(house: House, use: Use) -> None:
    """Exactly the permitted who do, as a count over the released rows says, each once, never in the same order."""
    both = {"all": [NEAR, {"not": SPENT}]}
    saved = segments.save(house, "quiet", "newsletter", both, "cli")
    found = list(segments.members(house, use, saved.digest))
    rows = use.table(["customers.city", "orders.spent"]).to_pylist()
    met = Counter((row["customers.city"], (row["orders.spent"] or 0) >= 20) for row in rows)
    assert len(found) == len(set(found)) == met["Nantes", False] + met["Rennes", False]
    assert sorted(found) == sorted(segments.members(house, use, saved))
    assert found != list(segments.members(house, use, saved))
    assert len(list(segments.members(house, use, None))) == len(use.permits)


def test_whoever_withdraws_is_no_member(house: House, use: Use) -> None:
    """Whoever said no since the use was declared is not handed to the sending step."""
    saved = segments.save(house, "near", "newsletter", NEAR, "cli")
    before = set(segments.members(house, use, saved))
    house.choose("email:person.1@shop.example", "newsletter", "withdrawn", by="person", method="web_form")
    after = set(segments.members(house, use, saved))
    assert len(before - after) == 1
    assert after < before


def test_few_are_refused_with_something_coarser(house: House, use: Use) -> None:
    """A value that nobody has, or a combination of few, shows nothing and proposes what would do."""
    nobody = segments.size(house, use, {"all": [{"field": "customers.city", "in": ["Paris"]}, SPENT]})
    assert nobody.refused
    assert nobody.size is None
    assert nobody.coarser == SPENT
    paris = {"field": "customers.city", "in": ["Paris"]}
    saved = segments.save(house, "paris", "newsletter", paris, "owner")
    with pytest.raises(BadInput, match="too few"):
        segments.members(house, use, saved)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"field": "customers.postcode", "in": ["35"]}, "declares no field `customers.postcode`"),
        ({"field": "orders.spent", "at_least": 105}, "for `at_least` write 100"),
        ({"field": "orders.last_order", "within": "5 months"}, "days are never told apart"),
        ({"field": "orders.last_order", "within": "40 days"}, "days are never told apart"),
        ({"field": "customers.city"}, "`in` holds a list"),
        ({"field": "customers.city", "in": ["Rennes"], "at_least": 1}, "a condition has no `at_least` here"),
        ({"field": "orders.spent", "at_least": 50, "below": 50}, "nobody is below"),
        ({"field": "customers.email", "in": ["person.1@shop.example"]}, "declares no field `customers.email`"),
        ({"dataset": "orders", "at_least": 2}, "declares no dataset of events"),
        ({"all": []}, "one at least"),
        ({"all": [NEAR] * 13}, "more than 12"),
        ("everybody", "a condition is"),
    ],
)
def test_a_mistake_says_what_to_write(house: House, use: Use, wrong: Any, said: str) -> None:
    """Undeclared fields, exact values of coarse ones, half conditions: each refused in words, none with a value."""
    with pytest.raises(BadInput, match=said) as caught:
        segments.size(house, use, wrong)
    assert "person.1" not in str(caught.value)


GALETTES = {"dataset": "orders", "field": "product", "in": ["galettes"], "within": "12 months"}


def test_rows_are_counted_by_what_they_are_of(house: House) -> None:
    """Who has bought something of a kind lately: the rows that a purpose declares, of the time and the values."""
    statistics = house.declare("statistics")
    sized = segments.size(house, statistics, GALETTES)
    assert sized.size is not None
    assert abs(sized.size - 500) < 100
    assert segments.size(house, statistics, GALETTES | {"in": ["crêpes"]}).refused
    assert segments.size(house, statistics, GALETTES | {"within": "1 months"}).refused


@pytest.mark.parametrize("value", ["Gluten-Free bread", "kosher salt"])
def test_nothing_is_chosen_by_what_tells_of_a_special_category(house: House, value: str) -> None:
    """A product that tells of health or belief is no condition of a purpose without a ground for it."""
    statistics = house.declare("statistics")
    with pytest.raises(BadInput, match="special category"):
        segments.size(house, statistics, GALETTES | {"in": [value]})


def test_a_finer_value_is_refused(house: House) -> None:
    """A postcode goes by its first two figures, whatever the use may release."""
    statistics = house.declare("statistics")
    with pytest.raises(BadInput, match="first 2 characters"):
        segments.size(house, statistics, {"field": "customers.postcode", "in": ["35000"]})
    assert segments.size(house, statistics, {"field": "customers.postcode", "in": ["35"]}).size is not None


def test_versions_are_kept_and_recorded(house: House) -> None:
    """What means the same is no new version; each change is one, with an entry; what is removed keeps its versions."""
    first = segments.save(house, "buyers", "newsletter", {"all": [NEAR, SPENT]}, "cli")
    assert segments.save(house, "buyers", "newsletter", {"all": [SPENT, NEAR]}, "marketing") == first
    second = segments.save(house, "buyers", "newsletter", SPENT, "cli")
    assert (first.version, second.version) == (1, 2)
    assert segments.get(house, first.digest).digest == first.digest
    assert segments.get(house, "buyers") == second
    segments.remove(house, "buyers", "cli")
    assert "buyers" not in [one.name for one in segments.listed(house)]
    assert [one.version for one in segments.versions(house, "buyers")] == [2, 1]
    with pytest.raises(NotFound):
        segments.get(house, "buyers")
    again = segments.save(house, "buyers", "newsletter", SPENT, "cli")
    assert again.version == 3
    with house.reading() as conn:
        kept = [entry for _, _, entry in browse.newest(conn, 0, log.head(conn).size, ["segment"])]
    said = [entry for entry in reversed(kept) if entry and entry["name"] == "buyers"]
    assert [(entry["act"], entry["revision"]) for entry in said] == [
        ("saved", 1), ("saved", 2), ("removed", 2), ("saved", 3),
    ]  # fmt: skip
    assert said[0]["segment"] == first.digest
    assert house.check() == []


def test_the_commit_asks_who_may(house: House) -> None:
    """A member whose role does not allow it saves and removes nothing, whatever page they were shown."""
    owner = staff.join(house, staff.first_owner(house) or "", "owner", "Camille Test", "hash")
    analyst = staff.join(house, staff.invite(house, "analyst", owner), "analyst", "Alex Test", "hash")
    segments.save(house, "kept", "newsletter", NEAR, "cli")
    with pytest.raises(Denied):
        segments.save(house, "mine", "newsletter", NEAR, analyst.actor)
    with pytest.raises(Denied):
        segments.remove(house, "kept", analyst.actor)
    assert {"kept"} <= {one.name for one in segments.listed(house)}
    assert "mine" not in {one.name for one in segments.listed(house)}


def test_a_segment_of_another_purpose_is_refused(house: House) -> None:
    """The permitted of one purpose are not chosen by a segment of another."""
    saved = segments.save(house, "elsewhere", "newsletter", NEAR, "cli")
    other = house.declare("similar_offers", channel="email")
    with pytest.raises(BadInput, match="is for the purpose `newsletter`"):
        segments.members(house, other, saved)


def test_the_funnel_says_nothing_of_few(house: House) -> None:
    """Who is known, who may be reached, and each reason with people enough; one person in a reason does not show."""
    found = reach.reach(house, "newsletter", "email")
    reasons = dict(found.reasons)
    assert found.everybody is not None
    assert found.permitted is not None
    assert abs(found.everybody - 1_000) < 120
    assert abs(found.permitted - 900) < 120
    assert reasons["never_asked"] is not None
    assert [name for name, people in reasons.items() if people is not None] == ["never_asked"]
    assert reasons["withdrawn"] is None
    assert "withdrawn" in reasons


def test_who_is_left_out_by_region(house: House, use: Use) -> None:
    """The share of each city that a segment has, in steps of five; a city that is left out shows no number."""
    found = {one.field.path: one for one in reach.disparity(house, use, NEAR)}
    parts = {part.value: part for part in found["customers.city"].parts}
    assert parts["Brest"].at_most
    assert parts["Brest"].share % 5 == 0
    assert parts["Rennes"].share >= 85
    assert not parts["Rennes"].at_most


def test_only_values_of_many_are_offered(house: House, use: Use) -> None:
    """The builder offers the cities that people enough live in."""
    assert reach.offered(house, use) == {
        "customers.city": ["Brest", "Nantes", "Rennes"],
        "customers.country": ["France"],
    }


def test_a_number_stays_the_same_while_few_come_and_go(house: House, use: Use) -> None:
    """The next day, with one person less, the size is yesterday's."""
    brest = {"field": "customers.city", "in": ["Brest"]}
    before = segments.size(house, use, brest)
    house.choose("email:person.2@shop.example", "newsletter", "withdrawn", by="person", method="web_form")
    house.choose("email:person.5@shop.example", "newsletter", "withdrawn", by="person", method="web_form")
    clock = house.clock
    assert isinstance(clock, TestClock)
    clock.forward(1)
    tomorrow = house.declare("newsletter", channel="email")
    assert segments.size(house, tomorrow, brest).size == before.size


def test_a_result_is_shown_by_the_same_rule(house: House, use: Use) -> None:
    """Counts of given people go through the same door: few are not said, many about so many, nearly the same alike."""
    people = list(segments.members(house, use, None))
    many = shown.number_of(house, {"campaign": "0", "outcome": "sent"}, people[:400])
    assert many is not None
    assert abs(many - 400) < 90
    assert shown.number_of(house, {"campaign": "0", "outcome": "refused"}, people[:399]) == many
    assert shown.number_of(house, {"campaign": "0", "outcome": "bounced"}, people[:12]) is None
