"""`pacte export`: a list from its making to its end, in words and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pacte.testing.world import World
from tests.app.listing import email, lines, listing, withdraws
from tests.threats.shop import pacte_here


@pytest.fixture
def home(tmp_path: Path) -> Iterator[World]:
    """A company with a few people."""
    found = listing(tmp_path / "house", people=12)
    yield found
    found.house.close()


def test_a_list_from_its_making_to_its_end(home: World, tmp_path: Path) -> None:
    """Made, listed, collected, asked about, traced, ended; nobody's address is printed."""
    at = home.house.path
    made = pacte_here("export", "make", "newsletter", "email", "--recipient", "mailer", "--json", house=at)
    assert made.code == 0, made.err
    name = made.json["id"][:8]
    assert name in pacte_here("export", "list", house=at).out
    taken = pacte_here("export", "collect", name, "-o", tmp_path / "out.csv", "--by", "mailer", house=at)
    assert taken.code == 0, taken.err
    rows = {line["email"]: line["reference"] for line in lines(tmp_path / "out.csv")}
    withdraws(home, 0, "email")
    gone = pacte_here("export", "stale", name, house=at)
    assert gone.out.split() == [rows[email(0)]]
    (seed,) = set(rows) - {email(one) for one in range(12)}
    assert name in pacte_here("export", "trace", seed, house=at).out
    assert name not in pacte_here("export", "trace", email(1), house=at).out
    assert pacte_here("export", "end", name, house=at).code == 0
    assert not list((at / "exports").glob("*.csv"))
    said = "".join(one.out + one.err for one in (made, taken, gone))
    assert "@" not in said


def test_mistakes_are_said_without_a_value(home: World, tmp_path: Path) -> None:
    """An unknown list, a channel without a recipient, a length of no list."""
    at = home.house.path
    assert pacte_here("export", "stale", "ffff", house=at).code == 4
    refused = pacte_here("export", "make", "newsletter", "email", house=at)
    assert (refused.code, "recipient" in refused.err) == (2, True)
    assert pacte_here("export", "make", "newsletter", "post", "--days", "31", house=at).code == 2
    assert pacte_here("export", "list", "--lang", "fr", house=at).out == "Il n’y a pas encore de liste.\n"
