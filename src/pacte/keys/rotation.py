"""Rotation: every key is wrapped again under a new version of the key-encryption key; sealed data stay as they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

from sqlalchemy import Connection

from pacte.kernel.db import Row, fetch, run_many
from pacte.kernel.errors import Unsafe
from pacte.keys.service import VERSION_BYTES, Item, Items, KeyService, version_of
from pacte.keys.tables import house_place, person_place

Which: TypeAlias = Literal["data", "evidence"]

COLUMN: dict[Which, int] = {"data": 2, "evidence": 3}
"""Where each of a person's keys stands in the rows that are read here."""
BATCH = 10_000
"""People wrapped again in one transaction; others who write keys wait that long."""


def rewrap_house(connection: Connection, service: KeyService) -> None:
    """Wrap all house keys again under the service's current version, in the same transaction."""
    rows = [
        (name, wrapped) for name, wrapped in fetch(connection, "SELECT name, wrapped FROM keys_house") if any(wrapped)
    ]
    fresh = service.rewrap_many([(wrapped, house_place(name)) for name, wrapped in rows])
    changes = [(wrapped, name) for wrapped, (name, _) in zip(fresh, rows, strict=True)]
    run_many(connection, "UPDATE keys_house SET wrapped = ? WHERE name = ?", changes)


def rewrap_people(connection: Connection, service: KeyService, after: int) -> int | None:
    """Wrap the next batch of people's keys again; answers the last slot done, `None` when there was none left.

    Read and write are one transaction of the caller: a key shredded in between must not be written back.
    """
    rows = _people(connection, after)
    if not rows:
        return None
    data, evidence = (_rewrapped(service, rows, which) for which in ("data", "evidence"))
    changes = [(one, other, row[0]) for one, other, row in zip(data, evidence, rows, strict=True)]
    run_many(connection, "UPDATE keys_person SET data = ?, evidence = ? WHERE slot = ?", changes)
    return int(rows[-1][0])


def _rewrapped(service: KeyService, rows: list[Row], which: Which) -> list[bytes]:
    place, column, current = person_place("", which), COLUMN[which], service.version
    # Shredded keys stay as they are, and those that a rotation which is continued has done already.
    old = [number for number, row in enumerate(rows) if 0 < version_of(row[column]) < current]
    found = [row[column] for row in rows]
    items = Items([found[number] for number in old], [place + rows[number][1].encode() for number in old])
    for number, wrapped in zip(old, service.rewrap_many(items), strict=True):
        found[number] = wrapped
    return found


def under(connection: Connection) -> dict[int, int]:
    """How many keys are wrapped under each version; shredded keys are under none."""
    found: dict[int, int] = {}
    for table, column in (("keys_person", "data"), ("keys_person", "evidence"), ("keys_house", "wrapped")):
        query = f"SELECT substr({column}, 1, {VERSION_BYTES}) AS version, count(*) FROM {table} GROUP BY version"
        for prefix, count in fetch(connection, query):
            if version := version_of(prefix):
                found[version] = found.get(version, 0) + count
    return found


def unopened(connection: Connection, service: KeyService) -> int:
    """How many keys do not open: altered, moved, or wrapped by somebody else."""
    return sum(_wrong(service, items) for items in _batches(connection))


def _wrong(service: KeyService, items: list[Item]) -> int:
    try:
        service.unwrap_many(items)
    except Unsafe:
        half = len(items) // 2
        return 1 if len(items) == 1 else _wrong(service, items[:half]) + _wrong(service, items[half:])
    return 0


def _batches(connection: Connection) -> Iterator[list[Item]]:
    house = fetch(connection, "SELECT name, wrapped FROM keys_house")
    yield [(wrapped, house_place(name)) for name, wrapped in house if any(wrapped)]
    after = 0
    while rows := _people(connection, after):
        for which, column in COLUMN.items():
            yield [(row[column], person_place(row[1], which)) for row in rows if any(row[column])]
        after = rows[-1][0]


def _people(connection: Connection, after: int) -> list[Row]:
    query = "SELECT slot, subject, data, evidence FROM keys_person WHERE slot > ? ORDER BY slot LIMIT ?"
    return fetch(connection, query, (after, BATCH))
