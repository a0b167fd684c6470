"""When and how often people are reached, as the rule table holds it: hours, days and caps, of laws and of the policy.

Hours are local, by the place where the person lives. These rules widen nothing: whether anybody may write is decided
before; here it is decided whether now, and whether once more. They are compiled and stored with the table, so that a
decision of a day can be taken again by the rules of that day.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import cast

from pacte.kernel.canonical import Json
from pacte.policy.durations import Duration
from pacte.policy.places import within
from pacte.policy.weeks import Week

LONGEST = 400
"""Days for which it is remembered that somebody was written to; a cap counts within a year at most."""


@dataclass(frozen=True, slots=True)
class ContactRule:
    """One rule of when (`week`, `holidays`) or how often (`at_most` within a length of time) people are reached.

    `channels` and `places`: empty means all. `holidays`: whether it lets people be reached on public holidays, too.
    It holds from `starts` until before `ends`. The rest says where it stands, as a requirement's does.
    """

    id: str
    channels: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    week: Week | None = None
    holidays: bool = True
    at_most: int = 0
    within: Duration = field(default_factory=Duration)
    starts: int | None = None
    ends: int | None = None
    article: str = ""
    source: str = ""
    since: str = ""
    pack: str = ""
    checked: int = 0
    says: Mapping[str, str] = field(default_factory=dict)
    short: Mapping[str, str] = field(default_factory=dict)

    @property
    def caps(self) -> bool:
        """Whether it says how often; otherwise it says when."""
        return self.week is None

    def holds(self, channel: str, places: Iterable[str], now: int) -> bool:
        """Whether it is about this channel, any of these places, and this instant.

        Who lives somewhere in a country may live in each of its regions: a region's rule is about them, too.
        """
        if self.channels and channel not in self.channels:
            return False
        if (self.starts is not None and now < self.starts) or (self.ends is not None and now >= self.ends):
            return False
        return not self.places or any(about(place, area) for place in places for area in self.places)

    def to_json(self) -> dict[str, Json]:
        """The stored form; what is empty is not written."""
        found: dict[str, Json] = {"id": self.id, "pack": self.pack, "checked": self.checked}
        for name in ("article", "source", "since", "starts", "ends"):
            if getattr(self, name) not in ("", None):
                found[name] = getattr(self, name)
        for name in ("channels", "places"):
            if getattr(self, name):
                found[name] = list(getattr(self, name))
        for name in ("says", "short"):
            if getattr(self, name):
                found[name] = dict(getattr(self, name))
        if self.week is None:
            return found | {"at_most": self.at_most, "within": self.within.to_json()}
        week: list[Json] = [[list(span) for span in day] for day in self.week]
        return found | {"week": week, "holidays": int(self.holidays)}


@dataclass(frozen=True, slots=True)
class ContactRules:
    """All rules of a policy, and `known`: the places in each of which somebody may live whose place nobody knows."""

    known: tuple[str, ...]
    rules: tuple[ContactRule, ...]

    def to_json(self) -> dict[str, Json]:
        """The stored form."""
        return {"known": list(self.known), "rules": [rule.to_json() for rule in self.rules]}


def about(place: str, area: str) -> bool:
    """Whether somebody who lives in a place may live in an area.

    >>> about("CA", "CA-QC"), about("CA-QC", "CA"), about("CA-ON", "CA-QC")
    (True, True, False)
    """
    return within(place, area) or within(area, place)


def read_contact(value: Json) -> ContactRules:
    """The stored form read back; raises `KeyError`, `TypeError`, `ValueError` or `AttributeError` for another."""
    stored = cast("dict[str, Json]", value)
    rules = cast("list[dict[str, Json]]", stored["rules"])
    return ContactRules(_texts(stored["known"]), tuple(_rule(rule) for rule in rules))


def _rule(value: dict[str, Json]) -> ContactRule:
    week = cast("list[list[list[int]]] | None", value.get("week"))
    if week is not None and len(week) != 7:
        raise ValueError("a week of another number of days")
    length = cast("dict[str, int]", value.get("within", {}))
    return ContactRule(
        id=str(value["id"]),
        channels=_texts(value.get("channels", [])),
        places=_texts(value.get("places", [])),
        week=None if week is None else tuple(tuple((int(a), int(b)) for a, b in day) for day in week),
        holidays=bool(value.get("holidays", 1)),
        at_most=int(cast("int", value["at_most"])) if week is None else 0,
        within=Duration(months=int(length.get("months", 0)), days=int(length.get("days", 0))),
        starts=cast("int | None", value.get("starts")),
        ends=cast("int | None", value.get("ends")),
        article=str(value.get("article", "")),
        source=str(value.get("source", "")),
        since=str(value.get("since", "")),
        pack=str(value["pack"]),
        checked=int(cast("int", value["checked"])),
        says=cast("dict[str, str]", dict(cast("dict[str, Json]", value.get("says", {})))),
        short=cast("dict[str, str]", dict(cast("dict[str, Json]", value.get("short", {})))),
    )


def _texts(value: Json) -> tuple[str, ...]:
    found = tuple(cast("list[Json]", value))
    if not all(isinstance(one, str) for one in found):
        raise ValueError("a list of something else than texts")
    return cast("tuple[str, ...]", found)
