"""A use is decided before it takes the lock, and recorded only if what was said meanwhile changes nothing for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pacte.app.stop import stop
from pacte.gate.proposal import Proposal, propose, stands
from pacte.gate.values import Question
from pacte.kernel.instant import DAY
from pacte.ledger import log
from pacte.testing.world import World, world


@pytest.fixture
def home(tmp_path: Path) -> World:
    """Five people who agreed to the newsletter, and one who did not."""
    home = world(tmp_path / "house")
    for _ in range(5):
        home.said(home.person(), "given", channel="email")
    home.said(home.person(), "refused", channel="email")
    home.clock.forward(1)
    return home


def _proposed(home: World) -> Proposal:
    with home.house.reading() as conn:
        question = Question("newsletter", home.clock(), log.head(conn).size, (), "email")
        return propose(conn, home.house.lake, question)


def _stands(home: World, proposal: Proposal) -> bool:
    with home.house.writing() as conn:
        return stands(conn, proposal, home.house.act(conn, "test").present)


def test_a_proposal_stands_as_long_as_nothing_is_said(home: World) -> None:
    """Uses, looks and time that turns no rule leave a proposal as it is."""
    proposal = _proposed(home)
    home.house.declare("statistics")
    home.clock.forward(1)
    assert _stands(home, proposal)
    assert len(proposal.verdicts.permitted) == 5


def test_nobody_slips_a_withdrawal_between_the_decision_and_its_record(home: World) -> None:
    """Whoever is permitted by the proposal and refused now makes it fall, though it was right when it was made."""
    proposal = _proposed(home)
    home.clock.forward(0.001)
    home.said(home.people[0], "withdrawn", channel="email")
    assert not _stands(home, proposal)
    assert len(home.house.declare("newsletter", channel="email").permits) == 4


def test_what_others_say_lets_it_stand(home: World) -> None:
    """A yes of somebody who is not in the set, or a second one of somebody who is, takes nobody out."""
    proposal = _proposed(home)
    home.said(home.people[5], "given", channel="email")
    home.said(home.people[0], "given", channel="email")
    home.said(home.person(), "given", channel="email")
    assert _stands(home, proposal)


def test_a_stop_between_makes_it_fall(home: World) -> None:
    """A stop has effect at once, also on what is being decided."""
    proposal = _proposed(home)
    stop(home.house, "newsletter", "test")
    assert not _stands(home, proposal)


def test_a_rule_that_turns_between_makes_it_fall(home: World) -> None:
    """A law that begins between decision and record is not passed by."""
    proposal = _proposed(home)
    rules = proposal.table.purposes["newsletter"]
    later = replace(rules.requirements[-1], starts=home.clock() + DAY)
    table = replace(proposal.table, purposes={"newsletter": replace(rules, requirements=(later,))})
    assert _stands(home, replace(proposal, table=table))
    home.clock.forward(1)
    assert not _stands(home, replace(proposal, table=table))


def test_a_use_says_when_and_by_what_it_was_decided(home: World) -> None:
    """What is recorded is the question that was answered, and the permit counts from then."""
    home.clock.forward(1)
    use = home.house.declare("newsletter", channel="email")
    assert use.permits.record.question.as_of == home.clock()
    assert use.permits.record.question.known == use.index
    assert use.permits.issued == home.clock()
    assert use.permits.expires <= home.clock() + DAY
    assert home.house.check() == []
