"""The worker: takes due jobs one after the other, does them, says so; any number of workers may run beside each other.

What a worker has claimed nobody else touches until the claim ends, and a worker that lives renews its claims. Crash
points: `worker-claimed` (nothing done yet), `worker-handled` (done and not said): either way the claim ends by itself
and the job is done again.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pacte.app.ahead import LATE
from pacte.app.jobs import HANDLERS, ROUND, Ended, Later, Waiting, before_round, remind
from pacte.kernel import crash, db, jobs
from pacte.kernel.errors import PacteError
from pacte.kernel.instant import DAY, SECOND, Instant
from pacte.kernel.jobs import Claim

if TYPE_CHECKING:
    from pacte.app.house import House

TOGETHER = 32
"""Jobs that a worker claims at once."""
PAUSE = 2.0
"""Seconds between two looks at the table when there was nothing to do."""
LOOK_AGAIN = DAY
"""After how many microseconds a job that waits for somebody is looked at again."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a worker did: jobs done, jobs that wait for somebody, attempts that failed, and all that is overdue now.

    `ended` are jobs that ended without being done, since no later attempt could do them.
    """

    done: int
    waiting: int
    failed: int
    overdue: int
    ended: int = 0


def work(
    house: House, stop: threading.Event, *, once: bool = False, limit: int | None = None, trust_clock: bool = False
) -> Report:
    """Do jobs until `stop` is set, with `once` until none is due, or until `limit` of them were taken.

    With `trust_clock` somebody says that the clock is right as it stands now; see `app.ahead`.
    """
    worker, tally, taken = jobs.new_worker(), Counter[str](), 0
    trusted = house.clock() if trust_clock else None
    remind(house, house.clock(), trust=trust_clock)
    while not stop.is_set() and (limit is None or taken < limit):
        claims = _claim(house, worker, TOGETHER if limit is None else min(TOGETHER, limit - taken))
        taken += len(claims)
        crash.point("worker-claimed")
        with _renewed(house, claims):
            for place, claim in enumerate(claims):
                if stop.is_set():
                    _give_back(house, claims[place:])
                    break
                tally[_do(house, claim, trusted)] += 1
        if not claims:
            if once:
                break
            stop.wait(PAUSE)
    with house.reading() as conn:
        overdue = jobs.counts(conn, house.clock())["overdue"]
    return Report(tally["done"], tally["waiting"], tally["failed"], overdue, tally["ended"])


def _claim(house: House, worker: str, most: int) -> list[Claim]:
    now = house.clock()
    with house.reading() as conn:  # an idle worker takes no lock
        if not jobs.due(conn, now, HANDLERS):
            return []
    with db.write(house.engine) as conn:
        return jobs.claim(conn, worker, now, HANDLERS, most)


def _do(house: House, claim: Claim, trusted: Instant | None = None) -> str:
    """Do one job and record how it ended; answers that in a word."""
    now, kind = house.clock(), claim.job.kind
    failure, outcome = "", None
    try:
        outcome = before_round(house, claim.job, now, trusted) or HANDLERS[kind](house, claim.job, now)
    except db.Damaged:
        raise  # no other attempt will read what is gone, and nobody reads a worker's tally
    except PacteError as error:
        failure = type(error).__name__.lower()
    except Exception:  # one handler's mistake must not end the worker; its message may hold a value
        failure = "unforeseen"
    crash.point("worker-handled")
    now = house.clock()
    with db.write(house.engine) as conn:
        if failure:
            jobs.fail(conn, claim, now, failure)
            return "failed"
        if isinstance(outcome, Waiting):
            jobs.wait(conn, claim, now, outcome.code, Instant(now + LOOK_AGAIN))
            return "waiting"
        if isinstance(outcome, Later):
            jobs.put_off(conn, claim, now, outcome.at, outcome.code)
            return "failed" if outcome.code else "put_off"
        if isinstance(outcome, Ended):
            jobs.end(conn, claim, now, outcome.code)
            return "ended"
        again = Instant(now + ROUND[kind]) if kind in ROUND else None
        jobs.finish(conn, claim, now, again, None if again is None else Instant(again + LATE))
        return "done"


def _give_back(house: House, claims: Sequence[Claim]) -> None:
    """Let others have at once what this worker claimed and will not begin."""
    with db.write(house.engine) as conn:
        for claim in claims:
            jobs.give_back(conn, claim)


@contextmanager
def _renewed(house: House, claims: Sequence[Claim]) -> Iterator[None]:
    """Keep these claims alive while the block runs, however long its jobs take."""
    over = threading.Event()

    def renew() -> None:
        while not over.wait(jobs.CLAIM / SECOND / 3):
            with suppress(PacteError), db.write(house.engine) as conn:  # the next turn comes before the claim ends
                jobs.renew(conn, claims, house.clock())

    thread = threading.Thread(target=renew, name="pacte-worker-claims", daemon=True)
    if claims:
        thread.start()
    try:
        yield
    finally:
        over.set()
        if claims:
            thread.join()
