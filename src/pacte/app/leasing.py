"""The last decision before a message leaves: a few people at a time, in one commit, by everything that holds now.

For each of them the gate is asked at the head of the ledger, then whether this is the moment and the way to reach them;
whoever is permitted has one recorded use of their own, which is what "why this message?" leads to. The same commit
writes down what became of those before. INVARIANT: a message that has no committed use of its recipient is never
handed over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from pacte.app import campaigns, contact, recipients
from pacte.app.commits import First
from pacte.app.committer import Change, Moment, Recorded
from pacte.app.recipients import QUEUED, REFUSED, SENT, UNCERTAIN, Block, Outcome, Row
from pacte.gate import use
from pacte.gate.permit import Permit
from pacte.gate.use import Intended
from pacte.gate.values import Question
from pacte.kernel.errors import BadInput
from pacte.kernel.instant import Instant

if TYPE_CHECKING:
    from pacte.app.campaigns import Campaign

TOGETHER = 20
"""People of one lease: so many at most are uncertain after a machine died."""
STOPPED = "stopped"
"""The reason of a stop, which holds a campaign and settles nobody."""


@dataclass(frozen=True, slots=True)
class Leased:
    """Who may be written to now, each with the permit of their own.

    `held`: a stop is in force, nobody may; `lost`: another worker has the block by now.
    """

    permits: Mapping[Row, Permit]
    refused: Mapping[Row, str]
    put_off: Mapping[Row, tuple[str, Instant]]
    held: bool = False
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Lease:
    """The verb: lease these rows of a block, and write down what became of those before."""

    campaign: Campaign
    block: Block
    fields: tuple[str, ...]
    rows: tuple[Row, ...]
    before: tuple[Outcome, ...] = ()
    key: str = ""

    @property
    def persons(self) -> Sequence[str]:
        """Whom it is about."""
        return tuple(dict.fromkeys(row.subject for row in self.rows))

    def change(self, moment: Moment) -> Change[Leased]:
        """Decide about each, as of now."""
        found = self._decided(moment)

        def write(conn: Connection, recorded: Recorded) -> None:
            self._write(conn, recorded, found, moment.clock)

        entries = [intended.entry for intended in found.permitted.values()]
        return Change(lambda written: _leased(found, written), entries, also=write)

    def again(self, moment: Moment, first: First) -> Leased:  # noqa: ARG002 # part of the protocol
        """A lease has no key."""
        raise BadInput("a lease has no key")

    def _decided(self, moment: Moment) -> _Found:
        conn, campaign = moment.conn, self.campaign
        open_ = recipients.still_queued(conn, campaign.id, self.rows) if self.rows else set()
        rows = [row for row in self.rows if row.place in open_]
        found = _Found()
        if not recipients.holds(conn, self.block):
            return _Found(lost=True)
        if not rows or not campaigns.is_sending(conn, campaign.id):
            return found
        act = moment.act("worker")
        question = Question(campaign.purpose, act.present, moment.head.size, self.fields, campaign.channel)
        known = {row.subject: moment.numbered.get(row.subject) for row in rows}
        numbers = {subject: None if person is None else person.no for subject, person in known.items()}
        answers = use.intend_each(conn, numbers, question, act)
        for row in rows:
            answer = answers[row.subject]
            if isinstance(answer, Intended):
                found.permitted[row] = answer.for_message(campaign.id, campaign.message)
            elif answer.reason.code == STOPPED:
                return _Found(held=True)
            else:
                found.refused[row] = answer.reason.code
        return self._reached(moment, found)

    def _reached(self, moment: Moment, found: _Found) -> _Found:
        """Leave out whom this is not the moment, or not the way, to reach."""
        campaign = self.campaign
        people = [row.subject for row in found.permitted]
        refusals = contact.refusals(
            moment.conn, moment.house, campaign.kind, campaign.channel, people, moment.present, campaign=campaign.id
        )
        for row in list(found.permitted):
            if (refusal := refusals.get(row.subject)) is None:
                continue
            del found.permitted[row]
            if refusal.until is not None and refusal.until < campaign.until:
                found.put_off[row] = (refusal.reason, refusal.until)
            else:
                found.refused[row] = refusal.reason
        return found

    def _write(self, conn: Connection, recorded: Recorded, found: _Found, now: Instant) -> None:
        recipients.renew(conn, self.block, now)
        settle(conn, self.campaign, self.before, now, self.block.worker)
        outcomes = [Outcome(row.place, row.subject, REFUSED, reason) for row, reason in found.refused.items()]
        outcomes += [
            Outcome(row.place, row.subject, QUEUED, reason, due) for row, (reason, due) in found.put_off.items()
        ]
        recipients.settle(conn, self.campaign.id, outcomes, now)
        places = zip((row.place for row in found.permitted), recorded.indices, strict=True)
        recipients.lease(conn, self.block, list(places), now)
        campaign = self.campaign
        if campaign.kind == "promotion":  # what somebody waits for is no offer
            about = (recorded.at, campaign.channel, campaign.purpose, campaign.id)
            contact.note(conn, [(row.subject, *about) for row in found.permitted])


@dataclass(slots=True)
class _Found:
    permitted: dict[Row, Intended] = field(default_factory=dict)
    refused: dict[Row, str] = field(default_factory=dict)
    put_off: dict[Row, tuple[str, Instant]] = field(default_factory=dict)
    held: bool = False
    lost: bool = False


def settle(conn: Connection, campaign: Campaign, outcomes: Sequence[Outcome], now: Instant, worker: str) -> None:
    """Write down what became of people whom a worker has leased, as far as it still has.

    Whoever was not written to after all does not count as reached.
    """
    if not outcomes:
        return
    own = recipients.still_leased(conn, campaign.id, worker, [one.place for one in outcomes])
    mine = [one for one in outcomes if one.place in own]
    recipients.settle(conn, campaign.id, mine, now)
    reached = (SENT, UNCERTAIN)
    contact.forget(conn, [(one.subject, campaign.id) for one in mine if one.state not in reached])


def _leased(found: _Found, written: Recorded) -> Leased:
    indices = written.indices
    permits = {row: one.recorded(index) for (row, one), index in zip(found.permitted.items(), indices, strict=True)}
    return Leased(permits, found.refused, found.put_off, found.held, found.lost)
