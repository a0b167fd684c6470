"""The state of consent: derived tables, kept up to date with the ledger and rebuildable from it.

The rows of a person are their own memory (see `timeline`): a batch reads back only the persons it touches and writes
them anew, a person who is new costs no read at all. Applying in batches of any size gives what `rebuild` gives.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import itemgetter

from sqlalchemy import Connection

from pacte.consent import rows as build
from pacte.consent.events import Entries, Heard, Opener, hear
from pacte.consent.rows import Remembered, Row
from pacte.consent.sql import fetch, insert
from pacte.consent.tables import COLUMNS, FACETS
from pacte.kernel.errors import Conflict
from pacte.lake.numbers import allot, numbers

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


@dataclass(frozen=True, slots=True)
class Difference:
    """Rows of one table that the ledger implies and the table lacks, and the other way round; counts only."""

    table: str
    missing: int
    unexpected: int


def apply(conn: Connection, entries: Entries, opener: Opener) -> None:
    """Bring the state up to date with new ledger entries, in the transaction that appends them.

    Every entry is given once, in order (those about nobody are ignored and may be left out); raises `Conflict` for an
    entry below what was already applied. An erasure whose evidence ended forgets its person.
    """
    batch = list(entries)
    if not batch:
        return
    _advance(conn, batch)
    heard = hear(batch, opener)
    forget(conn, list(numbers(conn, [subject for subject, person in heard.items() if person.ended]).values()))
    nos = allot(conn, [subject for subject, person in heard.items() if not person.empty])
    people = {no: heard[subject] for subject, no in sorted(nos.items(), key=itemgetter(1))}
    known = _known(conn, people)
    for facet in _BUILD:
        _renew(conn, facet, people, known)
    insert(conn, "subject", [(no, person.first) for no, person in people.items() if no not in known])
    _touch(conn, people)


def applied(conn: Connection) -> int:
    """How many ledger entries the state takes into account: everything about a person below this index."""
    row = conn.exec_driver_sql("SELECT size FROM consent_head WHERE id = 1").fetchone()
    return row[0] if row else 0


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
        conn.exec_driver_sql(f"DELETE FROM {table}")
    if batch:
        _advance(conn, batch)
    for facet, rows in derived.items():
        insert(conn, facet, rows)


def equal(conn: Connection, entries: Entries, opener: Opener) -> list[Difference]:
    """Where the tables differ from what the ledger says; empty when they agree."""
    found = []
    for facet, rows in _derived(conn, list(entries), opener).items():
        there = set(fetch(conn, f"SELECT {', '.join(COLUMNS[facet])} FROM consent_{facet}", ()))
        implied = set(rows)
        if there != implied:
            found.append(Difference(f"consent_{facet}", len(implied - there), len(there - implied)))
    return found


def _derived(conn: Connection, entries: Entries, opener: Opener) -> dict[str, list[Row]]:
    heard = hear(entries, opener)
    nos = numbers(conn, heard)
    # Who has no number any more was released with the end of the evidence.
    people = {nos[subject]: person for subject, person in heard.items() if subject in nos and not person.empty}
    nothing = Remembered()
    derived = {
        facet: [row for no in sorted(people) for row in rows(no, people[no], nothing)] for facet, rows in _BUILD.items()
    }
    derived["subject"] = [(no, people[no].first) for no in sorted(people)]
    return derived


def _renew(conn: Connection, facet: str, people: Mapping[int, Heard], known: Collection[int]) -> None:
    changed = {no: person for no, person in people.items() if _says(person, facet)}
    old = [no for no in changed if no in known]
    before = _remembered(conn, facet, old)
    nothing = Remembered()
    rows_of = _BUILD[facet]
    rows = [row for no, person in changed.items() for row in rows_of(no, person, before.get(no, nothing))]
    if facet == "choice":
        # A voice that did not speak in this batch keeps its rows.
        for no in old:
            for voice in changed[no].choices:
                conn.exec_driver_sql("DELETE FROM consent_choice WHERE no = ? AND voice = ?", (no, voice))
    elif facet != "told":  # what was told is only ever added to
        _delete(conn, facet, old)
    insert(conn, facet, rows)


def _says(person: Heard, facet: str) -> bool:
    return bool({"choice": person.choices, "hold": person.holds, "person": person.facts, "told": person.told}[facet])


def _remembered(conn: Connection, facet: str, nos: list[int]) -> dict[int, Remembered]:
    people = {no: Remembered() for no in nos}
    if people:
        columns = ", ".join(f"r.{column}" for column in COLUMNS[facet])
        sql = f"SELECT {columns} FROM json_each(?) AS asked CROSS JOIN consent_{facet} AS r ON r.no = asked.value"
        _MEMORY[facet](people, fetch(conn, sql, (json.dumps(nos),)))
    return people


def _known(conn: Connection, nos: Collection[int]) -> set[int]:
    sql = "SELECT s.no FROM json_each(?) AS asked CROSS JOIN consent_subject AS s ON s.no = asked.value"
    return {row[0] for row in fetch(conn, sql, (json.dumps(list(nos)),))}


def _delete(conn: Connection, facet: str, nos: Collection[int]) -> None:
    sql = f"DELETE FROM consent_{facet} WHERE no IN (SELECT value FROM json_each(?))"
    conn.exec_driver_sql(sql, (json.dumps(list(nos)),))


def _touch(conn: Connection, nos: Collection[int]) -> None:
    # Without base files nothing needs masking, and a first load does not pay for it.
    if nos and fetch(conn, "SELECT 1 FROM consent_base", ()):
        conn.exec_driver_sql("INSERT OR IGNORE INTO consent_touched (no) VALUES (?)", [(no,) for no in nos])


def _advance(conn: Connection, batch: Sequence[tuple[int, object]]) -> None:
    size = applied(conn)
    first, last = batch[0][0], batch[-1][0]
    if first < size or any(one >= other for (one, _), (other, _) in pairwise(batch)):
        raise Conflict(f"entries out of order: the state of consent knows {size} entries, the next one was {first}")
    sql = "INSERT INTO consent_head (id, size) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET size = excluded.size"
    conn.exec_driver_sql(sql, (last + 1,))
