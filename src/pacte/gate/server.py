"""Decide for a population where its records are: one statement of PostgreSQL, facts and rules together.

What comes out are numbers of people and counts of reasons; nothing else leaves the server.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from sqlalchemy import Connection
from sqlglot import exp

from pacte.consent import server
from pacte.consent.facts import standing_in
from pacte.consent.population import Asked
from pacte.consent.sql import literal
from pacte.gate import rules as stored
from pacte.gate.one import categories_of
from pacte.gate.questions import facts_read
from pacte.gate.values import Question
from pacte.kernel import db
from pacte.kernel.errors import Unsafe
from pacte.policy.sql import reason_case
from pacte.policy.table import RuleTable
from pacte.policy.vocabulary import GRADES, STATEMENTS, RuleError, grade_level

TOGETHER = 20
"""People of so many bits of their numbers come out in one value: at most a million numbers, 8 MB."""

_NUMBER = np.dtype(">i8")


@dataclass(frozen=True, slots=True)
class Answers:
    """How many people got each reason, and the numbers of those who were asked for, ascending."""

    counts: dict[str, int]
    numbers: dict[str, np.ndarray]


def decides(conn: Connection) -> bool:
    """Whether the server decides; otherwise a DuckDB of this process does, see `population`."""
    return server.decides(conn)


def answers(
    conn: Connection, table: RuleTable, question: Question, of: Collection[str] | None = ("permitted",)
) -> Answers:
    """Decide for everybody known; numbers come out of whoever got one of the reasons `of` (`None`: any).

    Raises `Unsafe` when the facts are not one row for each person.
    """
    wanted = "TRUE" if of is None else f"reason IN ({', '.join(map(literal, sorted(of)))})"
    numbers = f"string_agg(int8send(no), ''::bytea ORDER BY no) FILTER (WHERE {wanted})"
    decided = f"SELECT no, {_case(table, question)} AS reason FROM ({_facts(conn, table, question)}) AS facts"
    sql = f"SELECT reason, count(*), {numbers} FROM ({decided}) AS decided GROUP BY no >> {TOGETHER}, reason"
    counts: dict[str, int] = {}
    parts: dict[str, list[np.ndarray]] = {}
    for reason, count, packed in _fetched(conn, f"{sql} ORDER BY no >> {TOGETHER}, reason"):
        counts[reason] = counts.get(reason, 0) + count
        if packed is not None:
            parts.setdefault(reason, []).append(np.frombuffer(packed, _NUMBER).astype(np.int64))
    if sum(counts.values()) != server.known(conn, question.known):
        raise Unsafe("the facts say two things of one person; run `pacte ledger check`; nobody is permitted")
    return Answers(counts, {reason: np.concatenate(some) for reason, some in parts.items()})


def if_proved(conn: Connection, table: RuleTable, question: Question) -> dict[str, int]:
    """For each grade above none: how many of those excluded for a weak proof would pass with that grade found."""
    ranks = {grade_level(grade): grade for grade in GRADES if grade_level(grade)}
    case, facts = _case(table, question), _facts(conn, table, question)
    weak = f"SELECT facts.*, {case} AS reason FROM ({facts}) AS facts"
    listed = ", ".join(f"({rank})" for rank in ranks)
    # The facts of the weak once more, with a better grade in the place of theirs.
    better = (
        f"SELECT weak.*, greatest(weak.choice_grade, ranks.rank) AS better, ranks.rank FROM ({weak}) AS weak "
        f"CROSS JOIN (VALUES {listed}) AS ranks (rank) WHERE weak.reason = 'proof_too_weak'"
    )
    again = _case(table, question, {"choice_grade": "better"})
    sql = f"SELECT rank, count(*) FROM ({better}) AS facts WHERE {again} = 'permitted' GROUP BY rank"
    found = dict(_fetched(conn, sql))
    return {grade: found.get(rank, 0) for rank, grade in sorted(ranks.items())}


def _case(table: RuleTable, question: Question, renamed: Mapping[str, str] = MappingProxyType({})) -> str:
    case = reason_case(table.purposes[question.purpose], question.as_of)
    for column in list(case.find_all(exp.Column)):
        if column.name in renamed:
            column.replace(exp.column(renamed[column.name]))
    return case.sql(dialect="postgres")


def _facts(conn: Connection, table: RuleTable, question: Question) -> str:
    """SQL of the facts that the rules read, for everybody."""
    read = facts_read(table.purposes[question.purpose]) | {"choice.grade"}
    asked = Asked(
        question.purpose,
        question.channel,
        question.recipient,
        question.as_of,
        question.known,
        read,
        standing=standing_in(read),
    )
    use: dict[str, str] = {
        "use_stopped": str(int(stored.stopped(conn, question.purpose, question.as_of, question.known))),
        "use_in_force": "1",
        "use_channel": f"{literal(question.channel)}::text",
        "use_recipient": f"{literal(question.recipient)}::text",
    }
    constant = "".join(f", {value} AS {name}" for name, value in use.items())
    facts = server.everybody(asked, _tellings(table, question, read))
    return f"SELECT known.*{constant} FROM ({facts}) AS known"


def _tellings(table: RuleTable, question: Question, read: Collection[str]) -> server.Tellings:
    """Which notices tell what the rules ask for: the purpose with each category of the data, and other statements."""
    about = {digest: notice.purposes.get(question.purpose) for digest, notice in table.notices.items()}
    named = {digest: set(held) for digest, held in about.items() if held is not None}
    found: dict[str, list[set[str]]] = {}
    if "told.requested" in read:
        wanted = sorted(set(categories_of(table, question.fields)))
        groups = [{digest for digest, held in named.items() if category in held} for category in wanted]
        found["told.requested"] = [set(named), *groups]
    for statement in STATEMENTS:
        if f"told.{statement}" in read:
            said = {d for d, notice in table.notices.items() if statement in notice.says.get(question.purpose, ())}
            found[f"told.{statement}"] = [said]
    return found


def _fetched(conn: Connection, sql: str) -> list[Any]:
    """The rows of a statement without parameters, whose literals may look like some."""
    driver: Any = conn.connection.driver_connection
    try:
        with driver.cursor(binary=True) as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())
    except db.driver_errors():
        # The driver's message is kept out: it repeats the statement, and may carry values.
        raise RuleError("the database refused the question, or the connection was lost; nobody is permitted") from None
