"""Stops: the data protection officer, or the committee, halts a purpose or the whole house, with effect at once."""

from __future__ import annotations

from sqlalchemy import Connection

from pacte.app.choose import published
from pacte.app.house import House
from pacte.app.staff import refuse_staff
from pacte.gate import rules as stored
from pacte.gate.rules import Stop, role
from pacte.kernel.errors import BadInput, Denied
from pacte.kernel.instant import Instant, to_iso

HALTS = "stop"
"""What a member of staff must be allowed who stops a purpose, or lifts a stop."""
STOPPED = "stopped"
"""The reason that the gate gives while a stop is in force."""
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


def over(conn: Connection, purpose: str, now: Instant) -> Stop | None:
    """The oldest stop in force that this purpose heeds; `None` for none."""
    rules = published(conn, now).table.purposes.get(purpose)
    if rules is None or all(one.otherwise != STOPPED for one in rules.requirements):
        return None
    return next((one for one in stored.stops_in_force(conn, now) if one.scope in (EVERYTHING, purpose)), None)


def refuse_stopped(conn: Connection, purpose: str, now: Instant) -> None:
    """Raise `Denied` while a stop that this purpose heeds is in force: of nobody anything may be said then."""
    if (found := over(conn, purpose, now)) is not None:
        scope = "'*'" if found.scope == EVERYTHING else found.scope
        raise Denied(
            STOPPED,
            f"the purpose `{purpose}` is stopped since {to_iso(found.since)[:10]}: nobody may be counted or written "
            f"to; the data protection officer or an owner lifts that, with `pacte stop {scope} --lift --reason CODE`",
        )


def stops_in_force(house: House) -> list[Stop]:
    """Every stop in force, the oldest first."""
    with house.reading() as conn:
        return stored.stops_in_force(conn, house.present(conn))
