"""What a campaign would come to, and what it came to: numbers that single nobody out, by the one door for numbers.

Before it begins the report says whom its purpose may reach at all, then who of those entered would be left out now, and
why; afterwards the results say how many messages were taken, refused and why, and came back. While it is sent nothing
is counted but how far it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from pacte.app import campaigns, contact, reach, recipients, reports, shown
from pacte.app.recipients import TOGETHER
from pacte.app.reports import Counted, Report
from pacte.gate import several
from pacte.gate.values import Question
from pacte.kernel import db
from pacte.kernel.canonical import Json
from pacte.kernel.errors import Conflict
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
class Progress:
    """How far a campaign is, in a hundred; `waiting`: it is not being sent, and is not over."""

    hundredths: int
    waiting: bool


def report(house: House, name: str) -> Report:
    """Whom the purpose may reach; of those entered who would be written to now, and for each reason how many not.

    Under `("permitted", "")` are those who would; under `("refused", reason)` those who are left out, and under
    `("put_off", reason)` those whose time comes later. Nothing is recorded, and nobody is written to; what is told is
    kept. Raises `Denied` for what the policy in force does not declare, and where nobody can be decided about,
    `Conflict` for a campaign that has begun.
    """
    with house.reading() as conn:
        campaign, now = campaigns.of(conn, name), house.present(conn)
        if campaign.state not in (campaigns.DRAFT, campaigns.ENTERING, campaigns.READY):
            raise Conflict("this campaign has begun; `pacte campaign show` says how far it is and what became of it")
        rests = reports.under(conn, campaign.purpose, now)
        people = [person for some in recipients.everybody(conn, name, TOGETHER) for person in some]
        found: dict[tuple[str, str], list[SubjectId]] = {}
        for person, said in _said(conn, house, campaign, people, now).items():
            found.setdefault(said, []).append(person)
    reached = reach.reach(house, campaign.purpose, campaign.channel)
    told = Report(reached, _counted(house, campaign, "report", found), Instant(house.clock()))
    with db.write(house.engine) as conn:
        reports.keep(conn, name, told, rests)
    return told


def latest(house: House, name: str) -> Report | None:
    """The report as it was told already today, where it still holds."""
    with house.reading() as conn:
        campaign, now = campaigns.of(conn, name), house.present(conn)
        return reports.kept(conn, name, reports.under(conn, campaign.purpose, now), Instant(house.clock()))


def results(house: House, name: str) -> Counted:
    """What became of everybody: by outcome and its reason. While a campaign is sent, nothing yet."""
    with house.reading() as conn:
        campaign = campaigns.of(conn, name)
        if campaign.state not in (campaigns.ENDED, campaigns.STOPPED, campaigns.HELD):
            return Counted(None, {})
        found = recipients.by_outcome(conn, name)
    left = sum(len(people) for (state, _), people in found.items() if state in recipients.OPEN)
    return _counted(house, campaign, "results", found, _step(campaign, left))


def progress(house: House, name: str) -> Progress:
    """How far a campaign is."""
    with house.reading() as conn:
        campaign = campaigns.of(conn, name)
        left = recipients.left(conn, name)
    part = _step(campaign, left)
    over = campaign.state in (campaigns.ENDED, campaigns.STOPPED)
    return Progress(
        100 if campaign.state == campaigns.ENDED else part, not over and campaign.state != campaigns.SENDING
    )


def _step(campaign: Campaign, left: int) -> int:
    """How far a campaign is of whom so many are left, in steps: what is told of it is settled once for each."""
    done = max(0, campaign.people - left)
    return 100 * done // campaign.people // STEP * STEP if campaign.people else 0


def _said(
    conn: Connection, house: House, campaign: Campaign, people: Sequence[SubjectId], now: Instant
) -> dict[SubjectId, tuple[str, str]]:
    """What would be said of each of these people if they were to be written to now."""
    question = Question(campaign.purpose, now, log.head(conn).size, (), campaign.channel)
    decided = several.reasons(conn, house.lake, people, question)
    found = {
        person: (WOULD, "") if reason == WOULD else (recipients.REFUSED, reason) for person, reason in decided.items()
    }
    permitted = [person for person, reason in decided.items() if reason == WOULD]
    for start in range(0, len(permitted), TOGETHER):
        some = permitted[start : start + TOGETHER]
        refusals = contact.refusals(conn, house, campaign.kind, campaign.channel, some, now, campaign=campaign.id)
        for person, refusal in refusals.items():
            later = refusal.until is not None and refusal.until < campaign.until
            found[person] = ("put_off" if later else recipients.REFUSED, refusal.reason)
    return found


def _counted(
    house: House, campaign: Campaign, what: str, found: Mapping[tuple[str, str], Sequence[SubjectId]], step: int = 0
) -> Counted:
    where: Json = [campaign.id, step]
    told = {
        about: shown.number_of(house, _meaning(campaign, what, *about), people, where)
        for about, people in sorted(found.items())
    }
    numbers = {about: number for about, number in told.items() if number is not None}
    everybody = [person for people in found.values() for person in people]
    return Counted(shown.number_of(house, _meaning(campaign, what, "all", ""), everybody, where), numbers)


def _meaning(campaign: Campaign, what: str, outcome: str, reason: str) -> Json:
    """What a number is of; nothing in it that each campaign makes anew (see `shown.about`)."""
    return {what: outcome, "reason": reason, "purpose": campaign.purpose, "channel": campaign.channel}
