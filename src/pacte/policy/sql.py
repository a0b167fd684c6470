"""The decision for a population: the same conditions as one SQL expression.

Columns are the facts' names with `.` replaced by `_`. INVARIANT: every atom is closed by `coalesce(…, FALSE)` before it
is combined, so that SQL's third truth value never reaches a decision. A property test binds this reader to `rules`.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from pacte.kernel.instant import Instant
from pacte.policy.conditions import (
    Absent,
    AfterNow,
    AgeAtLeast,
    Any,
    Before,
    Compare,
    Condition,
    Elsewhere,
    Every,
    Fixed,
    GradeAtLeast,
    Inside,
    NotAfterNow,
    NotBefore,
    OneOf,
    Present,
    Told,
    Within,
    Younger,
    settled,
)
from pacte.policy.rules import adulthood_bound, ages_of, earliest
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
        asked = settled(requirement.condition, t)
        if asked == Fixed(1):
            continue
        failed = exp.Not(this=exp.Paren(this=condition_sql(asked, t)))
        case = case.when(failed, exp.Literal.string(requirement.otherwise), copy=False)
    permitted = exp.Literal.string("permitted")
    return case.else_(permitted, copy=False) if case.args.get("ifs") else permitted


def marks(rules: PurposeRules | None, t: Instant) -> dict[str, tuple[int, ...]]:
    """By fact that is a number: where the conditions at `t` turn, ascending.

    Of two values with no mark from the lower one to below the higher, no condition tells one from the other.
    """
    found: dict[str, set[int]] = {}
    for requirement in rules.requirements if rules is not None else ():
        for fact, mark in _turns(settled(requirement.condition, t), t):
            found.setdefault(fact, set()).add(mark)
    return {fact: tuple(sorted(turns)) for fact, turns in found.items()}


def _turns(condition: Condition, t: Instant) -> Iterator[tuple[str, int]]:
    match condition:
        case Every(of) | Any(of):
            for member in of:
                yield from _turns(member, t)
        case Compare(op, fact, int(value)):
            yield from ((fact, value - step) for step in _STEPS[op])
        case OneOf(fact, values):
            yield from ((fact, value - step) for value in values if isinstance(value, int) for step in (0, 1))
        case AfterNow(fact) | NotAfterNow(fact):
            yield fact, t
        case AgeAtLeast(years) | Younger(years):
            yield "person.minor_until", adulthood_bound(t, years)
        case Within(fact, months, days):
            yield fact, earliest(t, months, days)


_STEPS = {"gt": (0,), "le": (0,), "lt": (1,), "ge": (1,), "eq": (0, 1), "ne": (0, 1)}
"""How far before a literal the comparison with it turns."""


def condition_sql(condition: Condition, t: Instant) -> exp.Expression:
    """The condition at `t` as an expression over the fact columns; always true or false, never NULL."""
    match condition:
        case Every(of):
            return exp.Paren(this=exp.and_(*[condition_sql(member, t) for member in of], copy=False))
        case Any(of):
            return exp.Paren(this=exp.or_(*[condition_sql(member, t) for member in of], copy=False))
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
            declared = _closed(exp.In(this=column("person.age"), expressions=[_literal(age) for age in ages_of(years)]))
            return exp.Paren(this=exp.or_(declared, old_enough, copy=False))
        case Younger(years):
            return _compare("gt", "person.minor_until", adulthood_bound(t, years))
        case Within(fact, months, days):
            return _compare("gt", fact, earliest(t, months, days))
        case Before(instant):
            return exp.true() if t < instant else exp.false()
        case NotBefore(instant):
            return exp.true() if t >= instant else exp.false()
        case Fixed(value):
            return exp.true() if value == 1 else exp.false()
        case Elsewhere():
            return _closed(exp.Not(this=exp.Paren(this=_lives_in(condition.countries, condition.regions))))
        case Inside(places):
            return _closed(_lives_in(condition.countries, places))
        case GradeAtLeast(fact, grade):
            return _compare("ge", fact, grade_level(grade))
        case Told():
            return _compare("eq", "told.requested", 1)
    raise RuleError("an unknown operation in a rule")


def column(fact: str) -> exp.Column:
    """The column that holds a fact: `person.known` is `person_known`."""
    return exp.column(fact.replace(".", "_"))


def _lives_in(countries: tuple[str, ...], places: tuple[str, ...]) -> exp.Expression:
    """The residence begins with one of the countries, or is one of the places."""
    place = column("person.place")
    country = exp.Substring(this=place, start=exp.Literal.number(1), length=exp.Literal.number(2))
    inside = [
        exp.In(this=found.copy(), expressions=[_literal(code) for code in codes])
        for found, codes in ((country, countries), (place, places))
        if codes
    ]
    return exp.Paren(this=exp.or_(*inside, copy=False))


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
