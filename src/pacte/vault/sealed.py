"""Sealed identities: who a person is, one AEAD per group of fields, opened only against a permit.

A group is what is read together (`contact`, `civil`, …). Its fields are one canonical JSON object, sealed under the
person's data key and bound to person, group and version. Values come back redacted: they do not print.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from sqlalchemy import Connection

from pacte.kernel.canonical import Json, canonical
from pacte.kernel.errors import Denied
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import Instant
from pacte.kernel.redacted import Redacted
from pacte.keys.seal import place, seal, unseal
from pacte.keys.store import KeyGone, KeyStore
from pacte.vault.tables import INDEX, SEALED, append, blank, look_up

VERSION = 1
"""The form of a sealed group: a canonical JSON object of field → value."""

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


def put(connection: Connection, keys: KeyStore, rows: Iterable[Row]) -> None:
    """Seal and store groups of fields; a group that the person had before is replaced, the last of two wins.

    The people's keys must exist. Raises `KeyGone` when a data key was shredded: erased people are not written again.
    """
    latest = {(row[0], row[1]): row for row in rows}
    data_keys = _data_keys(keys, latest)
    stored = look_up(connection, "SELECT subject, grp FROM vault_sealed WHERE subject IN", (), sorted(data_keys))
    replaced = [(subject, group) for subject, group in stored if (subject, group) in latest]
    blank(connection, SEALED, "subject = ? AND grp = ?", replaced)
    append(
        connection, SEALED, [_sealed(data_keys[subject], latest[subject, group]) for subject, group in sorted(latest)]
    )


def merge(
    connection: Connection, keys: KeyStore, rows: Iterable[Row], gone: Mapping[SubjectId, Collection[str]]
) -> None:
    """Store groups of fields as `put` does, field by field: what a row does not mention stays as it was.

    `gone` are each person's fields that are no longer known; to take them out, their groups must be among the rows. A
    group that several sources filled names them all, with the date and the notice of the latest.
    """
    news = list(rows)
    data_keys = _data_keys(keys, {(row[0], row[1]) for row in news})
    query = "SELECT subject, grp, version, sealed, source FROM vault_sealed WHERE subject IN"
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
    _check(permit, subject, wanted, now)
    data_key = keys.data_key(subject)
    query = "SELECT grp, version, sealed FROM vault_sealed WHERE subject = ? AND grp IN"
    found: dict[str, Redacted[Json]] = {}
    for group, version, content in look_up(connection, query, (subject,), sorted(groups)):
        opened: dict[str, Json] = json.loads(unseal(data_key, content, place(subject, group, version)))
        found.update({name: Redacted(value) for name, value in opened.items() if name in wanted})
    return found


def held(connection: Connection, subject: SubjectId) -> dict[str, int]:
    """How many sealed rows each group of this person has; opens nothing."""
    query = "SELECT grp, count(*) FROM vault_sealed WHERE subject = ? GROUP BY grp ORDER BY grp"
    return {row[0]: row[1] for row in connection.exec_driver_sql(query, (subject,))}


def provenance(connection: Connection, subject: SubjectId) -> list[Provenance]:
    """Where each of a person's groups came from; opens nothing. Source: GDPR Art. 15(1)(g)."""
    query = "SELECT grp, source, collected, notice FROM vault_sealed WHERE subject = ? ORDER BY grp"
    return [Provenance(*row) for row in connection.exec_driver_sql(query, (subject,))]


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


def _data_keys(keys: KeyStore, wanted: Iterable[tuple[SubjectId, str]]) -> dict[SubjectId, bytes]:
    subjects = sorted({subject for subject, _ in wanted})
    data_keys = keys.data_keys(subjects)
    if len(data_keys) < len(subjects):
        raise KeyGone(f"{len(subjects) - len(data_keys)} of {len(subjects)} people were erased; nothing was stored")
    return data_keys


def _check(permit: Permitted, subject: SubjectId, wanted: frozenset[str], now: Instant) -> None:
    permit.check(now)
    if not wanted <= permit.fields:
        names = ", ".join(f"`{name}`" for name in sorted(wanted - permit.fields))
        raise Denied("undeclared_field", f"the use for `{permit.purpose}` did not declare {names}; declare it first")
    if not permit.covers(subject):
        raise Denied("unknown_person", f"the permit for `{permit.purpose}` does not cover this person; ask the gate")


def _sealed(data_key: bytes, row: Row) -> tuple[object, ...]:
    subject, group, fields, source, collected, notice = row
    content = seal(data_key, canonical(dict(fields)), place(subject, group, VERSION))
    return subject, group, VERSION, content, source, collected, notice
