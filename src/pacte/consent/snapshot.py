"""The columnar copy of the derived tables, and what has changed since: base plus overlay.

The base is lake segments (see `base`), written whole at some ledger size. Rows of a person touched since then are read
from the record database instead: `consent_touched` masks all of that person's rows in the base. A house without a base
reads everything from the record database, with the same answers.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Connection

from pacte.consent import base as layout
from pacte.consent.base import FORMAT, Words
from pacte.consent.state import applied
from pacte.consent.tables import COLUMNS, FACETS
from pacte.kernel import db
from pacte.kernel.db import fetch
from pacte.kernel.errors import Unsafe
from pacte.lake import numbers, tables
from pacte.lake.drafts import Drafts
from pacte.lake.segments import DERIVED, adopt, not_found, retire, segments
from pacte.ledger import log, queries

Progress: TypeAlias = Callable[[int, int], None]
"""Called with the people done and the people there are."""

STEP = 20_000
"""So many internal numbers are read at once: what is in memory does not grow with the house."""

WORTH = 10_000
"""Below this many people the record database alone is fast enough."""
SHARE = 10
"""A new base is written once more than one person in so many was touched since the last one."""


@dataclass(frozen=True, slots=True)
class Base:
    """The base that one read transaction sees: its files, their words, and whom it no longer speaks for."""

    size: int
    words: Words
    files: dict[str, list[Path]]
    touched: np.ndarray
    top: int
    """The greatest number in it."""
    first: int | None = None
    """The least number in it, where nobody from there to `top` is missing."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A new base that no manifest names yet. `touched`: who had been touched when it was read."""

    size: int
    touched: frozenset[int]
    based: bool
    drafts: Drafts


def write(conn: Connection, directory: Path) -> int:
    """Write a new base in the caller's write transaction and take the old one off the manifest; its ledger size.

    The old files go with the next `lake.segments.garbage`. Large houses call `prepare` without the lock.
    """
    with Drafts(directory) as drafts:
        prepared = prepare(conn, drafts)
        if not conclude(conn, prepared):
            raise Unsafe("the columnar copy of the facts does not follow from the records it was just read from")
    return prepared.size


def prepare(conn: Connection, drafts: Drafts, progress: Progress = lambda _done, _all: None) -> Prepared:
    """Read the records as `conn` sees them into the files of a new base, without the write lock."""
    words, top = Words(), _top(conn)
    for start in range(0, top + 1, STEP):
        _copy(conn, drafts, words, start, start + STEP)
        progress(min(start + STEP, top), top)
    drafts.write(layout.dataset("words"), words.table())
    drafts.end()
    touched = frozenset(row[0] for row in fetch(conn, "SELECT no FROM consent_touched"))
    return Prepared(applied(conn), touched, _is_based(conn), drafts)


def conclude(conn: Connection, prepared: Prepared) -> bool:
    """Put a prepared base in the place of the old one, in a write transaction; `False` if it must be prepared again.

    Whoever was touched meanwhile is read from the records. Evidence that ended meanwhile is in its files, and its
    person can no longer be named to mask it.
    """
    if any(entry["step"] == "evidence_ended" for entry in _erasures_since(conn, prepared.size)):
        return False
    since = set(numbers.numbers(conn, queries.subjects_since(conn, prepared.size)).values())
    touched = {row[0] for row in fetch(conn, "SELECT no FROM consent_touched")}
    retire(conn, [segment for segment in segments(conn) if segment.dataset.startswith(DERIVED)])
    adopt(conn, prepared.drafts.finished, "snapshot")
    db.run(conn, "DELETE FROM consent_touched")
    db.insert(conn, "consent_touched", ("no",), [(no,) for no in sorted(since | (touched - prepared.touched))])
    db.run(conn, "DELETE FROM consent_base")
    db.run(conn, "INSERT INTO consent_base (id, size) VALUES (1, ?)", (prepared.size,))
    return True


def drop(conn: Connection) -> None:
    """Do without the base: all is read from the records again."""
    retire(conn, [segment for segment in segments(conn) if segment.dataset.startswith(DERIVED)])
    db.run(conn, "DELETE FROM consent_touched")
    db.run(conn, "DELETE FROM consent_base")


def worth_writing(conn: Connection) -> bool:
    """Whether so much has changed since the last base (or so many people have none) that a new one pays for itself.

    Never where the lake is in PostgreSQL: there the server decides, over the records themselves.
    """
    if tables.here(conn):
        return False
    people = fetch(conn, "SELECT count(*) FROM consent_subject")[0][0]
    touched = fetch(conn, "SELECT count(*) FROM consent_touched")[0][0]
    based = _is_based(conn) and bool(segments(conn, layout.dataset("words")))
    return bool(people >= WORTH and (not based or touched * SHARE > people))


def open_base(conn: Connection, directory: Path) -> Base | None:
    """The base as this read transaction sees it; `None` where there is none in this format.

    Raises `Unsafe` when it does not know that somebody was spoken of since it was written, `Conflict` when its files
    went away since the transaction began: a newer one is there.
    """
    if not _is_based(conn):
        return None
    files = _files(conn, directory)
    if layout.dataset("words") not in files:
        return None
    size = fetch(conn, "SELECT size FROM consent_base")[0][0]
    with _all_there(conn, directory):
        words, (first, top) = _words(files), _span(files)
    touched = np.array([row[0] for row in fetch(conn, "SELECT no FROM consent_touched")], dtype=np.int64)
    _refuse_forgotten(conn, size, touched)
    return Base(size, words, files, touched, top, first)


def differences(conn: Connection, directory: Path) -> list[str]:
    """Which facets of the base say, of people not touched since, something else than the record database."""
    if not _is_based(conn):
        return []
    files = _files(conn, directory)
    if layout.dataset("words") not in files:
        if any(segment.dataset.startswith(FORMAT) for segment in segments(conn)):
            return ["the columnar copy in the lake has lost its words"]
        return []  # of a former format: it is not read
    words = _words(files)
    touched = {row[0] for row in fetch(conn, "SELECT no FROM consent_touched")}
    wrong = set()
    for start in range(0, max(_top(conn), _span(files)[1]) + 1, STEP):
        for facet in FACETS:
            if facet not in wrong and not _same(conn, files, words, facet, (start, start + STEP), touched):
                wrong.add(facet)
    return [
        f"the columnar copy of `consent_{facet}` in the lake does not follow from the records"
        for facet in sorted(wrong)
    ]


def subjects(conn: Connection, directory: Path, nos: np.ndarray) -> tuple[np.ndarray, bytes]:
    """Whose these internal numbers (ascending) are: the numbers, in some order, and 16 bytes for each, run together.

    Who has no number any more is left out. They come from the base, where it speaks for them.
    """
    base = open_base(conn, directory)
    if base is None:
        return _from_records(conn, nos)
    recorded = np.isin(nos, base.touched)
    asked = nos[~recorded]
    with _all_there(conn, directory):
        found = [one for path in base.files.get(layout.dataset("subject"), []) for one in _from_file(path, asked)]
    if sum(len(some) for some, _ in found) != len(asked):
        raise Unsafe("the columnar copy of the facts does not know somebody that it speaks for")
    found.append(_from_records(conn, nos[recorded]))
    return np.concatenate([some for some, _ in found]), b"".join(ids for _, ids in found)


def _from_file(path: Path, asked: np.ndarray) -> Iterator[tuple[np.ndarray, bytes]]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=1 << 20, columns=["_no", "subject"]):
            held, raw = batch.column("_no").to_numpy(), batch.column("subject")
            part = asked[np.searchsorted(asked, held[0]) : np.searchsorted(asked, held[-1], side="right")]
            ids = np.frombuffer(raw.buffers()[1], np.uint8)[raw.offset * 16 :].reshape(-1, 16)[: len(raw)]
            places = np.searchsorted(held, part)
            if not np.array_equal(held[places], part):
                raise Unsafe("the columnar copy of the facts does not know somebody that it speaks for")
            yield part, ids[places].tobytes()


@contextmanager
def _all_there(conn: Connection, directory: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise not_found(conn, directory) from None


def _from_records(conn: Connection, nos: np.ndarray) -> tuple[np.ndarray, bytes]:
    held, parts = [np.empty(0, np.int64)], []
    for start in range(0, len(nos), STEP):
        some = numbers.subjects(conn, nos[start : start + STEP].tolist())
        held.append(np.array(list(some), np.int64))
        parts.append(bytes.fromhex("".join(some.values())))
    return np.concatenate(held), b"".join(parts)


def _copy(conn: Connection, drafts: Drafts, words: Words, start: int, stop: int) -> None:
    ids = {no: bytes.fromhex(subject) for no, subject in numbers.between(conn, start, stop)}
    for facet in FACETS:
        rows = _rows(conn, facet, start, stop)
        for dataset, table in layout.encoded(words, facet, rows, ids):
            drafts.write(dataset, table, layout.packed(facet))


def _rows(conn: Connection, facet: str, start: int, stop: int) -> list[tuple[Any, ...]]:
    columns = ", ".join(COLUMNS[facet])
    return fetch(conn, f"SELECT {columns} FROM consent_{facet} WHERE no >= ? AND no < ? ORDER BY no", (start, stop))


def _same(
    conn: Connection,
    files: dict[str, list[Path]],
    words: Words,
    facet: str,
    span: tuple[int, int],
    touched: Collection[int],
) -> bool:
    """Whether base and records say the same of the people numbered from `span[0]` to before `span[1]`."""
    ids = {no: bytes.fromhex(subject) for no, subject in numbers.between(conn, *span)} if facet == "subject" else {}
    rows = [row for row in _rows(conn, facet, *span) if row[0] not in touched]
    expected = {(dataset, *row) for dataset, table in layout.encoded(words, facet, rows, ids) for row in _tuples(table)}
    prefix = layout.dataset(facet)
    found = {
        (dataset, *row)
        for dataset, paths in files.items()
        if dataset == prefix or dataset.startswith(f"{prefix}:")
        for path in paths
        for row in _tuples(pq.read_table(path, filters=[("_no", ">=", span[0]), ("_no", "<", span[1])]))
        if row[0] not in touched
    }
    return found == expected


def _tuples(table: pa.Table) -> Iterator[tuple[Any, ...]]:
    return zip(*(column.to_pylist() for column in table.columns), strict=True)


def _refuse_forgotten(conn: Connection, size: int, touched: np.ndarray) -> None:
    """Whoever the ledger speaks of since the base was written must be read from the records, not from the base."""
    since = list(numbers.numbers(conn, queries.subjects_since(conn, size)).values())
    if since and not np.isin(np.array(since, dtype=np.int64), touched).all():
        raise Unsafe(
            "the columnar copy of the facts is behind the ledger; run `pacte ledger check`; nobody is permitted"
        )


def _erasures_since(conn: Connection, index: int) -> list[Any]:
    return [entry for at, entry in log.of_kind(conn, "erasure") if at >= index]


def _is_based(conn: Connection) -> bool:
    return bool(fetch(conn, "SELECT 1 FROM consent_base"))


def _top(conn: Connection) -> int:
    return int(fetch(conn, "SELECT max(no) FROM consent_subject")[0][0] or 0)


def _span(files: dict[str, list[Path]]) -> tuple[int | None, int]:
    """The greatest number in the base (each has one row there), and the least if nobody is missing in between."""
    spans, rows = [], 0
    for path in files.get(layout.dataset("subject"), []):
        with pq.ParquetFile(path) as file:
            groups = [file.metadata.row_group(at).column(0).statistics for at in (0, file.num_row_groups - 1)]
            spans.append((groups[0].min, groups[1].max))
            rows += file.metadata.num_rows
    if not spans:
        return None, 0
    first, top = min(span[0] for span in spans), max(span[1] for span in spans)
    return (first if top - first + 1 == rows else None), top


def _files(conn: Connection, directory: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    place = directory.resolve()
    for segment in segments(conn):
        if segment.dataset.startswith(FORMAT):
            found.setdefault(segment.dataset, []).append(place / segment.file)
    return found


def _words(files: dict[str, list[Path]]) -> Words:
    try:
        return Words.read(pq.read_table(files[layout.dataset("words")]))
    except (ValueError, KeyError):
        raise Unsafe(
            "the columnar copy of the facts cannot be read; run `pacte ledger check`; nobody is permitted"
        ) from None
