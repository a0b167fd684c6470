"""Who writes to whom at which moment: workers that die one after the other, slow servers, noes in the very middle."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

from pacte.app import (
    campaigns,
    delivering,
    inflight,
    journal,
    messages,
    recipients,
    recovering,
    sending,
    suppressions,
    unsubscribe,
)
from pacte.app.campaigns import ENDED, HELD, Campaign
from pacte.app.choose import choose
from pacte.app.composing import Ready, Writer
from pacte.app.house import House, open_house
from pacte.app.journal import Journal
from pacte.app.leasing import Lease
from pacte.app.loading import load
from pacte.app.preferences import wish
from pacte.app.recipients import Outcome
from pacte.app.sending import sender
from pacte.app.settings import SmsSettings
from pacte.app.sms import Gateway, Text
from pacte.app.unsubscribe import Asked
from pacte.kernel import db, turns
from pacte.kernel.errors import Unsafe
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import DAY, SECOND, Instant
from pacte.kernel.redacted import Redacted
from pacte.ledger import log
from pacte.testing.shop import PURPOSE, Shop, shop
from tests.app.sending import Sink, begun, message, send, send_elsewhere, sink, subjects, with_mail


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Shop, Path]:
    """A shop whose newsletter has enough readers for several leases, to be copied."""
    folder = tmp_path_factory.mktemp("order")
    found = shop(folder / "house", folder / "files", people=160)
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


def state(house: House, campaign: Campaign) -> tuple[str, str | None]:
    """How a campaign stands, and why."""
    with house.reading() as conn:
        found = campaigns.of(conn, campaign.id)
    return found.state, found.reason


@contextmanager
def at_work(house: House) -> Iterator[None]:
    """A worker that sends while the block runs, and until it has nothing to do."""
    found, stop = sender(house), threading.Event()
    thread = threading.Thread(target=found.run, args=(stop,), kwargs={"once": True})
    thread.start()
    try:
        yield
    finally:
        thread.join(60)
        stop.set()
        assert not thread.is_alive()


def no(house: House, email: str) -> float:
    """Somebody says no; answers when it was durable."""
    choose(house, f"email:{email}", PURPOSE, "withdrawn", by="person", method="web_form")
    return monotonic()


def test_two_workers_that_die_one_after_the_other(here: Shop, box: Sink) -> None:
    """The second dies before it has settled what the first had: its own journal says nothing of those messages."""
    house = with_mail(here.house, box)
    campaign = begun(house, here.permitted)
    assert send_elsewhere(house, box.port, "sending-answered:7") == -9
    assert send_elsewhere(house, box.port, "sending-recovering:1") == -9
    send(house)
    assert max(Counter(box.addresses).values()) == 1
    assert states(house, campaign) == {("sent", ""): len(here.permitted) - 1, ("uncertain", "worker_lost"): 1}
    assert list((house.path / journal.FOLDER).iterdir()) == []


def test_a_worker_that_dies_as_the_last_thing(here: Shop, box: Sink) -> None:
    """Everybody is settled and the block given back: whoever comes next says that the campaign is over."""
    house = with_mail(here.house, box)
    campaign = begun(house, here.permitted)
    assert send_elsewhere(house, box.port, "sending-ending:1") == -9
    assert state(house, campaign) == ("sending", None)
    assert send(house).sent == 0
    assert state(house, campaign) == (ENDED, None)


def test_what_a_slow_worker_says_late_changes_nothing(here: Shop, box: Sink) -> None:
    """Its people were taken over meanwhile: neither their lease, nor the memory of having reached them, is lost."""
    house = with_mail(here.house, box)
    campaign = begun(house, here.permitted)
    with house.reading() as conn:
        campaign = campaigns.of(conn, campaign.id)
    with db.write(house.engine) as conn:
        block = recipients.claim(conn, [campaign.id], "slow", house.clock(), [])
        assert block is not None
        rows = recipients.page(conn, block, -1, house.clock(), 1)
    fields = Writer(house, campaign, message()).fields
    house.commit(Lease(campaign, block, fields, tuple(rows)))
    kept = Journal(house.path / journal.FOLDER, "slow")
    kept.note("begun", campaign.id, rows[0].place)
    kept.note("left", campaign.id, rows[0].place)
    late = Outcome(rows[0].place, rows[0].subject, "queued", "not_taken_yet", Instant(house.clock() + SECOND))
    later(here, recipients.CLAIM + SECOND)
    assert send_elsewhere(house, box.port, "sending-taken:3") == -9
    assert house.commit(Lease(campaign, block, fields, (), (late,))).lost
    kept.close(settled=False)
    later(here, 2 * SECOND)
    send(house)
    assert sorted(box.addresses) == sorted(here.permitted)
    with house.reading() as conn:
        sql = "SELECT count(*) FROM contact WHERE subject = ?"
        assert db.fetch(conn, sql, (rows[0].subject,)) == [(1,)]


def test_a_server_slow_with_its_answers_keeps_the_block(here: Shop, box: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker whose server takes long gives a sign of life between two messages: nobody takes its block over."""
    house = with_mail(here.house, box)
    begun(house, here.permitted)
    monkeypatch.setattr(delivering, "CLAIM", 0)  # a quarter of two minutes would be a long test
    seen = []

    def does(_address: str) -> str:
        later(here, recipients.CLAIM // 2)
        with house.reading() as conn:
            seen.append(recipients.claimable(conn, campaigns.sending(conn, ["email"]), house.clock(), []))
        return "250 taken"

    box.does = does
    send(house)
    assert sorted(box.addresses) == sorted(here.permitted)
    assert not any(seen)


def test_a_journal_of_an_unknown_time_is_not_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody can say whether the machine was off meanwhile, what a journal lacks may have happened."""
    monkeypatch.setattr(journal, "_boot", lambda: journal.UNKNOWN)
    kept = Journal(tmp_path, "one")
    kept.note("taken", "a" * 32, 1)
    kept.close(settled=False)
    assert not journal.left_by(tmp_path, "one").whole


def test_a_journal_of_before_a_restart_is_not_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of what was not waited for may be lost with the machine."""
    kept = Journal(tmp_path, "one")
    kept.close(settled=False)
    assert journal.left_by(tmp_path, "one").whole
    monkeypatch.setattr(journal, "_boot", lambda: "another start of this machine")
    assert not journal.left_by(tmp_path, "one").whole


def test_a_no_waits_for_the_message_on_its_way(here: Shop, box: Sink) -> None:
    """Said while their own message is being handed over, it is durable only after the server has answered."""
    house, said = with_mail(here.house, box), dict[str, float]()
    begun(house, here.permitted)
    asking: list[threading.Thread] = []

    def does(address: str) -> str:
        if len(asking) < 3:
            asking.append(threading.Thread(target=lambda: said.update({address: no(house, address)})))
            asking[-1].start()
            sleep(0.3)
        return "250 taken"

    box.does = does
    send(house)
    for one in asking:
        one.join()
    taken = dict(box.taken)
    assert len(said) == 3
    assert all(taken[address] < at for address, at in said.items())


def test_a_no_waits_though_the_campaign_is_held(here: Shop, box: Sink) -> None:
    """Whoever holds a campaign ends no message that is on its way: a no to that one waits for it all the same."""
    house, said = with_mail(here.house, box), dict[str, float]()
    campaign = begun(house, here.permitted)
    asking: list[threading.Thread] = []

    def does(address: str) -> str:
        if not asking:
            campaigns.hold(house, campaign.id, "by_hand", by="cli")
            asking.append(threading.Thread(target=lambda: said.update({address: no(house, address)})))
            asking[0].start()
            sleep(0.3)
        return "250 taken"

    box.does = does
    send(house)
    asking[0].join()
    assert len(box.taken) == 1  # a hold by hand ends the rest of the lease
    assert all(dict(box.taken)[address] < at for address, at in said.items())


def test_objected_at_the_desk_ends_the_lease(here: Shop, box: Sink) -> None:
    """An address that staff enter into the list of suppressions is not written to, though it was leased just now."""
    house, entered = with_mail(here.house, box), list[str]()
    begun(house, here.permitted)

    def does(address: str) -> str:
        if not entered:
            entered.extend(one for one in here.permitted if one != address)
            for one in entered:
                suppressions.add(house, one, "email", "objected", by="cli")
        return "250 taken"

    box.does = does
    send(house)
    assert len(box.taken) == 1


@dataclass
class Slow:
    """A mail server that takes its time before it wants the first message; over one connection after the other."""

    wait: float
    port: int = 0
    offered: list[str] = field(default_factory=list)
    taken: list[tuple[str, float]] = field(default_factory=list)
    wanted: threading.Event = field(default_factory=threading.Event)

    def talk(self, connection: socket.socket) -> None:
        """Serve one connection to its end."""
        with connection, connection.makefile("rwb") as lines:

            def say(words: bytes) -> None:
                lines.write(words + b"\r\n")
                lines.flush()

            say(b"220 ready")
            while line := lines.readline():
                word = line[:4].upper()
                if word == b"RCPT":
                    self.offered.append(line.decode().partition("<")[2].partition(">")[0])
                if word != b"DATA":
                    say(b"250 well")
                    continue
                self.wanted.set()
                sleep(self.wait)
                self.wait = 0
                say(b"354 go on")
                while (content := lines.readline()) != b".\r\n":
                    if not content:
                        return
                self.taken.append((self.offered[-1], monotonic()))
                say(b"250 taken")


@contextmanager
def slow(wait: float) -> Iterator[Slow]:
    """Such a server while the block runs."""
    found, ended = Slow(wait), threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        found.port = listening.getsockname()[1]
        listening.settimeout(0.1)

        def serve() -> None:
            while not ended.is_set():
                try:
                    found.talk(listening.accept()[0])
                except (TimeoutError, ConnectionError):
                    continue

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield found
        finally:
            ended.set()
            thread.join()


def test_a_server_that_is_slow_to_want_a_message(here: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A no does not wait for it for ever; once that is recorded the message does not leave any more."""
    monkeypatch.setattr(inflight, "PATIENCE", 0.2)
    monkeypatch.setattr(delivering, "SLOW", 0.05)
    with slow(0.6) as server:
        house = with_mail(here.house, server)
        campaign = begun(house, here.permitted)
        with at_work(house):
            assert server.wanted.wait(30)
            said = {server.offered[-1]: no(house, server.offered[-1])}
    assert states(house, campaign) == {("sent", ""): len(here.permitted) - 1, ("refused", "withdrawn"): 1}
    assert not any(address in said for address, _ in server.taken)


def test_nobody_is_written_to_after_the_end_in_the_middle_of_a_lease(here: Shop, box: Sink) -> None:
    """The end of a campaign holds at each message, not at each lease."""
    house = with_mail(here.house, box)
    campaign = begun(house, here.permitted)
    with house.reading() as conn:
        until = campaigns.of(conn, campaign.id).until
    here.clock.now = Instant(until - 30 * SECOND)

    def does(_address: str) -> str:
        if len(box.taken) == 2:
            here.clock.now = Instant(until + SECOND)
        return "250 taken"

    box.does = does
    send(house)
    assert len(box.taken) == 3
    assert states(house, campaign) == {("sent", ""): 3, ("failed", "too_late"): len(here.permitted) - 3}


def test_what_a_dead_worker_left_is_settled_though_the_message_may_not_be_sent(here: Shop, box: Sink) -> None:
    """The campaign is held, not stuck: let on, it comes to its end."""
    house = with_mail(here.house, box)
    campaign = begun(house, here.permitted)
    assert send_elsewhere(house, box.port, "sending-answered:7") == -9
    messages.remove(house, "spring", by="cli")
    send(house)
    assert state(house, campaign) == (HELD, "message_refused")
    assert ("leased", "") not in states(house, campaign)
    messages.save(house, message(), by="cli")
    campaigns.resume(house, campaign.id, by="cli")
    later(here, delivering.PACED)
    send(house)
    assert state(house, campaign) == (ENDED, None)
    assert states(house, campaign) == {("sent", ""): len(here.permitted) - 1, ("uncertain", "worker_lost"): 1}


def test_a_fault_of_the_settings_is_nobodys_address(here: Shop, box: Sink) -> None:
    """A message that no header can hold for what the settings say holds the campaign; nobody is settled by it."""
    house = with_mail(here.house, box)
    campaign = begun(house, here.permitted)
    wrong = house.settings.mail.model_copy(update={"complaints": "abuse at shop"})
    broken = replace(house, settings=house.settings.model_copy(update={"mail": wrong}))
    send(broken)
    assert state(house, campaign) == (HELD, "message_refused")
    assert states(house, campaign) == {("queued", ""): len(here.permitted)}
    campaigns.resume(house, campaign.id, by="cli")
    later(here, delivering.PACED)
    send(house)
    assert sorted(box.addresses) == sorted(here.permitted)


def test_what_keeps_failing_is_told_and_held(
    here: Shop, box: Sink, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No silent loop: each failure leaves a line without a value, and after some the campaign waits for somebody."""
    house = with_mail(here.house, box)
    campaign = begun(house, here.permitted)
    monkeypatch.setattr(sending, "REST", 0.001)
    ended = threading.Event()

    def fails(*_: object) -> None:
        if state(house, campaign)[0] == HELD:
            ended.set()
        raise Unsafe(f"something about {here.permitted[0]}")

    monkeypatch.setattr(delivering.recipients, "page", fails)
    with caplog.at_level(logging.WARNING, "pacte.sending"):
        thread = threading.Thread(target=sending.keep_sending, args=(house, ended))
        thread.start()
        for _ in range(600):
            if state(house, campaign)[0] == HELD:
                break
            sleep(0.05)
        ended.set()
        thread.join(30)
    assert state(house, campaign) == (HELD, "sending_failed")
    assert "sending failed (Unsafe)" in caplog.text
    assert here.permitted[0] not in caplog.text
    assert box.taken == []


def test_the_other_turns_of_a_no_are_taken_though_one_is_not_had(tmp_path: Path) -> None:
    """A household's no holds up whoever it can, also where one of its turns is not free in time."""
    path = tmp_path / "turns"
    with turns.turns(path, [3], 1), turns.turns(path, [1, 3, 5], 0.01) as all_of_them:
        assert not all_of_them
        with turns.turns(path, [5], 0.01) as free:
            assert not free


def test_the_turn_of_a_worker_that_is_asleep_is_nobody_elses(
    here: Shop, box: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped in the middle of handing over, for longer than anybody waits: its message is not another's to send."""
    house = with_mail(here.house, box)
    campaign = begun(house, here.permitted)
    monkeypatch.setattr(recovering, "PATIENCE", 0.05)
    others: list[threading.Thread] = []
    stop = threading.Event()

    def does(_address: str) -> str:
        if not others:
            later(here, recipients.CLAIM + SECOND)
            others.append(threading.Thread(target=sender(house).run, args=(stop,)))
            others[0].start()
            sleep(1)
        return "250 taken"

    box.does = does
    send(house)
    stop.set()
    others[0].join()
    later(here, recipients.CLAIM + SECOND)
    send(house)
    assert sorted(box.addresses) == sorted(here.permitted)
    assert states(house, campaign) == {("sent", ""): len(here.permitted)}


def test_a_line_that_the_disk_cut_stops_nobody(tmp_path: Path) -> None:
    """A journal with half a line in its middle is not whole, and what else it says counts."""
    kept = Journal(tmp_path, "one")
    kept.note("taken", "a" * 32, 1)
    kept.close(settled=False)
    with (tmp_path / "one").open("a") as lines:
        lines.write(f"beg{'taken'} {'a' * 32} 3\nleft {'a' * 32} 4\n")
    found = journal.left_by(tmp_path, "one")
    assert not found.whole
    assert [found.of("a" * 32, place) for place in (1, 3, 4)] == ["taken", "", "left"]


def test_a_line_that_was_not_written_whole_sends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full takes a part of a line and says nothing of it."""
    kept = Journal(tmp_path, "one")
    write = os.write
    monkeypatch.setattr(journal.os, "write", lambda descriptor, line: write(descriptor, line[:5]))
    with pytest.raises(Unsafe, match="journal"):
        kept.note("begun", "a" * 32, 1)
    kept.close(settled=False)


def test_an_address_that_was_corrected_meanwhile(here: Shop, box: Sink, made: tuple[Shop, Path]) -> None:
    """Whoever's address is corrected after their message was made gets it at the new one."""
    house = with_mail(here.house, box)
    begun(house, here.permitted)
    words = (made[1].parent / "files" / "customers.csv").read_text(encoding="utf-8")
    old = list[str]()

    def does(address: str) -> str:
        if not old:
            old.extend(one for one in here.permitted if one != address)
            changed = words
            for one in old:
                changed = changed.replace(one, f"new.{one}")
            (house.path.parent / "customers.csv").write_text(changed, encoding="utf-8")
            load(house, house.path.parent / "customers.csv")
        return "250 taken"

    box.does = does
    send(house)
    assert len(box.addresses) == len(here.permitted)
    assert not set(old) & set(box.addresses)


def test_quiet_hours_hold_by_a_clock_that_was_put_right(here: Shop, box: Sink) -> None:
    """An entry at noon by a clock that ran ahead makes no noon of the night."""
    house = with_mail(here.house, box)
    wished = subjects(house, here.permitted[:20])
    for one in wished:
        wish(house, one, "email", {"quiet": "21-08"}, by="person")
    night = Instant(here.clock.now // DAY * DAY + DAY + 3_600 * SECOND)
    here.clock.now = Instant(night + 11 * 3_600 * SECOND)
    no(house, here.permitted[-1])
    here.clock.now = Instant(night + 60 * SECOND)
    begun(house, here.permitted)
    send(house)
    assert not set(here.permitted[:20]) & set(box.addresses)
    assert len(box.taken) == len(here.permitted) - 21


def test_a_text_leaves_only_once_its_service_is_there(here: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes between the last question and the connection, such as a slow look-up of a name, is before it."""
    told = list[str]()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        settings = SmsSettings.model_validate({"url": f"http://127.0.0.1:{listening.getsockname()[1]}/"})
        house = replace(here.house, settings=here.house.settings.model_copy(update={"sms": settings}))
        look_up = socket.getaddrinfo

        def slowly(*asked: Any, **more: Any) -> Any:
            told.append("looked up")
            return look_up(*asked, **more)

        monkeypatch.setattr("pacte.app.posting.socket.getaddrinfo", slowly)

        def begun_now() -> None:
            told.append("begun")
            raise Unsafe("it must not leave")

        text = Text(Redacted("+33639980101"), "words", "a" * 32)
        with pytest.raises(Unsafe, match="must not leave"):
            Gateway(house).hand(Ready("a" * 32, "", Redacted("+33639980101"), text.packed()), begun_now)
        connection, _ = listening.accept()
        assert connection.recv(1) == b""
        connection.close()
    assert set(told[:-1]) == {"looked up"}
    assert told[-1] == "begun"


@pytest.fixture(scope="module")
def elsewhere(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop with its records in PostgreSQL."""
    folder = tmp_path_factory.mktemp("elsewhere")
    address = request.getfixturevalue("postgres").database()
    found = shop(folder / "house", folder / "files", people=160, database=address)
    yield found
    found.house.close()


def test_many_noes_at_once_on_postgresql(elsewhere: Shop, box: Sink) -> None:
    """More of them than the engine has connections: whoever waits for the one who records holds none of those."""
    house = with_mail(elsewhere.house, box)
    campaign = begun(house, elsewhere.permitted)
    people, wrong = subjects(house, elsewhere.permitted[:40]), list[str]()
    together = threading.Barrier(len(people))

    def say(subject: SubjectId) -> None:
        together.wait()
        try:
            unsubscribe.unsubscribe(house, Asked(subject, PURPOSE, "email", campaign.id))
        except Exception as error:
            wrong.append(type(error).__name__)

    threads = [threading.Thread(target=say, args=(one,)) for one in people]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert wrong == []
    with house.reading() as conn:
        assert sum(entry.get("method") == "message_link" for _, entry in log.of_kind(conn, "choice")) == len(people)
    campaigns.stop(house, campaign.id, "by_hand", by="cli")


def test_a_turn_goes_with_its_connection_on_postgresql(elsewhere: Shop) -> None:
    """A worker whose connection was cut, and with it its lock, is told that it has no turn any more."""
    house = elsewhere.house
    with inflight.message_to(house, SubjectId("a" * 32)) as held:
        assert held()
        with house.engine.connect() as conn:
            sql = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2"
            assert db.fetch(conn, sql)
        assert not held()
