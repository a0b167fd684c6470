"""A campaign is prepared by a worker, once, and reported on; what breaks begins anew, and what is refused says why."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pacte.app import campaigns, messages, preparing, reach, recipients, reports, results, segments, stop, suppressions
from pacte.app import contact as contacts
from pacte.app.campaigns import DRAFT, ENTERING, READY, Campaign
from pacte.app.choose import choose
from pacte.app.house import POLICY, House, open_house
from pacte.app.publish import publish
from pacte.app.worker import Report, work
from pacte.gate import one, several
from pacte.gate.values import Question
from pacte.kernel import db, jobs
from pacte.kernel.errors import Conflict, Denied
from pacte.kernel.instant import DAY, SECOND, Instant
from pacte.ledger import log
from pacte.testing.shop import PURPOSE, Shop, shop
from tests.app.sending import ROOT, message, subjects

CHILD = """
import sys, threading
from pathlib import Path
from pacte.app.house import open_house
from pacte.app.worker import work
from pacte.testing.world import TestClock
work(open_house(Path(sys.argv[1]), clock=TestClock(int(sys.argv[2]))), threading.Event(), once=True)
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Shop, Path]:
    """A shop whose newsletter has enough readers, to be copied."""
    folder = tmp_path_factory.mktemp("preparing")
    found = shop(folder / "house", folder / "files", people=220)
    policy = found.house.path / POLICY
    policy.write_text(policy.read_text("utf-8") + "\nsegments: {smallest: 10, rounded: 10}\n", "utf-8")
    publish(found.house, "owner")
    found.house.close()
    return found, folder / "house"


@pytest.fixture
def here(made: tuple[Shop, Path], tmp_path: Path) -> Iterator[Shop]:
    """A copy of the shop."""
    found, home = made
    shutil.copytree(home, tmp_path / "house")
    clock = replace(found.clock)
    house = open_house(tmp_path / "house", clock=clock)
    yield replace(found, house=house, clock=clock)
    house.close()


def asked(here: Shop, where: dict[str, object] | None = None) -> str:
    """A campaign of the newsletter that a worker was asked to prepare."""
    condition = where or {"field": "orders.last_order", "within": "12 months"}
    chosen = segments.save(here.house, "some", PURPOSE, condition, "cli")
    campaign = campaigns.make(
        here.house, messages.save(here.house, message(), by="cli").digest, segment=chosen.digest, by="cli"
    )
    preparing.ask(here.house, campaign.id, by="cli")
    return campaign.id


def without_email(here: Shop) -> None:
    """From now on the newsletter goes by text message alone."""
    policy = here.house.path / POLICY
    text = policy.read_text("utf-8")
    instead = {
        "channels: [email, sms]": "channels: [sms]",
        "newsletter: [email, sms]": "newsletter: [sms]",
        "{newsletter: [email]}": "{partner_offers: [email]}",
    }
    for before, after in instead.items():
        assert before in text
        text = text.replace(before, after)
    policy.write_text(text, "utf-8")
    publish(here.house, "owner")


def once(house: House) -> Report:
    """A worker does what is due."""
    return work(house, threading.Event(), once=True)


def of(here: Shop, name: str) -> Campaign:
    """A campaign as it stands."""
    with here.house.reading() as conn:
        return campaigns.of(conn, name)


def entered(here: Shop, name: str) -> list[str]:
    """Who is entered, by the alphabet."""
    with here.house.reading() as conn:
        return sorted(one for some in recipients.everybody(conn, name, 500) for one in some)


def test_a_worker_prepares_and_reports(here: Shop) -> None:
    """It is asked for at once; the worker enters the people, the report is kept, and the job names nobody."""
    name = asked(here)
    assert (of(here, name).state, entered(here, name)) == (ENTERING, [])
    assert once(here.house).failed == 0
    ready = of(here, name)
    assert (ready.state, ready.reason) == (READY, None)
    assert ready.people == len(entered(here, name)) == len(set(entered(here, name))) > 0
    told = results.latest(here.house, name)
    assert told is not None
    assert told.entered.numbers["permitted", ""] > 0
    with here.house.reading() as conn:
        job = next(one for one in jobs.listed(conn, "done") if one.kind == preparing.PREPARE)
        assert (job.about, job.entry) == (None, None)
        assert str(job.target).startswith(f"{name}.")
        assert db.fetch(conn, "SELECT * FROM campaign_turn") == []
    assert here.house.check() == []


def test_only_one_prepares_at_a_time(here: Shop) -> None:
    """Asked for twice, begun while it is prepared, prepared from elsewhere: each is refused, and nothing changes."""
    name = asked(here)
    for verb in (preparing.ask, campaigns.prepare, campaigns.go):
        with pytest.raises(Conflict, match=r"being prepared|entering"):
            verb(here.house, name, by="cli")
    once(here.house)
    assert of(here, name).state == READY
    people = entered(here, name)
    preparing.ask(here.house, name, by="cli")
    assert results.latest(here.house, name) is None
    once(here.house)
    assert entered(here, name) == people
    campaigns.go(here.house, name, by="cli")
    with pytest.raises(Conflict, match="begun already"):
        preparing.ask(here.house, name, by="cli")


def test_too_few_people_make_it_a_draft_that_says_so(here: Shop) -> None:
    """No worker tries that again; nobody stays written down."""
    name = asked(here, {"field": "customers.city", "in": ["Reykjavík"]})
    assert (once(here.house).failed, of(here, name).state, of(here, name).reason) == (0, DRAFT, campaigns.FEW)
    assert entered(here, name) == []
    preparing.ask(here.house, name, by="cli")
    assert of(here, name).reason is None


def test_what_the_policy_does_not_permit_makes_it_a_draft(here: Shop) -> None:
    """The reason is a code, which the console has words for; so is that of a segment for something else."""
    name = asked(here)
    without_email(here)
    once(here.house)
    assert (of(here, name).state, of(here, name).reason) == (DRAFT, "undeclared_channel")
    service = message(
        **{"kind: promotion": "kind: service", "purpose: newsletter": "purpose: order_service", "spring": "parcel"}
    )
    some = segments.get(here.house, "some").digest
    other = campaigns.make(here.house, messages.save(here.house, service, by="cli").digest, segment=some, by="cli")
    preparing.ask(here.house, other.id, by="cli")
    once(here.house)
    assert of(here, other.id).reason == campaigns.NOT_ALLOWED


@pytest.mark.parametrize("point", ["preparing-entered", "preparing-told"])
def test_a_worker_that_dies_leaves_it_to_the_next(here: Shop, point: str) -> None:
    """Whatever it had written down: the next one begins anew once the claim is over, and everybody is entered once."""
    name = asked(here)
    environment = {**os.environ, "PACTE_CRASH": point}
    command = [sys.executable, "-c", CHILD, str(here.house.path), str(here.clock())]
    assert subprocess.run(command, env=environment, cwd=ROOT, timeout=120, check=False).returncode == -9
    died = entered(here, name)
    assert (of(here, name).state, len(died) > 0) == (ENTERING, True)
    once(here.house)
    assert of(here, name).state == ENTERING
    here.clock.now = Instant(here.clock.now + jobs.CLAIM + SECOND)
    once(here.house)
    assert of(here, name).state == READY
    assert entered(here, name) == died
    assert here.house.check() == []


def test_whoever_lost_the_turn_writes_nothing_more(here: Shop) -> None:
    """It slept until another had prepared the campaign: what it then would write is refused, and nothing changes."""
    name = asked(here)
    once(here.house)
    people = entered(here, name)
    for late in (
        lambda: campaigns.enter(here.house, name, "asleep", by="cli"),
        lambda: campaigns.ready(here.house, name, "asleep", ("use", 3)),
    ):
        with pytest.raises(Conflict, match="somebody else"):
            late()
    campaigns.give_up(here.house, name, "asleep", campaigns.CUT_SHORT)
    assert (of(here, name).state, entered(here, name)) == (READY, people)


def test_an_attempt_that_fails_is_tried_again(here: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page can say when; nobody has to ask again."""
    name = asked(here)
    assert preparing.standing(here.house, name) == preparing.Standing()
    here.clock.now = Instant(here.clock.now + preparing.PATIENCE)
    assert preparing.standing(here.house, name).idle
    with monkeypatch.context() as broken:
        broken.setattr(contacts, "refusals", lambda *_, **__: 1 // 0)
        assert once(here.house).failed == 1
    again = preparing.standing(here.house, name).again
    assert again == here.clock.now + jobs.FIRST_RETRY
    here.clock.now = again
    once(here.house)
    assert of(here, name).state == READY


def test_a_preparation_by_hand_that_is_cut_short_leaves_a_draft(here: Shop) -> None:
    """In the middle of the people something breaks: nobody stays written down, and it may be prepared anew at once."""
    campaign = campaigns.make(here.house, messages.save(here.house, message(), by="cli").digest, by="cli")
    people = subjects(here.house, here.permitted)

    def some() -> Iterator[object]:
        yield people[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        campaigns.prepare(here.house, campaign.id, by="cli", people=some())  # type: ignore[arg-type] # it breaks
    assert (of(here, campaign.id).state, of(here, campaign.id).reason) == (DRAFT, campaigns.CUT_SHORT)
    assert entered(here, campaign.id) == []
    assert campaigns.prepare(here.house, campaign.id, by="cli", people=people).state == READY


def test_the_report_tells_the_purpose_then_the_campaign(here: Shop) -> None:
    """The funnel is that of the segment's page; of those entered each counts as the gate and their channel say."""
    saved = messages.save(here.house, message(), by="cli")
    name = campaigns.make(here.house, saved.digest, by="cli").id
    campaigns.prepare(here.house, name, by="cli", people=subjects(here.house, here.permitted))
    for email in here.permitted[:25]:
        choose(here.house, f"email:{email}", PURPOSE, "withdrawn", by="person", method="web_form")
    for email in here.permitted[25:50]:
        suppressions.add(here.house, email, "email", "bounced", by="cli")
    told = results.report(here.house, name)
    assert told.reach == reach.reach(here.house, PURPOSE, "email")
    with here.house.reading() as conn:
        people = [person for some in recipients.everybody(conn, name, 500) for person in some]
        now = here.house.present(conn)
        question = Question(PURPOSE, now, log.head(conn).size, (), "email")
        alone = {}
        for person in people:
            decision = one.may(conn, person, question)
            refused = contacts.refusals(conn, here.house, "promotion", "email", [person], now).get(person)
            reason = refused.reason if refused else ""
            said = ("refused", reason) if reason else ("permitted", "")
            alone[person] = said if decision.permitted else ("refused", decision.reason.code)
        found = results._said(conn, here.house, campaigns.of(conn, name), people, now)
    assert found == alone
    assert {("refused", "withdrawn"), ("refused", "suppressed"), ("permitted", "")} <= set(told.entered.numbers)


def test_a_report_is_kept_while_it_holds(here: Shop) -> None:
    """It is the same all day; a stop, another day, another preparation and the beginning end it."""
    name = asked(here)
    once(here.house)
    told = results.latest(here.house, name)
    assert told is not None
    choose(here.house, f"email:{here.permitted[0]}", PURPOSE, "withdrawn", by="person", method="web_form")
    assert results.latest(here.house, name) == told
    stop.stop(here.house, PURPOSE, "precaution", by="cli")
    assert results.latest(here.house, name) is None
    assert ("refused", "stopped") in results.report(here.house, name).entered.numbers
    stop.stop(here.house, PURPOSE, "resolved", lift=True, by="cli")
    results.report(here.house, name)
    here.clock.now = Instant((here.clock.now // DAY + 1) * DAY)
    assert results.latest(here.house, name) is None
    results.report(here.house, name)
    campaigns.go(here.house, name, by="cli")
    with here.house.reading() as conn:
        assert db.fetch(conn, "SELECT * FROM campaign_report") == []


def test_only_numbers_that_may_be_shown_are_kept(here: Shop) -> None:
    """Whether three people said no is nowhere in what is kept."""
    name = asked(here)
    once(here.house)
    with here.house.reading() as conn:
        before = db.fetch(conn, "SELECT body FROM campaign_report")
    for email in here.permitted[:3]:
        choose(here.house, f"email:{email}", PURPOSE, "withdrawn", by="person", method="web_form")
    told = results.report(here.house, name)
    with here.house.reading() as conn:
        assert db.fetch(conn, "SELECT body FROM campaign_report") == before
    assert all(number % 10 == 0 for number in told.entered.numbers.values())
    assert isinstance(told.entered, reports.Counted)


def test_a_purpose_that_is_gone_is_not_reported_on(here: Shop) -> None:
    """The policy no longer lets it write by that channel: the report says so, and tells no number."""
    name = asked(here)
    once(here.house)
    without_email(here)
    with pytest.raises(Denied):
        results.report(here.house, name)


def test_on_postgresql_too(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """The server decides about everybody; a turn is one's alone there as well, and the report is kept."""
    address = request.getfixturevalue("postgres").database()
    found = shop(tmp_path / "house", tmp_path / "files", people=120, database=address)
    try:
        service = message(
            **{"kind: promotion": "kind: service", "purpose: newsletter": "purpose: order_service", "spring": "parcel"}
        )
        saved = messages.save(found.house, service, by="cli")
        name = campaigns.make(found.house, saved.digest, by="cli").id
        for _ in range(2):
            preparing.ask(found.house, name, by="cli")
            with pytest.raises(Conflict):
                campaigns.prepare(found.house, name, by="cli")
            once(found.house)
            assert of(found, name).people == len(set(entered(found, name))) > 0
        told = results.latest(found.house, name)
        assert told is not None
        assert told.entered.numbers["permitted", ""] > 0
        with found.house.reading() as conn:
            question = Question("order_service", found.house.present(conn), log.head(conn).size, (), "email")
            people = [person for some in recipients.everybody(conn, name, 500) for person in some]
            decided = several.reasons(conn, found.house.lake, people, question)
            assert decided == {person: one.may(conn, person, question).reason.code for person in people}
    finally:
        found.house.close()
