"""A preview: last month's uses under the policy of the file, counted as if it had been in force."""

from __future__ import annotations

from pathlib import Path

import pytest

from pacte.app.ask import permit
from pacte.app.house import POLICY
from pacte.app.preview import FEWEST, Change, Preview, preview, shown
from pacte.app.publish import publish
from pacte.app.uses import declare
from pacte.cli.preview import headline
from pacte.gate.permit import Permit
from pacte.kernel.errors import BadInput
from pacte.kernel.instant import DAY, Instant
from pacte.policy.compile import compile_policy
from pacte.policy.document import load_policy_text
from pacte.testing.world import World, notices, world

GRADES = ["double_opt_in"] * 20 + ["form"] * 20 + [None] * 4
"""What each of forty-four said of the newsletter by e-mail, and how well it is proved."""


@pytest.fixture
def home(tmp_path: Path) -> World:
    """Forty-four people, forty with a yes, half of them by double opt-in; two uses by e-mail, one by text message."""
    home = world(tmp_path / "house")
    for grade in GRADES:
        person = home.person()
        if grade:
            home.said(person, "given", channel="email", grade=grade)
    home.said(home.people[0], "given", channel="sms")
    for channel in ("email", "email", "sms"):
        home.clock.forward(1)
        declare(home.house, "newsletter", channel=channel)
    declare(home.house, "statistics")
    return home


def edited(home: World, *changes: tuple[str, str]) -> Preview:
    """The preview of the house's policy with these edits; nothing of it is written."""
    text = (home.house.path / POLICY).read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return preview(home.house, compile_policy(load_policy_text(text)))


def of(found: Preview, purpose: str = "newsletter") -> Change:
    """What changes for one purpose."""
    return next(change for change in found.changes if change.purpose == purpose)


def test_the_policy_in_force_changes_nothing(home: World) -> None:
    """Replayed under the rules that decided them, all uses are what they were, and purposes without a use are named."""
    found = preview(home.house)
    assert [(change.purpose, change.uses, change.before) for change in found.changes] == [
        ("newsletter", 3, 40),
        ("statistics", 1, 40),
    ]
    assert all(change.same and change.before == change.after for change in found.changes)
    assert (found.last, found.notices) == (None, ())
    levels = {"this_purchase", "my_history", "my_tastes"}
    assert set(found.unused) == levels | {"order_service", "invoices", "similar_offers", "partner_offers"}


def test_a_stricter_proof_asks_people_again(home: World) -> None:
    """People are counted once over both uses; those with a weaker proof drop out and would have to be asked."""
    change = of(edited(home, ("minimum_grade: form", "minimum_grade: double_opt_in")))
    assert (change.before, change.after, change.leave, change.join) == (40, 20, 20, None)
    assert (change.reasons, change.ask_again, change.tell_first) == ({"proof_too_weak": 20}, 20, None)


def test_a_looser_policy_lets_people_in(home: World) -> None:
    """Who comes in is counted apart from who drops out."""
    (home.house.path / POLICY).write_text(
        (home.house.path / POLICY).read_text().replace("minimum_grade: form", "minimum_grade: double_opt_in")
    )
    publish(home.house, "owner")
    home.clock.forward(40)
    declare(home.house, "newsletter", channel="email")
    change = of(edited(home, ("minimum_grade: double_opt_in", "minimum_grade: form")))
    assert (change.before, change.after, change.leave, change.join) == (20, 40, None, 20)
    assert not change.stopped


def test_what_is_no_more_told_must_be_told_first(home: World) -> None:
    """A category that no notice told of leaves nobody: the use stops, and its people must be told."""
    change = of(
        edited(
            home,
            (
                "    uses:\n      - customers.email\n",
                "    uses:\n      - customers.customer_id\n      - customers.email\n",
            ),
        )
    )
    assert (change.leave, change.stopped) == (None, ())  # the recorded uses did not ask for the new field
    told = of(edited(home, ("newsletter: [name, contact, location, purchase, purchase_habit]", "newsletter: [name]")))
    assert (told.leave, told.tell_first, told.ask_again) == (40, 40, None)
    assert {one.why for one in told.stopped} == {"too_few"}


def test_a_purpose_a_channel_a_field_that_go_stop_uses(home: World) -> None:
    """Which uses stop, and why; without one field the others still count, without its channel a use has nobody."""
    form = ("      newsletter: [email, sms]", "      newsletter: [email]")
    channel = of(edited(home, ("channels: [email, sms]                 # a", "channels: [email]  # a"), form))
    assert [one.why for one in channel.stopped] == ["undeclared_channel"]
    assert (channel.before, channel.after) == (40, 40)
    field = of(
        edited(
            home,
            (
                "      - customers.phone\n      - customers.first_name\n      - customers.city\n",
                "      - customers.first_name\n      - customers.city\n",
            ),
        )
    )
    assert [one.why for one in field.stopped] == ["undeclared_field"] * 3
    assert (field.before, field.after, field.leave) == (40, 40, None)


def test_a_use_of_one_person_is_decided_again(home: World) -> None:
    """A permit for one person counts like a use, and tells nothing of its person."""
    home.clock.forward(40)
    answer = permit(home.house, home.people[25], "newsletter", channel="email")
    assert isinstance(answer, Permit)
    change = of(edited(home, ("minimum_grade: form", "minimum_grade: double_opt_in")))
    assert (change.uses, change.before, change.after, change.reasons) == (1, None, None, {})
    assert not change.stopped  # whether that one person is left is nobody's to ask


def test_only_the_last_days_count(home: World) -> None:
    """Uses before the period are not replayed; a period of no day is refused."""
    home.clock.forward(10)
    empty, used = preview(home.house, days=5), Instant(home.clock() - 10 * DAY)
    assert (empty.uses, empty.last) == (0, used)
    assert preview(home.house, days=11).uses == 3
    with pytest.raises(BadInput, match="at least 1"):
        preview(home.house, days=0)


def test_a_law_of_tomorrow_shows_what_it_does_to_last_month(home: World) -> None:
    """Rules are read as of the day when the policy takes effect: before a rule begins it is silent."""
    pack = (
        "pack: xx\nform: 1\ntitle: {en: Test law, fr: Loi d'essai}\nsources: {xx: Test code}\nrules:\n"
        "  - id: double\n    says: {en: A newsletter needs a double yes., fr: Une lettre demande un double oui.}\n"
        "    article: art. 1\n    source: xx\n    since: 2025-03-01\n    for: {basis: consent}\n"
        "    require: {choice.grade: {at_least: double_opt_in}}\n    otherwise: proof_too_weak\n"
    )
    (home.house.path / "xx.yaml").write_text(pack, encoding="utf-8")
    file = home.house.path / POLICY
    text = file.read_text(encoding="utf-8")
    laws = next(line for line in text.splitlines() if line.startswith("laws:")) if "\nlaws:" in text else ""
    file.write_text(text.replace(laws, laws.split("]")[0] + ", xx.yaml]"), encoding="utf-8")
    before = of(preview(home.house, effective=Instant(home.clock() + DAY)))
    after = of(preview(home.house, effective=Instant(home.clock() + 90 * DAY)))
    assert before.same
    assert (after.before, after.after, after.ask_again) == (40, 20, 20)


def test_a_preview_records_nothing(home: World) -> None:
    """Nothing is stored, nothing is in force, and nobody was looked at."""
    before = home.size
    edited(home, ("minimum_grade: form", "minimum_grade: double_opt_in"))
    assert home.size == before
    assert not publish(home.house, "owner").changed
    assert home.house.check() == []


def test_small_numbers_are_not_told(home: World) -> None:
    """Nobody and a few people look alike, other numbers are rounded: nothing tells of one person."""
    assert [shown(count) for count in (0, 1, FEWEST - 1, FEWEST, 14, 15, 4214)] == [None] * 3 + [10, 10, 20, 4210]
    told = of(edited(home, ("minimum_grade: form", "minimum_grade: double_opt_in"))).to_json()
    assert set(told["reasons"].values()) == {20}
    assert (told["before"], told["after"], told["leave"], told["join"]) == (40, 20, 20, None)


def test_a_draft_is_no_question_about_one_person(home: World) -> None:
    """Two houses that differ by what one person said show the same of the same draft, on screen and for programs."""
    draft = ("minimum_grade: form", "minimum_grade: double_opt_in")
    before = edited(home, draft)
    home.said(home.people[-1], "given", channel="email")
    home.said(home.people[-2], "given", channel="sms")
    for channel in ("email", "sms"):
        declare(home.house, "newsletter", channel=channel)
    after = edited(home, draft)
    seen = [of(found).to_json() | {"uses": 0} for found in (before, after)]
    assert seen[0] == seen[1]
    assert of(after).stopped == ()
    for lang in ("en", "fr"):
        assert headline(of(before), lang) == headline(of(after), lang)


def test_two_drafts_that_differ_by_one_person_look_alike(home: World) -> None:
    """The attack itself: the second draft lets out one person more, whom only another notice told."""
    other = next(name for name in notices() if name != "web-2024")
    only = home.person(other)
    home.said(only, "given", channel="email", grade="double_opt_in")
    declare(home.house, "newsletter", channel="email")
    text = (home.house.path / POLICY).read_text(encoding="utf-8")
    stricter = text.replace("minimum_grade: form", "minimum_grade: double_opt_in")
    head, _, tail = stricter.partition(f"  {other}:\n")
    lines = tail.splitlines(keepends=True)
    at = next(place for place, line in enumerate(lines) if line.strip().startswith("newsletter: ["))
    without = head + f"  {other}:\n" + "".join(lines[:at] + lines[at + 1 :])
    one, two = (preview(home.house, compile_policy(load_policy_text(draft))) for draft in (stricter, without))
    assert one.policy != two.policy
    assert of(one) == of(two)
    assert of(one).after == 20


def test_a_notice_that_was_recorded_otherwise_is_said(home: World) -> None:
    """A preview says what publishing would refuse."""
    found = edited(home, ("effective: 2024-01-15", "effective: 2020-01-15"))
    assert [notice.split(" was ")[0].split(": ")[1] for notice in found.notices]
    assert "`effective`" in found.notices[0]
