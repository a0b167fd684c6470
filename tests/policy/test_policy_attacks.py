"""Ways round the law that once worked: each is a policy that somebody could write, and what the gate makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pacte.kernel.errors import PolicyError
from pacte.policy.compile import compile_policy
from pacte.policy.document import load_policy
from pacte.policy.packs import packs_of
from pacte.testing.scenarios import Scenario, run
from tests.policy.strategies import TEMPLATES

YES: list[dict[str, Any]] = [{"act": "given", "on": "2026-01-05"}]
INTEREST = {"basis": "legitimate_interests", "balancing": {"reference": "LIA-1", "on": "2024-01-12"}}
FRENCH = {"laws": ["gdpr", "fr"], "established": "FR", "offered_to": "adults"}
OWN = """\
pack: {name}
form: 1
title: {{en: Ours, fr: Le nôtre}}
sources: {{own: Ourselves}}
rules:
  - id: given
    says: {{en: Nothing is asked., fr: Rien n'est demandé.}}
    article: art. 1
    source: own
    since: 2018-05-25
    checked: yes
    require: {{person.known: yes}}
    otherwise: never_asked
"""


def answer(tmp_path: Path, **written: Any) -> str:
    """What the gate answers in a scenario: a customer of the shop who said nothing, unless it says otherwise."""
    usual: dict[str, Any] = {
        "scenario": "An attack",
        "policy": FRENCH,
        "person": {"lives": "FR", "capacity": "consumer", "age": "adult"},
        "asked": {"on": "2026-11-22"},
        "answer": "permitted",
        "rule": "none",
        "article": "none",
    }
    (outcome,) = run([(Scenario.model_validate({**usual, **written}), 1)], tmp_path)
    assert outcome.one.reason.code == outcome.many
    return outcome.many


def test_marketing_without_a_channel_is_marketing_by_any(tmp_path: Path) -> None:
    """Leaving `channels` out does not leave the rules on e-mail out."""
    told = {"says": ["objection"]}
    assert answer(tmp_path, purpose={**INTEREST, "kind": "direct_marketing"}, notice=told) == "never_asked"


def test_a_banned_trade_stays_banned_without_a_channel(tmp_path: Path) -> None:
    """Home energy works, with a yes, and no channel declared."""
    purpose = {"basis": "consent", "kind": "direct_marketing", "sector": "home_energy_works"}
    assert answer(tmp_path, purpose=purpose, said=YES) == "banned"


@pytest.mark.parametrize("kind", ["direct_marketing", "measurement"])
def test_a_disclosure_by_another_name_is_a_sale(tmp_path: Path, kind: str) -> None:
    """An advertising network that decides for itself receives the data: the opt-out of sales counts."""
    code = answer(
        tmp_path,
        policy={"laws": ["us-ca"], "offered_to": "adults"},
        purpose={**INTEREST, "kind": kind, "channels": ["web"]},
        recipients={"adnet": {"role": "controller", "place": "US", "safeguard": "contract"}},
        notice={"says": ["sale"]},
        person={"lives": "US-CA", "capacity": "consumer", "age": "adult"},
        said=[{"act": "objected", "on": "2026-01-05", "about": "all:sale", "signal": "gpc", "method": "signal"}],
        asked={"on": "2026-11-22", "channel": "web"},
    )
    assert code in ("sale_refused", "opt_out_signal")


def test_a_safeguard_that_ended_covers_nobody_under_any_law(tmp_path: Path) -> None:
    """Not only where the GDPR asks: the policy itself said until when."""
    gone = {"under": "other", "reference": "An agreement", "until": "2025-01-01", "assessed": "2024-01-01"}
    code = answer(
        tmp_path,
        policy={"laws": ["ca-qc"], "offered_to": "adults"},
        purpose={"basis": "contract", "kind": "service"},
        recipients={"carrier": {"place": "CH", "safeguard": gone, "contract": "DPA-1"}},
        person={"lives": "CA-QC", "capacity": "consumer", "age": "adult", "contract": "2025-06-01"},
    )
    assert code == "no_safeguard"


@pytest.mark.parametrize("kind", ["direct_marketing", "profiling", "sharing", "model_training", "inference"])
def test_a_claimed_word_opens_no_special_values_to_marketing(kind: str) -> None:
    """What values reveal stays hidden from purposes that ask people for something else than their care."""
    document = load_policy(TEMPLATES / "shop" / "policy.yaml")
    purpose = document.purposes["similar_offers"].model_copy(
        update={"kind": kind, "exceptions": {"health_care": "we care"}}
    )
    changed = document.model_copy(update={"purposes": {**document.purposes, "similar_offers": purpose}})
    assert not compile_policy(changed).table.purposes["similar_offers"].art9


@pytest.mark.parametrize("name", ["gdpr", "fr", "house"])
def test_a_pack_of_ones_own_takes_no_law_s_name(tmp_path: Path, name: str) -> None:
    """Otherwise decisions would cite a law that was never applied."""
    text = (TEMPLATES / "shop" / "policy.yaml").read_text(encoding="utf-8")
    (tmp_path / "own.yaml").write_text(OWN.format(name=name), encoding="utf-8")
    (tmp_path / "policy.yaml").write_text(text.replace("laws: [", "laws: [own.yaml, ", 1), encoding="utf-8")
    with pytest.raises(PolicyError) as refused:
        compile_policy(load_policy(tmp_path / "policy.yaml"))
    assert refused.value.problems == [f"own.yaml:1: another pack is called `{name}`; give this one a name of its own"]


def test_two_packs_of_one_s_own_have_two_names(tmp_path: Path) -> None:
    """A rule is known by its pack's name and its own: two of one name would be told apart by nobody."""
    text = (TEMPLATES / "shop" / "policy.yaml").read_text(encoding="utf-8")
    for file in ("one.yaml", "two.yaml"):
        (tmp_path / file).write_text(OWN.format(name="ours"), encoding="utf-8")
    (tmp_path / "policy.yaml").write_text(text.replace("laws: [", "laws: [one.yaml, two.yaml, ", 1), encoding="utf-8")
    with pytest.raises(PolicyError, match=r"two\.yaml:1: another pack is called `ours`"):
        packs_of(load_policy(tmp_path / "policy.yaml"))
