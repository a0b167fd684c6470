"""One block of people: lease a few, write to each under their turn, say what became of them with the next lease.

Just before a message is handed over the gate is asked again where anything was recorded since, then whether this is
still the moment, and whether what it was made of is still what is kept; a stop gives back whoever has not begun.
Crash points: `sending-leased` (nothing handed over), `sending-begun` (about to be), `sending-answered` (taken, written
down nowhere), `sending-taken` (in the journal, not in the records), `sending-ending` (all is settled, the campaign is
not said to be over).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic, sleep
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from pacte.app import campaigns, contact, recipients, suppressions
from pacte.app.ask import NEAR, refused_in
from pacte.app.composing import Ready, Writer
from pacte.app.handing import Answer, Away, Door, Unanswered
from pacte.app.inflight import PATIENCE as WAITED_FOR
from pacte.app.inflight import message_to
from pacte.app.journal import BEGUN, LEFT, TAKEN, Journal
from pacte.app.leasing import STOPPED, TOGETHER, Lease, Leased, settle
from pacte.app.pace import PATIENCE
from pacte.app.recipients import BOUNCED, CLAIM, FAILED, QUEUED, REFUSED, SENT, UNCERTAIN, Block, Outcome, Row
from pacte.kernel import crash, db
from pacte.kernel.errors import BadInput, PacteError
from pacte.kernel.instant import SECOND, Instant
from pacte.ledger import log, queries
from pacte.uses.message.bounce import DEAD

if TYPE_CHECKING:
    from pacte.app.campaigns import Campaign
    from pacte.app.sending import Sender
    from pacte.gate.permit import Permit

FIRST_RETRY, LAST_RETRY = 300 * SECOND, 14_400 * SECOND
"""After how long somebody whom the server would not take now is tried again, in microseconds, doubled each time."""
AWAY_FIRST, AWAY_LAST = 10 * SECOND, 900 * SECOND
"""How long a block rests while the server is away, likewise."""
PACED = 5 * SECOND
"""How long a block rests whose people wait for their domain, in microseconds."""
FRESH = 1.0
"""Seconds for which nobody of whom nothing was recorded is asked again whether this is the moment to reach them."""
SLOW = WAITED_FOR / 4
"""Seconds that a server takes to want a message after which its reader is asked about once more."""
NOW = Instant(0)
"""Due at once."""
BOUNCE = "bounced"
"""Why an address is written to no more that its server says is gone."""
EXPIRED = "permit_expired"
CHANGED, TURN = "data_changed", "turn_lost"
"""Why somebody is asked about again before they are written to."""
NOT_TAKEN, LATE, LOST = "not_taken", "too_late", "lost"
"""Why somebody was not written to: the server did not take it in all that time; the campaign is over; the row is now
another worker's."""
UNSENDABLE = "message_refused"
"""Why a campaign is held: its message cannot be sent as it is."""


class _Meanwhile(Exception):
    """Something was said between the last question and the moment that the server wanted the message."""

    def __init__(self, reason: str, until: Instant | None) -> None:
        super().__init__(reason)
        self.reason, self.until = reason, until


@dataclass
class Delivery:
    """One block of a campaign in the hands of one worker, from where it was left to its end."""

    sender: Sender
    campaign: Campaign
    writer: Writer
    block: Block
    journal: Journal
    door: Door
    outcomes: list[Outcome] = field(default_factory=list)
    away: bool = False
    held: str = ""
    lost: bool = False

    def __post_init__(self) -> None:
        self.house = self.sender.house
        self.renewed = monotonic()

    def run(self, stop: threading.Event) -> None:
        """Write to whoever of the block is due."""
        after = -1
        while not (stop.is_set() or self.away or self.held or self.lost):
            with self.house.reading() as conn:
                busy = self.sender.pace.busy()
                rows = recipients.page(conn, self.block, after, self.house.clock(), TOGETHER, busy)
            if not rows or self._is_over():
                break
            after = rows[-1].place
            leased = self._lease(rows)
            crash.point("sending-leased")
            self._send(leased, stop)
        self._end()

    def _lease(self, rows: Sequence[Row]) -> Leased:
        before, self.outcomes = tuple(self.outcomes), []
        leased = self.house.commit(Lease(self.campaign, self.block, self.writer.fields, tuple(rows), before))
        self.held, self.lost, self.renewed = STOPPED if leased.held else "", leased.lost, monotonic()
        self.sender.count([*(REFUSED for _ in leased.refused), *(one.state for one in before)])
        return leased

    def _send(self, leased: Leased, stop: threading.Event) -> None:
        try:
            ready = self.writer.write(leased.permits) if leased.permits else {}
        except BadInput:  # nobody's own value is at fault: no message of this campaign can be made
            ready, self.held = {}, UNSENDABLE
        asked = monotonic()
        for row, permit in leased.permits.items():
            if stop.is_set() or self.away or self.held or not self._is_ours():
                self._note(row, QUEUED, tried=-1)
                continue
            message = ready[row]
            if isinstance(message, str):
                self._note(row, REFUSED, message)
                continue
            if self._in_turn(row, message):
                self._offer(row, permit, message, asked)

    def _is_ours(self) -> bool:
        """Whether the block is this worker's still; where much time went by, it gives a sign of life."""
        if not self.lost and monotonic() - self.renewed > CLAIM / SECOND / 4:
            with db.write(self.house.engine) as conn:
                self.lost = not recipients.renew(conn, self.block, self.house.clock())
            self.renewed = monotonic()
        return not self.lost

    def _in_turn(self, row: Row, message: Ready) -> bool:
        """Wait until a message may leave; where that is long, somebody else's goes first."""
        pace, domain = self.sender.pace, message.to.reveal().rpartition("@")[2]
        wait = pace.turn(domain)
        if wait > PATIENCE:
            due = Instant(self.house.clock() + int(wait * SECOND))
            self.outcomes.append(Outcome(row.place, row.subject, QUEUED, "paced", due, -1, pace.named(domain)))
            return False
        if wait:
            sleep(wait)
        return True

    def _offer(self, row: Row, permit: Permit, message: Ready, asked: float) -> None:
        try:
            answer = self.door.offer(message)
            if answer is None:
                answer = self._hand(row, permit, message, asked)
        except Away:
            self.away = True
            self._note(row, QUEUED, "server_away", tried=-1)
            return
        except Unanswered:
            self._note(row, UNCERTAIN, "unanswered")
            return
        except _Meanwhile as said:
            self._give_up(row, said.reason, said.until)
            return
        if answer is not None:
            self._settle(row, answer)

    def _hand(self, row: Row, permit: Permit, message: Ready, asked: float) -> Answer | None:
        """Ask the last time, and hand over; `None` where the answer was no."""
        with message_to(self.house, row.subject) as held:
            if not held():
                self._note(row, QUEUED, tried=-1)
                return None
            if (refusal := self._refusal(row, permit, message, asked)) is not None:
                self._give_up(row, *refusal)
                return None
            since = monotonic()

            def begun() -> None:
                if not held() or monotonic() - since > SLOW:  # a no may have been recorded in that time
                    self._ask_again(row, permit, message, asked, held)
                self._begun(row)

            answer = self.door.hand(message, begun)
            crash.point("sending-answered")
            self.journal.note(TAKEN if answer.taken else LEFT, self.campaign.id, row.place)
        crash.point("sending-taken")
        return answer

    def _ask_again(self, row: Row, permit: Permit, message: Ready, asked: float, held: Callable[[], bool]) -> None:
        """Raise `_Meanwhile` where a message that the server wants by now must not leave any more."""
        if not held():
            raise _Meanwhile(TURN, NOW)
        if (refusal := self._refusal(row, permit, message, asked)) is not None:
            raise _Meanwhile(*refusal)

    def _begun(self, row: Row) -> None:
        self.journal.note(BEGUN, self.campaign.id, row.place)
        crash.point("sending-begun")

    def _refusal(self, row: Row, permit: Permit, message: Ready, asked: float) -> tuple[str, Instant | None] | None:
        """Why this message must not leave after all, and until when: what was recorded, or what time it is by now."""
        campaign = self.campaign
        with self.house.reading() as conn:
            if not recipients.is_leased(conn, self.block, row.place):
                return LOST, None
            now = self.house.present(conn)
            if now >= campaign.until:
                return LATE, None
            if not permit.issued <= now < permit.expires:  # a worker that slept: everything is asked again
                return EXPIRED, now
            told = self._told(conn, row, permit)
            decision = refused_in(self.house, conn, permit) if told else None
            if decision is not None:
                return decision.reason.code, None
            if not campaigns.is_sending(conn, campaign.id):
                return STOPPED, None
            if not self.writer.holds_for(conn, row.subject, message):
                return CHANGED, now
            if not told and monotonic() - asked < FRESH:
                return None
            found = contact.refusals(
                conn, self.house, campaign.kind, campaign.channel, [row.subject], now, campaign=campaign.id
            )
        return next(((refusal.reason, refusal.until) for refusal in found.values()), None)

    def _told(self, conn: Connection, row: Row, permit: Permit) -> bool:
        """Whether anything recorded since a permit could matter to its person; after very much, it is taken to."""
        size, since = log.head(conn).size, permit.index + 1
        return size > since and (size - since > NEAR or queries.told_since(conn, row.subject, since))

    def _give_up(self, row: Row, reason: str, until: Instant | None) -> None:
        if reason == LOST:  # another worker's by now, or of somebody erased: what became of it is not ours to say
            return
        if reason == STOPPED:
            self.held = STOPPED
            self._note(row, QUEUED, tried=-1)
        elif reason == LATE:
            self._note(row, FAILED, LATE)
        elif until is not None and until < self.campaign.until:
            self._note(row, QUEUED, reason, until, tried=-1)
        else:
            self._note(row, REFUSED, reason)

    def _settle(self, row: Row, answer: Answer) -> None:
        if answer.taken:
            self._note(row, SENT)
        elif answer.code in DEAD:
            with self.house.writing() as conn:
                now = self.house.present(conn)
                suppressions.add_of(conn, self.house, row.subject, self.campaign.channel, BOUNCE, now, "worker")
            self._note(row, BOUNCED, f"status_{answer.code}")
        elif answer.permanent:
            self._note(row, FAILED, f"status_{answer.code}")
        else:
            wait = min(FIRST_RETRY * 2 ** min(row.attempts, 20), LAST_RETRY)
            due = Instant(self.house.clock() + wait)
            if due >= self.campaign.until:
                self._note(row, FAILED, NOT_TAKEN)
            else:
                self._note(row, QUEUED, "not_taken_yet", due)

    def _note(self, row: Row, state: str, reason: str = "", due: Instant = NOW, *, tried: int = 0) -> None:
        self.outcomes.append(Outcome(row.place, row.subject, state, reason, due, tried))

    def _is_over(self) -> bool:
        """Nobody is written to after a campaign's end: whoever is left was not reached in time."""
        if self.house.clock() < self.campaign.until:
            return False
        with db.write(self.house.engine) as conn:
            recipients.expire(conn, self.block, self.house.clock())
        return True

    def _end(self) -> None:
        """Write down the last outcomes, and let go of the block."""
        house, now = self.house, self.house.clock()
        with db.write(house.engine) as conn:
            settle(conn, self.campaign, self.outcomes, now, self.block.worker)
            due = recipients.next_due(conn, self.block)
            # The last of them are another's to settle, or wait for their domain.
            if due is None or self.sender.pace.busy():
                due = Instant(max(due or now, now + PACED))
            if self.away:
                rest = min(AWAY_FIRST * 2 ** min(self.block.failures, 20), AWAY_LAST)
                due = Instant(max(due, now + rest))
            recipients.give_back(conn, self.block, due, failed=self.away)
        crash.point("sending-ending")
        self.sender.count([one.state for one in self.outcomes])
        self.sender.lost |= self.lost
        self.outcomes = []
        if self.held:
            with suppress(PacteError):  # somebody may have held or stopped it meanwhile
                campaigns.hold(house, self.campaign.id, self.held, by="worker")
        campaigns.finish(house, self.campaign.id)
