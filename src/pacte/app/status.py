"""How a house stands, on one page: what is in force, what waits, what vouches for it, where it all lies. Reads only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pacte.app.house import RECORDS, House
from pacte.app.outside import TIMESTAMPS, WITNESSES
from pacte.gate import rules as stored
from pacte.gate.rules import Published, Stop
from pacte.kernel import db, jobs
from pacte.kernel.instant import Instant
from pacte.ledger import anchors, log, timestamp, witness
from pacte.ledger.checkpoint import unsigned_checkpoint


@dataclass(frozen=True, slots=True)
class Status:
    """How a house stands at the instant `at`.

    `anchored` is the size and time of the last anchor; `stamped` and `witnessed` are the most entries of which a kept
    time-stamp or cosignature speaks (0: none; `pacte ledger stamps` checks them). `records` and `rows` say where those
    lie, an address without its password; `disk` is what the house's files take, in bytes.
    """

    at: Instant
    origin: str
    entries: int
    last: Instant
    policy: Published | None
    scheduled: int
    stops: list[Stop]
    jobs: dict[str, int]
    anchored: tuple[int, Instant] | None
    stamped: int
    witnessed: int
    key_service: str
    key_version: int
    key_folder: Path
    records: str
    rows: str
    disk: int


def status(house: House) -> Status:
    """Look at a house; changes nothing."""
    house.anchoring.flush()
    at = house.clock()
    with house.reading() as conn:
        head, now = log.head(conn), house.present(conn)
        policy, later = stored.present(conn, now), len(stored.scheduled(conn, now))
        stops, waiting = stored.stops_in_force(conn, now), jobs.counts(conn, at)
    last = anchors.last_signed(anchors.read(house.anchor_file).anchors, house.vkey)
    elsewhere = house.settings.records.database
    return Status(
        at,
        house.settings.origin,
        head.size,
        head.time,
        policy,
        later,
        stops,
        {name: waiting.get(name, 0) for name in (jobs.READY, jobs.CLAIMED, jobs.WAITING, "overdue")},
        None if last is None else (last.size, last.time),
        _furthest(house, (one.note for _, one in timestamp.all_kept(house.path / TIMESTAMPS))),
        _furthest(house, witness.all_kept(house.path / WITNESSES)),
        house.settings.keys.service,
        house.keys.status().version,
        house.key_folder,
        db.address_without_password(house.engine) if elsewhere else RECORDS,
        house.settings.lake.engine or "files",
        sum(file.stat().st_size for file in house.path.rglob("*") if file.is_file()),
    )


def _furthest(house: House, notes: Iterable[str]) -> int:
    """The most entries that one of these checkpoints of the log speaks of; not of a log that it took the place of."""
    found = [unsigned_checkpoint(note) for note in notes]
    return max((one.size for one in found if one.origin == house.signer.name), default=0)
