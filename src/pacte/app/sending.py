"""Send campaigns: lease a few people, write to each under their turn, say what became of them with the next lease.

Any number of workers send beside each other, each with a block of people of its own. Just before a message is handed
over the gate is asked again where anything was recorded since, and a stop gives back whoever has not begun. What a
worker that died had begun is uncertain and stays unsent; the rest goes on with whoever takes the block.
Crash points: `sending-leased` (nothing handed over), `sending-begun` (about to be), `sending-answered` (taken, written
down nowhere), `sending-taken` (in the journal, not in the records).
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from time import monotonic, sleep
from typing import TYPE_CHECKING

from pacte.app import campaigns, contact, journal, messages, recipients, suppressions
from pacte.app.ask import refused_in
from pacte.app.composing import Ready, Writer
from pacte.app.handing import MAIL, Answer, Away, Door, Unanswered, channels, door
from pacte.app.inflight import message_to
from pacte.app.journal import BEGUN, LEFT, TAKEN, Journal, Left
from pacte.app.leasing import STOPPED, TOGETHER, Lease, Leased, settle
from pacte.app.mail import check, refuse_nobody
from pacte.app.pace import EVERY, PATIENCE, Pace
from pacte.app.recipients import BOUNCED, FAILED, QUEUED, REFUSED, SENT, UNCERTAIN, Block, Outcome, Row
from pacte.kernel import crash, db
from pacte.kernel.errors import BadInput, NotFound, PacteError, PolicyError
from pacte.kernel.instant import SECOND, Instant
from pacte.uses.message.bounce import DEAD
from pacte.uses.message.model import Message

if TYPE_CHECKING:
    from pacte.app.campaigns import Campaign
    from pacte.app.house import House
    from pacte.gate.permit import Permit

PAUSE = 0.5
"""Seconds between two looks for somebody to write to."""
REST = 2.0
"""Seconds before a worker that failed begins again."""
FIRST_RETRY, LAST_RETRY = 300 * SECOND, 14_400 * SECOND
"""After how long somebody whom the server would not take now is tried again, in microseconds, doubled each time."""
AWAY_FIRST, AWAY_LAST = 10 * SECOND, 900 * SECOND
"""How long a block rests while the server is away, likewise."""
PACED = 5 * SECOND
"""How long a block rests whose people wait for their domain, in microseconds."""
FRESH = 1.0
"""Seconds for which nobody is asked again whether this is the moment to reach them."""
NOW = Instant(0)
"""Due at once."""
BOUNCE = "bounced"
"""Why an address is written to no more that its server says is gone."""
EXPIRED = "permit_expired"
"""Why somebody is asked about again before they are written to."""
NOT_TAKEN, LOST = "not_taken", "worker_lost"
"""Why somebody was not written to: the server did not take it in all that time; nobody knows, the worker died."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What a worker did: how many of each outcome."""

    counts: Mapping[str, int]

    @property
    def sent(self) -> int:
        """Messages that the server took."""
        return self.counts.get(SENT, 0)


def keep_sending(house: House, stop: threading.Event) -> None:
    """Send whatever is due until `stop` is set, by as many workers as the settings say."""
    pace = pace_of(house)
    others = [
        threading.Thread(target=_keep_sending, args=(house, stop, pace), name="pacte-sender", daemon=True)
        for _ in range(house.settings.sending.workers - 1)
    ]
    for one in others:
        one.start()
    _keep_sending(house, stop, pace)
    for one in others:
        one.join()


def _keep_sending(house: House, stop: threading.Event, pace: Pace) -> None:
    """Whatever goes wrong with one campaign or at one moment, others go on."""
    while not stop.is_set():
        with suppress(Exception):  # one mistake must not end the worker; its message may hold a value
            if channels(house):
                Sender(house, pace).run(stop)
        stop.wait(REST)


@contextmanager
def beside(house: House, stop: threading.Event, *, once: bool = False) -> Iterator[None]:
    """Send while the block runs; with `once` whatever is due after it."""
    thread = threading.Thread(target=keep_sending, args=(house, stop), name="pacte-sender", daemon=True)
    if not once:
        thread.start()
    try:
        yield
    finally:
        if once and channels(house):
            sender(house).run(stop, once=True)
        elif not once:
            stop.set()
            thread.join()


def sender(house: House) -> Sender:
    """A worker alone."""
    return Sender(house, pace_of(house))


def pace_of(house: House) -> Pace:
    """How fast this house's mail may leave."""
    rates = {EVERY: house.settings.sending.per_minute, **house.settings.sending.domains}
    return Pace(rates, house.keys.house_key("messages"))


@dataclass
class Sender:
    """One worker that sends; of one thread."""

    house: House
    pace: Pace
    name: str = field(default_factory=lambda: secrets.token_hex(8))
    counts: dict[str, int] = field(default_factory=dict)
    writers: dict[str, Writer] = field(default_factory=dict, repr=False)

    def run(self, stop: threading.Event, *, once: bool = False) -> Sent:
        """Send until `stop` is set; with `once`, until nobody is due."""
        folder = self.house.path / journal.FOLDER
        kept, settled = Journal(folder, self.name), False
        doors = {channel: door(self.house, channel) for channel in channels(self.house)}
        try:
            while not stop.is_set():
                block = self._claimed()
                if block is not None and (work := self._work(block, kept, doors)) is not None:
                    work.run(stop)
                elif block is not None:
                    continue
                elif once:
                    break
                else:
                    stop.wait(PAUSE)
            settled = True
        finally:
            for one in doors.values():
                one.close()
            kept.close(settled=settled)
        return Sent(self.counts)

    def _work(self, block: Block, kept: Journal, doors: Mapping[str, Door]) -> _Work | None:
        """The work on a block; where its message may not be sent any more the campaign is held."""
        with self.house.reading() as conn:
            campaign = campaigns.of(conn, block.campaign)
        try:
            message = messages.sendable(self.house, campaign.message)
            if campaign.channel == MAIL:
                check(self.house.settings.mail)
                refuse_nobody(self.house.settings.mail)
            writer = self._writer(campaign, message)
        except (PolicyError, BadInput, NotFound):
            with db.write(self.house.engine) as conn:
                recipients.give_back(conn, block, self.house.clock())
            with suppress(PacteError):
                campaigns.hold(self.house, campaign.id, "message_refused", by="worker")
            return None
        return _Work(self, campaign, writer, block, kept, doors[campaign.channel])

    def _writer(self, campaign: Campaign, message: Message) -> Writer:
        """Whoever writes the messages of a campaign, for as long as the same policy is in force."""
        known = self.writers.get(campaign.id)
        if known is None or not known.holds():
            known = Writer(self.house, campaign, message, messages.signer(self.house))
            self.writers = {campaign.id: known}
        return known

    def _claimed(self) -> Block | None:
        house, now = self.house, self.house.clock()
        gone = journal.dead(house.path / journal.FOLDER)
        with house.reading() as conn:  # an idle worker takes no lock
            there = campaigns.sending(conn, channels(house))
            if not recipients.claimable(conn, there, now, gone):
                return None
        with db.write(house.engine) as conn:
            return recipients.claim(conn, campaigns.sending(conn, channels(house)), self.name, now, gone)


@dataclass
class _Work:
    """One block, from where it was left to its end."""

    sender: Sender
    campaign: Campaign
    writer: Writer
    block: Block
    journal: Journal
    door: Door
    outcomes: list[Outcome] = field(default_factory=list)
    away: bool = False
    held: bool = False
    lost: bool = False

    def __post_init__(self) -> None:
        self.house = self.sender.house

    def run(self, stop: threading.Event) -> None:
        """Write to whoever of the block is due."""
        if self.block.before:
            self._recover()
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
        self.held, self.lost = leased.held, leased.lost
        self._count([*(REFUSED for _ in leased.refused), *(one.state for one in before)])
        return leased

    def _send(self, leased: Leased, stop: threading.Event) -> None:
        ready = self.writer.write(leased.permits) if leased.permits else {}
        asked = monotonic()
        left = list(leased.permits.items())
        while left:
            row, permit = left.pop(0)
            message = ready[row]
            if isinstance(message, str):
                self._note(row, REFUSED, message)
                continue
            if stop.is_set() or self.away or self.held:
                self._note(row, QUEUED, tried=-1)
                continue
            if self._in_turn(row, message):
                self._offer(row, permit, message, asked)

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
        if answer is not None:
            self._settle(row, answer)

    def _hand(self, row: Row, permit: Permit, message: Ready, asked: float) -> Answer | None:
        """Ask the last time, and hand over; `None` where the answer was no."""
        with message_to(self.house, row.subject) as held:
            if not held:
                self._note(row, QUEUED, tried=-1)
                return None
            if (refusal := self._refusal(row, permit, asked)) is not None:
                self._give_up(row, *refusal)
                return None
            answer = self.door.hand(message, lambda: self._begun(row))
            crash.point("sending-answered")
            self.journal.note(TAKEN if answer.taken else LEFT, self.campaign.id, row.place)
        crash.point("sending-taken")
        return answer

    def _begun(self, row: Row) -> None:
        self.journal.note(BEGUN, self.campaign.id, row.place)
        crash.point("sending-begun")

    def _refusal(self, row: Row, permit: Permit, asked: float) -> tuple[str, Instant | None] | None:
        """Why this message must not leave after all, and until when: what was recorded, or what time it is by now."""
        campaign = self.campaign
        with self.house.reading() as conn:
            if not recipients.is_leased(conn, self.block, row.place):
                return LOST, None
            now = self.house.present(conn)
            if not permit.issued <= now < permit.expires:  # a worker that slept: everything is asked again
                return EXPIRED, now
            decision = refused_in(self.house, conn, permit)
            if decision is not None:
                return decision.reason.code, None
            if not campaigns.is_sending(conn, campaign.id):
                return STOPPED, None
            if monotonic() - asked < FRESH:
                return None
            found = contact.refusals(
                conn, self.house, campaign.kind, campaign.channel, [row.subject], now, campaign=campaign.id
            )
        return next(((refusal.reason, refusal.until) for refusal in found.values()), None)

    def _give_up(self, row: Row, reason: str, until: Instant | None) -> None:
        if reason == LOST:  # another worker's by now, or of somebody erased: what became of it is not ours to say
            return
        if reason == STOPPED:
            self.held = True
            self._note(row, QUEUED, tried=-1)
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

    def _recover(self) -> None:
        """Settle what the worker before left leased, by its journal.

        It may live and be slow, or have been asleep: under the person's turn it has either handed the message over, and
        its journal says so, or will find that the row is no longer its own.
        """
        folder, before = self.house.path / journal.FOLDER, self.block.before
        with self.house.reading() as conn:
            rows = recipients.leased(conn, self.block)
        for row in rows:
            with message_to(self.house, row.subject):
                outcome = self._left(row, journal.left_by(folder, before))
                with db.write(self.house.engine) as conn:
                    settle(conn, self.campaign, [outcome], self.house.clock())
            self._count([outcome.state])
        if before in journal.dead(folder):
            journal.remove(folder, before)

    def _left(self, row: Row, left: Left) -> Outcome:
        """What became of a row, by the journal of whoever had it."""
        word = left.of(self.campaign.id, row.place)
        if word == TAKEN:
            return Outcome(row.place, row.subject, SENT)
        if word == LEFT or (not word and left.whole):
            return Outcome(row.place, row.subject, QUEUED, tried=-1)
        return Outcome(row.place, row.subject, UNCERTAIN, LOST)

    def _end(self) -> None:
        """Write down the last outcomes, and let go of the block."""
        house, now = self.house, self.house.clock()
        with db.write(house.engine) as conn:
            settle(conn, self.campaign, self.outcomes, now)
            due = recipients.next_due(conn, self.block) or now
            due = Instant(max(due, now + PACED)) if self.sender.pace.busy() else due
            if self.away:
                rest = min(AWAY_FIRST * 2 ** min(self.block.failures, 20), AWAY_LAST)
                due = Instant(max(due, now + rest))
            recipients.give_back(conn, self.block, due, failed=self.away)
        self._count([one.state for one in self.outcomes])
        self.outcomes = []
        if self.held:
            with suppress(PacteError):  # somebody may have held or stopped it meanwhile
                campaigns.hold(house, self.campaign.id, STOPPED, by="worker")
        campaigns.finish(house, self.campaign.id)

    def _count(self, states: Sequence[str]) -> None:
        for state in states:
            self.sender.counts[state] = self.sender.counts.get(state, 0) + 1
