"""Switches: a yes counts only as it was shown, and over no word that it did not see; a no counts whatever was shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pacte.app import badges, switches
from pacte.app.overview import Standing, Switch, overview
from pacte.app.uses import declare
from pacte.kernel.errors import Conflict
from pacte.testing.world import World, world


@pytest.fixture
def home(tmp_path: Path, records: Callable[[], str]) -> World:
    """A house with two people, of whom the first said yes."""
    found = world(tmp_path / "house", database=records())
    for _ in range(2):
        found.person()
    found.said(found.people[0], "given", channel="email", notice=found.notice("web-2024"), locale="fr")
    return found


def _shown(home: World, channel: str = "email") -> tuple[Standing, Switch]:
    """What a page shows the first person of the newsletter, by e-mail."""
    for standing in overview(home.house, home.people[0], "fr", only="newsletter"):
        for switch in standing.switches:
            if switch.channel == channel:
                return standing, switch
    raise AssertionError(channel)


def _turn(home: World, page: tuple[Standing, Switch], *, on: bool, notice: str | None = None) -> object:
    standing, switch = page
    assert standing.notice is not None
    shown = standing.notice.digest if notice is None else notice
    return switches.turn(home.house, home.people[0], *page, on=on, seen=switch.entry, notice=shown)


def test_a_yes_never_comes_over_a_no_that_its_page_did_not_show(home: World) -> None:
    """Two pages that stand open at once: the no of one is recorded, the yes of the other refused in its very commit."""
    first, second = _shown(home), _shown(home)
    home.clock.forward(1)
    _turn(home, first, on=False)
    with pytest.raises(Conflict):
        _turn(home, second, on=True)
    assert not home.house.may(home.people[0], "newsletter", channel="email").permitted
    home.clock.forward(1)
    _turn(home, _shown(home), on=True)
    assert home.house.may(home.people[0], "newsletter", channel="email").permitted
    home.clock.forward(1)
    _turn(home, second, on=False)
    assert not home.house.may(home.people[0], "newsletter", channel="email").permitted
    assert home.house.check() == []


def test_a_yes_is_to_the_text_that_was_shown(home: World) -> None:
    """A yes beside another text is refused; a no is recorded whatever text stood there."""
    with pytest.raises(Conflict):
        _turn(home, _shown(home), on=True, notice="0" * 64)
    _turn(home, _shown(home), on=False, notice="0" * 64)
    assert not home.house.may(home.people[0], "newsletter", channel="email").permitted
    assert home.house.check() == []


def test_a_badge_tells_the_last_use_of_this_person(home: World) -> None:
    """The latest use that had them, among those of many people and of them alone; none for whoever was in none."""
    ada, ben = home.people[:2]
    assert badges.own(home.house, ada, "newsletter", "fr").last_use is None
    home.clock.forward(1)
    declare(home.house, "newsletter", channel="email", by="marketing")
    first = badges.own(home.house, ada, "newsletter", "fr").last_use
    home.clock.forward(1)
    home.house.permit(ada, "newsletter", channel="email", by="worker")
    last = badges.own(home.house, ada, "newsletter", "fr").last_use
    assert first is not None
    assert last is not None
    assert last > first
    assert badges.own(home.house, ben, "newsletter", "fr").last_use is None
    assert home.house.check() == []
