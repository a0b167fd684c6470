"""Send campaigns: workers that look for a block of people, settle what was left in it, and write to whoever is due.

Any number of workers send beside each other, each with a block of people of its own (`app.delivering`). What a worker
that died had begun is uncertain and stays unsent; the rest goes on with whoever takes the block (`app.recovering`).
Whatever keeps failing is told and holds the campaign.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pacte.app import campaigns, journal, messages, recipients, recovering
from pacte.app.composing import Writer
from pacte.app.delivering import PACED, UNSENDABLE, Delivery
from pacte.app.handing import MAIL, Door, channels, door
from pacte.app.journal import Journal
from pacte.app.mail import check, refuse_nobody
from pacte.app.pace import EVERY, Pace
from pacte.app.recipients import SENT, Block
from pacte.kernel import db
from pacte.kernel.errors import BadInput, NotFound, PacteError, PolicyError
from pacte.kernel.instant import Instant
from pacte.uses.message.model import Message

if TYPE_CHECKING:
    from pacte.app.campaigns import Campaign
    from pacte.app.house import House

PAUSE = 0.5
"""Seconds between two looks for somebody to write to."""
REST, LONGEST_REST = 2.0, 60.0
"""Seconds before a worker that failed begins again, doubled each time."""
TRIES = 5
"""Failures one after the other after which a campaign is held, for somebody to look."""
BROKEN = "sending_failed"
"""Why a campaign is held: something keeps failing on our side."""

_log = logging.getLogger("pacte.sending")


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
    """Whatever goes wrong with one campaign or at one moment, others go on, and somebody is told."""
    failures, worker = 0, Sender(house, pace)
    while not stop.is_set():
        try:
            if channels(house):
                worker.run(stop)
            failures = 0
        except Exception as error:  # one mistake must not end the worker; what it says may hold a value
            failures += 1
            _log.warning("sending failed (%s), %d times in a row", type(error).__name__, failures)
            if failures >= TRIES and worker.at is not None:
                with suppress(Exception):  # the records may be what fails
                    campaigns.hold(house, worker.at, BROKEN, by="worker")
            worker = Sender(house, pace)
        stop.wait(min(REST * 2**failures, LONGEST_REST))


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
    at: str | None = None
    """The campaign that it works on."""
    lost: bool = False
    """Whether another took a block over from it: then its journal is still asked for."""

    def run(self, stop: threading.Event, *, once: bool = False) -> Sent:
        """Send until `stop` is set; with `once`, until nobody is due."""
        folder = self.house.path / journal.FOLDER
        kept, settled = Journal(folder, self.name), False
        doors = {channel: door(self.house, channel) for channel in channels(self.house)}
        try:
            while not stop.is_set():
                block = self._claimed()
                self.at = None if block is None else block.campaign
                if block is not None and (work := self._work(block, kept, doors)) is not None:
                    work.run(stop)
                elif block is not None:
                    continue
                elif once:
                    break
                else:
                    stop.wait(PAUSE)
            settled = not self.lost
        finally:
            for one in doors.values():
                one.close()
            kept.close(settled=settled)
        return Sent(self.counts)

    def _work(self, block: Block, kept: Journal, doors: Mapping[str, Door]) -> Delivery | None:
        """The work on a block; where its message may not be sent any more the campaign is held."""
        with self.house.reading() as conn:
            campaign = campaigns.of(conn, block.campaign)
        self.count(recovering.recover(self.house, campaign, block))
        try:
            message = messages.sendable(self.house, campaign.message)
            if campaign.channel == MAIL:
                check(self.house.settings.mail)
                refuse_nobody(self.house.settings.mail)
            writer = self._writer(campaign, message)
        except (PolicyError, BadInput, NotFound):
            with db.write(self.house.engine) as conn:
                recipients.give_back(conn, block, Instant(self.house.clock() + PACED))
            with suppress(PacteError):
                campaigns.hold(self.house, campaign.id, UNSENDABLE, by="worker")
            return None
        return Delivery(self, campaign, writer, block, kept, doors[campaign.channel])

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
            claimable = recipients.claimable(conn, there, now, gone)
            over = [] if claimable else [one for one in there if not recipients.unfinished(conn, one)]
        if not claimable:
            for one in over:  # whoever gave back their last block died before saying so
                campaigns.finish(house, one)
            if gone:
                recovering.clear(house)
            return None
        with db.write(house.engine) as conn:
            return recipients.claim(conn, campaigns.sending(conn, channels(house)), self.name, now, gone)

    def count(self, states: Sequence[str]) -> None:
        """Count what became of people."""
        for state in states:
            self.counts[state] = self.counts.get(state, 0) + 1
