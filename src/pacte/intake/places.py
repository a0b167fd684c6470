"""Places: from the words of a file to the codes that rules read: `FR`, `CA-QC`, `US-CA`.

Countries are ISO 3166-1 codes, found by code or by their English and French names. Subdivisions (ISO 3166-2) are kept
only for Canada and the United States, whose provinces and states have privacy laws of their own. A place that cannot be
told is no place: rules then treat the person as covered by every declared law.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache

from babel import Locale

_ALIASES = {
    "usa": "US",
    "unitedstatesofamerica": "US",
    "etatsunisdamerique": "US",
    "uk": "GB",
    "greatbritain": "GB",
    "england": "GB",
    "scotland": "GB",
    "wales": "GB",
    "northernireland": "GB",
    "eire": "IE",
    "holland": "NL",
    "rsa": "ZA",
    "czechrepublic": "CZ",
    "hongkong": "HK",
}

_CANADA = {
    "AB": "Alberta",
    "BC": "British Columbia|Colombie-Britannique",
    "MB": "Manitoba",
    "NB": "New Brunswick|Nouveau-Brunswick",
    "NL": "Newfoundland and Labrador|Terre-Neuve-et-Labrador",
    "NS": "Nova Scotia|Nouvelle-Écosse",
    "NT": "Northwest Territories|Territoires du Nord-Ouest",
    "NU": "Nunavut",
    "ON": "Ontario",
    "PE": "Prince Edward Island|Île-du-Prince-Édouard",
    "QC": "Quebec|Québec",
    "SK": "Saskatchewan",
    "YT": "Yukon",
}
_STATES = (
    "AL Alabama|AK Alaska|AZ Arizona|AR Arkansas|CA California|CA Californie|CO Colorado|CT Connecticut|DE Delaware|"
    "DC District of Columbia|FL Florida|GA Georgia|HI Hawaii|ID Idaho|IL Illinois|IN Indiana|IA Iowa|KS Kansas|"
    "KY Kentucky|LA Louisiana|ME Maine|MD Maryland|MA Massachusetts|MI Michigan|MN Minnesota|MS Mississippi|"
    "MO Missouri|MT Montana|NE Nebraska|NV Nevada|NH New Hampshire|NJ New Jersey|NM New Mexico|NY New York|"
    "NC North Carolina|ND North Dakota|OH Ohio|OK Oklahoma|OR Oregon|PA Pennsylvania|RI Rhode Island|"
    "SC South Carolina|SD South Dakota|TN Tennessee|TX Texas|UT Utah|VT Vermont|VA Virginia|WA Washington|"
    "WV West Virginia|WI Wisconsin|WY Wyoming"
)


def place_of(words: Sequence[str], names: Mapping[str, str]) -> str:
    """The code of the place that `words` (widest first) name, `""` where it cannot be told.

    `names` are the mapping's own words; they win. Several words are joined by `/` there.

    >>> place_of(["Canada", "Québec"], {}), place_of(["France", "Bretagne"], {}), place_of(["nowhere"], {})
    ('CA-QC', 'FR', '')
    """
    told = [word.strip() for word in words if word and word.strip()]
    for key in ("/".join(told), told[0] if told else ""):
        if key in names:
            return names[key]
    if not told:
        return ""
    country = told[0].upper() if _is_code(told[0]) else _countries().get(_plain(told[0]), "")
    if not country and len(told[0]) == 5 and told[0][2] == "-":
        country, told = told[0][:2].upper(), [told[0][:2], told[0][3:]]
    parts = _subdivisions().get(country, {})
    for word in told[1:]:
        code = word.upper() if word.upper() in parts.values() else parts.get(_plain(word), "")
        if code:
            return f"{country}-{code}"
    return country


def country_of(place: str) -> str:
    """The country of a place: `CA` of `CA-QC`; `""` of no place."""
    return place[:2]


def _is_code(word: str) -> bool:
    return len(word) == 2 and word.upper() in _countries().values()


def _plain(word: str) -> str:
    folded = unicodedata.normalize("NFKD", word).encode("ascii", "ignore").decode().lower()
    return "".join(letter for letter in folded if letter.isalnum())


@cache
def _countries() -> dict[str, str]:
    found: dict[str, str] = {}
    for language in ("en", "fr"):
        territories = Locale(language).territories
        found.update({_plain(name): code for code, name in territories.items() if len(code) == 2 and code.isalpha()})
    not_countries = {"EU", "EZ", "UN", "ZZ", "XA", "XB", "QO"}
    return {name: code for name, code in found.items() if code not in not_countries} | _ALIASES


@cache
def _subdivisions() -> dict[str, dict[str, str]]:
    canada = {_plain(name): code for code, names in _CANADA.items() for name in names.split("|")}
    states = {_plain(entry[3:]): entry[:2] for entry in _STATES.split("|")}
    return {"CA": canada, "US": states}
