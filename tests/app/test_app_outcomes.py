"""Results over time: each month is counted once when it is over, by the one door for numbers, and nobody shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from pacte.app import campaigns, messages, recipients, undoing
from pacte.app.outcomes import NOTHING, Outcomes, outcomes
from pacte.app.recipients import BOUNCED, FAILED, REFUSED, SENT, Block, Outcome
from pacte.app.unsubscribe import BY_COMPLAINT, Unsubscribe
from pacte.kernel import db
from pacte.kernel.ids import SubjectId, new_subject_id
from pacte.kernel.instant import DAY, Instant, parse_instant, to_iso
from pacte.lake import numbers
from pacte.ledger import log
from pacte.testing.world import World, world
from pacte.vault.evidence import commit_facts
from tests.app.sending import message
from tests.conftest import DATABASES

PEOPLE = 320
SENTS, LEFT, LOST = slice(0, 130), slice(130, 260), slice(260, 320)
"""Who gets a message, who is left out, whom the server does not take."""


@pytest.fixture(params=DATABASES)
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A house with people in it, on each kind of database; it is March 2025."""
    address = "" if request.param == "sqlite" else request.getfixturevalue("postgres").database()
    found = world(tmp_path / "house", database=address)
    found.clock.now = parse_instant("2025-03-10T08:00:00Z")
    people(found, PEOPLE)
    yield found
    found.house.close()


def people(home: World, count: int) -> None:
    """So many adults in France, said into existence together."""
    home.people += [new_subject_id() for _ in range(count)]
    home.house.keys.create_subject_keys(home.people)
    with db.write(home.house.engine) as conn:
        numbers.allot(conn, home.people)
    facts = {"place": "FR", "capacity": "consumer", "age": "adult"}
    about = {"kind": "fact", "by": "test", "role": "controller", "effective": home.clock()}
    home.record(
        *(
            {**about, "subject": one, **commit_facts(home.house.keys.evidence_key(one), one, facts)}
            for one in home.people
        )
    )


@dataclass(frozen=True)
class Written:
    """A campaign that was sent to everybody of a house."""

    home: World
    campaign: str

    def become(self, people: Sequence[SubjectId], state: str, reason: str = "") -> None:
        """Write down what became of these people, as a worker does; the entry of their use is the ledger's last."""
        with db.write(self.home.house.engine) as conn:
            now = self.home.clock()
            places = [self.home.people.index(person) for person in people]
            if state == SENT:
                entry = log.head(conn).size - 1
                block = Block(self.campaign, 0, "worker", "", 0)
                recipients.lease(conn, block, [(place, entry) for place in places], now)
            made = [Outcome(place, person, state, reason) for place, person in zip(places, people, strict=True)]
            recipients.settle(conn, self.campaign, made, now)

    def come_back(self, people: Sequence[SubjectId]) -> None:
        """The messages of these people come back."""
        sql = "UPDATE campaign_recipient SET state = 'bounced', reason = 'status_5.1.1', changed = ? WHERE subject = ?"
        with db.write(self.home.house.engine) as conn:
            db.run_many(conn, sql, [(self.home.clock(), person) for person in people])


def send(home: World) -> Written:
    """Send a campaign: to some of the people, the others are left out or not reached."""
    saved = messages.save(home.house, message(), by="cli")
    campaign = campaigns.make(home.house, saved.digest, by="cli")
    campaigns.start(home.house, campaign.id, by="cli", people=home.people)
    written = Written(home, campaign.id)
    written.become(home.people[SENTS], SENT)
    written.become(home.people[LEFT][:30], REFUSED, "withdrawn")
    written.become(home.people[LEFT][30:], REFUSED, "cap_reached")
    written.become(home.people[LOST], FAILED, "status_5.1.1")
    return written


def told(found: Outcomes) -> dict[tuple[str, str], list[int | None]]:
    """The numbers of the newsletter, by outcome and reason."""
    return {(one.outcome, one.reason): list(one.people) for one in found.purposes.get("newsletter", ())}


def near(number: int | None, people: int) -> bool:
    """Whether a number is about right: rounded, drawn for, moved, or that of nearly the same people."""
    return number is not None and abs(number - people) <= 70 + 6 + 5 + 5 * people**0.5


def test_a_month_is_told_when_it_is_over_and_stays(home: World) -> None:
    """Numbers of people, about right; no reason of too few; whoever comes, goes or is erased later changes nothing."""
    assert outcomes(home.house, 12) == NOTHING
    send(home)
    home.clock.now = parse_instant("2025-04-01T12:00:00Z")
    assert outcomes(home.house, 12) == NOTHING
    home.clock.now = parse_instant("2025-04-02T00:00:00Z")
    found = outcomes(home.house, 12)
    assert [to_iso(month)[:7] for month in found.months] == ["2025-03"]
    lines = told(found)
    assert near(lines[SENT, ""][0], 130)
    assert near(lines[REFUSED, ""][0], 130)
    assert lines["bounced", ""] == lines["unsubscribed", ""] == [None]
    assert {reason for outcome, reason in lines if outcome == REFUSED} == {"", "cap_reached"}  # thirty withdrew
    assert all(number is None or number % 10 == 0 for one in lines.values() for number in one)
    home.clock.forward(3)
    home.house.erase(home.people[0])
    assert outcomes(home.house, 12) == found
    assert home.house.check() == []


@pytest.mark.parametrize("home", ["sqlite"], indirect=True)
def test_what_comes_back_counts_in_its_own_month(home: World) -> None:
    """The message counts where it left; a bounce, an unsubscription and a complaint where they came."""
    written = send(home)
    home.clock.now = parse_instant("2025-04-05")
    written.come_back(home.people[:90])
    for person in home.people[160:260]:
        home.house.choose(person, "newsletter", "given", grade="form", channel="email", authenticated=True)
        home.house.commit(Unsubscribe((person,), "newsletter", "email"))
    for person in home.people[270:280]:
        home.house.commit(Unsubscribe((person,), "newsletter", "email", BY_COMPLAINT))
    home.clock.now = parse_instant("2025-05-03")
    lines = told(outcomes(home.house, 12))
    assert near(lines[SENT, ""][0], 130)
    assert lines[SENT, ""][1] is None
    assert lines[BOUNCED, ""][0] is None
    assert near(lines[BOUNCED, ""][1], 90)
    assert lines[BOUNCED, "status_5.1.1"] == lines[BOUNCED, ""]
    assert lines["unsubscribed", ""][0] is None
    assert near(lines["unsubscribed", ""][1], 100)
    assert "complained" not in {about[0] for about in lines}


@pytest.mark.parametrize("home", ["sqlite"], indirect=True)
def test_what_was_taken_back_is_no_unsubscription(home: World) -> None:
    """A slip of the finger ended nothing."""
    send(home)
    for person in home.people[:100]:
        home.house.choose(person, "newsletter", "given", grade="form", channel="email", authenticated=True)
        ended = home.house.commit(Unsubscribe((person,), "newsletter", "email"))
        assert undoing.undo(home.house, person, undoing.word_of(home.house, person, ended)) == 1
    home.clock.now = parse_instant("2025-04-05")
    assert told(outcomes(home.house, 12))["unsubscribed", ""] == [None]


@pytest.mark.parametrize("home", ["sqlite"], indirect=True)
def test_one_person_more_or_less_changes_no_month(home: World) -> None:
    """Two months of nearly the same people say the same number, so that nobody shows in the difference."""
    send(home)
    home.clock.now = Instant(parse_instant("2025-04-10") + DAY // 3)
    second = send(home)
    second.become(home.people[LEFT][:1], SENT)
    with db.write(home.house.engine) as conn:
        db.run(conn, "DELETE FROM campaign_recipient WHERE campaign = ? AND place = 0", (second.campaign,))
    home.clock.now = parse_instant("2025-05-03")
    march, april = told(outcomes(home.house, 12))[SENT, ""]
    assert march == april
    assert march is not None
