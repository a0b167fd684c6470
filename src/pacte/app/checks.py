"""Checks of the whole house that are asked for from afar: a job, since it may take minutes, and what they found.

What `pacte ledger check` recomputes is recomputed here; the outcome is kept so that a page can say when it was, and of
how many entries. The outcome vouches for nothing by itself: who doubts it runs the check, or the verifier, themselves.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Column, String, Table

from pacte.app import doctor
from pacte.kernel import db, jobs
from pacte.kernel.db import Int64, metadata
from pacte.kernel.instant import DAY, Instant
from pacte.kernel.jobs import Job
from pacte.ledger import log

if TYPE_CHECKING:
    from pacte.app.house import House

CHECK = "check_ledger"
"""The kind of job."""
LATE = DAY // 24
"""After how long a check that was asked for counts as late, in microseconds."""
KEPT, SHOWN = 100, 20
"""How many outcomes are kept, and how many problems of each."""

check_table = Table(
    "house_check",
    metadata,
    Column("at", Int64, primary_key=True, autoincrement=False),
    Column("size", Int64, nullable=False),
    Column("problems", String, nullable=False),  # JSON; words without any value of a person's
    sqlite_with_rowid=False,
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one check found: when, over how many entries, and what was wrong; nothing, most of the time."""

    at: Instant
    size: int
    problems: tuple[str, ...]


def ask(house: House) -> None:
    """Ask the worker to check now, unless somebody has asked already."""
    now = house.clock()
    with db.write(house.engine) as conn:
        if CHECK not in jobs.tally(conn, now):
            jobs.add(conn, [Job(CHECK, now, target=str(now), deadline=Instant(now + LATE))])


def waits(house: House) -> bool:
    """Whether a check was asked for and is not done."""
    with house.reading() as conn:
        return CHECK in jobs.tally(conn, house.clock())


def look(house: House, now: Instant) -> Outcome:
    """Check the whole house and keep what was found."""
    with house.reading() as conn:
        size = log.head(conn).size
    problems = tuple(doctor.check(house, house.settings.language)[:SHOWN])
    with db.write(house.engine) as conn:
        row = (now, size, json.dumps(problems))
        db.run(conn, "INSERT INTO house_check (at, size, problems) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", row)
        old = "SELECT at FROM house_check ORDER BY at DESC LIMIT 1 OFFSET ?"
        db.run(conn, f"DELETE FROM house_check WHERE at <= ({old})", (KEPT,))
    return Outcome(now, size, problems)


def last(house: House) -> Outcome | None:
    """The outcome of the latest check; `None` where none was made this way."""
    with house.reading() as conn:
        rows = db.fetch(conn, "SELECT at, size, problems FROM house_check ORDER BY at DESC LIMIT 1")
    return Outcome(Instant(rows[0][0]), rows[0][1], tuple(json.loads(rows[0][2]))) if rows else None
