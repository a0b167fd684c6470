"""A year of campaigns, choices, wishes, moves and stops, beside an oracle that knows the calendar and nothing of ours.

Nothing may leave that a choice, a law, a cap, an hour, a wish or a stop forbids at the instant at which it leaves. The
way out writes down who is reached and when; everything before it is the real thing.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pacte.app import campaigns, messages, sending, stop, suppressions
from pacte.app.composing import Ready
from pacte.app.handing import Answer
from pacte.app.preferences import wish
from pacte.app.sending import sender
from pacte.kernel.errors import BadInput, Denied
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import DAY
from pacte.testing.world import World, world
from pacte.uses.message.model import read
from pacte.vault import index, sealed
from tests.app.sending import SPRING, with_mail

ZONES = {"FR": ZoneInfo("Europe/Paris"), "BE": ZoneInfo("Europe/Brussels")}
HOLIDAYS = {
    "FR": {(1, 1), (4, 21), (5, 1), (5, 8), (5, 29), (6, 9), (7, 14), (8, 15), (11, 1), (11, 11), (12, 25)},
    "BE": {(1, 1), (4, 20), (4, 21), (5, 1), (5, 29), (6, 8), (6, 9), (7, 21), (8, 15), (11, 1), (11, 11), (12, 25)},
}
"""Public holidays of 2025, month and day."""
TEXT = SPRING.replace("channel: email", "channel: sms").replace("message: spring", "message: texted")


@dataclass
class Nowhere:
    """Where a mail server would be; the way out leads elsewhere."""

    port: int = 1


@dataclass
class Known:
    """What the oracle knows of one person."""

    place: str
    child: bool
    yes: dict[str, bool] = field(default_factory=lambda: {"email": False, "sms": False})
    often: dict[str, str] = field(default_factory=dict)
    quiet: dict[str, tuple[int, int] | None] = field(default_factory=dict)
    suppressed: set[str] = field(default_factory=set)
    reached: list[tuple[int, str]] = field(default_factory=list)


@dataclass
class Oracle:
    """Says of each message that leaves why it must not, from the story alone."""

    people: dict[SubjectId, Known] = field(default_factory=dict)
    by_address: dict[str, SubjectId] = field(default_factory=dict)
    stopped: bool = False
    forbidden: list[str] = field(default_factory=list)
    sent: Counter[str] = field(default_factory=Counter)

    def leaves(self, address: str, now: int) -> None:
        """A message leaves for this address."""
        channel = "sms" if address.startswith("+") else "email"
        one = self.people[self.by_address[address]]
        self.forbidden += [f"{channel}: {why}" for why in self._against(one, channel, now)]
        self.sent[channel] += 1
        one.reached.append((now, channel))

    def _against(self, one: Known, channel: str, now: int) -> list[str]:
        week = [by for at, by in one.reached if at > now - 7 * DAY]
        local = datetime.fromtimestamp(now / 1e6, UTC).astimezone(ZONES[one.place])
        often = {"weekly": 7, "monthly": 31}.get(one.often.get(channel, ""), 0)
        begin, end = one.quiet.get(channel) or (0, 0)
        quiet = begin <= local.hour < end if begin < end else (begin != end and not end <= local.hour < begin)
        free = (local.month, local.day) in HOLIDAYS[one.place]
        said = {
            "stopped": self.stopped,
            "child": one.child,
            "no yes": not one.yes[channel],
            "cap": len(week) >= 3,
            "cap of texts": channel == "sms" and "sms" in week,
            "wished less": often and any(by == channel and _over(at, often) > now for at, by in one.reached),
            "quiet": quiet,
            "night": channel == "sms" and not (9 <= local.hour < 20 and local.weekday() < 6 and not free),
            "suppressed": channel in one.suppressed,
        }
        return [why for why, wrong in said.items() if wrong]


def _over(at: int, days: int) -> int:
    """When a week, or a month of the calendar, is over: from the 31st it is over on the last day of a short month."""
    if days == 7:
        return at + 7 * DAY
    then = datetime.fromtimestamp(at / 1e6, UTC)
    first = then.replace(day=1) + timedelta(days=32)
    length = ((first.replace(day=1) + timedelta(days=32)).replace(day=1) - first.replace(day=1)).days
    return int(first.replace(day=min(then.day, length)).timestamp() * 1e6)


@dataclass
class Story:
    """Everybody, and what happens to them."""

    home: World
    oracle: Oracle
    random: random.Random
    often: float
    """How often something happens between the making of a message and its leaving."""

    def enter(self, many: int) -> None:
        """People who have an address and a number, some of them children."""
        keys = self.home.house.keys
        for number in range(many):
            place, child = self.random.choice(["FR", "FR", "FR", "BE"]), self.random.random() < 0.05
            age: dict[str, Any] = {"age": None, "minor_until": int(self.home.clock() + 5 * 365 * DAY)} if child else {}
            subject = self.home.person(place=place, **age)
            email, phone = f"p{number}@mail.example", f"+336{number:08d}"
            rows = [
                (
                    subject,
                    "contact",
                    {"customers.email": email, "customers.phone": phone},
                    "crm",
                    self.home.clock(),
                    None,
                )
            ]
            with self.home.house.writing() as conn:
                sealed.put(conn, keys, rows)
                index.add(conn, keys, [(subject, "email", email), (subject, "phone", phone)])
            self.oracle.people[subject] = Known(place, child)
            self.oracle.by_address |= {email: subject, phone: subject}
            for channel in ("email", "sms"):
                if self.random.random() < 0.8:
                    self.say(subject, channel, yes=True)

    def say(self, subject: SubjectId, channel: str, *, yes: bool) -> None:
        """Yes or no to a channel; the house refuses a child's yes, or does not count it."""
        act = "given" if yes else "withdrawn"
        self.home.house.choose(
            subject, "newsletter", act, channel=channel, by="person", method="web_form", grade="form",
            authenticated=True, **({"notice": "web-2024"} if yes else {}),
        )  # fmt: skip
        self.oracle.people[subject].yes[channel] = yes

    def happens(self, many: int) -> None:
        """Some people say, wish or do something."""
        people = list(self.oracle.people)
        for subject in self.random.sample(people, min(many, len(people))):
            self.does(subject, self.random.choice(["email", "sms"]), self.random.randrange(5))
        if self.random.random() < 0.1:
            self.does(self.random.choice(people), self.random.choice(["email", "sms"]), 5)

    def does(self, subject: SubjectId, channel: str, what: int) -> None:
        """One person says, wishes or does one thing."""
        house, known = self.home.house, self.oracle.people[subject]
        match what:
            case 0 | 1:
                self.say(subject, channel, yes=self.random.random() < 0.5)
            case 2:
                word = self.random.choice(["as_announced", "weekly", "monthly"])
                wish(house, subject, channel, {"frequency": word}, by="person")
                known.often[channel] = word
            case 3:
                begin, end = self.random.choice([(21, 8), (12, 14), (0, 0)])
                word = f"{begin:02d}-{end:02d}" if begin != end else "none"
                wish(house, subject, channel, {"quiet": word}, by="person")
                known.quiet[channel] = (begin, end) if begin != end else None
            case 4:
                place = "BE" if known.place == "FR" else "FR"
                facts: dict[str, Any] = {"place": place, "capacity": "consumer"}
                self.home.fact(subject, **facts | ({} if known.child else {"age": "adult"}))
                known.place = place
            case 5:
                with house.writing() as conn:
                    suppressions.add_of(conn, house, subject, channel, "bounced", house.present(conn), "test")
                known.suppressed.add(channel)

    def turns(self, *, stopped: bool) -> None:
        """The purpose is stopped, or goes on."""
        self.oracle.stopped = stopped
        stop.stop(self.home.house, "newsletter", "committee", lift=not stopped, by="dpo")

    def meanwhile(self, address: str) -> None:
        """Something happens after a message was made and before it leaves, mostly to whom it is for."""
        drawn = self.random.random()
        if drawn < self.often:
            subject = self.oracle.by_address[address]
            if self.random.random() < 0.3:
                subject = self.random.choice(list(self.oracle.people))
            self.does(subject, "sms" if address.startswith("+") else "email", self.random.randrange(5))
        elif drawn < self.often * 1.05 and not self.oracle.stopped:
            self.turns(stopped=True)


@dataclass
class Out:
    """The way out: writes down who is reached, and lets something happen now and then."""

    oracle: Oracle
    now: Callable[[], int]
    meanwhile: Callable[[str], None]

    def offer(self, message: Ready) -> Answer | None:
        """Everything is taken; before that, something may happen."""
        self.meanwhile(message.to.reveal())
        return None

    def hand(self, message: Ready, begun: Callable[[], None]) -> Answer:
        """A message leaves."""
        begun()
        self.oracle.leaves(message.to.reveal(), self.now())
        return Answer(taken=True)

    def close(self) -> None:
        """Nothing is held."""


def _year(
    home: World, monkeypatch: pytest.MonkeyPatch, people: int, messages_wanted: int, seed: int, often: float
) -> Oracle:
    """Live until so many messages have left, or the year is over; answers the oracle."""
    oracle, drawn = Oracle(), random.Random(seed)
    story = Story(home, oracle, drawn, often)
    home.house = house = with_mail(home.house, Nowhere())
    monkeypatch.setattr(sending, "channels", lambda _house: ("email", "sms"))
    monkeypatch.setattr(sending, "door", lambda _house, _channel: Out(oracle, home.clock, story.meanwhile))
    story.enter(people)
    saved = [messages.save(house, read(text.encode()), by="cli") for text in (SPRING, TEXT)]
    for _ in range(4_000):
        home.clock.forward(drawn.choice([0.04, 0.3, 0.7, 1.3]))
        if datetime.fromtimestamp(home.clock() / 1e6, UTC).year != 2025 or oracle.sent.total() >= messages_wanted:
            break
        story.happens(max(2, min(people // 40, 100)))
        if drawn.random() < 0.05 or (oracle.stopped and drawn.random() < 0.5):
            story.turns(stopped=not oracle.stopped)
            if not oracle.stopped:
                _resume(home)
        for one in drawn.sample(saved, drawn.randint(0, 2)):
            made = campaigns.make(house, one.digest, by="cli", lasts=3 * DAY)
            try:
                campaigns.start(house, made.id, by="cli")
            except (BadInput, Denied):  # too few are left, or it is stopped
                continue
        sender(house).run(threading.Event(), once=True)
    return oracle


def _resume(home: World) -> None:
    with home.house.reading() as conn:
        held = [one.id for one in campaigns.listed(conn, 1_000) if one.state == campaigns.HELD]
    for name in held:
        campaigns.resume(home.house, name, by="dpo")


def test_nothing_leaves_that_is_forbidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few hundred messages of some weeks."""
    home = world(tmp_path / "house")
    oracle = _year(home, monkeypatch, people=90, messages_wanted=450, seed=3, often=0.2)
    home.house.close()
    assert oracle.forbidden == []
    assert oracle.sent["email"] > 150
    assert oracle.sent["sms"] > 20


@pytest.mark.soak
def test_a_million_messages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same, of a town, for most of a year."""
    home = world(tmp_path / "house")
    oracle = _year(home, monkeypatch, people=20_000, messages_wanted=1_000_000, seed=11, often=0.01)
    home.house.close()
    assert oracle.forbidden == []
    assert oracle.sent.total() >= 1_000_000
