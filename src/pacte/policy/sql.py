"""The decision for a population: the same conditions as one SQL expression.

Columns are the facts' names with `.` replaced by `_`. INVARIANT: every atom is closed by `coalesce(…, FALSE)` before it
is combined, so that SQL's third truth value never reaches a decision. A property test binds this reader to `rules`.
"""

from __future__ import annotations

from sqlglot import exp

from pacte.kernel.instant import Instant
from pacte.policy.conditions import (
    Absent,
    AfterNow,
    AgeAtLeast,
    Any,
    Compare,
    Condition,
    Every,
    GradeAtLeast,
    NotAfterNow,
    OneOf,
    Present,
    Told,
)
from pacte.policy.rules import adulthood_bound
from pacte.policy.table import PurposeRules
from pacte.policy.vocabulary import RuleError, grade_level

_COMPARISONS: dict[str, type[exp.Expression]] = {
    "eq": exp.EQ,
    "ne": exp.NEQ,
    "lt": exp.LT,
    "le": exp.LTE,
    "gt": exp.GT,
    "ge": exp.GTE,
}


def reason_case(rules: PurposeRules | None, t: Instant) -> exp.Expression:
    """The reason code of each row: the first requirement that does not hold, else `permitted`."""
    if rules is None or not rules.requirements:
        return exp.Literal.string("unknown_purpose")
    case = exp.Case()
    for requirement in rules.requirements:
        failed = exp.Not(this=exp.Paren(this=condition_sql(requirement.when, t)))
        case = case.when(failed, exp.Literal.string(requirement.otherwise), copy=False)
    return case.else_(exp.Literal.string("permitted"), copy=False)


def condition_sql(condition: Condition, t: Instant) -> exp.Expression:
    """The condition at `t` as an expression over the fact columns; always true or false, never NULL."""
    match condition:
        case Every(of):
            return exp.Paren(this=exp.and_(*[condition_sql(member, t) for member in of]))
        case Any(of):
            return exp.Paren(this=exp.or_(*[condition_sql(member, t) for member in of]))
        case Compare(op, fact, value):
            return _compare(op, fact, value)
        case OneOf(fact, values):
            return _closed(exp.In(this=column(fact), expressions=[_literal(value) for value in values]))
        case Present(fact):
            return _closed(exp.Not(this=exp.Is(this=column(fact), expression=exp.Null())))
        case Absent(fact):
            return _closed(exp.Is(this=column(fact), expression=exp.Null()))
        case AfterNow(fact):
            return _compare("gt", fact, t)
        case NotAfterNow(fact):
            return _compare("le", fact, t)
        case AgeAtLeast(years):
            old_enough = _compare("le", "person.minor_until", adulthood_bound(t, years))
            return exp.Paren(this=exp.or_(_compare("eq", "person.age", "adult"), old_enough))
        case GradeAtLeast(fact, grade):
            return _compare("ge", fact, grade_level(grade))
        case Told():
            return _compare("eq", "told.requested", 1)
    raise RuleError("an unknown operation in a rule")


def column(fact: str) -> exp.Column:
    """The column that holds a fact: `person.known` is `person_known`."""
    return exp.column(fact.replace(".", "_"))


def _compare(op: str, fact: str, value: str | int) -> exp.Expression:
    return _closed(_COMPARISONS[op](this=column(fact), expression=_literal(value)))


def _closed(atom: exp.Expression) -> exp.Expression:
    return exp.Coalesce(this=atom, expressions=[exp.false()])


def _literal(value: str | int) -> exp.Expression:
    if isinstance(value, str):
        return exp.Literal.string(value)
    # A negative number is written as the negation of a positive one.
    number = exp.Literal.number(abs(value))
    return exp.Neg(this=number) if value < 0 else number
