"""The committer: many callers at once, one commit; nothing lost, nothing twice, nobody pays for another's mistake."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pacte.app import committer
from pacte.app.ask import UseOfOne, may, permit
from pacte.app.choose import TELL, Choice, Recorded
from pacte.app.committer import Change, Moment, Verb, _Call
from pacte.app.house import House
from pacte.app.stop import stop
from pacte.consent.choices import Unfit
from pacte.gate.permit import Permit
from pacte.gate.values import Decision
from pacte.kernel import db, jobs
from pacte.kernel.errors import BadInput, Denied, NotFound, Uncertain, Unsafe
from pacte.kernel.ids import new_subject_id
from pacte.ledger import log, queries
from pacte.testing.world import World, world
from tests.conftest import DATABASES

PROVED = {"grade": "double_opt_in", "method": "double_opt_in_link", "authenticated": True}


@pytest.fixture(params=DATABASES)
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A house that nobody has entered yet, on each kind of database."""
    address = "" if request.param == "sqlite" else request.getfixturevalue("postgres").database()
    found = world(tmp_path / "house", database=address)
    found.clock.forward(200)
    yield found
    found.house.close()


def together(house: House, *verbs: Verb[Any]) -> list[Any]:
    """Give the committer these verbs in one go, in their order; what each was answered, or the error it got."""
    calls = [_Call(verb) for verb in verbs]
    waiting = list(calls)
    while waiting:
        waiting = house.committer._record(house, waiting)
    return [call.error or call.result for call in calls]


def said(person: str, act: str = "objected", purpose: str = "similar_offers", key: str = "", **details: Any) -> Choice:
    """A choice to be recorded."""
    return Choice(person, purpose, act, "test", details, key)


def of_kind(home: World, kind: str) -> list[Any]:
    """The entries of a kind."""
    with home.house.reading() as conn:
        return log.of_kind(conn, kind)


def test_many_callers_are_recorded_together(home: World) -> None:
    """64 threads, one choice each, a few commits; every one is answered with its own entry, and the house is sound."""
    people = [home.person() for _ in range(64)]
    before = home.size
    with ThreadPoolExecutor(64) as callers:
        done = list(callers.map(lambda person: home.house.choose(person, "similar_offers", "objected"), people))
    assert sorted(one.index for one in done) == list(range(before, before + 64))
    with home.house.reading() as conn:
        for one, person in zip(done, people, strict=True):
            entry = log.entry(conn, one.index)
            assert entry is not None
            assert (entry["subject"], one.subject, one.size) == (person, person, one.index + 1)
    assert home.house.check() == []


def test_a_refused_verb_costs_nobody_else_anything(home: World) -> None:
    """Somebody unknown, an act that does not fit, somebody erased: each gets their own error, the others a receipt."""
    good, gone = home.person(), home.person()
    home.house.erase(gone)
    before = home.size
    answers = together(
        home.house,
        said(new_subject_id()),
        said(good),
        said(good, "given", "*"),
        said(gone),
        said("no address@", "objected"),
    )
    assert [type(answer) for answer in answers] == [NotFound, Recorded, Unfit, Denied, BadInput]
    assert home.size == before + 1
    assert home.house.check() == []


def test_two_verbs_about_one_person_come_one_after_the_other(home: World) -> None:
    """In one batch: withdrawn then given is given, given then withdrawn is withdrawn, as the clock goes on."""
    home.person()
    one, other = home.person(), home.person()
    ticking = home.clock.now
    ticks = iter(range(1, 1_000_000))
    object.__setattr__(home.house, "clock", lambda: ticking + next(ticks))
    purpose, channel = "newsletter", {"channel": "email"}
    together(
        home.house,
        said(one, "withdrawn", purpose, **channel),
        said(other, "given", purpose, **channel, **PROVED),
        said(one, "given", purpose, **channel, **PROVED),
        said(other, "withdrawn", purpose, **channel),
    )
    asked = {"channel": "email"}
    answers = [may(home.house, person, purpose, **asked).reason.code for person in (one, other)]
    assert answers == ["permitted", "withdrawn"]
    assert home.house.check() == []


def test_a_use_waits_for_the_withdrawal_before_it(home: World) -> None:
    """A use and a withdrawal of one person in one batch: whichever was asked first decides what the other finds."""
    one, other = (home.person(contract_since=home.clock()) for _ in range(2))
    use = lambda person: UseOfOne(person, "similar_offers", (), "email", "", "test")  # noqa: E731 # read beside `said`
    answers = together(home.house, said(one), use(other), use(one), said(other))
    assert isinstance(answers[1], Permit)
    assert isinstance(answers[2], Decision)
    assert answers[2].reason.code == "objected"
    assert home.house.check() == []


def test_the_same_key_again_gives_the_first_answer(home: World) -> None:
    """Tried again, at the same time and later: one entry; the key of another choice is refused."""
    person, other = home.person(), home.person()
    before = home.size
    first, again = together(home.house, said(person, key="k1"), said(person, key="k1"))
    home.clock.forward(1)
    assert again == first
    assert home.house.choose(person, "similar_offers", "objected", key="k1") == first
    assert home.size == before + 1
    for someone, act, channel in ((other, "refused", ""), (other, "objected", ""), (person, "objected", "email")):
        with pytest.raises(BadInput, match="used for something else"):
            home.house.choose(someone, "similar_offers", act, key="k1", channel=channel)
    with home.house.reading() as conn:
        stored = db.fetch(conn, "SELECT key FROM commit_key")
    assert len(stored) == 1
    assert "k1" not in stored[0][0]


def test_a_caller_that_is_gone_leaves_nobody_waiting(home: World) -> None:
    """Callers wake one another: when two of them do not wait, so that they wake nobody, all others are answered."""
    people = [home.person() for _ in range(12)]
    calls = [_Call(said(person)) for person in people]
    answered: list[int] = []

    def caller(place: int) -> None:
        calls[place].wait()
        answered.append(place)

    there = [place for place in range(12) if place not in (2, 3)]
    threads = [threading.Thread(target=caller, args=(place,), daemon=True) for place in there]
    for thread in threads:
        thread.start()
    for call in calls:
        home.house.committer._waiting.put(call)
    home.house.choose(home.person(), "similar_offers", "objected")  # begins the thread
    for thread in threads:
        thread.join(60)  # whom nobody wakes waits for ever
    assert sorted(answered) == there
    assert all(call.error is None and call.result for call in calls)
    assert home.house.check() == []


def test_the_same_key_again_gives_the_first_permit(home: World) -> None:
    """A use asked for twice under one key is one use, with one end; the key of something else is refused."""
    person, other = (home.person(contract_since=home.clock()) for _ in range(2))
    before = home.size
    first = home.house.permit(person, "order_service", key="k1")
    assert isinstance(first, Permit)
    home.clock.forward(1)
    again = home.house.permit(person, "order_service", key="k1")
    assert isinstance(again, Permit)
    assert (again.use, again.index, again.subject) == (first.use, first.index, first.subject)
    assert (again.issued, again.expires, again.fields) == (first.issued, first.expires, first.fields)
    assert (again.role, again.behalf, again.domain) == (first.role, first.behalf, first.domain)
    with pytest.raises(Denied):
        again.check(home.clock())  # it has ended: the key opens nothing that the first permit would not open
    assert home.size == before + 1
    for asked in ({"person": other}, {"person": person, "fields": (min(first.fields),)}):
        with pytest.raises(BadInput, match="used for something else"):
            home.house.permit(purpose="order_service", key="k1", **asked)
    with pytest.raises(BadInput, match="used for something else"):
        home.house.choose(person, "similar_offers", "objected", key="k1")
    home.house.choose(person, "similar_offers", "objected", key="k2")
    with pytest.raises(BadInput, match="used for something else"):
        home.house.permit(person, "order_service", key="k2")
    assert home.size == before + 2
    assert home.house.check() == []


@pytest.mark.parametrize("meanwhile", ["objected", "restricted", "stopped"])
def test_the_same_key_again_opens_nothing_after_a_no(home: World, meanwhile: str) -> None:
    """Whatever is said or stopped after the first use counts for the second under its key, while the permit lasts."""
    person, other = (home.person(contract_since=home.clock()) for _ in range(2))
    asked = {"purpose": "similar_offers", "channel": "email", "key": "k1"}
    first = home.house.permit(person, **asked)
    assert isinstance(first, Permit)
    if meanwhile == "stopped":
        stop(home.house, "similar_offers", "committee")
    else:
        purpose = "*" if meanwhile == "restricted" else "similar_offers"
        together(home.house, said(person, meanwhile, purpose))
    first.check(home.clock())  # its own time is not over
    before = home.size
    again = home.house.permit(person, **asked)
    assert isinstance(again, Decision)
    assert (again.permitted, again.reason.code) == (False, meanwhile)
    assert home.size == before
    with pytest.raises(BadInput, match="used for something else"):
        home.house.permit(other, **asked)
    assert home.house.check() == []


def test_the_same_key_again_opens_nothing_by_a_clock_that_is_wrong(home: World) -> None:
    """Days behind the ledger no data are used, under a key of before neither."""
    person = home.person(contract_since=home.clock())
    assert isinstance(home.house.permit(person, "order_service", key="k1"), Permit)
    home.clock.forward(-3)
    with pytest.raises(Unsafe, match="days before"):
        home.house.permit(person, "order_service", key="k1")


def test_a_refused_use_is_decided_anew_under_its_key(home: World) -> None:
    """A refusal records nothing, so that its key is still free: who may later is permitted under it."""
    person = home.person()
    assert isinstance(home.house.permit(person, "order_service", key="k1"), Decision)
    home.house.choose(person, "similar_offers", "objected", key="k1")
    assert home.house.check() == []


def test_a_no_asks_to_tell_every_recipient(home: World) -> None:
    """A withdrawal commits a job for each recipient of its purpose; a yes, and a refused verb, commit none."""
    person = home.person()
    home.house.choose(person, "newsletter", "given", channel="email", **PROVED)
    with home.house.reading() as conn:
        before = jobs.listed(conn)
    assert TELL not in {job.kind for job in before}
    done = home.house.choose(person, "newsletter", "withdrawn", channel="email")
    with home.house.reading() as conn:
        found = [job for job in jobs.listed(conn) if job not in before]
    declared = home.house.policy().document.purposes["newsletter"].recipients
    assert [(job.kind, job.about, job.entry, job.target) for job in found] == [
        (TELL, person, done.index, name) for name in sorted(declared)
    ]


@dataclass(frozen=True)
class _Bad:
    """A verb whose entry the database or the ledger refuses only when it is written."""

    persons: tuple[str, ...] = ()
    key: str = ""

    def change(self, _moment: Moment) -> Change[None]:
        """An entry of an unknown kind."""
        return Change(lambda _: None, [{"kind": "nonsense"}])

    def again(self, _moment: Moment, _first: Any) -> None:
        """Never asked for."""


def test_what_the_ledger_refuses_is_found_out_alone(home: World) -> None:
    """One change that cannot be written: it is tried again one by one, and only its caller is told."""
    people = [home.person() for _ in range(3)]
    before = home.size
    answers = together(home.house, said(people[0]), _Bad(), said(people[1]), said(people[2]))
    assert [type(answer) for answer in answers] == [Recorded, BadInput, Recorded, Recorded]
    assert home.size == before + 3
    assert home.house.check() == []


@pytest.mark.parametrize("recorded", [True, False], ids=["recorded", "not recorded"])
def test_a_connection_lost_at_commit_is_looked_up(home: World, monkeypatch: pytest.MonkeyPatch, recorded: bool) -> None:
    """Whether the commit came through or not, everybody is answered, and every choice is there once."""
    people = [home.person() for _ in range(3)]
    before = home.size
    lost = []
    whole = db.write

    @contextmanager
    def losing(engine: Any, **how: Any) -> Iterator[Any]:
        with whole(engine, **how) as conn:
            yield conn
            first = not lost
            if first:
                lost.append(1)
                if not recorded:
                    raise Uncertain("lost")
        if first:
            raise Uncertain("lost")

    monkeypatch.setattr(committer.db, "write", losing)
    answers = together(home.house, *map(said, people))
    assert [type(answer) for answer in answers] == [Recorded] * 3
    assert home.size == before + 3
    assert home.house.check() == []


@dataclass(frozen=True)
class _Late(Choice):
    """A choice of somebody whom another process brings in between the first attempt at it and the second."""

    tried: tuple[list[int]] = ([],)

    def change(self, moment: Moment) -> Change[Recorded]:
        """Nobody at first, then the choice."""
        self.tried[0].append(1)
        if len(self.tried[0]) == 1:
            raise NotFound("nobody with that identifier is known here")
        return super().change(moment)


def test_what_a_lost_attempt_would_have_said_is_forgotten(home: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commit in which somebody was refused left no trace; the next one records them, and that is what they hear."""
    late, other = home.person(), home.person()
    before = home.size
    lost: list[int] = []
    whole = db.write

    @contextmanager
    def losing(engine: Any, **how: Any) -> Iterator[Any]:
        with whole(engine, **how) as conn:
            yield conn
            if not lost:
                lost.append(1)
                raise Uncertain("lost")

    monkeypatch.setattr(committer.db, "write", losing)
    verb = _Late(late, "similar_offers", "objected", "test", {}, tried=([],))
    answers = together(home.house, verb, said(other))
    assert [type(answer) for answer in answers] == [Recorded] * 2
    assert home.size == before + 2
    assert home.house.check() == []


def test_closing_records_what_waits(home: World) -> None:
    """Callers who were waiting get their receipt; whoever comes later is told that the house is closed."""
    people = [home.person() for _ in range(20)]
    with ThreadPoolExecutor(20) as callers:
        waiting = [callers.submit(home.house.choose, person, "similar_offers", "objected") for person in people]
        while home.size < 20:
            pass
        home.house.committer.close()
        kinds = {type(one.exception()) if one.exception() else Recorded for one in waiting}
    assert kinds <= {Recorded, Unsafe}
    recorded = sum(one.exception() is None for one in waiting)
    assert len(of_kind(home, "choice")) == recorded
    with pytest.raises(Unsafe, match="closed"):
        home.house.choose(people[0], "similar_offers", "objected")


def test_a_child_after_a_fork_has_a_committer_of_its_own(home: World) -> None:
    """Parent and child go on recording choices in the same house."""
    mine, childs = home.person(), home.person()
    home.house.choose(mine, "similar_offers", "objected")
    child = os.fork()
    if child == 0:
        try:
            home.house.choose(childs, "similar_offers", "objected")
        except BaseException:
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    home.house.choose(mine, "newsletter", "refused")
    assert status == 0
    with home.house.reading() as conn:
        assert [entry["act"] for _, entry in queries.about(conn, childs) if entry["kind"] == "choice"] == ["objected"]
    assert home.house.check() == []


def test_a_use_of_one_is_recorded_before_it_opens(home: World) -> None:
    """The permit carries the index of an entry that is in the ledger."""
    person = home.person(contract_since=home.clock())
    given = permit(home.house, person, "order_service")
    assert isinstance(given, Permit)
    with home.house.reading() as conn:
        entry = log.entry(conn, given.index)
    assert entry is not None
    assert (entry["kind"], entry["use"], entry["subject"]) == ("use", given.use, person)


def test_readers_are_never_blocked(home: World) -> None:
    """While somebody else holds the write lock, answers are given, and a choice waits for its turn."""
    person = home.person()
    answered: list[str] = []
    with db.write(home.house.engine):
        caller = threading.Thread(target=home.house.choose, args=(person, "similar_offers", "objected"))
        caller.start()
        answered.append(may(home.house, person, "similar_offers", channel="email").reason.code)
        assert caller.is_alive()
    caller.join(60)
    answered.append(may(home.house, person, "similar_offers", channel="email").reason.code)
    assert answered[1] == "objected"
    assert answered[0] != "objected"
