"""Timelines, without a database."""

from __future__ import annotations

from itertools import combinations, product

from hypothesis import example, given
from hypothesis import strategies as st

from pacte.consent.timeline import ANY, Event, Key, closure, covers, extended, meet, rectangles

TIMES = range(8)
events = st.lists(st.tuples(st.integers(0, 2), st.sampled_from(TIMES), st.integers(0, 4)), min_size=0, max_size=7).map(
    lambda drawn: [Event(*one, entry, ()) for entry, one in enumerate(drawn)]
)
keys = st.tuples(
    st.sampled_from(["*", "a", "b"]), st.sampled_from(["", "email", "sms"]), st.sampled_from(["", "x", "y"])
)


@given(events)
def test_the_visible_rectangle_is_the_greatest_event_known_and_begun(said: list[Event]) -> None:
    """At every (T, S) at most one rectangle is visible, and it is the winner among what is known and has begun."""
    found = rectangles(said)
    for t, s in product(TIMES, range(len(said) + 1)):
        visible = [
            one.event
            for one in found
            if one.valid_from <= t
            and (one.valid_to is None or t < one.valid_to)
            and one.known_from < s
            and (one.known_to is None or s <= one.known_to)
        ]
        begun = [event for event in said[:s] if event.start <= t]
        assert visible == ([max(begun)] if begun else [])


@given(events)
def test_rectangles_of_a_key_never_overlap(said: list[Event]) -> None:
    """No two rectangles share an instant and a state of knowledge, and none is empty."""
    for one in rectangles(said):
        assert one.valid_to is None or one.valid_from < one.valid_to
        assert one.known_to is None or one.known_from < one.known_to
    for one, other in combinations(rectangles(said), 2):
        apart_in_time = (one.valid_to is not None and one.valid_to <= other.valid_from) or (
            other.valid_to is not None and other.valid_to <= one.valid_from
        )
        apart_in_knowledge = (one.known_to is not None and one.known_to <= other.known_from) or (
            other.known_to is not None and other.known_to <= one.known_from
        )
        assert apart_in_time or apart_in_knowledge


@given(events)
def test_rectangles_remember_all_that_can_still_matter(said: list[Event]) -> None:
    """Rectangles of the events that rectangles remember are the same rectangles."""
    found = rectangles(said)
    assert set(rectangles({one.event for one in found})) == set(found)


@given(st.lists(keys, max_size=5))
@example([("a", "", ""), ("*", "email", ""), ("*", "", "x")])
def test_one_key_of_the_closure_is_the_narrowest_for_every_question(said: list[Key]) -> None:
    """The deepest key that covers a question is covered by exactly the statements that cover the question."""
    found = closure(said)
    for asked in product(["a", "b"], ["", "email", "sms", "post"], ["", "x", "y"]):
        candidates = [key for key in found if covers(key, asked)]
        if not candidates:
            assert not any(covers(key, asked) for key in said)
            continue
        deepest = max(candidates, key=lambda key: sum(part != wide for part, wide in zip(key, ANY, strict=True)))
        assert {key for key in said if covers(key, deepest)} == {key for key in said if covers(key, asked)}


@given(keys, keys)
def test_a_meeting_is_covered_by_both(one: Key, other: Key) -> None:
    """What two keys have in common is covered by both, whichever comes first."""
    common = meet(one, other)
    assert common == meet(other, one)
    assert common is None or (covers(one, common) and covers(other, common))


def test_a_new_key_inherits_what_wider_keys_remember() -> None:
    """The first statement about one channel is weighed against what was said about all channels before."""
    objection, agreement = Event(1, 5, 4, 0, ("objected",)), Event(1, 3, 0, 1, ("given",))
    found = dict(extended({("news", "", ""): [objection]}, [(("news", "email", ""), agreement)]))
    assert found == {("news", "email", ""): [objection, agreement]}, "what was said about all channels stays as it is"
