"""What was done with one person's data: every use by membership, months apart, and no more looked at than that."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import event, text

from pacte.app import history, onday
from pacte.app.uses import declare
from pacte.gate import use as using
from pacte.gate.permit import Permit
from pacte.kernel import db
from pacte.kernel.errors import BadInput, NotFound
from pacte.kernel.ids import new_subject_id
from pacte.kernel.instant import DAY, Instant, add_months, parse_instant, to_datetime
from pacte.ledger import log, queries
from pacte.ledger.tables import SETS
from pacte.testing.world import World, world


@pytest.fixture
def home(tmp_path: Path, records: Callable[[], str]) -> World:
    """A house with two people, of whom one said yes."""
    found = world(tmp_path / "house", database=records())
    for _ in range(2):
        found.person()
    found.said(found.people[0], "given", channel="email", notice=found.notice("web-2024"), locale="fr")
    return found


def _used(home: World) -> str:
    return declare(home.house, "newsletter", channel="email", by="marketing").id


def test_a_month_tells_the_uses_of_that_month_and_no_other(home: World) -> None:
    """Sets by membership, single uses by name; each month once, each use in one month; nobody else's."""
    ada, ben = home.people[:2]
    told: set[str] = set()
    for _ in range(3):
        told.add(_used(home))
        alone = home.house.permit(ada, "newsletter", channel="email", by="marketing")
        assert isinstance(alone, Permit)
        told.add(alone.use)
        home.clock.forward(31)
    months = history.months(home.house, ada)
    assert months == sorted(months, reverse=True)
    shown = [history.month(home.house, ada, start) for start in months]
    found = [one for month in shown for purpose in month.purposes for one in purpose.uses]
    assert {one.use for one in found} == told
    assert len(found) == len(told)
    for month in shown:
        assert month.stop == add_months(month.start, 1)
        assert all(month.start <= one.at < month.stop for purpose in month.purposes for one in purpose.uses)
    assert all(not history.month(home.house, ben, start).purposes for start in months)
    assert history.months(home.house, new_subject_id()) == []


def test_the_latest_month_with_anything_is_found(home: World) -> None:
    """Empty months since are passed over; with nothing at all it is the present one."""
    ada, ben = home.people[:2]
    _used(home)
    then = history.month_of(home.house.clock())
    home.clock.forward(100)
    found = history.latest(home.house, ada, history.months(home.house, ada))
    assert found is not None
    assert found.start == then
    nothing = history.latest(home.house, ben, history.months(home.house, ben))
    assert nothing is not None
    assert (nothing.empty, nothing.start) == (True, history.month_of(home.house.clock()))


def test_many_uses_are_looked_up_at_once(home: World) -> None:
    """However many uses there were, as many statements are sent; one look-up says the same as one for each use."""
    sent: list[str] = []
    event.listen(home.house.engine, "before_cursor_execute", lambda *said: sent.append(said[2]))
    counts = []
    for _ in range(3):
        for _ in range(4):
            _used(home)
            home.clock.forward(40)
        months = [history.month_of(home.house.clock())]
        while len(months) < 24:
            months.append(add_months(months[-1], -1))
        sent.clear()
        for who in home.people[:2]:
            history.latest(home.house, who, months)
        counts.append(len(sent))
    assert counts[0] == counts[1] == counts[2] < 40
    with home.house.writing() as conn:
        every = [entry for _, entry in queries.uses_of_sets(conn, 0, 10**9)]
        db.run(conn, "DELETE FROM gate_use_set WHERE use = ?", (every[0]["use"],))
        for who in home.people[:2]:
            had, ended = using.had(conn, every, who)
            assert had == {entry["use"] for entry in every if using.was_in(conn, entry, who)}
            assert ended == {entry["use"] for entry in every if not using.is_whole(conn, entry)} == {every[0]["use"]}


def test_a_use_whose_list_has_ended_is_said_to_have_been(home: World) -> None:
    """Who was in it can no longer be told; that there was such a use can."""
    ada = home.people[0]
    _used(home)
    start = history.month_of(home.house.clock())
    with db.write(home.house.engine) as conn:
        using.end_sets(conn, Instant(home.house.clock() + 10_000 * DAY))
    month = history.month(home.house, ada, start)
    assert (month.purposes, month.ended) == ((), 1)


def test_one_month_reads_no_more_than_its_own_uses(home: World) -> None:
    """The uses of many people are found by an index of their own, however many letters were sent meanwhile."""
    if not db.is_postgres(home.house.engine):
        with home.house.reading() as conn:
            plan = conn.execute(
                text(f"EXPLAIN QUERY PLAN SELECT idx, body FROM ledger_entry WHERE {SETS} AND idx >= 5 AND idx < 9")
            ).all()
        assert "ledger_entry_sets" in str(plan)
    _used(home)
    with home.house.reading() as conn:
        every = queries.uses_of_sets(conn, 0, 10**9)
        uses = log.of_kind(conn, "use")
        assert [index for index, _ in every] == [index for index, use in uses if use["purpose"] == "newsletter"]
        assert queries.uses_of_sets(conn, 0, every[0][0]) == []


def test_a_use_is_shown_to_those_it_had(home: World) -> None:
    """By the number of its entry; any other number, of whatever it is, is none of theirs."""
    ada, ben = home.people[:2]
    index = declare(home.house, "newsletter", channel="email", by="marketing").index
    assert history.use_of(home.house, ada, index).people == 1
    for who, wrong in ((ben, index), (ada, 0), (ada, index - 1)):
        with pytest.raises(NotFound):
            history.use_of(home.house, who, wrong)
    for wrong in (10**9, 10**30, -1):
        with pytest.raises(NotFound):
            history.use_of(home.house, ada, wrong)
    assert onday.proof_of(home.house, ada, index).use_index == index
    with pytest.raises(NotFound):
        onday.proof_of(home.house, ben, index)


def test_a_day_that_has_not_come_is_not_answered(home: World) -> None:
    """Nor is a purpose that never was; today is answered as of now."""
    ada = home.people[0]
    today = to_datetime(home.house.clock()).date()
    found = onday.on_day(home.house, ada, "newsletter", today)
    assert found.until == home.house.clock()
    assert found.answered[0].answers.by_known.permitted
    with pytest.raises(BadInput):
        onday.on_day(home.house, ada, "newsletter", to_datetime(parse_instant("2199-01-01")).date())
    with pytest.raises(BadInput):
        onday.on_day(home.house, ada, "nothing", today)
