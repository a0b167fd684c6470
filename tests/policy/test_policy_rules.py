"""The decision for one person: which reason, in which order, and no for whatever is unknown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacte.kernel.instant import DAY, Instant, add_years, parse_instant
from pacte.policy.compile import compile_policy
from pacte.policy.conditions import Compare, Every, from_json, to_json
from pacte.policy.document import load_policy, load_policy_text
from pacte.policy.rules import Facts, decide, holds
from pacte.policy.table import RuleTable
from pacte.policy.vocabulary import BASES, FACTS, REASONS, RuleError

TEMPLATES = Path(__file__).parents[2] / "src" / "pacte" / "policy" / "templates" / "shop"
TABLE = compile_policy(load_policy(TEMPLATES / "policy.yaml")).table
NEWSLETTER = TABLE.purposes["newsletter"]
T = parse_instant("2026-11-21")

WILLING: Facts = {
    "person.known": 1,
    "person.place": "FR",
    "person.capacity": "consumer",
    "person.age": "adult",
    "contract.since": T - 100 * DAY,
    "choice.status": "given",
    "choice.since": T - 100 * DAY,
    "choice.expires": T + 100 * DAY,
    "choice.grade": 4,
    "choice.signal": "",
    "guardian.status": "none",
    "hold.status": "none",
    "told.requested": 1,
    "told.objection": 1,
    "use.stopped": 0,
    "use.in_force": 1,
}
CHILD = {"person.age": "minor", "person.minor_until": add_years(T, 6)}
PARENT = {"guardian.status": "given", "guardian.grade": 3, "guardian.expires": T + DAY}


def reason(purpose: str, changed: Facts, table: RuleTable = TABLE, t: Instant = T) -> str:
    """The reason for a person who agrees to everything, except for the changed facts."""
    return decide(table.purposes.get(purpose), {**WILLING, **changed}, t).reason


@pytest.mark.parametrize("purpose", ["newsletter", "order_service", "invoices", "similar_offers", "statistics"])
def test_a_willing_and_informed_adult_customer_is_permitted(purpose: str) -> None:
    """Nothing in the way: permitted, with nothing needed."""
    outcome = decide(TABLE.purposes[purpose], WILLING, T)
    assert (outcome.effect, outcome.reason, outcome.requirement, outcome.needed) == ("permit", "permitted", None, ())


# In the order in which the reasons must come: each line adds one obstacle in front of those before it.
OBSTACLES: list[tuple[str, Facts]] = [
    ("under_age_no_guardian", CHILD),
    ("proof_too_weak", {"choice.grade": 2}),
    ("expired", {"choice.expires": T}),
    ("never_asked", {"choice.status": "none"}),
    ("withdrawn", {"choice.status": "withdrawn"}),
    ("refused", {"choice.status": "refused"}),
    ("objected", {"choice.status": "objected"}),
    ("opt_out_signal", {"choice.status": "objected", "choice.signal": "gpc"}),
    ("not_informed", {"told.requested": 0}),
    ("wrong_capacity", {"person.capacity": "professional"}),
    ("deceased", {"person.capacity": "deceased"}),
    ("restricted", {"hold.status": "restricted"}),
    ("erasing", {"hold.status": "erasing"}),
    ("erased", {"hold.status": "erased"}),
    ("facts_missing", {"hold.status": None}),
    ("unknown_person", {"person.known": 0}),
    ("unknown_purpose", {"use.in_force": 0}),
    ("stopped", {"use.stopped": 1}),
]


def test_reasons_for_consent_come_in_their_order() -> None:
    """What protects everybody comes before what the person chose, and that before proof and age."""
    facts: dict[str, str | int | None] = {}
    for expected, obstacle in OBSTACLES:
        facts.update(obstacle)
        assert reason("newsletter", facts) == expected


@pytest.mark.parametrize("name", sorted(FACTS))
def test_a_missing_or_absurd_fact_never_permits_what_was_denied(name: str) -> None:
    """Taking a fact away, or replacing it by something unheard of, gives no permission to anybody denied before."""
    unheard = "unheard of" if FACTS[name] is str else -(2**60)
    for purpose in TABLE.purposes:
        for code, obstacle in [*OBSTACLES, ("none", {"person.known": None, "hold.status": None})]:
            before = {**WILLING, **obstacle}
            if reason(purpose, obstacle) == "permitted" or name in obstacle:
                continue
            assert decide(TABLE.purposes[purpose], {**before, name: None}, T).effect == "deny", code
            assert decide(TABLE.purposes[purpose], {**before, name: unheard}, T).effect == "deny", code


def test_nothing_known_permits_nothing() -> None:
    """No facts at all: no purpose is permitted, the house's own neither."""
    assert {decide(rules, {}, T).effect for rules in TABLE.purposes.values()} == {"deny"}


def test_a_child_needs_its_own_agreement_and_the_parents() -> None:
    """Under 15 in France, both agree; the parent's alone or a weak one is not enough."""
    assert reason("newsletter", CHILD) == "under_age_no_guardian"
    assert reason("newsletter", {**CHILD, **PARENT}) == "permitted"
    assert reason("newsletter", {**CHILD, **PARENT, "choice.status": "none"}) == "never_asked"
    assert reason("newsletter", {**CHILD, **PARENT, "guardian.grade": 1}) == "under_age_no_guardian"
    assert reason("newsletter", {**CHILD, **PARENT, "guardian.expires": T}) == "under_age_no_guardian"
    assert reason("newsletter", {"person.age": None}) == "age_unknown"


def test_age_is_counted_on_the_birthday() -> None:
    """Fifteen on the day itself, not the day before."""
    born_15_years_ago = {"person.age": "minor", "person.minor_until": add_years(T, 3)}
    assert reason("newsletter", born_15_years_ago) == "permitted"
    assert reason("newsletter", {**born_15_years_ago, "person.minor_until": add_years(T, 3) + 1}) != "permitted"


def test_somebody_who_sells_to_adults_may_say_that_no_age_is_known() -> None:
    """`unknown: adult` lets an unknown age in, and still keeps known children out."""
    policy = (TEMPLATES / "policy.yaml").read_text(encoding="utf-8")
    policy = policy.replace("below: guardian}", "unknown: adult}").replace("offered_to: everyone", "offered_to: adults")
    table = compile_policy(load_policy_text(policy)).table
    assert reason("newsletter", {"person.age": None}, table) == "permitted"
    assert reason("newsletter", {**CHILD, **PARENT}, table) == "too_young"


def test_a_lifted_objection_is_no_consent() -> None:
    """It frees an interest; it agrees to nothing."""
    assert reason("newsletter", {"choice.status": "lifted"}) == "never_asked"
    assert reason("similar_offers", {"choice.status": "lifted"}) == "permitted"


@pytest.mark.parametrize("status", ["refused", "withdrawn", "objected"])
def test_a_refusal_is_not_got_round_by_calling_it_an_interest(status: str) -> None:
    """Legitimate interests yield to every no on the same purpose."""
    assert reason("similar_offers", {"choice.status": status}) == status


def test_legitimate_interests_need_no_yes() -> None:
    """Who was told and never answered is in; who was not told is not."""
    assert reason("similar_offers", {"choice.status": "none"}) == "permitted"
    assert reason("similar_offers", {"choice.status": "none", "told.requested": 0}) == "not_informed"


CHOSEN = ["newsletter", "similar_offers", "statistics"]


@pytest.mark.parametrize("no", ["refused", "withdrawn", "objected"])
@pytest.mark.parametrize("purpose", CHOSEN)
def test_a_guardians_no_denies_until_the_child_is_of_age(purpose: str, no: str) -> None:
    """Whatever the child says, and whether or not the purpose has an age rule; an unknown age is no proof of 18."""
    said = {"guardian.status": no, "guardian.grade": 4}
    nearly = {"person.age": "minor", "person.minor_until": T + 1}
    for child in (CHILD, nearly, {"person.age": None}):
        assert reason(purpose, {**said, **child}) == no
        assert reason(purpose, {**said, **child, "choice.status": "given"}) == no
    assert reason(purpose, {**said, "person.age": "minor", "person.minor_until": T}) == "permitted"
    assert reason(purpose, said) == "permitted"


@given(
    st.sampled_from(CHOSEN),
    st.sampled_from(["refused", "withdrawn", "objected", "perhaps", None]),
    st.fixed_dictionaries(
        {
            "person.age": st.sampled_from(["minor", "old", None]),
            "person.minor_until": st.integers(T + 1, T + 18 * 366 * DAY) | st.none(),
            "choice.status": st.sampled_from(["none", "given", "lifted"]),
        }
    ),
)
def test_no_minor_is_permitted_against_a_guardian(purpose: str, status: str | None, changed: Facts) -> None:
    """Neither a no nor a word that is no status lets anybody in who is not known to be 18."""
    assert reason(purpose, {**changed, "guardian.status": status}) != "permitted"


def test_a_guardians_no_stops_no_contract_and_no_duty() -> None:
    """The parcel and the invoice do not depend on choices."""
    said = {**CHILD, "guardian.status": "objected"}
    assert [reason(name, said) for name in ("order_service", "invoices")] == ["permitted", "permitted"]


def test_the_childs_own_no_is_told_first() -> None:
    """The reason that the person gave comes before the guardian's; the guardian's before a missing agreement."""
    assert reason("newsletter", {**CHILD, "guardian.status": "refused", "choice.status": "withdrawn"}) == "withdrawn"
    assert reason("newsletter", {**CHILD, "guardian.status": "refused", "choice.status": "none"}) == "refused"


def test_the_parcel_and_the_invoice_go_on_during_an_erasure() -> None:
    """A pending erasure stops marketing, not the service under contract and the legal duty."""
    erasing = {"hold.status": "erasing"}
    assert [reason(name, erasing) for name in ("order_service", "invoices")] == ["permitted", "permitted"]
    assert [reason(name, erasing) for name in ("newsletter", "statistics")] == ["erasing", "erasing"]


def test_restriction_leaves_the_legal_duty_only() -> None:
    """Restricted data serve no contract and no marketing."""
    restricted = {"hold.status": "restricted"}
    assert reason("invoices", restricted) == "permitted"
    assert reason("order_service", restricted) == "restricted"


def test_after_erasure_only_accounting_remains() -> None:
    """Erased: no purpose but the account of what was done."""
    erased = {"hold.status": "erased", "person.known": 0}
    permitted = [name for name in TABLE.purposes if reason(name, erased) == "permitted"]
    assert permitted == ["house:accountability"]


def test_a_contract_begins_and_ends() -> None:
    """Before it, none; from its end on, ended; without an end, it lasts."""
    assert reason("order_service", {"contract.since": None}) == "no_contract"
    assert reason("order_service", {"contract.since": T + 1}) == "no_contract"
    assert reason("order_service", {"contract.until": T}) == "contract_ended"
    assert reason("order_service", {"contract.until": T + 1}) == "permitted"


def test_vital_interests_do_not_wait_for_information() -> None:
    """Every other basis is denied to who was not told; saving a life is not."""
    policy = (TEMPLATES / "policy.yaml").read_text(encoding="utf-8")
    lines = "    basis: legal_obligation                # GDPR Art. 6(1)(c)"
    table = compile_policy(load_policy_text(policy.replace(lines, "    basis: vital_interests"))).table
    assert reason("invoices", {"told.requested": 0}, table) == "permitted"
    assert reason("invoices", {"told.requested": None, "hold.status": "restricted"}, table) == "permitted"
    assert reason("invoices", {"told.requested": 0}) == "not_informed"


def test_a_stop_halts_what_can_wait() -> None:
    """A stop never keeps the house from answering, erasing or restoring."""
    going = [name for name in TABLE.purposes if reason(name, {"use.stopped": 1}) == "permitted"]
    assert going == ["house:accountability", "house:rights", "house:erasure", "house:restore"]


def test_an_unknown_purpose_or_one_without_rules_is_denied() -> None:
    """No rule means no."""
    assert decide(None, WILLING, T).reason == "unknown_purpose"
    bare = replace(NEWSLETTER, requirements=())
    assert decide(bare, WILLING, T).reason == "unknown_purpose"


def test_an_error_inside_a_rule_denies() -> None:
    """A fact of the wrong type is an error of ours, and the answer is no."""
    assert reason("newsletter", {"choice.grade": "strong"}) == "rule_error"
    with pytest.raises(RuleError):
        holds(Compare("ge", "choice.grade", 2), {"choice.grade": "strong"}, T)


def test_all_failing_requirements_are_told() -> None:
    """`needed` names everything in the way, so that a funnel can say what proof would bring."""
    outcome = decide(NEWSLETTER, {**WILLING, "choice.grade": 0, "told.requested": 0}, T)
    assert outcome.needed == ("gdpr:informed", "gdpr:proof")
    assert outcome.requirement == "gdpr:informed"


@pytest.mark.parametrize(
    "wrong",
    [
        {"op": "not", "of": []},
        {"op": "all", "of": []},
        {"op": "in", "fact": "choice.status", "values": []},
        {"op": "eq", "fact": "choice.mood", "value": "good"},
        {"op": "eq", "fact": "choice.status", "value": 1},
        {"op": "eq", "fact": "choice.grade", "value": True},
        {"op": "lt", "fact": "choice.status", "value": "given"},
        {"op": "like", "fact": "choice.status", "value": "given"},
        {"op": "present", "fact": "choice.status", "more": 1},
        {"op": "after_now", "fact": "choice.status"},
        {"op": "age_at_least", "years": 99},
        {"op": "grade_at_least", "fact": "choice.grade", "grade": "certain"},
        {"op": "told", "categories": "some"},
        {},
        [],
        None,
        "all",
    ],
    ids=range(17),
)
def test_a_condition_outside_the_language_is_refused(wrong: object) -> None:
    """There is no `not`, no unknown fact, no empty group: such a rule cannot exist."""
    with pytest.raises(RuleError):
        from_json(wrong)


def test_a_rule_nested_without_end_is_refused() -> None:
    """Depth is bounded."""
    deep = to_json(Compare("eq", "person.known", 1))
    for _ in range(50):
        deep = {"op": "all", "of": [deep]}
    with pytest.raises(RuleError):
        from_json(deep)
    with pytest.raises(RuleError):
        Every(())


def test_every_basis_and_reason_is_a_known_word() -> None:
    """Rules speak the closed lists only."""
    for rules in TABLE.purposes.values():
        assert rules.basis in BASES
        assert {requirement.otherwise for requirement in rules.requirements} <= set(REASONS) - {"permitted"}
        ids = [requirement.id for requirement in rules.requirements]
        assert len(ids) == len(set(ids))
        assert all(
            requirement.article and requirement.source and requirement.since for requirement in rules.requirements
        )
        assert all(requirement.checked == 0 for requirement in rules.requirements)
