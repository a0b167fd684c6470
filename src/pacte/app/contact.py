"""Whom an offer may reach now, asked for many people at once, and the memory of when somebody was last reached.

The memory is the house's own and is short: by person, when an offer went out, by which channel, for which purpose. It
serves the caps and the frequency that people wished for, goes with the person, and ends after `LONGEST` days.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from sqlalchemy import Column, Connection, Index, String, Table

from pacte.app import preferences
from pacte.consent import facts as consent
from pacte.gate import rules as stored
from pacte.gate.contact import OFTEN, Facts, Reach, Refusal
from pacte.kernel import db
from pacte.kernel.canonical import Json
from pacte.kernel.db import Int64, metadata
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import DAY, Instant
from pacte.ledger import log, queries
from pacte.policy.contact import LONGEST, ContactRules
from pacte.policy.durations import Duration
from pacte.policy.table import RuleTable
from pacte.vault import sealed, suppression

if TYPE_CHECKING:
    from pacte.app.house import House

contact_table = Table(
    "contact",
    metadata,
    Column("subject", String(32), primary_key=True),
    Column("at", Int64, primary_key=True, autoincrement=False),
    Column("campaign", String(32), primary_key=True),
    Column("channel", String(16), primary_key=True),
    Column("purpose", String(128), nullable=False),
    sqlite_with_rowid=False,
)
Index("contact_at", contact_table.c.at)

Contacted: TypeAlias = "tuple[SubjectId, Instant, str, str, str]"
"""Somebody who was reached: (person, when, channel, purpose, campaign)."""

FIELDS: Mapping[str, str] = {"email": "email", "sms": "phone", "phone": "phone"}
"""The field of the index that holds the address of a channel; the house knows no other address but that of a letter."""


def refusals(
    conn: Connection,
    house: House,
    kind: str,
    channel: str,
    people: Sequence[SubjectId],
    now: Instant,
    *,
    campaign: str = "",
) -> dict[SubjectId, Refusal]:
    """Who of these people is not reached now by this kind of message (`service` or `promotion`), and why.

    By all that is recorded so far, the caller's own transaction with it. It does not say that anybody may be written
    to: that is the gate's to say, before. Whoever is left out may be reached. What `campaign` has noted of them itself
    does not count against it. Where the clock says less than the ledger's last entry, one of them is wrong: the hours
    must allow it by both.
    """
    head = log.head(conn)
    rules = stored.load_in_force(conn, now, head.size)
    table = None if rules is None else rules[2]
    reach = Reach(rules_of(table), kind, channel, now)
    facts = _Known(conn, house, table, channel, now, campaign).of(people)
    found = {person: said for person in facts if (said := reach.refusal(facts[person])) is not None}
    clock = house.clock()
    if clock < head.time:
        by_clock = Reach(rules_of(table), kind, channel, clock)
        for person in facts.keys() - found.keys():
            said = by_clock.refusal(facts[person])
            if said is not None and said.until is not None:
                found[person] = said
    return found


def rules_of(table: RuleTable | None) -> ContactRules:
    """When and how often a rule table lets people be reached; one that says nothing knows where the company is."""
    if table is not None and table.contact is not None:
        return table.contact
    established = None if table is None else table.controller.get("established")
    return ContactRules((str(established),) if established else (), ())


def note(conn: Connection, rows: Iterable[Contacted]) -> None:
    """Remember that these offers go out, in the transaction that decides it. What somebody waits for is no offer."""
    values = [(subject, at, campaign, channel, purpose) for subject, at, channel, purpose, campaign in rows]
    db.insert(conn, "contact", ("subject", "at", "campaign", "channel", "purpose"), values)


def forget(conn: Connection, rows: Iterable[tuple[SubjectId, str]]) -> None:
    """Of each (person, campaign): they were not reached after all."""
    db.run_many(conn, "DELETE FROM contact WHERE subject = ? AND campaign = ?", list(rows))


def erase(conn: Connection, subject: SubjectId) -> int:
    """Forget when this person was reached; answers how many times that was."""
    return db.change(conn, "DELETE FROM contact WHERE subject = ?", (subject,))


def prune(conn: Connection, now: Instant) -> int:
    """Forget what no cap counts any more; answers how much that was."""
    return db.change(conn, "DELETE FROM contact WHERE at <= ?", (now - LONGEST * DAY,))


class _Known:
    """What is known of people for one channel at one instant, looked up for all of them together."""

    def __init__(
        self, conn: Connection, house: House, table: RuleTable | None, channel: str, now: Instant, campaign: str
    ) -> None:
        self._campaign = campaign
        self._conn, self._keys, self._table, self._channel, self._now = conn, house.keys, table, channel, now

    def of(self, people: Sequence[SubjectId]) -> dict[SubjectId, Facts]:
        """The facts of each."""
        asked = list(dict.fromkeys(people))
        places = consent.places(self._conn, asked, self._now)
        wishes, contacts = self._wishes(asked), self._contacts(asked)
        there = self._addresses(self._channel, asked)
        least = [one for one in asked if wishes.get((one, self._channel), {}).get(preferences.REACH) == "least"]
        better = self._elsewhere(least, wishes)
        return {
            one: Facts(
                place=places.get(one, ""),
                wishes=wishes.get((one, self._channel), {}),
                elsewhere=one in better,
                contacts=contacts.get(one, ()),
                suppressed=there.get(one, frozenset()),
                address=one in there,
            )
            for one in asked
        }

    def _wishes(self, people: Sequence[SubjectId]) -> dict[tuple[SubjectId, str], dict[str, str]]:
        """By person and channel: the last word of each setting."""
        found: dict[tuple[SubjectId, str], dict[str, str]] = {}
        for subject, body in queries.preferences_of(self._conn, people):
            entry = json.loads(body)
            found.setdefault((subject, entry["channel"]), {})[entry["setting"]] = entry["value"]
        return found

    def _contacts(self, people: Sequence[SubjectId]) -> dict[SubjectId, list[tuple[Instant, str]]]:
        rules = rules_of(self._table).rules
        lengths = [rule.within for rule in rules if rule.caps] + list(OFTEN.values())
        since = self._now - max(map(_days, lengths)) * DAY
        sql = (
            f"SELECT c.subject, c.at, c.channel FROM {db.among(self._conn, 'text')} AS asked "
            "CROSS JOIN contact AS c WHERE c.subject = asked.value AND c.at > ? AND c.campaign <> ?"
        )
        found: dict[SubjectId, list[tuple[Instant, str]]] = {}
        for subject, at, channel in db.fetch(self._conn, sql, (db.listed(self._conn, people), since, self._campaign)):
            found.setdefault(subject, []).append((at, channel))
        return found

    def _addresses(self, channel: str, people: Sequence[SubjectId]) -> dict[SubjectId, frozenset[str]]:
        """Who has an address of a channel, and what suppresses it.

        Of push and other messages the tool that sends them knows the addresses: there everybody has one.
        """
        if channel in FIELDS:
            return suppression.of_people(self._conn, self._keys, FIELDS[channel], people, self._now)
        if channel == "post":
            return dict.fromkeys(sealed.holders(self._conn, _groups_of_address(self._table), people), frozenset())
        return dict.fromkeys(people, frozenset())

    def _elsewhere(
        self, people: Sequence[SubjectId], wishes: Mapping[tuple[SubjectId, str], Mapping[str, str]]
    ) -> set[SubjectId]:
        """Those whom another channel of the company reaches that they did not put last as well."""
        if not people or self._table is None:
            return set()
        used = {channel for purpose in self._table.purposes.values() for channel in purpose.channels}
        found: set[SubjectId] = set()
        for channel in sorted(used & {*FIELDS, "post"} - {self._channel}):
            there = self._addresses(channel, people)
            found |= {
                one
                for one, suppressed in there.items()
                if not suppressed and wishes.get((one, channel), {}).get(preferences.REACH) != "least"
            }
        return found


def _days(length: Duration) -> int:
    """Days that a length of time has at most."""
    return length.months * 31 + length.days


def _groups_of_address(table: RuleTable | None) -> Collection[str]:
    """The groups in which postal addresses are sealed."""
    fields: list[tuple[str, Json]] = []
    for dataset in () if table is None else table.datasets.values():
        declared = dataset["fields"] if isinstance(dataset, dict) else None
        fields += declared.items() if isinstance(declared, dict) else ()
    return {
        str(field.get("group") or name)
        for name, field in fields
        if isinstance(field, dict) and field.get("identity") == "address"
    }
