"""Which data there are: where each field comes from, how it is kept, what reads it and why; and the other way round.

Made from the policy in force, the mapping and the ledger's `load` entries. Nothing of anybody is read. What nothing
reads is shown as such: data are limited to what is necessary. Source: GDPR Art. 5(1)(b)-(c), (e), 30(1).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from sqlalchemy import Connection

from pacte.app.house import MAPPING, QUARANTINE
from pacte.app.policies import published
from pacte.gate import rules as stored
from pacte.intake.mapping import Source, load_mapping
from pacte.intake.quarantine import reasons
from pacte.kernel.errors import PacteError
from pacte.kernel.instant import Instant
from pacte.ledger import log
from pacte.ledger.entries import Entry
from pacte.policy.categories import categories
from pacte.policy.lint_data import serves, source_of
from pacte.policy.model import Coarse, DataField, Dataset, PolicyFile, Purpose
from pacte.policy.parts import rounding_of

if TYPE_CHECKING:
    from pacte.app.house import House

CHOICES = "choices"
"""The dataset of a load of choices, which are no fields: the ledger holds them."""
SEALED, NUMBERED, PLAIN, COMPUTED = "sealed", "numbered", "plain", "computed"
"""How a field is kept: sealed under the person's key; as the number that stands for the person; readable, under that
number; not at all, but computed when it is asked for."""


@dataclass(frozen=True, slots=True)
class Load:
    """The last load of a source, in rows. `reasons` say why rows were set aside, as far as those are still kept."""

    entry: int
    at: Instant
    rows: int
    accepted: int
    unchanged: int
    rejected: int
    reasons: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Origin:
    """One source of the mapping: which files, as what the ledger calls it, what it fills, and how often it came.

    `fields` are paths, `pattern` is empty for a source that the mapping no longer has.
    """

    name: str
    pattern: str
    dataset: str
    fields: tuple[str, ...]
    loads: int
    last: Load | None


@dataclass(frozen=True, slots=True)
class Reading:
    """That a purpose reads a field: whether unrounded, or through a computed one (`through`, a path)."""

    purpose: str
    exact: bool
    through: str


@dataclass(frozen=True, slots=True)
class Field:
    """One field, or a computed one: what it is, how it is kept and rounded, what fills it, what reads it.

    `serves` says why rules need a field that no purpose reads (`policy.lint_data.serves`), empty where nothing does.
    `sources` is `None` where the mapping cannot be read.
    """

    path: str
    category: str
    special: str
    kept: str
    rounding: Coarse | None
    reveals: tuple[str, ...]
    sources: tuple[str, ...] | None
    readings: tuple[Reading, ...]
    serves: str

    @property
    def unread(self) -> bool:
        """Whether nothing reads it and no rule needs it."""
        return not self.readings and not self.serves

    @property
    def unfilled(self) -> bool:
        """Whether no source of the mapping fills it."""
        return self.sources == ()


@dataclass(frozen=True, slots=True)
class DataMap:
    """The data of a house under the policy in force since `effective`. `problem` is why the mapping cannot be read."""

    policy: PolicyFile
    effective: Instant
    origins: tuple[Origin, ...]
    fields: Mapping[str, tuple[Field, ...]]
    problem: str = ""

    def read_by(self, purpose: str) -> tuple[Field, ...]:
        """The fields that a purpose reads, those behind computed ones included."""
        every = (field for fields in self.fields.values() for field in fields)
        return tuple(field for field in every if any(one.purpose == purpose for one in field.readings))

    def loaded(self, field: Field) -> bool:
        """Whether a source that fills it was ever loaded."""
        return any(field.path in origin.fields and origin.loads for origin in self.origins)

    def recipients(self, field: Field) -> tuple[str, ...]:
        """The names of those to whom a field is given, for whatever purpose."""
        purposes = [self.policy.purposes[one.purpose] for one in field.readings]
        named = dict.fromkeys(name for purpose in purposes for name in purpose.recipients)
        return tuple(self.policy.recipients[name].name for name in named)


def data_map(house: House) -> DataMap:
    """Look at a house; raises `Denied` before a policy is in force."""
    with house.reading() as conn:
        now = house.present(conn)
        policy = published(conn, now).document
        since = stored.present(conn, now)
        loads = _loads(house, conn)
    try:
        sources, problem = dict(load_mapping(house.path / MAPPING, policy).sources), ""
    except PacteError as error:
        sources, problem = {}, str(error)
    origins = tuple(_origins(sources, loads))
    fields = {name: tuple(_fields(name, policy, origins, known=not problem)) for name in policy.datasets}
    return DataMap(policy, since.effective if since else now, origins, fields, problem)


def _loads(house: House, conn: Connection) -> dict[tuple[str, str], tuple[int, Load]]:
    """By what the ledger calls a source, and by dataset: how many loads there were, and the last."""
    found: dict[tuple[str, str], list[tuple[int, Entry]]] = {}
    for entry, one in log.of_kind(conn, "load"):
        found.setdefault((str(one["source"]), str(one["dataset"])), []).append((entry, one))
    return {key: (len(every), _load(house, *every[-1])) for key, every in found.items()}


def _load(house: House, index: int, entry: Entry) -> Load:
    at, rows, accepted, unchanged, rejected = (
        int(cast(int, entry[name])) for name in ("at", "rows", "accepted", "unchanged", "rejected")
    )
    why = reasons(house.path / QUARANTINE / f"{entry['load']}.jsonl") if rejected else {}
    return Load(index, Instant(at), rows, accepted, unchanged, rejected, why)


def _origins(sources: Mapping[str, Source], loads: Mapping[tuple[str, str], tuple[int, Load]]) -> Iterator[Origin]:
    """The sources of the mapping in its order, then those that only the ledger knows."""
    told = set()
    for source in sources.values():
        key = (source.provenance, source.dataset or CHOICES)
        told.add(key)
        count, last = loads.get(key, (0, None))
        paths = tuple(f"{source.dataset}.{name}" for name in source.fields)
        yield Origin(source.name, source.pattern, source.dataset, paths, count, last)
    for (name, dataset), (count, last) in loads.items():
        if (name, dataset) not in told:
            yield Origin(name, "", "" if dataset == CHOICES else dataset, (), count, last)


def _fields(dataset: str, policy: PolicyFile, origins: tuple[Origin, ...], *, known: bool) -> Iterator[Field]:
    declared = policy.datasets[dataset]
    for name, field in _columns(declared, policy).items():
        path = f"{dataset}.{name}"
        filled = tuple(dict.fromkeys(origin.name for origin in origins if path in origin.fields))
        yield Field(
            path,
            field.category,
            categories()[field.category].special,
            NUMBERED if _stands_for(name, declared) else SEALED if field.identity else PLAIN,
            field.rounding if not field.identity else None,
            tuple(field.reveals),
            filled if known else None,
            tuple(_readings(path, policy)),
            serves(name, field, declared),
        )
    for name, aggregate in declared.aggregates.items():
        category, path = declared.category_of(name), f"{dataset}.{name}"
        special, rounding = categories()[category].special, rounding_of(aggregate, declared)
        yield Field(path, category, special, COMPUTED, rounding, (), None, tuple(_readings(path, policy)), "")


def _columns(dataset: Dataset, policy: PolicyFile) -> dict[str, DataField]:
    """The fields of a dataset; of events also the one that says whose they are, declared with their people."""
    if dataset.person in dataset.fields or not dataset.references:
        return dict(dataset.fields)
    people, _, key = dataset.references.partition(".")
    return {dataset.person: policy.datasets[people].fields[key], **dataset.fields}


def _stands_for(name: str, dataset: Dataset) -> bool:
    return dataset.per == "event" and name == dataset.person


def _readings(path: str, policy: PolicyFile) -> Iterator[Reading]:
    for name, purpose in policy.purposes.items():
        if path in purpose.uses:
            yield Reading(name, path in purpose.exact, "")
        else:
            yield from _computed(path, name, purpose, policy)


def _computed(path: str, name: str, purpose: Purpose, policy: PolicyFile) -> Iterator[Reading]:
    for used in purpose.uses:
        if source_of(used, policy) == path:
            yield Reading(name, False, used)
            return
