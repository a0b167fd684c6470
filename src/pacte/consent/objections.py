"""Objections that were answered: what a person's statements mean once the objection has ended. Pure.

An objection ends when the person lifts it, or when the company shows compelling grounds and overrules it. Either ends
an objection and nothing else. Where a lift has the last word (see `timeline`), what counts is the last statement that
is no answer; if that is an objection, a refusal or withdrawal from before it still stands. Where an overruling has the
last word and no objection was in force, it says nothing: what counts is what counted without it.
Source: GDPR Art. 21.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from pacte.consent.timeline import Event, Rectangle, rectangles

OBJECTED, LIFTED, OVERRULED = "objected", "lifted", "overruled"
ANSWERS = (LIFTED, OVERRULED)
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
    if len(events) == 1 and events[0].data[0] not in ANSWERS:  # the first word of somebody, as most are
        return found
    said = {event.data[0] for event in events}
    if said.isdisjoint(ANSWERS):
        # What lies beneath an objection says nothing while it stands, and matters once it is answered.
        beneath = rectangles([event for event in events if event.data[0] != OBJECTED]) if len(said) > 1 else []
        hidden = {one.event for one in beneath} - {one.event for one in found}
        return found + [_kept(event) for event in sorted(hidden)] if OBJECTED in said else found
    tracks = _Tracks(
        asked=_track(events, (OVERRULED,)),
        unanswered=_track(events, ANSWERS),
        standing=_track(events, (OBJECTED, *ANSWERS)),
    )
    meant = [one for said in found for one in _meant(said, tracks)]
    every = (found, tracks.asked, tracks.unanswered, tracks.standing)
    matter = {one.event for track in every for one in track} - {one.event for one in meant}
    return meant + [_kept(event) for event in sorted(matter - {_SILENCE})]


def _kept(event: Event) -> Rectangle:
    """A rectangle that holds never and remembers an event."""
    return Rectangle(_NEVER, _NEVER, event.entry, None, event)


@dataclass(frozen=True, slots=True)
class _Tracks:
    """Who has the last word if some statements had not been made; each covers every instant and knowledge."""

    asked: list[Rectangle]
    """Without the company's answers."""
    unanswered: list[Rectangle]
    """Without any answer to an objection."""
    standing: list[Rectangle]
    """Without objections and their answers."""


def _track(events: Sequence[Event], without: Collection[str]) -> list[Rectangle]:
    return rectangles([_SILENCE, *(event for event in events if event.data[0] not in without)])


def _meant(said: Rectangle, tracks: _Tracks) -> Iterator[Rectangle]:
    status = said.event.data[0]
    if status not in ANSWERS:
        yield said
        return
    for before in tracks.unanswered if status == LIFTED else tracks.asked:
        common = _common(said, before)
        if common is None:
            continue
        was = before.event.data[0]
        if was == OBJECTED:
            yield from _under(common, tracks.standing)
        elif was:
            yield from _meant(common._replace(event=before.event), tracks)
        elif status == LIFTED:
            yield common


def _under(answer: Rectangle, standing: list[Rectangle]) -> Iterator[Rectangle]:
    """What an answered objection leaves: the refusal or withdrawal beneath it, else the answer."""
    for under in standing:
        part = _common(answer, under)
        if part is not None:
            yield part._replace(event=under.event if under.event.data[0] in STANDING else answer.event)


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
