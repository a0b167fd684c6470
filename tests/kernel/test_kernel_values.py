"""Canonical JSON, instants, identifiers, redacted values."""

from __future__ import annotations

import copy
import pickle

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from pacte.kernel.canonical import LARGEST, canonical, digest
from pacte.kernel.errors import BadInput
from pacte.kernel.ids import are_ids, is_id, new_subject_id, parse_subject_id
from pacte.kernel.instant import Instant, add_months, add_years, from_datetime, parse_instant, to_datetime, to_iso
from pacte.kernel.redacted import Redacted

TEXT = st.text(st.characters(exclude_categories=("Cs",)))
KEYS = st.text(st.characters(max_codepoint=127), max_size=8)
VALUES = st.recursive(
    TEXT | st.integers(-LARGEST, LARGEST),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_canonical_json_is_rfc_8785(value):
    """What we write is, byte for byte, what an independent implementation of RFC 8785 writes."""
    assert canonical(value) == rfc8785.dumps(value)


@pytest.mark.parametrize("value", [1.5, None, {"é": 1}, {1: 2}, [2**53], "\ud800", b"bytes"])
def test_what_readers_could_disagree_on_is_refused(value):
    """Floats, nulls, keys beyond ASCII, large integers and broken Unicode are never recorded."""
    with pytest.raises(BadInput):
        canonical(value)


def test_equal_values_have_equal_digests():
    """The order in which an object was built does not change its digest."""
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1}) != digest({"a": 1, "b": 3})


@given(st.integers(-(10**15), 4 * 10**15))
def test_instants_survive_the_round_trip(micros):
    """An instant written as ISO 8601 or as a datetime comes back as itself, to the microsecond."""
    assert parse_instant(to_iso(micros)) == micros
    assert from_datetime(to_datetime(micros)) == micros


@given(st.dates().filter(lambda day: day.year < 9900), st.integers(0, 80))
def test_years_and_months_keep_the_calendar(day, years):
    """The same day some years later, or 28 February; months never run over their end."""
    instant = parse_instant(day.isoformat())
    later = to_datetime(add_years(instant, years))
    assert (later.year, later.month) == (day.year + years, day.month)
    assert later.day == day.day or (day.month, day.day, later.day) == (2, 29, 28)
    assert add_months(instant, 12 * years) == add_years(instant, years)


def test_a_month_after_the_31st_is_the_last_day_of_the_next():
    """31 January and one month is 28 or 29 February."""
    assert to_iso(add_months(parse_instant("2025-01-31"), 1)) == "2025-02-28T00:00:00Z"
    assert to_iso(add_months(parse_instant("2024-01-31"), 1)) == "2024-02-29T00:00:00Z"


@pytest.mark.parametrize("text", ["", "yesterday", "2025-13-01", "01/02/2025", "2025-02-30"])
def test_a_date_that_cannot_be_read_is_refused_without_repeating_it(text):
    """The message says what was expected and never what was written."""
    with pytest.raises(BadInput) as caught:
        parse_instant(text)
    assert not text or text not in str(caught.value)


def test_identifiers_are_random_and_checked():
    """Subject identifiers differ, and only their form is accepted."""
    one, other = new_subject_id(), new_subject_id()
    assert one != other
    assert is_id(one)
    assert are_ids([one, "0" * 32])
    assert are_ids([])
    for other in (one.upper() + "A", one[:31], f"{one}0", "é" * 32, "\u0661" * 32, "\ud800" * 32, one[:31] + "\n"):
        assert not are_ids([one, other])
        assert not is_id(other)
    assert parse_subject_id(one) == one
    with pytest.raises(BadInput) as caught:
        parse_subject_id("ada@example.com")
    assert "ada" not in str(caught.value)


def test_redacted_values_never_show_themselves():
    """Printing, formatting, pickling and copying give nothing away; `reveal` does."""
    value = Redacted("ada@example.com")
    for shown in (str(value), repr(value), f"{value}", f"{value:>30}", repr([value]), str({"a": value})):
        assert "ada" not in shown
    with pytest.raises(TypeError):
        pickle.dumps(value)
    with pytest.raises(TypeError):
        copy.deepcopy(value)
    assert value.reveal() == "ada@example.com"
    assert value == Redacted("ada@example.com") != Redacted("other")


def test_add_years_goes_back_too():
    """Negative years are years ago."""
    assert add_years(Instant(parse_instant("2024-02-29")), -1) == parse_instant("2023-02-28")
