"""Addresses to which nothing is sent any more: because mail came back, or their owner complained or objected.

Only fingerprints are kept, each until a declared end; whoever asks is told how many there are, never which. That one
was added or lifted stands in the ledger, with the person where there is one. A suppression says nothing of consent: it
stops what choices would allow, and lifting it allows nothing that choices do not.

INVARIANT: whoever types an address learns neither whether it is on the list nor whether its owner is known here: what
is recorded, listed and counted for the staff is the same whoever's it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from pacte.app import shown
from pacte.app.choose import published
from pacte.app.contact import FIELDS
from pacte.app.inflight import no_message_to
from pacte.app.looks import MACHINES
from pacte.gate import rules as stored
from pacte.kernel.canonical import Json
from pacte.kernel.errors import BadInput
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import Instant
from pacte.ledger import log
from pacte.vault import index as vault_index
from pacte.vault import suppression

if TYPE_CHECKING:
    from pacte.app.house import House

REASONS = ("bounced", "complained", "objected")
"""Why an address is suppressed, and may be lifted again. `erased` is an erasure's own, and ends by itself."""
ADDRESSES = ("email", "phone")
"""The kinds of addresses that the list knows; a number is one for calls and for texts."""
_MEANING = shown.meaning_of({"what": "suppressed"})


@dataclass(frozen=True, slots=True)
class Counted:
    """How many addresses of a kind are suppressed for a reason."""

    channel: str
    reason: str
    addresses: int


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the ledger says of one change of the list; `open` when it can be lifted from here, without the address.

    So can what a machine added of a person; of an address that somebody typed, only whoever has it says more.
    """

    index: int
    at: Instant
    act: str
    reason: str
    channel: str
    until: Instant
    by: str
    subject: SubjectId | None
    open: bool = False


def add_of(conn: Connection, house: House, subject: SubjectId, channel: str, reason: str, now: Instant, by: str) -> int:
    """Suppress a person's addresses of a channel, in the caller's write transaction; answers how many.

    Nothing is recorded of somebody who has none. Raises `BadInput` for an unknown channel or reason.
    """
    field, until = _field(channel, reason), published(conn, now).document.suppression.keep.after(now)
    count = suppression.add_of(conn, house.keys, subject, field, reason, until)
    if count:
        _record(house, conn, "added", reason, channel, until, now, by, subject)
    return count


def add(house: House, address: str, channel: str, reason: str, *, by: str) -> None:
    """Suppress an address, of somebody who is known here or of nobody; no message leaves for it once this returns."""
    field, normal = _field(channel, reason), _normal(house, channel, address)
    with no_message_to(house, [f"{field}:{normal}"]), house.writing() as conn:
        now = house.present(conn)
        until = published(conn, now).document.suppression.keep.after(now)
        suppression.add(conn, house.keys, [(field, normal)], reason, until)
        _record(house, conn, "added", reason, channel, until, now, by, _owner(house, conn, field, normal))


def lift(house: House, address: str, channel: str, reason: str, *, by: str) -> bool:
    """Take an address off the list; false where it does not stand there for this reason. Recorded in either case."""
    field, normal = _field(channel, reason), _normal(house, channel, address)
    with house.writing() as conn:
        now = house.present(conn)
        count = suppression.lift(conn, house.keys, field, normal, reason)
        _record(house, conn, "lifted", reason, channel, now, now, by, _owner(house, conn, field, normal))
    return count > 0


def lift_of(house: House, subject: SubjectId, channel: str, reason: str, *, by: str) -> bool:
    """The same for all of a person's addresses of a channel; nothing is recorded of somebody who has none."""
    field = _field(channel, reason)
    with house.writing() as conn:
        now = house.present(conn)
        if subject not in suppression.of_people(conn, house.keys, field, [subject], now):
            return False
        count = suppression.lift_of(conn, house.keys, subject, field, reason)
        _record(house, conn, "lifted", reason, channel, now, now, by, subject)
    return count > 0


def counts(house: House) -> list[Counted]:
    """How many addresses are suppressed now, by channel and reason; never whose. For the operator alone."""
    with house.reading() as conn:
        found = suppression.counts(conn, house.present(conn))
    return [Counted(*row) for row in found if row[0] in ADDRESSES]


def about(house: House) -> list[Counted]:
    """The same for the staff: settled once a day, rounded down, and without those that are few or none."""
    with house.reading() as conn:
        kept = shown.said_today(conn, _MEANING, house.clock())
    if kept is None:
        found = counts(house)
        if not found:
            return []
        with house.reading() as conn:
            bounds = shown.limits(conn, house.present(conn))
        rounded = [(one, one.addresses // bounds.rounded * bounds.rounded) for one in found]
        many: list[Json] = [[one.channel, one.reason, number] for one, number in rounded if number >= bounds.smallest]
        shown.keep(house, _MEANING, {"counts": many})
        with house.reading() as conn:
            kept = shown.said_today(conn, _MEANING, house.clock())
    return [] if kept is None else [Counted(*row) for row in kept[1]["counts"]]


def latest(house: House, most: int) -> list[Recorded]:
    """The latest changes of the list, newest first, without any address."""
    with house.reading() as conn:
        entries = log.of_kind(conn, "suppressed")[-most:]
        now = house.present(conn)
    return [_recorded(index, entry, now) for index, entry in reversed(entries)]


def entry_at(house: House, index: int) -> Recorded | None:
    """What the ledger says at an index, where that is a change of the list."""
    with house.reading() as conn:
        found = log.entry(conn, index) if 0 <= index < log.head(conn).size else None
        now = house.present(conn)
    return _recorded(index, found, now) if found is not None and found["kind"] == "suppressed" else None


def _recorded(index: int, entry: Mapping[str, Any], now: Instant) -> Recorded:
    subject, until, act, by = entry.get("subject"), Instant(entry["until"]), str(entry["act"]), str(entry["by"])
    return Recorded(
        index,
        Instant(entry["at"]),
        act,
        entry["reason"],
        entry["channel"],
        until,
        by,
        None if subject is None else SubjectId(subject),
        act == "added" and subject is not None and until > now and by.partition(":")[0] in MACHINES,
    )


def _record(
    house: House,
    conn: Connection,
    act: str,
    reason: str,
    channel: str,
    until: Instant,
    now: Instant,
    by: str,
    subject: SubjectId | None,
) -> None:
    entry = {"kind": "suppressed", "act": act, "reason": reason, "channel": channel, "until": until, "by": by}
    whom = {} if subject is None else {"subject": subject}
    house.record(conn, [entry | whom | stored.role(conn, now)], house.clock())


def _owner(house: House, conn: Connection, field: str, normal: str) -> SubjectId | None:
    """Whose address it is, where it is one person's alone."""
    people = vault_index.find_many(conn, house.keys, field, [normal]).get(normal, [])
    return people[0] if len(people) == 1 else None


def _field(channel: str, reason: str) -> str:
    if channel not in FIELDS:
        raise BadInput(f"addresses of this channel are not known here; expected {_listed(FIELDS)}")
    if reason not in REASONS:
        raise BadInput(f"not a reason to suppress an address; expected {_listed(REASONS)}")
    return FIELDS[channel]


def _normal(house: House, channel: str, address: str) -> str:
    if channel == "email":
        return vault_index.normalise_email(address)
    return vault_index.normalise_phone(address, house.settings.region)


def _listed(words: Mapping[str, str] | tuple[str, ...]) -> str:
    return ", ".join(f"`{word}`" for word in words)
