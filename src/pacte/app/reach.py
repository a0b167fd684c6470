"""Whom a use may reach, and whom a segment leaves out: numbers of people, each as it may be shown (`app.shown`).

The permission funnel comes before any size. The disparity report sets the share of each age band and region that a
segment has beside its share of everybody who may be reached. Source: Loi 2008-496 art. 1; GDPR recital 71.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

from pacte.app import shown
from pacte.app.policies import published
from pacte.app.segments import Segment, asked_of, size, source_of
from pacte.app.stop import STOPPED, over
from pacte.gate import members as gate
from pacte.gate.crowds import Crowd
from pacte.gate.measures import EVERYBODY, Measure
from pacte.gate.values import Question
from pacte.kernel.canonical import Json
from pacte.kernel.instant import Instant
from pacte.kernel.quiet import free_in_copies
from pacte.ledger import log
from pacte.policy.table import RuleTable
from pacte.uses.audience.condition import normal, to_json
from pacte.uses.audience.fields import AGED, REGIONS, Field, conditionable
from pacte.uses.audience.query import Grid
from pacte.uses.audience.shown import Limits, offset, parted

if TYPE_CHECKING:
    from pacte.app.house import House
    from pacte.app.uses import Use

MOST = 12
"""So many values of a field are shown, those that most people have."""
OFFERED = 60
"""So many values of a field are offered to choose from."""

KEPT = 8
"""So many uses are kept to count by: each holds a number for everybody whom it permits."""

_kept: OrderedDict[tuple[str, str, str, str], Use] = OrderedDict()
_lock = free_in_copies(Lock())


@dataclass(frozen=True, slots=True)
class Reach:
    """How many people are known, how many may be reached, and for each reason how many may not.

    `None` where they are too few to be said, nobody at all included: every reason that the rules could give is there.
    """

    everybody: int | None
    permitted: int | None
    reasons: tuple[tuple[str, int | None], ...]


@dataclass(frozen=True, slots=True)
class Part:
    """People of one age band or region ("" is the rest): how many in a hundred of those permitted are members.

    In steps of five. `at_most`: the members are too few to be said, and this is the share that they do not reach.
    """

    value: str
    share: int
    at_most: bool


@dataclass(frozen=True, slots=True)
class Disparity:
    """By one field: the parts that have people enough, beside the share of the whole."""

    field: Field
    share: int
    parts: tuple[Part, ...]


def reach(house: House, purpose: str, channel: str = "", recipient: str = "") -> Reach:
    """The permission funnel of a question that is asked now. Raises `Denied` for what the policy does not declare."""
    with house.reading() as conn:
        act = house.act(conn, "python")
        asked = Question(purpose, act.present, log.head(conn).size, (), channel, recipient)
        table = published(conn, act.present).table
        crowds = gate.by_reason(source_of(house, conn), asked)
        where = STOPPED if over(conn, purpose, act.present) else ""
    listed = [*dict.fromkeys(rule.otherwise for rule in table.purposes[purpose].requirements)]
    others = [crowd for reason, crowd in crowds.items() if reason not in (*listed, "permitted")]
    named = {reason: crowds.get(reason, Crowd()) for reason in ("permitted", *listed)}
    named["other"] = sum(others, Crowd())
    what: dict[str, Json] = {"reach": purpose, "channel": channel, "recipient": recipient}
    # While the purpose is stopped, what was told before it was no longer holds.
    some = [shown.about(house, {**what, "reason": reason}, crowd, where) for reason, crowd in named.items()]
    whole = shown.about(house, {**what, "reason": "everybody"}, sum(named.values(), Crowd()))
    everybody, *numbers = shown.settle(house, [whole, *some])
    left = list(parted([(number, one.counted) for number, one in zip(numbers, some, strict=True)]))
    return Reach(everybody, left[0], tuple(zip([*listed, "other"], left[1:], strict=True)))


def disparity(house: House, use: Use, segment: Segment | Mapping[str, Any]) -> list[Disparity]:
    """Who is left out of a segment, by age band and region, as far as its purpose declares them.

    Empty where the segment's own size may not be shown. Raises as `segments.size` does.
    """
    members = size(house, use, segment).size
    if members is None:
        return []
    with house.reading() as conn:
        house.act(conn, "python")
        now = house.present(conn)
        table, bounds = published(conn, now).table, shown.limits(conn, now)
        asked, source = asked_of(conn, use, segment, now), source_of(house, conn)
        whole = gate.counted(source, use.permits, now, EVERYBODY).members
        found = []
        for field in _told_apart(table, use.permits.purpose):
            grid = _grid(house, use, field, now)
            if grid.kind == "words" and not grid.values:
                continue  # no value is shared by people enough
            crowds = gate.parts(source, use.permits, now, asked.asked(now, grid), len(asked.grids))
            found.append((field, grid, crowds))
    condition = to_json(normal(asked.condition))
    permitted = shown.settle(house, [shown.about(house, {"all": use.permits.purpose}, whole)])[0] or members
    return [
        Disparity(field, _share(members, permitted), tuple(_parts(house, use, condition, bounds, field, grid, crowds)))
        for field, grid, crowds in found
    ]


def of_today(house: House, purpose: str, channel: str, by: str) -> Use:
    """A use of the purpose by whoever looks, to count by: recorded once, and kept while its permits last."""
    from pacte.app.uses import declare

    name = (str(house.path), purpose, channel, by)
    with _lock:
        kept = _kept.get(name)
    if kept is not None and kept.house is house and house.clock() < kept.permits.expires:
        return kept
    found = declare(house, purpose, channel=channel, by=by)
    with _lock:
        _kept[name] = found
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
    return found


def offered(house: House, use: Use, only: Collection[str] | None = None) -> dict[str, list[str]]:
    """The values that conditions may name, by field (or by those alone): what people enough have, by the alphabet."""
    with house.reading() as conn:
        house.act(conn, "python")
        now = house.present(conn)
        fields = conditionable(published(conn, now).table, use.permits.purpose)
    wordy = [one for one in fields.values() if one.kind in ("words", "rows") and (only is None or one.path in only)]
    return {field.path: sorted(_common(house, use, field, now)[:OFFERED]) for field in wordy}


def _told_apart(table: RuleTable, purpose: str) -> Iterator[Field]:
    """The declared fields that are an age or a region, and tell of nothing special."""
    for field in conditionable(table, purpose).values():
        known = field.category in AGED or (field.kind == "words" and field.category in REGIONS)
        if known and field.kind in ("age", "number", "words") and not field.special and not field.telling:
            yield field


def _grid(house: House, use: Use, field: Field, now: Instant) -> Grid:
    dataset, _, name = field.path.partition(".")
    measure = Measure(dataset, name)
    if field.kind != "words":
        return Grid(measure, field.kind, steps=field.steps)
    return Grid(measure, "words", tuple(sorted(_common(house, use, field, now)[:MOST])))


def _common(house: House, use: Use, field: Field, now: Instant) -> list[str]:
    """The values that people enough have, the most frequent first."""
    dataset, _, name = field.path.partition(".")
    with house.reading() as conn:
        bounds = shown.limits(conn, now)
        measure = Measure(dataset, "", name) if field.kind == "rows" else Measure(dataset, name)
        crowds = gate.values(source_of(house, conn), use.permits, now, measure)
    key = house.keys.house_key(gate.KEY)
    counted = {
        value: crowd.weighted + offset(key, {"value": value, "of": field.path}) for value, crowd in crowds.items()
    }
    enough = [value for value, crowd in crowds.items() if bounds.number(crowd.people, counted[value]) is not None]
    return sorted(enough, key=lambda value: (-counted[value], value))


def _parts(
    house: House,
    use: Use,
    condition: Json,
    bounds: Limits,
    field: Field,
    grid: Grid,
    crowds: Mapping[int, tuple[Crowd, Crowd]],
) -> Iterator[Part]:
    regions = [*range(1, grid.size), 0]
    for region in regions:
        pair = crowds.get(region, (Crowd(), Crowd()))
        named: dict[str, Json] = {"disparity": field.path, "region": grid.said(region), "purpose": use.permits.purpose}
        some = [
            shown.about(house, {**named, "of": name}, crowd, where=condition)
            for name, crowd in zip(("members", "permitted"), pair, strict=True)
        ]
        members, permitted = shown.settle(house, some)
        if permitted is not None:
            share = _share(bounds.smallest if members is None else members, permitted)
            yield Part(_label(grid, region), share, members is None)


def _share(some: int, whole: int) -> int:
    """A share in a hundred, in steps of five: counts of parts would say what the part that is left out has."""
    return min(100, round(20 * some / whole) * 5)


def _label(grid: Grid, region: int) -> str:
    """A value, the years of an age band, or "" for the rest."""
    if region == 0:
        return ""
    if grid.kind == "words":
        return grid.values[region - 1]
    least = 0 if region == 1 else grid.steps[region - 2]
    below = grid.steps[region - 1] if region <= len(grid.steps) else None
    return f"{least}–{below - 1}" if below else f"{least}+"
