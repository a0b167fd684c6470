"""The state of consent: derived tables, kept up to date with the ledger and rebuildable from it.

The rows of a person are their own memory (see `timeline`): a batch reads back only the persons it touches and writes
them anew, a person who is new costs no read at all. Applying in batches of any size gives what `rebuild` gives.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import attrgetter, itemgetter
from typing import NamedTuple

from sqlalchemy import Connection

from pacte.consent import rows as build
from pacte.consent.events import Entries, Heard, Opener, hear
from pacte.consent.rows import Remembered, Row
from pacte.consent.sql import delete, fetch, insert
from pacte.consent.tables import COLUMNS, FACETS
from pacte.kernel import db
from pacte.kernel.errors import Conflict
from pacte.kernel.ids import SubjectId
from pacte.lake.numbers import allot, numbered, numbers

_MEMORY: Mapping[str, Callable[[dict[int, Remembered], list[Row]], None]] = {
    "choice": build.remember_choices,
    "hold": build.remember_holds,
    "person": build.remember_facts,
    "told": build.remember_told,
}
_BUILD: Mapping[str, Callable[[int, Heard, Remembered], list[Row]]] = {
    "choice": build.choice_rows,
    "hold": build.hold_rows,
    "person": build.person_rows,
    "told": build.told_rows,
}
_SAYS: Mapping[str, Callable[[Heard], object]] = {
    "choice": attrgetter("choices"),
    "hold": attrgetter("holds"),
    "person": attrgetter("facts"),
    "told": attrgetter("told"),
}
_NOTHING = Remembered()
"""What is remembered of somebody of whom nothing is; only ever read."""
_KEY = 5
"""How many of the first columns of a choice's row say whose it is and what it is about."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Rows of one table that the ledger implies and the table lacks, and the other way round; counts only."""

    table: str
    missing: int
    unexpected: int


class Person(NamedTuple):
    """Somebody who has a number: whether anything is known of them, and whether they are erased or being erased."""

    no: int
    known: bool
    erased: bool


def look_up(conn: Connection, subjects: Collection[SubjectId]) -> dict[SubjectId, Person]:
    """Those of `subjects` who have a number, in one query.

    Nothing is known here of those whose evidence has ended; the ledger alone still says that there was somebody.
    """
    if not subjects:
        return {}
    gone = "EXISTS (SELECT 1 FROM consent_hold AS h WHERE h.no = p.no AND h.status IN ('erasing', 'erased'))"
    sql = (
        f"SELECT p.subject, p.no, CASE WHEN s.no IS NULL THEN 0 ELSE 1 END, CASE WHEN {gone} THEN 1 ELSE 0 END "
        f"FROM {numbered(conn)} AS p LEFT JOIN consent_subject AS s ON s.no = p.no"
    )
    found = fetch(conn, sql, (db.listed(conn, subjects),))
    return {SubjectId(subject): Person(no, known == 1, erased == 1) for subject, no, known, erased in found}


def apply(conn: Connection, entries: Entries, opener: Opener, people: Mapping[SubjectId, Person] | None = None) -> None:
    """Bring the state up to date with new ledger entries, in the transaction that appends them.

    Every entry is given once, in order (those about nobody are ignored and may be left out); raises `Conflict` for an
    entry below what was already applied. An erasure whose evidence ended forgets its person. `people` is what `look_up`
    found in this transaction since anything was last written in it; whoever is not in it is looked up here.
    """
    batch = list(entries)
    if not batch:
        return
    _advance(conn, batch)
    heard = hear(batch, opener)
    ended = [subject for subject, person in heard.items() if person.ended]
    if ended:
        forget(conn, list(numbers(conn, ended).values()))
        people = None
    nos, known = _placed(conn, [subject for subject, person in heard.items() if not person.empty], people or {})
    said = {no: heard[subject] for subject, no in sorted(nos.items(), key=itemgetter(1))}
    for facet in _BUILD:
        _renew(conn, facet, said, known)
    insert(conn, "subject", [(no, person.first) for no, person in said.items() if no not in known])
    _touch(conn, said)


def applied(conn: Connection) -> int:
    """How many ledger entries the state takes into account: everything about a person below this index."""
    rows = fetch(conn, "SELECT size FROM consent_head WHERE id = 1")
    return rows[0][0] if rows else 0


def forget(conn: Connection, nos: Collection[int]) -> None:
    """Remove everything that is derived about these persons: their evidence has ended and their bodies are redacted.

    Rows in columnar base files are masked at once; `lake.segments.rewrite_without(derived=True)` removes them.
    """
    if nos:
        for facet in FACETS:
            _delete(conn, facet, nos)
        _touch(conn, nos)


def rebuild(conn: Connection, entries: Entries, opener: Opener) -> None:
    """Replace the whole state by what the ledger says, from its first entry. Base files no longer count."""
    batch = list(entries)
    derived = _derived(conn, batch, opener)
    for table in (*(f"consent_{facet}" for facet in FACETS), "consent_touched", "consent_base", "consent_head"):
        db.run(conn, f"DELETE FROM {table}")
    if batch:
        _advance(conn, batch)
    for facet, rows in derived.items():
        insert(conn, facet, rows)


def equal(
    conn: Connection, entries: Entries, opener: Opener, unfinished: Collection[SubjectId] = ()
) -> list[Difference]:
    """Where the tables differ from what the ledger says; empty when they agree.

    What stands about `unfinished` people, whose evidence was destroyed without its rows so far, is not compared.
    """
    found = []
    left = set(numbers(conn, unfinished).values())
    for facet, rows in _derived(conn, list(entries), opener).items():
        there = set(fetch(conn, f"SELECT {', '.join(COLUMNS[facet])} FROM consent_{facet}", ()))
        there = {row for row in there if row[0] not in left}
        implied = {row for row in rows if row[0] not in left}
        if there != implied:
            found.append(Difference(f"consent_{facet}", len(implied - there), len(there - implied)))
    return found


def _derived(conn: Connection, entries: Entries, opener: Opener) -> dict[str, list[Row]]:
    heard = hear(entries, opener)
    nos = numbers(conn, heard)
    # Who has no number any more was released with the end of the evidence.
    people = {nos[subject]: person for subject, person in heard.items() if subject in nos and not person.empty}
    derived = {
        facet: [row for no in sorted(people) for row in rows(no, people[no], _NOTHING)]
        for facet, rows in _BUILD.items()
    }
    derived["subject"] = [(no, people[no].first) for no in sorted(people)]
    return derived


def _renew(conn: Connection, facet: str, people: Mapping[int, Heard], known: Collection[int]) -> None:
    """Bring one facet of the people who were heard up to date: rows that no longer hold go, new ones come."""
    says = _SAYS[facet]
    changed = [no for no, person in people.items() if says(person)]
    if not changed:
        return
    old = _rows(conn, facet, [no for no in changed if no in known])
    before: dict[int, Remembered] = defaultdict(Remembered)
    _MEMORY[facet](before, old)
    rows_of = _BUILD[facet]
    rows = [row for no in changed for row in rows_of(no, people[no], before.get(no, _NOTHING))]
    if old:
        held = set(old)
        # What was told is only ever added to; of a person's choices, those keys are written anew about which something
        # new was said; everything else is written anew whole.
        if facet != "told":
            fresh, keys = set(rows), {row[:_KEY] for row in rows}
            renewed = (row for row in old if facet != "choice" or row[:_KEY] in keys)
            delete(conn, facet, [row for row in renewed if row not in fresh])
        rows = [row for row in rows if row not in held]
    insert(conn, facet, rows)


def _placed(
    conn: Connection, subjects: Collection[SubjectId], people: Mapping[SubjectId, Person]
) -> tuple[dict[SubjectId, int], set[int]]:
    """The number of everybody, and the numbers of those of whom something is known."""
    nos = {subject: people[subject].no for subject in subjects if subject in people}
    known = {people[subject].no for subject in nos if people[subject].known}
    if len(nos) < len(subjects):
        others = allot(conn, [subject for subject in subjects if subject not in nos])
        nos |= others
        known |= _known(conn, list(others.values()))
    return nos, known


def _rows(conn: Connection, facet: str, nos: list[int]) -> list[Row]:
    if not nos:
        return []
    columns = ", ".join(f"r.{column}" for column in COLUMNS[facet])
    asked = db.among(conn, "integer")
    sql = f"SELECT {columns} FROM {asked} AS asked CROSS JOIN consent_{facet} AS r WHERE r.no = asked.value"
    return fetch(conn, sql, (db.listed(conn, nos),))


def _known(conn: Connection, nos: Collection[int]) -> set[int]:
    asked = db.among(conn, "integer")
    sql = f"SELECT s.no FROM {asked} AS asked CROSS JOIN consent_subject AS s WHERE s.no = asked.value"
    return {row[0] for row in fetch(conn, sql, (db.listed(conn, nos),))}


def _delete(conn: Connection, facet: str, nos: Collection[int]) -> None:
    sql = f"DELETE FROM consent_{facet} WHERE no IN (SELECT value FROM {db.among(conn, 'integer')} AS gone)"
    db.run(conn, sql, (db.listed(conn, nos),))


def _touch(conn: Connection, nos: Collection[int]) -> None:
    # Without base files nothing needs masking, and a first load does not pay for it.
    if nos:
        asked = f"SELECT value FROM {db.among(conn, 'integer')} AS asked WHERE EXISTS (SELECT 1 FROM consent_base)"
        sql = f"INSERT INTO consent_touched (no) {asked} ON CONFLICT DO NOTHING"
        db.tell(conn, sql, (db.listed(conn, list(nos)),))


def _advance(conn: Connection, batch: Sequence[tuple[int, object]]) -> None:
    first, last = batch[0][0], batch[-1][0]
    sql = (
        "INSERT INTO consent_head (id, size) VALUES (1, ?) "
        "ON CONFLICT (id) DO UPDATE SET size = excluded.size WHERE consent_head.size <= ? RETURNING size"
    )
    forward = all(one < other for (one, _), (other, _) in pairwise(batch))
    if not forward or not db.fetch(conn, sql, (last + 1, first)):
        known = applied(conn)
        raise Conflict(f"entries out of order: the state of consent knows {known} entries, the next one was {first}")
