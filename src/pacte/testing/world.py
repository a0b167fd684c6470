"""A small house to test with: people said into existence entry by entry, through the real ledger, keys and state."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from pacte.app.house import POLICY, House, create
from pacte.app.publish import publish
from pacte.app.templates import policy_text, write_template
from pacte.kernel.ids import SubjectId, new_subject_id
from pacte.kernel.instant import DAY, Instant
from pacte.lake import numbers
from pacte.ledger import log
from pacte.policy.document import load_policy_text
from pacte.vault.evidence import commit_facts

START = Instant(1_735_689_600_000_000)
"""2025-01-01T00:00:00Z: when the clock of a test house begins."""


@dataclass
class TestClock:
    """A clock that moves only when told to."""

    __test__ = False

    now: Instant = START

    def __call__(self) -> Instant:
        """The present instant."""
        return self.now

    def forward(self, days: float) -> Instant:
        """Move on (or back, with a negative number) and return the new present."""
        self.now = Instant(self.now + int(days * DAY))
        return self.now


@dataclass
class World:
    """A house, its clock, and the people in it."""

    house: House
    clock: TestClock
    people: list[SubjectId] = field(default_factory=list)

    @property
    def size(self) -> int:
        """How many entries the ledger holds."""
        with self.house.reading() as conn:
            return log.head(conn).size

    def notice(self, name: str) -> str:
        """The digest of a notice of the shop's policy, which none of the tests' policies rewords."""
        return notices()[name]

    def record(self, *entries: dict[str, Any]) -> range:
        """Append entries as they are and derive their consequences."""
        with self.house.writing() as conn:
            return self.house.record(conn, entries, self.clock())

    def person(self, notice: str | None = "web-2024", **facts: Any) -> SubjectId:
        """Somebody new: an adult consumer in France, told by `notice`, unless `facts` say otherwise."""
        subject = new_subject_id()
        self.house.keys.create_subject_keys([subject])
        with self.house.writing() as conn:
            numbers.allot(conn, [subject])
        vector = {"place": "FR", "capacity": "consumer", "age": "adult"} | facts
        self.fact(subject, **{name: value for name, value in vector.items() if value is not None})
        if notice is not None:
            self.told(subject, notice)
        self.people.append(subject)
        return subject

    def fact(self, subject: SubjectId, effective: Instant | None = None, **facts: Any) -> int:
        """Record a vector of facts about a person."""
        sealed = commit_facts(self.house.keys.evidence_key(subject), subject, facts)
        return self.record(self._entry("fact", subject, effective=effective or self.clock(), **sealed))[0]

    def told(self, subject: SubjectId, notice: str, effective: Instant | None = None) -> int:
        """Record that a person was shown a notice."""
        digest = self.notice(notice)
        return self.record(
            self._entry("told", subject, notice=digest, effective=effective or self.clock(), how="mail")
        )[0]

    def said(self, subject: SubjectId, act: str, purpose: str = "newsletter", **details: Any) -> int:
        """Record a choice; dated now, authenticated, by a form, unless `details` say otherwise."""
        entry = {
            "purpose": purpose,
            "act": act,
            "learned": self.clock(),
            "effective": self.clock(),
            "method": "web_form",
            "grade": "form",
            "voice": "self",
            "authenticated": 1,
        } | details
        return self.record(self._entry("choice", subject, **{k: v for k, v in entry.items() if v is not None}))[0]

    def _entry(self, kind: str, subject: SubjectId, **keys: Any) -> dict[str, Any]:
        return {"kind": kind, "subject": subject, "by": "test", "role": "controller", **keys}


@cache
def notices() -> dict[str, str]:
    """Name → digest of the notices of the shop's policy."""
    return {name: notice.digest for name, notice in load_policy_text(policy_text()).notices.items()}


def world(path: Path, *, policy: str | None = None, database: str = "") -> World:
    """A new house in `path` under the shop's policy (or `policy`, as text), published; `database` as for `create`."""
    clock = TestClock()
    house = create(path, clock=clock, database=database)
    write_template(path)
    if policy is not None:
        (path / POLICY).write_text(policy, encoding="utf-8")
    publish(house, "owner")
    return World(house, clock)
