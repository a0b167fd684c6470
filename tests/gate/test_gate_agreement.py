"""The two readers of the rules agree, and what was decided can be decided again."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pacte.consent import snapshot
from pacte.gate import one, population, replay
from pacte.gate import rules as stored
from pacte.gate.questions import complete
from pacte.gate.use import was_in
from pacte.gate.values import Question
from pacte.kernel import db
from pacte.kernel.instant import DAY, Instant
from pacte.lake import numbers, segments
from pacte.ledger import queries
from pacte.policy.conditions import Absent, AgeAtLeast, Any, Compare, Condition, OneOf, facts_in
from pacte.policy.table import Requirement, RuleTable
from pacte.policy.vocabulary import FACTS, METHODS_OF_PARENTS
from pacte.testing.world import notices

USES = [
    ("newsletter", "email", ""),
    ("newsletter", "sms", ""),
    ("similar_offers", "email", ""),
    ("statistics", "", ""),
    ("order_service", "", ""),
    ("invoices", "", ""),
    ("partner_offers", "email", "cookery_school"),
    ("partner_offers", "email", "sugar_shack"),
]


READING: dict[str, Condition] = {
    "sale_refused": Compare("ne", "sale.status", "objected"),
    "opt_out_signal": Compare("ne", "sale.signal", "gpc"),
    "sensitive_limited": OneOf("sensitive.status", ("none", "given", "lifted")),
    "automation_refused": OneOf("automated.status", ("none", "overruled", "withdrawn", "objected")),
    "banned": Compare("eq", "directive.status", "none"),
    "expired": Compare("ne", "choice.status", "overruled"),
    "restricted": Any((Compare("ne", "hold.status", "restricted"), Compare("eq", "choice.after_hold", 1))),
    "not_informed": Any((Compare("eq", "told.sale", 1), Compare("eq", "told.transfer", 1))),
    "told_too_little": Any((Compare("eq", "told.objection", 1), Compare("eq", "told.limit", 0))),
    "no_ground": Any((Compare("eq", "told.technology", 1), Compare("eq", "told.automated_decision", 1))),
    "not_separate": Compare("eq", "told.financial_incentive", 1),
    "authorisation_incomplete": Any((Absent("choice.notice"), Compare("eq", "choice.notice", notices()["web-2024"]))),
    "proof_too_weak": Any((Absent("guardian.notice"), Compare("eq", "guardian.notice", notices()["web-2022"]))),
    "guardian_unverified": Any((Absent("guardian.method"), OneOf("guardian.method", METHODS_OF_PARENTS))),
    "not_activated": Any((Absent("choice.method"), Compare("ne", "choice.method", "signal"))),
    "wrong_capacity": Compare("ne", "use.channel", "sms"),
    "no_safeguard": OneOf("use.recipient", ("", "sugar_shack")),
    "age_unknown": AgeAtLeast(13),
    "under_age_no_guardian": AgeAtLeast(15),
}
"""A rule for each of the facts that the shop's own policy does not read, by the reason that it gives."""

UNREAD = {"choice.signal", "choice.since", "guardian.since", "contract.since", "contract.until"}
"""Facts that a policy's own rules may read or not; `test_consent_state` binds them."""

SAYS = {
    "web-2022": {"newsletter": ("objection", "sale"), "statistics": ("limit",)},
    "web-2024": {"newsletter": ("transfer", "limit"), "partner_offers": ("sale", "financial_incentive")},
    "web-2024-en": {"statistics": ("technology", "objection", "transfer"), "invoices": ("sale",)},
    "paper-2023": {"newsletter": ("automated_decision", "financial_incentive"), "similar_offers": ("objection",)},
}


def _reading(table: RuleTable, purpose: str, reasons: list[str]) -> RuleTable:
    """The table with notices that say more than their data, and these rules before most of the purpose."""
    said = {notices()[name]: words for name, words in SAYS.items()}
    told = {digest: replace(notice, says=said.get(digest, {})) for digest, notice in table.notices.items()}
    extra = [Requirement(f"test:{reason}", READING[reason], reason, "", "", "", "test") for reason in reasons]
    rules = table.purposes[purpose]
    known = 1 + [requirement.otherwise for requirement in rules.requirements].index("unknown_person")
    asked = replace(rules, requirements=(*rules.requirements[:known], *extra, *rules.requirements[known:]))
    return replace(table, notices=told, purposes={**table.purposes, purpose: asked})


def test_every_fact_is_read_by_some_rule_of_these_tests(past):
    """What no rule reads, no property binds."""
    with past.world.house.reading() as conn:
        found = stored.in_force(conn, past.world.clock(), past.world.size)
        assert found is not None
        rules = [rule.condition for one in stored.load(conn, found[1]).purposes.values() for rule in one.requirements]
    read = {fact for condition in [*rules, *READING.values()] for fact in facts_in(condition)}
    assert set(FACTS) - read <= UNREAD


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_set_is_decided_as_its_members_would_be_whatever_the_rules_read(past, data):
    """With any rules over choices of all kinds, notices' words, methods, holds and declared ages: one answer."""
    world = past.world
    purpose, channel, recipient = data.draw(st.sampled_from(USES))
    as_of = Instant(world.clock() - data.draw(st.integers(-30, 500)) * DAY)
    known = data.draw(st.integers(70, world.size))
    chance = random.Random(data.draw(st.integers(0, 2**32)))
    reasons = chance.sample(sorted(READING), chance.randint(1, 6))
    with world.house.reading() as conn:
        found = stored.in_force(conn, Instant(world.clock() + 600 * DAY), world.size)
        assert found is not None
        table = _reading(stored.load(conn, found[1]), purpose, reasons)
        question = complete(table, Question(purpose, as_of, known, (), channel, recipient))
        by_number = population.reasons(conn, world.house.lake, table, question)
        drawn, digest = numbers.numbers(conn, world.people), table.digest
        for subject in world.people:
            decision = one.may_under(conn, subject, question, table, digest)
            assert decision.reason.code == by_number.get(drawn[subject], "unknown_person")


def test_the_server_answers_as_a_columnar_copy_does(past):
    """On PostgreSQL a house with a columnar copy reads that, one without asks the server: one answer."""
    world = past.world
    if not db.is_postgres(world.house.engine):
        pytest.skip("no server decides")
    for chance in map(random.Random, range(20)):
        with db.write(world.house.engine) as conn:
            _asked_both_ways(world, conn, chance)
        with db.write(world.house.engine) as conn:
            segments.garbage(conn, world.house.lake)


def _asked_both_ways(world, conn, chance: random.Random) -> None:
    purpose, channel, recipient = chance.choice(USES)
    as_of, known = Instant(world.clock() - chance.randint(-30, 500) * DAY), chance.randint(70, world.size)
    found = stored.in_force(conn, Instant(world.clock() + 600 * DAY), world.size)
    assert found is not None
    table = _reading(stored.load(conn, found[1]), purpose, chance.sample(sorted(READING), 5))
    question = complete(table, Question(purpose, as_of, known, (), channel, recipient))
    asked = population.decide_set(conn, world.house.lake, table, question, proofs=True)
    each = population.reasons(conn, world.house.lake, table, question)
    snapshot.write(conn, world.house.lake)
    copied = population.decide_set(conn, world.house.lake, table, question, proofs=True)
    assert each == population.reasons(conn, world.house.lake, table, question)
    assert asked.permitted == copied.permitted
    assert asked.funnel == copied.funnel
    snapshot.drop(conn)


@pytest.mark.parametrize("reason", sorted(READING))
def test_each_of_these_rules_decides_somebody_each_way(past, reason):
    """A property over facts that are the same for everybody would bind nothing."""
    world, seen = past.world, set()
    with world.house.reading() as conn:
        found = stored.in_force(conn, world.clock(), world.size)
        assert found is not None
        for purpose, channel, recipient in USES:
            table = _reading(stored.load(conn, found[1]), purpose, [reason])
            table = replace(table, purposes={purpose: _alone(table, purpose)})
            question = complete(table, Question(purpose, world.clock(), world.size, (), channel, recipient))
            seen |= set(population.reasons(conn, world.house.lake, table, question).values())
    assert seen == {reason, "permitted"}


def _alone(table: RuleTable, purpose: str):
    rules = table.purposes[purpose]
    return replace(rules, requirements=tuple(one for one in rules.requirements if one.pack == "test"))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_set_is_decided_as_its_members_would_be(past, data):
    """For any purpose, instant and ledger size, every person gets the same reason from both readers."""
    world = past.world
    purpose, channel, recipient = data.draw(st.sampled_from(USES))
    as_of = Instant(world.clock() - data.draw(st.integers(-30, 500)) * DAY)
    known = data.draw(st.integers(70, world.size))
    with world.house.reading() as conn:
        found = stored.in_force(conn, Instant(world.clock() + 600 * DAY), world.size)
        assert found is not None
        table = stored.load(conn, found[1])
        fields = data.draw(st.lists(st.sampled_from(table.purposes[purpose].fields), unique=True))
        question = complete(table, Question(purpose, as_of, known, tuple(sorted(fields)), channel, recipient))
        by_number = population.reasons(conn, world.house.lake, table, question)
        drawn = numbers.numbers(conn, world.people)
        for subject in world.people:
            decision = one.may(conn, subject, question, found[1])
            expected = by_number.get(drawn[subject], "unknown_person")
            assert decision.reason.code == expected
            assert decision.permitted == (expected == "permitted")


def test_the_past_holds_enough_to_mean_something(past):
    """The house that the properties run on has permitted people and a dozen different refusals."""
    seen = {decision.reason.code for answers in past.answers for decision in answers.values()}
    assert "permitted" in seen
    assert len(seen) >= 10, seen


def test_replay_is_the_decision_of_that_day(past):
    """After later withdrawals, late papers, policy changes and stops, every use is decided again as it was."""
    with past.world.house.reading() as conn:
        for use, answers in zip(past.uses, past.answers, strict=True):
            for subject, then in answers.items():
                again = replay.replay(conn, use.permits.record.use, subject)
                assert again.matches
                assert again.recorded == then.permitted
                assert again.answers.by_known.reason == then.reason
                assert again.answers.by_known.fields == then.fields


def test_a_tighter_requirement_never_permits_more(past):
    """Adding any requirement to a purpose permits a subset of who was permitted before."""
    rng = random.Random(3)
    world = past.world
    with world.house.reading() as conn:
        found = stored.in_force(conn, world.clock(), world.size)
        assert found is not None
        table = stored.load(conn, found[1])
        for purpose, channel, recipient in USES:
            rules = table.purposes[purpose]
            question = complete(table, Question(purpose, world.clock(), world.size, (), channel, recipient))
            everybody = population.reasons(conn, world.house.lake, table, question)
            donor = table.purposes["newsletter"].requirements
            extra = rng.choice(donor)
            tighter = replace(
                table, purposes={**table.purposes, purpose: replace(rules, requirements=(*rules.requirements, extra))}
            )
            fewer = population.reasons(conn, world.house.lake, tighter, question)
            permitted = {no for no, reason in fewer.items() if reason == "permitted"}
            assert permitted <= {no for no, reason in everybody.items() if reason == "permitted"}


@pytest.mark.parametrize("which", range(3))
def test_membership_is_recorded_for_exactly_the_permitted(past, which):
    """The recorded set holds everybody who was permitted and nobody else."""
    use, answers = past.uses[which], past.answers[which]
    with past.world.house.reading() as conn:
        for subject, decision in answers.items():
            _, entry = queries.use(conn, use.permits.record.use)
            assert was_in(conn, entry, subject) == decision.permitted
    assert len(use.permits) == sum(decision.permitted for decision in answers.values())


def test_the_house_is_sound(past):
    """Ledger, tree, anchors, states and segments agree after all that."""
    assert past.world.house.check() == []
