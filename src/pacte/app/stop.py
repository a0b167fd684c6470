"""Stops: the data protection officer, or the committee, halts a purpose or the whole house, with effect at once."""

from __future__ import annotations

from pacte.app.choose import published
from pacte.app.house import House
from pacte.gate import rules as stored
from pacte.gate.rules import Stop, role
from pacte.kernel.errors import BadInput


def stop(house: House, scope: str, reason: str, *, lift: bool = False, by: str = "cli") -> int:
    """Stop a purpose, or everything with `*`, or lift the stop; returns the ledger index. The next decision sees it.

    `reason` is a short code such as `committee` or `incident-12`; people's names do not belong in it.
    """
    with house.writing() as conn:
        now = house.present(conn)
        declared = published(conn, now).document.purposes
        if scope != "*" and scope not in declared:
            raise BadInput(f"no such purpose to stop; the policy declares {', '.join(f'`{p}`' for p in declared)}")
        kind = "stop_lifted" if lift else "stop"
        entry = {
            "kind": kind,
            "scope": scope,
            "effective": now,
            "reason": reason,
            "by": by,
            **role(conn, now),
        }
        return house.record(conn, [entry], house.clock())[0]


def stops_in_force(house: House) -> list[Stop]:
    """Every stop in force, the oldest first."""
    with house.reading() as conn:
        return stored.stops_in_force(conn, house.present(conn))
