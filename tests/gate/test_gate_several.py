"""Some people are decided at once as each of them would be alone."""

from __future__ import annotations

import random

from pacte.gate import one, several
from pacte.gate.values import Question
from pacte.kernel.ids import new_subject_id
from pacte.kernel.instant import DAY, Instant
from tests.gate.conftest import Past
from tests.gate.test_gate_agreement import USES

UNDECLARED = [("pigeons", "", ""), ("newsletter", "post", ""), ("partner_offers", "email", "stranger")]


def test_some_people_are_decided_as_each_of_them_would_be(past: Past) -> None:
    """For any purpose, declared or not, instant and ledger size; strangers among them, and before any policy."""
    world, seen = past.world, set()
    strangers = [new_subject_id(), new_subject_id()]
    with world.house.reading() as conn:
        for chance in map(random.Random, range(30)):
            purpose, channel, recipient = chance.choice([*USES, *USES, *UNDECLARED])
            as_of = Instant(world.clock() - chance.randint(-30, 500) * DAY)
            known = chance.choice([0, chance.randint(70, world.size)])
            question = Question(purpose, as_of, known, (), channel, recipient)
            people = [*chance.sample(world.people, 12), *strangers]
            found = several.reasons(conn, world.house.lake, people, question)
            assert found == {person: one.may(conn, person, question).reason.code for person in people}
            seen |= set(found.values())
    assert seen >= {"permitted", "unknown_person", "unknown_purpose", "undeclared_field"}
    assert len(seen) > 8
