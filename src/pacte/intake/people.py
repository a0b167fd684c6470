"""Check people: one row per person, read whole, so that what cannot enter is set aside before anything is locked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pacte.intake import check
from pacte.intake.check import Faults
from pacte.intake.facts import FactColumns, read_facts
from pacte.intake.places import country_of
from pacte.intake.reader import Batch
from pacte.intake.run import Run
from pacte.kernel.canonical import Json
from pacte.kernel.errors import BadInput
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import Instant
from pacte.policy.model import Dataset
from pacte.vault import index
from pacte.vault.normalise import normalise_email, normalise_key, normalise_phone

UNGROUPED = {"key": "contact", "email": "contact", "phone": "contact"}
"""Groups of identities for which the policy names none; others are sealed alone."""
IDENTIFIERS: dict[str, Callable[[str], str]] = {"key": normalise_key, "email": normalise_email, "phone": str}
"""What people are found by, and its normal form; telephone numbers have theirs already."""


@dataclass(slots=True)
class Person:
    """One checked row. `names` are normal forms by kind; `content` is everything the row says, for comparison.

    `fields` are the mapped fields that are not empty; `majority` is the day the person is of age.
    """

    row: bytes
    names: dict[str, str]
    fields: tuple[str, ...]
    groups: dict[str, dict[str, Json]]
    behaviour: dict[str, Any]
    collected: Instant
    notice: str
    facts: dict[str, str | int]
    majority: Instant | None
    guardian_key: str
    content: tuple[object, ...]
    guardian: SubjectId | None = None


def prepare(run: Run, batch: Batch) -> list[Person]:
    """Check a batch and set aside what cannot enter. Takes no lock."""
    dataset = run.stores.policy.datasets[run.source.dataset]
    rows, faults = len(batch), Faults()
    collected = collection_dates(run, batch, faults)
    notices = notices_shown(run, batch, collected, faults)
    facts = read_facts(run.source, batch.columns, rows, run.now, faults)
    values, names = _values(run, dataset, batch, facts, faults)
    ids = [run.row_id(values[name][row] for name in dataset.key) for row in range(rows)]
    _check_keys(run, dataset, values, ids, faults)
    run.set_aside(batch, faults, names)
    dated = bool(run.source.collected.column or run.source.collected.fixed)  # else it is the day of the load
    behaviour = [name for name in values if dataset.fields[name].identity is None]
    people = []
    for row in range(rows):
        if row in faults.found:
            continue
        says = {name: column[row] for name, column in values.items() if column[row] is not None}
        people.append(
            Person(
                row=ids[row],
                names=names[row],
                fields=tuple(says),
                groups=_groups(run.source.dataset, dataset, says),
                behaviour={name: says.get(name) for name in behaviour},
                collected=collected[row],
                notice=notices[row],
                facts=facts.vectors[row],
                majority=facts.majorities[row],
                guardian_key=_guardian_key(facts.guardians[row]),
                content=(
                    *(f"{name}={says.get(name)}" for name in values),
                    collected[row] if dated else "",
                    notices[row],
                ),
            )
        )
    return people


def collection_dates(run: Run, batch: Batch, faults: Faults) -> list[Instant]:
    """When each row was collected; the time of the load where the mapping names no date."""
    if not (run.source.collected.column or run.source.collected.fixed):
        return [run.now] * len(batch)
    found = check.moments(batch.columns, run.source.collected, len(batch), run.style, faults)
    for row, moment in enumerate(found):
        if moment is None:
            faults.add(row, "missing_date", run.source.collected.column)
        elif moment > run.now:
            faults.add(row, "future_date", run.source.collected.column)
    return [run.now if moment is None else Instant(moment) for moment in found]


def notices_shown(run: Run, batch: Batch, collected: Sequence[Instant], faults: Faults) -> list[str]:
    """The digest of the notice that each row claims, `""` without one; it must have been in effect at collection."""
    names = check.cells(batch.columns, run.source.notice, len(batch), faults)
    begun = {name: notice.effective for name, notice in run.stores.policy.notices.items()}
    for row, name in enumerate(names):
        if name and collected[row] < begun.get(name, collected[row]):
            faults.add(row, "notice_too_early", run.source.notice.column or run.source.collected.column)
    digests = {name: run.notice_digest(name) for name in set(names)}
    return [digests[name] for name in names]


def identity_groups(datasets: Mapping[str, Dataset]) -> dict[str, str]:
    """By `dataset.field`, in the order of the policy: the group of the vault that each identity is sealed in."""
    return {
        f"{name}.{column}": group_of(dataset, column)
        for name, dataset in datasets.items()
        for column, declared in dataset.fields.items()
        if declared.identity
    }


def group_of(dataset: Dataset, name: str) -> str:
    """The group of the vault in which an identity is sealed."""
    declared = dataset.fields[name]
    return declared.group or UNGROUPED.get(declared.identity or "", name)


def _values(
    run: Run, dataset: Dataset, batch: Batch, facts: FactColumns, faults: Faults
) -> tuple[dict[str, list[Any]], list[dict[str, str]]]:
    """The typed values of every mapped field, and each row's identifiers in normal form, by kind."""
    values: dict[str, list[Any]] = {}
    names: list[dict[str, str]] = [{} for _ in range(len(batch))]
    for name, column in run.source.fields.items():
        cells, declared = batch.columns[column], dataset.fields[name]
        if declared.identity == "phone":
            regions = [country_of(str(vector.get("place", ""))) or run.stores.region for vector in facts.vectors]
            values[name] = _phones(cells, regions, column, faults)
        else:
            values[name] = check.column(cells, declared.type, run.style, column, faults)
        if declared.identity in IDENTIFIERS:
            # The key that names the person is the one that files refer to; other keys are found by their own name.
            other = declared.identity == "key" and name != dataset.person
            kind = index.key_field(run.source.dataset, name) if other else declared.identity
            _normalise(declared.identity, kind, values[name], column, names, faults)
    return values, names


def _phones(cells: Sequence[Any], regions: Sequence[str], column: str, faults: Faults) -> list[str | None]:
    # Numbers are kept in E.164: the same number, whatever the file's habit of writing it.
    found: list[str | None] = []
    for row, cell in enumerate(cells):
        written = "" if cell is None else str(cell).strip()
        try:
            found.append(normalise_phone(written, regions[row]) if written else None)
        except BadInput:
            found.append(None)
            faults.add(row, "bad_phone", column)
    return found


def _normalise(
    identity: str, kind: str, values: Sequence[Any], column: str, names: list[dict[str, str]], faults: Faults
) -> None:
    normal = IDENTIFIERS[identity]
    for row, value in enumerate(values):
        try:
            if value is not None:
                names[row][kind] = normal(str(value))
        except BadInput:
            faults.add(row, "bad_email", column)


def _check_keys(
    run: Run, dataset: Dataset, values: Mapping[str, list[Any]], ids: Sequence[bytes], faults: Faults
) -> None:
    for name in {*dataset.key, dataset.person}:
        for row, value in enumerate(values[name]):
            if value is None:
                faults.add(row, "missing_key", run.source.fields[name])
    for row, row_id in enumerate(ids):
        if row in faults.found:
            continue
        if row_id in run.seen:
            faults.add(row, "duplicate_key", run.source.fields[dataset.key[0]])
        run.seen.add(row_id)


def _groups(of: str, dataset: Dataset, says: Mapping[str, Any]) -> dict[str, dict[str, Json]]:
    groups: dict[str, dict[str, Json]] = {}
    for name, value in says.items():
        declared = dataset.fields[name]
        if declared.identity is not None:
            groups.setdefault(group_of(dataset, name), {})[f"{of}.{name}"] = (
                value if isinstance(value, int) else str(value)
            )
    return groups


def _guardian_key(written: str | None) -> str:
    try:
        return normalise_key(written) if written else ""
    except BadInput:
        return ""
