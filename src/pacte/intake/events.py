"""Enter events: rows about what people did. They go to the lake under internal numbers; nobody's rows stay nobody's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from pacte.intake import check
from pacte.intake.arrivals import collection
from pacte.intake.check import Faults
from pacte.intake.people import collection_dates, notices_shown
from pacte.intake.reader import Batch
from pacte.intake.run import Run
from pacte.intake.tables import known_rows, new_collections, remember_rows
from pacte.kernel.canonical import Json
from pacte.kernel.errors import BadInput
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import Instant
from pacte.lake.numbers import allot
from pacte.vault.normalise import normalise_key

POSITION = "row"
"""In the key of a dataset without a field of that name: a row is known by its file and its place in it."""


@dataclass(slots=True)
class Events:
    """A checked batch, column by column; `people` are source keys in normal form, `None` for nobody's rows."""

    batch: Batch
    faults: Faults
    rows: list[bytes]
    people: list[str | None]
    values: dict[str, list[Any]]
    collected: list[Instant]
    notices: list[str]


def prepare(run: Run, batch: Batch) -> Events:
    """Check a batch. Takes no lock; rows are set aside by `enter`, which also knows who is unknown."""
    dataset = run.stores.policy.datasets[run.source.dataset]
    faults = Faults()
    collected = collection_dates(run, batch, faults)
    notices = notices_shown(run, batch, collected, faults)
    values = {}
    for name, column in run.source.fields.items():
        kind = dataset.fields[name].type if name in dataset.fields else "string"
        values[name] = check.column(batch.columns[column], kind, run.style, column, faults)
    rows = _row_ids(run, batch, values, faults)
    people = [_key(value) for value in values[dataset.person]]
    for name in [name for name in values if name == dataset.person or dataset.fields[name].identity]:
        del values[name]  # who it was is said by the number; identities lie in the vault only
    return Events(batch, faults, rows, people, values, collected, notices)


def enter(run: Run, conn: Connection, events: Events) -> list[int]:
    """Write a batch in the caller's transaction; answers the rows that are about nobody known here, to be set aside."""
    known = known_rows(conn, run.dataset, events.rows)
    sound = [row for row in range(len(events.rows)) if row not in events.faults.found]
    new = [row for row in sound if events.rows[row] not in known]
    people = run.people(conn, "key", (events.people[row] for row in new))
    strangers = {events.people[row] for row in new} - {None, *people}
    gone = run.suppressed(conn, "key", strangers)
    unknown = [row for row in new if events.people[row] in strangers - gone]
    entered = [row for row in new if events.people[row] is None or events.people[row] in people]
    subjects = [None if (key := events.people[row]) is None else people[key][0] for row in entered]
    numbers = allot(conn, dict.fromkeys(subject for subject in subjects if subject is not None))
    nos = [None if subject is None else numbers[subject] for subject in subjects]
    run.add_segment(conn, _lake_columns(run, events, entered, nos))
    run.record(conn, _collections(run, conn, events, entered, subjects, nos))
    remember_rows(conn, run.dataset, [(events.rows[row], b"", b"", no) for row, no in zip(entered, nos, strict=True)])
    run.counts["accepted"] += len(entered)
    run.counts["unchanged"] += len(sound) - len(new)
    run.counts["suppressed"] += len(new) - len(entered) - len(unknown)
    return unknown


def _row_ids(run: Run, batch: Batch, values: dict[str, list[Any]], faults: Faults) -> list[bytes]:
    dataset = run.stores.policy.datasets[run.source.dataset]
    keys: list[Sequence[Any]] = []
    for name in dataset.key:
        by_place = name == POSITION and name not in dataset.fields
        keys.append([f"{run.file}:{line}" for line in batch.lines] if by_place else values[name])
    ids = run.row_ids(keys)
    lacking = [row for row, parts in enumerate(zip(*keys, strict=True)) if None in parts]
    for row in lacking:
        empty = next(name for name, key in zip(dataset.key, keys, strict=True) if key[row] is None)
        faults.add(row, "missing_key", run.source.fields[empty])
    if len(set(ids)) < len(ids) or not run.seen.isdisjoint(ids):
        without = set(lacking)
        for row, row_id in enumerate(ids):
            if row_id in run.seen and row not in without and row not in faults.found:
                faults.add(row, "duplicate_key", run.source.fields[dataset.key[0]])
            run.seen.add(row_id)
    run.seen.update(ids)
    return ids


def _key(value: Any) -> str | None:
    try:
        return None if value is None else normalise_key(str(value))
    except BadInput:
        return None


def _lake_columns(
    run: Run, events: Events, entered: Sequence[int], nos: Sequence[int | None]
) -> dict[str, Sequence[Any]]:
    columns: dict[str, Sequence[Any]] = {
        "_no": nos,
        "_row": [events.rows[row].hex() for row in entered],
        "_source": [run.source.provenance] * len(entered),
        "_collected": [events.collected[row] for row in entered],
        "_notice": [events.notices[row] or None for row in entered],
    }
    return columns | {name: [column[row] for row in entered] for name, column in events.values.items()}


def _collections(
    run: Run,
    conn: Connection,
    events: Events,
    entered: Sequence[int],
    subjects: Sequence[SubjectId | None],
    nos: Sequence[int | None],
) -> list[dict[str, Json]]:
    """The first time that something of this dataset was collected about each person under each notice."""
    about = run.about()
    first: dict[tuple[int, str], tuple[Instant, SubjectId]] = {}
    for row, subject, no in zip(entered, subjects, nos, strict=True):
        if subject is not None and no is not None:
            met = (no, events.notices[row])
            since = events.collected[row]
            if met not in first or since < first[met][0]:
                first[met] = (since, subject)
    begun = {met: since for met, (since, _) in first.items()}
    new = new_collections(conn, run.dataset, run.source.provenance, begun)
    return [collection(run, about, first[met][1], first[met][0], met[1]) for met in first if met in new]
