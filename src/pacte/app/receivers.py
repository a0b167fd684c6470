"""The receivers that the settings declare: how each fares, which messages nobody took, and how to send these again.

A receiver that fails rests, each time twice as long, so that it holds up nobody else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Column, Connection, String, Table

from pacte.app.settings import WebhookSettings
from pacte.kernel import db, jobs
from pacte.kernel.db import Int64, metadata
from pacte.kernel.errors import NotFound
from pacte.kernel.instant import DAY, SECOND, Instant
from pacte.kernel.jobs import Job

if TYPE_CHECKING:
    from pacte.app.house import House

SEND = "webhook"
"""The kind of job that sends one message to one receiver."""
LATE, GIVEN_UP = DAY, 3 * DAY
"""After how long a message that was not taken counts as late, and is given up, in microseconds."""
FIRST_REST, LONGEST_REST = 5 * SECOND, 3_600 * SECOND
"""How long a receiver rests after it failed once; doubled each time, and at most."""
DEAD, GONE = "dead", "gone"
"""Why a message waits: it was tried for three days; the receiver said that it is gone for good (HTTP 410)."""

receiver_table = Table(
    "webhook_receiver",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("failures", Int64, nullable=False),  # in a row
    Column("rest_until", Int64, nullable=False),
    Column("last_answer", Int64),  # when it last took a message
    Column("last_failure", Int64),
    Column("error", String(64)),  # the code of its last failure
    sqlite_with_rowid=False,
)


@dataclass(frozen=True, slots=True)
class Receiver:
    """How a receiver fares: messages that go out by themselves, dead ones, failures in a row, its last days."""

    name: str
    settings: WebhookSettings
    waiting: int
    dead: int
    failures: int
    last_answer: Instant | None
    last_failure: Instant | None
    error: str


def named(house: House, name: str) -> WebhookSettings:
    """The receiver of a name; raises `NotFound`."""
    for receiver in house.settings.webhooks:
        if receiver.name == name:
            return receiver
    raise NotFound("no receiver of that name; settings.toml declares them under `[[webhooks]]`")


def declared(house: House) -> list[Receiver]:
    """Every receiver that the settings declare, and how it fares."""
    with house.reading() as conn:
        found = []
        for one in house.settings.webhooks:
            state = state_of(conn, one.name)
            rows = db.fetch(
                conn,
                "SELECT state, error, count(*) FROM job WHERE kind = ? AND target = ? AND state <> 'done' "
                "GROUP BY state, error",
                (SEND, one.name),
            )
            dead = sum(n for state_, error, n in rows if state_ == jobs.WAITING and error in (DEAD, GONE))
            waiting = sum(n for _, _, n in rows) - dead
            found.append(
                Receiver(
                    one.name, one, waiting, dead, state.failures, state.last_answer, state.last_failure, state.error
                )
            )
    return found


def dead(house: House, name: str = "", most: int = 1_000) -> list[Job]:
    """Messages that nobody took, oldest first: of one receiver, or of all."""
    with house.reading() as conn:
        found = [job for job in jobs.listed(conn, jobs.WAITING) if job.kind == SEND and job.error in (DEAD, GONE)]
    return sorted((job for job in found if name in ("", job.target)), key=lambda job: job.entry or 0)[:most]


def resend(house: House, name: str = "", entries: Sequence[int] = ()) -> int:
    """Send dead messages again, of one receiver or of all, some or all of them; answers how many. It rests no more.

    Raises `NotFound` for a receiver that is not declared, or where there is nothing to send again.
    """
    if name:
        named(house, name)
    wanted = [job for job in dead(house, name, 1_000_000) if not entries or job.entry in entries]
    if not wanted:
        raise NotFound("no dead message like that; see `pacte webhooks dead`")
    now = house.clock()
    with db.write(house.engine) as conn:
        for job in wanted:
            jobs.anew(conn, job.id, now, Instant(now + LATE))
        for receiver in sorted({str(job.target) for job in wanted}):
            db.run(conn, "UPDATE webhook_receiver SET failures = 0, rest_until = 0 WHERE name = ?", (receiver,))
    return len(wanted)


@dataclass(frozen=True, slots=True)
class State:
    """How a receiver stands: failures in a row, until when it rests, its last days."""

    failures: int = 0
    rest_until: int = 0
    last_answer: Instant | None = None
    last_failure: Instant | None = None
    error: str = ""


def state_of(conn: Connection, name: str) -> State:
    """How a receiver stands."""
    sql = "SELECT failures, rest_until, last_answer, last_failure, error FROM webhook_receiver WHERE name = ?"
    for failures, rest, answer, failure, error in db.fetch(conn, sql, (name,)):
        return State(failures, rest, answer, failure, error or "")
    return State()


def note(house: House, name: str, error: str) -> Instant:
    """Note how an attempt ended; after a failure the receiver rests, each time twice as long. Answers until when."""
    now = house.clock()
    with db.write(house.engine) as conn:
        before = state_of(conn, name)
        failures = before.failures + 1 if error else 0
        rest = now + min(FIRST_REST * 2 ** min(failures - 1, 30), LONGEST_REST) if error else 0
        answer, failure = (before.last_answer, now) if error else (now, before.last_failure)
        db.run(
            conn,
            "INSERT INTO webhook_receiver (name, failures, rest_until, last_answer, last_failure, error) "
            "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET failures = excluded.failures, "
            "rest_until = excluded.rest_until, last_answer = excluded.last_answer, "
            "last_failure = excluded.last_failure, error = excluded.error",
            (name, failures, rest, answer, failure, error or None),
        )
    return Instant(rest)
