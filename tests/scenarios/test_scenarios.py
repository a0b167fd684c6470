"""Every pack answers the cases worked out from its law, through the real gate; every rule decides one each way."""

from __future__ import annotations

from pathlib import Path

import pytest

from pacte.policy.packs import BUILT_IN, HOUSE, built_in
from pacte.testing.scenarios import Outcome, coverage, read_scenarios, run

HERE = Path(__file__).parent
FILES = sorted(path.stem for path in HERE.glob("*.yaml"))
FEWEST = 200

GUARDS = frozenset(
    f"house:{name}" for name in ("in_force", "known", "told_known", "choice_known", "guardian_known", "hold_known")
)
"""Rules that answer for facts which the gate itself always supplies: `tests/policy` damages the facts to see them."""
ONCE = "house:once_known"
"""Asks nothing of a person that is known, and the gate answers for one that is not before any rule is asked."""


@pytest.fixture(scope="module", params=FILES)
def outcomes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Outcome]:
    """The scenarios of one pack, run."""
    path = HERE / f"{request.param}.yaml"
    return run(read_scenarios(path), tmp_path_factory.mktemp(request.param))


def test_the_gate_answers_every_scenario(outcomes: list[Outcome]) -> None:
    """The answer, the rule and the article are those that the texts give, by both readers of the rules."""
    wrong = [f"line {one.line}: {one.scenario.scenario}: {one.wrong()}" for one in outcomes if one.wrong()]
    assert wrong == []


def test_every_rule_decides_each_way(outcomes: list[Outcome], request: pytest.FixtureRequest) -> None:
    """Each rule of the pack refuses somebody, and applies to somebody who is permitted."""
    pack = built_in(request.node.callspec.params["outcomes"])
    rules = {f"{pack.id}:{rule.id}" for rule in pack.file.rules}
    refused, permitted = coverage(outcomes)
    assert sorted(rules - refused - GUARDS - {ONCE}) == []
    assert sorted(rules - permitted - GUARDS) == []


def test_there_is_a_file_for_every_pack() -> None:
    """Each law that comes with pacte, and the house's own rules."""
    assert set(FILES) == {*BUILT_IN, HOUSE}


def test_the_scenarios_are_many() -> None:
    """A table worth reading."""
    assert sum(len(read_scenarios(HERE / f"{name}.yaml")) for name in FILES) >= FEWEST
