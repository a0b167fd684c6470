"""Rotation: every key is wrapped again under a new version of the key-encryption key; sealed data stay as they are."""

from __future__ import annotations

from sqlalchemy import Connection

from pacte.keys.service import VERSION_BYTES, KeyService
from pacte.keys.tables import house_place, person_place

BATCH = 20_000
"""People wrapped again in one transaction."""


def rewrap_house(connection: Connection, service: KeyService) -> None:
    """Wrap all house keys again under the service's current version."""
    rows = connection.exec_driver_sql("SELECT name, wrapped FROM keys_house").all()
    fresh = [(_again(service, wrapped, house_place(name)), name) for name, wrapped in rows]
    connection.exec_driver_sql("UPDATE keys_house SET wrapped = ? WHERE name = ?", fresh)


def rewrap_people(connection: Connection, service: KeyService, after: int) -> int | None:
    """Wrap the next batch of people's keys again; answers the last slot done, `None` when there was none left.

    Read and write are one transaction of the caller: a key shredded in between must not be written back.
    """
    rows = connection.exec_driver_sql(
        "SELECT slot, subject, data, evidence FROM keys_person WHERE slot > ? ORDER BY slot LIMIT ?", (after, BATCH)
    ).all()
    if not rows:
        return None
    fresh = [
        (
            _again(service, data, person_place(subject, "data")),
            _again(service, evidence, person_place(subject, "evidence")),
            slot,
        )
        for slot, subject, data, evidence in rows
    ]
    connection.exec_driver_sql("UPDATE keys_person SET data = ?, evidence = ? WHERE slot = ?", fresh)
    return int(rows[-1][0])


def still_under(connection: Connection, version: int) -> int:
    """How many rows of keys are still wrapped under `version`."""
    prefix = version.to_bytes(VERSION_BYTES)
    found = connection.exec_driver_sql(
        "SELECT (SELECT count(*) FROM keys_person WHERE substr(data, 1, 4) = ? OR substr(evidence, 1, 4) = ?)"
        " + (SELECT count(*) FROM keys_house WHERE substr(wrapped, 1, 4) = ?)",
        (prefix, prefix, prefix),
    )
    return int(found.scalar_one())


def _again(service: KeyService, wrapped: bytes, place: bytes) -> bytes:
    return service.wrap(service.unwrap(wrapped, place), place) if any(wrapped) else wrapped
