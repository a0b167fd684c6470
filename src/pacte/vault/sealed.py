"""Sealed identities: who a person is, one AEAD per group of fields, opened only against a permit.

A group is what is read together (`contact`, `civil`, …). Its fields are one canonical JSON object, sealed under the
person's data key and bound to person, group and version. Values come back redacted: they do not print.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from json.encoder import encode_basestring
from operator import itemgetter
from typing import Any, Protocol, TypeAlias, cast

import numpy as np
from sqlalchemy import Connection

from pacte.kernel import db
from pacte.kernel.canonical import Json, canonical
from pacte.kernel.errors import Denied
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import Instant
from pacte.kernel.redacted import Redacted
from pacte.keys.seal import place, places, seal_many, unseal, unseal_many
from pacte.keys.store import KeyGone, KeyStore
from pacte.vault.tables import INDEX, SEALED, append, blank, look_up

VERSION = 1
"""The form of a sealed group: a canonical JSON object of field → value."""
RUN = 256
"""Groups that are written together."""
PARSED = 1_000
"""Opened groups that are parsed together."""
_QUOTED = cast("Callable[[object], str]", encode_basestring)
"""A text as canonical JSON writes it; raises `TypeError` for anything else."""
_PLAIN = re.compile(r"[A-Za-z0-9_.:-]+")
"""Names of fields that need no escaping."""

Row: TypeAlias = "tuple[SubjectId, str, Mapping[str, Json], str, Instant, str | None]"
"""(subject, group, {field: value}, source, collected, digest of the notice shown at collection or `None`).

Fields have the names that permits use: `dataset.field`.
"""


class Permitted(Protocol):
    """What the vault needs to know of a permit: a use that is committed, for whom, for which fields, until when."""

    @property
    def use(self) -> str:
        """The use's identifier."""

    @property
    def index(self) -> int:
        """The ledger index of its `use` entry."""

    @property
    def purpose(self) -> str:
        """The purpose it was permitted for."""

    @property
    def fields(self) -> frozenset[str]:
        """The declared fields it may see."""

    def covers(self, subject: SubjectId) -> bool:
        """Whether this person is among those it was permitted for."""

    def check(self, now: Instant) -> None:
        """Raises `Denied` when the permit has expired."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a sealed group came from, when, and under which notice (digest); never its content."""

    group: str
    source: str
    collected: Instant
    notice: str | None


def put(
    connection: Connection, keys: KeyStore, rows: Iterable[Row], drawn: Mapping[SubjectId, bytes] | None = None
) -> None:
    """Seal and store groups of fields; a group that the person had before is replaced, the last of two wins.

    The people's keys must exist; `drawn` are the data keys that `create_subject_keys` has just drawn for people who are
    new. Raises `KeyGone` when a data key was shredded: erased people are not written again.
    """
    # One text for person and group, as identifiers are of one length: texts sort in half the time that pairs do.
    latest = {row[0] + row[1]: row for row in rows}
    fresh = drawn or {}
    known = {row[0] for row in latest.values() if row[0] not in fresh}
    data_keys = {**fresh, **_data_keys(keys, known)} if known else fresh
    stored = look_up(connection, "SELECT subject, grp FROM vault_sealed WHERE subject", (), sorted(known))
    replaced = [(subject, group) for subject, group in stored if subject + group in latest]
    blank(connection, SEALED, "subject = ? AND grp = ?", replaced)
    append(connection, SEALED, _sealed(list(map(latest.__getitem__, sorted(latest))), data_keys))


def merge(
    connection: Connection, keys: KeyStore, rows: Iterable[Row], gone: Mapping[SubjectId, Collection[str]]
) -> None:
    """Store groups of fields as `put` does, field by field: what a row does not mention stays as it was.

    `gone` are each person's fields that are no longer known; to take them out, their groups must be among the rows. A
    group that several sources filled names them all, with the date and the notice of the latest.
    """
    news = list(rows)
    data_keys = _data_keys(keys, {row[0] for row in news})
    query = "SELECT subject, grp, version, sealed, source FROM vault_sealed WHERE subject"
    merged: dict[tuple[SubjectId, str], Row] = {}
    for subject, group, version, content, source in look_up(connection, query, (), sorted(data_keys)):
        fields = json.loads(unseal(data_keys[subject], content, place(subject, group, version)))
        merged[subject, group] = (subject, group, fields, source, Instant(0), None)
    for subject, group, fields, source, collected, notice in news:
        before: Mapping[str, Json] = merged[subject, group][2] if (subject, group) in merged else {}
        whole = {name: value for name, value in before.items() if name not in gone.get(subject, ())} | dict(fields)
        sources = merged[subject, group][3].split(", ") if (subject, group) in merged else []
        origin = ", ".join(dict.fromkeys([*sources, source]))
        merged[subject, group] = (subject, group, whole, origin, collected, notice)
    touched = {(row[0], row[1]) for row in news}
    put(connection, keys, [merged[one] for one in sorted(touched) if merged[one][2]])
    blank(connection, SEALED, "subject = ? AND grp = ?", [one for one in sorted(touched) if not merged[one][2]])


def get(
    connection: Connection,
    keys: KeyStore,
    permit: Permitted,
    subject: SubjectId,
    groups: Collection[str],
    now: Instant,
    fields: Collection[str] | None = None,
) -> dict[str, Redacted[Json]]:
    """The permitted fields of one person that lie in `groups`; `fields` asks for fewer than the permit allows.

    Raises `Denied` when the permit has expired or does not cover the person or a field, `KeyGone` when the data key
    was shredded.
    """
    wanted = permit.fields if fields is None else frozenset(fields)
    _check(permit, [subject], wanted, now)
    data_key = keys.data_key(subject)
    query = "SELECT grp, version, sealed FROM vault_sealed WHERE subject = ? AND grp"
    found: dict[str, Redacted[Json]] = {}
    for group, version, content in look_up(connection, query, (subject,), sorted(groups)):
        opened: dict[str, Json] = json.loads(unseal(data_key, content, place(subject, group, version)))
        found.update({name: Redacted(value) for name, value in opened.items() if name in wanted})
    return found


def get_many(
    connection: Connection,
    keys: KeyStore,
    permit: Permitted,
    subjects: Sequence[SubjectId],
    groups: Collection[str],
    now: Instant,
    fields: Collection[str] | None = None,
) -> dict[SubjectId, Redacted[dict[str, Json]]]:
    """The permitted fields of many people, each person's under one cover; people who were erased are left out.

    Raises `Denied` as `get` does; everybody must be covered.
    """
    wanted = permit.fields if fields is None else frozenset(fields)
    _check(permit, subjects, wanted, now)
    return _opened(connection, keys, subjects, groups, wanted)


def _opened(
    connection: Connection,
    keys: KeyStore,
    subjects: Sequence[SubjectId],
    groups: Collection[str],
    wanted: frozenset[str],
) -> dict[SubjectId, Redacted[dict[str, Json]]]:
    data_keys = keys.data_keys(subjects)
    marks = ", ".join("?" * len(groups))
    query = f"SELECT subject, grp, version, sealed FROM vault_sealed WHERE grp IN ({marks}) AND subject"
    rows = list(look_up(connection, query, sorted(groups), list(data_keys)))
    owners = [row[0] for row in rows]
    where = places(owners, [row[1] for row in rows], [row[2] for row in rows])
    opened = _fields(unseal_many([data_keys[one] for one in owners], [row[3] for row in rows], where), wanted)
    found: dict[SubjectId, dict[str, Json]] = {}
    for subject, fields_of in zip(owners, opened, strict=True):
        found[subject] = found[subject] | fields_of if subject in found else fields_of
    return {subject: Redacted(values) for subject, values in found.items()}


def get_each(
    connection: Connection,
    keys: KeyStore,
    permits: Mapping[SubjectId, Permitted],
    groups: Collection[str],
    now: Instant,
    fields: Collection[str],
) -> dict[SubjectId, Redacted[dict[str, Json]]]:
    """`get_many` where each person has a permit of their own, which must cover them and all the fields."""
    for subject, permit in permits.items():
        _check(permit, [subject], frozenset(fields), now)
    return _opened(connection, keys, list(permits), groups, frozenset(fields))


def held(connection: Connection, subject: SubjectId) -> dict[str, int]:
    """How many sealed rows each group of this person has; opens nothing."""
    query = "SELECT grp, count(*) FROM vault_sealed WHERE subject = ? GROUP BY grp ORDER BY grp"
    return dict(db.fetch(connection, query, (subject,)))


def prints(connection: Connection, groups: Collection[str], people: Sequence[SubjectId]) -> dict[SubjectId, bytes]:
    """By person a digest of how these groups are sealed now: another one once any of them was written again.

    Opens nothing, and says nothing of what is sealed: the same values sealed anew have another.
    """
    rows = look_up(connection, "SELECT grp, sealed, subject FROM vault_sealed WHERE subject", (), people)
    found: dict[SubjectId, list[bytes]] = {}
    for group, body, subject in rows:
        if group in groups:
            found.setdefault(SubjectId(subject), []).append(hashlib.sha256(body or b"").digest())
    return {subject: b"".join(sorted(parts)) for subject, parts in found.items()}


def holders(connection: Connection, groups: Collection[str], people: Sequence[SubjectId]) -> set[SubjectId]:
    """Those of the people of whom one of these groups is sealed; opens nothing."""
    rows = look_up(connection, "SELECT grp, subject FROM vault_sealed WHERE subject", (), people)
    return {subject for group, subject in rows if group in groups}


def provenance(connection: Connection, subject: SubjectId) -> list[Provenance]:
    """Where each of a person's groups came from; opens nothing. Source: GDPR Art. 15(1)(g)."""
    query = "SELECT grp, source, collected, notice FROM vault_sealed WHERE subject = ? ORDER BY grp"
    return [Provenance(*row) for row in db.fetch(connection, query, (subject,))]


def empty(connection: Connection, subject: SubjectId) -> int:
    """Blank the person's sealed rows, not the index, so that an erasure cut short can be asked for by name again."""
    return blank(connection, SEALED, "subject = ?", [(subject,)])


def erase(connection: Connection, subject: SubjectId) -> dict[str, int]:
    """Blank the person's sealed rows and index rows; answers how many of each (`sealed`, `index`), 0 when done before.

    After the commit the caller cuts the write-ahead log (`kernel.db.truncate_wal`), then shreds the data key.
    """
    return {
        "sealed": blank(connection, SEALED, "subject = ?", [(subject,)]),
        "index": blank(connection, INDEX, "subject = ?", [(subject,)]),
    }


def _data_keys(keys: KeyStore, wanted: Collection[SubjectId]) -> dict[SubjectId, bytes]:
    data_keys = keys.data_keys(wanted)
    if len(data_keys) < len(wanted):
        raise KeyGone(f"{len(wanted) - len(data_keys)} of {len(wanted)} people were erased; nothing was stored")
    return data_keys


def _check(permit: Permitted, subjects: Iterable[SubjectId], wanted: frozenset[str], now: Instant) -> None:
    permit.check(now)
    if not wanted <= permit.fields:
        names = ", ".join(f"`{name}`" for name in sorted(wanted - permit.fields))
        raise Denied("undeclared_field", f"the use for `{permit.purpose}` did not declare {names}; declare it first")
    if not all(map(permit.covers, subjects)):
        raise Denied("unknown_person", f"the permit for `{permit.purpose}` does not cover this person; ask the gate")


def _sealed(rows: Sequence[Row], data_keys: Mapping[SubjectId, bytes]) -> list[tuple[object, ...]]:
    contents = seal_many(
        list(map(data_keys.__getitem__, map(itemgetter(0), rows))),
        _contents([row[2] for row in rows]),
        places([row[0] for row in rows], [row[1] for row in rows], [VERSION] * len(rows)),
    )
    return [
        (subject, group, VERSION, content, source, collected, notice)
        for content, (subject, group, _, source, collected, notice) in zip(contents, rows, strict=True)
    ]


def _contents(groups: Sequence[Mapping[str, Json]]) -> list[bytes]:
    """The canonical JSON of each group.

    Rows of a load have the same fields, so what is not a value is written once, and whether a value needs escaping is
    looked for in a run of rows at once.
    """
    found: list[bytes] = []
    for start in range(0, len(groups), RUN):
        run = groups[start : start + RUN]
        found += _unescaped(run) or list(map(_content, run))
    return found


def _unescaped(groups: Sequence[Mapping[str, Json]]) -> list[bytes]:
    """The canonical JSON of groups of texts of which none needs escaping; nothing where one does, or is no text."""
    parts: list[str] = []
    values: list[Any] = []
    try:
        for group in groups:
            pieces, values_of = _form(tuple(group))
            parts += pieces
            values += values_of(group)
            values.append("\n")
        parts[1::2] = values
        written = "".join(parts).encode()
    except (TypeError, UnicodeEncodeError):  # a value that is not text, or cannot be recorded
        return []
    seen = np.frombuffer(written, np.uint8)
    # INVARIANT: the quotes are those of the forms, four for a field; a value with one more would end before its time.
    quotes = 4 * (len(values) - len(groups))
    if np.count_nonzero(seen == ord('"')) != quotes or np.count_nonzero(seen < ord(" ")) != len(groups):
        return []
    return [] if b"\\" in written else written.splitlines()


def _content(group: Mapping[str, Json]) -> bytes:
    try:
        pieces, values_of = _form(tuple(group))
        parts = pieces.copy()
        parts[1::2] = [*(_QUOTED(value)[1:-1] for value in values_of(group)), ""]
        return "".join(parts).encode()
    except (TypeError, UnicodeEncodeError):
        return canonical(dict(group))


@lru_cache(maxsize=1024)
def _form(names: tuple[str, ...]) -> tuple[list[str], Callable[[Mapping[str, Json]], Any]]:
    """A canonical object in pieces, every second of them empty for a value or what follows; what gets the values.

    Raises `TypeError` for names that need escaping, and for none.
    """
    if not names or not all(map(_PLAIN.fullmatch, names)):
        raise TypeError
    ordered = sorted(names)
    pieces = [part for name in ordered for part in (f'","{name}":"', "")]
    pieces[0] = "{" + pieces[0][2:]
    # A getter of one name gives its value, and no tuple.
    return [*pieces, '"}', ""], itemgetter(*ordered) if len(names) > 1 else lambda group: (group[names[0]],)


def _fields(contents: Sequence[bytes], wanted: frozenset[str]) -> Iterator[dict[str, Json]]:
    """The wanted fields of each opened group.

    Many are parsed as one list, whose names are then made once; nothing but a whole object can have been sealed.
    """
    for start in range(0, len(contents), PARSED):
        opened: list[dict[str, Json]] = json.loads(b"[" + b",".join(contents[start : start + PARSED]) + b"]")
        if set[str]().union(*opened) <= wanted:
            yield from opened
        else:
            yield from ({name: value for name, value in one.items() if name in wanted} for one in opened)
