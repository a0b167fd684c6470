"""Stops: the data protection officer, or the committee, halts a purpose or the whole house, with effect at once."""

from __future__ import annotations

from pacte.app.choose import published
from pacte.app.house import House
from pacte.app.staff import refuse_staff
from pacte.gate import rules as stored
from pacte.gate.rules import Stop, role
from pacte.kernel.errors import BadInput

HALTS = "stop"
"""What a member of staff must be allowed who stops a purpose, or lifts a stop."""
EVERYTHING = "*"
"""The scope of a stop of every purpose that heeds one."""


def stop(house: House, scope: str, reason: str, *, lift: bool = False, by: str = "cli") -> int:
    """Stop a purpose, or everything (`*`), or lift the stop; returns the ledger index. The next decision sees it.

    `reason` is a short code such as `committee` or `incident-12`; people's names do not belong in it. Raises `BadInput`
    for what the policy does not declare, `Denied` for a member of staff who may not.
    """
    with house.writing() as conn:
        refuse_staff(conn, by, HALTS)
        now = house.present(conn)
        declared = published(conn, now).document.purposes
        if scope != EVERYTHING and scope not in declared:
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
