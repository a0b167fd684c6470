"""What a policy would have done last month: the uses that were recorded, replayed under the policy of the file.

The owner reads it before publishing: how many people come and go per purpose, which uses would stop, and who would
have to be asked or told before they count again. Nothing is stored, nothing is in force, and nobody is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sqlalchemy import Connection

from pacte.app.house import House
from pacte.app.publish import changed_notices
from pacte.gate import preview as again
from pacte.gate import rules as stored
from pacte.gate.preview import NOBODY, Answer
from pacte.gate.questions import HOUSE
from pacte.gate.replay import question_of
from pacte.kernel.errors import BadInput
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import DAY, Instant
from pacte.ledger import log
from pacte.policy.compile import Compiled
from pacte.policy.table import RuleTable

ASK = ("never_asked", "expired", "proof_too_weak", "authorisation_incomplete", "not_activated")
"""Reasons that a new yes, well proved, would take away."""
TELL = ("not_informed", "told_too_little")
"""Reasons that information would take away."""

FEWEST = 10
"""Fewer people than this, nobody among them, are never told apart; other numbers are rounded to the nearest ten.

A draft policy can be written for the purpose: two drafts that differ by one person show the same, unless that person
carries a number over a border of rounding. Whoever can bring a number to a border by other means learns that much;
every use that is declared is recorded, a preview is not, so it is for the owner alone.
"""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Stopped:
    """A recorded use that could not be made any more, and the reason code: `too_few` where next to nobody is left."""

    use: str
    index: int
    why: str


@dataclass(frozen=True, slots=True)
class Change:
    """What would have changed for one purpose; people are counted once, over all of its uses in the period.

    Every number of people is as it may be shown: `None` below `FEWEST`, else to the nearest ten. `reasons` counts
    those who drop out by why they do, as of their last use; `ask_again` and `tell_first` those of them who could be
    won back by asking or by telling. `same`: the rules that decide are the same ones, so nothing can change.
    """

    purpose: str
    uses: int
    same: bool
    before: int | None
    after: int | None
    leave: int | None
    join: int | None
    stopped: tuple[Stopped, ...]
    reasons: Mapping[str, int]
    ask_again: int | None
    tell_first: int | None

    def to_json(self) -> dict[str, Any]:
        """For programs; fewer people than `FEWEST` are `null`."""
        people = {"before": self.before, "after": self.after, "leave": self.leave, "join": self.join}
        more = {"ask_again": self.ask_again, "tell_first": self.tell_first}
        stopped = [{"use": one.use, "entry": one.index, "why": one.why} for one in self.stopped]
        head = {"uses": self.uses, "same": self.same}
        return {**head, **people, "reasons": dict(self.reasons), **more, "stopped": stopped}


@dataclass(frozen=True, slots=True)
class Preview:
    """The uses of the last `days` under the policy `policy` as it stands on `effective`: one change per purpose used.

    `unused` are the purposes that the policy declares and that were not used in that time: nothing is known of them.
    `at` is when it was made, `last` is when data were last used, where that was before those days. `notices` says, a
    sentence each, which notices were recorded otherwise: the policy cannot be published so.
    """

    policy: str
    days: int
    effective: Instant
    changes: tuple[Change, ...]
    unused: tuple[str, ...]
    at: Instant
    last: Instant | None = None
    notices: tuple[str, ...] = ()

    @property
    def uses(self) -> int:
        """How many recorded uses were replayed."""
        return sum(change.uses for change in self.changes)

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        head = {"policy": self.policy, "days": self.days, "effective": self.effective, "uses": self.uses}
        changes = {change.purpose: change.to_json() for change in self.changes}
        return {**head, "fewest": FEWEST, "purposes": changes, **self._rest}

    @property
    def _rest(self) -> dict[str, Any]:
        return {"unused": list(self.unused), "last": self.last, "notices": list(self.notices)}


def shown(people: int) -> int | None:
    """A number of people as it may be shown: `None` below `FEWEST`, else rounded to the nearest ten."""
    return None if people < FEWEST else (people + 5) // 10 * 10


def preview(
    house: House,
    compiled: Compiled | None = None,
    days: int = 30,
    *,
    effective: Instant | None = None,
    progress: Progress = lambda _done, _total: None,
) -> Preview:
    """Replay the uses of the last `days` under `compiled` (else `policy.yaml`) as it will stand on `effective`.

    Uses of the house's own purposes are left out, and those of one person that belong to a use of many.
    """
    if days < 1:
        raise BadInput("expected a number of days of at least 1")
    compiled = compiled or house.policy()
    tallies: dict[str, _Tally] = {}
    with house.reading() as conn:
        present = house.present(conn)
        day = effective or present
        table = again.as_of_day(compiled.table, day)
        every = _uses(conn)
        uses = [(index, entry) for index, entry in every if entry["at"] >= present - days * DAY]
        for done, (index, entry) in enumerate(uses):
            progress(done, len(uses))
            tallies.setdefault(entry["purpose"], _Tally()).add(index, entry, _twice(house, conn, table, entry))
        progress(len(uses), len(uses))
    last = Instant(every[-1][1]["at"]) if every and not uses else None
    changes = tuple(tally.change(purpose) for purpose, tally in sorted(tallies.items()))
    unused = tuple(name for name in compiled.document.purposes if name not in tallies)
    refused = tuple(changed_notices(house, compiled))
    return Preview(compiled.policy_digest, days, day, changes, unused, present, last, refused)


def _uses(conn: Connection) -> list[tuple[int, dict[str, Any]]]:
    return [
        (index, dict(entry))
        for index, entry in log.of_kind(conn, "use")
        if not {"within", "campaign"} & entry.keys() and not str(entry["purpose"]).startswith(HOUSE)
    ]


@dataclass(frozen=True, slots=True)
class _Twice:
    """A recorded use as it was decided, as it would be, the reason code if it could not be made as it was.

    `same`: the rules that decide were the same.
    """

    old: Answer
    new: Answer
    why: str = ""
    same: bool = False


def _twice(house: House, conn: Connection, table: RuleTable, entry: Mapping[str, Any]) -> _Twice:
    question = question_of(entry)
    left, why = again.fitting(table, question)
    before = stored.load(conn, entry["rules"])
    one = SubjectId(entry["subject"]) if entry["mode"] == "one" else None
    if again.deciding(before, question, question.as_of) == again.deciding(table, question):
        (old,) = again.answers(conn, house.lake, [before], question, one)
        return _Twice(old, old, same=True)
    if left == question:
        old, new = again.answers(conn, house.lake, [before, table], question, one)
        return _Twice(old, new, why)
    (old,) = again.answers(conn, house.lake, [before], question, one)
    return _Twice(old, again.answers(conn, house.lake, [table], left, one)[0] if left else _all_denied(old, why), why)


def _all_denied(old: Answer, why: str) -> Answer:
    return Answer(NOBODY, old.permitted, np.full(len(old.permitted), why, dtype=object))


@dataclass(slots=True)
class _Tally:
    """What is known of one purpose while its uses are replayed; the last reason of a person is the one that counts."""

    before: np.ndarray = field(default_factory=lambda: NOBODY)
    after: np.ndarray = field(default_factory=lambda: NOBODY)
    stopped: list[Stopped] = field(default_factory=list)
    uses: int = 0
    same: bool = True
    lost: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)

    def add(self, index: int, entry: Mapping[str, Any], twice: _Twice) -> None:
        self.uses += 1
        self.same = self.same and twice.same
        old, new = twice.old, twice.new
        self.before = np.union1d(self.before, old.permitted)
        self.after = np.union1d(self.after, new.permitted)
        fell = np.isin(new.denied, old.permitted)
        self.lost.append((new.denied[fell], new.reasons[fell]))
        emptied = len(old.permitted) >= FEWEST > len(new.permitted)
        if twice.why or emptied:
            self.stopped.append(Stopped(entry["use"], index, twice.why or "too_few"))

    def change(self, purpose: str) -> Change:
        leave = np.setdiff1d(self.before, self.after)
        join = np.setdiff1d(self.after, self.before)
        exact = self._reasons(leave)
        before, after, going, coming = (shown(len(people)) for people in (self.before, self.after, leave, join))
        # Sorted by what is shown: the order of two numbers that are shown alike would tell which is the larger.
        told = {code: shown(count) for code, count in sorted(exact.items())}
        reasons = {code: count for code, count in told.items() if count is not None}
        ordered = dict(sorted(reasons.items(), key=lambda one: -one[1]))
        ask, tell = (shown(sum(exact.get(code, 0) for code in codes)) for codes in (ASK, TELL))
        stopped = tuple(self.stopped)
        return Change(purpose, self.uses, self.same, before, after, going, coming, stopped, ordered, ask, tell)

    def _reasons(self, leave: np.ndarray) -> dict[str, int]:
        people, codes = (_joined(part) for part in zip(*reversed(self.lost), strict=True))
        _, last = np.unique(people, return_index=True)
        found, counts = np.unique(codes[last][np.isin(people[last], leave)].astype(str), return_counts=True)
        return dict(zip(found.tolist(), counts.tolist(), strict=True))


def _joined(parts: Iterable[np.ndarray]) -> np.ndarray:
    return np.concatenate(list(parts))
