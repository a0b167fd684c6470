"""Checks of cells, places and facts."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacte.intake.check import Faults, Style, column, converter
from pacte.intake.facts import of_age
from pacte.intake.places import place_of
from pacte.kernel.instant import DAY, parse_instant, to_datetime


@given(text=st.text(max_size=20))
def test_no_stored_text_is_a_formula(text: str) -> None:
    """A text that enters is empty, or begins with nothing that a spreadsheet would run, and holds no control sign."""
    faults = Faults()
    stored = column([text], "string", Style(), "col", faults)[0]
    assert {reason for reason, _ in faults.found.values()} <= {"formula", "control_character"}
    assert stored is None or len(stored) == 1 or stored[0] not in "=+-@\t\r"
    assert stored is None or "\x00" not in stored


@pytest.mark.parametrize(
    ("kind", "cell", "style", "value"),
    [
        ("integer", "1 234", Style(), 1234),
        ("integer", 17850.0, Style(), 17850),
        ("string", 17850.0, Style(), "17850"),
        ("decimal", "12.5", Style(), Decimal("12.5000")),
        ("decimal", "1.234,50", Style(decimal=","), Decimal("1234.5000")),
        ("decimal", 2.55, Style(decimal=","), Decimal("2.5500")),
        ("date", "2024-02-29", Style(), date(2024, 2, 29)),
        ("date", "29/02/2024", Style(dates="dmy"), date(2024, 2, 29)),
        ("date", "02/29/2024", Style(dates="mdy"), date(2024, 2, 29)),
        ("instant", "2024-03-01 10:00:00Z", Style(), parse_instant("2024-03-01T10:00")),
        ("instant", "1/3/2024 10:00", Style(dates="dmy"), parse_instant("2024-03-01T10:00")),
        ("boolean", "Oui", Style(), True),
        ("boolean", "0", Style(), False),
    ],
)
def test_cells_are_read_as_their_file_writes_them(kind: str, cell: object, style: Style, value: object) -> None:
    """Numbers, dates and yes-or-no come in the form the mapping declares."""
    assert converter(kind, style)(cell) == value


@pytest.mark.parametrize(
    ("kind", "cell", "reason"),
    [
        ("integer", "12a", "bad_number"),
        ("integer", 1.5, "bad_number"),
        ("decimal", "nan", "bad_number"),
        ("decimal", "1e30", "bad_number"),
        ("date", "2023-02-29", "bad_date"),
        ("date", "0001-01-01", "bad_date"),
        ("instant", "yesterday", "bad_date"),
        ("boolean", "perhaps", "bad_boolean"),
        ("string", "=cmd()", "formula"),
        ("string", "a\x00b", "control_character"),
        ("string", "x" * 5_000, "text_too_long"),
    ],
)
def test_cells_that_cannot_be_read_name_a_reason(kind: str, cell: object, reason: str) -> None:
    """The reason is a code; neither it nor the error holds the cell."""
    faults = Faults()
    assert column([cell], kind, Style(), "col", faults) == [None]
    assert faults.found == {0: (reason, "col")}


@given(birth=st.dates(date(1930, 1, 1), date(2030, 1, 1)))
def test_a_minor_is_of_age_only_where_everybody_agrees(birth: date) -> None:
    """At that instant it is the 18th birthday even in the westernmost time zone, and half a day earlier it is not."""
    west = timedelta(hours=12)
    moment = of_age(birth)
    local = (to_datetime(moment) - west).date()
    eve = (to_datetime(moment - DAY // 2) - west).date()
    # 18 years after a leap year there never is a 29 February (but around 1900 and 2100, beyond these dates).
    birthday = (
        date(birth.year + 18, 3, 1) if (birth.month, birth.day) == (2, 29) else birth.replace(year=birth.year + 18)
    )
    assert local == birthday
    assert eve < birthday


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["France", ""], "FR"),
        (["fr"], "FR"),
        (["Canada", "Quebec"], "CA-QC"),
        (["Canada", "QC"], "CA-QC"),
        (["États-Unis", "Californie"], "US-CA"),
        (["USA", "CA"], "US-CA"),
        (["US-CA"], "US-CA"),
        (["United Kingdom", "Kent"], "GB"),
        (["EIRE"], "IE"),
        (["Unspecified"], ""),
        (["", ""], ""),
        (["XX"], ""),
    ],
)
def test_places_become_codes(words: list[str], code: str) -> None:
    """Countries are found by code or name in two languages; regions count in Canada and the United States only."""
    assert place_of(words, {}) == code


def test_the_mapping_has_the_last_word_on_places() -> None:
    """A file's own words are translated first."""
    assert place_of(["Outremer", "Guyane"], {"Outremer/Guyane": "FR-GF"}) == "FR-GF"
    assert place_of(["Outremer", "Guadeloupe"], {"Outremer": "FR"}) == "FR"


CELLS = st.sampled_from(
    [None, "", " ", "\u00a0", " a", "a", "=1+1", "-", "a\x07b", "x" * 5_000, "1", "é\u00a0", "2024-02-30"]
)
ODD = st.sampled_from([1, True, 1.0, Decimal(1), date(2024, 2, 29)])


@given(
    cells=st.one_of(st.lists(CELLS, max_size=12), st.lists(st.one_of(CELLS, ODD), max_size=12)),
    kind=st.sampled_from(["string", "integer", "decimal", "date", "instant", "boolean"]),
)
def test_a_cell_is_read_alike_alone_and_in_its_column(cells: list[object], kind: str) -> None:
    """Reading each word of a column once gives the values and the faults that its cells have one by one."""
    faults, alone, expected = Faults(), Faults(), []
    for position, cell in enumerate(cells):
        fault = Faults()
        expected += column([cell], kind, Style(), "c", fault)
        if fault.found:
            alone.add(position, *fault.found[0])
    found = column(cells, kind, Style(), "c", faults)
    assert [(type(value), value) for value in found] == [(type(value), value) for value in expected]
    assert faults.found == alone.found
