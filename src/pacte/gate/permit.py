"""Permits: the only values that open personal data, made by this room alone and only after the use is recorded.

INVARIANT: a permit carries the ledger index of its committed `use` entry. The constructor refuses anybody who does not
hold this room's key; the lint rule `permit-outside-gate` finds those who try.
"""

from __future__ import annotations

from dataclasses import InitVar, dataclass, field

import pyarrow as pa

from pacte.gate.values import Funnel, UseRecord
from pacte.kernel.errors import Denied
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import DAY, SECOND, Instant

LIFETIME = 1 * DAY
"""How long a permit opens data after its use was recorded, in microseconds; afterwards the gate is asked again."""

LIFETIME_ONE = 600 * SECOND
"""How long a permit for one person opens their data: for the one thing it was asked for, in microseconds."""

_KEY = object()


@dataclass(frozen=True, slots=True)
class _Recorded:
    """What every permit carries."""

    record: UseRecord
    role: str
    behalf: str
    domain: str
    issued: Instant
    expires: Instant
    """When this permit stops opening data."""
    key: InitVar[object]

    def __post_init__(self, key: object) -> None:
        # `dataclasses.replace` and unpickling come past here, or past `__reduce__`, and are refused alike.
        if key is not _KEY:
            raise TypeError("permits are made by the gate only")

    def __reduce__(self) -> str:
        raise TypeError("a permit cannot be stored or sent; ask the gate again where it is needed")

    @property
    def use(self) -> str:
        """The identifier of the recorded use."""
        return self.record.use

    @property
    def index(self) -> int:
        """The ledger index of the recorded use."""
        return self.record.index

    @property
    def purpose(self) -> str:
        """The purpose that the data may be used for, and no other."""
        return self.record.question.purpose

    @property
    def fields(self) -> frozenset[str]:
        """The `dataset.field` names that may be read."""
        return frozenset(self.record.question.fields)

    def check(self, now: Instant) -> None:
        """Raise `Denied` once the permit has expired, or by a clock that stands before it was issued."""
        if not self.issued <= now < self.expires:
            raise Denied("permit_expired", "this permit has expired; declare the use again so that the gate is asked")


@dataclass(frozen=True, slots=True)
class Permit(_Recorded):
    """One person's data may be used, for one purpose, until `expires`."""

    subject: SubjectId

    def covers(self, subject: str) -> bool:
        """Whether this permit is about that person."""
        return subject == self.subject


@dataclass(frozen=True, slots=True)
class PermitSet(_Recorded):
    """A population's data may be used; `numbers` are internal and stay between gate and lake."""

    numbers: pa.Array = field(repr=False)

    @property
    def funnel(self) -> Funnel:
        """How the population came about."""
        return self.record.funnel

    def __len__(self) -> int:
        return len(self.numbers)


@dataclass(frozen=True, slots=True)
class PermitSome(_Recorded):
    """Some of a permitted population, by name, who still are permitted: for what leaves the house as a list."""

    subjects: frozenset[SubjectId] = field(repr=False)

    def covers(self, subject: str) -> bool:
        """Whether this permit is about that person."""
        return subject in self.subjects


def _permit(
    record: UseRecord, capacity: tuple[str, str, str], term: tuple[Instant, Instant], subject: SubjectId
) -> Permit:
    """`capacity` is role, on whose behalf, pseudonym domain; `term` is when the permit was issued and when it ends."""
    return Permit(record, *capacity, *term, _KEY, subject)


def _permit_set(
    record: UseRecord, capacity: tuple[str, str, str], term: tuple[Instant, Instant], numbers: pa.Array
) -> PermitSet:
    return PermitSet(record, *capacity, *term, _KEY, numbers)


def _permit_some(permits: PermitSet, subjects: frozenset[SubjectId]) -> PermitSome:
    return PermitSome(
        permits.record, permits.role, permits.behalf, permits.domain, permits.issued, permits.expires, _KEY, subjects
    )
