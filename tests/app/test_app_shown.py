"""The one door for numbers of people: the last of fifty does not show, however many campaigns and lists ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection, Engine

from pacte.app import campaigns, messages, recipients, shown
from pacte.app.outcomes import outcomes
from pacte.app.recipients import REFUSED, Outcome
from pacte.app.results import results
from pacte.gate import members
from pacte.kernel import db
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import parse_instant
from pacte.testing.world import World, world
from tests.app.sending import message
from tests.app.test_app_outcomes import people

SMALLEST, ENOUGH = 50, 70


@pytest.fixture
def home(tmp_path: Path) -> Iterator[World]:
    """A house with four hundred people in it; it is March 2025."""
    found = world(tmp_path / "house")
    found.clock.now = parse_instant("2025-03-10T08:00:00Z")
    people(found, 400)
    yield found
    found.house.close()


def _heavy(home: World, count: int) -> list[SubjectId]:
    """So many people who count for twice as many, and whose sketch says about how many they are, and not more.

    Those are the draws by which one number too many would be told.
    """
    rng = np.random.default_rng(1)
    with home.house.reading() as conn:
        alone = [(members.crowd(conn, home.house.keys, [one]).weighted, one) for one in home.people]
        heaviest = [one for weight, one in sorted(alone, reverse=True)][:80]
        while True:
            some = [heaviest[at] for at in rng.choice(len(heaviest), count, replace=False)]
            crowd = members.crowd(conn, home.house.keys, some)
            if np.square(crowd.sketch).sum() < count + 5 and crowd.weighted > ENOUGH + 6:
                return some


def _refused(home: World, left_out: Sequence[SubjectId], others: Sequence[SubjectId]) -> str:
    """A campaign to all of these that was sent, and left some of them out."""
    saved = messages.save(home.house, message(), by="cli")
    campaign = campaigns.make(home.house, saved.digest, by="cli")
    everybody = [*left_out, *others]
    campaigns.start(home.house, campaign.id, by="cli", people=everybody)
    made = [
        Outcome(place, person, REFUSED, "withdrawn" if person in left_out else "cap_reached")
        for place, person in enumerate(everybody)
    ]
    with db.write(home.house.engine) as conn:
        recipients.settle(conn, campaign.id, made, home.clock())
    campaigns.hold(home.house, campaign.id, "test", by="cli")
    return campaign.id


def test_no_campaign_tells_the_last_of_fifty(home: World) -> None:
    """Who knows forty-nine of those who said no learns from no number of campaigns, nor months, whether one more did.

    All eighty-five are told, and are nearly the same people.
    """
    fifty = _heavy(home, SMALLEST)
    others = [one for one in home.people if one not in fifty][:35]
    for _ in range(6):
        found = results(home.house, _refused(home, fifty, others))
        assert (REFUSED, "withdrawn") not in found.numbers
        home.clock.forward(1)
    home.clock.now = parse_instant("2025-04-05")
    lines = [line for told in outcomes(home.house, 12).purposes.values() for line in told]
    assert not [line for line in lines if line.reason == "withdrawn"]


def test_where_a_number_stands_draws_no_offset(home: World) -> None:
    """A campaign, a list, a day: none of them is another draw for the same people; another reason is."""
    with home.house.reading() as conn:
        crowd = members.crowd(conn, home.house.keys, home.people[:120])
    here = [shown.about(home.house, {"reason": "withdrawn"}, crowd, where) for where in ("", "0" * 32, "1" * 32)]
    assert len({one.counted for one in here}) == 1
    assert len({one.meaning for one in here}) == 3
    assert len({shown.about(home.house, {"reason": str(other)}, crowd).counted for other in range(20)}) > 5


def test_a_part_of_few_is_not_told_by_its_whole(home: World) -> None:
    """Of eighty-five people a number was told; of forty-five of them there is none."""
    some = _heavy(home, 45)
    whole = [*some, *[one for one in home.people if one not in some][:75]]
    assert shown.number_of(home.house, {"of": "all"}, whole) is not None
    for reason in range(5):
        assert shown.number_of(home.house, {"reason": reason}, some) is None


def test_where_there_was_no_number_there_is_none_again(home: World) -> None:
    """Fifty people had none; with thirty more, today and tomorrow, there is none either."""
    some = _heavy(home, SMALLEST)
    more = [*some, *[one for one in home.people if one not in some][:30]]
    assert shown.number_of(home.house, {"reason": 1}, some) is None
    for reason in range(2, 6):
        assert shown.number_of(home.house, {"reason": reason}, more) is None
        home.clock.forward(1)


def test_what_somebody_else_shows_meanwhile_counts(home: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between looking at what was shown and writing, another process shows nearly the same people."""
    told: list[int | None] = []
    write = db.write

    @contextmanager
    def meanwhile(engine: Engine) -> Iterator[Connection]:
        monkeypatch.setattr(db, "write", write)
        told.append(shown.number_of(home.house, {"by": "another"}, home.people[:330]))
        with write(engine) as conn:
            yield conn

    monkeypatch.setattr(db, "write", meanwhile)
    told.append(shown.number_of(home.house, {"by": "this"}, home.people[:300]))
    assert told[0] is not None
    assert told == [told[0]] * 2


def test_nobody_waits_while_old_numbers_are_read(home: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever holds the right to write reads what was shown since, and not all that ever was."""
    rng, day = np.random.default_rng(1), home.clock() // 86_400_000_000 - 30
    sketches = rng.integers(-40, 40, (500, 128)).astype("<i4")
    rows = [(f"{at:064x}", day, 100, '""', sketch.tobytes()) for at, sketch in enumerate(sketches)]
    with db.write(home.house.engine) as conn:
        db.insert(conn, "segment_shown", ("meaning", "day", "number", "said", "sketch"), rows)
    fetch, write = db.fetch, db.write
    read: list[int] = []

    @contextmanager
    def watched(engine: Engine) -> Iterator[Connection]:
        with write(engine) as conn:
            monkeypatch.setattr(db, "fetch", _counting(fetch, read))
            yield conn
            monkeypatch.setattr(db, "fetch", fetch)

    monkeypatch.setattr(db, "write", watched)
    assert shown.number_of(home.house, {"reason": 1}, home.people[:300]) is not None
    assert sum(read) <= 2
    assert shown.number_of(home.house, {"reason": 2}, home.people[:290]) is not None


def _counting(fetch: Callable[..., Any], read: list[int]) -> Callable[..., Any]:
    def counted(*args: Any) -> Any:
        found = fetch(*args)
        read.append(len(found))
        return found

    return counted
