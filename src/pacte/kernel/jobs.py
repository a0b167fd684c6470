"""The job table: what must still be done, committed with what asked for it, claimed by one worker at a time.

A job is named by what it is (`tell_recipient:812:mailer`), so that the same thing is never asked for twice. It is
*ready* until a worker claims it, *waiting* when it cannot be done yet for a reason that a person must mend, and *done*;
or it has *ended* without being done, since nothing could bring it about any more: it then says why for as long as what
was done is remembered.
INVARIANT: a job holds identifiers, names of the policy and codes, never a personal value.
A claim ends by itself: the job of a worker that died is ready again, so that whoever does jobs may do one twice.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Column, Connection, Index, String, Table, text

from pacte.kernel import db
from pacte.kernel.db import Int64, Row, metadata
from pacte.kernel.errors import BadInput
from pacte.kernel.instant import DAY, SECOND, Instant

READY, CLAIMED, WAITING, DONE, ENDED = "ready", "claimed", "waiting", "done", "ended"

CLAIM = 300 * SECOND
"""How long a worker has a job for itself before another may take it, in microseconds."""
FIRST_RETRY, LAST_RETRY = 30 * SECOND, DAY // 4
"""How long after its first failure a job is tried again, doubled each time, and at most."""

FURTHEST = 2 * DAY
"""No job is put off by more than this, in microseconds; twice the longest wait, since clocks differ."""

job_table = Table(
    "job",
    metadata,
    Column("id", String, primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("about", String(32)),  # the person, where it is about one
    Column("entry", Int64),  # the ledger entry that asks for it
    Column("target", String(128)),  # a name of the policy, such as a recipient's
    Column("due", Int64, nullable=False),  # not before
    Column("deadline", Int64),  # overdue from
    Column("attempts", Int64, nullable=False),
    Column("state", String(8), nullable=False),
    Column("error", String(64)),  # the code of the last failure
    Column("worker", String(16)),  # who claimed it last
    Column("changed", Int64, nullable=False),  # when its state last changed; for a claim, when it ends
    sqlite_with_rowid=False,
)
Index(
    "job_due",
    job_table.c.due,
    sqlite_where=text("state <> 'done'"),
    postgresql_where=text("state <> 'done'"),
)
_ENDED = "state = 'done' AND error IS NOT NULL"  # so that whoever looks for work passes over it
Index("job_ended", job_table.c.changed, sqlite_where=text(_ENDED), postgresql_where=text(_ENDED))

_COLUMNS = tuple(column.name for column in job_table.columns)
_CODE = re.compile(r"[a-z][a-z0-9_]{0,63}")


class Job(NamedTuple):
    """One thing to do: of a kind, about somebody or nobody, because of a ledger entry, for a named party.

    (A tuple: many are made while everybody waits.)
    """

    kind: str
    due: Instant
    about: str | None = None
    entry: int | None = None
    target: str | None = None
    deadline: Instant | None = None
    attempts: int = 0
    state: str = READY
    error: str | None = None

    @property
    def id(self) -> str:
        """What it is, in one word."""
        return str(row_of(self)[0])

    def overdue(self, now: Instant) -> bool:
        """Whether it should have been done by now."""
        return self.state not in (DONE, ENDED) and self.deadline is not None and self.deadline <= now


@dataclass(frozen=True, slots=True)
class Claim:
    """A job that one worker has for itself until `until`."""

    job: Job
    worker: str
    until: Instant


def new_worker() -> str:
    """Draw a name for a worker."""
    return secrets.token_hex(8)


def add(conn: Connection, jobs: Iterable[Job]) -> None:
    """Ask for these jobs; one that is there already stays as it is."""
    sql = f"INSERT INTO job ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))}) ON CONFLICT DO NOTHING"
    db.run_many(conn, sql, [row_of(job) for job in jobs])


def add_new(conn: Connection, rows: Sequence[Row]) -> None:
    """Ask for jobs, as `row_of` gives them, that nobody can have asked for before because their entry is new."""
    db.insert(conn, "job", _COLUMNS, rows)


def there(conn: Connection, ids: Collection[str]) -> frozenset[str]:
    """Which of these jobs the table holds, in whatever state."""
    asked = f"{db.among(conn, 'text')} AS asked CROSS JOIN job AS j WHERE j.id = asked.value"
    return frozenset(row[0] for row in db.fetch(conn, f"SELECT j.id FROM {asked}", (db.listed(conn, list(ids)),)))


def row_of(job: Job, entry: int | None = None) -> Row:
    """A job that nobody has begun, as the table holds it; `entry` in the place of its own where that is given."""
    kind, due, about, asking, target, deadline, *_ = job
    asking = asking if entry is None else entry
    named = kind if asking is None else f"{kind}:{asking}"
    named = named if target is None else f"{named}:{target}"
    return (named, kind, about, asking, target, due, deadline, 0, READY, None, None, due)


_DUE = "state <> 'done' AND due <= ? AND (state <> 'claimed' OR changed <= ?)"


def due(conn: Connection, now: Instant, kinds: Collection[str]) -> bool:
    """Whether a job of these kinds could be claimed."""
    sql = f"SELECT 1 FROM job WHERE {_DUE} AND kind IN (SELECT value FROM {db.among(conn, 'text')} AS kinds) LIMIT 1"
    return bool(db.fetch(conn, sql, (now, now, db.listed(conn, sorted(kinds)))))


def claim(conn: Connection, worker: str, now: Instant, kinds: Collection[str], limit: int = 1) -> list[Claim]:
    """Take up to `limit` due jobs of these kinds for `worker`, in a write transaction; the most pressing first.

    Whoever failed to finish within the time of a claim loses it.
    """
    locked = " FOR UPDATE SKIP LOCKED" if db.is_postgres(conn) else ""
    among = f"kind IN (SELECT value FROM {db.among(conn, 'text')} AS kinds)"
    sql = f"SELECT {', '.join(_COLUMNS)} FROM job WHERE {_DUE} AND {among} ORDER BY due LIMIT ?{locked}"
    found = [_read(row) for row in db.fetch(conn, sql, (now, now, db.listed(conn, sorted(kinds)), limit))]
    until = Instant(now + CLAIM)
    taking = "UPDATE job SET state = 'claimed', worker = ?, changed = ?, attempts = attempts + 1 WHERE id = ?"
    db.run_many(conn, taking, [(worker, until, job.id) for job in found])
    return [Claim(_again(job), worker, until) for job in found]


def renew(conn: Connection, claims: Collection[Claim], now: Instant) -> None:
    """Let these claims end later; those that have been settled, or that another worker has taken, stay as they are."""
    sql = "UPDATE job SET changed = ? WHERE id = ? AND state = 'claimed' AND worker = ?"
    db.run_many(conn, sql, [(now + CLAIM, claim.job.id, claim.worker) for claim in claims])


def give_back(conn: Connection, claim: Claim) -> bool:
    """Let the next worker have a job that was not begun, as if it had not been claimed."""
    return _settle(conn, claim, "state = 'ready', attempts = attempts - 1", ())


def finish(
    conn: Connection, claim: Claim, now: Instant, again: Instant | None = None, late: Instant | None = None
) -> bool:
    """The job is done; false when somebody else has claimed it since.

    One that recurs is due `again`, and overdue from `late`.
    """
    state = DONE if again is None else READY
    due, deadline = (claim.job.due, claim.job.deadline) if again is None else (again, late)
    change = f"state = '{state}', error = NULL, due = ?, deadline = ?, changed = ?"
    return _settle(conn, claim, change, (due, deadline, now), again=again)


def end(conn: Connection, claim: Claim, now: Instant, code: str) -> bool:
    """The job ends without being done, for `code`: no later attempt could do it."""
    return _settle(conn, claim, "state = 'done', error = ?, changed = ?", (_checked(code), now))


def wait(conn: Connection, claim: Claim, now: Instant, code: str, again: Instant) -> bool:
    """The job cannot be done before somebody mends what `code` names; it is looked at `again` then."""
    return _settle(conn, claim, "state = 'waiting', error = ?, due = ?, changed = ?", (_checked(code), again, now))


def fail(conn: Connection, claim: Claim, now: Instant, code: str) -> bool:
    """The attempt failed for `code`; the job is tried again later, each time twice as late."""
    later = Instant(now + min(FIRST_RETRY * 2 ** min(claim.job.attempts - 1, 20), LAST_RETRY))
    return _settle(conn, claim, "state = 'ready', error = ?, due = ?, changed = ?", (_checked(code), later, now))


def put_off(conn: Connection, claim: Claim, now: Instant, at: Instant, code: str = "") -> bool:
    """The job is tried again `at` an instant; `code` is why it failed, empty where it was not tried now."""
    change = "state = 'ready', error = coalesce(?, error), due = ?, changed = ?"
    return _settle(conn, claim, change, (_checked(code) if code else None, at, now))


def anew(conn: Connection, name: str, now: Instant, deadline: Instant) -> bool:
    """Somebody has a waiting job begin again, as if it had not been tried; false when it waits no more."""
    sql = (
        "UPDATE job SET state = 'ready', error = NULL, worker = NULL, attempts = 0, due = ?, deadline = ?, changed = ? "
        "WHERE id = ? AND state = 'waiting'"
    )
    return db.run(conn, sql, (now, deadline, now, name)).rowcount == 1


def pull_back(conn: Connection, now: Instant) -> None:
    """Make due at once what a clock that stood ahead put off, and end the claims that it made too long."""
    far = now + FURTHEST
    db.run(conn, "UPDATE job SET due = ? WHERE state <> 'done' AND due > ?", (now, far))
    db.run(conn, "UPDATE job SET changed = ? WHERE state = 'claimed' AND changed > ?", (now, far))


def forget_deadline(conn: Connection, kinds: Collection[str], after: Instant) -> None:
    """Forget from when these recurring jobs are overdue, where that lies after an instant."""
    among = f"id IN (SELECT value FROM {db.among(conn, 'text')} AS kinds)"
    db.run(conn, f"UPDATE job SET deadline = NULL WHERE deadline > ? AND {among}", (after, db.listed(conn, [*kinds])))


def hasten(conn: Connection, code: str, now: Instant) -> None:
    """Look again at once at what waits for `code`."""
    db.run(conn, "UPDATE job SET due = ? WHERE state = 'waiting' AND error = ? AND due > ?", (now, code, now))


def hasten_one(conn: Connection, name: str, now: Instant) -> bool:
    """Try one job at once that waits or has failed; false for one that is done, under way, or never was."""
    sql = "UPDATE job SET state = 'ready', due = ?, changed = ? WHERE id = ? AND state IN ('ready', 'waiting')"
    return db.run(conn, sql, (now, now, name)).rowcount == 1


class Tally(NamedTuple):
    """How many jobs of a kind are not done; of these: failed last time, wait and are in time, are late."""

    open: int
    failed: int
    waiting: int
    overdue: int


_FAILED = "state = 'ready' AND attempts > 0 AND error IS NOT NULL"


def tally(conn: Connection, now: Instant) -> dict[str, Tally]:
    """By kind: how many jobs are not done, and how they stand; counted where they lie, however many there are."""
    how = (_FAILED, "state = 'waiting' AND (deadline IS NULL OR deadline > ?)", "deadline <= ?")
    sums = ", ".join(f"sum(CASE WHEN {one} THEN 1 ELSE 0 END)" for one in how)
    rows = db.fetch(conn, f"SELECT kind, count(*), {sums} FROM job WHERE state <> 'done' GROUP BY kind", (now, now))
    return {str(kind): Tally(*map(int, counts)) for kind, *counts in rows}


def pressing(conn: Connection, now: Instant, limit: int) -> list[Job]:
    """The jobs that most need somebody: those that failed, that are overdue, that wait, then whatever is due first."""
    ranks = f"CASE WHEN {_FAILED} THEN 0 WHEN deadline <= ? THEN 1 WHEN state = 'waiting' THEN 2 ELSE 3 END"
    sql = f"SELECT {', '.join(_COLUMNS)} FROM job WHERE state <> 'done' ORDER BY {ranks}, due, id LIMIT ?"
    return [_read(row) for row in db.fetch(conn, sql, (now, limit))]


def listed(conn: Connection, state: str = "") -> list[Job]:
    """All jobs that are not done (or all in one state), the most pressing first."""
    where, asked = ("state = ?", (state,)) if state else ("state <> ?", (DONE,))
    rows = db.fetch(conn, f"SELECT {', '.join(_COLUMNS)} FROM job WHERE {where} ORDER BY due, id", asked)
    return [_read(row) for row in rows]


def ended(conn: Connection, limit: int) -> list[Job]:
    """The jobs that ended without being done, the latest first; each is forgotten with what was done then."""
    sql = f"SELECT {', '.join(_COLUMNS)} FROM job WHERE {_ENDED} ORDER BY changed DESC, id LIMIT ?"
    return [_read(row) for row in db.fetch(conn, sql, (limit,))]


def done_by_hand(conn: Connection, name: str, now: Instant) -> bool:
    """Somebody has done this job themselves, whoever has claimed it; false when it was done, or never was."""
    sql = "UPDATE job SET state = 'done', error = NULL, worker = NULL, changed = ? WHERE id = ? AND state <> 'done'"
    return db.run(conn, sql, (now, name)).rowcount == 1


def find(conn: Connection, name: str) -> Job | None:
    """The job of this identifier, in whatever state."""
    rows = db.fetch(conn, f"SELECT {', '.join(_COLUMNS)} FROM job WHERE id = ?", (name,))
    return _read(rows[0]) if rows else None


def counts(conn: Connection, now: Instant) -> dict[str, int]:
    """How many jobs are in each state, and under `overdue` how many should have been done."""
    rows = db.fetch(conn, "SELECT state, count(*) FROM job GROUP BY state")
    found = {str(state): int(count) for state, count in rows}
    late = db.fetch(conn, "SELECT count(*) FROM job WHERE state <> 'done' AND deadline <= ?", (now,))
    return found | {"overdue": int(late[0][0])}


def prune(conn: Connection, before: Instant) -> int:
    """Forget the jobs that were done before an instant; returns how many."""
    return db.run(conn, "DELETE FROM job WHERE state = 'done' AND changed < ?", (before,)).rowcount


def _settle(
    conn: Connection, claim: Claim, change: str, values: tuple[Any, ...], *, again: Instant | None = None
) -> bool:
    fresh = ", attempts = 0" if again is not None else ""
    # A claim that ended may have been taken by another worker: what that one says counts.
    sql = f"UPDATE job SET {change}{fresh} WHERE id = ? AND state = 'claimed' AND worker = ?"
    return db.run(conn, sql, (*values, claim.job.id, claim.worker)).rowcount == 1


def _read(row: tuple[Any, ...]) -> Job:
    _, kind, about, entry, target, due, deadline, attempts, state, error, _, _ = row
    state = ENDED if state == DONE and error else state
    return Job(kind, due, about, entry, target, deadline, attempts, state, error)


def _again(job: Job) -> Job:
    return job._replace(attempts=job.attempts + 1, state=CLAIMED)


def _checked(code: str) -> str:
    if not _CODE.fullmatch(code):
        raise BadInput("the reason of a failed job is a code of lower-case letters")
    return code
