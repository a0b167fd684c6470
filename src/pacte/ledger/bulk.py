"""Many entries at once: the checks and the canonical encoding of `ledger.entries`, column by column.

Entries of a batch have few shapes (the same keys in the same order). Of each shape, every key is looked at as one
column: a value that all entries share is checked and written once, integers are checked by their least and greatest.
Whatever does not pass in this way is checked again entry by entry, which is what says what is wrong. A property test
holds the two readings together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from json.encoder import encode_basestring
from typing import Any

from pacte.kernel.canonical import Json
from pacte.ledger.entries import Check, Entry, check_together, encode, form_of, validate

FEW = 4
"""Entries of one shape that are checked as quickly one by one."""


def bodies(batch: Sequence[Mapping[str, Json]], filled: Entry) -> list[bytes]:
    """The canonical bytes of each entry completed by `filled`, in the order given; raises `BadInput` as `validate`."""
    shapes: dict[tuple[str, ...], list[int]] = {}
    for place, entry in enumerate(batch):
        shapes.setdefault(tuple(entry), []).append(place)
    if len(shapes) == 1:
        return _alike(batch, filled)
    found = [b""] * len(batch)
    for places in shapes.values():
        for place, body in zip(places, _alike([batch[place] for place in places], filled), strict=True):
            found[place] = body
    return found


def _alike(group: Sequence[Mapping[str, Json]], filled: Entry) -> list[bytes]:
    """The same for entries of one shape."""
    if len(group) < FEW or not filled.keys().isdisjoint(group[0]):
        return [_alone(entry, filled) for entry in group]
    try:
        columns = _columns(group, filled)
        if columns is not None:
            return _written(columns, len(group))
    except (TypeError, UnicodeEncodeError):
        pass  # said below, by the entry that it comes from
    return [_alone(entry, filled) for entry in group]


def _alone(entry: Mapping[str, Json], filled: Entry) -> bytes:
    whole = {**entry, **filled}
    validate(whole)
    return encode(whole)


class _Column:
    """The values of one key: `same` for all, or one per entry."""

    __slots__ = ("same", "values")

    def __init__(self, values: Sequence[Any]) -> None:
        self.values = values
        self.same = False

    def passes(self, check: Check) -> bool:
        """Whether every value has the right form; may raise `TypeError` as a check may."""
        types = set(map(type, self.values))
        if types == {int}:
            least, greatest = min(self.values), max(self.values)
            self.same = least == greatest
            return bool(check(least) and check(greatest))
        if types == {str}:
            distinct = set(self.values)
            self.same = len(distinct) == 1
            return all(map(check, distinct))
        return all(map(check, self.values))


def _columns(group: Sequence[Mapping[str, Json]], filled: Entry) -> dict[str, _Column] | None:
    """The columns of entries of one shape, by key; `None` if any of them must be looked at alone."""
    form = form_of(group[0])
    if form is None:
        return None
    given = map(_Column, zip(*[entry.values() for entry in group], strict=True))
    columns = dict(zip(group[0], given, strict=True))
    columns |= {key: _Column((value,)) for key, value in filled.items()}
    for key, column in columns.items():
        check = form.checks.get(key)
        if check is None or not column.passes(check):
            return None
    chosen = [columns[key].values for key in form.deciding if key in columns and not columns[key].same]
    examples = dict(zip(zip(*chosen, strict=True), group, strict=True)).values() if chosen else group[:1]
    for example in examples:
        check_together({**example, **filled}, form)
    return columns


def _written(columns: Mapping[str, _Column], count: int) -> list[bytes]:
    """The bodies made of the columns: what all share stands in a template, what differs is put in."""
    parts: list[str] = []
    differing: list[Sequence[object]] = []
    for key in sorted(columns):
        column = columns[key]
        if column.same or len(column.values) == 1:
            parts.append(f"{encode_basestring(key)}:{_json(column.values[0])}".replace("%", "%%"))
        else:
            parts.append(f"{encode_basestring(key)}:%s")
            differing.append(_all_json(column.values))
    template = "{" + ",".join(parts) + "}"
    if not differing:
        return [(template % ()).encode()] * count
    return [(template % row).encode() for row in zip(*differing, strict=True)]


def _all_json(values: Sequence[Any]) -> Sequence[object]:
    first = type(values[0])
    if first is int:
        return values  # checked to be integers all of them, or none
    if first is str:
        return list(map(encode_basestring, values))
    return list(map(_json, values))


def _json(value: Any) -> str:
    return encode(value).decode()
