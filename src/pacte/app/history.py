"""What was done with one person's data: every recorded use and every look, a month at a time, for that person.

A policy may say less of some purposes (`disclosure`), with its reason and its source: then how many uses a month had is
all that is said, or a use is said once it is old enough. What is left out is always said to be, and why.
Source: GDPR Art. 15(1), 15(4), 23; CJEU C-154/21 (recipients), C-579/21 (who looked: dates and purposes, no names).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from pacte.app.looks import reason_of
from pacte.app.policies import compiled, published
from pacte.gate import rules as stored
from pacte.gate import use as using
from pacte.gate.questions import HOUSE
from pacte.kernel.errors import NotFound
from pacte.kernel.ids import SubjectId, UseId
from pacte.kernel.instant import Instant, add_months, from_datetime, to_datetime
from pacte.ledger import log, queries
from pacte.policy.model import Disclosure, PolicyFile

if TYPE_CHECKING:
    from pacte.app.house import House

Recorded = tuple[int, dict[str, Any]]
"""A ledger index and its entry."""

OWN, STAFF, SYSTEM = "you", "staff", "system"
"""Who looked, as the person is told: themselves, one of the staff, a machine of the house. Source: CJEU C-579/21."""
_MACHINES = frozenset({"worker", "import", "api"})
FARTHEST = 24
"""How many months back the latest one with a use is looked for."""


@dataclass(frozen=True, slots=True)
class Used:
    """One use of one person's data. `people` is how many were in it, 1 where it was of that person alone."""

    index: int
    use: UseId
    at: Instant
    purpose: str
    categories: tuple[str, ...]
    channel: str
    recipient: str
    people: int


@dataclass(frozen=True, slots=True)
class OfPurpose:
    """The uses of one purpose in a month, the latest first.

    `title` is what the policy called the purpose then, by language. `count` is how many there were; with a summary no
    `uses` are listed, and with a delay neither lists nor counts those that are too young.
    """

    purpose: str
    title: Mapping[str, str]
    uses: tuple[Used, ...]
    count: int


@dataclass(frozen=True, slots=True)
class Looked:
    """One look at a person's record: when, for which purpose of the house, and who: `OWN`, `STAFF` or `SYSTEM`.

    `role` is that of a member of the staff. `why` is the code of its reason, empty where the purpose says it all.
    """

    index: int
    at: Instant
    title: Mapping[str, str]
    who: str
    role: str
    why: str


@dataclass(frozen=True, slots=True)
class Withheld:
    """A purpose of which less is shown than everything, whether or not there is anything to show."""

    purpose: str
    title: Mapping[str, str]
    disclosure: Disclosure


@dataclass(frozen=True, slots=True)
class Month:
    """What is told of one month, from `start` to before `stop`.

    `ended` is how many uses of many people it had of which nobody can say any more who was in them.
    """

    start: Instant
    stop: Instant
    purposes: tuple[OfPurpose, ...]
    looks: tuple[Looked, ...]
    ended: int
    withheld: tuple[Withheld, ...]

    @property
    def empty(self) -> bool:
        """Whether there is nothing to tell."""
        return not self.purposes and not self.looks


def month_of(instant: int) -> Instant:
    """The first instant of the month that an instant lies in, in UTC."""
    return from_datetime(to_datetime(instant).replace(day=1, hour=0, minute=0, second=0, microsecond=0))


def months(house: House, subject: SubjectId) -> list[Instant]:
    """The months since something was first recorded about a person, the latest first; none for a stranger."""
    with house.reading() as conn:
        about = queries.about(conn, subject)
        last = month_of(house.present(conn))
    if not about:
        return []
    first = month_of(about[0][1]["at"])
    found = [last]
    while found[-1] > first:
        found.append(add_months(found[-1], -1))
    return found


def month(house: House, subject: SubjectId, start: Instant) -> Month:
    """What was done in the month that begins at `start`. Nothing of it is looked at by anybody else."""
    with house.reading() as conn:
        now, found = house.present(conn), _recorded(conn, subject, start, add_months(start, 1))
        return _month(conn, now, published(conn, now).document, start, found)


def latest(house: House, subject: SubjectId, among: Sequence[Instant]) -> Month | None:
    """The latest of these months (the latest first) with something to tell, else the first of them."""
    starts = among[:FARTHEST]
    if not starts:
        return None
    with house.reading() as conn:
        now = house.present(conn)
        policy = published(conn, now).document
        found = _recorded(conn, subject, starts[-1], add_months(starts[0], 1))
        told = (_month(conn, now, policy, start, found) for start in starts)
        first = next(told)
        return first if not first.empty else next((one for one in told if not one.empty), first)


def use_of(house: House, subject: SubjectId, index: int) -> Used:
    """One use of this person's data; raises `NotFound` for another entry, and for what they are not shown."""
    with house.reading() as conn:
        now = house.present(conn)
        entry = log.entry(conn, index) if 0 <= index < log.head(conn).size else None
        if entry is None or entry["kind"] != "use" or str(entry["purpose"]).startswith(HOUSE):
            raise NotFound("no use of your data is recorded under that number")
        told = list(shown(conn, published(conn, now).document, [(index, dict(entry))], now))
        if not told or not using.was_in(conn, entry, subject):
            raise NotFound("no use of your data is recorded under that number")
    return told_use(index, dict(entry))


def used_between(
    conn: Connection, subject: SubjectId, start: Instant, stop: Instant, purpose: str = ""
) -> tuple[list[Recorded], int]:
    """The uses of a person's data between two instants, oldest first, and how many have a set that has ended.

    Of everybody's uses, only those of these instants are looked at; `purpose` asks for one alone.
    """
    found, ended = _used(conn, subject, start, stop, purpose)
    return found, len(ended)


def limits(conn: Connection, policy: PolicyFile, entry: Mapping[str, Any]) -> Disclosure | None:
    """What the policy says of showing a use to the person, `None` for all of it.

    The policy in force decides; for a purpose that it no longer has, the one under which the use was made.
    """
    name = str(entry["purpose"])
    if name.startswith(HOUSE):
        return None
    if name not in policy.purposes:
        try:
            policy = compiled(conn, str(entry["policy"])).document
        except NotFound:
            return None
    declared = policy.purposes.get(name)
    return _limit(None if declared is None else declared.disclosure)


def shown(conn: Connection, policy: PolicyFile, uses: Iterable[Recorded], now: Instant) -> Iterator[Recorded]:
    """Those of these uses that the person may be shown one by one."""
    for index, entry in uses:
        limit = limits(conn, policy, entry)
        if limit is None or (limit.level == "deferred" and not _young(limit, entry, now)):
            yield index, entry


def withheld(policy: PolicyFile) -> tuple[Withheld, ...]:
    """The purposes of a policy of which less than everything is shown."""
    found = ((name, purpose, _limit(purpose.disclosure)) for name, purpose in policy.purposes.items())
    return tuple(Withheld(name, purpose.title, limit) for name, purpose, limit in found if limit is not None)


@dataclass(frozen=True, slots=True)
class _Recorded:
    """All that was recorded in some months: uses, uses of which nobody can say who was in them, and looks."""

    uses: Sequence[Recorded]
    ended: Sequence[Recorded]
    looks: Sequence[Recorded]

    def within(self, start: Instant, stop: Instant) -> _Recorded:
        """What of it lies between two instants."""
        parts = ([one for one in some if start <= one[1]["at"] < stop] for some in (self.uses, self.ended, self.looks))
        return _Recorded(*parts)


def _recorded(conn: Connection, subject: SubjectId, start: Instant, stop: Instant) -> _Recorded:
    return _Recorded(*_used(conn, subject, start, stop), queries.about_of_kind(conn, subject, "look"))


def _used(
    conn: Connection, subject: SubjectId, start: Instant, stop: Instant, purpose: str = ""
) -> tuple[list[Recorded], list[Recorded]]:
    """The uses that had this person, and those of which nobody can say it; of all of them at once."""
    first, last = queries.size_at(conn, Instant(start - 1)), queries.size_at(conn, Instant(stop - 1))
    every = [one for one in queries.about_of_kind(conn, subject, "use") if first <= one[0] < last]
    every += queries.uses_of_sets(conn, first, last)
    asked = sorted((one for one in every if purpose in ("", one[1]["purpose"])), key=lambda one: one[0])
    had, ended = using.had(conn, [entry for _, entry in asked], subject)
    return [one for one in asked if one[1]["use"] in had], [one for one in asked if one[1]["use"] in ended]


def _month(conn: Connection, now: Instant, policy: PolicyFile, start: Instant, found: _Recorded) -> Month:
    stop = add_months(start, 1)
    there = found.within(start, stop)
    own = [one for one in there.uses if not one[1]["purpose"].startswith(HOUSE)]
    house = [one for one in there.uses if one[1]["purpose"].startswith(HOUSE)]
    told = sorted([*house, *there.looks], key=lambda one: -one[0])
    purposes = tuple(_by_purpose(conn, policy, own, now))
    return Month(start, stop, purposes, tuple(_looked(conn, told)), len(there.ended), withheld(policy))


def _by_purpose(conn: Connection, policy: PolicyFile, uses: Sequence[Recorded], now: Instant) -> Iterator[OfPurpose]:
    grouped: dict[str, list[Recorded]] = {}
    for index, entry in uses:
        grouped.setdefault(entry["purpose"], []).append((index, entry))
    for name, some in grouped.items():
        seen = list(shown(conn, policy, some, now))
        limit = limits(conn, policy, some[-1][1])
        count = len(some) if limit is not None and limit.level == "summary" else len(seen)
        if count:
            told = tuple(told_use(*one) for one in reversed(seen))
            yield OfPurpose(name, _title(conn, some[-1][1]["rules"], name), told, count)


def told_use(index: int, entry: Mapping[str, Any]) -> Used:
    """A recorded use as the person is told of it."""
    return Used(
        index,
        UseId(entry["use"]),
        Instant(entry["at"]),
        entry["purpose"],
        tuple(entry["categories"]),
        entry.get("channel", ""),
        entry.get("recipient", ""),
        1 if entry["mode"] == "one" else entry["set"]["size"],
    )


def _looked(conn: Connection, looks: Sequence[Recorded]) -> Iterator[Looked]:
    roles = _roles(conn) if looks else []
    for index, entry in looks:
        who, role = _who(entry["by"], index, roles)
        title = _title(conn, entry.get("rules") or _rules_then(conn, index, entry), entry["purpose"])
        yield Looked(index, Instant(entry["at"]), title, who, role, reason_of(entry))


def _who(by: str, index: int, roles: Sequence[tuple[int, str, str]]) -> tuple[str, str]:
    """Who acted, and the role of a member of the staff at that entry; no name, no identifier."""
    kind, _, member = by.partition(":")
    if kind == "person":
        return OWN, ""
    if kind in _MACHINES:
        return SYSTEM, ""
    had = [role for entry, one, role in roles if one == member and entry < index]
    return STAFF, had[-1] if had else ""


def _roles(conn: Connection) -> list[tuple[int, str, str]]:
    """(ledger index, member, role) of everything recorded about the staff."""
    return [(index, str(one["member"]), str(one["staff_role"])) for index, one in log.of_kind(conn, "staff")]


def _rules_then(conn: Connection, index: int, entry: Mapping[str, Any]) -> str:
    found = stored.in_force(conn, Instant(entry["at"]), index)
    return "" if found is None else found[1]


def _title(conn: Connection, rules: str, purpose: str) -> Mapping[str, str]:
    """What the rules of the day call a purpose, by language; its name where they do not know it."""
    known = stored.load(conn, rules).purposes.get(purpose) if rules else None
    return {"en": purpose, "fr": purpose} | dict(known.title) if known else {"en": purpose, "fr": purpose}


def _limit(disclosure: Disclosure | None) -> Disclosure | None:
    return None if disclosure is None or disclosure.level == "full" else disclosure


def _young(limit: Disclosure, entry: Mapping[str, Any], now: Instant) -> bool:
    return limit.delay is None or limit.delay.after(entry["at"]) > now
