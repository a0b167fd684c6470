"""What a campaign tells when it is looked at midway, while its purpose is stopped, and once it is over."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pacte.app import campaigns, messages, reach, results, segments, stop
from pacte.app.house import POLICY, open_house
from pacte.app.publish import publish
from pacte.kernel import db
from pacte.kernel.errors import Conflict, Denied, NotFound
from pacte.testing.shop import PURPOSE, Shop, shop
from tests.app.sending import Sink, begun, message, send, sink, subjects, with_mail

SPENT = {"field": "orders.spent", "at_least": 50}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Shop, Path]:
    """A shop whose newsletter has enough readers, to be copied."""
    folder = tmp_path_factory.mktemp("campaigns")
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


@pytest.fixture
def box() -> Iterator[Sink]:
    """A mail server that takes what comes."""
    with sink() as found:
        yield found


def prepared(here: Shop) -> str:
    """A campaign that waits to be sent."""
    saved = messages.save(here.house, message(), by="cli")
    name = campaigns.make(here.house, saved.digest, by="cli").id
    campaigns.prepare(here.house, name, by="cli", people=subjects(here.house, here.permitted))
    return name


def test_a_look_midway_does_not_hide_how_many_were_sent(here: Shop, box: Sink) -> None:
    """Held after a few, too few to be told, and looked at; at its end, the same day, it tells about how many."""
    house = with_mail(here.house, box)
    campaign = begun(house, here.permitted)
    asked = threading.Event()

    def does(_address: str) -> str:
        if len(box.taken) == 4 and not asked.is_set():
            asked.set()
            stop.stop(house, PURPOSE, "committee", by="dpo")
        return "250 taken"

    box.does = does
    send(house)
    assert ("sent", "") not in results.results(house, campaign.id).numbers
    stop.stop(house, PURPOSE, "resolved", lift=True, by="dpo")
    campaigns.resume(house, campaign.id, by="dpo")
    send(house)
    told = results.results(house, campaign.id)
    assert abs(told.numbers["sent", ""] - len(here.permitted)) < 40
    assert results.results(house, campaign.id) == told


def test_nothing_is_counted_of_a_stopped_purpose(here: Shop) -> None:
    """What was told before is not told as if it were so; what is said is that it is stopped, and who lifts that."""
    house = here.house
    use = house.declare(PURPOSE, channel="email")
    before = reach.reach(house, PURPOSE, "email")
    assert segments.size(house, use, SPENT).size is not None
    stop.stop(house, PURPOSE, "committee", by="dpo")
    for refused in (segments.size, reach.disparity):
        with pytest.raises(Denied, match=f"`{PURPOSE}` is stopped since 2026-11-18.*`pacte stop {PURPOSE} --lift"):
            refused(house, use, SPENT)
    during = reach.reach(house, PURPOSE, "email")
    assert before.permitted is not None
    assert during.permitted is None
    assert dict(during.reasons)["stopped"] == during.everybody
    stop.stop(house, PURPOSE, "resolved", lift=True, by="dpo")
    assert reach.reach(house, PURPOSE, "email") == before
    assert reach.disparity(house, use, SPENT)


def test_a_field_whose_values_few_people_share_tells_no_shares(here: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no country has people enough, no share by country is told, and the rest is."""
    use = here.house.declare(PURPOSE, channel="email")
    monkeypatch.setattr(reach, "_common", lambda *_: [])
    assert all(one.field.kind != "words" for one in reach.disparity(here.house, use, SPENT))


def test_a_campaign_of_a_stopped_purpose_says_so(here: Shop) -> None:
    """It is prepared for nobody, and a held one stays held; both say that it is the stop."""
    name = prepared(here)
    campaigns.go(here.house, name, by="cli")
    campaigns.hold(here.house, name, "mistake", by="cli")
    stop.stop(here.house, "*", "committee", by="dpo")
    with pytest.raises(Conflict, match="is stopped"):
        campaigns.resume(here.house, name, by="cli")
    saved = messages.save(here.house, message(), by="cli")
    other = campaigns.make(here.house, saved.digest, by="cli").id
    with pytest.raises(Denied, match="is stopped"):
        campaigns.prepare(here.house, other, by="cli")
    with here.house.reading() as conn:
        assert campaigns.of(conn, name).state == campaigns.HELD
        assert campaigns.of(conn, other).reason == "stopped"


def test_a_campaign_that_began_is_not_reported_on(here: Shop) -> None:
    """Who would be written to is no question any more."""
    name = prepared(here)
    assert results.report(here.house, name).entered.numbers
    with pytest.raises(Conflict, match="`pacte campaign send`"):
        campaigns.resume(here.house, name, by="cli")
    campaigns.go(here.house, name, by="cli")
    with pytest.raises(Conflict, match="`pacte campaign show`"):
        results.report(here.house, name)


def test_what_has_not_begun_may_be_removed(here: Shop) -> None:
    """Of a campaign that waits nothing is left; one that has begun stays."""
    name = prepared(here)
    results.report(here.house, name)
    campaigns.remove(here.house, name, by="cli")
    with here.house.reading() as conn:
        with pytest.raises(NotFound):
            campaigns.of(conn, name)
        for table in ("campaign_recipient", "campaign_block", "campaign_report", "campaign_turn"):
            assert db.fetch(conn, f"SELECT * FROM {table}") == []
    other = prepared(here)
    campaigns.go(here.house, other, by="cli")
    with pytest.raises(Conflict):
        campaigns.remove(here.house, other, by="cli")
    assert here.house.check() == []
