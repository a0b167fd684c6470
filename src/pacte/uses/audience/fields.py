"""What a purpose may condition on: its declared fields, each at the steps at which it may be told apart.

Steps are fixed: they follow from the policy and not from the people, so that moving a bound a little shows nothing.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pacte.kernel.errors import BadInput
from pacte.policy.categories import categories
from pacte.policy.table import RuleTable

AGES = (18, 25, 35, 50, 65)
"""Years at which age bands begin."""
MONTHS = (1, 3, 6, 12, 24, 36)
"""Months back that a date is told apart at, and that rows are counted over."""
_SERIES = (1, 2, 5, 10, 20, 50, 100, 200)
_NUMBERS = ("integer", "decimal")
AGED = ("birth_date", "age", "age_exact", "age_range")
REGIONS = ("region", "country", "city", "postal_code")

Kind = Literal["words", "number", "day", "age", "rows"]


@dataclass(frozen=True, slots=True)
class Field:
    """A field or an aggregate: its values are words, numbers told apart at `steps`, days, or dates of birth.

    `rows`: a field of single events, by which rows are counted. `special`: what its category, or some of its values,
    tell of a special category. `prefix` is how many characters of a word count.
    """

    path: str
    kind: Kind
    category: str
    steps: tuple[int, ...] = ()
    prefix: int = 0
    special: frozenset[str] = frozenset()
    telling: tuple[str, ...] = ()


def conditionable(table: RuleTable, purpose: str) -> dict[str, Field]:
    """The fields that conditions of a purpose may name, by their path, in the order of the policy."""
    found = {}
    for path in table.purposes[purpose].fields:
        dataset_name, _, name = path.partition(".")
        dataset = _dataset(table, dataset_name)
        field = _aggregate(path, dataset, name) if name in dataset["aggregates"] else _column(path, dataset, name)
        if field is not None:
            found[path] = field
    return found


def datasets(table: RuleTable, purpose: str) -> dict[str, bool]:
    """The datasets of events whose rows may be counted, and whether over a time: what declares a date or an instant."""
    found: dict[str, bool] = {}
    for path in table.purposes[purpose].fields:
        name, _, field = path.partition(".")
        dataset = _dataset(table, name)
        if dataset["per"] == "event" and field in dataset["fields"]:
            dated = dataset["fields"][field]["type"] in ("date", "instant")
            found[name] = found.get(name, False) or dated
    return found


def _dataset(table: RuleTable, name: str) -> dict[str, Any]:
    found: dict[str, Any] = dict(table.datasets)
    return dict(found[name])


def _column(path: str, dataset: Mapping[str, Any], name: str) -> Field | None:
    spec = dataset["fields"][name]
    if "identity" in spec:
        return None
    told = _told(spec)
    rounding = spec.get("coarse", {})
    if dataset["per"] == "event":
        if spec["type"] not in ("string", "boolean"):
            return None
        return Field(path, "rows", spec["category"], prefix=rounding.get("prefix", 0), **told)
    if spec["type"] in _NUMBERS:
        steps = AGES if spec["category"] in AGED else _steps(rounding.get("step", 1))
        return Field(path, "number", spec["category"], steps, **told)
    if spec["type"] in ("date", "instant"):
        if spec["category"] in AGED:
            return Field(path, "age", spec["category"], AGES, **told)
        return Field(path, "day", spec["category"], MONTHS, **told)
    return Field(path, "words", spec["category"], prefix=rounding.get("prefix", 0), **told)


def _aggregate(path: str, dataset: Mapping[str, Any], name: str) -> Field | None:
    spec = dataset["aggregates"][name]
    source = dataset["fields"].get(spec.get("field", ""), {})
    special = _told(source)["special"] | _of_category(spec["category"])
    rounding = spec.get("coarse", {})
    if spec["take"] in ("min", "max") and source["type"] in ("date", "instant"):
        return Field(path, "day", spec["category"], MONTHS, special=special)
    if spec["take"] in ("min", "max") and source["type"] not in _NUMBERS:
        return None  # the first or last of words in their alphabet is nothing to choose people by
    return Field(path, "number", spec["category"], _steps(rounding.get("step", 1)), special=special)


def _steps(step: int) -> tuple[int, ...]:
    """The declared step, twice, five times… as much."""
    return tuple(step * times for times in _SERIES)


def _told(spec: Mapping[str, Any]) -> dict[str, Any]:
    patterns = spec.get("reveals", {})
    telling = tuple(pattern for values in patterns.values() for pattern in values)
    return {"special": _of_category(spec.get("category", "")), "telling": telling}


def _of_category(name: str) -> frozenset[str]:
    category = categories().get(name)
    return frozenset({name}) if category and category.special else frozenset()


def step_of(field: Field, value: int) -> int:
    """The nearest of a field's steps that is not above a value; 0 below the first."""
    return max((edge for edge in field.steps if edge <= value), default=0)


def refuse_step(field: Field, value: int, key: str) -> None:
    """Raise `BadInput` for a bound between two steps, with the coarser one."""
    if value and value not in field.steps:
        near = step_of(field, value)
        years = "years of age: " if field.category in AGED else ""
        raise BadInput(
            f"`{field.path}` is told apart at {years}{_listed(field.steps)}; for `{key}` write {near or field.steps[0]}"
        )


def refuse_finer(field: Field, values: Sequence[str]) -> None:
    """Raise `BadInput` for a value that is finer than the policy rounds it, with what to write instead."""
    if field.prefix and any(len(value) > field.prefix for value in values):
        raise BadInput(f"`{field.path}` goes by its first {field.prefix} characters; leave the rest of each value out")


def _listed(steps: tuple[int, ...]) -> str:
    return ", ".join(f"{step:,}" for step in steps)


def tells(field: Field, values: tuple[str, ...] = ()) -> bool:
    """Whether this field, or one of these values, tells of a special category. Source: CJEU C-184/20."""
    if field.special:
        return True
    return any(_meets(value, pattern) for value in values for pattern in field.telling)


def _meets(value: str, pattern: str) -> bool:
    folded, of = _folded(value), _folded(pattern.removesuffix("*"))
    return folded.startswith(of) if pattern.endswith("*") else folded == of


def _folded(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.strip().lower())
    return "".join(one for one in plain if not unicodedata.combining(one))
