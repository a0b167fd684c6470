"""What the API stands on, on both databases: keys, batches, calls under a name, counts of shadow mode."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pacte.app import apikeys, shadow
from pacte.app.answers import Answer, Asked, answers
from pacte.app.batch import Choices, Faulty
from pacte.app.choose import Choice
from pacte.app.commits import KeyReused
from pacte.kernel import db, jobs
from pacte.kernel.errors import Conflict
from pacte.kernel.instant import DAY, Instant
from pacte.ledger import log
from pacte.testing.world import World, world

PLACE = {"method": "web_form", "channel": "email"}


@pytest.fixture
def home(tmp_path: Path, records: Callable[[], str]) -> Iterator[World]:
    """A house with four people who have said nothing yet."""
    found = world(tmp_path / "house", database=records())
    found.clock.forward(400)
    for _ in range(4):
        found.person()
    yield found
    found.house.close()


def objection(home: World, place: int, **details: object) -> Choice:
    """Somebody's no to offers by e-mail."""
    return Choice(home.people[place], "similar_offers", "objected", "api:1", {**PLACE, **details})


def test_a_key_lives_and_ends(home: World) -> None:
    """Made, opened, noted once a minute, revoked by the beginning of its name."""
    secret, key = apikeys.new(home.house, "till", ["choices:write"], ["newsletter"], rate=5)
    found = apikeys.holder(home.house, secret)
    assert found is not None
    assert (found.scopes, found.bound, found.rate) == (("choices:write",), ("newsletter",), 5)
    home.clock.forward(1)
    apikeys.holder(home.house, secret)
    assert apikeys.listed(home.house)[0].used == home.clock()
    assert apikeys.revoke(home.house, key.prefix).revoked == home.clock()
    with pytest.raises(Conflict):
        apikeys.revoke(home.house, key.id)
    assert apikeys.holder(home.house, secret) is None
    assert home.house.check() == []


def test_a_batch_keeps_its_order_and_asks_for_what_must_follow(home: World) -> None:
    """Entries in the order of the choices; the jobs of each name its own entry."""
    verbs = (objection(home, 0), objection(home, 1), objection(home, 2))
    done = home.house.commit(Choices(verbs, "batch", "a"))
    with home.house.reading() as conn:
        said = [log.entry(conn, done.first + place) for place in range(3)]
        told = [job for job in jobs.listed(conn) if job.kind == "tell_recipient"]
    assert [entry["subject"] for entry in said if entry] == home.people[:3]
    assert {(job.about, job.entry) for job in told} == {(home.people[n], done.first + n) for n in range(3)}
    assert home.house.commit(Choices(verbs, "batch", "a")) == done
    with pytest.raises(KeyReused):
        home.house.commit(Choices(verbs[:1], "batch", "b"))
    assert home.house.check() == []


def test_a_batch_with_a_mistake_records_nothing(home: World) -> None:
    """And tells every place at once."""
    before = home.size
    verbs = (objection(home, 0), Choice("0" * 32, "similar_offers", "objected", "api:1", PLACE), objection(home, 1))
    with pytest.raises(Faulty) as faulty:
        home.house.commit(Choices((*verbs, objection(home, 2, channel="fax")), by_place=True))
    assert [place for place, _ in faulty.value.faults] == [1, 3]
    assert home.size == before


def test_a_name_answers_for_thirty_days_for_one_call(home: World) -> None:
    """The same call gets the first answer, another one is refused; a call without a digest is one of before."""
    verb = objection(home, 0)
    named = Choice(verb.person, verb.purpose, verb.act, verb.by, verb.details, "once", "digest")
    first = home.house.commit(named)
    assert home.house.commit(named) == first
    other = Choice(verb.person, verb.purpose, verb.act, verb.by, verb.details, "once", "another")
    with pytest.raises(KeyReused):
        home.house.commit(other)
    with db.read(home.house.engine) as conn:
        assert db.fetch(conn, "SELECT said FROM commit_key") == [("digest",)]


def test_shadow_counts_add_up(home: World) -> None:
    """Report after report, day after day; forgotten when their end has come."""
    asked = Asked(home.people[0], "similar_offers", (), "email")
    for _ in range(4):
        shadow.compare(home.house, [shadow.Report(asked, True), shadow.Report(asked, False)] * 3, "api:1")
    now = home.clock()
    (row,) = shadow.report(home.house, Instant(now - DAY), now)
    assert row.agreed == 10
    assert {row.done_though_denied, row.left_though_permitted} == {10, None}
    home.clock.forward(900)
    shadow.prune(home.house, home.clock())
    assert shadow.report(home.house, Instant(now - DAY), now) == []
    assert home.house.check() == []


def test_a_report_of_shadow_mode_tells_of_nobody(home: World) -> None:
    """Below ten nothing is told, neither how often nor for which reason; above it tens."""
    home.house.commit(objection(home, 0))
    objected = shadow.Report(Asked(home.people[0], "similar_offers", (), "email"), True)
    shadow.compare(home.house, [objected] * 9, "api:1")
    now = home.clock()
    (row,) = shadow.report(home.house, Instant(now - DAY), now)
    assert (row.agreed, row.done_though_denied, row.left_though_permitted, row.reasons) == (None, None, None, {})
    shadow.compare(home.house, [objected] * 3, "api:1")
    (row,) = shadow.report(home.house, Instant(now - DAY), now)
    assert (row.done_though_denied, row.reasons) == (10, {"objected": 10})


def test_many_answers_are_of_one_moment(home: World) -> None:
    """Each is what it would be alone, and carries the size of the ledger that it was given by."""
    home.house.commit(objection(home, 1))
    found = answers(home.house, [Asked(one, "similar_offers", (), "email") for one in home.people], "api:1")
    decisions = [one.decision for one in found if isinstance(one, Answer)]
    assert len(decisions) == 4
    assert {one.question.known for one in decisions} == {home.size}
    assert decisions[1].reason.code == "objected"
