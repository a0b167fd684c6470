"""Publishing: who may, with whose advice, from which day."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest

from pacte import verifier
from pacte.app.ask import may
from pacte.app.choose import published
from pacte.app.house import POLICY
from pacte.app.publish import Advice, publish, read_advice
from pacte.app.uses import declare
from pacte.gate import rules as stored
from pacte.gate.replay import replay
from pacte.kernel import db
from pacte.kernel.errors import BadInput, Denied, PolicyError
from pacte.kernel.ids import UseId
from pacte.kernel.instant import DAY, SECOND, Instant
from pacte.ledger import log
from pacte.policy.lint import lint
from pacte.testing.world import World, world

TEXT = "Favourable, provided that the retention of statistics is reviewed in a year.\n"


@pytest.fixture
def home(tmp_path: Path) -> World:
    """A small house under the shop's policy."""
    return world(tmp_path / "house")


def change(home: World, old: str = "minimum_grade: form", new: str = "minimum_grade: double_opt_in") -> None:
    """Edit the policy of the house, and publish nothing."""
    file = home.house.path / POLICY
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def entry(home: World, index: int) -> dict[str, Any]:
    """An entry of the house's ledger."""
    with home.house.reading() as conn:
        return dict(log.entry(conn, index) or {})


def test_advice_is_recorded_with_the_policy(home: World) -> None:
    """The word, who gave it and the digest of the text stand in the entry; the text is kept, and whole."""
    change(home)
    done = publish(home.house, "owner", Advice("reserved", "dpo:2", TEXT))
    said = entry(home, done.index)
    digest = hashlib.sha256(TEXT.encode()).hexdigest()
    assert (said["advice"], said["advised_by"], said["advice_text"], said["by"]) == (
        "reserved",
        "dpo:2",
        digest,
        "owner",
    )
    with home.house.reading() as conn:
        assert stored.advice_text(conn, digest) == TEXT
    assert home.house.check() == []


def test_without_advice_that_is_what_is_recorded(home: World) -> None:
    """Nobody can later take silence for a yes of the officer's."""
    change(home)
    said = entry(home, publish(home.house, "owner").index)
    assert said["advice"] == "not_sought"
    assert not {"advised_by", "advice_text"} & said.keys()


@pytest.mark.parametrize("officer", ["dpo", "dpo:2", "DPO", "Dpo:x", "dpo-2"])
def test_the_officer_does_not_publish(home: World, officer: str) -> None:
    """Who watches over purposes does not decide them (GDPR Art. 38(6))."""
    change(home)
    before = home.size
    with pytest.raises(BadInput, match=r"Art\. 38\(6\)"):
        publish(home.house, officer)
    assert home.size == before
    assert home.house.check() == []


def test_nobody_advises_themselves(home: World) -> None:
    """The adviser is another than the publisher, also where the entry is written past `publish`."""
    change(home)
    with pytest.raises(BadInput, match=r"Art\. 38\(6\)"):
        publish(home.house, "owner", Advice("favourable", "owner"))
    policy = {"kind": "policy", "policy": "a" * 64, "rules": "b" * 64, "decider": "x", "effective": 1, "by": "owner"}
    with pytest.raises(BadInput, match=r"Art\. 38\(6\)"):
        home.record({**policy, "role": "controller", "advice": "favourable", "advised_by": "owner"})
    with pytest.raises(BadInput, match="advised_by"):
        home.record({**policy, "role": "controller", "advice": "favourable"})


@pytest.mark.parametrize(
    "advice", [{"word": "yes"}, {"word": "not_sought", "by": "dpo"}, {"word": "not_sought", "text": "No."}]
)
def test_advice_without_a_word_of_the_list_is_refused(advice: dict[str, str]) -> None:
    """Advice is one of four words; a text or an adviser without one says nothing."""
    with pytest.raises(BadInput, match="favourable"):
        Advice(**advice)


def test_the_same_file_twice_changes_nothing_but_for_late_advice(home: World) -> None:
    """Advice that comes after publication is recorded with an entry of its own, once."""
    before = home.size
    assert not publish(home.house, "owner").changed
    assert home.size == before
    late = publish(home.house, "owner", Advice("unfavourable"))
    assert (late.changed, late.advice) == (True, "unfavourable")
    for again in (publish(home.house, "owner", Advice("unfavourable")), publish(home.house, "owner")):
        assert (again.changed, again.index, again.advice) == (False, late.index, "unfavourable")
    assert home.house.check() == []


def test_a_policy_of_tomorrow_binds_from_tomorrow(home: World) -> None:
    """Until its day the old one decides, for one person, for many and for what may be recorded; then the new one."""
    person = home.person()
    home.said(person, "given", channel="email")
    change(home)
    tomorrow = Instant(home.clock() + DAY)
    done = publish(home.house, "owner", effective=tomorrow)
    assert (done.changed, done.effective) == (True, tomorrow)
    assert may(home.house, person, "newsletter", channel="email").permitted
    with home.house.reading() as conn:
        assert published(conn, home.clock()).policy_digest != done.policy
    assert not publish(home.house, "owner", effective=tomorrow).changed
    home.clock.forward(1)
    assert may(home.house, person, "newsletter", channel="email").reason.code == "proof_too_weak"
    assert declare(home.house, "newsletter", channel="email").funnel.permitted == 0
    with home.house.reading() as conn:
        assert published(conn, home.clock()).policy_digest == done.policy
    assert home.house.check() == []


def test_a_policy_of_yesterday_is_refused(home: World) -> None:
    """What was done was done under the policy of its day."""
    change(home)
    with pytest.raises(BadInput, match="in the past"):
        publish(home.house, "owner", effective=Instant(home.clock() - DAY))


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"", "empty"), (b" \n", "empty"), (b"\xff\xfe", "UTF-8"), (b"x" * 1_000_000, "larger")],
)
def test_advice_that_is_no_text_is_refused(tmp_path: Path, content: bytes, problem: str) -> None:
    """An empty file, a word processor's, or one that is too large."""
    (tmp_path / "advice.md").write_bytes(content)
    with pytest.raises(BadInput, match=problem):
        read_advice(tmp_path / "advice.md")


def test_a_changed_text_of_advice_is_found(home: World) -> None:
    """The doctor holds the kept text against the digest in the ledger."""
    change(home)
    publish(home.house, "owner", Advice("reserved", text=TEXT))
    with db.write(home.house.engine) as conn:
        db.run(conn, "UPDATE gate_policy_text SET body = 'Favourable.' WHERE body = ?", (TEXT,))
    assert any("advice" in problem for problem in home.house.check())


@pytest.mark.parametrize(("lang", "words"), [("en", "favourable"), ("fr", "favorable")])
def test_the_verifier_says_what_was_advised(home: World, lang: str, words: str) -> None:
    """Whoever checks a proof reads the advice in their own language."""
    change(home)
    said = entry(home, publish(home.house, "owner", Advice("favourable")).index)
    shown = verifier._plainly(verifier._Words(lang), said, None, None, set())
    assert words in shown


def test_what_a_recorded_notice_says_cannot_be_changed(home: World) -> None:
    """What else a text says is recorded with it; all that was changed is named, with its line."""
    said = [one for index in range(home.size) if (one := entry(home, index))["kind"] == "notice" and "says" in one]
    assert said
    file = home.house.path / POLICY
    text = file.read_text(encoding="utf-8")
    lines = [place for place, line in enumerate(text.splitlines()) if re.match(r"      \w+: \[.*objection", line)]
    changed = text.splitlines()
    for place in lines:
        changed[place] = changed[place].replace("objection", "limit")
    assert lines
    file.write_text("\n".join(changed) + "\n", encoding="utf-8")
    size = home.size
    with pytest.raises(PolicyError, match="`says`") as refused:
        publish(home.house)
    assert home.size == size
    assert all(re.match(r"policy\.yaml:\d+: notice `", problem) for problem in refused.value.problems)


def test_a_purpose_can_end(home: World) -> None:
    """The notices still tell of it; people are denied, and a use of before is replayed as it was."""
    person = home.person()
    use = UseId(declare(home.house, "statistics").id)
    file = home.house.path / POLICY
    text = file.read_text(encoding="utf-8")
    file.write_text(re.sub(r"(?m)^  statistics:\n(    .*\n|\n(?=    ))*", "", text, count=1), encoding="utf-8")
    codes = {one.code for one in lint(home.house.policy())}
    assert "notice_tells_ended" in codes
    assert publish(home.house).changed
    assert may(home.house, person, "statistics").reason.code == "unknown_purpose"
    with pytest.raises(Denied, match="declares no such purpose"):
        declare(home.house, "statistics")
    with home.house.reading() as conn:
        assert replay(conn, use, person).matches
    assert home.house.check() == []


def test_what_is_published_last_calls_back_what_was_to_come(home: World) -> None:
    """A policy now, or the present one again, keeps the one of tomorrow from its day; a later one does not."""
    old = home.house.path / POLICY
    before = old.read_text(encoding="utf-8")
    change(home)
    tomorrow, later = Instant(home.clock() + DAY), Instant(home.clock() + 3 * DAY)
    first = publish(home.house, effective=tomorrow)
    assert first.called_back == ()
    old.write_text(before, encoding="utf-8")
    back = publish(home.house, effective=later)
    assert (back.changed, back.called_back) == (True, ())
    with home.house.reading() as conn:
        assert [row.entry for row in stored.scheduled(conn, home.clock())] == [first.index, back.index]
    known = home.size
    again = publish(home.house)
    assert again.changed
    assert [one.index for one in again.called_back] == [first.index, back.index]
    assert not publish(home.house).changed
    with home.house.reading() as conn:
        assert stored.in_force(conn, tomorrow, home.size) == (again.policy, again.rules)
        assert stored.in_force(conn, tomorrow, known) == (first.policy, first.rules)  # as it was known then
        assert stored.in_force(conn, later, known) == (back.policy, back.rules)
        assert stored.scheduled(conn, home.clock()) == []


def test_a_permit_ends_when_another_policy_takes_effect(home: World) -> None:
    """What it stands on ends then; its entry, and the publication's, say so."""
    home.person()
    change(home, "  role: controller                         #", "  behalf: Somebody\n  role: processor #")
    soon = Instant(home.clock() + 60 * SECOND)
    done = publish(home.house, effective=soon)
    assert entry(home, done.index)["role"] == "controller"
    used = declare(home.house, "statistics")
    assert entry(home, used.index)["expires"] == soon
