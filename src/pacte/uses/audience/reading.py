"""Read a condition as people write it: in YAML, in JSON, from a form; each mistake said with what to write instead.

all:
  - {field: customers.city, in: [Rennes, Nantes]}
  - {field: orders.spent, at_least: 100, below: 500}
  - {field: orders.last_order, within: 6 months}
  - {dataset: orders, field: product, in: [green tea], within: 12 months, at_least: 2}
  - not: {field: customers.country, in: [FR]}
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any as Node

from pacte.gate.measures import Measure
from pacte.kernel.errors import BadInput, named
from pacte.policy.document import read_yaml
from pacte.policy.durations import parse_duration
from pacte.policy.mistakes import meant
from pacte.policy.table import RuleTable
from pacte.uses.audience.condition import Aged, Any, Between, Condition, Every, Is, Lately, Not, atoms
from pacte.uses.audience.fields import (
    MONTHS,
    Field,
    conditionable,
    datasets,
    refuse_finer,
    refuse_step,
    tells,
)

DEEPEST, MOST = 8, 12
"""How deep conditions may nest, and how many single ones there may be."""
LONGEST = 200
"""Characters of a value, and values of a list, at most."""


@dataclass(frozen=True, slots=True)
class _Reader:
    """What a purpose may condition on, and whether it stands on a ground for special categories."""

    fields: Mapping[str, Field]
    datasets: Mapping[str, bool]
    special: bool


@dataclass(frozen=True, slots=True)
class File:
    """A segment as a file says it: its name, for which purpose, by which channel it is counted, and who is in it."""

    name: str
    purpose: str
    channel: str
    who: Mapping[str, Node]


def read_file(content: bytes, name: str) -> File:
    """Read a segment's file; raises `PolicyError` for what is no YAML, `BadInput` for what is no segment.

    >>> file = b"segment: near\\npurpose: newsletter\\nwho: {field: customers.city, in: [Rennes]}"
    >>> read_file(file, "near.yaml").name
    'near'
    """
    node = read_yaml(content, name).at(())
    if not isinstance(node, dict):
        raise BadInput(f"{name}: no segment; expected `segment`, `purpose` and `who`")
    _keys(node, {"segment", "purpose", "channel", "who"})
    who = node.get("who")
    if not isinstance(who, dict):
        raise BadInput(f"{name}: `who` is missing: the condition that people meet")
    channel = _text(node["channel"], "channel") if "channel" in node else ""
    return File(_text(node.get("segment"), "segment"), _text(node.get("purpose"), "purpose"), channel, who)


def read(table: RuleTable, purpose: str, node: Node) -> Condition:
    """A condition for a purpose, checked; raises `BadInput` for the first mistake in it."""
    if purpose not in table.purposes:
        raise BadInput(f"the policy declares no purpose {named(purpose)}{_instead(purpose, table.purposes)}")
    reader = _Reader(conditionable(table, purpose), datasets(table, purpose), table.purposes[purpose].art9)
    found = _condition(reader, node, 0)
    alone = list(atoms(found))
    if len(alone) > MOST:
        raise BadInput(f"more than {MOST} conditions; whoever meets so many would soon be alone")
    _refuse_special(reader, alone)
    return found


def _condition(reader: _Reader, node: Node, depth: int) -> Condition:
    if depth > DEEPEST:
        raise BadInput(f"conditions nested deeper than {DEEPEST}; write them flatter")
    if not isinstance(node, Mapping):
        raise BadInput("a condition is `all`, `any`, `not`, or says a `field` or a `dataset`")
    for word, kind in (("all", Every), ("any", Any)):
        if word in node:
            _keys(node, {word})
            members = node[word]
            if not isinstance(members, list) or not members:
                raise BadInput(f"`{word}` holds a list of conditions, one at least")
            return kind(tuple(_condition(reader, one, depth + 1) for one in members))
    if "not" in node:
        _keys(node, {"not"})
        return Not(_condition(reader, node["not"], depth + 1))
    return _rows(reader, node) if "dataset" in node else _field(reader, node)


def _field(reader: _Reader, node: Mapping[str, Node]) -> Condition:
    path = _text(node.get("field"), "field")
    field = reader.fields.get(path)
    if field is None:
        known = [name for name, one in reader.fields.items() if one.kind != "rows"]
        raise BadInput(f"the purpose declares no field {named(path)} to choose people by{_instead(path, known)}")
    dataset, _, name = path.partition(".")
    measure = Measure(dataset, name)
    match field.kind:
        case "words":
            _keys(node, {"field", "in"})
            return Is(measure, _values(field, node.get("in")))
        case "day":
            _keys(node, {"field", "within"})
            return Lately(measure, _months(node.get("within")))
        case "rows":
            raise BadInput(f"`{path}` has many values per person; write `dataset: {dataset}` beside it, to count rows")
    _keys(node, {"field", "at_least", "below"})
    return _bounds(Aged if field.kind == "age" else Between, measure, field, node)


def _rows(reader: _Reader, node: Mapping[str, Node]) -> Condition:
    """How many rows of a dataset somebody has."""
    _keys(node, {"dataset", "field", "in", "within", "at_least", "below"})
    dataset = _text(node.get("dataset"), "dataset")
    if dataset not in reader.datasets:
        there = reader.datasets
        raise BadInput(f"the purpose declares no dataset of events {named(dataset)}{_instead(dataset, there)}")
    months = _months(node["within"]) if "within" in node else 0
    if months and not reader.datasets[dataset]:
        raise BadInput(f"the purpose declares no field of `{dataset}` that says when; leave `within` out")
    where, among = "", tuple[str, ...]()
    if "field" in node:
        path = f"{dataset}.{_text(node['field'], 'field').removeprefix(f'{dataset}.')}"
        field = reader.fields.get(path)
        if field is None or field.kind != "rows":
            known = [name for name, one in reader.fields.items() if one.kind == "rows"]
            raise BadInput(f"rows are not counted by {named(path)}{_instead(path, known)}")
        where, among = path.partition(".")[2], _values(field, node.get("in"))
    elif "in" in node:
        raise BadInput("`in` says values of a field; say which with `field`")
    counted = Field(f"{dataset}: rows", "number", "", (1, 2, 5, 10, 20, 50))
    bounds = node if {"at_least", "below"} & set(node) else {**node, "at_least": "1"}
    return _bounds(Between, Measure(dataset, "", where, among, months), counted, bounds)


def _bounds(
    kind: Callable[[Measure, int | None, int | None], Condition],
    measure: Measure,
    field: Field,
    node: Mapping[str, Node],
) -> Condition:
    found = {key: _number(node[key], key) for key in ("at_least", "below") if key in node}
    if not found:
        raise BadInput(f"`{field.path}` is a number; say `at_least`, `below`, or both")
    for key, value in found.items():
        refuse_step(field, value, key)
    if found.get("below") is not None and found["below"] <= found.get("at_least", 0):
        raise BadInput(f"`{field.path}`: nobody is below `below` and at least `at_least` at once")
    return kind(measure, found.get("at_least"), found.get("below"))


def _values(field: Field, node: Node) -> tuple[str, ...]:
    if not isinstance(node, list) or not 0 < len(node) <= LONGEST:
        raise BadInput(f"`{field.path}`: `in` holds a list of values, one at least and {LONGEST} at most")
    values = tuple(dict.fromkeys(_text(one, "in") for one in node))
    refuse_finer(field, values)
    return values


def _months(node: Node) -> int:
    found = parse_duration(_text(node, "within"))
    if found.months not in MONTHS or found.days:
        months = ", ".join(f"`{count} month{'s' * (count > 1)}`" for count in MONTHS)
        raise BadInput(f"`within` is one of {months}: days are never told apart")
    return found.months


def _number(node: Node, key: str) -> int:
    text = str(node) if type(node) is int else node
    if not isinstance(text, str) or not text.isdecimal() or len(text) > 9:
        raise BadInput(f"`{key}` is a whole number, not below 0")
    return int(text)


def _text(node: Node, key: str) -> str:
    if not isinstance(node, str) or not node.strip() or len(node) > LONGEST or "\0" in node:
        raise BadInput(f"`{key}` is missing, or is no text of {LONGEST} characters at most")
    return node


def _instead(word: str, known: Collection[str]) -> str:
    """What was probably meant, and what there is."""
    listed = ", ".join(f"`{one}`" for one in known) or "none"
    return f"{meant(word, known)} (there is: {listed})"


def _keys(node: Mapping[str, Node], known: set[str]) -> None:
    for key in node:
        if key not in known:
            raise BadInput(f"a condition has no {named(str(key))} here; it may have {_listed(known)}")


def _listed(known: set[str]) -> str:
    return ", ".join(f"`{key}`" for key in sorted(known))


def _refuse_special(reader: _Reader, alone: list[Is | Between | Aged | Lately]) -> None:
    """One condition at most tells of a special category, and then there is no other. Source: GDPR Art. 9."""
    telling = [atom for atom in alone if _tells(reader, atom)]
    if not telling:
        return
    if not reader.special:
        raise BadInput(
            "a condition tells of a special category of data, for which this purpose has no ground; leave it out"
        )
    if (
        len(alone) > 1
        or (isinstance(telling[0], Is) and len(telling[0].values) > 1)
        or len(telling[0].measure.values) > 1
    ):
        raise BadInput(
            "what tells of a special category is never combined with anything else; leave one of the conditions out"
        )


def _tells(reader: _Reader, atom: Is | Between | Aged | Lately) -> bool:
    measure = atom.measure
    if measure.name:
        values = atom.values if isinstance(atom, Is) else ()
        return tells(reader.fields[f"{measure.dataset}.{measure.name}"], values)
    return bool(measure.where) and tells(reader.fields[f"{measure.dataset}.{measure.where}"], measure.values)
