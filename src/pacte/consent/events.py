"""From ledger entries to events: what each entry says about its person, and when that takes effect.

The one reading of the ledger that `state.apply` and `state.rebuild` share. It reads only; it decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pacte.consent.choices import ACTS, GRADES, HOLDS, LOOSENING, PROTECTION
from pacte.consent.timeline import Event, Key
from pacte.consent.vectors import FACTS, Statement, statement
from pacte.kernel.errors import BadInput
from pacte.kernel.ids import SubjectId

Entries: TypeAlias = Iterable[tuple[int, Mapping[str, Any] | None]]
"""Ledger entries with their indices, in order; `None` is a body that was redacted."""
Opener: TypeAlias = Callable[[SubjectId, int, Mapping[str, Any]], Mapping[str, Any] | None]
"""Opens the sealed facts of a `fact` entry; `None` when the evidence has ended."""

WEAK, FIRM, ERASING, ERASED = range(4)
"""Levels. Firm statements silence weak ones; an erasure under way, then done, has the last word on a hold."""

HOLD_LEVEL = {"none": FIRM, "restricted": FIRM, "erasing": ERASING, "erased": ERASED}
_HOLD_RANK = {"none": 0, "restricted": 1, "erasing": 0, "erased": 0}
_ERASURE = {"restricted": "erasing", "done": "erased"}


@dataclass(slots=True)
class Heard:
    """What a run of entries says about one person; filled while reading, then only read."""

    first: int
    """The first entry about the person (after the evidence ended, if it did)."""
    ended: bool = False
    """The evidence ended within this run: whatever was known before is forgotten."""
    choices: dict[str, list[tuple[Key, Event]]] = field(default_factory=dict)
    """By voice. Event data: status, expires, grade, signal, notice, method."""
    holds: list[Event] = field(default_factory=list)
    facts: list[Statement] = field(default_factory=list)
    told: list[tuple[str, int, int]] = field(default_factory=list)
    """Notice digest, from when, entry."""

    @property
    def empty(self) -> bool:
        """Whether nothing is left to know about the person."""
        return self.first < 0


def hear(entries: Entries, opener: Opener) -> dict[SubjectId, Heard]:
    """What the entries say, person by person. Raises `BadInput` for facts outside the closed vector."""
    people: dict[SubjectId, Heard] = {}
    for index, entry in entries:
        reader = _READERS.get(entry["kind"]) if entry is not None else None
        if entry is None or reader is None:
            continue
        subject = SubjectId(entry["subject"])
        if entry.get("step") == "evidence_ended":
            people[subject] = Heard(-1, ended=True)
            continue
        person = people.get(subject)
        if person is None:
            person = people[subject] = Heard(index)
        elif person.first < 0:
            person.first = index
        reader(person, index, entry, opener)
    return people


def hold_event(status: str, start: int, entry: int) -> Event:
    """The event behind a hold: an erasure outlasts restrictions, which win ties against their lifting."""
    return Event(HOLD_LEVEL[status], start, _HOLD_RANK[status], entry, (status,))


def choice_event(weak: bool, start: int, entry: int, data: tuple[Any, ...]) -> Event:
    """The event behind a choice; the first of `data` is its status."""
    return Event(WEAK if weak else FIRM, start, PROTECTION[data[0]], entry, data)


def _read_choice(person: Heard, index: int, entry: Mapping[str, Any], _opener: Opener) -> None:
    act = entry["act"]
    effective = entry.get("effective")
    start = entry["learned"] if effective is None else effective
    notice = entry.get("notice")
    if notice is not None:
        person.told.append((notice, start, index))
    weak = act in LOOSENING and (effective is None or not entry["authenticated"])
    if act in HOLDS:
        # A restriction ends only when somebody known says so, for the whole person and at a known time.
        if act == "restricted" or not (weak or entry["purpose"] != "*"):
            person.holds.append(hold_event(ACTS[act], start, index))
        return
    proof = (entry.get("expires"), GRADES[entry["grade"]], entry.get("signal", ""), notice, entry["method"])
    data = (ACTS[act], *proof)
    about = (entry["purpose"], entry.get("channel", ""), entry.get("recipient", ""))
    person.choices.setdefault(entry["voice"], []).append((about, choice_event(weak, start, index, data)))


def _read_fact(person: Heard, index: int, entry: Mapping[str, Any], opener: Opener) -> None:
    vector = opener(SubjectId(entry["subject"]), index, entry)
    if vector is None:
        return
    try:
        said = statement(entry["effective"], index, vector)
    except ValueError:
        raise BadInput(
            f"facts outside the closed vector in entry {index}; expected only {', '.join(FACTS)}, told or withdrawn"
        ) from None
    if said is not None:
        person.facts.append(said)


def _read_told(person: Heard, index: int, entry: Mapping[str, Any], _opener: Opener) -> None:
    if "notice" in entry:
        person.told.append((entry["notice"], entry["effective"], index))


def _read_erasure(person: Heard, index: int, entry: Mapping[str, Any], _opener: Opener) -> None:
    status = _ERASURE.get(entry["step"])
    if status is not None:
        person.holds.append(hold_event(status, entry["effective"], index))


_READERS: Mapping[str, Callable[[Heard, int, Mapping[str, Any], Opener], None]] = {
    "choice": _read_choice,
    "fact": _read_fact,
    "collection": _read_told,
    "told": _read_told,
    "erasure": _read_erasure,
}
