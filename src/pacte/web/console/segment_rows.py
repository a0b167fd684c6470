"""The rows of the segment builder: one single condition each, as a form holds them, and as a condition is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pacte.uses.audience.fields import Field

MOST = 8
"""Rows of a form, at most; a file may say more."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the field (or dataset) that it is about, its kind, and what was chosen.

    `kind` is that of the field (`fields.Kind`), or `count` for the rows of a dataset whatever they hold.
    """

    path: str
    kind: str
    values: tuple[str, ...] = ()
    at_least: str = ""
    below: str = ""
    months: str = ""
    negated: bool = False

    def written(self) -> dict[str, Any]:
        """The condition as people write it."""
        dataset, _, name = self.path.partition(".")
        found: dict[str, Any] = {"field": self.path}
        if self.kind in ("rows", "count"):
            found = {"dataset": dataset} | ({"field": name} if name else {})
        if self.kind in ("words", "rows"):
            found["in"] = list(self.values)
        if self.months:
            found["within"] = f"{self.months} months"
        found |= {key: said for key, said in (("at_least", self.at_least), ("below", self.below)) if said}
        return {"not": found} if self.negated else found


def typed(form: Mapping[str, Any], values_of: Any, fields: Mapping[str, Field]) -> list[Row]:
    """The rows of a sent form, without those about what the purpose does not declare."""
    return [row for at in range(MOST) if (row := _typed(form, values_of, fields, at)) is not None]


def _typed(form: Mapping[str, Any], values_of: Any, fields: Mapping[str, Field], at: int) -> Row | None:
    path = str(form.get(f"row/{at}/path", ""))
    kind = kind_of(path, fields)
    if not kind:
        return None
    said = {key: str(form.get(f"row/{at}/{key}", ""))[:9] for key in ("at_least", "below", "months")}
    chosen = tuple(str(one)[:200] for one in values_of(f"row/{at}/in"))
    return Row(path, kind, chosen, negated=form.get(f"row/{at}/not") == "yes", **said)


def kind_of(path: str, fields: Mapping[str, Field]) -> str:
    """The kind of a row about a field or a dataset; empty where there can be none."""
    if path in fields:
        return fields[path].kind
    counted = any(one.kind == "rows" and name.startswith(f"{path}.") for name, one in fields.items())
    return "count" if path and counted else ""


def joined(rows: Sequence[Row], match: str) -> dict[str, Any]:
    """The condition that the rows say together: all of them, or any."""
    return {"any" if match == "any" else "all": [row.written() for row in rows]}


def taken(written: Mapping[str, Any], fields: Mapping[str, Field]) -> tuple[str, list[Row]] | None:
    """The rows that say the same as a written condition, and how they are joined; `None` where a form cannot say it."""
    match = next((word for word in ("all", "any") if word in written), "all")
    members = written.get(match, [written])
    rows = [_taken(one, fields) for one in members] if isinstance(members, list) else []
    found = [row for row in rows if row is not None]
    return (match, found) if 0 < len(found) == len(rows) <= MOST else None


def _taken(written: Mapping[str, Any], fields: Mapping[str, Field]) -> Row | None:
    negated = "not" in written
    inner = written["not"] if negated else written
    if not isinstance(inner, Mapping) or {"all", "any", "not"} & set(inner):
        return None
    named = str(inner.get("field", ""))
    path = ".".join(_named(inner, named))
    kind = kind_of(path, fields)
    months = str(inner.get("within", "")).partition(" ")[0]
    bounds = {key: str(inner.get(key, "")) for key in ("at_least", "below")}
    return Row(path, kind, tuple(inner.get("in", ())), months=months, negated=negated, **bounds) if kind else None


def _named(inner: Mapping[str, Any], name: str) -> Iterator[str]:
    if "dataset" in inner:
        yield str(inner["dataset"])
    if name:
        yield name
