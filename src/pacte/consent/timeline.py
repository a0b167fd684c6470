"""Timelines: who has the last word at every instant, for every state of knowledge. Pure.

At valid time T, knowing the entries below S, the event that counts is the greatest, by (level, start, rank, entry), of
those known and begun. A higher level that has begun beats everything below it, whenever that was said; within a level
the latest start wins, then the more protective rank, then the later entry.

Because the winner at an instant can only become greater as more is known, an event that loses at its own start loses
everywhere and for ever. So rectangles remember every event that can still matter, and need no second record.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from operator import attrgetter
from typing import Any, NamedTuple, TypeAlias

Key: TypeAlias = tuple[str, str, str]
"""What a choice is about: purpose (`"*"` = all), channel and recipient (`""` = all)."""

ANY: Key = ("*", "", "")


class Event(NamedTuple):
    """Something that takes effect at `start`; field order is precedence. (A tuple: compared millions of times.)"""

    level: int
    start: int
    rank: int
    entry: int
    data: tuple[Any, ...]


class Rectangle(NamedTuple):
    """`event` counts from `valid_from` until `valid_to`, for those who know up to `known_from`…`known_to`."""

    valid_from: int
    valid_to: int | None
    known_from: int
    known_to: int | None
    event: Event


def rectangles(events: Iterable[Event]) -> list[Rectangle]:
    """The rectangles of one key. Each entry in turn changes what is known: it overtakes the steps that it beats."""
    said = sorted(events, key=attrgetter("entry"))
    if len(said) == 1:
        return [Rectangle(said[0].start, None, said[0].entry, None, said[0])]
    steps: list[Event] = []  # what is known so far: the winner from its start until the next one's start
    starts: list[int] = []
    known: list[int] = []  # since which entry each step has had its present extent
    past: list[Rectangle] = []
    for event in said:
        begun = bisect_right(starts, event.start)
        if begun and steps[begun - 1] > event:
            continue
        first = last = bisect_left(starts, event.start)
        while last < len(steps) and steps[last] < event:
            last += 1
        shortened = first > 0 and (first == len(starts) or starts[first] > event.start)
        changed = first - 1 if shortened else first
        past.extend(_closed(starts, known, steps, at, event.entry) for at in range(changed, last))
        if shortened:
            known[changed] = event.entry
        steps[first:last], starts[first:last], known[first:last] = [event], [event.start], [event.entry]
    return past + [_closed(starts, known, steps, at, None) for at in range(len(steps))]


def covers(wide: Key, narrow: Key) -> bool:
    """Whether what is said about `wide` is also said about `narrow`."""
    if wide == narrow:
        return True
    return wide[0] in ("*", narrow[0]) and wide[1] in ("", narrow[1]) and wide[2] in ("", narrow[2])


def meet(one: Key, other: Key) -> Key | None:
    """The widest key that both cover, or `None` when they have nothing in common."""
    parts = []
    for left, right, anything in zip(one, other, ANY, strict=True):
        if left != right and anything not in (left, right):
            return None
        parts.append(right if left == anything else left)
    return (parts[0], parts[1], parts[2])


def closure(keys: Iterable[Key]) -> set[Key]:
    """The keys and everything two of them have in common: whatever is asked, one key is the narrowest that covers it.

    That narrowest key is covered by exactly the statements that cover the question, so it answers for it.
    """
    found = set(keys)
    if all(purpose != "*" and not channel and not recipient for purpose, channel, recipient in found):
        return found
    fresh = set(found)
    while fresh:
        met = {meet(one, other) for one in fresh for other in found} - {None}
        fresh = {key for key in met if key is not None} - found
        found |= fresh
    return found


def extended(known: Mapping[Key, list[Event]], said: Iterable[tuple[Key, Event]]) -> Iterator[tuple[Key, list[Event]]]:
    """The keys that change, each with all its events, when `said` is added to what is `known` of one person and voice.

    A key that did not exist inherits what the known keys that cover it remember; one that is not covered by anything
    said stays as it is and is left out.
    """
    news = list(said)
    if not known and len(news) == 1:  # the first word of somebody: nothing to weigh it against
        yield news[0][0], [news[0][1]]
        return
    for key in closure([*known, *(about for about, _ in news)]):
        events = known.get(key)
        if events is not None and not any(covers(about, key) for about, _ in news):
            continue
        if events is None:
            inherited = {event.entry: event for about, old in known.items() if covers(about, key) for event in old}
            events = list(inherited.values())
        yield key, events + [event for about, event in news if covers(about, key)]


def _closed(starts: list[int], known: list[int], steps: list[Event], at: int, known_to: int | None) -> Rectangle:
    valid_to = starts[at + 1] if at + 1 < len(starts) else None
    return Rectangle(starts[at], valid_to, known[at], known_to, steps[at])
