"""Campaigns leave over real SMTP: to whom the gate permits at that moment, once, and to nobody else."""

from __future__ import annotations

import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from time import monotonic

import pytest

from pacte.app import campaigns, recipients, stop
from pacte.app.campaigns import Campaign
from pacte.app.choose import choose
from pacte.app.house import House, open_house
from pacte.app.pace import Pace
from pacte.app.sending import Sender, sender
from pacte.kernel.instant import DAY, SECOND, Instant
from pacte.ledger import log
from pacte.testing.shop import PURPOSE, Shop, shop
from tests.app.sending import Sink, begun, message, send, send_elsewhere, sink, with_mail


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Shop, Path]:
    """A shop whose newsletter has enough readers, to be copied."""
    folder = tmp_path_factory.mktemp("sending")
    found = shop(folder / "house", folder / "files", people=220)
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


def later(here: Shop, microseconds: int) -> None:
    """Let time pass."""
    here.clock.now = Instant(here.clock.now + microseconds)


def states(house: House, campaign: Campaign) -> dict[tuple[str, str], int]:
    """How many are in which state."""
    with house.reading() as conn:
        return recipients.tally(conn, campaign.id)


def test_a_campaign_reaches_everybody_once(here: Shop, box: Sink) -> None:
    """Each of them gets one message, and each message has a committed use of that person alone."""
    house = with_mail(here.house, box)
    campaign = begun(house, here.permitted)
    assert send(house).sent == len(here.permitted)
    assert sorted(box.addresses) == sorted(here.permitted)
    with house.reading() as conn:
        uses = [entry for _, entry in log.of_kind(conn, "use") if entry.get("campaign") == campaign.id]
        assert campaigns.of(conn, campaign.id).state == campaigns.ENDED
    assert states(house, campaign) == {("sent", ""): len(here.permitted)}
    assert len(uses) == len(here.permitted) == len({use["subject"] for use in uses})
    assert send(house).sent == 0


def test_whoever_withdrew_since_is_not_written_to(here: Shop, box: Sink) -> None:
    """Between the segment and the sending somebody says no: the message stays."""
    house = with_mail(here.house, box)
    campaign = begun(house, here.permitted)
    choose(house, f"email:{here.permitted[3]}", PURPOSE, "withdrawn", by="person", method="web_form")
    send(house)
    assert here.permitted[3] not in box.addresses
    assert states(house, campaign)["refused", "withdrawn"] == 1


@pytest.mark.parametrize("point", ["sending-leased:3", "sending-begun:7", "sending-answered:7", "sending-taken:7"])
def test_a_worker_that_dies_leads_to_no_second_message(here: Shop, box: Sink, point: str) -> None:
    """Wherever it died: whoever takes over writes to everybody else, to nobody twice, and says of whom nobody knows."""
    house = with_mail(here.house, box)
    campaign = begun(house, here.permitted)
    assert send_elsewhere(house, box.port, point) == -9
    before = len(box.taken)
    send(house)
    assert max(Counter(box.addresses).values()) == 1
    found = states(house, campaign)
    unsure = found.get(("uncertain", "worker_lost"), 0)
    assert unsure == (1 if point.startswith(("sending-begun", "sending-answered")) else 0)
    assert found["sent", ""] + unsure == len(here.permitted)
    assert before < len(box.taken) == len(here.permitted) - (1 if point.startswith("sending-begun") else 0)


def test_a_worker_that_slept_writes_to_nobody_whom_another_has_taken_over(here: Shop, box: Sink) -> None:
    """It gave no sign of life for long, and another goes on with its people: when it wakes up, nobody gets a second."""
    house = with_mail(here.house, box)
    campaign = begun(house, here.permitted)

    class Asleep(Pace):
        """At the fifth message it sleeps until another worker has sent some more."""

        asked = 0

        def turn(self, domain: str) -> float:
            self.asked += 1
            if self.asked == 5:
                later(here, recipients.CLAIM + SECOND)
                sender(house).run(enough)
            return super().turn(domain)

    enough = threading.Event()

    def does(_address: str) -> str:
        if len(box.taken) >= 30:
            enough.set()
        return "250 taken"

    box.does = does
    Sender(house, Asleep({}, b"k" * 32)).run(threading.Event(), once=True)
    send(house)
    assert sorted(box.addresses) == sorted(here.permitted)
    assert states(house, campaign) == {("sent", ""): len(here.permitted)}


def test_a_permit_that_is_over_sends_nothing(here: Shop, box: Sink) -> None:
    """A worker that slept longer than its permits hold asks about everybody again before it writes to them."""
    house = with_mail(here.house, box)
    campaign = begun(house, here.permitted)

    class Asleep(Pace):
        """It sleeps once, before the first message."""

        slept = False

        def turn(self, domain: str) -> float:
            if not self.slept:
                self.slept = True
                later(here, 601 * SECOND)
            return super().turn(domain)

    Sender(house, Asleep({}, b"k" * 32)).run(threading.Event(), once=True)
    assert sorted(box.addresses) == sorted(here.permitted)
    with house.reading() as conn:
        uses = [entry for _, entry in log.of_kind(conn, "use") if entry.get("campaign") == campaign.id]
    assert len(uses) > len(here.permitted)  # those of the permits that were over, and others


def test_a_server_that_takes_a_message_and_goes_away(here: Shop, box: Sink) -> None:
    """Nobody knows whether it was taken: it is not sent again, and counted apart."""
    odd = here.permitted[2]
    box.does = lambda address: "vanish" if address == odd else "250 taken"
    house = with_mail(here.house, box)
    campaign = begun(house, here.permitted)
    send(house)
    assert box.addresses.count(odd) == 1
    assert states(house, campaign) == {("sent", ""): len(here.permitted) - 1, ("uncertain", "unanswered"): 1}


def test_a_server_that_refuses_half_for_now(here: Shop, box: Sink) -> None:
    """They are tried again later, and the others are not written to twice."""
    half = set(here.permitted[::2])
    box.does = lambda address: "451 4.7.1 later" if address in half else "250 taken"
    house = with_mail(here.house, box)
    campaign = begun(house, here.permitted)
    send(house)
    assert states(house, campaign)["queued", "not_taken_yet"] == len(half)
    box.does = lambda _address: "250 taken"
    send(house)
    assert len(box.taken) == len(here.permitted) - len(half)
    later(here, 301 * SECOND)
    send(house)
    assert sorted(box.addresses) == sorted(here.permitted)
    assert states(house, campaign) == {("sent", ""): len(here.permitted)}


def test_an_address_that_is_gone(here: Shop, box: Sink) -> None:
    """Its server says so: it is written to no more, by no campaign, and that is recorded."""
    box.gone = {here.permitted[1]}
    house = with_mail(here.house, box)
    campaign = begun(house, here.permitted)
    send(house)
    assert states(house, campaign)["bounced", "status_5.1.1"] == 1
    box.gone = set()
    again = begun(house, here.permitted, message(**{"message: spring": "message: summer"}))
    send(house)
    assert box.addresses.count(here.permitted[1]) == 0
    assert states(house, again)["refused", "suppressed"] == 1
    with house.reading() as conn:
        assert [entry["reason"] for _, entry in log.of_kind(conn, "suppressed")] == ["bounced"]


def test_a_server_that_is_down_for_a_day(here: Shop, box: Sink) -> None:
    """Everybody waits, nobody is lost, and what was not taken counts against no cap."""
    house = with_mail(here.house, Sink(port=1))
    campaign = begun(house, here.permitted)
    send(house)
    with house.reading() as conn:
        assert not conn.exec_driver_sql("SELECT count(*) FROM contact").scalar()
    for _ in range(24):
        later(here, DAY // 24)
        send(house)
    again = with_mail(here.house, box)
    later(here, 901 * SECOND)
    assert send(again).sent == len(here.permitted)
    assert states(house, campaign) == {("sent", ""): len(here.permitted)}


def test_nobody_is_written_to_after_the_end(here: Shop, box: Sink) -> None:
    """A campaign that could not be sent in its time ends, and says who was not reached."""
    house = with_mail(here.house, Sink(port=1))
    campaign = begun(house, here.permitted)
    send(house)
    later(here, campaigns.LASTS)
    send(with_mail(here.house, box))
    assert not box.taken
    assert {state for state, _ in states(house, campaign)} == {"failed"}


def test_a_stop_ends_a_sending_at_once(here: Shop, box: Sink) -> None:
    """The data protection officer stops the purpose: the next message stays, everybody else waits for the end of it."""
    house = with_mail(here.house, box)
    campaign = begun(house, here.permitted)
    asked = threading.Event()

    def does(_address: str) -> str:
        if len(box.taken) == 9 and not asked.is_set():
            asked.set()
            stop.stop(house, PURPOSE, "committee", by="dpo")
        return "250 taken"

    box.does = does
    send(house)
    assert len(box.taken) == 10  # the one that was on its way
    with house.reading() as conn:
        assert campaigns.of(conn, campaign.id).state == campaigns.HELD
    send(house)
    assert len(box.taken) == 10
    stop.stop(house, PURPOSE, "resolved", lift=True, by="dpo")
    campaigns.resume(house, campaign.id, by="dpo")
    send(house)
    assert sorted(box.addresses) == sorted(here.permitted)


def test_two_campaigns_share_one_cap(here: Shop, box: Sink) -> None:
    """Two workers send two campaigns at once to the same people: the cap of the policy counts both."""
    house = with_mail(here.house, box)
    began = [begun(house, here.permitted, message(**{"message: spring": f"message: s{n}"})) for n in range(5)]
    ends = {"once": True}
    workers = [threading.Thread(target=sender(house).run, args=(threading.Event(),), kwargs=ends) for _ in "ab"]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    each = Counter(box.addresses)
    most = _cap(house)
    assert set(each.values()) == {most}
    left_out = sum(states(house, one).get(("refused", "cap_reached"), 0) for one in began)
    assert left_out == len(here.permitted) * (5 - most)


def _cap(house: House) -> int:
    from pacte.app.policies import document

    return min(cap.at_most for cap in document(house).contact.caps if cap.channel in (None, "email"))


def test_nobody_gets_a_message_after_their_no(here: Shop, box: Sink) -> None:
    """People withdraw while two workers send into a slow server: nothing is taken for them once that is recorded."""
    house = with_mail(here.house, box)
    box.pause = 0.004
    begun(house, here.permitted)
    stop_now, said = threading.Event(), dict[str, float]()
    workers = [threading.Thread(target=sender(house).run, args=(stop_now,)) for _ in "ab"]
    for one in workers:
        one.start()
    for address in here.permitted[::-1]:
        choose(house, f"email:{address}", PURPOSE, "withdrawn", by="person", method="web_form")
        said[address] = monotonic()
    stop_now.set()
    for one in workers:
        one.join()
    late = [address for address, at in box.taken if at > said[address]]
    assert not late
    assert box.taken


def test_no_domain_gets_more_than_its_rate(here: Shop, box: Sink) -> None:
    """Whose domain has had its share is put off, once, and the others go first; nobody is lost."""
    domains = Counter(address.rpartition("@")[2] for address in here.permitted)
    slow, many = domains.most_common(1)[0]
    house = with_mail(here.house, box)
    rates = house.settings.sending.model_copy(update={"domains": {slow: 10}})
    house = replace(house, settings=house.settings.model_copy(update={"sending": rates}))
    campaign = begun(house, here.permitted)
    clock = [0.0]
    pace = Pace({slow: 10}, b"k" * 32, lambda: clock[0])
    Sender(house, pace).run(threading.Event(), once=True)
    to_slow = sum(address.endswith(f"@{slow}") for address in box.addresses)
    assert (to_slow, len(box.taken)) == (1, 1 + len(here.permitted) - many)
    assert states(house, campaign)["queued", "paced"] <= 20  # of one lease, then nobody asks for them in vain
    for _ in range(many):
        clock[0] += 6.0
        later(here, 10 * SECOND)
        Sender(house, pace).run(threading.Event(), once=True)
    assert sorted(box.addresses) == sorted(here.permitted)


def test_on_postgresql_too(request: pytest.FixtureRequest, tmp_path: Path, box: Sink) -> None:
    """Two workers, a no in the middle, one who dies: with the records in PostgreSQL everything holds as well."""
    address = request.getfixturevalue("postgres").database()
    found = shop(tmp_path / "house", tmp_path / "files", people=160, database=address)
    try:
        house = with_mail(found.house, box)
        campaign = begun(house, found.permitted)
        assert send_elsewhere(house, box.port, "sending-answered:7") == -9
        stop_now = threading.Event()
        workers = [threading.Thread(target=sender(house).run, args=(stop_now,)) for _ in "ab"]
        for one in workers:
            one.start()
        gone = found.permitted[-1]
        choose(house, f"email:{gone}", PURPOSE, "withdrawn", by="person", method="web_form")
        said = monotonic()
        while not _is_over(house, campaign):
            assert monotonic() - said < 60
            stop_now.wait(0.05)
        stop_now.set()
        for one in workers:
            one.join()
        assert max(Counter(box.addresses).values()) == 1
        assert not [at for to, at in box.taken if to == gone and at > said]
        assert states(house, campaign)["uncertain", "worker_lost"] == 1
        assert len(set(found.permitted) - set(box.addresses)) <= 1
    finally:
        found.house.close()


def _is_over(house: House, campaign: Campaign) -> bool:
    with house.reading() as conn:
        return campaigns.of(conn, campaign.id).state == campaigns.ENDED
