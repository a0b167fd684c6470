"""Whom an offer may reach now, asked for many at once: as one by one, and as worked out by hand from what was said."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pacte.app import contact, preferences, suppressions
from pacte.app.erase import erase
from pacte.app.jobs import HANDLERS
from pacte.app.templates import policy_text
from pacte.kernel import db
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import DAY, SECOND, Instant, parse_instant
from pacte.kernel.jobs import Job
from pacte.testing.world import World, world
from pacte.vault import index
from tests.gate import by_hand
from tests.gate.by_hand import Person

MINUTE = 60 * SECOND
CAMPAIGN = "c" * 32


def policy() -> str:
    """The shop's policy with the caps and hours that the oracle knows, and with calls."""
    text = policy_text()
    begin, end = text.index("contact:\n"), text.index("# After an erasure")
    text = text[:begin] + by_hand.POLICY + "\n" + text[end:]
    return text.replace("channels: [email, sms]", "channels: [email, sms, phone]", 1)


@dataclass
class Crowd:
    """A house whose people the oracle knows: what each wished, where they live, when they were reached."""

    home: World
    people: dict[SubjectId, dict[str, Person]] = field(default_factory=dict)


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory, records: Callable[[], str]) -> Crowd:
    """Sixty people of all kinds, drawn by chance that is the same every time."""
    home = world(tmp_path_factory.mktemp("crowd") / "house", policy=policy(), database=records())
    home.clock.now = parse_instant("2026-05-01T08:00Z")
    chance, found = random.Random(6), Crowd(home)
    for n in range(60):
        _somebody(found, n, chance)
    return found


def _somebody(crowd: Crowd, n: int, chance: random.Random) -> None:
    home = crowd.home
    place = chance.choice(["FR", "FR", "CA-QC", "US-CA", None])
    subject = home.person(place=place)
    fields = {name for name in ("email", "phone") if chance.random() < 0.8}
    values = {"email": f"somebody{n}@post.example", "phone": f"+3361200{n:04}"}
    with home.house.writing() as conn:
        index.add(conn, home.house.keys, [(subject, name, values[name]) for name in sorted(fields)])
    now = home.clock.now // MINUTE
    contacts = [
        (now - chance.randrange(40 * 1440), chance.choice(["email", "sms", "phone"]))
        for _ in range(chance.choice((0, 0, 1, 2, 5)))
    ]
    contacts = list(dict(contacts).items())
    with home.house.writing() as conn:
        contact.note(conn, [(subject, Instant(at * MINUTE), by, "newsletter", CAMPAIGN) for at, by in contacts])
    gone = {name: chance.choice(suppressions.REASONS) for name in fields if chance.random() < 0.15}
    with home.house.writing() as conn:
        for name, reason in gone.items():
            suppressions.add_of(conn, home.house, subject, name, reason, home.clock.now, "test")
    wishes = {
        channel: {
            "frequency": chance.choice(["as_announced", "as_announced", "weekly", "monthly"]),
            "quiet": chance.choice(["none", "none", "21-08", "12-14"]),
            "reach": chance.choice(["also", "first", "least"]),
        }
        for channel in ("email", "sms")
        if chance.random() < 0.6
    }
    for channel, wished in wishes.items():
        preferences.wish(home.house, subject, channel, wished, by="test")
    crowd.people[subject] = {}
    for channel in ("email", "sms", "phone"):
        name, mine = contact.FIELDS[channel], wishes.get(channel, {})
        others = {other for other in ("email", "sms", "phone") if other != channel}
        crowd.people[subject][channel] = Person(
            place=place or "",
            contacts=contacts,
            suppressed=frozenset({gone[name]} if name in gone else ()),
            address=name in fields,
            elsewhere=any(
                contact.FIELDS[other] in fields
                and contact.FIELDS[other] not in gone
                and wishes.get(other, {}).get("reach") != "least"
                for other in others
            ),
            **mine,
        )


def test_many_are_answered_as_each_alone_and_as_worked_out_by_hand(crowd: Crowd) -> None:
    """Whatever the message and the channel, at any hour of the week that follows; and nobody is left out."""
    home, chance = crowd.home, random.Random(7)
    reasons = set()
    with home.house.reading() as conn:
        for kind, channel in [("promotion", one) for one in ("email", "sms", "phone") * 4] + [("service", "email")]:
            now = Instant(home.clock.now + chance.randrange(7 * 1440) * MINUTE)
            people = list(crowd.people)
            together = contact.refusals(conn, home.house, kind, channel, people, now)
            alone = [contact.refusals(conn, home.house, kind, channel, [one], now) for one in people]
            assert together == {subject: found for one in alone for subject, found in one.items()}
            for subject in people:
                wanted = by_hand.refusal(crowd.people[subject][channel], kind, channel, now // MINUTE)
                found = together.get(subject)
                if wanted is None or found is None:
                    assert (wanted, found) == (None, None)
                elif wanted[0] == "later":
                    assert (found.until and found.until // MINUTE) == wanted[1]
                else:
                    assert (found.reason, found.until) == (wanted[0], None)
                reasons.add(found and found.reason)
    assert reasons >= {None, "suppressed", "no_address", "channel_unwanted", "preferred_frequency", "place_unknown"}
    assert reasons & {"quiet_hours", "holiday"}


def test_nobody_asked_is_nobody_refused(crowd: Crowd) -> None:
    """An empty batch asks the database nothing that it could not answer."""
    with crowd.home.house.reading() as conn:
        assert contact.refusals(conn, crowd.home.house, "promotion", "email", [], crowd.home.clock.now) == {}


@pytest.fixture
def home(tmp_path: Path, records: Callable[[], str]) -> World:
    """A house with one customer in France, who can be reached."""
    found = world(tmp_path / "house", policy=policy(), database=records())
    found.clock.now = parse_instant("2026-06-03T10:00Z")
    ada = found.person()
    with found.house.writing() as conn:
        index.add(conn, found.house.keys, [(ada, "email", "ada@post.example")])
    return found


def reason(home: World, kind: str = "promotion") -> str | None:
    """Why the one person is not reached by mail now."""
    with home.house.reading() as conn:
        found = contact.refusals(conn, home.house, kind, "email", home.people, home.clock.now)
    return found[home.people[0]].reason if found else None


def reached(home: World, campaign: str, count: int = 1) -> None:
    """Remember that the person was reached, so many times, a minute apart."""
    ada = home.people[0]
    rows = [(ada, Instant(home.clock.now - n * MINUTE), "email", "newsletter", campaign) for n in range(count)]
    with db.write(home.house.engine) as conn:
        contact.note(conn, rows)


def test_the_last_offer_of_one_campaign_closes_the_cap_for_another(home: World) -> None:
    """In the same transaction already; one that did not arrive opens it again, and so does the week's end."""
    ada, now = home.people[0], home.clock.now
    reached(home, "a" * 32, 2)
    with db.write(home.house.engine) as conn:
        assert contact.refusals(conn, home.house, "promotion", "email", [ada], now) == {}
        contact.note(conn, [(ada, now, "sms", "newsletter", "b" * 32)])
        found = contact.refusals(conn, home.house, "promotion", "email", [ada], now)[ada]
    assert (found.reason, found.until, found.rule and found.rule.id) == ("cap_reached", None, "house:cap_1")
    assert reason(home, "service") is None
    with db.write(home.house.engine) as conn:
        contact.forget(conn, [(ada, "b" * 32)])
    assert reason(home) is None
    reached(home, "d" * 32)
    assert reason(home) == "cap_reached"
    home.clock.forward(7)
    assert reason(home) is None


def test_who_moves_is_reached_by_the_hours_of_the_new_place(home: World) -> None:
    """The gate looks at where somebody lives now, by what is known now."""
    home.clock.now = parse_instant("2026-06-03T20:30Z")  # half past ten in Paris, half past one in California
    assert reason(home) == "quiet_hours"
    home.fact(home.people[0], place="US-CA")
    assert reason(home) is None


def test_a_wish_counts_from_the_moment_it_is_recorded(home: World) -> None:
    """The next question sees it, and it is taken back as easily."""
    reached(home, CAMPAIGN)
    home.clock.forward(3)
    assert reason(home) is None
    preferences.wish(home.house, home.people[0], "email", {"frequency": "weekly"}, by="person")
    assert reason(home) == "preferred_frequency"
    preferences.wish(home.house, home.people[0], "email", {"frequency": "as_announced"}, by="person")
    assert reason(home) is None


def test_the_memory_goes_with_the_person_and_ends_by_itself(home: World) -> None:
    """What no cap counts any more is forgotten, and all of it at an erasure."""
    ada = home.people[0]
    reached(home, CAMPAIGN)

    def rows() -> int:
        with home.house.reading() as conn:
            return int(db.fetch(conn, "SELECT count(*) FROM contact")[0][0])

    HANDLERS["prune"](home.house, Job("prune", home.clock.now), Instant(home.clock.now + 399 * DAY))
    assert rows() == 1
    HANDLERS["prune"](home.house, Job("prune", home.clock.now), Instant(home.clock.now + 400 * DAY))
    assert rows() == 0
    reached(home, CAMPAIGN)
    erase(home.house, ada)
    assert rows() == 0
    assert home.house.check() == []
