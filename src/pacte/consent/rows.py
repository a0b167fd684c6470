"""From events to rows and back: the rectangles of one person, as the tables hold them. Pure.

`apply` reads back what the rows of a person remember, adds what was heard, and writes that person's rows anew;
`rebuild` does the same with nothing remembered.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, TypeAlias

from pacte.consent.events import WEAK, Heard, choice_event, hold_event
from pacte.consent.objections import spoken
from pacte.consent.timeline import Event, Key, Rectangle, extended, rectangles
from pacte.consent.vectors import FACTS, FIELDS, Statement, Values, cells

Row: TypeAlias = tuple[Any, ...]


@dataclass(slots=True)
class Remembered:
    """What the rows of one person remember; filled while reading the tables, then only read."""

    choices: dict[str, dict[Key, list[Event]]] = field(default_factory=dict)
    holds: list[Event] = field(default_factory=list)
    facts: list[Statement] = field(default_factory=list)
    told: dict[str, int] = field(default_factory=dict)
    """By notice: the earliest instant from which the person is known to have been told."""


def choice_rows(no: int, heard: Heard, before: Remembered) -> list[Row]:
    """The person's rows of `consent_choice`: all of the keys, voice by voice, about which something new was said."""
    rows: list[Row] = []
    for voice, said in heard.choices.items():
        for about, events in extended(before.choices.get(voice, {}), said):
            rows.extend(_choice_row(no, voice, about, found) for found in spoken(events))
    return rows


def hold_rows(no: int, heard: Heard, before: Remembered) -> list[Row]:
    """The person's rows of `consent_hold`."""
    found = rectangles(before.holds + heard.holds)
    return [(no, *_span(one), one.event.data[0], one.event.entry) for one in found]


def person_rows(no: int, heard: Heard, before: Remembered) -> list[Row]:
    """The person's rows of `consent_person`: a statement replaces what was known in the fields that it mentions."""
    return [(no, *one[:4], *one.values(), *one.entries()) for one in cells(before.facts + heard.facts)]


def told_rows(no: int, heard: Heard, before: Remembered) -> list[Row]:
    """The new rows of `consent_told`: only what moves the instant of being told to an earlier one says anything."""
    earliest = dict(before.told)
    rows: list[Row] = []
    for notice, start, entry in heard.told:
        if notice not in earliest or start < earliest[notice]:
            earliest[notice] = start
            rows.append((no, notice, entry, start))
    return rows


def remember_choices(people: dict[int, Remembered], rows: Iterable[Row]) -> None:
    """Read rows of `consent_choice` back into events."""
    seen: set[Row] = set()
    for no, voice, purpose, channel, recipient, *span_and_said in rows:
        status, since, expires, grade, signal, weak, entry, notice, method = span_and_said[_SPAN:]
        about = (purpose, channel, recipient)
        if (no, voice, about, entry) not in seen:
            seen.add((no, voice, about, entry))
            event = choice_event(bool(weak), since, entry, (status, expires, grade, signal, notice, method))
            people[no].choices.setdefault(voice, {}).setdefault(about, []).append(event)


def remember_holds(people: dict[int, Remembered], rows: Iterable[Row]) -> None:
    """Read rows of `consent_hold` back into events."""
    found = {(no, entry): (status, valid_from) for no, _, valid_from, _, _, status, entry in rows}
    for (no, entry), (status, start) in found.items():
        people[no].holds.append(hold_event(status, start, entry))


def remember_facts(people: dict[int, Remembered], rows: Iterable[Row]) -> None:
    """Read rows of `consent_person` back into events."""
    starts: dict[tuple[int, int], int] = {}
    said: dict[tuple[int, int], list[Values | None]] = {}
    for no, _, valid_from, _, _, *cell in rows:
        for at, entry in enumerate(cell[len(FACTS) :]):
            if entry is not None:
                starts[no, entry] = min(valid_from, starts.get((no, entry), valid_from))
                said.setdefault((no, entry), [None] * len(FIELDS))[at] = tuple(cell[_FIRST[at] : _FIRST[at + 1]])
    for (no, entry), values in said.items():
        people[no].facts.append(Statement(starts[no, entry], entry, tuple(values)))


def remember_told(people: dict[int, Remembered], rows: Sequence[Row]) -> None:
    """Read rows of `consent_told` back."""
    for no, notice, _, start in rows:
        told = people[no].told
        told[notice] = min(start, told.get(notice, start))


_FIRST = tuple(accumulate(map(len, FIELDS), initial=0))
"""Where the values of each of `FIELDS` begin among `FACTS`."""
_SPAN = 4
"""How many columns say when a rectangle holds and for whom."""


def _choice_row(no: int, voice: str, about: Key, found: Rectangle) -> Row:
    valid_from, valid_to, known_from, known_to, event = found
    level, start, _, entry, (status, expires, grade, signal, notice, method) = event
    # The span in the order of the columns, then what was said.
    span = (known_from, valid_from, valid_to, known_to)
    return (no, voice, *about, *span, status, start, expires, grade, signal, int(level == WEAK), entry, notice, method)


def _span(found: Rectangle) -> Row:
    # In the order of the columns: known_from, valid_from, valid_to, known_to.
    return (found.known_from, found.valid_from, found.valid_to, found.known_to)
