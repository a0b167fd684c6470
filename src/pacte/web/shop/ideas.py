"""What the sample shop chooses for somebody: as far as their level goes, and the gate says yes, at that moment.

Each idea says what it comes from, and is a use of its own: recorded before anything is read, once for a visit of some
minutes. What somebody bought shows only to who proved a moment ago who they are: a forwarded link shows the basket's
idea at most. Without a level, without a yes of the gate, without a session there is no idea, and the shop is the same
for everybody. Source: GDPR Art. 6(1)(a), 25(2); Regulation (EU) 2022/2065 Art. 27, 38.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pacte.app import events
from pacte.app.ask import permit
from pacte.app.house import House
from pacte.app.levels import Steps, steps
from pacte.gate.values import Decision
from pacte.kernel.errors import BadInput, Denied, NotFound
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import SECOND
from pacte.web.session import Session
from pacte.web.shop.goods import BASKET, GOODS, Goods, liked, partner

AT_HAND = "this_purchase"
LEVELS = (AT_HAND, "my_history", "my_tastes")
"""The purposes that the shop serves: by what is in the basket, by what was bought, by what that suggests."""
VISIT = 300 * SECOND
"""For how long the same page shown again is the same use, in microseconds; shorter than a permit lasts."""
BY = "shop"


@dataclass(frozen=True, slots=True)
class Idea:
    """Something suggested: for which purpose, because `of` what, recorded as which entry; `place` is its level's."""

    goods: Goods
    purpose: str
    of: str
    entry: int
    place: int


@dataclass(frozen=True, slots=True)
class Ideas:
    """What is chosen for somebody: the ideas, how their levels stand, whether more would show after a sign-in."""

    found: tuple[Idea, ...] = ()
    steps: Steps | None = None
    hidden: bool = False


def ideas(house: House, session: Session | None, lang: str) -> Ideas:
    """The ideas for whoever is signed in; none for nobody."""
    if session is None:
        return Ideas()
    try:
        now = steps(house, SubjectId(session.who), lang)
    except Denied:  # no policy is in force
        return Ideas()
    on = {step.level.purpose: place for place, step in enumerate(now.steps) if step.on and step.level.purpose in LEVELS}
    fresh = session.fresh(house.clock())
    shown = {purpose: place for purpose, place in on.items() if fresh or purpose == AT_HAND}
    return Ideas(tuple(_found(house, session, shown)), now, hidden=shown != on)


def _found(house: House, session: Session, places: Mapping[str, int]) -> Iterator[Idea]:
    taken = {goods.name for goods, _ in BASKET}
    for purpose, place in places.items():
        looked = _looked_at(house, session, purpose)
        if looked is None:
            continue
        names, entry = looked
        if found := (liked if purpose == "my_tastes" else partner)(names, taken | set(names)):
            taken.add(found[0].name)
            yield Idea(found[0], purpose, found[1], entry, place)


def _looked_at(house: House, session: Session, purpose: str) -> tuple[list[str], int] | None:
    """What a purpose may look at, the latest first, and the entry of this use; `None` where the gate says no."""
    visit = hashlib.sha256(f"{session.name}:{purpose}:{house.clock() // VISIT}".encode()).hexdigest()
    asked: dict[str, Any] = {"fields": ("orders.product",), "by": BY, "key": f"shop:{visit}"}
    try:
        if purpose == AT_HAND:
            given = permit(house, session.who, purpose, **asked)
            return None if isinstance(given, Decision) else ([goods.name for goods, _ in BASKET], given.index)
        opened = events.open_events(house, session.who, purpose, **asked)
    except (BadInput, Denied, NotFound):  # declared otherwise by now, erased, or the permit's time is over
        return None
    if isinstance(opened, Decision):
        return None
    bought = (str(row.values.reveal().get("product") or "").replace(" ", "_") for row in opened.rows)
    return [name for name in dict.fromkeys(bought) if name in GOODS], opened.permit.index
