"""Decide for a population: for each person what `one.may` would, by the same functions.

People of whom the rules can tell nothing apart are of one class, and the stored table's rules are asked once for each
class. The facts come from the same intervals that the reader for one person uses. A property test binds the two: a set
is decided as its members would be. Where the records are in PostgreSQL and have no columnar copy, the server answers by
one SQL expression (see `server`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from sqlalchemy import Connection

from pacte.consent import population, state
from pacte.consent.facts import UNKNOWN, standing_in
from pacte.consent.population import Asked, People
from pacte.gate import rules as stored
from pacte.gate import server
from pacte.gate.one import categories_of
from pacte.gate.questions import facts_read
from pacte.gate.values import Funnel, Question
from pacte.kernel.errors import Denied, PacteError
from pacte.lake.segments import not_found
from pacte.lake.source import open_lake
from pacte.ledger import queries
from pacte.policy.compiled import SETTLED, reader_of
from pacte.policy.sql import marks
from pacte.policy.table import NoticeRules, RuleTable
from pacte.policy.vocabulary import FACTS, GRADES, STATEMENTS, RuleError, grade_level


@dataclass(frozen=True, slots=True)
class Verdicts:
    """The answer for everybody: internal numbers of the permitted in ascending order, and the funnel."""

    permitted: pa.Array
    funnel: Funnel


def decide_set(conn: Connection, lake: Path, table: RuleTable, question: Question, *, proofs: bool = False) -> Verdicts:
    """Decide for every known person. With `proofs`, also count who would be permitted with a better proof.

    Raises `Denied` when the facts are behind the ledger or a rule cannot be evaluated: then nobody is permitted;
    `Conflict` when the lake was rewritten while it was read.
    """
    _refuse_stale(conn)
    try:
        if server.decides(conn):
            return _by_server(conn, table, question, proofs=proofs)
        with _reading(conn, lake) as duck:
            crowd = _crowd(duck, conn, lake, table, question)
            reasons = _decided(table, question, crowd.facts)
            better = _if_proved(table, question, crowd, reasons) if proofs else {}
    except Exception as error:  # fail closed: whatever goes wrong while deciding permits nobody
        if isinstance(error, PacteError) and not isinstance(error, RuleError):
            raise
        raise Denied("rule_error", "a rule could not be evaluated for this population; nobody is permitted") from None
    counts = {"permitted": 0}
    for reason, size in sorted(zip(reasons, crowd.people.sizes.tolist(), strict=True)):
        if size:
            counts[reason] = counts.get(reason, 0) + size
    permitted = crowd.people.of(np.array([reason == "permitted" for reason in reasons], dtype=bool))
    return Verdicts(pa.array(permitted, pa.int64()), Funnel(len(crowd.people.numbers), counts, better))


def _by_server(conn: Connection, table: RuleTable, question: Question, *, proofs: bool) -> Verdicts:
    said = server.answers(conn, table, question)
    better = server.if_proved(conn, table, question) if proofs else {}
    permitted = said.numbers.get("permitted", np.empty(0, np.int64))
    counts = {"permitted": 0} | dict(sorted(said.counts.items()))
    return Verdicts(pa.array(permitted, pa.int64()), Funnel(sum(counts.values()), counts, better))


def _everybody(said: server.Answers) -> pa.Table:
    """`no` and `reason`, by number."""
    parts = [
        pa.table({"no": pa.array(numbers, pa.int64()), "reason": pa.repeat(pa.scalar(reason), len(numbers))})
        for reason, numbers in said.numbers.items()
    ]
    nobody = pa.table({"no": pa.array([], pa.int64()), "reason": pa.array([], pa.string())})
    return pa.concat_tables([nobody, *parts]).sort_by("no")


def reasons(conn: Connection, lake: Path, table: RuleTable, question: Question) -> dict[int, str]:
    """The reason code of every known person by internal number; for the tests that bind the two readers."""
    numbers, codes = each(conn, lake, [table], question)[0].to_pydict().values()
    return dict(zip(numbers, codes, strict=True))


def each(conn: Connection, lake: Path, tables: Sequence[RuleTable], question: Question) -> list[pa.Table]:
    """`no` and `reason` of every known person, under each table. Releases nothing; raises where `decide_set` denies.

    Facts are looked up once for tables that read the same of them.
    """
    _refuse_stale(conn)
    if server.decides(conn):
        return [_everybody(server.answers(conn, table, question, None)) for table in tables]
    found: list[pa.Table] = []
    crowd, looked_up = None, None
    with _reading(conn, lake) as duck:
        for table in tables:
            if crowd is None or _depends(table, question) != looked_up:
                crowd, looked_up = _crowd(duck, conn, lake, table, question), _depends(table, question)
            said = pa.array(_decided(table, question, crowd.facts), pa.string())
            reason = pa.DictionaryArray.from_arrays(pa.array(crowd.people.classes), said).cast(pa.string())
            found.append(pa.table({"no": pa.array(crowd.people.numbers, pa.int64()), "reason": reason}))
    return found


@dataclass(frozen=True, slots=True)
class _Crowd:
    """Everybody, and the facts of each class as the rules name them."""

    people: People
    facts: population.Facts


@contextmanager
def _reading(conn: Connection, lake: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB that reads the lake and nothing else."""
    duck = open_lake(conn, lake, {})
    try:
        yield duck
    except duckdb.IOException:
        raise not_found(conn, lake) from None
    finally:
        duck.close()


def _depends(table: RuleTable, question: Question) -> tuple[object, ...]:
    """What `_crowd` takes from a table: two tables with the same have the same facts for this question."""
    rules = table.purposes[question.purpose]
    told = [(digest, _told(table, question, notice)) for digest, notice in table.notices.items()]
    return facts_read(rules), marks(rules, question.as_of), categories_of(table, question.fields), told


def _refuse_stale(conn: Connection) -> None:
    """Facts that are older than the ledger decide nothing."""
    if queries.people_since(conn, state.applied(conn)):
        raise Denied("facts_missing", "the facts about people are behind the ledger; nobody is permitted")


def _crowd(
    duck: duckdb.DuckDBPyConnection, conn: Connection, lake: Path, table: RuleTable, question: Question
) -> _Crowd:
    """Everybody known, and the facts that decide."""
    rules = table.purposes[question.purpose]
    read = facts_read(rules) | {"choice.grade"}
    notices = _notices(table, question, read)
    likes = sorted(set(notices.values()), key=repr)
    asked = Asked(
        question.purpose,
        question.channel,
        question.recipient,
        question.as_of,
        question.known,
        read,
        marks(rules, question.as_of),
        standing_in(read),
        {digest: likes.index(like) for digest, like in notices.items()},
    )
    people = population.read(duck, conn, lake, asked)
    use: dict[str, str | int] = {
        "use.stopped": int(stored.stopped(conn, question.purpose, question.as_of, question.known)),
        "use.in_force": 1,
        "use.channel": question.channel,
        "use.recipient": question.recipient,
    }
    wanted = frozenset(categories_of(table, question.fields))
    many = len(people.sizes)
    bits = [int(held or 0) for held in people.facts.get("told", [0] * many)]
    told = {
        some: _told_of([like for at, like in enumerate(likes) if some >> at & 1], wanted) for some in sorted(set(bits))
    }
    facts: population.Facts = {**people.facts, **{name: [value] * many for name, value in use.items()}}
    facts |= {
        name: [told[some][name] for some in bits] for name in ("told.requested", *map("told.{}".format, STATEMENTS))
    }
    return _Crowd(people, facts)


_Telling = tuple[frozenset[str] | None, frozenset[str]]
"""What a notice tells of the purpose: the categories (`None`: it does not name it), and its other statements."""


def _notices(table: RuleTable, question: Question, read: Collection[str]) -> Mapping[str, _Telling]:
    """The notices that say anything of the purpose that the rules ask for."""
    if not any(fact.startswith("told.") for fact in read):
        return {}
    found = {digest: _told(table, question, notice) for digest, notice in table.notices.items()}
    return {digest: told for digest, told in found.items() if told != (None, frozenset())}


def _told(table: RuleTable, question: Question, notice: NoticeRules) -> _Telling:
    named = notice.purposes.get(question.purpose)
    wanted = categories_of(table, question.fields)
    said = frozenset(notice.says.get(question.purpose, ()))
    return None if named is None else frozenset(named) & frozenset(wanted), said


def _told_of(told: Sequence[_Telling], wanted: frozenset[str]) -> dict[str, int]:
    """The facts `told.*` of whoever was told so."""
    naming = [categories for categories, _ in told if categories is not None]
    said = {statement for _, statements in told for statement in statements}
    covered = bool(naming) and wanted <= frozenset().union(*naming)
    return {"told.requested": int(covered), **{f"told.{name}": int(name in said) for name in STATEMENTS}}


def _decided(table: RuleTable, question: Question, facts: population.Facts) -> list[str]:
    """The reason of each class; raises `RuleError` when a rule cannot be evaluated for one of them."""
    rules, many = table.purposes[question.purpose], len(facts["person.known"])
    if not many:
        return []
    names = sorted((facts_read(rules) | {"person.known", *SETTLED}) & FACTS.keys())
    columns = [facts.get(name) or [UNKNOWN[name]] * many for name in names]
    decide = reader_of(rules).decide
    reasons = [
        decide(dict(zip(names, held, strict=True)), question.as_of).reason for held in zip(*columns, strict=True)
    ]
    if "rule_error" in reasons:
        raise RuleError("a rule could not be evaluated for some of a population")
    return reasons


def _if_proved(table: RuleTable, question: Question, crowd: _Crowd, reasons: Sequence[str]) -> dict[str, int]:
    """For each grade above none: how many of those excluded for a weak proof would pass with that grade found."""
    weak = [at for at, reason in enumerate(reasons) if reason == "proof_too_weak"]
    sizes = crowd.people.sizes[weak].tolist()
    facts = {name: [column[at] for at in weak] for name, column in crowd.facts.items()}
    found: dict[str, int] = {}
    for rank, grade in sorted((grade_level(grade), grade) for grade in GRADES if grade_level(grade)):
        grades: list[str | int | None] = [max(int(held or 0), rank) for held in facts["choice.grade"]]
        passed = _decided(table, question, {**facts, "choice.grade": grades})
        found[grade] = sum(size for size, reason in zip(sizes, passed, strict=True) if reason == "permitted")
    return found
