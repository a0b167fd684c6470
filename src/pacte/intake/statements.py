"""What a row's facts say that its source had not said before, and from when on that holds. Pure.

A source speaks for itself: each row is remembered by a short keyed fingerprint per fact, so that only what changed is
stated again, and what the source no longer says is withdrawn. What other sources said is not touched.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from pacte.consent.vectors import FIELDS, WITHDRAWN
from pacte.intake.facts import OVER, age, says_more
from pacte.intake.people import Person
from pacte.intake.run import Run
from pacte.intake.tables import Said
from pacte.kernel.canonical import Json
from pacte.kernel.instant import Instant
from pacte.policy.vocabulary import AGES

WIDTH = 8
"""Bytes per fact of a row's memory."""
SILENT = bytes(WIDTH)
"""Stands for a fact that the row does not tell."""
TOLD = 0x80
"""The bit of a fingerprint's first byte that is set when a fact was stated, and not when a parent was only sought."""


@dataclass(slots=True)
class News:
    """What is to be recorded: by effective instant, a vector of facts. `facts` and `since` are to be remembered."""

    facts: bytes
    since: Instant
    vectors: dict[Instant, dict[str, Json]] = field(default_factory=dict)

    def __iter__(self) -> Iterator[tuple[Instant, dict[str, Json]]]:
        return iter(sorted(self.vectors.items()))


def news(run: Run, person: Person, before: Said | None, origin: Instant, known_age: str = "") -> News:
    """Compare a row with what its source said before. `known_age` is what is known of the age, from whatever source.

    What a source says first holds from the row's collection; what it changes, from the row's new date or else from
    now. An age holds from `origin`, the first collection about the person: nobody's birth date ever changes. So does a
    parent, from when the row named them, however late they are found.

    An age that is declared without a birth date holds from when it was declared, and is stated only where it says more
    than what is known; taken back, it takes nothing else back.
    """
    known = before.facts if before else SILENT * len(FIELDS)
    since = Instant(person.collected if before is None or before.since is None else before.since)
    change = since if before is None else person.collected if person.collected > since else run.now
    found = News(b"", since)
    told: list[bytes] = []
    for at, (name, *_) in enumerate(FIELDS):
        old = known[at * WIDTH : (at + 1) * WIDTH]
        if name not in run.facts_told:
            told.append(old)
            continue
        says = _says(person, name, origin)
        told.append(_fingerprint(run, person, name, says))
        if told[-1] == old or not (says or old[0] & TOLD):
            continue
        if name == "age" and _is_vain(run, person, says, old, known_age):
            told[-1] = bytes([told[-1][0] & ~TOLD]) + told[-1][1:]
            continue
        if name == "age" and "age" not in person.facts:
            holds = origin
        elif name == "guardian" and old == _sought(run, person):
            holds = max(person.collected, since)
        else:
            holds = found.since = change
        vector = found.vectors.setdefault(holds, {})
        withdrawn = vector.get(WITHDRAWN, [])
        if says:
            vector |= says
        elif isinstance(withdrawn, list):
            vector[WITHDRAWN] = [*withdrawn, name]
    found.facts = b"".join(told)
    return found


def _says(person: Person, name: str, origin: Instant) -> dict[str, str | int]:
    if name == "age":
        return age(person.majority, origin) or {name: person.facts[name] for name in ("age",) if name in person.facts}
    if name == "guardian":
        return {"guardian": person.guardian} if person.guardian else {}
    return {name: person.facts[name]} if name in person.facts else {}


def _is_vain(run: Run, person: Person, says: dict[str, str | int], old: bytes, known_age: str) -> bool:
    """Whether a declared age, or its end, must not be stated: others know more."""
    if says:
        return "age" in person.facts and not says_more(str(says["age"]), known_age)
    declared = [_fingerprint(run, person, "age", {"age": one}) for one in AGES if one.startswith(OVER)]
    return old in declared and old != _fingerprint(run, person, "age", {"age": known_age})


def _fingerprint(run: Run, person: Person, name: str, says: dict[str, str | int]) -> bytes:
    if says:
        whole = run.short(name, *says.values())
        return bytes([whole[0] | TOLD]) + whole[1:]
    return _sought(run, person) if name == "guardian" and person.guardian_key else SILENT


def _sought(run: Run, person: Person) -> bytes:
    """Stands for a parent whom the row names and nobody has found yet."""
    if not person.guardian_key:
        return SILENT
    whole = run.short("sought", person.guardian_key)
    return bytes([whole[0] & ~TOLD]) + whole[1:]
