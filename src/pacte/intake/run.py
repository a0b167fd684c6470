"""One load while it runs: what all kinds of files share. Everything of a batch is one transaction."""

from __future__ import annotations

import hmac
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from itertools import repeat
from pathlib import Path
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection

from pacte.consent import state
from pacte.intake.check import Faults, Style
from pacte.intake.facts import told
from pacte.intake.mapping import MappingFile, Source
from pacte.intake.quarantine import Quarantine
from pacte.intake.reader import Aside, Batch
from pacte.kernel.canonical import Json
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import Instant
from pacte.keys.store import KeyStore
from pacte.lake import segments
from pacte.lake.schema import schema_of
from pacte.ledger import log, queries
from pacte.ledger.anchoring import Unanchored
from pacte.ledger.note import Signer
from pacte.policy.model import Dataset, PolicyFile
from pacte.vault import index, suppression
from pacte.vault.evidence import opener
from pacte.vault.normalise import identifiers, looked_at

ROW_KEY = "row-digest"
"""The house key under which rows are fingerprinted."""
SEPARATOR = "\x1f"
MEMORY = 20_000
"""How many short fingerprints are kept."""


def _nobody_writes(_: Collection[str]) -> AbstractContextManager[None]:
    """Where nothing is sent no no waits."""
    return nullcontext()


@dataclass(frozen=True, slots=True)
class Stores:
    """What a load needs of a house. `writing` opens a write transaction and anchors its checkpoint once committed.

    `region` (ISO 3166) is how telephone numbers without country code are read where a row names no place. `bought`:
    the file is not the company's own, and nobody enters whom any suppression names or who is known here already.
    `ending` is held while the no of people is recorded, who are named as `key:…`, `email:…` or `phone:…`: no message
    to them is then on its way.
    """

    writing: Callable[[], AbstractContextManager[Connection]]
    keys: KeyStore
    lake: Path
    quarantine: Path
    policy: PolicyFile
    mapping: MappingFile
    signer: Signer
    region: str = "FR"
    bought: bool = False
    ending: Callable[[Collection[str]], AbstractContextManager[None]] = _nobody_writes


@dataclass(slots=True)
class Run:
    """The state of one load: its counts, what it has seen of the file, the segments it added.

    `now` is the present that the load is about; `clock` says what the system's clock shows, which may have gone back.
    """

    stores: Stores
    source: Source
    load: str
    file: str
    now: Instant
    by: str
    quarantine: Quarantine
    clock: Callable[[], Instant]
    counts: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    seen: set[bytes] = field(default_factory=set)
    segments: list[str] = field(default_factory=list)
    facts_told: frozenset[str] = frozenset()
    standing: int = 0
    """Rows that were entered and committed."""
    _row_key: bytes = b""
    _short: dict[tuple[object, ...], bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.facts_told = told(self.source)

    @property
    def style(self) -> Style:
        """How the file writes dates and decimals."""
        return Style(self.source.dates, self.source.decimal)

    @property
    def dataset(self) -> str:
        """The name under which rows are remembered."""
        return self.source.dataset or "choices"

    def fingerprint(self, *parts: object) -> bytes:
        """16 bytes that say whether two rows say the same; without the key they say nothing about the row."""
        if not self._row_key:
            self._row_key = self.stores.keys.house_key(ROW_KEY)
        whole = SEPARATOR.join(map(str, parts))
        return hmac.digest(self._row_key, whole.encode("utf-8", "surrogatepass"), "sha256")[:16]

    def short(self, *parts: object) -> bytes:
        """The first 8 bytes of a fingerprint; words that come again and again are reckoned once."""
        found = self._short.get(parts)
        if found is None:
            found = self.fingerprint("short", *parts)[:8]
            if len(self._short) < MEMORY:
                self._short[parts] = found
        return found

    def row_id(self, parts: Iterable[object]) -> bytes:
        """The name of a row within its dataset, 16 bytes."""
        return self.fingerprint(self.dataset, *parts)

    def row_ids(self, keys: Sequence[Sequence[object]]) -> list[bytes]:
        """The names of rows whose keys stand in these columns."""
        columns = [key if set(map(type, key)) == {str} else list(map(str, key)) for key in keys]
        return list(map(self.fingerprint, repeat(self.dataset), *columns))

    @property
    def key_fields(self) -> tuple[str, ...]:
        """The fields of the index in which this file's keys of people are looked up.

        A file of choices by a field that several datasets of people have means any of them.
        """
        datasets = self.stores.policy.datasets
        if self.source.dataset and (reference := datasets[self.source.dataset].references):
            return (f"key:{reference}",)
        if self.source.dataset:
            return (index.key_field(self.source.dataset, datasets[self.source.dataset].person),)
        people = {name: dataset for name, dataset in datasets.items() if dataset.per == "person"}
        named = [(name, self.source.person[0]) for name, dataset in people.items() if self._is_key(dataset)]
        return tuple(index.key_field(*one) for one in named or [(name, people[name].person) for name in people])

    def _is_key(self, dataset: Dataset) -> bool:
        named = dataset.fields.get(self.source.person[0])
        return named is not None and named.identity == "key"

    def notice_digest(self, name: str | None) -> str:
        """The digest of a notice of the policy, `""` without one."""
        return self.stores.policy.notices[name].digest if name else ""

    def about(self) -> dict[str, Json]:
        """The keys that every entry of this load has."""
        return {**self.stores.policy.controller.standing, "by": self.by}

    def record(
        self,
        conn: Connection,
        entries: Sequence[Mapping[str, Json]],
        vectors: Mapping[tuple[str, str], Mapping[str, Any]] | None = None,
    ) -> range:
        """Append entries to the ledger and apply them to the state of consent; answers their indices.

        `vectors` holds the facts just sealed, by (subject, commitment), so that they need not be opened again.
        """
        # Read here, under the write lock: what others recorded since the load began is not after it.
        result = log.append(conn, entries, self.clock(), self.stores.signer)
        indices = range(result.first_index, result.size)
        sealed, known = opener(self.stores.keys), vectors or {}

        def open_facts(subject: SubjectId, position: int, entry: Mapping[str, Any]) -> Mapping[str, Any] | None:
            fresh = known.get((subject, entry["commit"]))
            return sealed(subject, position, entry) if fresh is None else fresh

        state.apply(conn, zip(indices, entries, strict=True), open_facts)
        return indices

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction of the load; what it accepted stands once it has committed."""
        try:
            with self.stores.writing() as conn:
                yield conn
        except Unanchored:
            self.standing = self.counts["accepted"]
            raise
        self.standing = self.counts["accepted"]

    def add_segment(self, conn: Connection, columns: Mapping[str, Sequence[Any]]) -> None:
        """Put rows into the lake: system columns and the declared ones that are not identities."""
        declared = self.stores.policy.datasets[self.source.dataset].fields
        kinds = {name: declared[name].type for name in columns if not name.startswith("_")}
        table = pa.table(dict(columns), schema=schema_of(kinds))
        if table.num_rows:
            segment = segments.add_segment(conn, self.stores.lake, self.source.dataset, table, self.load)
            self.segments.append(segment.sha256)

    def people(self, conn: Connection, kind: str, values: Iterable[str | None]) -> dict[str, list[SubjectId]]:
        """The people behind these values (normal forms) of `key`, `email` or `phone`.

        Who is being erased is nobody to a load, and on the suppression list already.
        """
        wanted = sorted({value for value in values if value})
        found: dict[str, list[SubjectId]] = {}
        for name in self._fields(kind) if wanted else ():
            for value, people in index.find_many(conn, self.stores.keys, name, wanted).items():
                found.setdefault(value, []).extend(people)
        leaving = queries.unfinished_erasures(conn) if found else frozenset()
        here = {value: [person for person in people if person not in leaving] for value, people in found.items()}
        return {value: people for value, people in here.items() if people}

    def _fields(self, kind: str) -> tuple[str, ...]:
        return self.key_fields if kind == "key" else (kind,)

    def suppressed(
        self, conn: Connection, kind: str, values: Iterable[str | None], reason: str = suppression.ERASED
    ) -> set[str]:
        """Those of these values whose owner was erased, or that are suppressed for another reason; `""` is any."""
        wanted = sorted({value for value in values if value})
        found: set[str] = set()
        for name in self._fields(kind) if wanted else ():
            found |= suppression.suppressed(conn, self.stores.keys, name, wanted, self.now, reason)
        return found

    def set_aside(self, batch: Batch, faults: Faults, named: Sequence[Mapping[str, str]] = ()) -> None:
        """Seal the rows of a batch that cannot enter; `named` are each row's own identifiers, kind → normal form.

        A row that names an erased person is not kept here either, nor one of a bought file that names a suppressed one.
        """
        rows = [(self._within_reach(row), self._guessed(row.row)) for row in batch.aside]
        for position in sorted(faults.found):
            reason, column = faults.found[position]
            aside = self._within_reach(Aside(batch.lines[position], reason, column, batch.row(position)))
            own = sorted((kind, value) for kind, value in named[position].items() if value) if named else []
            rows.append((aside, own or self._guessed(aside.row)))
        if not rows:
            return
        # Looked up and written under one lock: an erasure that comes after it finds the rows, one before it is seen.
        with self.stores.writing() as conn:
            every = [name for _, names in rows for name in names]
            erased = self._suppressed(conn, every, suppression.ERASED)
            gone = erased | (self._suppressed(conn, every, "") if self.stores.bought else set())
            kept = sorted(((row, names) for row, names in rows if not gone & set(names)), key=lambda row: row[0].line)
            self.quarantine.add([(row, index.blinds(self.stores.keys, self._blinded(names))) for row, names in kept])
        self.rejected.update(row.reason for row, _ in kept)
        self.counts["suppressed"] += len(rows) - len(kept)
        self.counts["unwanted"] += sum(bool(gone & {*names}) and not erased & {*names} for _, names in rows)

    def _blinded(self, names: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        # Not by telephone: a household shares one.
        return [(name, value) for kind, value in names if kind != "phone" for name in self._fields(kind)]

    def _guessed(self, row: Mapping[str, Any] | bytes) -> list[tuple[str, str]]:
        mark = self.source.delimiter
        if isinstance(row, bytes):
            return identifiers(self._text(row), mark)
        return sorted({name for cell in row.values() for name in identifiers(str(cell), mark)})

    def _within_reach(self, aside: Aside) -> Aside:
        """The row as far as people are looked for in it: an erasure would not find who is named behind."""
        row, mark = aside.row, self.source.delimiter
        if not isinstance(row, bytes):
            cells = {name: looked_at(cell, mark) if isinstance(cell, str) else cell for name, cell in row.items()}
            return replace(aside, row=cells)
        line = self._text(row)
        if (near := looked_at(line, mark)) == line:
            return aside
        kept = near.encode(self.source.encoding, "surrogateescape")
        return replace(aside, row=kept + f"\n[cut: {len(row)} bytes]".encode())

    def _text(self, row: bytes) -> str:
        return row.decode(self.source.encoding, "surrogateescape")

    def _suppressed(self, conn: Connection, names: Sequence[tuple[str, str]], reason: str) -> set[tuple[str, str]]:
        asked = {kind: {value for of, value in names if of == kind} for kind in ("key", "email")}
        return {(kind, one) for kind, values in asked.items() for one in self.suppressed(conn, kind, values, reason)}
