"""By what right, on that day? Two answers where they differ: by what was known then, and by what was true then."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pacte.app.ask import explain, may, replay
from pacte.app.exhibit import exhibit
from pacte.app.prove import prove, uses_on
from pacte.kernel.errors import NotFound
from pacte.kernel.instant import DAY, Instant
from pacte.testing.world import World, world
from pacte.verifier import verify_bytes


@pytest.fixture
def home(tmp_path: Path, records: Callable[[], str]) -> World:
    """A house of some months of age."""
    found = world(tmp_path / "house", database=records())
    found.clock.forward(200)
    return found


def test_a_late_paper_divides_the_answers(home: World) -> None:
    """A withdrawal on paper, known weeks later: the uses in between were right by what was known only."""
    person, other = home.person(), home.person()
    for one in (person, other):
        home.said(one, "given", channel="email")
    start = home.clock()
    uses = []
    for _ in range(4):
        home.clock.forward(10)
        uses.append(home.house.declare("newsletter", channel="email"))
    home.clock.forward(10)
    signed = Instant(start + 15 * DAY)
    learned = home.said(person, "withdrawn", effective=signed, grade="paper", method="paper")

    day = Instant(start + 22 * DAY)
    answers = explain(home.house, person, "newsletter", at=day, channel="email")
    assert answers.differ
    assert answers.by_known.permitted
    assert answers.by_known.reason.code == "permitted"
    assert (answers.by_true.permitted, answers.by_true.reason.code) == (False, "withdrawn")
    assert answers.by_true.cited is not None
    assert answers.by_true.cited.entry == learned
    assert answers.between == tuple((use.index, use.id) for use in uses[2:])

    before = explain(home.house, person, "newsletter", at=Instant(start + 12 * DAY), channel="email")
    assert not before.differ
    assert before.between == ()
    untouched = explain(home.house, other, "newsletter", at=day, channel="email")
    assert (untouched.differ, untouched.by_known.permitted) == (False, True)

    for use, differs in zip(uses, (False, True, True, True), strict=True):
        again = replay(home.house, use.id, person)
        assert (again.recorded, again.matches, again.answers.differ) == (True, True, differs)
    assert [index for index, _ in replay(home.house, uses[1].id, person).answers.between] == [u.index for u in uses[1:]]
    assert not may(home.house, person, "newsletter", channel="email").permitted
    assert home.house.check() == []


def test_a_consent_found_later_divides_the_answers_the_other_way(home: World) -> None:
    """A signed card found in a drawer: left out by what was known, permitted by what was true; no use was wrong."""
    person = home.person()
    home.clock.forward(20)
    day = home.clock()
    use = home.house.declare("newsletter", channel="email")
    home.clock.forward(5)
    home.said(person, "given", channel="email", effective=Instant(day - 10 * DAY))
    answers = explain(home.house, person, "newsletter", at=day, channel="email")
    assert (answers.by_known.reason.code, answers.by_true.permitted) == ("never_asked", True)
    assert answers.between == ()
    again = replay(home.house, use.id, person)
    assert (again.recorded, again.matches, again.answers.differ) == (False, True, True)
    assert home.house.check() == []


def test_facts_learnt_later_divide_the_answers(home: World) -> None:
    """Somebody turns out to have been a minor: the two answers say which was known and which was so."""
    person = home.person()
    home.said(person, "given", channel="email")
    home.clock.forward(10)
    use = home.house.declare("newsletter", channel="email")
    home.clock.forward(30)
    birthday = Instant(home.clock() + 6 * 365 * DAY)
    home.fact(person, effective=Instant(home.clock() - 35 * DAY), place="FR", capacity="consumer", age="minor",
              minor_until=birthday)  # fmt: skip
    again = replay(home.house, use.id, person)
    assert again.answers.by_known.permitted
    assert again.answers.by_true.reason.code == "under_age_no_guardian"
    assert again.answers.between == ((use.index, use.id),)
    assert home.house.check() == []


def test_what_the_policy_became_later_changes_neither_answer(home: World) -> None:
    """A policy published since decides nothing about the day of the question."""
    person = home.person()
    home.said(person, "given", channel="email")
    home.clock.forward(1)
    use = home.house.declare("newsletter", channel="email")
    file = home.house.path / "policy.yaml"
    file.write_text(file.read_text().replace("minimum_grade: form ", "minimum_grade: double_opt_in "))
    home.clock.forward(1)
    assert home.house.publish().changed
    again = replay(home.house, use.id, person)
    assert (again.matches, again.answers.differ, again.answers.by_true.permitted) == (True, False, True)
    assert may(home.house, person, "newsletter", channel="email").reason.code == "proof_too_weak"


def test_proof_and_exhibit_give_both_answers(home: World) -> None:
    """The proof file and the page for the judge hold both answers, and the entry that divides them."""
    person = home.person()
    home.said(person, "given", channel="email")
    home.clock.forward(10)
    day = Instant(home.clock() // DAY * DAY)
    use = home.house.declare("newsletter", channel="email")
    home.clock.forward(10)
    learned = home.said(person, "withdrawn", effective=Instant(use.permits.record.question.as_of - 2 * DAY))
    assert [found for _, found, _ in uses_on(home.house, person, "newsletter", day, Instant(day + DAY))] == [use.id]
    with pytest.raises(NotFound):
        uses_on(home.house, person, "newsletter", Instant(day + DAY), Instant(day + 2 * DAY))
    proof = prove(home.house, person, use.id)
    document = json.loads(proof.data)
    assert [(a["answer"], a["permitted"], a["reason"]) for a in document["answers"]] == [
        ("by_known", 1, "permitted"),
        ("by_true", 0, "withdrawn"),
    ]
    assert learned in [item["index"] for item in document["entries"]]
    assert verify_bytes(proof.data).ok
    for lang, words in (("en", "withdr"), ("fr", "retir")):
        page = exhibit(home.house, proof, lang)
        assert words in page
        assert person in page
    assert home.house.check() == []
