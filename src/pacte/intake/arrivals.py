"""Enter people who were checked: who they are to the vault, what rules need to the ledger, the rest to the lake.

A row that is here already, saying the same, changes nothing; one that says something else replaces what was known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy import Connection

from pacte.consent.facts import ages_known, ages_since
from pacte.intake.people import Person, group_of
from pacte.intake.run import Run
from pacte.intake.statements import News, news
from pacte.intake.tables import Said, collected_since, known_rows, new_collections, remember_people
from pacte.kernel import crash
from pacte.kernel.canonical import Json
from pacte.kernel.ids import SubjectId, new_subject_id
from pacte.kernel.instant import Instant
from pacte.lake import segments
from pacte.lake.numbers import allot
from pacte.vault import index, sealed
from pacte.vault.evidence import commit_facts

REACHED = ("key", "email", "phone")
"""What a row names somebody by."""
NOTHING = Said(b"")
"""What is remembered of a row that was never loaded."""


@dataclass(slots=True)
class People:
    """The people of a file so far whose parent was not found yet; they are looked at again at its end."""

    waiting: list[Person] = field(default_factory=list)


def enter(run: Run, conn: Connection, people: Sequence[Person], again: People | None) -> None:
    """Write checked people in the caller's transaction.

    Without `again` they are there already and their parents are looked for a last time: only facts can change.
    """
    keys = run.stores.keys
    _find_guardians(run, conn, people)
    digests = {person.row: _digest(run, person) for person in people}
    known = known_rows(conn, run.dataset, digests, run.source.name)
    changed = [person for person in people if known.get(person.row, NOTHING).digest != digests[person.row]]
    subjects = {value: found[0] for value, found in run.people(conn, "key", [p.names["key"] for p in changed]).items()}
    changed, out = _without_suppressed(run, conn, changed, subjects, known)
    new = {person.names["key"]: new_subject_id() for person in changed if person.names["key"] not in subjects}
    for person in changed:  # a parent of the same batch who is new
        if person.guardian is None and person.guardian_key in new:
            person.guardian = new[person.guardian_key]
            digests[person.row] = _digest(run, person)
    subjects |= new
    # Crash point `keys-made`: keys are durable before anything sealed with them is; those of a batch that fails are
    # never used.
    drawn = keys.create_subject_keys(list(new.values()))
    crash.point("keys-made")
    numbers = allot(conn, [subjects[person.names["key"]] for person in changed])
    if again is not None:
        emptied = {person.row: _emptied(run, person, known.get(person.row, NOTHING)) for person in changed}
        _seal(run, conn, changed, subjects, drawn.data, emptied)
        _to_lake(run, conn, changed, subjects, numbers, new, emptied)
    told = _record(run, conn, changed, subjects, numbers, new, known)
    memory = [(p.row, digests[p.row], p.fields, told[p.row], numbers[subjects[p.names["key"]]]) for p in changed]
    remember_people(
        conn,
        run.dataset,
        run.source.name,
        [(row, Said(said, found.facts, ",".join(filled), found.since), no) for row, said, filled, found, no in memory],
    )
    if again is None:
        run.counts["guardians_missing"] = sum(person.guardian is None for person in people)
        return
    again.waiting += [person for person in people if person.guardian_key and person.guardian is None]
    run.counts["accepted"] += len(changed)
    run.counts["new_people"] += len(new)
    run.counts["updated"] += sum(person.row in known for person in changed)
    run.counts.update(suppressed=out.total(), known=out["known"], unwanted=out["unwanted"])
    run.counts["unchanged"] += len(people) - len(changed) - out.total()
    if run.source.place is not None:
        run.counts["unplaced"] += sum("place" not in person.facts for person in people)


def _find_guardians(run: Run, conn: Connection, people: Sequence[Person]) -> None:
    missing = [person for person in people if person.guardian_key and person.guardian is None]
    found = run.people(conn, "key", [person.guardian_key for person in missing])
    for person in missing:
        if person.guardian_key in found:
            person.guardian = found[person.guardian_key][0]


def _digest(run: Run, person: Person) -> bytes:
    """What the row says; a parent who is still sought is part of it."""
    guardian = person.guardian or (f"?{person.guardian_key}" if person.guardian_key else "")
    return run.fingerprint("row", *person.content, sorted(person.facts.items()), person.majority, guardian)


def _emptied(run: Run, person: Person, before: Said) -> frozenset[str]:
    """The mapped fields that this source had filled and does no longer; what others filled stays."""
    return frozenset(before.fields.split(",")).intersection(run.source.fields) - frozenset(person.fields)


def _without_suppressed(
    run: Run, conn: Connection, people: list[Person], subjects: Mapping[str, SubjectId], known: Collection[bytes]
) -> tuple[list[Person], Counter[str]]:
    """Who enters, and how many do not, by cause: whom the rows name was `erased`, is `known` or is `unwanted`.

    What people said here holds: of a bought file nobody enters who is known, or whom any suppression names.
    """
    strangers = [person for person in people if person.names["key"] not in subjects]
    out: dict[bytes, str] = {}
    if run.stores.bought:
        unwanted = _naming(strangers, REACHED, lambda kind, values: run.suppressed(conn, kind, values, ""))
        out |= dict.fromkeys(unwanted, "unwanted")
        out |= dict.fromkeys(_naming(strangers, REACHED[1:], partial(run.people, conn)), "known")
        out |= dict.fromkeys((p.row for p in people if p.names["key"] in subjects and p.row not in known), "known")
    kinds = REACHED if run.stores.bought else REACHED[:2]
    out |= dict.fromkeys(_naming(strangers, kinds, partial(run.suppressed, conn)), "erased")
    return [person for person in people if person.row not in out], Counter(out.values())


def _naming(
    people: Sequence[Person], kinds: Sequence[str], asked: Callable[[str, list[str]], Collection[str]]
) -> set[bytes]:
    """The rows of which one of the values of these kinds is among those answered."""
    found: set[bytes] = set()
    for kind in kinds:
        there = asked(kind, [person.names[kind] for person in people if kind in person.names])
        found |= {person.row for person in people if person.names.get(kind) in there}
    return found


def _seal(
    run: Run,
    conn: Connection,
    people: Sequence[Person],
    subjects: Mapping[str, SubjectId],
    drawn: Mapping[SubjectId, bytes],
    emptied: Mapping[bytes, Collection[str]],
) -> None:
    """Seal identities and index them: those of new people, whose keys were `drawn`, whole, of others by field."""
    dataset = run.stores.policy.datasets[run.source.dataset]
    fresh: list[sealed.Row] = []
    merged: list[sealed.Row] = []
    found, changed = [], []
    gone: dict[SubjectId, set[str]] = {}
    for person in people:
        subject = subjects[person.names["key"]]
        is_new = subject in drawn
        notice = person.notice or None
        identities = [name for name in emptied[person.row] if dataset.fields[name].identity]
        groups: dict[str, dict[str, Json]] = {group_of(dataset, name): {} for name in identities} | person.groups
        gone.setdefault(subject, set()).update(f"{run.source.dataset}.{name}" for name in identities)
        for group, fields in groups.items():
            row = (subject, group, fields, run.source.provenance, person.collected, notice)
            (fresh if is_new else merged).append(row)
        found += [(subject, _field(run, kind), value) for kind, value in person.names.items()]
        if not is_new:
            kinds = {kind for kind in person.names if kind != "key"} | {_kind(run, name) for name in identities}
            changed += [(subject, _field(run, kind)) for kind in sorted(kinds - {"key", ""})]
    sealed.put(conn, run.stores.keys, fresh, drawn)
    sealed.merge(conn, run.stores.keys, merged, gone)
    index.forget(conn, changed)  # an old address must not lead to the person any more
    index.add(conn, run.stores.keys, found)


def _field(run: Run, kind: str) -> str:
    return run.key_fields[0] if kind == "key" else kind


def _kind(run: Run, name: str) -> str:
    identity = run.stores.policy.datasets[run.source.dataset].fields[name].identity
    if identity == "key":
        return index.key_field(run.source.dataset, name)
    return identity if identity in ("email", "phone") else ""


def _to_lake(
    run: Run,
    conn: Connection,
    people: Sequence[Person],
    subjects: Mapping[str, SubjectId],
    numbers: Mapping[SubjectId, int],
    new: Mapping[str, SubjectId],
    emptied: Mapping[bytes, Collection[str]],
) -> None:
    """A person has one row, the newest; what this source does not say is taken over from the row before."""
    if not people or not people[0].behaviour:
        return
    before = _taken_out(run, conn, [person.row.hex() for person in people if person.names["key"] not in new])
    columns: dict[str, list[Any]] = {
        "_no": [numbers[subjects[person.names["key"]]] for person in people],
        "_row": [person.row.hex() for person in people],
        "_source": [run.source.provenance] * len(people),
        "_collected": [person.collected for person in people],
        "_notice": [person.notice or None for person in people],
    }
    declared = run.stores.policy.datasets[run.source.dataset].fields
    older = {name for row in before.values() for name in row if name in declared and not declared[name].identity}
    for name in [*people[0].behaviour, *sorted(older - people[0].behaviour.keys())]:
        columns[name] = [_cell(person, name, before, emptied) for person in people]
    run.add_segment(conn, columns)


def _cell(
    person: Person, name: str, before: Mapping[str, Mapping[str, Any]], emptied: Mapping[bytes, Collection[str]]
) -> Any:
    said = person.behaviour.get(name)
    if said is not None or not before or name in emptied[person.row]:
        return said
    return before.get(person.row.hex(), {}).get(name)


def _taken_out(run: Run, conn: Connection, rows: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Take these rows out of the lake; answers them, by their names."""
    found, rewritten = segments.take_out(conn, run.stores.lake, run.source.dataset, rows, run.load)
    run.counts["replaced"] += rewritten
    return {row["_row"]: row for row in found}


def _record(
    run: Run,
    conn: Connection,
    people: Sequence[Person],
    subjects: Mapping[str, SubjectId],
    numbers: Mapping[SubjectId, int],
    new: Mapping[str, SubjectId],
    known: Mapping[bytes, Said],
) -> dict[bytes, News]:
    """One `collection` per person, source and notice, and `fact` entries for what a row tells that it had not told."""
    about = run.about()
    evidence = run.stores.keys.evidence_keys([subjects[person.names["key"]] for person in people])
    here = {person.row: numbers[subjects[person.names["key"]]] for person in people}
    older = [here[person.row] for person in people if person.names["key"] not in new]
    origins = _origins(conn, older)
    ages = ages_known(conn, older) if run.source.over is not None else {}
    met: dict[tuple[int, str], Instant] = {}
    for person in people:
        met.setdefault((here[person.row], person.notice), person.collected)
    first = new_collections(conn, run.dataset, run.source.provenance, met)
    entries: list[dict[str, Json]] = []
    vectors: dict[tuple[str, str], dict[str, Json]] = {}
    told: dict[bytes, News] = {}
    for person in people:
        subject, no = subjects[person.names["key"]], here[person.row]
        if (no, person.notice) in first:
            first.discard((no, person.notice))
            entries.append(collection(run, about, subject, person.collected, person.notice))
        told[person.row] = news(run, person, known.get(person.row), origins.get(no, person.collected), ages.get(no, ""))
        for since, vector in told[person.row]:
            commitment = commit_facts(evidence[subject], subject, vector)
            vectors[subject, commitment["commit"]] = vector
            entry: dict[str, Json] = {**about, "kind": "fact", "subject": subject, "effective": since, **commitment}
            entries.append(entry | {"source": run.source.provenance})
    run.record(conn, entries, vectors)
    return told


def _origins(conn: Connection, nos: Collection[int]) -> dict[int, Instant]:
    """From when an age holds: where it was stated before, from there; else from the first collection."""
    if not nos:
        return {}
    collected = {no: Instant(since) for no, since in collected_since(conn, nos).items()}
    return collected | ages_since(conn, nos)


def collection(
    run: Run, about: Mapping[str, Json], subject: SubjectId, collected: Instant, notice: str
) -> dict[str, Json]:
    """The entry that says: this dataset has been collected about this person, then, from there, under that notice."""
    entry: dict[str, Json] = {
        **about,
        "kind": "collection",
        "subject": subject,
        "dataset": run.dataset,
        "source": run.source.provenance,
        "effective": collected,
        "load": run.load,
    }
    return entry | ({"notice": notice} if notice else {})
