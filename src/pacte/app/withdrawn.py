"""Who must be dropped from a list that is out: by the gate's word now, and by what reaching people allows.

Answered as references, which mean something to the holder of the list alone, so that a tool elsewhere can ask as often
as it likes and learns nobody's address. Whoever was erased since keeps a reference that leads to nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from pacte.app import contact, shown
from pacte.gate.handed import still
from pacte.gate.release import Source
from pacte.gate.values import Question
from pacte.kernel import db
from pacte.kernel.canonical import Json
from pacte.kernel.ids import SubjectId, UseId
from pacte.ledger import log, queries

if TYPE_CHECKING:
    from pacte.app.exports import Export
    from pacte.app.house import House

DROPPED = frozenset({"suppressed", "channel_unwanted", "no_address"})
"""Why somebody is dropped whom the gate still permits; how often people are reached was asked when it was made."""


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """Who must be dropped; `over`: the list has ended, and every copy of it must be deleted."""

    over: bool
    references: tuple[str, ...] = ()
    people: tuple[SubjectId, ...] = ()


def withdrawn(house: House, export: Export) -> Withdrawn:
    """Who of a list must be dropped now."""
    with house.reading() as conn:
        return at(conn, house, export)


def at(conn: Connection, house: House, export: Export) -> Withdrawn:
    """The same, by what a transaction sees; in one that writes, nobody's no can be recorded meanwhile."""
    now = house.present(conn)
    if export.ended is not None or now >= export.until:
        return Withdrawn(over=True)
    rows = people_of(conn, export.id)
    people = [person for _, person, _ in rows if person is not None]
    _, used = queries.use(conn, UseId(export.use))
    fields = tuple(used["fields"])
    question = Question(export.purpose, now, log.head(conn).size, fields, export.channel, export.recipient)
    permitted = still(Source(conn, house.lake, house.keys), question, people)
    refusals = contact.refusals(conn, house, export.kind, export.channel, sorted(permitted), now, campaign=export.id)
    dropped = {person for person, refusal in refusals.items() if refusal.reason in DROPPED}
    gone = [(person, reference) for _, person, reference in rows if person not in permitted or person in dropped]
    return Withdrawn(
        over=False,
        references=tuple(sorted(reference for _, reference in gone)),
        people=tuple(sorted(person for person, _ in gone if person is not None)),
    )


def asked(house: House, export: Export) -> Withdrawn:
    """`withdrawn`, for the holder of the list: that they asked is noted."""
    found = withdrawn(house, export)
    with db.write(house.engine) as conn:
        db.run(conn, "UPDATE export SET asked = ? WHERE id = ?", (house.clock(), export.id))
    return found


def stale(house: House, export: Export) -> int | None:
    """How many must be dropped, as it may be shown; `None`: fewer than that, or nobody."""
    what: Json = {"list": "withdrawn", "purpose": export.purpose, "channel": export.channel}
    return shown.number_of(house, what, withdrawn(house, export).people, export.id)


def people_of(conn: Connection, name: str) -> Sequence[tuple[int, SubjectId | None, str]]:
    """(place, person, reference) of a list, in its order; no person where they were erased."""
    sql = "SELECT place, subject, reference FROM export_person WHERE export = ? ORDER BY place"
    return db.fetch(conn, sql, (name,))
