"""An invented retailer's customers by the million, written as a base of facts without going through the ledger.

Whatever is written is what `consent.snapshot` would write for these people; beside it lie the events themselves, in the
order in which they were recorded, for those who would replay them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from sqlalchemy import Connection

from pacte.consent import base as layout
from pacte.consent.base import Words
from pacte.consent.events import choice_event
from pacte.consent.objections import spoken
from pacte.consent.timeline import Event
from pacte.kernel import db
from pacte.kernel.instant import DAY, Instant
from pacte.lake.drafts import Drafts
from pacte.lake.segments import adopt

Arrays: TypeAlias = "dict[str, np.ndarray]"
Track: TypeAlias = "tuple[str, str, str, str]"
"""Voice, purpose, channel, recipient."""
Row: TypeAlias = "tuple[Any, ...]"

START = Instant(1_600_000_000_000_000)
YEAR = 365 * DAY
NOW = Instant(START + 5 * YEAR)

CHUNK = 250_000
ALL = ("self", "*", "", "")
OBJECTING = 0.02
"""How many people object to everything, once."""
TRACKS = {
    ("self", "newsletter", "email", ""): 2.2,
    ("self", "newsletter", "sms", ""): 1.1,
    ("self", "similar_offers", "email", ""): 1.1,
    ("self", "statistics", "", ""): 1.0,
    ("self", "partner_offers", "email", "cookery_school"): 1.0,
    ("self", "all:sale", "", ""): 0.05,
    ("guardian", "newsletter", "email", ""): 0.05,
}
"""How often each thing is said, per person."""
ACTS = ("given", "given", "given", "refused", "withdrawn")
PROOFS = ((1, "import"), (2, "paper"), (3, "web_form"), (4, "web_form"))
PLACES = ("FR", "FR", "FR", "FR", "FR", "FR", "DE", "BE", "US-CA", "US-NY", "CA-QC", "US")
_COLUMNS = ("_no", "said", "valid_from", "valid_to", "known_from", "known_to", "since", "expires")
_FIELDS = ("no", "effective", "entry", "said", "expires")
ENTRIES = 10
"""Ledger entries per person: choices, facts, what was told."""
LATE = 0.1
"""The share of those who said two things of which the later one was heard of first."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """Where everybody lies: the lake's directory, the events, how many of them, the ledger's size."""

    lake: Path
    events: Path
    count: int
    size: int


def write(conn: Connection, folder: Path, people: int, notice: str) -> Crowd:
    """Write the base for so many people, in bounded memory."""
    lake, events = folder / "lake", folder / "events.parquet"
    lake.mkdir()
    chance, words, size, count = np.random.default_rng(7), Words(), ENTRIES * people, 0
    shape = pa.schema([(name, pa.int64()) for name in ("entry", "no", "track", "effective", "said", "expires")])
    with Drafts(lake) as drafts, pq.ParquetWriter(events, shape, compression="zstd") as recorded:
        for first in range(1, people + 1, CHUNK):
            numbers = np.arange(first, min(first + CHUNK, people + 1), dtype=np.int32)
            joined = _persons(drafts, words, numbers, notice, size, chance)
            against = _against(numbers, joined, size, chance, words, notice)
            said = [{**against, "track": np.full(len(against["no"]), words.code("track:choice", ALL))}]
            _write(drafts, words.code("track:choice", ALL), against, [])
            for track, often in TRACKS.items():
                found = _said(numbers, joined, often, size, chance, words, notice)
                number = words.code("track:choice", track)
                said.append({**found, "track": np.full(len(found["no"]), number)})
                both = np.isin(found["no"], against["no"]) & (track[0] == ALL[0])
                alone, crossed = ({name: of[some] for name, of in found.items()} for some in (~both, both))
                _write(drafts, number, alone, _others(crossed, against, words))
            count += _record(recorded, shape, said)
        drafts.write(layout.dataset("words"), words.table())
        adopt(conn, drafts.end(), "bench")
    # pacte: allow guarded-table because a base is measured that no ledger was replayed for
    db.run(conn, "INSERT INTO consent_base (id, size) VALUES (1, ?)", (size,))
    # pacte: allow guarded-table because a base is measured that no ledger was replayed for
    db.run(conn, "INSERT INTO consent_head (id, size) VALUES (1, ?)", (size,))
    return Crowd(lake, events, count, size)


def touch(conn: Connection, crowd: Crowd, people: range, track: Track, when: Instant, notice: str) -> None:
    """These people agree once more, by an entry each, and are in the overlay from then on."""
    subjects = [(no, subject(no).hex()) for no in people]
    db.insert(conn, "lake_subject", ("no", "subject"), subjects)
    said = {
        **dict(zip(("voice", "purpose", "channel", "recipient"), track, strict=True)),
        "known_from": crowd.size - 1,
        "valid_from": when,
        "since": when,
        "entry": crowd.size - 1,
        "status": "given",
        "grade": 3,
        "signal": "",
        "weak": 0,
        "notice": notice,
        "method": "web_form",
    }
    db.insert(conn, "consent_choice", ("no", *said), [(no, *said.values()) for no in people])
    for table, columns, more in (("touched", ("no",), ()), ("subject", ("no", "known_from"), (0,))):
        db.insert(conn, f"consent_{table}", columns, [(no, *more) for no in people])
    recorded = [(crowd.size + at, "choice", who, bytes(32)) for at, (_, who) in enumerate(subjects)]
    # pacte: allow guarded-table because the entries of before were never written here
    db.run(conn, "DROP TRIGGER ledger_entry_appended")
    db.insert(conn, "ledger_entry", ("idx", "kind", "subject", "leaf"), recorded)
    # pacte: allow guarded-table because the overlay is written without the ledger that would lead to it
    db.run(conn, "UPDATE consent_head SET size = ?", (crowd.size + len(people),))


def subject(number: int) -> bytes:
    """The 16 bytes of an invented person's identifier."""
    return number.to_bytes(16, "big")


def _persons(
    drafts: Drafts, words: Words, numbers: np.ndarray, notice: str, size: int, chance: np.random.Generator
) -> np.ndarray:
    """Everybody's facts and what they were told; returns since when."""
    count = len(numbers)
    joined = START + (chance.random(count) * 3 * YEAR).astype(np.int64)
    entry = _entries(joined, size)
    minor = chance.random(count) < 0.03
    places = [words.code("person", (place, "consumer", age)) for place in PLACES for age in ("adult", "minor")]
    said = np.array(places)[2 * chance.integers(0, len(PLACES), count) + minor]
    until = joined + (chance.random(count) * 6 * YEAR).astype(np.int64)
    nothing = pa.nulls(count, pa.int64())
    ids = np.zeros((count, 2), ">u8")
    ids[:, 1] = numbers
    held: dict[str, Any] = {
        "_no": numbers,
        "subject": pa.Array.from_buffers(pa.binary(16), count, [None, pa.py_buffer(ids.tobytes())]),
        "said": said,
        "valid_from": joined,
        "valid_to": nothing,
        "known_from": entry,
        "minor_until": pa.array(until, mask=~minor),
        "contract_since": nothing,
        "contract_until": nothing,
    }
    drafts.write(layout.dataset("subject"), layout.table("subject", held), layout.packed("subject"))
    drafts.write(layout.dataset("person"), layout.table("person", held), layout.packed("person"))
    told = layout.table("told", held)
    drafts.write(layout.dataset("told", words.code("track:told", (notice,))), told, layout.packed("told"))
    held_back = np.flatnonzero(chance.random(count) < 0.0005)
    hold = {"_no": numbers[held_back], "said": np.full(len(held_back), words.code("hold", ("restricted",)))}
    hold |= {
        "valid_from": joined[held_back] + YEAR,
        "valid_to": pa.nulls(len(held_back)),
        "known_from": entry[held_back],
    }
    drafts.write(layout.dataset("hold"), layout.table("hold", hold), layout.packed("hold"))
    return joined


def _said(
    numbers: np.ndarray,
    joined: np.ndarray,
    often: float,
    size: int,
    chance: np.random.Generator,
    words: Words,
    notice: str,
) -> dict[str, np.ndarray]:
    """What these people said about one thing, by person and in the order in which it takes effect."""
    times = chance.poisson(often, len(numbers))
    no = np.repeat(numbers, times)
    effective = _later(np.repeat(joined, times), chance)
    effective = effective[np.lexsort((effective, no))]
    entry = _entries(effective, size)
    starts = np.concatenate([[0], np.cumsum(times)[:-1]])[times == 2]
    late = starts[chance.random(len(starts)) < LATE]
    entry[late], entry[late + 1] = entry[late + 1].copy(), entry[late].copy()
    codes = np.array(
        [words.code("choice", (act, grade, "", 0, notice, method)) for act in ACTS for grade, method in PROOFS]
    )
    picked = chance.integers(0, len(codes), len(no))
    agreed = picked < 3 * len(PROOFS)
    expires = np.where(agreed, effective + 3 * YEAR, 0)
    return {"no": no, "effective": effective, "entry": entry, "said": codes[picked], "expires": expires}


def _later(joined: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    """Some time between when each joined and now."""
    return np.asarray(joined + chance.random(len(joined)) * (NOW - joined), np.int64)


def _entries(effective: np.ndarray, size: int) -> np.ndarray:
    """Where the ledger holds what took effect then: it grows evenly."""
    return np.asarray((effective - START) // (5 * YEAR // size), np.int64)


def _against(
    numbers: np.ndarray, joined: np.ndarray, size: int, chance: np.random.Generator, words: Words, notice: str
) -> dict[str, np.ndarray]:
    """Objections to everything."""
    objecting = chance.random(len(numbers)) < OBJECTING
    no, effective = numbers[objecting], _later(joined[objecting], chance)
    return {
        "no": no,
        "effective": effective,
        "entry": _entries(effective, size),
        "said": np.full(len(no), words.code("choice", ("objected", 3, "", 0, notice, "web_form"))),
        "expires": np.zeros(len(no), np.int64),
    }


def _write(drafts: Drafts, track: int, alone: Arrays, rest: list[Row]) -> None:
    """The rectangles of a track: those of people who said one thing after the other, and the others'."""
    columns = _simple(alone)
    if rest:
        more = dict(zip(_COLUMNS, zip(*rest, strict=True), strict=True))
        columns = {name: pa.chunked_array([columns[name], pa.array(more[name], pa.int64())]) for name in _COLUMNS}
    found = pa.table(columns).sort_by([("_no", "ascending")])
    for past in (False, True):
        some = found.filter(pc.is_valid(found["known_to"]) if past else pc.is_null(found["known_to"]))
        if some.num_rows:
            values = {name: some[name].combine_chunks() for name in _COLUMNS}
            rows = layout.table("choice", values, past=past)
            drafts.write(layout.dataset("choice", track, past=past), rows, layout.packed("choice"))


def _simple(said: Arrays) -> dict[str, pa.Array]:
    """As `timeline.rectangles` has them, where who said something later was heard later, or said just two things."""
    no, start, entry = said["no"], said["effective"], said["entry"]
    follows = np.append(no[1:] == no[:-1], [False])
    after, then = np.append(start[1:], [0]), np.append(entry[1:], [0])
    # What is heard of later closes what was known before; of a pair heard in the other order the second stays.
    closed = follows & (then > entry)
    now = {
        "_no": no,
        "said": said["said"],
        "valid_from": start,
        "valid_to": pa.array(after, mask=~follows),
        "known_from": np.where(closed, then, entry),
        "known_to": pa.nulls(len(no), pa.int64()),
        "since": start,
        "expires": pa.array(said["expires"], mask=said["expires"] == 0),
    }
    past = {**now, "valid_to": pa.nulls(len(no), pa.int64()), "known_from": entry, "known_to": pa.array(then)}
    both = pa.concat_tables([_int64(now), _int64(past).filter(pa.array(closed))])
    return {name: both[name].combine_chunks() for name in _COLUMNS}


def _int64(values: dict[str, Any]) -> pa.Table:
    return pa.table({name: values[name] for name in _COLUMNS}).cast(
        pa.schema([(name, pa.int64()) for name in _COLUMNS])
    )


def _others(said: Arrays, against: Arrays, words: Words) -> list[Row]:
    """The same for people who also objected to everything, by the code that derives it from the ledger."""
    known = words.of("choice")
    people: dict[int, list[Event]] = {}
    for no, start, entry, code, expires in zip(
        *(np.concatenate([said[name], against[name][np.isin(against["no"], said["no"])]]).tolist() for name in _FIELDS),
        strict=True,
    ):
        status, *proof = known[code]
        data = (status, expires or None, *proof[:2], *proof[3:])
        people.setdefault(no, []).append(choice_event(False, start, entry, data))  # firm
    rows: list[Row] = []
    for no, events in people.items():
        for one in spoken(events):
            status, expires, grade, signal, notice, method = one.event.data
            code = words.code("choice", (status, grade, signal, 0, notice, method))
            span = (one.valid_from, one.valid_to, one.known_from, one.known_to)
            rows.append((no, code, *span, one.event.start, expires))
    return rows


def _record(recorded: pq.ParquetWriter, shape: pa.Schema, said: list[dict[str, np.ndarray]]) -> int:
    events = {name: np.concatenate([one[name] for one in said]).astype(np.int64) for name in shape.names}
    order = np.argsort(events["entry"], kind="stable")
    recorded.write_table(pa.table({name: events[name][order] for name in shape.names}), row_group_size=122_880)
    return len(order)
