"""Which notices people were told, and who agreed to a purpose: for whoever must tell them of a new one."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlalchemy import Connection

from pacte.consent.sql import TOLD, VISIBLE, filled
from pacte.kernel import db
from pacte.kernel.instant import Instant
from pacte.lake.numbers import between


def told_since(conn: Connection, nos: Collection[int], t: Instant, s: int) -> dict[int, dict[str, int]]:
    """By person of those asked about: the notices that they had been told of by `t`, and since when.

    As known with `s` entries. Somebody who was told of none is left out.
    """
    found: dict[int, dict[str, int]] = {}
    for no, notice, start in _of(conn, nos, "no, notice, valid_from FROM consent_told", filled(TOLD, {"t": t, "s": s})):
        told = found.setdefault(no, {})
        told[notice] = min(start, told.get(notice, start))
    return found


def agreed(conn: Connection, nos: Collection[int], purposes: Iterable[str], t: Instant, s: int) -> dict[int, set[str]]:
    """By person of those asked about: which of these purposes a standing yes of theirs, or of a parent's, is for."""
    wanted, found = set(purposes), dict[int, set[str]]()
    where = f"{filled(VISIBLE, {'t': t, 's': s})} AND status = 'given'"
    for no, purpose in _of(conn, nos, "no, purpose FROM consent_choice", where):
        if purpose in wanted:
            found.setdefault(no, set()).add(purpose)
    return found


def batches(conn: Connection, size: int) -> list[tuple[int, int]]:
    """Everybody known in blocks of numbers, from the first of a block to below the next; `size` people in each."""
    ordered = "SELECT no, row_number() OVER (ORDER BY no) AS place FROM consent_subject"
    starts = [
        no for (no,) in db.fetch(conn, f"SELECT no FROM ({ordered}) AS s WHERE (place - 1) % {size} = 0 ORDER BY no")
    ]
    ends = db.fetch(conn, "SELECT coalesce(max(no), 0) + 1 FROM consent_subject")[0][0]
    return list(zip(starts, [*starts[1:], ends], strict=False))


def people_between(conn: Connection, start: int, stop: int) -> dict[int, str]:
    """By number from `start` to below `stop`: the person, where they are known, alive as far as we know, not erased."""
    rows = db.fetch(
        conn,
        "SELECT no FROM consent_subject AS s WHERE no >= :start AND no < :stop AND NOT EXISTS "
        "(SELECT 1 FROM consent_hold AS h WHERE h.no = s.no AND h.status IN ('erasing', 'erased')) AND NOT EXISTS "
        "(SELECT 1 FROM consent_person AS p WHERE p.no = s.no AND p.capacity = 'deceased' AND p.known_to IS NULL "
        "AND p.valid_to IS NULL)",
        {"start": start, "stop": stop},
    )
    here = {no for (no,) in rows}
    return {no: subject for no, subject in between(conn, start, stop) if no in here}


def _of(conn: Connection, nos: Collection[int], columns: str, where: str) -> list[db.Row]:
    among = f"SELECT value FROM {db.among(conn, 'integer')} AS asked"
    return db.fetch(conn, f"SELECT {columns} WHERE no IN ({among}) AND {where}", (db.listed(conn, sorted(nos)),))
