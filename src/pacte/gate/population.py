"""Decide for a population: one SQL query that answers for each person what `one.may` would.

The rules are the stored table's, compiled to one CASE expression; the facts are the same intervals that the reader for
one person uses. A property test binds the two: a set is decided as its members would be.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
from sqlalchemy import Connection

from pacte.consent import population, state
from pacte.consent.facts import UNKNOWN, standing_in
from pacte.gate import rules as stored
from pacte.gate.one import categories_of
from pacte.gate.questions import facts_read
from pacte.gate.values import Funnel, Question
from pacte.kernel.errors import Denied, PacteError
from pacte.lake.source import quoted
from pacte.ledger import queries
from pacte.policy.sql import reason_case
from pacte.policy.table import RuleTable
from pacte.policy.vocabulary import GRADES, STATEMENTS, RuleError, grade_level


@dataclass(frozen=True, slots=True)
class Verdicts:
    """The answer for everybody: internal numbers of the permitted in ascending order, and the funnel."""

    permitted: pa.Array
    funnel: Funnel


def decide_set(conn: Connection, lake: Path, table: RuleTable, question: Question, *, proofs: bool = False) -> Verdicts:
    """Decide for every known person. With `proofs`, also count who would be permitted with a better proof.

    Raises `Denied` when the facts are behind the ledger or a rule cannot be evaluated: then nobody is permitted.
    """
    _refuse_stale(conn)
    duck = duckdb.connect(":memory:")
    try:
        _facts(duck, conn, lake, table, question)
        funnel = Funnel(*_counts(duck, table, question), _if_proved(duck, table, question) if proofs else {})
        numbers = duck.sql("SELECT no FROM verdict WHERE reason = 'permitted' ORDER BY no").to_arrow_table()
        return Verdicts(numbers.column("no").combine_chunks(), funnel)
    except Exception as error:  # fail closed: whatever goes wrong while deciding permits nobody
        if isinstance(error, PacteError) and not isinstance(error, RuleError):
            raise
        raise Denied("rule_error", "a rule could not be evaluated for this population; nobody is permitted") from None
    finally:
        duck.close()


def reasons(conn: Connection, lake: Path, table: RuleTable, question: Question) -> dict[int, str]:
    """The reason code of every known person by internal number; for the tests that bind the two readers."""
    numbers, codes = each(conn, lake, [table], question)[0].to_pydict().values()
    return dict(zip(numbers, codes, strict=True))


def each(conn: Connection, lake: Path, tables: Sequence[RuleTable], question: Question) -> list[pa.Table]:
    """`no` and `reason` of every known person, under each table. Releases nothing; raises where `decide_set` denies.

    Facts are looked up once for tables that read the same of them.
    """
    _refuse_stale(conn)
    duck = duckdb.connect(":memory:")
    found, looked_up = [], None
    try:
        for table in tables:
            if (read := _reading(table, question)) != looked_up:
                duck.execute("DROP TABLE IF EXISTS facts")
                _facts(duck, conn, lake, table, question)
                looked_up = read
            case = reason_case(table.purposes[question.purpose], question.as_of).sql(dialect="duckdb")
            found.append(duck.sql(f"SELECT no, {case} AS reason FROM facts").to_arrow_table())
    finally:
        duck.close()
    return found


def _reading(table: RuleTable, question: Question) -> tuple[object, ...]:
    """What `_facts` takes from a table: two tables with the same have the same facts for this question."""
    notices = [
        (digest, notice.purposes.get(question.purpose), notice.says.get(question.purpose))
        for digest, notice in table.notices.items()
        if question.purpose in notice.purposes or question.purpose in notice.says
    ]
    return facts_read(table.purposes[question.purpose]), categories_of(table, question.fields), notices


def _refuse_stale(conn: Connection) -> None:
    """Facts that are older than the ledger decide nothing."""
    if queries.people_since(conn, state.applied(conn)):
        raise Denied("facts_missing", "the facts about people are behind the ledger; nobody is permitted")


def _facts(duck: duckdb.DuckDBPyConnection, conn: Connection, lake: Path, table: RuleTable, question: Question) -> None:
    """Make the view `facts`: one row per known person, columns as the rules name them."""
    arguments = (question.purpose, question.channel, question.recipient, question.as_of, question.known)
    read = facts_read(table.purposes[question.purpose])
    people = population.view_sql(duck, conn, lake, *arguments, standing_in(read))
    asked = [statement for statement in STATEMENTS if f"told.{statement}" in read]
    masks, full = _masks(table, question.purpose, sorted(categories_of(table, question.fields)), asked)
    naming = masks.column("notice").to_pylist()
    told = population.told_view(duck, conn, lake, question.as_of, question.known, naming)
    duck.register("notice_mask", masks)
    says = "".join(
        f"CASE WHEN (coalesce(i.said, 0) >> {place}) & 1 = 1 THEN 1 ELSE 0 END AS told_{statement}, "
        for place, statement in enumerate(asked)
    )
    known = ", ".join(f"p.{name.replace('.', '_')}" for name in sorted({"choice.grade", *read} & UNKNOWN.keys()))
    stopped = int(stored.stopped(conn, question.purpose, question.as_of, question.known))
    duck.execute(
        f"""
        CREATE TEMP TABLE facts AS
        WITH informed AS (
          SELECT t.no, bit_or(m.mask) AS mask, bit_or(m.said) AS said
          FROM {told} t JOIN notice_mask m USING (notice) GROUP BY t.no)
        SELECT p.no, {known}, {stopped} AS use_stopped, 1 AS use_in_force,
               {quoted(question.channel)} AS use_channel, {quoted(question.recipient)} AS use_recipient, {says}
               CASE WHEN coalesce(i.mask, 0) = {full} THEN 1 ELSE 0 END AS told_requested
        FROM {people} p LEFT JOIN informed i USING (no)
        """
    )


def _masks(
    table: RuleTable, purpose: str, categories: Sequence[str], statements: Sequence[str]
) -> tuple[pa.Table, int]:
    """Per notice two bit masks, and the first one's value for who was told everything.

    `mask`: bit 0 says that it names the purpose, the others which category it tells of. `said`: which of the
    statements it makes about the purpose.
    """
    rows = []
    for digest, notice in table.notices.items():
        told, said = notice.purposes.get(purpose), set(notice.says.get(purpose, ()))
        named = 0 if told is None else 1 + (_bits(categories, set(told)) << 1)
        if named or said:
            rows.append((digest, named, _bits(statements, said)))
    columns = {
        "notice": pa.array([row[0] for row in rows], pa.string()),
        "mask": pa.array([row[1] for row in rows], pa.int64()),
        "said": pa.array([row[2] for row in rows], pa.int64()),
    }
    return pa.table(columns), (1 << (len(categories) + 1)) - 1


def _bits(words: Sequence[str], found: Collection[str]) -> int:
    return sum(1 << place for place, word in enumerate(words) if word in found)


def _counts(duck: duckdb.DuckDBPyConnection, table: RuleTable, question: Question) -> tuple[int, dict[str, int]]:
    case = reason_case(table.purposes[question.purpose], question.as_of).sql(dialect="duckdb")
    duck.execute(f"CREATE TEMP TABLE verdict AS SELECT no, {case} AS reason FROM facts")
    rows = duck.execute("SELECT reason, count(*) FROM verdict GROUP BY reason ORDER BY reason").fetchall()
    counts = {"permitted": 0} | dict(rows)
    return sum(counts.values()), counts


def _if_proved(duck: duckdb.DuckDBPyConnection, table: RuleTable, question: Question) -> dict[str, int]:
    """For each grade above none: how many of those excluded for a weak proof would pass with that grade found."""
    rules = table.purposes[question.purpose]
    case = reason_case(rules, question.as_of).sql(dialect="duckdb")
    found: dict[str, int] = {}
    for rank, grade in sorted((grade_level(grade), grade) for grade in GRADES if grade_level(grade)):
        duck.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE better AS
            SELECT f.* REPLACE (greatest(f.choice_grade, {rank}) AS choice_grade)
            FROM facts f JOIN verdict v USING (no) WHERE v.reason = 'proof_too_weak'
            """
        )
        row = duck.execute(f"SELECT count(*) FROM (SELECT {case} AS reason FROM better) WHERE reason = 'permitted'")
        found[grade] = int(row.fetchall()[0][0])
    return found
