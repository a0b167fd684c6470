"""The two readers of the rules agree, and what was decided can be decided again."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pacte.gate import one, population, replay
from pacte.gate import rules as stored
from pacte.gate.questions import complete
from pacte.gate.use import was_in
from pacte.gate.values import Question
from pacte.kernel.instant import DAY, Instant
from pacte.lake import numbers
from pacte.ledger import queries

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
            from dataclasses import replace

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
