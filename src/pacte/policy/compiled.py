"""The rules of a purpose as Python functions of their own: the decision for one person, a hundred times sooner.

`rules` says what a decision is and stays the judge: a property test binds every function made here to it, and whatever
is unusual (a fact of another type, a fact left out, a moment outside the calendar) is handed back to it.

What the question and the residence settle is settled before the function is made, as are laws that have not begun. A
function is made from a syntax tree, never from text: its nodes are the few that `_Body` writes, its names are numbered,
and what a policy says enters only as constants and as keys of the dictionary of facts. It has no built-in functions, so
that it can do nothing but compare.
"""

from __future__ import annotations

import ast
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import CodeType, FunctionType
from typing import TypeAlias, cast

from pacte.kernel.instant import DAY, Instant
from pacte.policy.conditions import (
    Absent,
    AfterNow,
    AgeAtLeast,
    Any,
    Before,
    Compare,
    Condition,
    Every,
    Fixed,
    GradeAtLeast,
    NotAfterNow,
    NotBefore,
    OneOf,
    Present,
    Told,
    Within,
    Younger,
    either,
    every,
    facts_in,
)
from pacte.policy.rules import Facts, Outcome, adulthood_bound, ages_of, decide, earliest, holds
from pacte.policy.table import PurposeRules
from pacte.policy.vocabulary import FACTS, RuleError, grade_level

SETTLED = ("person.place", "use.channel", "use.recipient")
"""Facts of few values that many rules read: a function is made for each combination that they tell apart."""

MOST_FUNCTIONS = 256
"""Functions kept of one purpose between two turns of the law; a question beyond them is read by `rules` itself."""
MOST_REMEMBERED = 4_096
"""Combinations of the settled facts, and of failed requirements, remembered of one purpose before it begins anew."""

_Function: TypeAlias = Callable[[dict[str, "str | int | None"], int, "tuple[int, ...]"], int]
"""(facts, moment, shifts of this day) → which requirements failed, a bit for each; -1 where `rules` must say."""
_Key: TypeAlias = "tuple[str | int | None, ...]"


def reader_of(rules: PurposeRules) -> Reader:
    """The reader of these rules, made once: rules are values that never change, so nothing in it can be out of date."""
    found = rules.kept.get("reader")
    if not isinstance(found, Reader):
        found = rules.kept["reader"] = Reader(rules)
    return found


@dataclass(slots=True)
class _Era:
    """The functions for the time between two turns of the law: by the settled facts, and by what they left to ask."""

    functions: dict[_Key, _Function] = field(default_factory=dict)
    made: dict[tuple[Condition, ...], _Function] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Day:
    """From `start` until before `end`, which lie in one day and one era, every `shifts` is the same."""

    start: int
    end: int
    era: _Era
    shifts: tuple[int, ...]


class Reader:
    """Decides by the rules of one purpose, as `rules.decide` does."""

    def __init__(self, rules: PurposeRules) -> None:
        self._rules = rules
        self._turns = sorted({turn for rule in rules.requirements for turn in _turns(rule.condition)})
        self._facts = sorted(frozenset().union(*(facts_in(rule.condition) for rule in rules.requirements)))
        dated = {atom for rule in rules.requirements for atom in _atoms(rule.condition) if isinstance(atom, _DATED)}
        self._dated = sorted(dated, key=repr)
        self._eras: dict[int, _Era] = {}
        self._day = _Day(0, 0, _Era(), ())
        self._outcomes: dict[int, Outcome] = {0: Outcome("permit", "permitted", None, ())}

    def decide(self, facts: Facts, t: Instant) -> Outcome:
        """Whether these facts permit this purpose at `t`; never raises."""
        day = self._day  # one look at it: another thread may put another day in its place
        try:
            if not day.start <= t < day.end:
                day = self._at(t)
            key = (facts["person.place"], facts["use.channel"], facts["use.recipient"])
            function = day.era.functions.get(key) or self._function(day.era, key, t)
            if type(facts) is dict and (failed := function(facts, t, day.shifts)) >= 0:
                return self._outcomes.get(failed) or self._outcome(failed)
        except Exception:  # noqa: S110 # whatever is unusual is for the judge: it answers, and denies what it cannot read
            pass
        return decide(self._rules, facts, t)

    def _at(self, t: Instant) -> _Day:
        """The day around `t`, cut where the law turns within it."""
        turn = bisect_right(self._turns, t)
        era = self._eras.setdefault(turn, _Era())
        midnight = t - t % DAY
        since = self._turns[turn - 1] if turn else midnight
        until = self._turns[turn] if turn < len(self._turns) else midnight + DAY
        # INVARIANT: a calendar shift keeps the time of the day, so that within a day in UTC it is one number.
        shifts = tuple(_bound(atom, t) - t for atom in self._dated)
        self._day = _Day(max(since, midnight), min(until, midnight + DAY), era, shifts)
        return self._day

    def _function(self, era: _Era, key: _Key, t: Instant) -> _Function:
        settled = dict(zip(SETTLED, key, strict=True))
        asked = tuple(_settled(rule.condition, settled, t) for rule in self._rules.requirements)
        function = era.made.get(asked)
        if function is None:
            if not asked:
                raise RuleError("no rule at all: `rules` denies")
            if len(era.made) >= MOST_FUNCTIONS:
                raise RuleError("more kinds of questions than functions are kept for")
            function = era.made[asked] = _Body(self._facts, self._dated).function(asked)
        if len(era.functions) >= MOST_REMEMBERED:
            era.functions.clear()
        era.functions[key] = function
        return function

    def _outcome(self, failed: int) -> Outcome:
        rules = [rule for bit, rule in enumerate(self._rules.requirements) if failed >> bit & 1]
        found = Outcome("deny", rules[0].otherwise, rules[0].id, tuple(rule.id for rule in rules))
        if len(self._outcomes) >= MOST_REMEMBERED:
            self._outcomes = {0: self._outcomes[0]}
        self._outcomes[failed] = found
        return found


class _Body:
    """Writes the function for some conditions: first the facts, then a test of each condition, in their order."""

    def __init__(self, facts: Sequence[str], dated: Sequence[Condition]) -> None:
        self._facts = {fact: f"f{number}" for number, fact in enumerate(facts)}
        self._bounds = {atom: f"b{number}" for number, atom in enumerate(dated)}
        self._shared: dict[Condition, str] = {}
        self._lines: list[ast.stmt] = []

    def function(self, asked: Sequence[Condition]) -> _Function:
        """The function that says which of the conditions fail."""
        bits: dict[Condition, int] = {}
        for bit, condition in enumerate(asked):
            bits[condition] = bits.get(condition, 0) | 1 << bit
        bits.pop(Fixed(1), None)
        uses = Counter(part for whole in _parts(bits) for part in whole)
        self._begin({atom for atom in uses if isinstance(atom, _DATED)})
        for condition, failing in bits.items():
            self._share(condition, uses)
            failed = ast.AugAssign(_store("failed"), ast.BitOr(), ast.Constant(failing))
            self._lines.append(ast.If(ast.UnaryOp(ast.Not(), self._test(condition)), [failed], []))
        self._lines.append(ast.Return(_load("failed")))
        return self._made()

    def _begin(self, dated: set[Condition]) -> None:
        for fact, name in self._facts.items():
            self._assign(name, ast.Subscript(_load("facts"), ast.Constant(fact), ast.Load()))
        usual = [_either(_is_none(name), self._of_type(fact, name)) for fact, name in self._facts.items()]
        if usual:
            unusual = ast.UnaryOp(ast.Not(), _both(*usual))
            self._lines.append(ast.If(unusual, [ast.Return(ast.Constant(-1))], []))
        for number, (atom, name) in enumerate(self._bounds.items()):
            if atom in dated:
                shift = ast.Subscript(_load("shifts"), ast.Constant(number), ast.Load())
                self._assign(name, ast.BinOp(_load("t"), ast.Add(), shift))
        self._assign("failed", ast.Constant(0))

    def _share(self, condition: Condition, uses: Counter[Condition]) -> None:
        """Work out once, under a name, what several conditions ask."""
        if condition in self._shared:
            return
        if isinstance(condition, Every | Any):
            for member in condition.of:
                self._share(member, uses)
        if uses[condition] > 1:
            name = f"s{len(self._shared)}"
            self._assign(name, self._test(condition))
            self._shared[condition] = name

    def _test(self, condition: Condition) -> ast.expr:
        if condition in self._shared:
            return _load(self._shared[condition])
        match condition:
            case Every(of):
                return _both(*map(self._test, of))
            case Any(of):
                return _either(*map(self._test, of))
            case Compare("eq", fact, value):
                return ast.Compare(self._fact(fact), [ast.Eq()], [ast.Constant(value)])
            case Compare(op, fact, value):
                return self._known_and(fact, _COMPARISONS[op](), ast.Constant(value))
            case OneOf(fact, values):
                return ast.Compare(self._fact(fact), [ast.In()], [_several(values)])
            case Present(fact):
                return _is_none(self._facts[fact], ast.IsNot())
            case Absent(fact):
                return _is_none(self._facts[fact])
            case AfterNow(fact):
                return self._known_and(fact, ast.Gt(), _load("t"))
            case NotAfterNow(fact):
                return self._known_and(fact, ast.LtE(), _load("t"))
            case AgeAtLeast(years):
                declared = ast.Compare(self._fact("person.age"), [ast.In()], [_several(ages_of(years))])
                bound = _load(self._bounds[condition])
                return _either(declared, self._known_and("person.minor_until", ast.LtE(), bound))
            case Younger():
                return self._known_and("person.minor_until", ast.Gt(), _load(self._bounds[condition]))
            case Within(fact):
                return self._known_and(fact, ast.Gt(), _load(self._bounds[condition]))
            case Fixed(value):
                return ast.Constant(value == 1)
            case GradeAtLeast(fact, grade):
                return self._known_and(fact, ast.GtE(), ast.Constant(grade_level(grade)))
            case Told():
                return ast.Compare(self._fact("told.requested"), [ast.Eq()], [ast.Constant(1)])
        raise RuleError("an operation in a rule that no function is made of")

    def _known_and(self, fact: str, comparison: ast.cmpop, value: ast.expr) -> ast.expr:
        """The fact is known and compares so: a comparison with what is not known is no."""
        known = _is_none(self._facts[fact], ast.IsNot())
        return _both(known, ast.Compare(self._fact(fact), [comparison], [value]))

    def _fact(self, fact: str) -> ast.expr:
        return _load(self._facts[fact])

    def _of_type(self, fact: str, name: str) -> ast.expr:
        kind = ast.Attribute(_load(name), "__class__", ast.Load())
        return ast.Compare(kind, [ast.Is()], [_load("text" if FACTS[fact] is str else "number")])

    def _assign(self, name: str, value: ast.expr) -> None:
        self._lines.append(ast.Assign([_store(name)], value))

    def _made(self) -> _Function:
        arguments = ast.arguments([], [ast.arg("facts"), ast.arg("t"), ast.arg("shifts")], None, [], [], None, [])
        function = ast.FunctionDef("failing", arguments, self._lines, [])
        module = compile(ast.fix_missing_locations(ast.Module([function], [])), "<rules>", "exec")
        code = next(part for part in module.co_consts if isinstance(part, CodeType))
        names = {"__builtins__": {}, "text": str, "number": int}
        return cast("_Function", FunctionType(code, names))


_DATED = (AgeAtLeast, Younger, Within)
"""Atoms about a length of time, counted by the calendar from the moment of the decision."""

_COMPARISONS: Mapping[str, Callable[[], ast.cmpop]] = {
    "ne": ast.NotEq,
    "lt": ast.Lt,
    "le": ast.LtE,
    "gt": ast.Gt,
    "ge": ast.GtE,
}


def _bound(atom: Condition, t: Instant) -> Instant:
    match atom:
        case AgeAtLeast(years) | Younger(years):
            return adulthood_bound(t, years)
        case Within(_, months, days):
            return earliest(t, months, days)
    raise RuleError("an operation in a rule that counts no time")


def _settled(condition: Condition, facts: Facts, t: Instant) -> Condition:
    """The condition without what these facts and the turns of the law before `t` settle."""
    match condition:
        case Every(of):
            return every(_settled(member, facts, t) for member in of)
        case Any(of):
            return either(_settled(member, facts, t) for member in of)
        case _ if facts_in(condition) <= facts.keys():
            return Fixed(int(holds(condition, facts, t)))
        case _:
            return condition


def _turns(condition: Condition) -> Iterator[int]:
    for atom in _atoms(condition):
        if isinstance(atom, Before | NotBefore):
            yield atom.instant


def _atoms(condition: Condition) -> Iterator[Condition]:
    for part in _within(condition):
        if not isinstance(part, Every | Any):
            yield part


def _within(condition: Condition) -> Iterator[Condition]:
    yield condition
    if isinstance(condition, Every | Any):
        for member in condition.of:
            yield from _within(member)


def _parts(conditions: Mapping[Condition, int]) -> Iterator[Iterator[Condition]]:
    """The parts of each condition, those of an equal part once only: what is shared is worked out once."""
    seen: set[Condition] = set()

    def parts(condition: Condition) -> Iterator[Condition]:
        yield condition
        if condition not in seen and isinstance(condition, Every | Any):
            seen.add(condition)
            for member in condition.of:
                yield from parts(member)

    return (parts(condition) for condition in conditions)


def _load(name: str) -> ast.expr:
    return ast.Name(name, ast.Load())


def _store(name: str) -> ast.Name:
    return ast.Name(name, ast.Store())


def _several(values: Sequence[str | int]) -> ast.expr:
    return ast.Tuple([ast.Constant(value) for value in values], ast.Load())


def _is_none(name: str, comparison: ast.cmpop | None = None) -> ast.expr:
    return ast.Compare(_load(name), [comparison or ast.Is()], [ast.Constant(None)])


def _both(*of: ast.expr) -> ast.expr:
    return ast.BoolOp(ast.And(), list(of)) if len(of) > 1 else of[0]


def _either(*of: ast.expr) -> ast.expr:
    return ast.BoolOp(ast.Or(), list(of)) if len(of) > 1 else of[0]
