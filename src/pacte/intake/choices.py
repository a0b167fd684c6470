"""Enter choices: each row of a consent history becomes one ledger entry, as strong as its proof and no stronger.

A yes with anything wrong about it is set aside. A no is never lost for a detail: what cannot be read or is not declared
is left out, which can only make it wider, and where several people share an address it is the no of each of them.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from pacte.consent.choices import GRADES, HOLDS, METHODS, PROTECTIVE, SIGNALS, VOICES, Unfit, build_choice, fitted
from pacte.intake import check
from pacte.intake.check import Faults
from pacte.intake.mapping import Cell
from pacte.intake.reader import Batch
from pacte.intake.run import Run
from pacte.intake.tables import known_rows, remember_rows
from pacte.kernel.canonical import Json
from pacte.kernel.errors import BadInput
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import Instant
from pacte.lake.numbers import allot
from pacte.ledger.entries import validate
from pacte.vault.normalise import normalise_email, normalise_key, normalise_phone

MOMENTS = ("effective", "learned")
WORDS = ("purpose", "act", "channel", "recipient", "method", "grade", "notice", "voice", "signal", "by")
CODES: Mapping[str, Container[str]] = {"method": METHODS, "grade": GRADES, "voice": VOICES, "signal": SIGNALS}
DEFAULTS = {"method": "import", "grade": "none", "voice": "self"}
BY = re.compile(r"import|person|parent|web|app|till|phone|paper|staff(:[0-9]{1,10})?")
"""Who may be said to have recorded a choice: a code, never a name."""
NOBODY = SubjectId("0" * 32)
"""Stands for the person while a choice is checked."""


@dataclass(slots=True)
class Choices:
    """A checked batch: for each row the person's name in normal form and, if sound, the entry but its subject.

    `widened` are the rows whose no lost a detail.
    """

    batch: Batch
    faults: Faults
    names: list[str]
    entries: list[dict[str, Json]]
    said: list[tuple[object, ...]]
    kind: str
    widened: set[int]


def prepare(run: Run, batch: Batch) -> Choices:
    """Check a batch. Takes no lock; rows are set aside by `enter`, which also knows who is unknown."""
    rows, faults, cells = len(batch), Faults(), run.source.choice
    name, column = run.source.person
    kind = _kind(run, name)
    people = [_normal(kind, cell, run.stores.region) for cell in batch.columns[column]]
    for row, person in enumerate(people):
        if not person:
            faults.add(row, "missing_key", column)
    ill = {word: Faults() for word in (*WORDS, *MOMENTS, "authenticated")}
    words = {word: check.cells(batch.columns, cells.get(word, Cell()), rows, ill[word]) for word in WORDS}
    moments = {
        word: check.moments(batch.columns, cells.get(word, Cell()), rows, run.style, ill[word]) for word in MOMENTS
    }
    sure = _flags(batch, cells.get("authenticated", Cell()), rows, ill["authenticated"])
    unread: dict[int, list[str]] = {}
    for word, unreadable in ill.items():
        for row in unreadable.found:
            unread.setdefault(row, []).append(word)
    said = list(zip(*words.values(), *moments.values(), sure, strict=True))
    checked = Choices(batch, faults, people, [], said, kind, set())
    about = run.about()
    columns: dict[str, Sequence[Any]] = {**words, **moments}
    for row in range(rows):
        one = {word: values[row] for word, values in columns.items()}
        one = {word: value for word, value in one.items() if value is not None} | {"authenticated": bool(sure[row])}
        bad = {word: ill[word].found[row] for word in unread.get(row, ())}
        checked.entries.append({} if row in faults.found else _checked(run, about, row, one, bad, checked))
    return checked


def enter(run: Run, conn: Connection, choices: Choices) -> dict[int, str]:
    """Write a batch in the caller's transaction; answers the rows that are nobody's, with the reason."""
    sound = [row for row in range(len(choices.names)) if row not in choices.faults.found]
    people = run.people(conn, choices.kind, (choices.names[row] for row in sound))
    strangers = {choices.names[row] for row in sound} - set(people)
    gone = run.suppressed(conn, choices.kind, strangers)
    unknown = {row: "unknown_person" for row in sound if choices.names[row] in strangers - gone}
    shared = {row for row in sound if len(people.get(choices.names[row], ())) > 1}
    unknown |= {row: "ambiguous_person" for row in shared if choices.entries[row]["act"] not in PROTECTIVE}
    found = {row: people[choices.names[row]] for row in sound if choices.names[row] in people and row not in unknown}
    # A no that says nothing of when it was said counts from when it was learnt: in another file it is said again.
    again = {row: (run.file,) if _undated_no(choices.entries[row]) else () for row in found}
    ids = {
        (row, who): run.row_id((who, *choices.said[row], *again[row]))
        for row, several in found.items()
        for who in several
    }
    known = known_rows(conn, run.dataset, ids.values())
    # The same row twice in one file is one choice.
    new = {row_id: place for place, row_id in reversed(ids.items()) if row_id not in known}
    entered = sorted(new.values())
    entries = [{**choices.entries[row], "subject": who} for row, who in entered]
    numbers = allot(conn, dict.fromkeys(who for _, who in entered))
    run.record(conn, entries)
    remember_rows(conn, run.dataset, [(ids[row, who], b"", b"", numbers[who]) for row, who in entered])
    rows = {row for row, _ in entered}
    run.counts["accepted"] += len(rows)
    run.counts["widened"] += len(rows & (choices.widened | shared))
    run.counts["unchanged"] += len(found) - len(rows)
    run.counts["suppressed"] += len(sound) - len(found) - len(unknown)
    return unknown


def refusing(choices: Choices) -> list[str]:
    """Whoever says no in a checked batch, as `key:…`, `email:…` or `phone:…`."""
    rows = zip(choices.names, choices.entries, strict=True)
    return list(dict.fromkeys(f"{choices.kind}:{name}" for name, said in rows if said.get("act") in PROTECTIVE))


def _undated_no(entry: Mapping[str, Json]) -> bool:
    return entry["act"] in PROTECTIVE and "effective" not in entry


def _kind(run: Run, field: str) -> str:
    kinds = [data.fields[field].identity for data in run.stores.policy.datasets.values() if field in data.fields]
    return next(kind for kind in kinds if kind)


def _normal(kind: str, cell: Any, region: str) -> str:
    if cell is None or not str(cell).strip():
        return ""
    try:
        if kind == "email":
            return normalise_email(str(cell))
        return normalise_phone(str(cell), region) if kind == "phone" else normalise_key(str(cell))
    except BadInput:
        return ""


def _flags(batch: Batch, cell: Cell, rows: int, faults: Faults) -> Sequence[bool | None]:
    if cell.values is not None or not cell.column:
        return check.column(
            check.cells(batch.columns, cell, rows, faults), "boolean", check.Style(), cell.column, faults
        )
    return check.column(batch.columns[cell.column], "boolean", check.Style(), cell.column, faults)


def _checked(
    run: Run,
    about: Mapping[str, Any],
    row: int,
    said: dict[str, Any],
    bad: Mapping[str, tuple[str, str]],
    choices: Choices,
) -> dict[str, Json]:
    """The entry of a row, or nothing once it is set aside; `bad` are its cells that could not be read."""
    protective = said.get("act") in PROTECTIVE and not bad.keys() & {"purpose", "act"}
    fault = next(iter(bad.values()), None) if not protective else None
    fault = fault or (None if protective else _fault(run, said))
    if fault is None:
        try:
            details = _widened(run, said) if protective else fitted(run.stores.policy, said)
            entry = _entry(run, about, details)
            if protective and (bad or any(not _kept(word, said, details) for word in said)):
                choices.widened.add(row)
            return entry
        except Unfit as error:
            reason = "unknown_purpose" if error.word == "purpose" else "bad_value"
            fault = _named(run, "yes_too_wide" if error.wide else reason, error.word)
        except BadInput:
            fault = ("bad_choice", "")
    choices.faults.add(row, *fault)
    return {}


def _kept(word: str, said: Mapping[str, Any], details: Mapping[str, Any]) -> bool:
    # A notice is said by its name and written by its digest.
    return word in details and (word == "notice" or details[word] == said[word])


def _fault(run: Run, said: Mapping[str, Any]) -> tuple[str, str] | None:
    """Why a row that is no protective act is set aside, beside the policy's own reasons."""
    for word in MOMENTS:
        if said.get(word, run.now) > run.now:
            return _named(run, "future_date", word)
    return None if BY.fullmatch(said.get("by", "import")) else _named(run, "bad_value", "by")


def _named(run: Run, reason: str, word: str) -> tuple[str, str]:
    return reason, run.source.choice.get(word, Cell()).column


def _widened(run: Run, said: Mapping[str, Any]) -> dict[str, Any]:
    """The details of a no without those that cannot be: a wider no, but no less of one."""
    kept = {word: value for word, value in said.items() if word not in CODES or value in CODES[word]}
    if kept["act"] != "objected":
        kept.pop("signal", None)
    if kept["act"] in HOLDS:
        # A restriction is of the whole person.
        kept = {word: value for word, value in kept.items() if word not in ("channel", "recipient")}
    if not BY.fullmatch(kept.get("by", "import")):
        del kept["by"]
    # A date that cannot be is no date: the no counts from when it was learnt, at the latest from now.
    for word in MOMENTS:
        if kept.get(word, run.now) > run.now:
            del kept[word]
    if "effective" in kept and "learned" in kept:
        kept["learned"] = max(kept["learned"], kept["effective"])
    while True:
        try:
            return fitted(run.stores.policy, kept)
        except Unfit as error:
            if error.word == "purpose":
                raise
            del kept[error.word]


def _entry(run: Run, about: Mapping[str, Any], details: Mapping[str, Any]) -> dict[str, Json]:
    """The entry of a row but its subject, in a form that the ledger does not refuse."""
    whole = {"act": "", **about, **DEFAULTS, **details}
    entry = build_choice(**whole, subject=NOBODY, now=Instant(run.now))
    validate({**entry, "v": 1, "at": run.now})
    return entry
