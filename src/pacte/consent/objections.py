"""Objections that were lifted: what a person's statements mean once the objection has ended. Pure.

Lifting ends an objection and nothing else. Where a lift has the last word (see `timeline`), what counts is the last
statement that is no lift; if that is an objection, a refusal or withdrawal from before it still stands.
Source: GDPR Art. 21.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pacte.consent.timeline import Event, Rectangle, rectangles

OBJECTED, LIFTED = "objected", "lifted"
STANDING = ("refused", "withdrawn")

_SILENCE = Event(-1, -(2**62), 0, -1, ("",))
"""Before anything was said; with it the rectangles of a track cover every instant and every state of knowledge."""
_NEVER = 2**62
"""Beyond every instant; with it what is only remembered shares its place with nothing that holds."""


def spoken(events: Sequence[Event]) -> list[Rectangle]:
    """The rectangles of one key and voice; the first of an event's data is its status.

    Some hold never: they say nothing, and remember events that can still matter.
    """
    found = rectangles(events)
    if not any(event.data[0] in (OBJECTED, LIFTED) for event in events):
        return found
    unlifted = rectangles([_SILENCE, *(event for event in events if event.data[0] != LIFTED)])
    standing = rectangles([_SILENCE, *(event for event in events if event.data[0] not in (OBJECTED, LIFTED))])
    meant = [one for said in found for one in _meant(said, unlifted, standing)]
    matter = {one.event for track in (found, unlifted, standing) for one in track} - {one.event for one in meant}
    return meant + [Rectangle(_NEVER, _NEVER, event.entry, None, event) for event in sorted(matter - {_SILENCE})]


def _meant(said: Rectangle, unlifted: list[Rectangle], standing: list[Rectangle]) -> Iterator[Rectangle]:
    if said.event.data[0] != LIFTED:
        yield said
        return
    for before in unlifted:
        status = before.event.data[0]
        common = _common(said, before)
        if common is None:
            continue
        if status != OBJECTED:
            yield common._replace(event=before.event if status else said.event)
            continue
        for under in standing:
            part = _common(common, under)
            if part is not None:
                yield part._replace(event=under.event if under.event.data[0] in STANDING else said.event)


def _common(one: Rectangle, other: Rectangle) -> Rectangle | None:
    """What two rectangles have in common, with the event of the first; `None` if nothing."""
    valid_from, valid_to = max(one.valid_from, other.valid_from), _earlier(one.valid_to, other.valid_to)
    known_from, known_to = max(one.known_from, other.known_from), _earlier(one.known_to, other.known_to)
    if (valid_to is not None and valid_from >= valid_to) or (known_to is not None and known_from >= known_to):
        return None
    return Rectangle(valid_from, valid_to, known_from, known_to, one.event)


def _earlier(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
