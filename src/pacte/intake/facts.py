"""The coarse facts that rules need about a person, as a file's columns tell them.

INVARIANT: nothing finer than the closed vector is recorded: a birth date becomes the day of majority here, and "adult",
or "minor" until that day, in `age`; a declaration to be 15 or over becomes "over_15"; an address becomes a country and,
where its law differs, a province or state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from pacte.intake import check
from pacte.intake.check import Faults, Style
from pacte.intake.mapping import CAPACITIES, Source, folded
from pacte.intake.places import place_of
from pacte.kernel.instant import DAY, Instant, from_date

MAJORITY = 18
OLDEST = 125
OVER = "over_"
"""How the word for a declared age begins."""


@dataclass(frozen=True, slots=True)
class FactColumns:
    """The facts of a batch, one position per row. `majorities` say when each person is of age.

    Ages are not among the vectors, save those that people declared where no birth date is known.
    `guardians` are source keys of parents, as the file writes them.
    """

    vectors: list[dict[str, str | int]]
    majorities: list[Instant | None]
    guardians: list[str | None]


def read_facts(
    source: Source, columns: Mapping[str, Sequence[Any]], rows: int, now: Instant, faults: Faults
) -> FactColumns:
    """The vector of every row; what the file does not say is absent from it."""
    style = Style(source.dates, source.decimal)
    vectors: list[dict[str, str | int]] = [{} for _ in range(rows)]
    for row, place in enumerate(places(source, columns, rows)):
        if place:
            vectors[row]["place"] = place
    majorities: list[Instant | None] = [None] * rows
    if "birth_date" in source.facts:
        cell = source.facts["birth_date"]
        births = check.column(columns[cell.column], "date", style, cell.column, faults)
        for row, birth in enumerate(births):
            if birth is not None:
                majorities[row] = _majority(birth, now, row, cell.column, faults)
    for row, declared in enumerate(_declared(source, columns, rows)):
        if declared and majorities[row] is None:  # a birth date says more
            vectors[row]["age"] = declared
    if "capacity" in source.facts:
        cell = source.facts["capacity"]
        for row, capacity in enumerate(check.cells(columns, cell, rows, faults)):
            if capacity is not None and capacity not in CAPACITIES:
                faults.add(row, "bad_value", cell.column)
            elif capacity is not None:
                vectors[row]["capacity"] = capacity
    for name in ("contract_since", "contract_until"):
        if name in source.facts:
            for row, moment in enumerate(check.moments(columns, source.facts[name], rows, style, faults)):
                if moment is not None:
                    vectors[row][name] = moment
    guardian = source.facts.get("guardian_key")
    guardians: list[str | None] = check.cells(columns, guardian, rows, faults) if guardian else [None] * rows
    return FactColumns(vectors, majorities, guardians)


def told(source: Source) -> frozenset[str]:
    """The facts that a source speaks of, by the first name of each in the closed vector."""
    names = {{"birth_date": "age", "guardian_key": "guardian"}.get(name, name) for name in source.facts}
    place, over = {"place"} if source.place is not None else set(), {"age"} if source.over is not None else set()
    return frozenset(names | place | over)


def age(majority: Instant | None, since: Instant) -> dict[str, str | int]:
    """What is known of an age from `since` on, by the day of majority; nothing without one."""
    if majority is None:
        return {}
    return {"age": "adult"} if majority <= since else {"age": "minor", "minor_until": majority}


def says_more(declared: str, known: str) -> bool:
    """Whether a declared age says more than what is known: nobody is made younger, or vaguer, by a declaration.

    >>> says_more("over_15", "over_13"), says_more("over_15", "adult"), says_more("over_15", "")
    (True, False, True)
    """
    return not known or (known.startswith(OVER) and int(declared[len(OVER) :]) > int(known[len(OVER) :]))


def _declared(source: Source, columns: Mapping[str, Sequence[Any]], rows: int) -> list[str]:
    """What each row declares of an age; only a yes says something, a no or an unknown word says nothing."""
    over = source.over
    if over is None:
        return [""] * rows
    yes = f"{OVER}{over.years}"
    return [yes if cell is not None and folded(cell) in over.words else "" for cell in columns[over.column]]


def places(source: Source, columns: Mapping[str, Sequence[Any]], rows: int) -> list[str]:
    """The place code of every row, `""` where it cannot be told."""
    if source.place is None:
        return [""] * rows
    names = source.place.names
    memory: dict[tuple[str, ...], str] = {}
    found = []
    for cells in zip(*(columns[name] for name in source.place.columns), strict=True):
        words = tuple(str(cell) if cell is not None else "" for cell in cells)
        if words not in memory:
            memory[words] = place_of(words, names)
        found.append(memory[words])
    return found


def of_age(birth: date) -> Instant:
    """The instant from which a person is 18 everywhere on earth: midnight of the birthday at UTC−12.

    Somebody born on 29 February is of age on 1 March.
    """
    try:
        birthday = birth.replace(year=birth.year + MAJORITY)
    except ValueError:
        birthday = date(birth.year + MAJORITY, 3, 1)
    return Instant(from_date(birthday) + DAY // 2)


def _majority(birth: date, now: Instant, row: int, name: str, faults: Faults) -> Instant | None:
    born = from_date(birth)
    if born > now or born < now - OLDEST * 366 * DAY:
        faults.add(row, "bad_date", name)
        return None
    return of_age(birth)
