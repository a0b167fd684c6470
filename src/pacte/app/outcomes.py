"""Results over time: of each purpose and month, how many people were written to, left out and why, and what they said.

Every number goes through the one door for numbers of people (`app.shown`) and tells nothing of few. A month is counted
once, when it has been over for a day, by whoever asks first, and kept: what was shown stays, though people come, go or
are erased since. A message counts in the month in which it left, what came back in the one in which it did.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import Column, Connection, String, Table

from pacte.app import campaigns, recipients, shown
from pacte.app.history import month_of
from pacte.app.recipients import BOUNCED, FAILED, REFUSED, SENT, UNCERTAIN
from pacte.app.unsubscribe import BY_COMPLAINT, BY_LINK, BY_REPLY, BY_UNDO
from pacte.gate import members
from pacte.gate.crowds import drawn
from pacte.kernel import db
from pacte.kernel.canonical import Json
from pacte.kernel.db import Int64, metadata
from pacte.kernel.errors import Denied
from pacte.kernel.instant import DAY, Instant, add_months
from pacte.lake import numbers
from pacte.ledger import queries, spans

if TYPE_CHECKING:
    from pacte.app.house import House
    from pacte.kernel.ids import SubjectId

UNSUBSCRIBED, COMPLAINED = "unsubscribed", "complained"
"""What people said: by the link of a message or in answer to one; to their mail service."""
OUTCOMES = (SENT, REFUSED, FAILED, UNCERTAIN, BOUNCED, UNSUBSCRIBED, COMPLAINED)
"""What is counted; under each all people, and where there are reasons also those of each."""
ALWAYS = (SENT, REFUSED, BOUNCED, UNSUBSCRIBED)
"""What is told of a purpose even where it is too few in every month."""
REASONED = (REFUSED, FAILED, BOUNCED)
"""Outcomes that have reasons."""
AFTER = DAY
"""How long after its end a month is counted, in microseconds: what had begun is settled by then."""
LATE = 92 * DAY
"""For how long after its beginning a campaign is looked at: it is sent, then messages come back."""

month_table = Table(
    "outcome_month",
    metadata,
    Column("month", Int64, primary_key=True, autoincrement=False),  # its first instant
    Column("at", Int64, nullable=False),  # when it was counted
    sqlite_with_rowid=False,
)
people_table = Table(
    "outcome_people",
    metadata,
    Column("month", Int64, primary_key=True, autoincrement=False),
    Column("purpose", String(128), primary_key=True),
    Column("outcome", String(16), primary_key=True),
    Column("reason", String(40), primary_key=True),  # empty: of the outcome in all
    Column("people", Int64, nullable=False),  # as it may be shown
    sqlite_with_rowid=False,
)

_About = tuple[str, str, str]
"""Purpose, outcome, reason."""
_People = dict[_About, list[np.ndarray]]
"""The numbers of people, as they were found; somebody may be there more than once."""


@dataclass(frozen=True, slots=True)
class Line:
    """One outcome, or one reason of it, month by month; `None`: too few to be told, or nobody."""

    outcome: str
    reason: str
    people: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Months, the first to the last, and the lines of each purpose that wrote to people enough in one of them.

    `counted` is when the last of them was counted; `None` before any was.
    """

    months: tuple[Instant, ...]
    purposes: Mapping[str, tuple[Line, ...]]
    counted: Instant | None


NOTHING = Outcomes((), {}, None)
"""No month was counted yet."""


def outcomes(house: House, months: int) -> Outcomes:
    """What became of the messages of the last so many months that were counted; those that are over are counted now."""
    try:
        _count(house)
    except Denied:  # before a policy is in force nobody was written to
        return NOTHING
    with house.reading() as conn:
        counted = db.fetch(conn, "SELECT month, at FROM outcome_month ORDER BY month DESC LIMIT ?", (months,))
        if not counted:
            return NOTHING
        rows = db.fetch(
            conn,
            "SELECT purpose, outcome, reason, month, people FROM outcome_people WHERE month >= ?",
            (counted[-1][0],),
        )
    there = tuple(Instant(month) for month, _ in reversed(counted))
    found: dict[str, dict[tuple[str, str], dict[int, int]]] = {}
    for purpose, outcome, reason, month, people in rows:
        found.setdefault(purpose, {}).setdefault((outcome, reason), {})[month] = people
    return Outcomes(
        there, {purpose: tuple(_lines(told, there)) for purpose, told in sorted(found.items())}, Instant(counted[0][1])
    )


def _lines(told: Mapping[tuple[str, str], Mapping[int, int]], months: Sequence[Instant]) -> Iterator[Line]:
    """The outcomes in their order, each followed by its reasons, that of most people first."""
    for outcome in OUTCOMES:
        reasons = sorted((one for one in told if one[0] == outcome), key=lambda one: -sum(told[one].values()))
        for about in dict.fromkeys([*([(outcome, "")] if outcome in ALWAYS else []), *sorted(reasons, key=_inner)]):
            numbers_of = told.get(about, {})
            yield Line(*about, tuple(numbers_of.get(month) for month in months))


def _inner(about: tuple[str, str]) -> bool:
    return bool(about[1])


def _count(house: House) -> None:
    """Count the months that are over and were not counted yet, outside of any lock; what somebody else counted stands.

    They begin with the month of the first campaign.
    """
    with house.reading() as conn:
        now = house.present(conn)
        first = _first(conn)
    while first is not None and add_months(first, 1) + AFTER <= now:
        with house.reading() as conn:
            found = _found(conn, first, add_months(first, 1))
        rows = [(first, *about, people) for about, people in _settled(house, first, found) if people is not None]
        with db.write(house.engine) as conn:
            if not db.fetch(conn, "SELECT 1 FROM outcome_month WHERE month >= ?", (first,)):
                db.insert(conn, "outcome_month", ("month", "at"), [(first, house.clock())])
                db.insert(conn, "outcome_people", ("month", "purpose", "outcome", "reason", "people"), rows)
        first = add_months(first, 1)


def _first(conn: Connection) -> Instant | None:
    """The first month that was not counted; `None` before anybody was written to."""
    counted = db.fetch(conn, "SELECT max(month) FROM outcome_month")[0][0]
    if counted is not None:
        return add_months(counted, 1)
    began = campaigns.first_started(conn)
    return None if began is None else month_of(began)


def _settled(house: House, month: Instant, found: _People) -> Iterator[tuple[_About, int | None]]:
    """These people as numbers that may be shown."""
    key, order = house.keys.house_key(members.KEY), sorted(found)
    crowds = [drawn(key, np.unique(np.concatenate(found[about]))).crowd() for about in order]
    asked = [shown.about(house, _what(*about), crowd, month) for about, crowd in zip(order, crowds, strict=True)]
    yield from zip(order, shown.settle(house, asked), strict=True)


def _what(purpose: str, outcome: str, reason: str) -> Json:
    return {"purpose": purpose, "outcome": outcome, "reason": reason}


def _found(conn: Connection, start: Instant, stop: Instant) -> _People:
    """Everybody of a month, by purpose, outcome and reason, and by purpose and outcome alone."""
    entries = queries.size_at(conn, Instant(start - 1)), queries.size_at(conn, Instant(stop - 1))
    found: _People = {}
    for campaign, purpose in campaigns.started_between(conn, Instant(start - LATE), stop):
        for rows in recipients.settled(conn, campaign, recipients.TOGETHER):
            about = [(purpose, *one) for row in rows for one in _outcomes(row, entries, (start, stop))]
            people = [row.subject for row in rows for _ in _outcomes(row, entries, (start, stop))]
            _add(conn, found, about, people)
    said = _said(conn, *entries)
    _add(conn, found, [(purpose, outcome, "") for _, purpose, outcome in said], [one[0] for one in said])
    return found


def _outcomes(
    row: recipients.Settled, entries: tuple[int, int], month: tuple[Instant, Instant]
) -> Iterator[tuple[str, str]]:
    """(outcome, reason) of what happened to somebody in a month: a message may have left, and have come back since."""
    left = row.entry is not None and entries[0] <= row.entry < entries[1]
    if left and row.state in (SENT, BOUNCED):
        yield SENT, ""
    if row.state != SENT and month[0] <= row.changed < month[1]:
        yield row.state, ""
        if row.state in REASONED and row.reason:
            yield row.state, row.reason


def _said(conn: Connection, start: int, stop: int) -> list[tuple[SubjectId, str, str]]:
    """(person, purpose, outcome) of those who answered a message with a no, and did not take it back."""
    outcome = {BY_LINK: UNSUBSCRIBED, BY_REPLY: UNSUBSCRIBED, BY_COMPLAINT: COMPLAINED}
    found: dict[tuple[SubjectId, str], str] = {}
    for one in spans.said_by(conn, start, stop, [*outcome, BY_UNDO]):
        if one.method == BY_UNDO:
            found.pop((one.subject, one.purpose), None)
        else:
            found[one.subject, one.purpose] = outcome[one.method]
    return [(*about, said) for about, said in found.items()]


def _add(conn: Connection, found: _People, about: Iterable[_About], people: Sequence[SubjectId]) -> None:
    """Add people under what is said of each; who has no number any more is not counted."""
    known = numbers.numbers(conn, set(people)) if people else {}
    some: dict[_About, list[int]] = {}
    for one, person in zip(about, people, strict=True):
        if person in known:
            some.setdefault(one, []).append(known[person])
    for one, nos in some.items():
        found.setdefault(one, []).append(np.array(nos, np.int64))
