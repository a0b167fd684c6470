"""Purpose control: the situations that other engines are tested on, answered as strictly or more so.

Elsewhere, data without a declared purpose are a gap to be reported, a missing policy is no decision, and a consent that
nobody can find lets an "allow" stand. Here each of them is a no. The situations are those of the purpose-based access
control of `ethyca/fides`; the cases are our own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pacte.app.ask import may
from pacte.app.house import create
from pacte.app.stop import stop
from pacte.app.uses import declare
from pacte.kernel.errors import Denied
from pacte.policy.categories import covered
from pacte.testing.world import TestClock, World, world


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The shop of the template."""
    home = world(tmp_path_factory.mktemp("control") / "house")
    home.clock.forward(700)
    yield home
    home.house.close()


def reason(home: World, subject: str, purpose: str, **asked: object) -> str:
    """The reason of the gate's answer."""
    return may(home.house, subject, purpose, **asked).reason.code  # type: ignore[arg-type] # what `may` takes


def test_a_use_without_a_purpose_is_refused(shop: World) -> None:
    """A consumer that declares no purpose is a gap elsewhere; here it reads nothing."""
    person = shop.person()
    assert reason(shop, person, "") == "unknown_purpose"
    assert reason(shop, person, "nobody_declared_this") == "unknown_purpose"
    with pytest.raises(Denied) as refused:
        declare(shop.house, "nobody_declared_this")
    assert refused.value.code == "unknown_purpose"


def test_a_purpose_that_shares_nothing_with_the_data_is_refused(shop: World) -> None:
    """The purpose exists, the field exists, and the one does not use the other."""
    person = shop.person(contract_since=shop.clock() - 1)
    assert reason(shop, person, "invoices", fields=("customers.email",)) == "undeclared_field"
    assert reason(shop, person, "invoices", fields=("customers.first_name",)) == "permitted"


def test_one_field_outside_the_purpose_refuses_the_whole_question(shop: World) -> None:
    """Overlap is not enough: every field asked for is declared."""
    person = shop.person(contract_since=shop.clock() - 1)
    fields = ("customers.first_name", "customers.email")
    assert reason(shop, person, "invoices", fields=fields) == "undeclared_field"


def test_data_that_no_purpose_uses_are_closed_to_all(shop: World) -> None:
    """A column without a purpose is a gap elsewhere; here no purpose opens it."""
    person = shop.person(contract_since=shop.clock() - 1)
    shop.said(person, "given", channel="email")
    for purpose, channel in (("newsletter", "email"), ("order_service", ""), ("invoices", ""), ("statistics", "")):
        assert reason(shop, person, purpose, fields=("customers.birth_date",), channel=channel) == "undeclared_field"


def test_a_name_that_only_begins_alike_is_another_field(shop: World) -> None:
    """`orders.amount` says nothing of `orders.amounts` nor of `orders`."""
    person = shop.person()
    for name in ("orders.amounts", "orders.amoun", "orders", "orders.", ".amount", ""):
        assert reason(shop, person, "invoices", fields=(name,)) == "undeclared_field"


def test_a_family_tells_of_its_members_and_not_the_other_way_round() -> None:
    """What a parent category announces covers its children; a child announces neither parent nor sibling."""
    assert {"email_address", "telephone_number"} <= covered(["contact"])
    assert covered(["email_address"]) == {"email_address"}
    assert not {"contact", "telephone_number"} & covered(["email_address"])


def test_a_special_category_is_never_covered_by_a_plain_family() -> None:
    """Being told of "details" tells nobody of their health."""
    assert "health" not in covered(["identifying", "contact", "transactional"])


def test_an_allow_never_stands_on_a_missing_consent(shop: World) -> None:
    """Nothing known of the consent lets the policy's "allow" stand elsewhere; here silence is a no."""
    person = shop.person()
    assert reason(shop, person, "newsletter", channel="email") == "never_asked"


@pytest.mark.parametrize("act", ["refused", "withdrawn", "objected"])
def test_a_no_turns_the_answer(shop: World, act: str) -> None:
    """A yes, then a no: the no."""
    person = shop.person()
    shop.said(person, "given", channel="email")
    assert reason(shop, person, "newsletter", channel="email") == "permitted"
    shop.clock.forward(1)
    shop.said(person, act, channel="email")
    assert reason(shop, person, "newsletter", channel="email") == act


def test_a_yes_for_one_channel_is_no_yes_for_another(shop: World) -> None:
    """The context of the question is part of it; left out, the question is refused."""
    person = shop.person()
    shop.said(person, "given", channel="email")
    assert reason(shop, person, "newsletter", channel="sms") == "never_asked"
    assert reason(shop, person, "newsletter") == "facts_missing"
    assert reason(shop, person, "newsletter", channel="pigeon") == "undeclared_field"


def test_data_do_not_flow_to_whom_the_purpose_does_not_name(shop: World) -> None:
    """A recipient of another purpose is none of this one; one partner's yes is not another's."""
    person = shop.person()
    shop.said(person, "given", "partner_offers", channel="email", recipient="cookery_school", grade="double_opt_in")
    asked = {"channel": "email"}
    assert reason(shop, person, "partner_offers", recipient="cookery_school", **asked) == "permitted"
    assert reason(shop, person, "partner_offers", recipient="sugar_shack", **asked) == "never_asked"
    assert reason(shop, person, "partner_offers", recipient="accountant", **asked) == "undeclared_field"
    assert reason(shop, person, "partner_offers", **asked) == "facts_missing"


def test_no_policy_is_a_no(tmp_path: Path) -> None:
    """An empty list of policies is no decision elsewhere; here it is a refusal."""
    with create(tmp_path / "house", clock=TestClock()) as house:
        assert may(house, "key:c1", "newsletter").reason.code == "unknown_purpose"
        with pytest.raises(Denied):
            declare(house, "newsletter", channel="email")


def test_a_stop_outranks_every_allow(shop: World) -> None:
    """The highest priority is the person's protection: a stop refuses whatever else permits."""
    person = shop.person()
    shop.said(person, "given", channel="email")
    stop(shop.house, "newsletter", "test")
    assert reason(shop, person, "newsletter", channel="email") == "stopped"
    stop(shop.house, "newsletter", "test", lift=True)
    assert reason(shop, person, "newsletter", channel="email") == "permitted"


def test_somebody_unknown_is_nobody(shop: World) -> None:
    """An identifier that resolves to no one permits nothing."""
    assert reason(shop, "key:nobody", "newsletter", channel="email") == "unknown_person"
