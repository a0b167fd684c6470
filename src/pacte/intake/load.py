"""Load a file: read it batch by batch, check every row, enter what is sound, set aside what is not, say what was done.

A load can be cut short anywhere and run again: each batch is one transaction, and rows that are here already are left
alone. Two loads at once wait for each other, batch by batch; of one file, the second waits for the end of the first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection

from pacte.intake import arrivals, choices, events, people
from pacte.intake.quarantine import Quarantine
from pacte.intake.reader import Batch, Progress, Table, open_table
from pacte.intake.report import LoadReport
from pacte.intake.run import Run, Stores
from pacte.intake.tables import collected_from, forget_rows
from pacte.kernel import crash, unfinished
from pacte.kernel.canonical import Json
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import Instant, to_iso
from pacte.kernel.turns import alone
from pacte.lake import segments
from pacte.lake.numbers import numbers
from pacte.ledger import log

__all__ = ["LoadReport", "Stores", "forget", "load_file", "people_from"]


def load_file(
    stores: Stores,
    path: Path,
    *,
    now: Instant,
    clock: Callable[[], Instant] | None = None,
    source: str = "",
    by: str = "import",
    progress: Progress | None = None,
) -> LoadReport:
    """Load one file under the source of the mapping that is named, or that alone fits the file's name.

    Raises `BadInput` when the file as a whole cannot be read, `Conflict` when another writer holds the house for too
    long; what was entered before stays, and loading the file again goes on from there. `clock` is the system's
    clock, by which entries are dated; without one that is `now`, too.
    """
    kind = stores.mapping.source_for(path, source)
    table = open_table(path, kind, progress)
    load = _load_id(table.digest, stores, kind.name, now)
    aside = Quarantine(stores.quarantine, stores.keys, load, now)
    run = Run(stores, kind, load, table.digest, now, by, aside, (lambda: now) if clock is None else clock)
    with alone(stores.quarantine / f".{load}.lock"), unfinished.saying(lambda _: _cut_short(run.standing)):
        _enter(run, table)
        return _finish(run, table.undeclared)


def _cut_short(standing: int) -> str:
    if not standing:
        return ""
    return f"{standing} rows of this file are here already, and stay; load it again, and it goes on from there"


def _enter(run: Run, table: Table) -> None:
    dataset = run.stores.policy.datasets.get(run.source.dataset)
    waiting = arrivals.People()
    for batch in table.batches:
        run.counts["rows"] += len(batch) + len(batch.aside)
        if dataset is None:
            _load_choices(run, batch)
        elif dataset.per == "person":
            _load_people(run, batch, waiting)
        else:
            _load_events(run, batch)
    if waiting.waiting:
        # Parents may stand later in the file than their children.
        with run.writing() as conn:
            arrivals.enter(run, conn, waiting.waiting, None)


def forget(conn: Connection, subject: SubjectId) -> int:
    """Remove what intake remembers of one person's rows (an erasure does); answers how many rows."""
    no = numbers(conn, [subject]).get(subject)
    return 0 if no is None else forget_rows(conn, no)


def people_from(conn: Connection, source: str) -> list[int]:
    """The numbers of the people about whom something was collected from a source, as the ledger names it."""
    return collected_from(conn, source)


def _load_people(run: Run, batch: Batch, waiting: arrivals.People) -> None:
    checked = people.prepare(run, batch)
    if checked:
        with run.writing() as conn:
            arrivals.enter(run, conn, checked, waiting)


def _load_events(run: Run, batch: Batch) -> None:
    checked = events.prepare(run, batch)
    with run.writing() as conn:
        unknown = events.enter(run, conn, checked)
    column = run.source.fields[run.stores.policy.datasets[run.source.dataset].person]
    for row in unknown:
        checked.faults.add(row, "unknown_person", column)
    run.set_aside(batch, checked.faults, [{"key": key} if key else {} for key in checked.people])


def _load_choices(run: Run, batch: Batch) -> None:
    checked = choices.prepare(run, batch)
    with run.stores.ending(choices.refusing(checked)), run.writing() as conn:
        unknown = choices.enter(run, conn, checked)
    for row, reason in unknown.items():
        checked.faults.add(row, reason, run.source.person[1])
    run.set_aside(batch, checked.faults, [{checked.kind: name} if name else {} for name in checked.names])


def _load_id(file: str, stores: Stores, source: str, now: Instant) -> str:
    """The same file under the same mapping on the same day is the same load, continued or repeated."""
    same = hashlib.sha256(f"{file}\n{stores.mapping.digest}\n{source}".encode()).hexdigest()
    return f"{to_iso(now)[:10].replace('-', '')}-{same[:16]}"


def _finish(run: Run, undeclared: tuple[str, ...]) -> LoadReport:
    """Record the load; a file loaded before that changed nothing leaves no entry. Unlink the segments it replaced."""
    counts = run.counts
    # Crash point `rows-entered`: every row is here and no entry says that the file was loaded; the next run writes it.
    crash.point("rows-entered")
    with run.writing() as conn:
        index = _record_load(run, conn) if counts["accepted"] or not _loaded_before(run, conn) else None
    run.quarantine.conclude()
    with run.writing() as conn:
        # What this load replaced, and what an earlier one left that was cut short.
        segments.garbage(conn, run.stores.lake)
    return LoadReport(
        load=run.load,
        source=run.source.name,
        dataset=run.dataset,
        rows=counts["rows"],
        accepted=counts["accepted"],
        unchanged=counts["unchanged"],
        updated=counts["updated"],
        new_people=counts["new_people"],
        suppressed=counts["suppressed"],
        known=counts["known"],
        unwanted=counts["unwanted"],
        rejected=dict(run.rejected),
        unplaced=counts["unplaced"],
        guardians_missing=counts["guardians_missing"],
        widened=counts["widened"],
        undeclared=undeclared,
        quarantine=run.quarantine.path if run.rejected else None,
        index=index,
    )


def _loaded_before(run: Run, conn: Connection) -> bool:
    told = (run.file, run.source.provenance, run.dataset)
    return any((e["file"], e["source"], e["dataset"]) == told for _, e in log.of_kind(conn, "load"))


def _record_load(run: Run, conn: Connection) -> int:
    entry: dict[str, Json] = {
        **run.about(),
        "kind": "load",
        "load": run.load,
        "dataset": run.dataset,
        "source": run.source.provenance,
        "file": run.file,
        "mapping": run.stores.mapping.digest,
        "rows": run.counts["rows"],
        "accepted": run.counts["accepted"],
        "rejected": sum(run.rejected.values()),
        "unchanged": run.counts["unchanged"],
        "segments": list(run.segments),
    }
    return run.record(conn, [entry])[0]
