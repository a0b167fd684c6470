"""The facts of a whole population at (T, S): the same facts as `facts_at`, for everybody at once.

What a rule can tell apart is little: a status, a few words, on which side of a few instants something lies. So people
are put into classes, and everybody of a class has the same facts. Each thing that is known of people (their own choice,
a parent's, where they live, …) is read by one scan into an array with one small integer per internal number, which is
dense; the classes are the combinations that occur.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from math import prod
from pathlib import Path
from threading import Semaphore
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
from pacte.kernel.errors import Unsafe
from pacte.kernel.instant import Instant
from pacte.policy.vocabulary import STANDING_CHOICES

Marks: TypeAlias = Mapping[str, Sequence[int]]
"""By fact: the instants at which a rule turns, ascending. Values with no mark from one to below the other are alike."""
Facts: TypeAlias = "dict[str, list[str | int | None]]"
"""By fact: its value for each class."""

CHUNK = 1 << 17
"""People that are combined at once: what a processor keeps near."""
MOST = 1 << 22
"""Combinations that are counted side by side before those that do not occur are dropped."""
AHEAD = 2
"""Files that are read, or wait to be put in their place, at once."""
FEW = 8
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

    def of(self, classes: np.ndarray) -> np.ndarray:
        """The numbers of everybody whose class is marked, ascending."""
        if not len(classes):
            return np.empty(0, np.int64)

        def chosen(start: int, stop: int) -> np.ndarray:
            found: np.ndarray = self.numbers[start:stop][classes[self.classes[start:stop]]]
            return found.astype(np.int64)

        return np.concatenate([np.empty(0, np.int64), *in_chunks(len(self.numbers), chosen)])


_Alike: TypeAlias = "tuple[Word, np.ndarray]"
"""The same values, and the numbers of everybody who has them."""


@dataclass(frozen=True, slots=True)
class _Said:
    """One thing known of people: a code for each number, and what each class says.

    `renamed` is the class of each code; without it codes are classes. Where there is one class, there are no codes.
    """

    codes: np.ndarray
    values: list[Word]
    renamed: np.ndarray | None = None

    def put(self, codes: np.ndarray, place: slice | np.ndarray, way: int) -> None:
        """Make room in `codes` for so many ways, and add the classes of the people at `place`."""
        codes *= codes.dtype.type(way)
        held = self.codes[place]
        np.add(codes, held if self.renamed is None else self.renamed[held], out=codes, casting="same_kind")

    def having(self, value: Word) -> np.ndarray:
        """The numbers of everybody of whom this is said, ascending."""
        if value not in self.values or len(self.values) < 2:
            return np.empty(0, np.int64)
        meant = np.array([one == value for one in self.values])
        return np.flatnonzero((meant if self.renamed is None else meant[self.renamed])[self.codes])


def read(duck: duckdb.DuckDBPyConnection, conn: Connection, directory: Path, asked: Asked) -> People:
    """The classes of everybody known at `asked.s`. `conn` is a read transaction; `duck` may read `directory`."""
    wanted = _wanted(asked)
    with _Reader(duck, conn, open_base(conn, directory), asked) as reader:
        numbers, parts = _parts(reader, asked, wanted)
    classes, combinations, sizes = _combined(numbers, list(parts.values()))
    return People(numbers, classes, sizes, _facts(asked, wanted, parts, combinations))


def _parts(reader: _Reader, asked: Asked, wanted: Mapping[str, tuple[str, ...]]) -> tuple[np.ndarray, dict[str, _Said]]:
    """The numbers of everybody known, and each thing that is known of them, by the name of the part."""
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
    return numbers, parts


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

    Each part says what it wants of the base, and asks the records about whoever the base does not speak for. A thread
    reads the base file by file meanwhile, and goes on while what it has read is put in its place.
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
        self._reading, self._room, self._ended = ThreadPoolExecutor(1), Semaphore(AHEAD), False
        self._scans: list[tuple[Future[pa.Table], Callable[[pa.RecordBatch], None]]] = []
        recorded = self._records("consent_subject", (), "known_from < :s")
        self._over = np.sort(recorded[0][1]) if recorded else np.empty(0, np.int64)
        # Of whoever is masked the base still has rows: the classes have room for them.
        self._top = max([0 if base is None else base.top, *self._over[-1:].tolist()])

    def __enter__(self) -> _Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        self._room.release(len(self._scans) + 1)
        self._reading.shutdown(cancel_futures=True)

    def known(self) -> Callable[[], np.ndarray]:
        """The numbers of everybody who is known, ascending."""
        there = np.zeros(self._top + 1, bool)

        def mark(rows: pa.RecordBatch) -> None:
            there[_place(rows.column(0).to_numpy())] = True

        if self._base is not None and self._base.first is not None and self._ever:
            there[self._base.first : self._base.top + 1] = True  # nobody is missing: no need to look
        else:
            where = "TRUE" if self._ever else f"known_from < {self._asked.s}"
            self._want(layout.dataset("subject"), "_no", where, mark)

        def end() -> np.ndarray:
            self._mask(there)
            there[self._over] = True
            first = int(there.argmax())
            if np.count_nonzero(there) == len(there) - first:
                return np.arange(first, len(there), dtype=np.int32)
            return np.flatnonzero(there)

        return end

    def choices(self, voice: str, purpose: str, names: tuple[str, ...], prefix: str) -> Callable[[], _Said]:
        """What a voice said about the question: the narrowest key that covers it answers it."""
        marks = {
            name: tuple(self._asked.marks.get(f"{prefix}.{name}", ())) for name in names if name in INSTANTS["choice"]
        }
        part = self._part("choice", names, marks, tuple(_SILENT.get(name) for name in names))
        for track in self._covering(voice, purpose):
            self._want_part(part, track)
        where = f"voice = :voice AND {SPOKEN}"
        rows = self._records("consent_choice", part.columns, where, DEPTH, purpose=purpose, voice=voice)
        return self._ending(part, rows)

    def persons(self, names: tuple[str, ...]) -> Callable[[], _Said]:
        """What is known of persons themselves."""
        marks = {name: tuple(self._asked.marks.get(_PERSON[name], ())) for name in names if name in INSTANTS["person"]}
        if self._asked.standing and "minor_until" in names:
            marks["minor_until"] = tuple(sorted({*marks["minor_until"], self._asked.t}))
        return self._alone(self._part("person", names, marks, (None,) * len(names)))

    def holds(self) -> Callable[[], _Said]:
        """What keeps people's data still: a restriction, an erasure."""
        return self._alone(self._part("hold", ("status",), {}, ("none",)))

    def told(self) -> Callable[[], _Said]:
        """Which of the notices in question people were told of: one bit for each kind of notice."""
        notices = self._asked.notices
        bits = np.zeros(self._top + 1, np.min_scalar_type((2 << max(notices.values())) - 1))
        spans = f"valid_from <= {self._asked.t}" + ("" if self._ever else f" AND known_from < {self._asked.s}")

        def mark(rows: pa.RecordBatch, bit: int) -> None:
            bits[_place(rows.column(0).to_numpy())] |= bits.dtype.type(bit)

        for track, (notice,) in enumerate(self._tracks("told")):
            if notice in notices:
                bit = 1 << notices[str(notice)]
                self._want(layout.dataset("told", track), "_no", spans, partial(mark, bit=bit))
        listed = ", ".join(f":n{at}" for at in range(len(notices)))
        named = {f"n{at}": notice for at, notice in enumerate(notices)}
        rows = self._records("consent_told", ("notice",), f"{TOLD} AND notice IN ({listed})", **named)

        def end() -> _Said:
            self._mask(bits)
            for (notice,), numbers in rows:
                bits[numbers] |= bits.dtype.type(1 << notices[str(notice)])
            return _counted(bits, 1 + max(notices.values()))

        return end

    def scan(self) -> None:
        """Put everything that was wanted of the base in its place."""
        for read, take in self._scans:
            for batch in read.result().to_batches():
                take(batch)
            self._room.release()

    def after_hold(self, holds: _Said) -> _Said:
        """Who is restricted and has firmly said yes since: few people, read one by one from the records."""
        nos = holds.having(("restricted",)).tolist()
        if not nos:
            return _Said(_NOTHING, [(0,)])
        after = np.zeros(self._top + 1, np.uint8)
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
        return self._ending(part, self._records(f"consent_{part.facet}", part.columns, VISIBLE))

    def _part(self, facet: str, names: tuple[str, ...], marks: Mapping[str, tuple[int, ...]], nothing: Word) -> _Part:
        return _Part(facet, names, marks, nothing, [] if self._base is None else self._base.words.of(facet), self._top)

    def _ending(self, part: _Part, rows: list[_Alike]) -> Callable[[], _Said]:
        def end() -> _Said:
            self._mask(part.codes)
            part.put(rows)
            return part.said()

        return end

    def _want_part(self, part: _Part, track: int | None) -> None:
        """Ask for the rows of a track that hold at (T, S)."""
        if self._base is None:
            return
        code = part.coded()
        t, s = self._asked.t, self._asked.s
        valid = f"valid_from <= {t} AND coalesce(valid_to, {_NEVER}) > {t}"
        known = f"{valid} AND known_from < {s}"
        for past, where in [(False, valid)] if self._ever else [(False, known), (True, f"{known} AND known_to >= {s}")]:
            self._want(layout.dataset(part.facet, track, past=past), f"_no, {code}", where, part.take)

    def _want(self, dataset: str, columns: str, where: str, take: Callable[[pa.RecordBatch], None]) -> None:
        for path in [] if self._base is None else self._base.files.get(dataset, []):
            file = "'" + str(path).replace("'", "''") + "'"
            sql = f"SELECT {columns} FROM read_parquet({file}) WHERE {where}"
            self._scans.append((self._reading.submit(self._read, sql), take))

    def _read(self, sql: str) -> pa.Table:
        self._room.acquire()
        if self._ended:  # somebody raised meanwhile: nobody takes it any more
            raise Unsafe("a population was read no further")
        return self._duck.sql(sql).to_arrow_table()

    def _records(
        self, table: str, columns: Sequence[str], where: str, order: str = "0", **more: int | str
    ) -> list[_Alike]:
        """What the records say of those for whom the base does not speak: values of `columns`, and whose they are.

        The database puts together whoever is alike: a row of Python for each of many would take longer than the rest.
        """
        numbers = "string_agg(CAST(no AS text), ',')" if db.is_postgres(self._conn) else "group_concat(no)"
        chosen = "".join(f", {column}" for column in columns)
        alike = ", ".join(str(place) for place in range(2, len(columns) + 3))
        sql = f"SELECT {numbers}, {order}{chosen} FROM {table} WHERE {where}{self._among} GROUP BY {alike} ORDER BY 2"
        found = db.fetch(self._conn, sql, {**self._names, **more})
        return [(tuple(values), np.fromstring(listed, np.int64, sep=",")) for listed, _, *values in found]

    def _mask(self, held: np.ndarray) -> None:
        if self._base is not None and len(held):
            held[self._base.touched[self._base.touched <= self._top]] = 0


def _place(numbers: np.ndarray) -> slice | np.ndarray:
    """Where these numbers lie: as one stretch, where each is one more than the one before."""
    if not len(numbers) or int(numbers[-1]) - int(numbers[0]) + 1 != len(numbers):
        return numbers
    whole = slice(int(numbers[0]), int(numbers[-1]) + 1)
    return whole if (numbers == np.arange(whole.start, whole.stop, dtype=numbers.dtype)).all() else numbers


def _counted(bits: np.ndarray, kinds: int) -> _Said:
    """So many bits of each person as classes: all that there can be where these are few, else those that occur."""
    if 1 << kinds <= FEW:
        return _Said(bits, [(value,) for value in range(1 << kinds)])
    values, classes = np.unique(bits, return_inverse=True)
    return _Said(classes.astype(np.uint32), [(value,) for value in values.tolist()])


_WIDE = ("*", "", "")
_NEVER = 2**62
"""Beyond every instant: an open end, compared without asking first whether there is one."""


class _Part:
    """One thing known of people while it is read: rows of base and records become codes.

    The code of a row is made of the word that it holds (the columns that are no instants, as far as they are asked for)
    and of how its instants lie to the marks; 0 is nothing. Codes are kept once somebody has one.
    """

    def __init__(
        self,
        facet: str,
        names: tuple[str, ...],
        marks: Mapping[str, tuple[int, ...]],
        nothing: Word,
        words: Sequence[Word],
        top: int,
    ) -> None:
        self.facet, self.codes = facet, np.empty(0, np.uint8)
        self._names, self._marks, self._nothing, self._top = names, marks, nothing, top
        self._texts = tuple(name for name in names if name not in marks)
        self._ways = prod(len(turns) + 2 for turns in marks.values())
        self._known: dict[Word, int] = {}
        held = [WORDS[facet].index(name) for name in self._texts]
        meant = [self._number(tuple(word[place] for place in held)) for word in words]
        self._renamed = None if meant == list(range(len(words))) else self._renaming(meant)
        self._many = 1 + len(words) * self._ways
        self._seen = np.zeros(1 + len(self._known) * self._ways, bool)

    @property
    def columns(self) -> tuple[str, ...]:
        """What `put` wants of the records, after the number: texts, then SQL of how each instant lies."""
        # INVARIANT: SQLite compares a text with an integer, and says yes; what is no integer has no place, and raises.
        lies = (f"CASE WHEN {name} IS NULL OR {name} + 0 = {name} THEN {self._lies(name)} END" for name in self._marks)
        return (*self._texts, *lies)

    def put(self, rows: Sequence[_Alike]) -> None:
        """Rows of the records, `columns` of each; of two of one person the later one counts."""
        many = len(self._texts)
        for values, numbers in rows:
            code = self._code(values[:many], values[many:])
            self._keep(numbers, np.array([code]))

    def coded(self) -> str:
        """SQL of the code of a row of the base, before words that mean the same are given one number; for `take`."""
        code = "said"
        for name, turns in self._marks.items():
            code = f"({code}) * {len(turns) + 2} + {self._lies(name)}"
        kind = "UTINYINT" if self._many <= 1 << 8 else "USMALLINT" if self._many <= 1 << 16 else "INTEGER"
        return f"CAST({code} + 1 AS {kind}) AS code"

    def take(self, rows: pa.RecordBatch) -> None:
        """Rows of the base: numbers, and the code that `coded` asked for."""
        codes = rows.column(1).to_numpy()
        self._keep(rows.column(0).to_numpy(), codes if self._renamed is None else self._renamed[codes])

    def said(self) -> _Said:
        """What was read; what nobody's row says is left out where there are many."""
        if not len(self.codes):
            return _Said(self.codes, [self._nothing])
        if len(self._seen) <= FEW:
            return _Said(self.codes, [self._decoded(code) for code in range(len(self._seen))])
        self._seen[0] = True
        used = np.flatnonzero(self._seen)
        renamed = np.zeros(len(self._seen), _least(len(used)))
        renamed[used] = np.arange(len(used))
        return _Said(self.codes, [self._decoded(code) for code in used.tolist()], renamed)

    def _keep(self, numbers: np.ndarray, codes: np.ndarray) -> None:
        many = 1 + len(self._known) * self._ways
        if many > len(self._seen):
            self._seen = np.append(self._seen, np.zeros(many - len(self._seen), bool))
        kind = _least(many)
        if not len(self.codes):
            self.codes = np.zeros(self._top + 1, kind)
        elif kind.itemsize > self.codes.itemsize:
            self.codes = self.codes.astype(kind)
        self.codes[_place(numbers)] = codes
        self._seen[codes] = True  # of few, too: records may say what makes them many

    def _lies(self, name: str) -> str:
        """SQL of where an instant lies: 0 is none, 1 at or before the first mark, 2 at or before the second, …"""
        beyond = "".join(f" + CAST({name} > {mark} AS INTEGER)" for mark in self._marks[name])
        return f"CASE WHEN {name} IS NULL THEN 0 ELSE 1{beyond} END"

    def _number(self, word: Word) -> int:
        return self._known.setdefault(word, len(self._known))

    def _renaming(self, meant: list[int]) -> np.ndarray:
        """By code of a row of the base: the same with the number of what its word means."""
        lies = np.arange(self._ways)
        codes = (np.array(meant, np.int64)[:, None] * self._ways + lies + 1).ravel()
        return np.append([0], codes).astype(_least(1 + len(self._known) * self._ways))

    def _code(self, word: Word, lies: Sequence[Any]) -> int:
        code = self._number(word)
        for turns, lying in zip(self._marks.values(), lies, strict=True):
            code = code * (len(turns) + 2) + lying
        return code + 1

    def _decoded(self, code: int) -> Word:
        if code == 0:
            return self._nothing
        code -= 1
        values: dict[str, Any] = {}
        for name, turns in reversed(list(self._marks.items())):
            code, lying = divmod(code, len(turns) + 2)
            values[name] = _lying(turns, lying)
        values |= dict(zip(self._texts, list(self._known)[code], strict=True))
        return tuple(values[name] for name in self._names)


def _lying(marks: Sequence[int], way: int) -> int | None:
    """A value that lies so."""
    if way == 0:
        return None
    return marks[way - 1] if way <= len(marks) else (marks[-1] + 1 if marks else 0)


def _least(many: int) -> np.dtype[Any]:
    """The smallest type for so many codes from 0 on."""
    return np.dtype(np.uint8 if many < 1 << 8 else np.uint16 if many < 1 << 16 else np.int32)


def _combined(numbers: np.ndarray, parts: list[_Said]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The class of each of `numbers`, the combination of the parts' classes that it stands for, and its size."""
    classes: np.ndarray | None = None
    combinations = np.zeros((1, 0), np.int64)
    sizes = np.array([len(numbers)], np.int64)
    waiting = list(parts)
    while waiting or classes is None:
        together, many = 0, len(combinations)
        while together < len(waiting) and (not together or many * len(waiting[together].values) <= MOST):
            many *= len(waiting[together].values)
            together += 1
        classes, combinations, sizes = _merged(numbers, classes, combinations, waiting[:together])
        waiting = waiting[together:]
    return classes, combinations, sizes


def _merged(
    numbers: np.ndarray, classes: np.ndarray | None, combinations: np.ndarray, parts: list[_Said]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same with these parts besides; combinations that nobody has are left out where there are many."""
    ways = [len(part.values) for part in parts]
    total = len(combinations) * prod(ways)
    codes = np.zeros(len(numbers), _least(total))
    occurs = np.zeros(total, bool)

    def combine(start: int, stop: int) -> np.ndarray:
        some = numbers[start:stop]
        # Numbers without a gap are read as they lie.
        dense = int(some[-1]) - int(some[0]) + 1 == len(some)
        place: Any = slice(int(some[0]), int(some[-1]) + 1) if dense else some
        code = codes[start:stop]
        if classes is not None:
            code[:] = classes[start:stop]
        for part, way in zip(parts, ways, strict=True):
            if way > 1:
                part.put(code, place, way)
        if codes.itemsize == 1:
            return np.bincount(code, minlength=total)
        occurs[code] = True
        return _NOTHING

    counts = in_chunks(len(numbers), combine)
    used = np.arange(total) if codes.itemsize == 1 else np.flatnonzero(occurs)
    if codes.itemsize > 1:
        renamed, found = np.zeros(total, _least(len(used))), np.empty(len(numbers), _least(len(used)))
        renamed[used] = np.arange(len(used))

        def rename(start: int, stop: int) -> np.ndarray:
            some = found[start:stop] = renamed[codes[start:stop]]
            return np.bincount(some, minlength=len(used))

        counts, codes = in_chunks(len(numbers), rename), found
    sizes = np.zeros(len(used), np.int64)
    for some in counts:
        sizes += some
    before, *places = np.unravel_index(used, (len(combinations), *ways))
    return codes, np.column_stack([combinations[before], *places]), sizes


_NOTHING = np.empty(0, np.int64)


def in_chunks(count: int, work: Callable[[int, int], np.ndarray]) -> list[np.ndarray]:
    """What `work` gives for each stretch of so many things, in order; two stretches are worked on at once."""
    starts = range(0, count, CHUNK)
    if len(starts) < 2:
        return [work(start, min(start + CHUNK, count)) for start in starts]
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda start: work(start, min(start + CHUNK, count)), starts))
