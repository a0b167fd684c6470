"""Questions to the log that its readers ask: how large was it then, which uses, whose evidence ends when."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from operator import itemgetter
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Connection, func, select, text

from pacte.kernel.canonical import canonical
from pacte.kernel.db import among, fetch, is_postgres, listed
from pacte.kernel.ids import SubjectId, UseId
from pacte.kernel.instant import Instant
from pacte.ledger import log
from pacte.ledger.tables import ABOUT, RARE, SETS, STRETCH, WISHES, entry_table

Recorded: TypeAlias = dict[str, Any]
"""An entry as the log holds it; its form was checked when it was appended."""


END = 2**63 - 1
"""Beyond the last index of any ledger."""


def size_at(conn: Connection, instant: Instant) -> int:
    """How many entries the log held at an instant, found by bisection: entry times never go back.

    Redacted entries no longer say when they were written; the next one that does speaks for them, so that a redacted
    entry counts as known only once a later one is.
    """
    low, high = 0, log.head(conn).size
    while low < high:
        middle = (low + high) // 2
        written = _time_from(conn, middle)
        if written is None or written[1] > instant:
            high = middle
        else:
            low = written[0] + 1
    return low


def settled_at(conn: Connection, instant: Instant) -> int:
    """The same, with redacted entries that follow counted as known: what is redacted later makes it larger, never less.

    For what is published of a moment, and must never go back.
    """
    written = _time_from(conn, size_at(conn, instant))
    return log.head(conn).size if written is None else written[0]


def last_time(conn: Connection, until: Instant) -> Instant | None:
    """When the last entry up to an instant was written; `None` where there is none, or none that still says so."""
    query = "SELECT body FROM ledger_entry WHERE idx < ? AND body IS NOT NULL ORDER BY idx DESC LIMIT 1"
    found = fetch(conn, query, (size_at(conn, until),))
    return Instant(json.loads(found[0][0])["at"]) if found else None


def about(conn: Connection, subject: SubjectId) -> list[tuple[int, Recorded]]:
    """What the log says about one person, oldest first; redacted entries are left out."""
    return [(index, dict(entry)) for index, entry in log.of_subject(conn, subject)]


def use(conn: Connection, use_id: UseId) -> tuple[int, Recorded]:
    """The ledger index and the entry of a recorded use; raises `NotFound`."""
    index, entry = log.use_of(conn, use_id)
    return index, dict(entry)


def uses_near(conn: Connection, subject: SubjectId) -> list[tuple[int, Recorded]]:
    """The recorded uses that may have had a person, oldest first: those of sets, and those of this person alone.

    Messages are uses of one person each, and there are many: those of others are not read.
    """
    own = about_of_kind(conn, subject, "use")
    return sorted([*own, *uses_of_sets(conn, 0, END)], key=itemgetter(0))


def uses_of_sets(conn: Connection, start: int, stop: int) -> list[tuple[int, Recorded]]:
    """The recorded uses of many people from ledger index `start` to below `stop`, oldest first."""
    sql = f"SELECT idx, body FROM ledger_entry WHERE {SETS} AND idx >= ? AND idx < ? ORDER BY idx"
    return [(index, json.loads(body)) for index, body in fetch(conn, sql, (start, stop)) if body is not None]


def newest_sets(conn: Connection, purpose: str, most: int) -> Iterator[tuple[int, Recorded]]:
    """The recorded uses of many people for a purpose, newest first, at most `most`; read as they are asked for."""
    spelled = canonical({"purpose": purpose})[1:-1]
    query = select(entry_table.c.idx, entry_table.c.body).where(text(SETS), _holds(conn, spelled))
    for row in conn.execute(query.order_by(entry_table.c.idx.desc()).limit(most)):
        entry = json.loads(row.body)
        if entry["purpose"] == purpose:
            yield row.idx, entry


def about_of_kind(conn: Connection, subject: SubjectId, *kinds: str) -> list[tuple[int, Recorded]]:
    """The entries of some kinds about one person, oldest first; redacted entries are left out."""
    sql = f"{ABOUT} AND kind IN ({', '.join('?' * len(kinds))}) ORDER BY idx"
    found = fetch(conn, sql, (0, subject, *kinds))
    return [(index, json.loads(body)) for index, body in found if body is not None]


def preferences_of(conn: Connection, people: Collection[SubjectId]) -> list[tuple[SubjectId, bytes]]:
    """(person, body of the entry) of everything these people wished of a channel, oldest first."""
    sql = (
        f"SELECT subject, body FROM {among(conn, 'text')} AS asked CROSS JOIN ledger_entry WHERE subject = asked.value"
    )
    if is_postgres(conn):  # joined with a list of values it would read the whole log while that is small
        sql = "SELECT subject, body FROM ledger_entry WHERE subject = ANY (?::text[])"
    found = fetch(conn, f"{sql} AND {WISHES} ORDER BY idx", (listed(conn, people),))
    return [(SubjectId(subject), body) for subject, body in found]


def answers(conn: Connection, stop: int) -> Iterator[tuple[str, SubjectId]]:
    """(digest of a form, person) of every choice below ledger index `stop` that answers a form; reads all choices."""
    query = select(entry_table.c.body).where(
        entry_table.c.kind == "choice", entry_table.c.idx < stop, _holds(conn, b'"form":"')
    )
    for row in conn.execute(query):
        entry = json.loads(row.body)
        if "form" in entry:
            yield entry["form"], SubjectId(entry["subject"])


def evidence_ends(conn: Connection) -> Iterator[tuple[SubjectId, Instant]]:
    """Erased people whose evidence still stands, and the declared end of it."""
    steps = log.of_kind(conn, "erasure")
    ended = {entry["subject"] for _, entry in steps if entry["step"] == "evidence_ended"}
    for _, entry in steps:
        if entry["step"] == "done" and entry["subject"] not in ended and "evidence_until" in entry:
            yield SubjectId(str(entry["subject"])), Instant(int(str(entry["evidence_until"])))


CHANGES_NOTHING = (
    "form", "api_key", "look", "look_aside", "sought", "preference", "recipient_told", "use", "load", "staff",
    "segment", "message", "campaign", "suppressed", "export", "list",
)  # fmt: skip
"""Kinds of entries that change no fact, rule or stop: what was decided before them would be decided again."""


def subjects_since(conn: Connection, index: int) -> list[SubjectId]:
    """Everybody about whom an entry from `index` on says something that could change a decision."""
    nothing = ", ".join("?" * len(CHANGES_NOTHING))
    query = (
        f"SELECT DISTINCT subject FROM ledger_entry WHERE idx >= ? AND subject IS NOT NULL AND kind NOT IN ({nothing})"
    )
    return [SubjectId(row[0]) for row in fetch(conn, query, (index, *CHANGES_NOTHING))]


def people_since(conn: Connection, index: int) -> bool:
    """Whether an entry from `index` on says something about a person that could change a decision."""
    return _exists_since(conn, index, entry_table.c.subject.is_not(None))


def person_since(conn: Connection, subject: SubjectId, index: int) -> bool:
    """Whether an entry from `index` on says something about this person that could change a decision."""
    nothing = ", ".join("?" * len(CHANGES_NOTHING))
    query = f"{ABOUT} AND idx >= ? AND kind NOT IN ({nothing}) LIMIT 1"
    return bool(fetch(conn, query, (index >> STRETCH, subject, index, *CHANGES_NOTHING)))


def disturbed_since(conn: Connection, subject: SubjectId, index: int) -> bool:
    """Whether an entry from `index` on, of this person or of nobody, could change a decision about this person.

    It reads every entry from there on: for an `index` close to the end.
    """
    nothing = ", ".join("?" * len(CHANGES_NOTHING))
    query = (
        "SELECT 1 FROM ledger_entry WHERE idx >= ? AND (subject = ? OR subject IS NULL) "
        f"AND kind NOT IN ({nothing}) LIMIT 1"
    )
    return bool(fetch(conn, query, (index, subject, *CHANGES_NOTHING)))


def told_since(conn: Connection, subject: SubjectId, index: int) -> bool:
    """Whether an entry from `index` on, of this person or of nobody, could change how this person may be reached.

    Besides what `disturbed_since` looks for these are wishes and suppressions. It reads every entry from there on: for
    an `index` close to the end.
    """
    nothing = sorted({*CHANGES_NOTHING} - {"preference", "suppressed"})
    query = (
        "SELECT 1 FROM ledger_entry WHERE idx >= ? AND (subject = ? OR subject IS NULL) "
        f"AND kind NOT IN ({', '.join('?' * len(nothing))}) LIMIT 1"
    )
    return bool(fetch(conn, query, (index, subject, *nothing)))


def changed_since(conn: Connection, index: int) -> bool:
    """Whether an entry from `index` on could change any decision: a fact, a choice, a policy, a stop, an erasure."""
    return _exists_since(conn, index, entry_table.c.kind.is_not(None))


def _exists_since(conn: Connection, index: int, about: ColumnElement[bool]) -> bool:
    query = select(entry_table.c.idx).where(
        entry_table.c.idx >= index, entry_table.c.kind.not_in(CHANGES_NOTHING), about
    )
    return conn.execute(query.limit(1)).first() is not None


def newest_subject(conn: Connection) -> SubjectId | None:
    """The person whom the latest entry about anybody is about; `None` in a log that speaks of nobody."""
    query = select(entry_table.c.subject).where(entry_table.c.subject.is_not(None)).order_by(entry_table.c.idx.desc())
    found = conn.execute(query.limit(1)).scalar()
    return None if found is None else SubjectId(found)


_STEP = re.compile(rb'"step":"(\w+)"')


def erasure_steps(conn: Connection, index: int = 0) -> list[tuple[SubjectId, str]]:
    """Whose erasure took which step, by the entries from `index` on, oldest first."""
    query = f"SELECT subject, body FROM ledger_entry WHERE idx >= ? AND kind = 'erasure' AND {RARE} ORDER BY idx"
    rows = fetch(conn, query, (index,))
    # Bodies are canonical: within a string of theirs no quote stands without a backslash before it.
    found = ((subject, _STEP.search(body or b"")) for subject, body in rows)
    return [(SubjectId(subject), step[1].decode()) for subject, step in found if subject and step]


def unfinished_erasures(conn: Connection) -> frozenset[SubjectId]:
    """The people whose erasure was begun and has reached no end: one entry, and no second."""
    erasures = (
        select(entry_table.c.subject).where(entry_table.c.kind == "erasure", text(RARE)).group_by(entry_table.c.subject)
    )
    return frozenset(SubjectId(row) for row in conn.execute(erasures.having(func.count() == 1)).scalars())


def skewed(conn: Connection) -> int:
    """How many entries were written while the clock stood back behind the log; they say what it said."""
    found = select(func.count()).select_from(entry_table).where(_holds(conn, b'"clock":'))
    return int(conn.execute(found).scalar_one())


def _holds(conn: Connection, part: bytes) -> ColumnElement[bool]:
    if is_postgres(conn):
        return entry_table.c.body.op("LIKE")(b"%" + part.replace(b"\\", b"\\\\").replace(b"_", b"\\_") + b"%")
    return func.instr(entry_table.c.body, part) > 0


def _time_from(conn: Connection, index: int) -> tuple[int, int] | None:
    """(index, time) of the first entry from `index` on that still says when it was written."""
    row = conn.execute(
        select(entry_table.c.idx)
        .where(entry_table.c.idx >= index, entry_table.c.body.is_not(None))
        .order_by(entry_table.c.idx)
        .limit(1)
    ).first()
    if row is None:
        return None
    entry = log.entry(conn, row.idx)
    return None if entry is None else (row.idx, int(str(entry["at"])))
