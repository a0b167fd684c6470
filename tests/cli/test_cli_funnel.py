"""The bars and figures of a funnel: what is small looks small."""

from __future__ import annotations

import pytest

from pacte.cli.funnel import bar, percent


@pytest.mark.parametrize(
    ("share", "drawn"), [(0.0, ""), (0.00001, "▏"), (0.02, "▌"), (0.04, "█"), (0.5, "█" * 12), (1.0, "█" * 24)]
)
def test_a_bar_is_drawn_in_eighths(share: float, drawn: str) -> None:
    """One in a hundred thousand and one in twenty-five do not look alike."""
    assert bar(share, 24) == drawn


def test_few_among_very_many_are_not_nobody() -> None:
    """0 % would say that there is nobody."""
    assert percent(0.00001, "en") == "<0.1 %"
    assert percent(0.00001, "fr") == "<0,1 %"
    assert percent(0.0, "en") == "0 %"
    assert percent(0.126, "en") == "12.6 %"
