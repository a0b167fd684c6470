"""Usual purposes and people on the edge of a yes: what a pack is tried on before anybody relies on it.

The purposes are those of the templates that come with pacte. The people are near misses: somebody whom a purpose
permits, with one fact changed, or two, to every value at which a rule turns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations, cycle

import duckdb
import pyarrow as pa

from pacte.app.templates import DEFAULT, TEMPLATES, policy_text
from pacte.kernel.instant import Instant, parse_instant
from pacte.policy.compile import compile_policy
from pacte.policy.conditions import Condition, facts_in
from pacte.policy.declared import Declared
from pacte.policy.document import load_policy_text
from pacte.policy.model import PolicyFile
from pacte.policy.packs import Pack, packs_of
from pacte.policy.requirements import FOUNDED, requirements_of
from pacte.policy.rules import Facts
from pacte.policy.satisfy import values_that_matter
from pacte.policy.sql import reason_case
from pacte.policy.table import PurposeRules, Requirement
from pacte.policy.vocabulary import FACTS, STATEMENTS

PRESENT = parse_instant("2027-01-15T12:00:00")
"""When most of the questions are asked: every rule that comes with pacte has begun."""

WILLING: Facts = {
    "person.known": 1,
    "person.place": "FR",
    "person.capacity": "consumer",
    "person.age": "adult",
    "contract.since": parse_instant("2020-01-01"),
    "choice.status": "given",
    "choice.since": parse_instant("2020-01-01"),
    "choice.grade": 4,
    "choice.signal": "",
    "choice.method": "web_form",
    "choice.after_hold": 0,
    "guardian.status": "none",
    **{f"{name}.status": "none" for name in ("sale", "sensitive", "automated", "directive")},
    "sale.signal": "",
    **{f"told.{statement}": 1 for statement in STATEMENTS},
    "hold.status": "none",
    "told.requested": 1,
    "use.channel": "",
    "use.recipient": "",
    "use.stopped": 0,
    "use.in_force": 1,
}
"""Somebody whom most purposes permit."""


@dataclass(frozen=True, slots=True)
class Tried:
    """One usual purpose as it is without a pack and with it, and the rules that the pack adds."""

    template: str
    name: str
    without: PurposeRules
    with_it: PurposeRules
    own: tuple[Requirement, ...]

    @property
    def alone(self) -> PurposeRules:
        """The purpose as if the pack were all the law there is."""
        return _having(self.without, self.own)

    @property
    def where(self) -> str:
        """The purpose in words."""
        return f"`{self.name}` of the template `{self.template}`"


def usual_purposes(pack: Pack) -> tuple[Tried, ...]:
    """Every purpose of the templates, without the pack and with it; the company is what the pack binds."""
    return tuple(tried for template in TEMPLATES for tried in _of_template(template, pack))


def _of_template(template: str, pack: Pack) -> Iterator[Tried]:
    document = _bound(_template(template), pack)
    laws = tuple(law for law in packs_of(document) if law.id != pack.id)
    for name, rules in compile_policy(document).table.purposes.items():
        if name not in document.purposes:
            continue  # the house's own
        declared = Declared(name, document.purposes[name], document)
        without, with_it = requirements_of(declared, laws), requirements_of(declared, (*laws, pack))
        own = requirements_of(declared, (pack,))
        yield Tried(template, name, _having(rules, without), _having(rules, with_it), own)


@cache
def _template(name: str) -> PolicyFile:
    return load_policy_text(policy_text(name))


def _bound(document: PolicyFile, pack: Pack) -> PolicyFile:
    """The company is of every kind that the pack speaks of: otherwise it would have nothing to say."""
    kinds = dict.fromkeys([*document.controller.regulated_as, *pack.file.applies.regulated_as])
    controller = document.controller.model_copy(update={"regulated_as": tuple(kinds)})
    return document.model_copy(update={"controller": controller})


def _having(rules: PurposeRules, requirements: tuple[Requirement, ...]) -> PurposeRules:
    return replace(rules, requirements=requirements)


PAIRS = 150
"""As many people with two facts changed as are asked about: spread evenly over all that there are."""
MOST_VALUES = 24
"""As many values of one fact: laws that name many places name them alike."""


def near_misses(asked: Sequence[Condition], t: Instant) -> list[Facts]:
    """People with one fact changed among those that `asked` read, and some with two."""
    options = {fact: _values(fact, asked, t) for fact in _facts(asked)}
    people: list[Facts] = [{**WILLING, fact: value} for fact, values in options.items() for value in values]
    two = [{one: a, other: b} for one, other in combinations(options, 2) for a in options[one] for b in options[other]]
    some = two[:: len(two) // PAIRS + 1]
    born = options.get("person.minor_until", [])
    children: list[Facts] = [{"person.age": "minor", "person.minor_until": day} for day in born]
    people += [{**WILLING, **child} for child in children]
    return [*people, *({**WILLING, **changed} for changed in some), *_children(children, some)]


def _children(children: Sequence[Facts], some: Sequence[Facts]) -> Iterator[Facts]:
    """Somebody of each age in turn, with two other facts changed."""
    for child, changed in zip(cycle(children), some, strict=False):
        yield {**WILLING, **changed, **child}


def moments(tried: Iterable[Tried]) -> tuple[Instant, ...]:
    """The present, and both sides of every day on which a rule of the pack begins or ends: no house is older."""
    turns = {turn for one in tried for rule in one.own for turn in (rule.starts, rule.ends) if turn is not None}
    founded = parse_instant(FOUNDED)
    return (PRESENT, *(Instant(turn + step) for turn in sorted(turns) if turn > founded for step in (-1, 0)))


def in_duckdb(several: Sequence[PurposeRules], people: Sequence[Facts], t: Instant) -> list[tuple[str, ...]]:
    """The reason for every person (rows) and purpose (columns) as the reader for populations gives it."""
    columns = {
        name.replace(".", "_"): pa.array([one.get(name) for one in people], pa.string() if kind is str else pa.int64())
        for name, kind in FACTS.items()
    }
    asked = ", ".join(reason_case(rules, t).sql("duckdb") for rules in several)
    with duckdb.connect() as connection:
        connection.register("facts", pa.table(columns))
        return [tuple(map(str, row)) for row in connection.execute(f"SELECT {asked} FROM facts").fetchall()]


def different(tried: Iterable[Tried]) -> list[Tried]:
    """Purposes of which the pack asks something, one of those of which it asks the same."""
    found: dict[tuple[Condition, ...], Tried] = {}
    for one in tried:
        if one.own:
            found.setdefault(tuple(rule.condition for rule in one.own), one)
    return list(found.values())


def shop(tried: Iterable[Tried]) -> list[Tried]:
    """Those of the first template alone."""
    return [one for one in tried if one.template == DEFAULT]


def _values(fact: str, conditions: Sequence[Condition], t: Instant) -> list[str | int | None]:
    """The values that matter of a fact; of many places, the first few and one that no rule names."""
    found = values_that_matter(fact, conditions, t)
    return [*found[:MOST_VALUES], found[-1]] if len(found) > MOST_VALUES else found


def _facts(conditions: Iterable[Condition]) -> list[str]:
    return sorted({fact for condition in conditions for fact in facts_in(condition)})
