"""What a campaign remembers of people, and a partner's list of its seller, has an end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pacte.app import campaigns, remembered
from pacte.app.jobs import HANDLERS
from pacte.kernel import db
from pacte.kernel.instant import DAY, Instant
from pacte.kernel.jobs import Job
from pacte.testing.world import TestClock
from tests.app.sending import begun
from tests.threats.shop import (
    CHOICE_COLUMNS,
    CUSTOMER_COLUMNS,
    TODAY,
    choice,
    customer,
    empty_house,
    write_csv,
)


def test_who_was_in_a_campaign_is_forgotten_400_days_after_its_end(
    tmp_path: Path, records: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not a day before, nothing of one that goes on, in several transactions where they are many."""
    monkeypatch.setattr(remembered, "TOGETHER", 7)
    clock, people = TestClock(TODAY), range(1, 61)
    house = empty_house(tmp_path / "house", clock, database=records())
    house.load(write_csv(tmp_path / "customers.csv", CUSTOMER_COLUMNS, [customer(n) for n in people]))
    house.load(write_csv(tmp_path / "choices.csv", CHOICE_COLUMNS, [choice(n) for n in people]))
    ended = begun(house, tuple(f"person.{n}@shop.example" for n in people))
    at = campaigns.stop(house, ended.id, "mistake", by="cli").until
    clock.forward(399)
    open_ = begun(house, tuple(f"person.{n}@shop.example" for n in people))

    def left() -> dict[str, int]:
        sql = "SELECT campaign, count(*) FROM campaign_recipient GROUP BY campaign"
        with house.reading() as conn:
            return dict(db.fetch(conn, sql))

    prune = Job("prune", clock(), None, None, None, clock())
    HANDLERS["prune"](house, prune, Instant(at + remembered.KEPT - DAY))
    assert left() == {ended.id: 60, open_.id: 60}
    HANDLERS["prune"](house, prune, Instant(at + remembered.KEPT))
    assert left() == {open_.id: 60}
    assert house.check() == []
    house.close()
