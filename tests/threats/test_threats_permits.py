"""What changes between a decision and its use, permits that are not one's own, and rules that err or were changed."""

from __future__ import annotations

import copy
import pickle
import shutil
import sqlite3
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pacte.app import ask
from pacte.app.house import POLICY, House, create, open_house
from pacte.app.publish import publish
from pacte.app.stop import stop
from pacte.app.uses import Use
from pacte.gate import rules as stored
from pacte.gate.permit import LIFETIME, PermitSet
from pacte.gate.values import Decision
from pacte.kernel.errors import Denied, NotFound, Unsafe
from pacte.ledger import log
from pacte.policy import rules
from pacte.policy.compiled import Reader
from pacte.testing.world import TestClock, world
from tests.threats.shop import TODAY, empty_house, pacte_here, shop_files


@pytest.fixture
def shop(home: Path) -> House:
    """The furnished house, open; its clock can be moved."""
    return open_house(home, clock=TestClock(TODAY))


def change_policy(house: House, *pairs: tuple[str, str]) -> None:
    """Publish the policy with some words replaced."""
    file = house.path / POLICY
    text = file.read_text(encoding="utf-8")
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    file.write_text(text, encoding="utf-8")
    assert publish(house, "owner").changed


def size(house: House) -> int:
    """How many entries the ledger holds."""
    with house.reading() as conn:
        return log.head(conn).size


def subjects(use: Use) -> int:
    """How many rows a use gives now."""
    return use.table(["customers.city"]).num_rows


def test_a_stricter_policy_between_decision_and_use(shop: House) -> None:
    """Whoever the new policy does not permit is no longer released under a permit given under the old one."""
    use = shop.declare("newsletter", channel="email")
    assert subjects(use) == 40
    change_policy(shop, ("minimum_grade: form", "minimum_grade: double_opt_in"))
    assert subjects(use) == 0
    assert ask.replay(shop, use.id, "key:C00001").matches is True
    assert shop.check() == []


def test_a_field_removed_between_decision_and_use(shop: House) -> None:
    """A use whose field the policy no longer declares gives nothing at all, and says which field."""
    use = shop.declare("newsletter", channel="email", fields=["customers.city", "orders.spent"])
    change_policy(shop, ("      - orders.last_order\n      - orders.spent\n", "      - orders.last_order\n"))
    with pytest.raises(Denied) as caught:
        use.table(["customers.city"])
    assert caught.value.code == "undeclared_field"
    assert "`orders.spent`" in str(caught.value)
    assert shop.check() == []


def test_a_channel_removed_between_decision_and_use(shop: House) -> None:
    """The same for a channel."""
    use = shop.declare("newsletter", channel="sms")
    change_policy(
        shop,
        ("    channels: [email, sms]                 # a yes", "    channels: [email]                 # a yes"),
        ("      newsletter: [email, sms]", "      newsletter: [email]"),
    )
    with pytest.raises(Denied) as caught:
        use.table(["customers.city"])
    assert caught.value.code == "undeclared_channel"


def test_a_stop_between_decision_and_use(shop: House) -> None:
    """A stop empties a use that was declared before it; lifted, the use gives its rows again."""
    use = shop.declare("newsletter", channel="email")
    stop(shop, "newsletter", "incident-1")
    assert subjects(use) == 0
    assert shop.declare("newsletter", channel="email").funnel.counts == {"permitted": 0, "stopped": 40}
    stop(shop, "newsletter", "incident-1", lift=True)
    stop(shop, "*", "incident-2")
    assert subjects(use) == 0
    stop(shop, "*", "incident-2", lift=True)
    assert subjects(use) == 40
    assert shop.check() == []


def test_withdrawals_and_erasures_between_decision_and_use(shop: House) -> None:
    """Whoever left since is not in the table; the recorded use still says that they were permitted then."""
    use = shop.declare("newsletter", channel="email")
    shop.choose("key:C00001", "newsletter", "withdrawn")
    shop.choose("key:C00002", "*", "objected")
    shop.choose("key:C00004", "*", "restricted")
    erased = shop.erase("key:C00003").subject
    assert len(use.permits) == 40
    assert subjects(use) == 36
    assert ask.replay(shop, use.id, erased).matches is True
    assert shop.check() == []


def test_a_permit_ends(shop: House) -> None:
    """After a day the gate must be asked again; a consent that ends within the day ends with it."""
    clock = shop.clock
    assert isinstance(clock, TestClock)
    use = shop.declare("newsletter", channel="email")
    clock.now = clock.now + LIFETIME - 1
    assert subjects(use) == 40
    clock.now += 1
    with pytest.raises(Denied) as caught:
        use.table()
    assert caught.value.code == "permit_expired"


def test_a_consent_that_ends_between_decision_and_use(tmp_path: Path) -> None:
    """An agreement that expires after the decision opens nothing afterwards."""
    home = world(tmp_path / "house")
    home.said(home.person(), "given", channel="email", expires=home.clock() + LIFETIME // 2)
    use = home.house.declare("newsletter", channel="email")
    assert subjects(use) == 1
    home.clock.forward(0.75)
    assert subjects(use) == 0


def test_a_permit_of_another_house(shop: House, tmp_path: Path) -> None:
    """Under the same policy, with people of the same numbers: a permit opens the house that gave it, and no other."""
    with empty_house(tmp_path / "other") as other:
        for file in shop_files(tmp_path / "files"):
            other.load(file)
        foreign = other.declare("newsletter", channel="email")
        own = shop.declare("newsletter", channel="email")
        assert foreign.permits.record.policy == own.permits.record.policy
        before = size(shop)
        with pytest.raises(Denied) as caught:
            Use(shop, foreign.permits).table(["customers.city"])
        assert caught.value.code == "foreign_permit"
        assert size(shop) == before
        assert shop.check() == other.check() == []


def test_a_permit_of_a_house_put_back(home: Path, tmp_path: Path) -> None:
    """A permit whose use is not in the ledger, because the house was copied before it, opens nothing."""
    shutil.copytree(home, tmp_path / "copy")
    with (
        open_house(home, clock=TestClock(TODAY)) as house,
        open_house(tmp_path / "copy", clock=TestClock(TODAY)) as copied,
    ):
        use = house.declare("newsletter", channel="email")
        with pytest.raises(Denied) as caught:
            Use(copied, use.permits).table(["customers.city"])
        assert caught.value.code == "foreign_permit"
        copied.declare("similar_offers", channel="email")  # an entry stands at that index now
        with pytest.raises(Denied) as caught:
            Use(copied, use.permits).table(["customers.city"])
        assert caught.value.code == "foreign_permit"


def _another_purpose(permits: PermitSet) -> Any:
    question = replace(permits.record.question, purpose="statistics")
    return replace(permits, record=replace(permits.record, question=question))


def _more_fields(permits: PermitSet) -> Any:
    question = replace(permits.record.question, fields=("customers.postcode", "orders.amount"))
    return replace(permits, record=replace(permits.record, question=question))


def _by_pickle(permits: PermitSet) -> Any:
    return pickle.loads(pickle.dumps(permits).replace(b"newsletter", b"statistics"))  # noqa: S301 # our own bytes


@pytest.mark.parametrize(
    "forge",
    [
        # pacte: allow permit-outside-gate because the point is that it is refused
        lambda permits: PermitSet(permits.record, "controller", "", "all", permits.issued, object(), permits.numbers),
        lambda permits: replace(permits, issued=permits.issued + LIFETIME),
        lambda permits: setattr(permits, "domain", "statistics"),
        _another_purpose,
        _more_fields,
        _by_pickle,
        copy.copy,
        copy.deepcopy,
        lambda permits: permits.__class__.__new__(permits.__class__).check(TODAY),
    ],
)  # fmt: skip
def test_permits_cannot_be_forged(shop: House, forge: Callable[[PermitSet], Any]) -> None:
    """Building, replacing, changing, copying, pickling into another purpose: refused with an ordinary error."""
    use = shop.declare("newsletter", channel="email")
    with pytest.raises((TypeError, AttributeError, ValueError)):
        forge(use.permits)


# Rules that err, and rules that were changed.


def _raise(*_: object) -> Any:
    raise RuntimeError("person.1@shop.example is not comparable")


def test_an_error_inside_a_rule_denies_one_person(shop: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a rule raises while one person is decided, the answer is no, with that as the reason and no value."""
    monkeypatch.setattr(stored, "_read", OrderedDict())  # of no table a function is kept that was made before
    monkeypatch.setattr(Reader, "_function", _raise)
    monkeypatch.setattr(rules, "holds", _raise)
    before = size(shop)
    decision = ask.may(shop, "key:C00001", "newsletter", channel="email")
    assert (decision.permitted, decision.reason.code) == (False, "rule_error")
    assert "shop.example" not in decision.explain("en") + repr(decision)
    answer = ask.permit(shop, "key:C00001", "newsletter", channel="email")
    assert isinstance(answer, Decision)
    assert not answer.permitted
    assert size(shop) == before


def test_an_error_inside_a_rule_denies_everybody(shop: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule that cannot be evaluated for a population permits nobody, records nothing and says so."""
    monkeypatch.setattr(stored, "_read", OrderedDict())
    monkeypatch.setattr(Reader, "_function", _raise)
    monkeypatch.setattr(rules, "holds", _raise)
    before = size(shop)
    with pytest.raises(Denied) as caught:
        shop.declare("newsletter", channel="email")
    assert caught.value.code == "rule_error"
    assert "shop.example" not in str(caught.value)
    assert size(shop) == before


def test_a_fact_of_the_wrong_type_denies(tmp_path: Path) -> None:
    """A tampered fact: the person is denied, and a population that holds them; the check sees it."""
    home = world(tmp_path / "house")
    for _ in range(2):
        home.said(home.person(), "given", channel="email")
    tampered = home.person(age="minor", minor_until=home.clock() - LIFETIME)
    home.said(tampered, "given", channel="email")
    assert len(home.house.declare("newsletter", channel="email").permits) == 3
    _alter(home.house, "UPDATE consent_person SET minor_until = 'soon' WHERE minor_until IS NOT NULL")
    assert ask.may(home.house, tampered, "newsletter", channel="email").reason.code == "rule_error"
    with pytest.raises(Denied):
        home.house.declare("newsletter", channel="email")
    assert ask.may(home.house, home.people[0], "newsletter", channel="email").permitted
    assert home.house.check() != []


def _alter(house: House, statement: str) -> None:
    with sqlite3.connect(house.path / "records.db") as db:
        assert db.execute(statement).rowcount > 0


@pytest.mark.parametrize(
    "statement",
    [
        """UPDATE gate_rules SET body = replace(body, '"min_grade":"form"', '"min_grade":"none"')""",
        "UPDATE gate_rules SET body = replace(body, 'gdpr:given', 'gdpr:other')",
        "UPDATE gate_rules SET body = '{}'",
        "UPDATE gate_rules SET body = 'no json'",
        "UPDATE gate_rules SET body = body || ' '",
    ],
)
def test_a_stored_rule_table_that_was_changed(shop: House, statement: str) -> None:
    """Nothing is decided by a table that no longer has its digest: not one, not many, not the past."""
    use = shop.declare("newsletter", channel="email")
    _alter(shop, statement)
    before = size(shop)
    said = "a stored rule table was changed; its digest no longer matches, and nothing is decided by it"
    for verb in (
        lambda: ask.may(shop, "key:C00001", "newsletter", channel="email"),
        lambda: shop.declare("newsletter", channel="email"),
        lambda: ask.replay(shop, use.id, "key:C00001"),
        lambda: ask.explain(shop, "key:C00001", "newsletter"),
    ):
        with pytest.raises(Unsafe) as caught:
            verb()
        assert str(caught.value) == said
    assert size(shop) == before
    assert said in shop.check()
    assert pacte_here("may", "key:C00001", "newsletter", house=shop.path).code == 5


def test_a_stored_policy_that_was_changed(shop: House) -> None:
    """By a stored policy text without its digest no use is declared, no choice recorded, nobody erased."""
    _alter(shop, "UPDATE gate_policy_text SET body = replace(body, '{prefix: 2}', '{prefix: 5}')")
    for verb in (
        lambda: shop.declare("newsletter", channel="email"),
        lambda: shop.erase("key:C00001"),
        lambda: shop.choose("key:C00001", "newsletter", "withdrawn"),
    ):
        with pytest.raises(Unsafe, match="a stored policy was changed"):
            verb()
    assert any("a stored policy was changed" in problem for problem in shop.check())


def test_a_rule_table_that_is_gone(shop: House) -> None:
    """A table that is not stored any more decides nothing."""
    _alter(shop, "DELETE FROM gate_rules")
    with pytest.raises(NotFound):
        ask.may(shop, "key:C00001", "newsletter")
    with pytest.raises(NotFound):
        shop.declare("newsletter")
    assert any("not stored here" in problem for problem in shop.check())


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM gate_use_set WHERE bucket = (SELECT min(bucket) FROM gate_use_set)",
        "UPDATE gate_use_set SET members = zeroblob(16) WHERE bucket = (SELECT max(bucket) FROM gate_use_set)",
    ],
)
def test_a_recorded_set_that_was_changed(shop: House, statement: str) -> None:
    """Somebody taken out of a stored set, or put into it, is found by its root in the ledger."""
    use = shop.declare("newsletter", channel="email")
    assert shop.check() == []
    _alter(shop, statement)
    assert shop.check() == [
        f"the stored set of people of the use of entry {use.index} is not the one that was recorded"
    ]


def test_facts_behind_the_ledger_permit_nobody(shop: House) -> None:
    """When the derived state has not seen the newest entries, a population is denied."""
    _alter(shop, "UPDATE consent_head SET size = size - 60")
    with pytest.raises(Denied) as caught:
        shop.declare("newsletter", channel="email")
    assert caught.value.code == "facts_missing"


def test_a_world_without_a_policy_permits_nothing(tmp_path: Path) -> None:
    """Before anything is published, every question is answered with no."""
    with create(tmp_path / "house", clock=TestClock(TODAY)) as house:
        assert ask.may(house, "0" * 32, "newsletter").reason.code == "unknown_purpose"
        with pytest.raises(Denied):
            house.declare("newsletter")


def test_the_shop_is_sound(shop: House) -> None:
    """The house that these tests start from checks."""
    assert shop.check() == []
