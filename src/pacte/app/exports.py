"""Lists for use outside: for post and telephone, and for a company's own mailing tool; decided, recorded, short-lived.

A list is one declared use. It is recorded before its file is written, holds only what says who to reach by its channel,
and has an end, at which the file goes. Whoever is suppressed, wished otherwise or was reached often enough is left out;
hours are for whoever uses the list. Whoever says no afterwards is taken out when it is collected, and `app.withdrawn`
says who must be dropped from a copy that is out already.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Connection, Index, String, Table, Text

from pacte.app import contact, export_files, seeds, segments, shown, webhooks, withdrawn
from pacte.app.campaigns import HALTS, WRITES
from pacte.app.policies import published
from pacte.app.shown import TooFew
from pacte.app.staff import refuse_staff
from pacte.app.uses import Use, declare
from pacte.gate.contact import PUT_OFF, RINGS
from pacte.gate.handed import handed
from pacte.gate.rules import role
from pacte.intake.people import identity_groups
from pacte.kernel import crash, db, jobs
from pacte.kernel.canonical import Json
from pacte.kernel.db import Int64, metadata
from pacte.kernel.errors import BadInput, Conflict, Denied, NotFound, named
from pacte.kernel.files import make_private
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import DAY, Instant, to_iso
from pacte.kernel.jobs import Job
from pacte.policy.model import PolicyFile
from pacte.policy.vocabulary import SERVICE
from pacte.vault import sealed

if TYPE_CHECKING:
    from pacte.app.house import House

MADE, ENDED = "made", "ended"
"""The states of a list."""
IDENTITY: Mapping[str, str] = {"post": "address", "phone": "phone", "email": "email", "sms": "phone"}
"""By channel: what identifies the people of a list; their names are on it, too."""
ALONE = ("post", "phone")
"""Channels of which a list may be for the company itself; one for e-mail or texts is for a recipient's tool."""
LASTS, LONGEST = 7 * DAY, 30 * DAY
"""How long a list lasts, in microseconds, unless somebody says otherwise, and at most; one for post lasts the longest,
since printers are slow."""
REMEMBERED = 3 * 365 * DAY
"""How long after its end a list and its seed are remembered, in microseconds."""
END = "end_list"
"""The kind of job that ends a list."""
TOGETHER = 5_000
"""People whose addresses are opened together."""

export_table = Table(
    "export",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("purpose", String(128), nullable=False),
    Column("channel", String(16), nullable=False),
    Column("recipient", String(64), nullable=False),
    Column("kind", String(10), nullable=False),
    Column("segment", String(64)),
    Column("state", String(10), nullable=False),
    Column("by", String(72), nullable=False),
    Column("made", Int64, nullable=False),
    Column("until", Int64, nullable=False),
    Column("use", String(32), nullable=False),
    Column("people", Int64, nullable=False),
    Column("collected", Int64),
    Column("collector", String(72)),
    Column("asked", Int64),  # when its holder last asked who must be dropped
    Column("ended", Int64),
    Column("said", Text, nullable=False),  # numbers as they were shown when it was made
    sqlite_with_rowid=False,
)
person_table = Table(
    "export_person",
    metadata,
    Column("export", String(32), primary_key=True),
    Column("place", Int64, primary_key=True, autoincrement=False),
    Column("subject", String(32)),  # null: erased since
    Column("reference", String(32), nullable=False),
    sqlite_with_rowid=False,
)
Index("export_person_subject", person_table.c.subject)

_COLUMNS = tuple(column.name for column in export_table.columns)
_QUOTED = ", ".join(f'"{name}"' for name in _COLUMNS)


@dataclass(frozen=True, slots=True)
class Export:
    """One list: for what, by which channel, for whom (`recipient`; empty: the company itself), until when.

    `said` are numbers of people as they may be shown: `all`, and under `refused` how many were left out, by reason.
    """

    id: str
    purpose: str
    channel: str
    recipient: str
    kind: str
    segment: str | None
    state: str
    by: str
    made: Instant
    until: Instant
    use: str
    people: int
    collected: Instant | None
    collector: str | None
    asked: Instant | None
    ended: Instant | None
    said: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What somebody asks for, found to be possible; `kinds` says of each field what it identifies people by."""

    purpose: str
    channel: str
    recipient: str
    kind: str
    kinds: Mapping[str, str]
    lasts: int


def make(
    house: House,
    purpose: str,
    channel: str,
    *,
    segment: str | None = None,
    recipient: str = "",
    lasts: int | None = None,
    by: str,
) -> Export:
    """Make a list of everybody permitted, or of those of them whom a saved segment (its digest) has.

    Raises `BadInput` for a channel, recipient or length that no list has, `Denied` for what the policy does not
    permit, `TooFew` where fewer people are left than may be told apart.
    """
    with house.reading() as conn:
        refuse_staff(conn, by, WRITES)
        document = published(conn, house.present(conn)).document
    wanted = _wanted(document, purpose, channel, recipient, lasts)
    # A segment looks at more than what leaves; the use says so.
    fields = () if segment else tuple(wanted.kinds)
    use = declare(house, purpose, fields=fields, channel=channel, recipient=recipient, by=by)
    people = list(segments.members(house, use, segment))
    export, left = _entered(house, use, wanted, segment, people, document.segments.smallest, by)
    # Crash point `list-recorded`: the list is recorded and has no file; it ends by itself, and another is made.
    crash.point("list-recorded")
    _write(house, export, use, wanted, document)
    return _said(house, export, left)


def collect(house: House, name: str, to: Path, *, by: str) -> Export:
    """Hand a list out: take out whoever said no since, record who takes it, then write it and its header to `to`.

    Raises `Conflict` for one that has ended or of which nobody is left, `NotFound` where its file was never written.
    """
    with house.reading() as conn:
        refuse_staff(conn, by, WRITES)
        export = of(conn, name)
        _refuse_over(export, house.present(conn))
    if to.suffix == ".json":
        raise BadInput("the list is written as CSV, and its header beside it as JSON; name the file so")
    with house.writing() as conn:
        refuse_staff(conn, by, WRITES)
        now = house.present(conn)
        _refuse_over(of(conn, name), now)
        # Asked under the write lock: whose no was recorded before this commit is not handed out.
        gone = withdrawn.at(conn, house, export)
        left = export.people - len(gone.references)
        if left <= 0:
            raise Conflict("nobody of this list may be reached any more; end it")
        with export_files.holding(house.path) as folder:
            if not export_files.path_of(folder, name).exists():
                raise NotFound("this list has no file here: making it was cut short; end it and make another")
            export_files.without(folder, name, set(gone.references))
        _set(conn, name, collected=now, collector=by)
        taken = of(conn, name)
        _record(house, conn, replace(taken, people=left), "collected", by)
    with export_files.holding(house.path) as folder:
        make_private(to).write_bytes(export_files.path_of(folder, name).read_bytes())
        make_private(to.with_suffix(".json")).write_bytes(export_files.header_of(folder, name).read_bytes())
    return taken


def end(house: House, name: str, *, by: str) -> Export:
    """Remove a list's file, and forget who was on it; whoever has a copy must delete it. Ending it twice is once."""
    with house.writing() as conn:
        refuse_staff(conn, by, HALTS)
        export = of(conn, name)
        if export.state == ENDED:
            return export
        # Before it is recorded: cut short in between, it is ended again. INVARIANT: whoever holds both the records and
        # the folder took the records first, here as in an erasure, so that none waits for the other for ever.
        with export_files.holding(house.path) as folder:
            export_files.remove(folder, name)
        if export.collected is None:  # nobody was reached by it
            people = db.fetch(conn, "SELECT subject FROM export_person WHERE export = ?", (name,))
            contact.forget(conn, [(SubjectId(one), name) for (one,) in people if one])
        db.run(conn, "DELETE FROM export_person WHERE export = ?", (name,))
        _set(conn, name, state=ENDED, ended=house.present(conn))
        export = of(conn, name)
        _record(house, conn, export, "ended", by)
    return export


def end_due(house: House, name: str) -> Instant | None:
    """End a list whose end has come; otherwise answers when to look again. One that is unknown has ended long ago."""
    with house.reading() as conn:
        found = db.fetch(conn, "SELECT until FROM export WHERE id = ?", (name,))
        now = house.clock()
    if found and found[0][0] > now:
        return Instant(min(found[0][0], now + DAY))
    if found:
        end(house, name, by="worker")
    return None


def of(conn: Connection, name: str) -> Export:
    """A list; raises `NotFound`."""
    found = db.fetch(conn, f"SELECT {_QUOTED} FROM export WHERE id = ?", (name,))
    if not found:
        raise NotFound("no such list; `pacte export list` shows them")
    return _read(found[0])


def listed(conn: Connection, most: int = 100) -> list[Export]:
    """The latest lists."""
    return [
        _read(row) for row in db.fetch(conn, f"SELECT {_QUOTED} FROM export ORDER BY made DESC, id LIMIT ?", (most,))
    ]


def beginning(conn: Connection, start: str) -> Export:
    """The list whose identifier begins so; raises `NotFound` where there is none, or several."""
    found = [one for one in listed(conn, 100_000) if start and one.id.startswith(start)]
    if len(found) != 1:
        raise NotFound("no list, or several, begin with that name; `pacte export list` shows them")
    return found[0]


def traced(house: House, value: str) -> list[Export]:
    """The lists whose seed has this address, number or name."""
    with house.reading() as conn:
        return [of(conn, name) for name in seeds.traced(conn, house, value)]


def held(conn: Connection, subject: SubjectId) -> dict[str, int]:
    """On how many lists that have not ended a person is, by channel."""
    sql = (
        "SELECT e.channel, count(*) FROM export_person AS p JOIN export AS e ON e.id = p.export "
        "WHERE p.subject = ? GROUP BY e.channel ORDER BY e.channel"
    )
    return dict(db.fetch(conn, sql, (subject,)))


def erase(conn: Connection, house: House, subject: SubjectId) -> int:
    """Take a person out of every list that waits here, and forget that they were on it; returns of how many.

    Whoever holds a copy is told the reference to drop, which leads to nobody any more.
    """
    found = db.fetch(conn, "SELECT export, reference FROM export_person WHERE subject = ?", (subject,))
    if not found:
        return 0
    with export_files.holding(house.path) as folder:
        for export, reference in found:
            export_files.without(folder, export, {reference})
    return db.change(conn, "UPDATE export_person SET subject = NULL WHERE subject = ?", (subject,))


def prune(conn: Connection, now: Instant) -> int:
    """Forget lists that ended long ago, and their seeds; answers how many."""
    before = (now - REMEMBERED,)
    db.run(conn, "DELETE FROM export_seed WHERE export IN (SELECT id FROM export WHERE ended <= ?)", before)
    return db.change(conn, "DELETE FROM export WHERE ended <= ?", before)


def overdue(house: House) -> int:
    """How many lists should have ended, or have, and whose file still lies there."""
    now = house.clock()
    with house.reading() as conn:
        waiting = {one.id for one in listed(conn, 100_000) if one.state == MADE and now < one.until + DAY}
    return len(export_files.lying(house.path) - waiting)


def watched(house: House) -> int:
    """How many lists by telephone are out on which the seed's number is one that everybody may know."""
    if house.settings.lists.phone:
        return 0
    with house.reading() as conn:
        return sum(one.state != ENDED and IDENTITY[one.channel] == "phone" for one in listed(conn, 100_000))


def _wanted(document: PolicyFile, purpose: str, channel: str, recipient: str, lasts: int | None) -> _Wanted:
    if channel not in IDENTITY:
        raise BadInput(f"a list is for one of {', '.join(f'`{one}`' for one in IDENTITY)}")
    if channel not in ALONE and not recipient:
        raise BadInput(
            f"messages by `{channel}` are sent by campaigns; a list of them is for a tool elsewhere: name its "
            "recipient, as the policy declares it"
        )
    length = (LONGEST if channel == "post" else LASTS) if lasts is None else lasts
    if not 0 < length <= LONGEST:
        raise BadInput(f"a list lasts a moment at least and {LONGEST // DAY} days at most")
    declared = document.purposes.get(purpose)
    if declared is None:
        raise Denied("unknown_purpose", f"the policy declares no purpose {named(purpose)}")
    kinds = {}
    for path in identity_groups(document.datasets):
        dataset, _, column = path.partition(".")
        identity = document.datasets[dataset].fields[column].identity
        if path in declared.uses and identity in (IDENTITY[channel], "name"):
            kinds[path] = str(identity)
    if IDENTITY[channel] not in kinds.values():
        raise BadInput(
            f"purpose {named(purpose)} uses no field that the policy declares as `identity: {IDENTITY[channel]}`; "
            f"without one nobody is reached by `{channel}`"
        )
    kind = "service" if declared.kind in SERVICE else "promotion"
    return _Wanted(purpose, channel, recipient, kind, kinds, length)


def _entered(
    house: House, use: Use, wanted: _Wanted, segment: str | None, people: Sequence[SubjectId], smallest: int, by: str
) -> tuple[Export, dict[str, list[SubjectId]]]:
    """Write down who is on the list, and that it is made; also who was left out, by reason."""
    receiver = next((one for one in house.settings.webhooks if one.name == wanted.recipient), None)
    with house.writing() as conn:
        refuse_staff(conn, by, WRITES)
        now = house.present(conn)
        left: dict[str, list[SubjectId]] = {}
        for some in _runs(people):
            for person, refusal in contact.refusals(conn, house, wanted.kind, wanted.channel, some, now).items():
                if refusal.reason in PUT_OFF or (refusal.reason == "place_unknown" and wanted.channel not in RINGS):
                    continue  # hours are for whoever uses the list
                left.setdefault(refusal.reason, []).append(person)
        out = {person for some in left.values() for person in some}
        on = [person for person in people if person not in out]
        # A segment has been looked at already, by the rule of its size.
        if not on or (wanted.kind == "promotion" and segment is None and len(on) < smallest):
            raise TooFew(f"fewer than {smallest} people are left; a list of so few would tell who they are")
        export = Export(
            secrets.token_hex(16), wanted.purpose, wanted.channel, wanted.recipient, wanted.kind, segment, MADE, by,
            now, Instant(now + wanted.lasts), use.id, len(on), None, None, None, None, {},
        )  # fmt: skip
        values = {column: getattr(export, column) for column in _COLUMNS} | {"said": "{}"}
        marks = ", ".join("?" * len(_COLUMNS))
        db.run(conn, f"INSERT INTO export ({_QUOTED}) VALUES ({marks})", tuple(values.values()))
        rows = [
            # A tool that is told of withdrawals knows people by the name that it is told.
            (export.id, place, person, webhooks.name_of(house, receiver, person) if receiver else secrets.token_hex(16))
            for place, person in enumerate(on)
        ]
        db.insert(conn, "export_person", ("export", "place", "subject", "reference"), rows)
        if wanted.kind == "promotion":  # what somebody waits for is no offer
            contact.note(conn, [(person, now, wanted.channel, wanted.purpose, export.id) for person in on])
        index = _record(house, conn, export, "made", by)
        due = Instant(min(export.until, now + DAY))
        jobs.add(conn, [Job(END, due, None, index, export.id, Instant(export.until + DAY))])
    return export, left


def _write(house: House, export: Export, use: Use, wanted: _Wanted, document: PolicyFile) -> None:
    """Open what the list holds of those who still are permitted, and write it in an order that says nothing."""
    groups = {group for path, group in identity_groups(document.datasets).items() if path in wanted.kinds}
    seed = seeds.invented(house, wanted.kinds)
    with house.writing() as conn:
        seeds.remember(conn, house, export.id, seed)
    columns = tuple(wanted.kinds)
    mark, at = secrets.token_hex(16), secrets.randbelow(export.people + 1)

    def lines(conn: Connection) -> Iterator[tuple[str, ...]]:
        people = withdrawn.people_of(conn, export.id)
        now = house.act(conn, export.by).present
        permit = handed(segments.source_of(house, conn), use.permits, [one for _, one, _ in people if one], now)
        for some in _runs(people):
            mine = [person for _, person, _ in some if person in permit.subjects]
            opened = sealed.get_many(conn, house.keys, permit, mine, groups, now, columns)
            for place, person, reference in some:
                if place == at:
                    yield (mark, *(seed[path] for path in columns))
                values = opened[person].reveal() if person in opened else {}
                if any(values.get(path) for path in columns if wanted.kinds[path] != "name"):
                    yield (reference, *(str(values.get(path) or "") for path in columns))
        if at == export.people:
            yield (mark, *(seed[path] for path in columns))

    with export_files.holding(house.path) as folder, house.reading() as conn:
        export_files.write_header(folder, export.id, _header(house, export, document, columns))
        export_files.write(folder, export.id, _short(columns), lines(conn))


def _header(house: House, export: Export, document: PolicyFile, columns: Sequence[str]) -> dict[str, Any]:
    """What goes with a list: for what it may be used, by which way, until when."""
    purpose = document.purposes[export.purpose]
    return {
        "list": export.id,
        "company": document.controller.name,
        "contact": document.controller.contact,
        "purpose": export.purpose,
        "title": dict(purpose.title),
        "basis": purpose.basis,
        "channel": export.channel,
        **({"recipient": export.recipient} if export.recipient else {}),
        "made": to_iso(export.made),
        "until": to_iso(export.until),
        "use": export.use,
        "log": house.signer.name,
        "fields": list(columns),
        "terms": "for this purpose and channel only; drop whoever withdraws at once; delete every copy when it ends",
    }


def _said(house: House, export: Export, left: Mapping[str, Sequence[SubjectId]]) -> Export:
    """Settle the numbers that may be shown of a list, and keep them."""
    with house.reading() as conn:
        on = [person for _, person, _ in withdrawn.people_of(conn, export.id) if person]
    what: dict[str, Json] = {"purpose": export.purpose, "channel": export.channel}
    said = {
        "all": shown.number_of(house, {"list": "all", **what}, on, export.id),
        "refused": {
            reason: shown.number_of(house, {"list": "refused", "reason": reason, **what}, people, export.id)
            for reason, people in sorted(left.items())
        },
    }
    with db.write(house.engine) as conn:
        _set(conn, export.id, said=json.dumps(said))
    return replace(export, said=said)


def _short(columns: Sequence[str]) -> list[str]:
    """Names of fields without their dataset, where that is clear."""
    names = [path.partition(".")[2] for path in columns]
    return names if len(set(names)) == len(names) else list(columns)


def _runs(people: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (people[start : start + TOGETHER] for start in range(0, len(people), TOGETHER))


def _refuse_over(export: Export, now: Instant) -> None:
    if export.state == ENDED or now >= export.until:
        raise Conflict("this list has ended; make another")


def _set(conn: Connection, name: str, **values: Any) -> None:
    changes = ", ".join(f'"{column}" = ?' for column in values)
    db.run(conn, f"UPDATE export SET {changes} WHERE id = ?", (*values.values(), name))


def _read(row: Sequence[Any]) -> Export:
    return Export(*[*row[:-1], json.loads(row[-1])])


def _record(house: House, conn: Connection, export: Export, act: str, by: str) -> int:
    entry = {
        "kind": "export",
        "export": export.id,
        "act": act,
        "within": export.use,
        "purpose": export.purpose,
        "channel": export.channel,
        "people": export.people,
        "until": export.until,
        "by": by,
        **({"recipient": export.recipient} if export.recipient else {}),
        **role(conn, house.present(conn)),
    }
    return house.record(conn, [entry], house.clock())[0]
