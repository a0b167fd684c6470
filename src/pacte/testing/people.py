"""Fictional people: who they are, where they live, how the retailer came to know them. Seeded, nobody real.

Addresses end in `.example` (RFC 2606). Telephone numbers come only from ranges reserved for fiction: 06 39 98 xx xx
and 01 99 00 xx xx in France, lines 555-0100 to 555-0199 in North America; when a range is used up, people have none.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from pacte.kernel.instant import SECOND, Instant
from pacte.testing.words import AREA_CODES, MAIL_HOSTS, REGIONS

Strings: TypeAlias = npt.NDArray[np.object_]
Numbers: TypeAlias = npt.NDArray[np.int64]
Flags: TypeAlias = npt.NDArray[np.bool_]
Moments: TypeAlias = "npt.NDArray[np.datetime64[Any]]"
"""Moments are `datetime64[s]`, days `datetime64[D]`, both UTC."""

MINOR_SHARE = 0.06
PARENT_SHARE = 0.6


@dataclass(frozen=True, slots=True)
class Identities:
    """One position per person, in every array. `parent` is a position, -1 where no parent is known."""

    number: Strings
    region: Numbers
    given: Strings
    family: Strings
    mail: Strings
    phone: Strings
    city: Strings
    postcode: Strings
    birth: Moments
    minor: Flags
    parent: Numbers


def identities(rng: np.random.Generator, count: int, now: Instant) -> Identities:
    """Draw `count` people; about 6 % are aged 12 to 17 at `now`, and six in ten of those have a parent among them."""
    region = rng.choice(len(REGIONS), size=count, p=[place.share for place in REGIONS])
    minor = rng.random(count) < MINOR_SHARE
    parent = _parents(rng, region, minor)
    given, family = _names(rng, region)
    family = np.where(parent >= 0, family[parent], family)
    city, postcode = _towns(rng, region)
    return Identities(
        number=strings(f"C{index:07d}" for index in range(1, count + 1)),
        region=region,
        given=given,
        family=family,
        mail=_mails(rng, given, family),
        phone=_phones(rng, region),
        city=city,
        postcode=postcode,
        birth=_births(rng, minor, now),
        minor=minor,
        parent=parent,
    )


def moment(now: Instant) -> np.datetime64:
    """The instant as numpy counts it, in whole seconds."""
    return np.datetime64(now // SECOND, "s")


def between(rng: np.random.Generator, start: Moments | np.datetime64, stop: Moments | np.datetime64) -> Moments:
    """A moment drawn evenly between two, position by position; the earlier one where they are in the wrong order."""
    low = np.asarray(start, dtype="datetime64[s]")
    span = np.maximum((np.asarray(stop, dtype="datetime64[s]") - low).astype(np.int64), 1)
    return np.asarray(low + (rng.random(np.broadcast(low, span).shape) * span).astype("timedelta64[s]"))


def strings(values: Any) -> Strings:
    """Text as an array of objects, which keeps every length."""
    return np.array(list(values), dtype=object)


def _parents(rng: np.random.Generator, region: Numbers, minor: Flags) -> Numbers:
    parent = np.full(region.shape, -1, dtype=np.int64)
    for code in range(len(REGIONS)):
        adults = np.flatnonzero((region == code) & ~minor)
        children = np.flatnonzero((region == code) & minor & (rng.random(region.shape) < PARENT_SHARE))
        if len(adults) and len(children):
            parent[children] = rng.choice(adults, size=len(children))
    return parent


def _names(rng: np.random.Generator, region: Numbers) -> tuple[Strings, Strings]:
    given, family = np.empty(region.shape, dtype=object), np.empty(region.shape, dtype=object)
    for code, place in enumerate(REGIONS):
        here = np.flatnonzero(region == code)
        given[here] = strings(place.given)[rng.integers(len(place.given), size=len(here))]
        family[here] = strings(place.family)[rng.integers(len(place.family), size=len(here))]
    return given, family


def _towns(rng: np.random.Generator, region: Numbers) -> tuple[Strings, Strings]:
    city, postcode = np.empty(region.shape, dtype=object), np.empty(region.shape, dtype=object)
    for code, place in enumerate(REGIONS):
        here = np.flatnonzero(region == code)
        town = rng.integers(len(place.towns), size=len(here))
        city[here] = strings(name for name, _ in place.towns)[town]
        postcode[here] = strings(postal for _, postal in place.towns)[town]
    return city, postcode


def _mails(rng: np.random.Generator, given: Strings, family: Strings) -> Strings:
    plain = {name: _ascii(name) for name in {*given, *family}}
    hosts = rng.integers(len(MAIL_HOSTS), size=len(given))
    rows = zip(given, family, hosts, strict=True)
    return strings(
        f"{plain[first]}.{plain[last]}.{index}@{MAIL_HOSTS[host]}" for index, (first, last, host) in enumerate(rows, 1)
    )


def _ascii(name: str) -> str:
    folded = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return "".join(letter for letter in folded.lower() if letter.isalnum())


def _phones(rng: np.random.Generator, region: Numbers) -> Strings:
    lines = range(100)
    reserved = {
        "FR": [f"06 39 98 {n // 100:02d} {n % 100:02d}" for n in range(10_000)]
        + [f"+33 1 99 00 {n // 100:02d} {n % 100:02d}" for n in range(10_000)],
        "CA-QC": [f"{area}-555-01{line:02d}" for area in AREA_CODES["CA-QC"] for line in lines],
        "US-CA": [f"({area}) 555-01{line:02d}" for area in AREA_CODES["US-CA"] for line in lines],
    }
    phone = np.full(region.shape, "", dtype=object)
    for code, place in enumerate(REGIONS):
        here = rng.permutation(np.flatnonzero(region == code))
        pool = strings(reserved[place.code])[rng.permutation(len(reserved[place.code]))]
        chosen = here[: min(len(pool), int(len(here) * 0.7))]
        phone[chosen] = pool[: len(chosen)]
    return phone


def _births(rng: np.random.Generator, minor: Flags, now: Instant) -> Moments:
    # Whole years of 365.25 days, well inside each range, so that nobody changes side around `now`.
    years = np.where(minor, rng.uniform(12.1, 17.8, minor.shape), rng.triangular(18.3, 38, 92, minor.shape))
    days = (years * 365.25).astype("timedelta64[D]")
    return np.asarray(moment(now).astype("datetime64[D]") - days)
