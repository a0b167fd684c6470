"""What workers that are gone left leased: settled by their journals, so that nobody is written to twice.

Each row is judged by the journal of the worker that leased it, however many came between. That worker may live and be
slow, or have been asleep: under the person's turn it has either handed the message over, and its journal says so, or
will find that the row is no longer its own. A journal stays for as long as a row or a block names its worker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pacte.app import journal, recipients
from pacte.app.inflight import PATIENCE, message_to
from pacte.app.journal import LEFT, TAKEN, Left
from pacte.app.leasing import settle
from pacte.app.recipients import QUEUED, SENT, UNCERTAIN, Block, Outcome, Row
from pacte.kernel import crash, db

if TYPE_CHECKING:
    from pacte.app.campaigns import Campaign
    from pacte.app.house import House

LOST = "worker_lost"
"""Why nobody knows whether a message was handed over: the worker that had it died."""


def recover(house: House, campaign: Campaign, block: Block) -> list[str]:
    """Settle whatever others left leased in a block that is ours now; answers the state of each.

    Crash point `sending-recovering`: nothing of it is settled.
    """
    with house.reading() as conn:
        rows = recipients.leased(conn, block)
    if rows:
        crash.point("sending-recovering")
    states = []
    for row, worker in rows:
        with message_to(house, row.subject, PATIENCE) as held:
            if not held():  # that message is on its way still: whoever has the block next looks again
                continue
            outcome = _left(row, campaign, journal.left_by(house.path / journal.FOLDER, worker))
            with db.write(house.engine) as conn:
                settle(conn, campaign, [outcome], house.clock(), worker)
        states.append(outcome.state)
    return states


def clear(house: House) -> None:
    """Remove the journals of workers that are gone and have left nothing."""
    folder = house.path / journal.FOLDER
    for worker in journal.dead(folder):
        with house.reading() as conn:
            named = recipients.is_named(conn, worker)
        if not named:
            journal.remove(folder, worker)


def _left(row: Row, campaign: Campaign, left: Left) -> Outcome:
    """What became of a row, by the journal of whoever had it."""
    word = left.of(campaign.id, row.place)
    if word == TAKEN:
        return Outcome(row.place, row.subject, SENT)
    if word == LEFT or (not word and left.whole):
        return Outcome(row.place, row.subject, QUEUED, tried=-1)
    return Outcome(row.place, row.subject, UNCERTAIN, LOST)
