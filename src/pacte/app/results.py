"""What a campaign would come to, and what it came to: numbers that single nobody out, by the one door for numbers.

Before it begins the report says who would be left out now, and why, of those who were entered; afterwards the results
say how many messages were taken, refused and why, and came back. While it is sent nothing is counted but how far it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pacte.app import campaigns, contact, recipients, shown
from pacte.app.recipients import TOGETHER
from pacte.gate import one
from pacte.gate.values import Question
from pacte.kernel.canonical import Json
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import Instant
from pacte.ledger import log

if TYPE_CHECKING:
    from pacte.app.campaigns import Campaign
    from pacte.app.house import House

STEP = 5
"""Progress is told in steps of so many in a hundred."""
WOULD = "permitted"


@dataclass(frozen=True, slots=True)
class Counted:
    """Numbers by outcome and reason. `all` is how many people they are about; `None`: fewer than may be shown.

    INVARIANT: what has fewer is not named at all; that there is somebody would tell what one person did.
    """

    all: int | None
    numbers: Mapping[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a campaign is, in a hundred; `waiting`: it is not being sent, and is not over."""

    hundredths: int
    waiting: bool


def report(house: House, name: str) -> Counted:
    """Who of those entered would be written to now, and for each reason how many would not.

    Under `("permitted", "")` are those who would; under `("refused", reason)` those who are left out, and under
    `("put_off", reason)` those whose time comes later. Nothing is recorded, and nobody is written to.
    """
    with house.reading() as conn:
        campaign = campaigns.of(conn, name)
        now = house.present(conn)
        found: dict[tuple[str, str], list[SubjectId]] = {}
        for people in recipients.everybody(conn, name, TOGETHER):
            for person, said in _said(house, campaign, people, now).items():
                found.setdefault(said, []).append(person)
    return _counted(house, name, "report", found)


def results(house: House, name: str) -> Counted:
    """What became of everybody: by outcome and its reason. While a campaign is sent, nothing yet."""
    with house.reading() as conn:
        campaign = campaigns.of(conn, name)
        if campaign.state not in (campaigns.ENDED, campaigns.STOPPED, campaigns.HELD):
            return Counted(None, {})
        found = recipients.by_outcome(conn, name)
    return _counted(house, name, "results", found)


def progress(house: House, name: str) -> Progress:
    """How far a campaign is."""
    with house.reading() as conn:
        campaign = campaigns.of(conn, name)
        left = recipients.left(conn, name)
    done = max(0, campaign.people - left)
    part = 100 * done // campaign.people // STEP * STEP if campaign.people else 0
    over = campaign.state in (campaigns.ENDED, campaigns.STOPPED)
    return Progress(
        100 if campaign.state == campaigns.ENDED else part, not over and campaign.state != campaigns.SENDING
    )


def _said(
    house: House, campaign: Campaign, people: Sequence[SubjectId], now: Instant
) -> dict[SubjectId, tuple[str, str]]:
    """What would be said of each of these people if they were to be written to now."""
    with house.reading() as conn:
        question = Question(campaign.purpose, now, log.head(conn).size, (), campaign.channel)
        found = {}
        for person in people:
            decision = one.may(conn, person, question)
            found[person] = (WOULD, "") if decision.permitted else (recipients.REFUSED, decision.reason.code)
        permitted = [person for person, said in found.items() if said[0] == WOULD]
        kind, channel = campaign.kind, campaign.channel
        for person, refusal in contact.refusals(
            conn, house, kind, channel, permitted, now, campaign=campaign.id
        ).items():
            later = refusal.until is not None and refusal.until < campaign.until
            found[person] = ("put_off" if later else recipients.REFUSED, refusal.reason)
    return found


def _counted(house: House, name: str, what: str, found: Mapping[tuple[str, str], Sequence[SubjectId]]) -> Counted:
    told = {
        about: shown.number_of(house, _meaning(name, what, *about), people) for about, people in sorted(found.items())
    }
    numbers = {about: number for about, number in told.items() if number is not None}
    everybody = [person for people in found.values() for person in people]
    return Counted(shown.number_of(house, _meaning(name, what, "all", ""), everybody), numbers)


def _meaning(name: str, what: str, outcome: str, reason: str) -> Json:
    return {"campaign": name, what: outcome, "reason": reason}
