"""Valued data: which declared fields no recorded use has read for some months, with the proposal not to collect them.

What was read is kept as a sum, by field and purpose, that goes on from the entry of the ledger that was looked at last;
emptied, it is made again from the ledger. Uses of sets and of single people count alike; those for the house's own
purposes, such as answering the person, do not: they would be there without the field. Source: GDPR Art. 5(1)(c), 25.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Column, Connection, String, Table

from pacte.app.datamap import COMPUTED, DataMap
from pacte.consent.notice.words import of_policy
from pacte.gate import rules as stored
from pacte.gate.questions import HOUSE
from pacte.kernel import db
from pacte.kernel.db import Int64, metadata
from pacte.kernel.errors import BadInput, NotFound
from pacte.kernel.i18n import text
from pacte.kernel.instant import Instant, add_months
from pacte.ledger import log, spans
from pacte.policy.document import load_policy_text
from pacte.policy.lint_data import source_of
from pacte.policy.model import PolicyFile

if TYPE_CHECKING:
    from pacte.app.house import House

MONTHS, MOST = 12, 120
"""After how many months without a read a field is proposed, unless others are asked for, and how many may be."""
SPAN = 20_000
"""Entries of the ledger that are looked at together."""

read_table = Table(
    "field_read",
    metadata,
    Column("field", String(128), primary_key=True),
    Column("purpose", String(128), primary_key=True),
    Column("at", Int64, nullable=False),  # when a use for this purpose read the field last
    Column("entry", Int64, nullable=False),  # the ledger index of that use
    sqlite_with_rowid=False,
)
until_table = Table(
    "field_read_until",
    metadata,
    Column("id", Int64, primary_key=True, autoincrement=False),  # always 0
    Column("size", Int64, nullable=False),  # how many entries of the ledger were looked at
)


@dataclass(frozen=True, slots=True)
class Unread:
    """A field that no use has read for so long: since when it is declared, when it was read last (`None`: never).

    `purposes` may read it; `duties` are those of them that rest on a legal obligation.
    """

    path: str
    category: str
    declared: Instant
    last: Instant | None
    purposes: tuple[str, ...]
    duties: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Valued:
    """What of the policy in force was not read since `since`; `young` fields were not either, but are newer than that.

    `fields` is how many could have been: keys, and what tells whose law applies, are needed without being read.
    """

    months: int
    since: Instant
    unread: tuple[Unread, ...]
    young: int
    fields: int


def valued(house: House, found: DataMap, months: int = MONTHS) -> Valued:
    """Which fields of a data map no use has read for so many months. Raises `BadInput` for a number that is none."""
    if not 1 <= months <= MOST:
        raise BadInput(f"expected a number of months from 1 to {MOST}")
    catch_up(house)
    with house.reading() as conn:
        since = add_months(house.present(conn), -months)
        last = _last(conn, found.policy)
        asked = {
            field.path: field
            for fields in found.fields.values()
            for field in fields
            if field.kept != COMPUTED and not field.serves
        }
        silent = [path for path in asked if last.get(path, since) <= since]
        declared = _declared(conn, house.present(conn), silent)
    unread = []
    for path in silent:
        field, day = asked[path], declared[path]
        if day > since:
            continue
        purposes = tuple(dict.fromkeys(one.purpose for one in field.readings))
        duties = tuple(name for name in purposes if found.policy.purposes[name].basis == "legal_obligation")
        unread.append(Unread(path, field.category, day, last.get(path), purposes, duties))
    return Valued(months, since, tuple(unread), len(silent) - len(unread), len(asked))


def proposal(one: Unread, policy: PolicyFile, lang: str) -> str:
    """What to do about a field, in words."""
    key = "duty" if one.duties else "unread" if one.purposes else "unasked"
    titles = ", ".join(text("app", "valued.quoted", lang, title=_title(policy, name, lang)) for name in one.duties)
    return text("app", f"valued.{key}", lang, purposes=titles)


def catch_up(house: House) -> None:
    """Look at the entries that were recorded since the last time; beside those who record, a span at a time."""
    while True:
        with house.reading() as conn:
            start, size = _looked_at(conn), log.head(conn).size
            stop = min(start + SPAN, size)
            rows = _rows(spans.read(conn, start, stop))
        if start >= size:
            return
        with db.write(house.engine) as conn:
            if _looked_at(conn) == start:  # else somebody else has been quicker
                _keep(conn, rows, stop)


def _rows(read: Iterable[spans.Read]) -> list[tuple[str, str, int, int]]:
    """(field, purpose, instant, index), the last of each; what the house does for itself is left out."""
    found = {
        (field, one.purpose): (field, one.purpose, one.at, one.entry)
        for one in sorted(read, key=lambda one: one.entry)
        if not one.purpose.startswith(HOUSE)
        for field in one.fields
    }
    return list(found.values())


def _keep(conn: Connection, rows: Iterable[tuple[str, str, int, int]], size: int) -> None:
    read = (
        "INSERT INTO field_read (field, purpose, at, entry) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (field, purpose) DO UPDATE SET at = excluded.at, entry = excluded.entry"
    )
    db.run_many(conn, read, list(rows))
    until = "INSERT INTO field_read_until (id, size) VALUES (0, ?) ON CONFLICT (id) DO UPDATE SET size = excluded.size"
    db.run(conn, until, (size,))


def _looked_at(conn: Connection) -> int:
    found = db.fetch(conn, "SELECT size FROM field_read_until WHERE id = 0")
    return int(found[0][0]) if found else 0


def _last(conn: Connection, policy: PolicyFile) -> dict[str, Instant]:
    """When each field was read last, by itself or through what is computed from it."""
    found: dict[str, Instant] = {}
    for path, at in db.fetch(conn, "SELECT field, max(at) FROM field_read GROUP BY field"):
        for read in (path, _behind(path, policy)):
            if read:
                found[read] = max(found.get(read, Instant(at)), Instant(at))
    return found


def _behind(path: str, policy: PolicyFile) -> str:
    """The field that a computed one is made from; empty for what is no computed one of this policy."""
    dataset, _, name = path.partition(".")
    declared = policy.datasets.get(dataset)
    return source_of(path, policy) or "" if declared and name in declared.aggregates else ""


def _declared(conn: Connection, now: Instant, paths: Iterable[str]) -> dict[str, Instant]:
    """Since when each of these fields is declared without a break, by the policies that were in force."""
    left, found = set(paths), dict[str, Instant]()
    for effective, fields in _history(conn, now):
        left &= fields
        if not left:
            break
        found |= dict.fromkeys(left, effective)
    return found


def _history(conn: Connection, now: Instant) -> Iterator[tuple[Instant, frozenset[str]]]:
    """The policies that were in force, the latest first: from when, and the fields that each declared."""
    row = stored.present(conn, now)
    while row is not None:
        fields = _fields_of(conn, row.policy)
        if fields is None:
            return
        yield row.effective, fields
        row = stored.present(conn, Instant(row.effective - 1))


_known: dict[str, frozenset[str]] = {}
"""By the digest of a policy: the fields that it declares."""


def _fields_of(conn: Connection, digest: str) -> frozenset[str] | None:
    if digest not in _known:
        try:
            document = load_policy_text(stored.policy_text(conn, digest), "policy.yaml")
        except NotFound:
            return None
        paths = {f"{name}.{field}" for name, dataset in document.datasets.items() for field in dataset.fields}
        _known[digest] = frozenset(paths)
    return _known[digest]


def _title(policy: PolicyFile, name: str, lang: str) -> str:
    return of_policy(policy.purposes[name].title, lang)
