"""May somebody be reached by this channel at this instant? What is asked last, after the gate has permitted the use.

Whoever is permitted may still have asked to be written to once a month, have been written to yesterday, live where it
is night, or have an address that no longer works. Hours and holidays put off (`until`); everything else is final for
this message. A `service` message (a receipt, a breach notice) waits for nothing and is counted nowhere, and goes to no
dead address either. Pure: everything that it looks at is in `Facts` and in the stored rule table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pacte.gate.hours import Window, reopening
from pacte.kernel.errors import BadInput
from pacte.kernel.instant import DAY, Instant
from pacte.policy.contact import ContactRule, ContactRules
from pacte.policy.durations import Duration
from pacte.policy.weeks import Week

KINDS = ("service", "promotion")
"""What a message is: something that somebody waits for, or an offer."""

REASONS = (
    "suppressed",
    "no_address",
    "channel_unwanted",
    "preferred_frequency",
    "cap_reached",
    "place_unknown",
    "holiday",
    "quiet_hours",
)
"""Why somebody is not reached now, in the order in which it is asked."""

PUT_OFF = frozenset({"holiday", "quiet_hours"})
"""Reasons that pass by themselves: they come with the instant at which they do."""

DEAD = frozenset({"bounced"})
"""Suppressions that stop every message: nobody reads at this address."""

RINGS = frozenset({"phone", "sms"})
"""Channels that ring: whose place nobody knows is not reached by them."""

OFTEN: Mapping[str, Duration] = {"weekly": Duration(days=7), "monthly": Duration(months=1)}
"""Within which time somebody wishes to hear of us once at most."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one person at the instant of the question, as far as it says whether they may be reached.

    `place` is empty where nobody knows it. `wishes` are words by setting, of the channel that is asked about.
    `elsewhere`: another channel reaches them that they like better. `contacts` are the offers of before, when and by
    which channel. `suppressed` are the reasons in force for their address of this channel, `address` whether they have
    one.
    """

    place: str = ""
    wishes: Mapping[str, str] = field(default_factory=dict)
    elsewhere: bool = False
    contacts: Sequence[tuple[Instant, str]] = ()
    suppressed: frozenset[str] = frozenset()
    address: bool = True


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why somebody is not reached now, and from when on they may be; `rule` is the one that says so, if one does."""

    reason: str
    until: Instant | None = None
    rule: ContactRule | None = None


class Reach:
    """One question about many people: this kind of message, by this channel, at this instant, under these rules.

    What it works out of the rules and of the places it keeps for the next person. Raises `BadInput` for an unknown
    kind.
    """

    def __init__(self, rules: ContactRules, kind: str, channel: str, now: Instant) -> None:
        if kind not in KINDS:
            raise BadInput("an unknown kind of message; expected `service` or `promotion`")
        self._rules, self._service, self._channel, self._now = rules, kind == "service", channel, now
        self._caps: dict[str, tuple[ContactRule, ...]] = {}
        self._hours: dict[tuple[str, str], Refusal | None] = {}

    def refusal(self, facts: Facts) -> Refusal | None:
        """Why this person is not reached now; `None` when they may be."""
        if facts.suppressed & DEAD if self._service else facts.suppressed:
            return Refusal("suppressed")
        if not facts.address:
            return Refusal("no_address")
        if self._service:
            return None
        if facts.wishes.get("reach") == "least" and facts.elsewhere:
            return Refusal("channel_unwanted")
        often = OFTEN.get(facts.wishes.get("frequency", ""))
        if often and self._count(facts, (self._channel,), often):
            return Refusal("preferred_frequency")
        for cap in self._caps_in(facts.place):
            if self._count(facts, cap.channels, cap.within) >= cap.at_most:
                return Refusal("cap_reached", rule=cap)
        if not facts.place and self._channel in RINGS:
            return Refusal("place_unknown")
        asked = facts.place, facts.wishes.get("quiet", "none")
        if asked not in self._hours:
            self._hours[asked] = self._closed(*asked)
        return self._hours[asked]

    def _places(self, place: str) -> tuple[str, ...]:
        return (place,) if place else self._rules.known

    def _holding(self, place: str, *, caps: bool) -> tuple[ContactRule, ...]:
        """The rules that are about somebody there; about somebody who may live anywhere, all of them."""
        areas = self._places(place)
        return tuple(
            rule
            for rule in self._rules.rules
            if rule.caps == caps and rule.holds(self._channel, areas or rule.places, self._now)
        )

    def _caps_in(self, place: str) -> tuple[ContactRule, ...]:
        if place not in self._caps:
            self._caps[place] = self._holding(place, caps=True)
        return self._caps[place]

    def _count(self, facts: Facts, channels: tuple[str, ...], length: Duration) -> int:
        """How many offers came within this time, by one of these channels or, where none is named, by any."""
        # A length in days needs no calendar, and people come by the thousand.
        since = None if length.months else self._now - length.days * DAY
        return sum(
            (not channels or by in channels) and (at > since if since is not None else length.after(at) > self._now)
            for at, by in facts.contacts
        )

    def _closed(self, place: str, quiet: str) -> Refusal | None:
        """Whether it is an hour at which nobody is reached there, by the rules or by the person's own wish."""
        windows: list[tuple[Window, ContactRule | None]] = []
        for rule in self._holding(place, caps=False):
            areas = tuple(one for one in self._places(place) if rule.holds(self._channel, (one,), self._now))
            windows.append((Window(rule.week or (), rule.holidays, areas), rule))
        if week := wished(quiet):
            windows.append((Window(week, True, self._places(place)), None))
        if any(not window.places for window, _ in windows):
            return Refusal("place_unknown")
        for window, by in windows:
            why = window.closed(self._now)
            if why in PUT_OFF:
                return Refusal(why, reopening([one for one, _ in windows], self._now), by)
            if why:
                return Refusal(why, rule=by)
        return None


def refusal(rules: ContactRules, kind: str, channel: str, facts: Facts, now: Instant) -> Refusal | None:
    """The question about one person; see `Reach`."""
    return Reach(rules, kind, channel, now).refusal(facts)


def wished(quiet: str) -> Week | None:
    """The hours outside those that somebody wishes to be quiet, such as `21-08`; `None` for a wish of none.

    >>> wished("21-08")[0], wished("12-14")[6]
    (((480, 1260),), ((0, 720), (840, 1440)))
    """
    begin, dash, end = quiet.partition("-")
    if not dash:
        return None
    first, last = int(begin) * 60, int(end) * 60
    open_ = ((last, first),) if first > last else tuple(one for one in ((0, first), (last, 1440)) if one[0] < one[1])
    return (open_,) * 7
