"""A house with a shop's people in it: files loaded, one audience declared, one withdrawal; for tests of doors."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from pacte.app.choose import choose
from pacte.app.house import House, create
from pacte.app.loading import load
from pacte.app.publish import publish
from pacte.app.templates import write_template
from pacte.app.uses import declare
from pacte.kernel.instant import DAY, Instant
from pacte.testing.retailer import generate
from pacte.testing.world import TestClock

TODAY = Instant(1_795_000_000_000_000)
"""2026-11-18T05:46:40Z: when a shop's clock stands."""
PEOPLE = 80
PURPOSE = "newsletter"


@dataclass(frozen=True)
class Shop:
    """A shop's house, its clock, the addresses of its customers, and those whom the newsletter may write to."""

    house: House
    clock: TestClock
    emails: tuple[str, ...]
    permitted: tuple[str, ...]


def shop(home: Path, files: Path, *, people: int = PEOPLE, database: str = "", lang: str = "fr") -> Shop:
    """Make the house in `home` from files written to `files`; a use and a withdrawal are recorded."""
    clock = TestClock(Instant(TODAY - 30 * DAY))
    made = generate(files, people, now=clock(), seed=7)
    house = create(home, lang=lang, clock=clock, database=database)
    write_template(home)
    publish(house, "owner")
    for path in made.files:
        load(house, path)
    found = known(house, files, clock)
    declare(house, PURPOSE, channel="email", by="marketing")
    choose(house, f"email:{found.permitted[0]}", PURPOSE, "withdrawn", by="person", method="web_form")
    clock.now = TODAY
    return Shop(house, clock, found.emails, found.permitted[1:])


def known(house: House, files: Path, clock: TestClock) -> Shop:
    """The shop of a house that was made from these files."""
    with (files / "customers.csv").open(encoding="utf-8", newline="") as lines:
        emails = tuple(dict.fromkeys(row["mail"] for row in csv.DictReader(lines) if row["mail"]))
    permitted = tuple(one for one in emails if _may(house, one))
    return Shop(house, clock, emails, permitted)


def _may(house: House, email: str) -> bool:
    from pacte.kernel.errors import PacteError

    try:
        return house.may(f"email:{email}", PURPOSE, channel="email").permitted
    except PacteError:  # shared by several people, or of a form that was rejected
        return False
