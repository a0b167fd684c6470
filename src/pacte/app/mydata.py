"""What is held of one person, field by field, with its source and its date, for that person to see and to take away.

It is a use of the house's own purpose `house:rights`: recorded first, released afterwards, whole and unrounded.
Source: GDPR Art. 12(3), 15(1), 15(3), 20; P-39.1 s. 27.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from pacte.app import events
from pacte.app.policies import published
from pacte.app.preferences import preferences_of
from pacte.gate.permit import Permit
from pacte.gate.rows import Row
from pacte.gate.values import Decision
from pacte.intake.people import identity_groups
from pacte.kernel.canonical import Json
from pacte.kernel.errors import Denied
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import Instant, to_iso
from pacte.kernel.redacted import Redacted
from pacte.keys.store import KeyGone
from pacte.ledger import queries
from pacte.policy.model import DataField, Dataset, PolicyFile
from pacte.vault import sealed
from pacte.vault.evidence import open_facts

if TYPE_CHECKING:
    from pacte.app.house import House

RIGHTS = "house:rights"
FORMAT = "pacte-data/1"
"""The form of the file that a person takes away."""


@dataclass(frozen=True, slots=True)
class Value:
    """One value: the field as the policy declares it, where it came from and when."""

    dataset: str
    name: str
    declared: DataField
    value: Redacted[Any]
    source: str
    collected: Instant


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a dataset with one row for each event, the latest first."""

    dataset: str
    title: Mapping[str, str] | None
    fields: Mapping[str, DataField]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Noted:
    """A fact that the rules are applied to: what follows from the data, or was said beside them."""

    name: str
    value: Redacted[Any]
    source: str
    since: Instant


@dataclass(frozen=True, slots=True)
class Held:
    """All that is held of one person at `at`, under the use recorded as entry `index`."""

    subject: SubjectId
    index: int
    at: Instant
    values: tuple[Value, ...]
    events: tuple[Rows, ...]
    facts: tuple[Noted, ...]


def held(house: House, subject: SubjectId, *, by: str = "person") -> Held:
    """Everything held of a person; the use is recorded before anything is opened.

    Raises `Denied` when the gate does not permit it, as for somebody who was erased.
    """
    permit = house.permit(subject, RIGHTS, by=by)
    if isinstance(permit, Decision):
        raise Denied(permit.reason.code, "these data cannot be shown")
    rows = events.rows(house, permit)
    with house.reading() as conn:
        now = house.present(conn)
        policy = published(conn, now).document
        values = [*_sealed(house, conn, policy, permit, now), *_of_people(policy, rows)]
        facts = tuple(_facts(house, conn, subject))
    return Held(subject, permit.index, now, tuple(values), tuple(_events(policy, rows)), facts)


def exported(house: House, found: Held) -> dict[str, Json]:
    """What is held, as a file for programs: every value as it is, with what was said and how the person is reached.

    Source: GDPR Art. 20(1): structured, commonly used, machine-readable.
    """
    with house.reading() as conn:
        policy = published(conn, found.at).document
        said = queries.about_of_kind(conn, found.subject, "choice", "told")
        preferred = preferences_of(conn, found.subject)
    company = policy.controller
    return {
        "format": FORMAT,
        "made": to_iso(found.at),
        "person": found.subject,
        "controller": {"name": company.name, "contact": company.contact},
        "data": [_value(one) for one in found.values],
        "records": {one.dataset: [_row(row, one.fields) for row in one.rows] for one in found.events},
        "facts": [
            {"fact": one.name, "value": plain(one.value.reveal()), "source": one.source, "since": to_iso(one.since)}
            for one in found.facts
        ],
        "choices": [_said(index, entry) for index, entry in said],
        "preferences": [
            {"channel": channel, "setting": setting, "value": one.value, "since": to_iso(one.since)}
            for (channel, setting), one in sorted(preferred.items())
        ],
    }


def plain(value: Any, kind: str = "") -> Any:
    """A value as JSON has it (there may be none): days and instants in ISO 8601, amounts as texts."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return to_iso(value) if kind == "instant" else value
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    return [plain(one) for one in value] if isinstance(value, list | tuple) else str(value)


def _sealed(house: House, conn: Connection, policy: PolicyFile, permit: Permit, now: Instant) -> Iterator[Value]:
    """What says who the person is, in the order of the policy."""
    groups = identity_groups(policy.datasets)
    wanted = permit.fields & groups.keys()
    opened = sealed.get(conn, house.keys, permit, permit.subject, set(groups.values()), now, wanted)
    came = {one.group: one for one in sealed.provenance(conn, permit.subject)}
    for path, group in groups.items():
        if path in opened and group in came:
            dataset, _, name = path.partition(".")
            declared = policy.datasets[dataset].fields[name]
            yield Value(dataset, name, declared, opened[path], came[group].source, came[group].collected)


def _of_people(policy: PolicyFile, rows: list[Row]) -> Iterator[Value]:
    """The newest row of each dataset with one row for each person."""
    seen: set[str] = set()
    for row in rows:
        dataset = policy.datasets.get(row.dataset)
        if dataset is None or dataset.per != "person" or row.dataset in seen:
            continue
        seen.add(row.dataset)
        for name, value in row.values.reveal().items():
            if value is not None and name in dataset.fields:
                declared = dataset.fields[name]
                yield Value(row.dataset, name, declared, Redacted(value), row.source, row.collected)


def _events(policy: PolicyFile, rows: list[Row]) -> Iterator[Rows]:
    for name, dataset in policy.datasets.items():
        own = tuple(row for row in rows if row.dataset == name)
        if dataset.per == "event" and own:
            yield Rows(name, dataset.title, _in_lake(dataset), tuple(sorted(own, key=partial(_order, dataset))))


def _order(dataset: Dataset, row: Row) -> tuple[object, ...]:
    """The latest first; what came together in the order of what tells rows apart."""
    values = row.values.reveal()
    return (-row.collected, *((values.get(key) is None, values.get(key) or 0) for key in dataset.key))


def _in_lake(dataset: Dataset) -> dict[str, DataField]:
    return {name: declared for name, declared in dataset.fields.items() if not declared.identity}


def _facts(house: House, conn: Connection, subject: SubjectId) -> Iterator[Noted]:
    """What the sealed facts say by now: of each, the last word that takes effect."""
    try:
        key = house.keys.evidence_key(subject)
    except KeyGone:
        return
    last: dict[str, Noted] = {}
    for _, entry in sorted(queries.about_of_kind(conn, subject, "fact"), key=lambda one: one[1]["effective"]):
        said = open_facts(key, entry)[1]
        for name in said.get("unknown", ()):
            last.pop(name, None)
        for name in said.keys() - {"unknown"}:
            last[name] = Noted(name, Redacted(said[name]), str(entry.get("source", "")), Instant(entry["effective"]))
    yield from (last[name] for name in sorted(last))


def _value(one: Value) -> dict[str, Json]:
    return {
        "field": f"{one.dataset}.{one.name}",
        "category": one.declared.category,
        "value": plain(one.value.reveal(), one.declared.type),
        "source": one.source,
        "collected": to_iso(one.collected),
    }


def _row(row: Row, fields: Mapping[str, DataField]) -> dict[str, Json]:
    values = row.values.reveal()
    shown = {name: plain(values.get(name), declared.type) for name, declared in fields.items()}
    return {"source": row.source, "collected": to_iso(row.collected), "values": shown}


_KEPT = ("purpose", "act", "channel", "recipient", "voice", "method", "grade", "notice_version", "notice", "how")
_DATED = ("at", "effective", "expires")


def _said(index: int, entry: Mapping[str, Any]) -> dict[str, Json]:
    words: dict[str, Json] = {"entry": index, "kind": entry["kind"]}
    words |= {key: entry[key] for key in _KEPT if key in entry}
    return words | {key: to_iso(entry[key]) for key in _DATED if key in entry}
