"""Places as policies and laws name them: a country, or a region of one where its law differs (ISO 3166)."""

from __future__ import annotations

from collections.abc import Iterable

EEA = frozenset({"AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE"}) | {
    *("IS", "IT", "LI", "LT", "LU", "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK")
}
"""The European Economic Area, where data move freely. Source: GDPR Art. 44; EEA Agreement annex XI."""


def within(place: str, area: str) -> bool:
    """Whether a place lies in an area.

    >>> within("CA-QC", "CA"), within("CA", "CA-QC"), within("FR", "EEA")
    (True, False, True)
    """
    country = place.partition("-")[0]
    return place == area or country == area or (area == "EEA" and country in EEA)


def opened(places: Iterable[str]) -> tuple[str, ...]:
    """Places with `EEA` written out.

    >>> len(opened(["EEA", "CH"]))
    31
    """
    return tuple(one for place in places for one in (sorted(EEA) if place == "EEA" else [place]))
