"""What the console asks of a house, on each kind of database: figures, looks, checks, passkeys, what waits."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacte.app import checks, looks, passkeys
from pacte.app.figures import SMALLEST, WEEK, agreed, monday, moved
from pacte.consent import figures
from pacte.kernel import db, jobs
from pacte.kernel.instant import DAY, Instant
from pacte.ledger import browse, log
from pacte.testing.world import World, world
from tests.conftest import DATABASES


@pytest.fixture(params=DATABASES)
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A house that nobody has entered yet, on each kind of database."""
    address = "" if request.param == "sqlite" else request.getfixturevalue("postgres").database()
    found = world(tmp_path / "house", database=address)
    found.clock.forward(200)
    yield found
    found.house.close()


def test_the_console_asks_alike_of_every_database(home: World) -> None:
    """A yes is counted while it stands; a look is found; a check is kept; jobs are counted where they lie."""
    house, person = home.house, home.person()
    house.choose(person, "newsletter", "given", grade="form", channel="email", authenticated=True)
    with house.reading() as conn:
        now, size = house.present(conn), log.head(conn).size
        given = figures.given(conn, [Instant(now - DAY), now], size)
    assert [given[about] for about in given if about[:2] == ("newsletter", "email")] == [[0, 1]]
    assert agreed(house, Instant(now - DAY), now).series
    house.choose(person, "newsletter", "withdrawn", channel="email")
    subject, index = looks.look(house, person, "request", "staff:one")
    found = looks.looks(house, Instant(now - DAY), Instant(now + DAY), most=5)
    (latest, *_) = found
    assert (latest.index, latest.by, latest.whom) == (index, "staff:one", looks.pseudonym(house, subject))
    with house.reading() as conn:
        size = log.head(conn).size
        assert [at for at, _, _ in browse.newest(conn, 0, size)] == list(range(size - 1, -1, -1))
        assert sum(browse.counted(conn, 0, size).values()) == size
        assert jobs.tally(conn, house.clock())["tell_recipient"].open > 0
        kinds = {job.kind for job in jobs.pressing(conn, house.clock(), 50)}
        assert ("tell_recipient" in kinds, len(jobs.pressing(conn, house.clock(), 1))) == (True, 1)
    assert checks.look(house, house.clock()).problems == ()
    assert checks.last(house) == checks.Outcome(house.clock(), size, ())
    passkeys.add(house, "person", subject, passkeys.New(b"credential", b"key", 0), "Clé")
    (held,) = passkeys.of(house, "person", subject)
    passkeys.used(house, held, 3)
    assert [(one.name, one.counter) for one in passkeys.of(house, "person", subject)] == [("Clé", 3)]
    with db.write(house.engine) as conn:
        assert passkeys.forget(conn, subject) == 1


def _says(home: World, people: list[str], act: str = "given") -> None:
    for person in people:
        home.house.choose(person, "newsletter", act, grade="form", channel="email", authenticated=True)


def _shown(home: World, days: int = 0) -> dict[Instant, int | None]:
    """The numbers of one line on a page whose range ends so many days ago."""
    until = Instant(home.clock() - days * DAY)
    found = agreed(home.house, Instant(until - 60 * DAY), until)
    (line,) = [one.counts for one in found.series if one.purpose == "newsletter"]
    return dict(zip(found.instants, line, strict=True))


def test_one_person_more_or_less_changes_no_page(home: World) -> None:
    """Week after week one more says yes, or no, or is erased: a number stays until ten make the difference.

    The same question on every day, and of ranges that end on every day, gets the same numbers.
    """
    people = [home.person() for _ in range(3 * SMALLEST)]
    home.clock.now = Instant(monday(home.clock()) + WEEK + DAY // 2)
    _says(home, people[:14])
    home.clock.forward(8)
    pages, seen = [_shown(home)], [14]
    for person in people[14:26]:
        _says(home, [person])
        seen.append(seen[-1] + 1)
        for _ in range(7):
            home.clock.forward(1)
            pages += [_shown(home), _shown(home, days=1)]
    known: dict[Instant, int | None] = {}
    for page in pages:
        for week, number in page.items():
            assert known.setdefault(week, number) == number
    line = [number for _, number in sorted(known.items()) if number]
    assert set(line) == {10, 20}
    assert line.count(10) == SMALLEST  # fourteen people; the tenth after them moves it
    before = _shown(home)
    home.house.erase(people[0])
    _says(home, people[1:3], "withdrawn")
    assert _shown(home) == before
    home.clock.forward(7)
    assert list(_shown(home).values())[-1] == 20
    assert {week: number for week, number in _shown(home).items() if week in before}.items() <= before.items()
    assert home.house.check() == []


def test_what_a_few_agree_to_does_not_show(home: World) -> None:
    """Not even that anybody did: its line appears with the tenth, and has its past then."""
    people = [home.person() for _ in range(SMALLEST)]
    _says(home, people[:1])
    agreed(home.house, Instant(0), home.clock())
    home.clock.forward(15)
    lines = [(one.channel, set(one.counts)) for one in agreed(home.house, Instant(0), home.clock()).series]
    assert lines[0] == ("", {None})
    _says(home, people[1:])
    home.clock.forward(15)
    (line, *_) = agreed(home.house, Instant(0), home.clock()).series
    assert (line.channel, line.counts[-1], line.counts[0]) == ("email", SMALLEST, None)


def test_a_line_that_appears_late_has_its_past(home: World) -> None:
    """Choices that are loaded after others were counted count from the day on which they were made."""
    people = [home.person() for _ in range(2 * SMALLEST)]
    _says(home, people[:12])
    home.clock.forward(15)
    assert list(_shown(home).values())[-1] == SMALLEST
    then = Instant(home.clock() - 14 * DAY)
    for person in people:
        details = {"grade": "form", "channel": "sms", "authenticated": True, "method": "paper", "effective": then}
        home.house.choose(person, "newsletter", "given", **details)
    home.clock.forward(7)
    found = agreed(home.house, Instant(home.clock() - 60 * DAY), home.clock())
    by_channel = {one.channel: one.counts for one in found.series if one.purpose == "newsletter"}
    assert by_channel["sms"][-2:] == (20, 20)
    assert by_channel["email"][-1] == SMALLEST


@given(st.lists(st.integers(0, 200)), st.integers(0, 200))
def test_a_number_moves_when_enough_people_do(counts: list[int], first: int) -> None:
    """Numbers that differ at all differ by ten people or more, and are never further than that from the truth."""
    found = [first, *moved(counts, first)]
    assert all(one == two or abs(one - two) >= SMALLEST for one, two in pairwise(found))
    assert all(abs(one - count) < SMALLEST for one, count in zip(found[1:], counts, strict=True))
