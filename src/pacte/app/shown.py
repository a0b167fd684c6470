"""Numbers of people that were shown: the one door by which a size, a share or a result reaches anybody's eyes.

A number is settled once a day for what it means, and kept. One about nearly the same people as one that was shown
before, today or earlier, is that number again, so that two numbers never differ because of a few people; where there
was none, there is none again. Of those people a sketch is kept that names nobody (`gate.crowds`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import Column, Connection, Index, LargeBinary, String, Table, Text

from pacte.app.policies import published
from pacte.gate import members
from pacte.gate.crowds import Crowd
from pacte.kernel import db
from pacte.kernel.canonical import Json, canonical
from pacte.kernel.db import Int64, metadata
from pacte.kernel.errors import BadInput
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import DAY, Instant
from pacte.uses.audience.shown import Earlier, Limits, offset

if TYPE_CHECKING:
    from pacte.app.house import House

KEPT = 400
"""Days after which a number that was shown is forgotten."""

shown_table = Table(
    "segment_shown",
    metadata,
    Column("meaning", String(64), primary_key=True),
    Column("day", Int64, primary_key=True, autoincrement=False),  # days since 1970, UTC
    Column("number", Int64),  # as it was shown; null: fewer than the smallest
    Column("said", Text, nullable=False),  # what else was said with it
    Column("sketch", LargeBinary),  # of those counted, where the number is of this day's own counting
    sqlite_with_rowid=False,
)
Index("segment_shown_day", shown_table.c.day)


class TooFew(BadInput):
    """So few people that a number of them, or a message to them, would tell who they are."""


@dataclass(frozen=True, slots=True)
class About:
    """People to be shown as a number: what the number means, who they are, for how many they count there."""

    meaning: str
    crowd: Crowd
    counted: int


def meaning_of(what: Json) -> str:
    """The digest that stands for what a number means."""
    return sha256(canonical(what)).hexdigest()


def about(house: House, what: Json, crowd: Crowd, where: Json = "") -> About:
    """People to be shown as one number with an offset of its own: what is no sum of the cells of a segment.

    The offset is drawn from `what`. INVARIANT: nothing that anybody can make anew, such as a campaign or a list, stands
    in it: each would be another draw for the same people. What tells the number apart otherwise is `where` it stands.
    """
    counted = crowd.weighted + offset(house.keys.house_key(members.KEY), what)
    return About(meaning_of({"what": what, "where": where}), crowd, counted)


def limits(conn: Connection, now: Instant) -> Limits:
    """What the policy in force allows to be shown."""
    declared = published(conn, now).document.segments
    return Limits(declared.smallest, declared.rounded)


def settle(house: House, some: Sequence[About], said: Json = "") -> list[int | None]:
    """The number of each of these, as it may be shown today; `None` where they are too few.

    `said` is kept with the first: what was said beside it, and stays so for the day.
    """
    today = house.clock() // DAY
    with house.reading() as conn:
        kept = [_row(conn, one.meaning, today) for one in some]
        if (known := [row[0] for row in kept if row is not None]) and len(known) == len(kept):
            return known
        bounds = limits(conn, house.present(conn))
        earlier, lately = _earlier(conn), _lately(conn, today)
    with db.write(house.engine) as conn:
        for meaning, day in _lately(conn, today) - lately:
            _add(earlier, db.fetch(conn, f"{_SHOWN} AND meaning = ? AND day = ?", (meaning, day)))
        day = house.clock() // DAY
        found = []
        for place, one in enumerate(some):
            row = _row(conn, one.meaning, day)
            if row is None:
                number, own = earlier.number(bounds, one.crowd, one.counted)
                sketch = one.crowd.sketch.astype(_STORED).tobytes() if own else None
                row = (number, canonical(said if place == 0 else "").decode())
                db.insert(conn, "segment_shown", _COLUMNS, [(one.meaning, day, *row, sketch)])
            found.append(row[0])
        db.run(conn, "DELETE FROM segment_shown WHERE day < ?", (day - KEPT,))
    return found


def keep(house: House, meaning: str, said: Mapping[str, Json]) -> None:
    """Keep what was said today instead of a number."""
    with db.write(house.engine) as conn:
        day = house.clock() // DAY
        if _row(conn, meaning, day) is None:
            db.insert(conn, "segment_shown", _COLUMNS, [(meaning, day, None, canonical(dict(said)).decode(), None)])


def said_today(conn: Connection, meaning: str, now: Instant) -> tuple[int | None, Any] | None:
    """The number that this meaning has today, and what was said beside it; `None` if nothing was shown yet."""
    found = _row(conn, meaning, now // DAY)
    return None if found is None else (found[0], json.loads(found[1]))


def number_of(house: House, what: Json, people: Sequence[SubjectId], where: Json = "") -> int | None:
    """How many of these people there are, as it may be shown: a result, a line of a report. See `about`."""
    with house.reading() as conn:
        crowd = members.crowd(conn, house.keys, people)
    return settle(house, [about(house, what, crowd, where)])[0]


_COLUMNS = ("meaning", "day", "number", "said", "sketch")
_SHOWN = "SELECT sketch, number FROM segment_shown WHERE sketch IS NOT NULL"
_STORED = np.dtype("<i4")


def _row(conn: Connection, meaning: str, day: int) -> tuple[int | None, str] | None:
    found = db.fetch(conn, "SELECT number, said FROM segment_shown WHERE meaning = ? AND day = ?", (meaning, day))
    return (found[0][0], found[0][1]) if found else None


def _earlier(conn: Connection) -> Earlier:
    """All that was shown, in the order that decides between two that are as near."""
    found = Earlier()
    _add(found, db.fetch(conn, f"{_SHOWN} ORDER BY day, meaning"))
    return found


def _add(earlier: Earlier, rows: Sequence[tuple[bytes, int | None]]) -> None:
    whole = np.frombuffer(b"".join(bytes(row[0]) for row in rows), _STORED)
    earlier.add(whole, [row[1] for row in rows])


def _lately(conn: Connection, today: int) -> set[tuple[str, int]]:
    """What was shown since yesterday: whatever others add while this is looked at is among it."""
    return {(meaning, day) for meaning, day in db.fetch(conn, _SINCE, (today - 1,))}


_SINCE = "SELECT meaning, day FROM segment_shown WHERE day >= ?"
