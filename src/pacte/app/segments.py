"""Segments: saved conditions for a purpose, each version kept and recorded; their size; and whom they reach.

How many people a segment has is shown after who may be reached at all, and by `app.shown` only. Who they are is for the
sending step alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Connection, Index, String, Table, Text

from pacte.app import shown
from pacte.app.policies import published
from pacte.app.staff import refuse_staff
from pacte.app.stop import refuse_stopped
from pacte.gate import members as gate
from pacte.gate.measures import EVERYBODY
from pacte.gate.release import Source
from pacte.gate.rules import role
from pacte.kernel import db
from pacte.kernel.canonical import Json, canonical
from pacte.kernel.db import Int64, metadata
from pacte.kernel.errors import BadInput, NotFound, named
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import Instant
from pacte.policy.compile import Compiled
from pacte.uses.audience import words
from pacte.uses.audience.condition import Condition, meaning, normal, to_json
from pacte.uses.audience.query import Query, query
from pacte.uses.audience.reading import read
from pacte.uses.audience.shown import Measured, judged

if TYPE_CHECKING:
    from pacte.app.house import House
    from pacte.app.uses import Use

NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")
WRITES = "messages"
"""What a member of staff must be allowed who saves or removes a segment."""

segment_table = Table(
    "segment",
    metadata,
    Column("name", String(48), primary_key=True),
    Column("version", Int64, primary_key=True, autoincrement=False),
    Column("digest", String(64), nullable=False),
    Column("purpose", String(128), nullable=False),
    Column("body", Text, nullable=False),  # the condition as it was written
    Column("by", String(72), nullable=False),
    Column("saved", Int64, nullable=False),
    Column("removed", Int64),
    sqlite_with_rowid=False,
)
Index("segment_digest", segment_table.c.digest)


@dataclass(frozen=True, slots=True)
class Segment:
    """One version of a saved segment. `digest` says what it means; two versions that mean the same share it."""

    name: str
    version: int
    digest: str
    purpose: str
    written: Mapping[str, Any]
    by: str
    saved: Instant
    removed: Instant | None = None


@dataclass(frozen=True, slots=True)
class Sized:
    """What is shown of how many people a segment has.

    `size` is `None` where they are too few to be said. `rarest`: at least so many share the rarest combination that it
    asks for. `refused`: some combination has too few people; `coarser` is then a condition that would do, if any is.
    """

    size: int | None
    rarest: int | None = None
    refused: bool = False
    coarser: Mapping[str, Any] | None = None


def save(house: House, name: str, purpose: str, written: Mapping[str, Any], by: str) -> Segment:
    """Keep a condition under a name, as its next version; what means the same as the present one changes nothing.

    Raises `BadInput` for a name or condition that cannot be, `Denied` for a member of staff who may not.
    """
    if not NAME.fullmatch(name):
        raise BadInput("a segment has a name of small letters, digits and `_`, such as `tea_lovers`")
    with house.writing() as conn:
        refuse_staff(conn, by, WRITES)
        now = house.present(conn)
        condition = read(_compiled(conn, now).table, purpose, written)
        digest, latest = meaning(purpose, condition), _versions(conn, name)[:1]
        if latest and latest[0].digest == digest and latest[0].removed is None:
            return latest[0]
        version = latest[0].version + 1 if latest else 1
        found = Segment(name, version, digest, purpose, to_json(condition), by, now)
        body = canonical(to_json(condition)).decode()
        db.insert(conn, "segment", _COLUMNS, [(name, version, digest, purpose, body, by, now, None)])
        _record(house, conn, found, "saved", by)
    return found


def remove(house: House, name: str, by: str) -> None:
    """Take a segment out of the list; its versions stay, for the campaigns that name them. Raises as `save` does."""
    with house.writing() as conn:
        refuse_staff(conn, by, WRITES)
        found = _present(conn, name)
        db.run(conn, "UPDATE segment SET removed = ? WHERE name = ?", (house.present(conn), name))
        _record(house, conn, found, "removed", by)


def listed(house: House) -> list[Segment]:
    """The present version of every segment that was not removed, by name."""
    with house.reading() as conn:
        rows = db.fetch(conn, f"SELECT {_QUOTED} FROM segment WHERE removed IS NULL ORDER BY name, version DESC")
    latest: dict[str, Segment] = {}
    for row in rows:
        latest.setdefault(row[0], _segment(row))
    return list(latest.values())


def versions(house: House, name: str) -> list[Segment]:
    """Every version of a segment, the latest first; raises `NotFound`."""
    with house.reading() as conn:
        found = _versions(conn, name)
    if not found:
        raise NotFound(f"no segment {named(name)}; `pacte segment list` shows those there are")
    return found


def get(house: House, which: str) -> Segment:
    """The present version of the segment of a name, or any version by its digest; raises `NotFound`."""
    with house.reading() as conn:
        return _by_digest(conn, which) if re.fullmatch(r"[0-9a-f]{64}", which) else _present(conn, which)


def size(house: House, use: Use, segment: Segment | Mapping[str, Any]) -> Sized:
    """How many of those whom a use permits a segment has, as it may be shown. `segment` may be a condition as written.

    Raises `BadInput` for a condition that the use's purpose does not allow, `Denied` as `Use.table` does, and while the
    purpose is stopped: nobody is in it then.
    """
    with house.reading() as conn:
        house.act(conn, "python")
        now = house.present(conn)
        refuse_stopped(conn, use.permits.purpose, now)
        asked, bounds = asked_of(conn, use, segment, now), shown.limits(conn, now)
        what = _meaning(use, asked.condition)
        if (known := shown.said_today(conn, what, house.clock())) is not None:
            return _said(*known)
        counted = gate.counted(source_of(house, conn), use.permits, now, asked.asked(now))
    found = judged(asked, counted.cells, counted.members, bounds, house.keys.house_key(gate.KEY))
    if not isinstance(found, Measured):
        coarser = {"coarser": to_json(found.coarser)} if found.coarser else {}
        shown.keep(house, what, {"refused": 1, **coarser})
        return Sized(None, refused=True, coarser=coarser.get("coarser"))
    rarest = bounds.step(found.rarest)
    said: Json = {"rarest": rarest}
    number = shown.settle(house, [shown.About(what, found.members, found.counted)], said)[0]
    return Sized(number, rarest if number is not None else None)


def members(house: House, use: Use, segment: Segment | str | None) -> Iterator[SubjectId]:
    """The subjects of the permitted whom a segment has, in random order, for the sending step: it shows nobody.

    `segment` is one, or its digest; `None` is everybody whom the use permits. Raises `TooFew` where there are too
    few, by the same rule as `size`: whoever starts a campaign learns nothing that its size did not say.
    """
    found = get(house, segment) if isinstance(segment, str) else segment
    if found is not None and size(house, use, found).size is None:
        raise shown.TooFew(f"too few people to be written to as a segment; make `{found.name}` coarser")
    with house.reading() as conn:
        house.act(conn, "python")
        now = house.present(conn)
        asked = EVERYBODY if found is None else asked_of(conn, use, found, now).asked(now)
        return gate.matching(source_of(house, conn), use.permits, now, asked)


def say(house: House, purpose: str, written: Mapping[str, Any], lang: str) -> str:
    """A condition in words; one that the policy in force no longer allows is said as it was written."""
    with house.reading() as conn:
        compiled = _compiled(conn, house.present(conn))
    try:
        return words.say(read(compiled.table, purpose, written), compiled.document, lang)
    except BadInput:
        return canonical(dict(written)).decode()


def title(house: House, path: str, lang: str) -> str:
    """What a field is called."""
    with house.reading() as conn:
        return words.title(_compiled(conn, house.present(conn)).document, path, lang)


def smallest(house: House) -> int:
    """Below about how many people nothing is shown, by the policy in force: with the blur, more than its smallest."""
    with house.reading() as conn:
        return shown.limits(conn, house.present(conn)).enough


def _said(number: int | None, said: Any) -> Sized:
    if not isinstance(said, dict):
        return Sized(number)
    if "refused" in said:
        return Sized(None, refused=True, coarser=said.get("coarser"))
    return Sized(number, said.get("rarest") if number is not None else None)


def _meaning(use: Use, condition: Condition) -> str:
    """What a size means: the condition among those whom the question permits, and by which channel."""
    asked = use.permits.record.question
    question = {"purpose": asked.purpose, "channel": asked.channel, "recipient": asked.recipient}
    return shown.meaning_of({"size": to_json(normal(condition)), **question})


def asked_of(conn: Connection, use: Use, segment: Segment | Mapping[str, Any], now: Instant) -> Query:
    """What a segment asks by the rules in force now."""
    table, purpose = _compiled(conn, now).table, use.permits.purpose
    if isinstance(segment, Segment) and segment.purpose != purpose:
        raise BadInput(f"segment `{segment.name}` is for the purpose `{segment.purpose}`, not for `{purpose}`")
    written = segment.written if isinstance(segment, Segment) else segment
    return query(table, purpose, normal(read(table, purpose, written)))


def source_of(house: House, conn: Connection) -> Source:
    """Where the gate reads for a segment."""
    return Source(conn, house.lake, house.keys)


def _compiled(conn: Connection, now: Instant) -> Compiled:
    return published(conn, now)


_COLUMNS = tuple(column.name for column in segment_table.columns)
_QUOTED = ", ".join(f'"{name}"' for name in _COLUMNS)


def _segment(row: Any) -> Segment:
    name, version, digest, purpose, body, by, saved, removed = row
    gone = None if removed is None else Instant(removed)
    return Segment(name, version, digest, purpose, json.loads(body), by, Instant(saved), gone)


def _versions(conn: Connection, name: str) -> list[Segment]:
    rows = db.fetch(conn, f"SELECT {_QUOTED} FROM segment WHERE name = ? ORDER BY version DESC", (name,))
    return [_segment(row) for row in rows]


def _present(conn: Connection, name: str) -> Segment:
    found = _versions(conn, name)
    if not found or found[0].removed is not None:
        raise NotFound(f"no segment {named(name)}; `pacte segment list` shows those there are")
    return found[0]


def _by_digest(conn: Connection, digest: str) -> Segment:
    rows = db.fetch(conn, f"SELECT {_QUOTED} FROM segment WHERE digest = ? ORDER BY saved DESC LIMIT 1", (digest,))
    if not rows:
        raise NotFound("no segment of this digest was ever saved here")
    return _segment(rows[0])


def _record(house: House, conn: Connection, segment: Segment, act: str, by: str) -> None:
    entry: dict[str, Any] = {
        "kind": "segment",
        "segment": segment.digest,
        "act": act,
        "name": segment.name,
        "revision": segment.version,
        "purpose": segment.purpose,
        "by": by,
        **role(conn, house.present(conn)),
    }
    house.record(conn, [entry], house.clock())
