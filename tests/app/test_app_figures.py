"""What the console asks of a house, on each kind of database: figures, looks, checks, passkeys, what waits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pacte.app import checks, looks, passkeys
from pacte.app.figures import agreed, frozen
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
    assert frozen(house) == frozen(house)
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
