"""Populations: everybody decided from the intervals, beside a raw scan of the same columns and a replay of the events.

The raw scan is DuckDB, with as many threads, reading from the same files every column that the question needs, once,
into one exclusive-or per column: the least that anything in SQL does with values.
"""

from __future__ import annotations

import multiprocessing
import resource
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.resources import as_file, files
from pathlib import Path

import duckdb
from sqlalchemy import Connection, Engine

from bench import crowd
from bench.crowd import NOW, YEAR, Crowd
from bench.figure import Figure, Scale, at_most, pairs, timed
from pacte.consent import base as layout
from pacte.consent import snapshot
from pacte.gate.population import decide_set
from pacte.gate.questions import complete
from pacte.gate.values import Question
from pacte.kernel import db
from pacte.kernel.ids import UseId
from pacte.kernel.instant import DAY, Instant
from pacte.lake.segments import segments
from pacte.ledger import membership
from pacte.policy.compile import compile_policy
from pacte.policy.conditions import Absent, AfterNow, Any, Compare, Condition
from pacte.policy.document import load_policy
from pacte.policy.table import Requirement, RuleTable

PURPOSE, CHANNEL = "newsletter", "email"
THEN = Instant(NOW - 2 * YEAR)
"""The day that is asked about: half of what was said came later."""
TRACK = ("self", PURPOSE, CHANNEL, "")
MEMBERS = 5_000_000
SECONDS = 6.0
"""The use entry of so many people may take so long."""
GIGABYTES = 4.0
RECORDS = "records.db"
SLICE = 10_000_000
"""So many people are replayed at once: a window over everything ever said would not end."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A house with a crowd, and the questions about it."""

    conn: Connection
    crowd: Crowd
    consent: RuleTable
    whole: RuleTable

    def decide(self, table: RuleTable, known: int | None = None) -> int:
        """How many are permitted."""
        known = self.crowd.size if known is None else known
        question = complete(table, Question(PURPOSE, THEN, known, (), CHANNEL))
        return decide_set(self.conn, self.crowd.lake, table, question).funnel.permitted

    def files(self, *datasets: str) -> list[str]:
        """The files of these datasets."""
        return [str(self.crowd.lake / one.file) for dataset in datasets for one in segments(self.conn, dataset)]


def figures(scale: Scale) -> Iterator[tuple[str, Figure]]:
    """Milliseconds for everybody; the seconds of a use entry; the greatest memory in use."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        engine, found = built(folder, scale.people)
        with db.read(engine) as conn:
            house = Asked(conn, found, *rules())
            yield from _decisions(house, scale)
            yield "population_overlay", _overlay(house, folder, scale.people, scale)
            yield "population_use_entry", _use_entry(house)
        yield "population_memory", _memory(folder, found)
        engine.dispose()


def _decisions(house: Asked, scale: Scale) -> Iterator[tuple[str, Figure]]:
    half = house.crowd.size // 2
    assert 0 < house.decide(house.consent, half) < house.decide(house.consent) < scale.people
    assert house.decide(house.consent) == replayed(house, house.crowd.size), "intervals and events say the same"
    assert house.decide(house.consent, half) == replayed(house, half), "and did so then"
    people, columns = layout.dataset("subject"), ("_no", "said", "valid_from", "valid_to", "expires")
    now, past = house.files(*_tracks(house)), house.files(*_tracks(house, past=True))
    read = [(now, columns), (house.files(people), ("_no",))]
    known = [
        (now, (*columns, "known_from")),
        (past, (*columns, "known_from", "known_to")),
        (house.files(people), ("_no", "known_from")),
    ]

    def today() -> object:
        return house.decide(house.consent)

    def then() -> object:
        return house.decide(house.consent, half)

    beside = pairs(today, lambda: _scan(read), scale.repeats)
    yield "population_as_of", beside.slower("ms", 1.3, 1e3)
    beside = pairs(then, lambda: _scan(known), scale.repeats)
    yield "population_as_known_at", beside.slower("ms", 1.6, 1e3)
    beside = pairs(then, lambda: replayed(house, half), scale.repeats)
    yield "population_beside_replay", beside.slower("ms", 0.1, 1e3)
    beside = pairs(lambda: house.decide(house.whole), today, scale.repeats)
    yield "population_all_rules", beside.slower("ms", 1.5, 1e3)


def _tracks(house: Asked, *, past: bool = False) -> list[str]:
    words = snapshot.open_base(house.conn, house.crowd.lake)
    assert words is not None
    named = words.words.of("track:choice")
    return [layout.dataset("choice", named.index(track), past=past) for track in (TRACK, crowd.ALL)]


def _scan(reads: Sequence[tuple[list[str], Sequence[str]]]) -> None:
    duck = duckdb.connect()
    for paths, columns in reads:
        if paths:
            chosen = ", ".join(f"bit_xor({column})" for column in columns)
            duck.execute(f"SELECT {chosen} FROM read_parquet(?)", [paths]).fetchall()
    duck.close()


def replayed(house: Asked, known: int) -> int:
    """How many are permitted by the rule about consent, from the events as they were recorded."""
    base = snapshot.open_base(house.conn, house.crowd.lake)
    assert base is not None
    tracks = [base.words.of("track:choice").index(track) for track in (TRACK, crowd.ALL)]
    said = [word[0] for word in base.words.of("choice")]
    given = [code for code, status in enumerate(said) if status == "given"]
    ranks = {"objected": 3, "withdrawn": 2, "refused": 1}
    whens = " ".join(f"WHEN {code} THEN {ranks.get(str(status), 0)}" for code, status in enumerate(said))
    rank = f"CASE said {whens} END"
    people, permitted = house.crowd.size // crowd.ENTRIES, 0
    duck = duckdb.connect()
    for first in range(1, people + 1, SLICE):
        these = f"AND no BETWEEN {first} AND {first + SLICE - 1}" if people > SLICE else ""
        found = duck.execute(
            f"""
            WITH last AS (
              SELECT no, said, expires FROM read_parquet(?)
              WHERE track IN ({", ".join(map(str, tracks))}) AND effective <= {THEN} AND entry < {known} {these}
              QUALIFY row_number() OVER (PARTITION BY no ORDER BY effective DESC, {rank} DESC, entry DESC) = 1)
            SELECT no FROM last
            WHERE said IN ({", ".join(map(str, given))}) AND (expires = 0 OR expires > {THEN}) ORDER BY no
            """,
            [str(house.crowd.events)],
        ).fetchnumpy()["no"]
        permitted += len(found)
    duck.close()
    return permitted


def rules() -> tuple[RuleTable, RuleTable]:
    """The newsletter of the shop with the rule about consent alone, and with all that its laws ask for."""
    with as_file(files("pacte.policy") / "templates" / "shop" / "policy.yaml") as path:
        whole = compile_policy(load_policy(path)).table
    conditions: dict[str, Condition] = {
        "never_asked": Compare("eq", "choice.status", "given"),
        "expired": Any((Absent("choice.expires"), AfterNow("choice.expires"))),
    }
    alone = [Requirement(f"bench:{name}", when, name, "", "", "", "bench") for name, when in conditions.items()]
    purpose = replace(whole.purposes[PURPOSE], requirements=tuple(alone))
    return replace(whole, purposes={**whole.purposes, PURPOSE: purpose}), whole


def _use_entry(house: Asked) -> Figure:
    """Subjects of the permitted, hashed, sorted and put into buckets, beside the seconds that a use may take."""
    table = house.consent
    question = complete(table, Question(PURPOSE, NOW, house.crowd.size, (), CHANNEL))
    permitted = decide_set(house.conn, house.crowd.lake, table, question).permitted

    def seal() -> None:
        _, ids = snapshot.subjects(house.conn, house.crowd.lake, permitted.to_numpy())
        tree = membership.build(UseId("0" * 32), ids)
        assert tree.size == len(permitted)

    taken = sorted(timed(seal) for _ in range(3))
    allowed = SECONDS * len(permitted) / MEMBERS
    return at_most(taken[1], "s", allowed, 1.0, (taken[0] / allowed, taken[2] / allowed))


def _overlay(house: Asked, folder: Path, people: int, scale: Scale) -> Figure:
    """Everybody from the base and what one in a hundred said since, beside everybody from the base alone."""
    shutil.copy(folder / RECORDS, folder / "touched.db")
    engine = db.open_sqlite(folder / "touched.db")
    with db.write(engine) as conn:
        notice = next(iter(house.whole.notices))
        crowd.touch(conn, house.crowd, range(1, people + 1, 100), TRACK, Instant(THEN - 10 * DAY), notice)
    with db.read(engine) as conn:
        later = replace(house, conn=conn)
        assert later.decide(house.consent) != house.decide(house.consent), "what was said since counts"
        beside = pairs(lambda: later.decide(house.consent), lambda: house.decide(house.consent), scale.repeats)
    engine.dispose()
    return beside.slower("ms", 2.0, 1e3)


def _memory(folder: Path, found: Crowd) -> Figure:
    """The greatest memory of a new process that decides by all rules, now and as known then."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        used = pool.apply(_decide_there, (folder / RECORDS, found))
    return at_most(used / 1e9, "GB", GIGABYTES, 1.0)


def _decide_there(records: Path, found: Crowd) -> int:
    engine = db.open_sqlite(records)
    with db.read(engine) as conn:
        house = Asked(conn, found, *rules())
        house.decide(house.whole)
        house.decide(house.whole, found.size // 2)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def built(folder: Path, people: int) -> tuple[Engine, Crowd]:
    """A house with so many people, in an empty directory."""
    engine = db.open_sqlite(folder / RECORDS)
    notice = max(rules()[1].notices.items(), key=lambda one: len(one[1].purposes.get(PURPOSE, ())))[0]
    with db.write(engine) as conn:
        db.metadata.create_all(conn)
        found = crowd.write(conn, folder, people, notice)
    db.truncate_wal(engine)  # whoever copies the file has all of it
    return engine, found
