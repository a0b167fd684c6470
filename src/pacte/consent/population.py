"""The facts of a whole population at (T, S): the same facts as `facts_at`, for everybody at once.

What a rule can tell apart is little: a status, a few words, on which side of a few instants something lies. So people
are put into classes, and everybody of a class has the same facts. Each thing that is known of people (their own choice,
a parent's, where they live, …) is read by one scan into an array with one small integer per internal number, which is
dense; the classes are the combinations that occur.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, TypeAlias

import duckdb
import numpy as np
import pyarrow as pa
from sqlalchemy import Connection

from pacte.consent import base as layout
from pacte.consent.base import INSTANTS, WORDS, Word
from pacte.consent.choices import protection
from pacte.consent.facts import UNKNOWN
from pacte.consent.snapshot import Base, open_base
from pacte.consent.sql import DEPTH, SPOKEN, TOLD, VISIBLE
from pacte.kernel import db
from pacte.kernel.instant import Instant
from pacte.policy.vocabulary import STANDING_CHOICES

Marks: TypeAlias = Mapping[str, Sequence[int]]
"""By fact: the instants at which a rule turns, ascending. Values with no mark from one to below the other are alike."""
Facts: TypeAlias = "dict[str, list[str | int | None]]"
"""By fact: its value for each class."""

CHUNK = 1 << 16
"""People that are combined at once: what a processor keeps near."""
MOST = 1 << 20
"""Combinations that are counted side by side before those that do not occur are dropped."""
AHEAD = 2
"""Files that are read, or wait to be put in their place, at once."""
FEW = 64
"""Words that are not worth a look at whether they occur."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked about everybody: the question, and what the rules read.

    `reads` are names of facts, `marks` says of instants where rules turn, `standing` which standing choices are looked
    up, `notices` which notices matter: by digest, the bit that stands for it (and for its like) in the fact `told`.
    """

    purpose: str
    channel: str
    recipient: str
    t: Instant
    s: int
    reads: frozenset[str]
    marks: Marks = field(default_factory=dict)
    standing: tuple[str, ...] = ()
    notices: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class People:
    """Everybody who is known: internal numbers ascending, the class of each, and the facts of each class.

    An instant among the facts stands for all that the marks do not tell from it. `sizes` says how many each class has.
    """

    numbers: np.ndarray
    classes: np.ndarray
    sizes: np.ndarray
    facts: Facts


@dataclass(slots=True)
class _Said:
    """One thing known of people: a class for each number (0: nothing), and what each class says."""

    classes: np.ndarray
    values: list[Word]


def read(duck: duckdb.DuckDBPyConnection, conn: Connection, directory: Path, asked: Asked) -> People:
    """The classes of everybody known at `asked.s`. `conn` is a read transaction; `duck` may read `directory`."""
    reader = _Reader(duck, conn, open_base(conn, directory), asked)
    wanted = _wanted(asked)
    known = reader.known()
    begun: dict[str, Callable[[], _Said]] = {}
    for part, (voice, purpose) in _VOICES.items():
        if names := wanted.get(part):
            begun[part] = reader.choices(voice, purpose or asked.purpose, names, _prefix(part))
    if names := wanted.get("person"):
        begun["person"] = reader.persons(names)
    if wanted.get("hold"):
        begun["hold"] = reader.holds()
    if asked.notices:
        begun["told"] = reader.told()
    reader.scan()
    numbers = known()
    parts = {name: end() for name, end in begun.items()}
    if "choice.after_hold" in asked.reads:
        parts["after"] = reader.after_hold(parts["hold"])
    classes, combinations, sizes = _combined(numbers, list(parts.values()))
    return People(numbers, classes, sizes, _facts(asked, wanted, parts, combinations))


_VOICES: Mapping[str, tuple[str, str]] = {
    "choice": ("self", ""),
    "guardian": ("guardian", ""),
    **{name: ("self", purpose) for name, purpose in STANDING_CHOICES.items()},
    **{f"{name}/guardian": ("guardian", purpose) for name, purpose in STANDING_CHOICES.items()},
}
"""Parts of what is known that are choices: whose voice, about which purpose (`""`: the one in question)."""
_SAID_NAMES = ("status", "since", "expires", "grade", "signal", "notice", "method")
_SILENT: Mapping[str, str | int] = {"status": "none", "grade": 0, "signal": ""}
_PERSON = {
    "place": "person.place",
    "capacity": "person.capacity",
    "age": "person.age",
    "minor_until": "person.minor_until",
    "contract_since": "contract.since",
    "contract_until": "contract.until",
}


def _wanted(asked: Asked) -> dict[str, tuple[str, ...]]:
    """By part: the columns that must be told apart, in the order of their values."""
    wanted: dict[str, tuple[str, ...]] = {}
    for part in ("choice", "guardian"):
        wanted[part] = tuple(name for name in _SAID_NAMES if f"{part}.{name}" in asked.reads)
    for name in asked.standing:
        for part in (name, f"{name}/guardian"):
            wanted[part] = ("status", *(("signal",) if f"{name}.signal" in UNKNOWN else ()))
    grown = {"age", "minor_until"} if asked.standing else set()
    wanted["person"] = tuple(name for name, fact in _PERSON.items() if fact in asked.reads or name in grown)
    wanted["hold"] = ("status",) if asked.reads & {"hold.status", "choice.after_hold"} else ()
    return wanted


def _prefix(part: str) -> str:
    return part if part in ("choice", "guardian") else ""


def _facts(
    asked: Asked, wanted: Mapping[str, tuple[str, ...]], parts: Mapping[str, _Said], combinations: np.ndarray
) -> Facts:
    """The facts of each combination of the parts' classes."""
    facts: Facts = {"person.known": [1] * len(combinations)}
    spoken: dict[str, Facts] = {}
    for place, (part, said) in enumerate(parts.items()):
        names = {"told": ("told",), "after": ("choice.after_hold",)}.get(part) or _names(part, wanted[part])
        values = [said.values[at] for at in combinations[:, place].tolist()]
        columns = {name: [value[at] for value in values] for at, name in enumerate(names)}
        if part.partition("/")[0] in asked.standing:
            spoken[part] = columns
        else:
            facts |= columns
    for name in asked.standing:
        own, parents = spoken[name], spoken[f"{name}/guardian"]
        heeded = [at for at in range(len(combinations)) if _heeded(facts, own, parents, name, at, asked.t)]
        for fact, column in own.items():
            for at in heeded:
                column[at] = parents[fact][at]
        facts |= own
    return facts


def _heeded(facts: Facts, own: Facts, parents: Facts, name: str, at: int, t: Instant) -> bool:
    """Whether a parent's word counts: the more protective one, until the child is grown."""
    said, parent = own[f"{name}.status"][at], parents[f"{name}.status"][at]
    if protection(str(parent)) <= protection(str(said)):
        return False
    until = facts["person.minor_until"][at]
    return not (facts["person.age"][at] == "adult" or (isinstance(until, int) and until <= t))


def _names(part: str, columns: tuple[str, ...]) -> tuple[str, ...]:
    """The facts that the columns of a part are."""
    if part == "person":
        return tuple(_PERSON[column] for column in columns)
    return tuple(f"{part.partition('/')[0]}.{column}" for column in columns)


class _Reader:
    """Reads the parts from base and overlay, as one transaction sees them.

    Each part first says what it wants of the base, then all scans run, one after the other and each while what the one
    before gave is put in its place, then each part adds what the records say of whoever the base does not speak for.
    """

    def __init__(self, duck: duckdb.DuckDBPyConnection, conn: Connection, base: Base | None, asked: Asked) -> None:
        self._duck, self._conn, self._base, self._asked = duck, conn, base, asked
        self._names: dict[str, int | str] = {
            "purpose": asked.purpose,
            "channel": asked.channel,
            "recipient": asked.recipient,
            "t": asked.t,
            "s": asked.s,
        }
        self._ever = base is not None and asked.s >= base.size
        self._among = "" if base is None else " AND no IN (SELECT no FROM consent_touched)"
        self._scans: list[tuple[str, Callable[[pa.RecordBatch], None]]] = []
        rows = self._records("SELECT no FROM consent_subject WHERE known_from < :s")
        self._over = np.array(sorted(row[0] for row in rows), dtype=np.int32)
        # Of whoever is masked the base still has rows: the classes have room for them.
        self._top = max([0 if base is None else base.top, *self._over[-1:].tolist()])

    def known(self) -> Callable[[], np.ndarray]:
        """The numbers of everybody who is known, ascending."""
        found: list[np.ndarray] = [np.empty(0, np.int32)]
        where = "TRUE" if self._ever else f"known_from < {self._asked.s}"
        self._want(layout.dataset("subject"), "_no", where, lambda rows: found.append(rows.column(0).to_numpy()))

        def end() -> np.ndarray:
            held = np.concatenate(found)
            touched = 0 if self._base is None else len(self._base.touched)
            if not touched and not len(self._over):
                return held
            there = np.zeros(self._top + 1, bool)
            there[held] = True
            self._mask(there)
            there[self._over] = True
            return np.flatnonzero(there)

        return end

    def choices(self, voice: str, purpose: str, names: tuple[str, ...], prefix: str) -> Callable[[], _Said]:
        """What a voice said about the question: the narrowest key that covers it answers it."""
        marks = {
            name: tuple(self._asked.marks.get(f"{prefix}.{name}", ())) for name in names if name in INSTANTS["choice"]
        }
        part = _Part("choice", names, marks, tuple(_SILENT.get(name) for name in names), self._top)
        for track in self._covering(voice, purpose):
            self._want_part(part, track)
        select = f"SELECT no, {DEPTH}, {', '.join(names)} FROM consent_choice WHERE voice = :voice AND {SPOKEN}"

        def end() -> _Said:
            self._mask(part.classes)
            for no, _, *values in self._records(select, " ORDER BY 2", purpose=purpose, voice=voice):
                part.put(no, values)
            return part.said()

        return end

    def persons(self, names: tuple[str, ...]) -> Callable[[], _Said]:
        """What is known of persons themselves."""
        marks = {name: tuple(self._asked.marks.get(_PERSON[name], ())) for name in names if name in INSTANTS["person"]}
        if self._asked.standing and "minor_until" in names:
            marks["minor_until"] = tuple(sorted({*marks["minor_until"], self._asked.t}))
        return self._alone(_Part("person", names, marks, (None,) * len(names), self._top))

    def holds(self) -> Callable[[], _Said]:
        """What keeps people's data still: a restriction, an erasure."""
        return self._alone(_Part("hold", ("status",), {}, ("none",), self._top))

    def told(self) -> Callable[[], _Said]:
        """Which of the notices in question people were told of: one bit for each kind of notice."""
        notices = self._asked.notices
        bits = np.zeros(self._top + 1, np.min_scalar_type((2 << max(notices.values())) - 1))
        spans = f"valid_from <= {self._asked.t}" + ("" if self._ever else f" AND known_from < {self._asked.s}")

        def mark(rows: pa.RecordBatch, bit: int) -> None:
            bits[rows.column(0).to_numpy()] |= bits.dtype.type(bit)

        for track, (notice,) in enumerate(self._tracks("told")):
            if notice in notices:
                bit = 1 << notices[str(notice)]
                self._want(layout.dataset("told", track), "_no", spans, partial(mark, bit=bit))
        listed = ", ".join(f":n{at}" for at in range(len(notices)))
        named = {f"n{at}": notice for at, notice in enumerate(notices)}

        def end() -> _Said:
            self._mask(bits)
            select = f"SELECT no, notice FROM consent_told WHERE {TOLD} AND notice IN ({listed})"
            for no, notice in self._records(select, **named):
                bits[no] |= bits.dtype.type(1 << notices[notice])
            return _counted(bits, 1 + max(notices.values()))

        return end

    def scan(self) -> None:
        """Run what was asked of the base; while one file is read, the rows of the one before are put in their place."""
        with ThreadPoolExecutor(1) as reading:
            ahead = deque(reading.submit(self._read, sql) for sql, _ in self._scans[:AHEAD])
            for place, (_, take) in enumerate(self._scans):
                rows = ahead.popleft().result()
                for sql, _ in self._scans[place + AHEAD : place + AHEAD + 1]:
                    ahead.append(reading.submit(self._read, sql))
                for batch in rows.to_batches():
                    take(batch)

    def after_hold(self, holds: _Said) -> _Said:
        """Who is restricted and has firmly said yes since: few people, read one by one from the records."""
        after = np.zeros(self._top + 1, np.uint8)
        restricted = [at for at, value in enumerate(holds.values) if value == ("restricted",)]
        nos = np.flatnonzero(np.isin(holds.classes, restricted)).tolist() if restricted else []
        for start in range(0, len(nos), 10_000):
            among = db.among(self._conn, "integer")
            some = {**self._names, "voice": "self", "nos": db.listed(self._conn, nos[start : start + 10_000])}
            asked = f"no IN (SELECT value FROM {among.replace('?', ':nos')} AS asked)"
            sql = f"SELECT no, valid_from FROM consent_hold WHERE {asked} AND {VISIBLE}"
            held: dict[int, int] = dict(db.fetch(self._conn, sql, some))
            where = f"{asked} AND voice = :voice AND {SPOKEN}"
            sql = f"SELECT no, status, since, weak FROM consent_choice WHERE {where} ORDER BY {DEPTH}"
            own = {no: said for no, *said in db.fetch(self._conn, sql, some)}
            for no, (status, since, weak) in own.items():
                after[no] = int(status == "given" and not weak and since > held[no])
        return _Said(after, [(0,), (1,)])

    def _covering(self, voice: str, purpose: str) -> list[int]:
        """The tracks of choices that cover the question, the widest first."""
        asked = (purpose, self._asked.channel, self._asked.recipient)
        found = []
        for track, (said_by, *about) in enumerate(self._tracks("choice")):
            if said_by == voice and all(one in (ask, wide) for one, ask, wide in zip(about, asked, _WIDE, strict=True)):
                depth = sum(one != wide for one, wide in zip(about, _WIDE, strict=True))
                found.append((depth, track))
        return [track for _, track in sorted(found)]

    def _tracks(self, facet: str) -> list[Word]:
        return [] if self._base is None else self._base.words.of(f"track:{facet}")

    def _alone(self, part: _Part) -> Callable[[], _Said]:
        """A part of which each person has one row at (T, S)."""
        self._want_part(part, None)
        select = f"SELECT no, {', '.join(part.names)} FROM consent_{part.facet} WHERE {VISIBLE}"

        def end() -> _Said:
            self._mask(part.classes)
            for no, *values in self._records(select):
                part.put(no, values)
            return part.said()

        return end

    def _want_part(self, part: _Part, track: int | None) -> None:
        """Ask for the rows of a track that hold at (T, S)."""
        if self._base is None:
            return
        code = part.coded(self._base.words.of(part.facet))
        t, s = self._asked.t, self._asked.s
        valid = f"valid_from <= {t} AND coalesce(valid_to, {_NEVER}) > {t}"
        known = f"{valid} AND known_from < {s}"
        for past, where in [(False, valid)] if self._ever else [(False, known), (True, f"{known} AND known_to >= {s}")]:
            self._want(layout.dataset(part.facet, track, past=past), f"_no, {code}", where, part.take)

    def _want(self, dataset: str, columns: str, where: str, take: Callable[[pa.RecordBatch], None]) -> None:
        for path in [] if self._base is None else self._base.files.get(dataset, []):
            file = "'" + str(path).replace("'", "''") + "'"
            self._scans.append((f"SELECT {columns} FROM read_parquet({file}) WHERE {where}", take))

    def _read(self, sql: str) -> pa.Table:
        return self._duck.sql(sql).to_arrow_table()

    def _records(self, select: str, order: str = "", **more: int | str) -> list[db.Row]:
        """Rows of the records, of those for whom the base does not speak."""
        return db.fetch(self._conn, f"{select}{self._among}{order}", {**self._names, **more})

    def _mask(self, classes: np.ndarray) -> None:
        if self._base is not None:
            classes[self._base.touched[self._base.touched <= self._top]] = 0


def _counted(bits: np.ndarray, kinds: int) -> _Said:
    """So many bits of each person as classes: all that there can be where these are few, else those that occur."""
    if 1 << kinds <= FEW:
        return _Said(bits, [(value,) for value in range(1 << kinds)])
    values, classes = np.unique(bits, return_inverse=True)
    return _Said(classes, [(value,) for value in values.tolist()])


_WIDE = ("*", "", "")
_NEVER = 2**62
"""Beyond every instant: an open end, compared without asking first whether there is one."""


class _Part:
    """One thing known of people while it is read: rows of base and records become classes."""

    def __init__(
        self, facet: str, names: tuple[str, ...], marks: Mapping[str, tuple[int, ...]], nothing: Word, top: int
    ) -> None:
        self.facet, self.names, self._marks = facet, names, marks
        self._values: dict[Word, int] = {nothing: 0}
        self._words: Sequence[Word] = ()
        self._ways: list[int] = []
        self._known = np.empty(0, np.int32)
        self.classes = np.zeros(top + 1, np.uint16)

    def put(self, no: int, values: Sequence[Any]) -> None:
        """A row of the records: the value of each name."""
        word = tuple(
            self._alike(name, value) if name in self._marks else value
            for name, value in zip(self.names, values, strict=True)
        )
        if no < len(self.classes):
            at = self._values.setdefault(word, len(self._values))
            self._make_room()
            self.classes[no] = at

    def coded(self, words: Sequence[Word]) -> str:
        """SQL of one integer for what a row of the base says; `take` reads it."""
        code, ways = "said", [len(marks) + 2 for marks in self._marks.values()]
        for (name, marks), way in zip(self._marks.items(), ways, strict=True):
            beyond = "".join(f" + CAST({name} > {mark} AS INTEGER)" for mark in marks)
            code = f"({code}) * {way} + CASE WHEN {name} IS NULL THEN 0 ELSE 1{beyond} END"
        self._words, self._ways = words, ways
        self._known = np.full(max(1, len(words)) * prod(ways), -1, np.int32)
        return f"CAST({code} AS INTEGER) AS code"

    def take(self, rows: pa.RecordBatch) -> None:
        """Rows of the base: numbers, and the integer that `coded` asked for."""
        nos, codes = rows.column(0).to_numpy(), rows.column(1).to_numpy()
        found = self._known[codes]
        if len(found) and found.min() < 0:
            for code in np.unique(codes[found < 0]).tolist():
                self._known[code] = self._values.setdefault(self._decoded(code), len(self._values))
            found = self._known[codes]
            self._make_room()
        self.classes[nos] = found

    def _make_room(self) -> None:
        if len(self._values) > 1 << 16 and self.classes.itemsize == 2:
            self.classes = self.classes.astype(np.int32)

    def _decoded(self, code: int) -> Word:
        values: dict[str, Any] = {}
        for name, way in zip(reversed(list(self._marks)), reversed(self._ways), strict=True):
            code, lies = divmod(code, way)
            values[name] = self._lying(name, lies)
        values |= dict(zip(WORDS[self.facet], self._words[code], strict=True))
        return tuple(values[name] for name in self.names)

    def said(self) -> _Said:
        """What was read; words that nobody's row holds are left out where there are many."""
        values = list(self._values)
        if len(values) <= FEW:
            return _Said(self.classes, values)
        used = np.flatnonzero(np.bincount(self.classes, minlength=len(values)))
        renamed = np.zeros(len(values), np.int32)
        renamed[used] = np.arange(len(used), dtype=np.int32)
        return _Said(renamed[self.classes], [values[at] for at in used.tolist()])

    def _alike(self, name: str, value: int | None) -> int | None:
        return None if value is None else self._lying(name, 1 + bisect_left(self._marks[name], value))

    def _lying(self, name: str, way: int) -> int | None:
        """A value that lies so: 0 is none, 1 at or before the first mark, 2 at or before the second, …"""
        marks = self._marks[name]
        if way == 0:
            return None
        return marks[way - 1] if way <= len(marks) else (marks[-1] + 1 if marks else 0)


def _combined(numbers: np.ndarray, parts: list[_Said]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The class of each of `numbers`, the combination of the parts' classes that it stands for, and its size."""
    classes = np.zeros(len(numbers), np.int32)
    combinations = np.zeros((1, 0), np.int64)
    sizes = np.array([len(numbers)], np.int64)
    pending: list[_Said] = []
    for part in [*parts, None]:
        many = len(combinations) * prod(len(one.values) for one in pending)
        if part is not None and many * len(part.values) <= MOST:
            pending.append(part)
            continue
        classes, combinations, sizes = _merged(numbers, classes, combinations, pending)
        pending = [] if part is None else [part]
    if pending:
        classes, combinations, sizes = _merged(numbers, classes, combinations, pending)
    return classes, combinations, sizes


def _merged(
    numbers: np.ndarray, classes: np.ndarray, combinations: np.ndarray, parts: list[_Said]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    ways = [len(part.values) for part in parts]
    total = len(combinations) * prod(ways)
    occurs = np.zeros(total, bool)
    for start in range(0, len(numbers), CHUNK):
        some = numbers[start : start + CHUNK]
        # Numbers without a gap are read as they lie.
        dense = int(some[-1]) - int(some[0]) + 1 == len(some)
        place: Any = slice(int(some[0]), int(some[-1]) + 1) if dense else some
        code = classes[start : start + CHUNK]
        for part, way in zip(parts, ways, strict=True):
            if way > 1:
                code *= way
                code += part.classes[place]
        occurs[code] = True
    used = np.flatnonzero(occurs)
    renamed = np.zeros(total, np.int32)
    renamed[used] = np.arange(len(used), dtype=np.int32)
    sizes = np.zeros(len(used), np.int64)
    for start in range(0, len(numbers), CHUNK):
        code = classes[start : start + CHUNK] = renamed[classes[start : start + CHUNK]]
        sizes += np.bincount(code, minlength=len(used))
    before, *places = np.unravel_index(used, (len(combinations), *ways))
    return classes, np.column_stack([combinations[before], *places]), sizes
