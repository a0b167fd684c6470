"""The console's page of segments: built by rows without a script, counted funnel first, saved; nobody shows in it."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Browser

from pacte.app import segments
from pacte.app.house import House
from pacte.app.stop import stop
from pacte.kernel import db
from pacte.ledger import browse, log
from pacte.testing.shop import Shop
from pacte.testing.world import TestClock
from pacte.web import session
from pacte.web.server import application, serving
from tests.threats.shop import (
    CHOICE_COLUMNS,
    CUSTOMER_COLUMNS,
    TODAY,
    choice,
    customer,
    empty_house,
    order,
    write_csv,
    write_orders,
)
from tests.web.conftest import Site
from tests.web.staff import member, signed_in
from tests.web.test_web_look import violations

HERE, BUILD = "/en/staff/segments", "/en/staff/segments/build"
PEOPLE = range(1, 601)
TEA: dict[str, Any] = {"name": "tea", "for": "newsletter:email"}
CITY = {"row/0/path": "customers.city", "row/0/in": ["Rennes", "Nantes"]}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Six hundred people in three cities who said yes to the newsletter; half of them bought something."""
    root = tmp_path_factory.mktemp("segments")
    made = empty_house(root / "house", TestClock(TODAY))
    made.load(write_csv(root / "customers.csv", CUSTOMER_COLUMNS, [customer(n) for n in PEOPLE]))
    made.load(write_csv(root / "choices.csv", CHOICE_COLUMNS, [choice(n) for n in PEOPLE]))
    made.load(write_orders(root / "orders.parquet", [order(n, 1, amount=60.0) for n in PEOPLE if n % 2]))
    with made:
        yield made


@pytest.fixture
def site(house: House) -> Iterator[Site]:
    """Its doors, and a marketer who is signed in."""
    clock = house.clock
    assert isinstance(clock, TestClock)
    with TestClient(application(house), base_url="http://127.0.0.1:8080") as client:
        found = Site(Shop(house, clock, (), ()), client)
        signed_in(found, "marketer")
        yield found


def words(page: str) -> str:
    """The words of a page, without its tags."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page.partition("<main")[2])))


def press(site: Site, do: str, **typed: Any) -> Any:
    """Press a button of the builder."""
    return site.post(BUILD, {**TEA, **typed, "do": do}, shown=HERE)


def test_rows_are_added_filled_and_taken_out(site: Site) -> None:
    """A field is added with the values that people enough have; taken out, its row is gone; nothing needs a script."""
    begun = press(site, "begin")
    assert "orders.spent" in begun.text
    assert "customers.email" not in begun.text
    added = press(site, "add", path="customers.city").text
    assert re.findall(r'name="row/0/in" value="([^"]+)"', added) == ["Brest", "Nantes", "Rennes"]
    both = press(site, "add", path="orders.spent", **CITY).text
    assert both.count("checked") >= 2
    assert 'name="row/1/at_least"' in both
    left = press(site, "remove:0", **CITY, **{"row/1/path": "orders.spent", "row/1/at_least": "50"}).text
    assert 'name="row/0/at_least"' in left
    assert 'value="customers.city"' not in left.partition('id="path"')[0]
    assert "<script" not in left


def test_the_funnel_comes_before_the_size(site: Site) -> None:
    """Who may be reached, then the segment in words and about how many, then who is left out; numbers in tens."""
    page = words(press(site, "count", **CITY).text)
    places = [page.index(one) for one in ("Who may be reached", "The segment", "Who is left out")]
    assert places == sorted(places)
    assert "town: Rennes or Nantes" in page
    numbers = [int(one.replace(",", "")) for one in re.findall(r"(\d[\d,]*) people, about", page)]
    assert len(numbers) == 1
    assert numbers[0] % 10 == 0
    assert abs(numbers[0] - 400) < 110
    assert "Brest < " in page


def test_few_are_refused_with_what_would_do(site: Site) -> None:
    """A combination that nobody meets shows no number, and says what would be broad enough."""
    rows = {"row/1/path": "orders.spent", "row/1/at_least": "100"}
    page = words(press(site, "count", match="all", **CITY, **rows).text)
    assert "no number is shown" in page
    assert "This would be broad enough: town: Nantes or Rennes" in page
    assert "people, about" not in page


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({}, "Add a condition"),
        ({"row/0/path": "customers.city"}, "Choose a value at least"),
        ({"row/0/path": "orders.spent"}, "Choose a bound at least"),
        ({"row/0/path": "orders.last_order"}, "Choose how far back"),
        ({"name": "Tea lovers", **CITY}, "Give it a name"),
        ({"for": "newsletter:post", **CITY}, "Choose what it is for"),
        ({"row/0/path": "customers.email", "row/0/in": "a@b.example"}, "Add a condition"),
        ({"row/0/path": "orders.spent", "row/0/at_least": "51"}, "is told apart at"),
    ],
)
def test_what_lacks_is_said_where_it_lacks(site: Site, typed: dict[str, Any], said: str) -> None:
    """A mistake is told with a link to its field, and what is not declared is no row."""
    answer = press(site, "count", **typed)
    assert answer.status_code == 422
    assert said in words(answer.text)


def test_a_segment_is_saved_opened_counted_and_removed(site: Site) -> None:
    """Saved in versions by whoever is signed in; opened again as it was; counted by a channel; offered no longer."""
    first = press(site, "save", **CITY)
    assert first.headers["location"] == f"{HERE}/tea?saved"
    press(site, "save", **CITY, **{"row/0/not": "yes"})
    assert [one.version for one in segments.versions(site.house, "tea")][:2] == [2, 1]
    opened = site.post(BUILD, {"name": "tea", "channel": "email", "do": "open"}, shown=f"{HERE}/tea").text
    assert opened.count("checked") == 3
    counted = site.post(f"{HERE}/count", {"name": "tea", "channel": "email"}, shown=f"{HERE}/tea").text
    assert "people, about" in words(counted)
    assert "tea" in site.get(HERE).text
    site.post(f"{HERE}/remove", {"name": "tea"}, shown=f"{HERE}/tea")
    assert site.get(f"{HERE}/tea").status_code == 404
    with site.house.reading() as conn:
        entry = next(body for _, _, body in browse.newest(conn, 0, log.head(conn).size, ["segment"]) if body)
    assert entry["act"] == "removed"
    assert entry["by"] == member(site.house, "marketer").actor


def test_counting_a_day_long_is_one_use(site: Site) -> None:
    """The use by which somebody counts is recorded once, however often they look."""
    for _ in range(3):
        press(site, "count", **CITY)
        press(site, "count", **{**CITY, "row/0/in": ["Brest"]})
    with site.house.reading() as conn:
        uses = [body for _, _, body in browse.newest(conn, 0, log.head(conn).size, ["use"]) if body]
    assert len([one for one in uses if one["by"] == member(site.house, "marketer").actor]) == 1


def test_a_segment_from_a_file_is_shown_in_words(site: Site) -> None:
    """Conditions within conditions are said in words; the form says that it cannot change them."""
    inner = {"all": [{"field": "customers.city", "in": ["Brest"]}, {"field": "orders.spent", "at_least": 20}]}
    segments.save(site.house, "nested", "newsletter", {"any": [inner, {"field": "orders.spent", "below": 10}]}, "owner")
    assert "town: Brest and" in words(site.get(f"{HERE}/nested").text)
    answer = site.post(BUILD, {"name": "nested", "channel": "email", "do": "open"}, shown=f"{HERE}/nested")
    assert answer.status_code == 422
    assert "change its file" in words(answer.text)


def test_the_builder_in_a_browser(house: House, browser: Browser, tmp_path: Path) -> None:
    """From a name to a size with the keyboard's own controls, narrow and wide: no rule of accessibility is broken."""
    del tmp_path
    with db.write(house.engine) as conn:
        secret, _ = session.drawn(conn, "staff", member(house, "marketer").id, "full", house.clock(), "Firefox Linux")
    with serving(house, worker=False) as url:
        for lang, width, mode in (("en", 320, "light"), ("fr", 1280, "dark")):
            context = browser.new_context(
                viewport={"width": width, "height": 800}, color_scheme="dark" if mode == "dark" else "light"
            )
            context.add_cookies([{"name": "pacte-staff", "value": secret, "url": url}])
            page = context.new_page()
            page.goto(f"{url}/{lang}/staff/segments")
            page.fill("#name", f"browser_{lang}")
            page.click("button[value=begin]")
            for path in ("customers.city", "orders.spent", "orders.last_order"):
                page.select_option("#path", path)
                page.click("button[value=add]")
            assert violations(page) == []
            page.check("input[value=Rennes]")
            page.check("input[value=Nantes]")
            for _ in range(2):
                page.click("button[value='remove:1']")
            page.click(".actions button[value=count]")
            assert page.locator(".big").count() == 1
            assert page.evaluate("document.scrollingElement.scrollWidth <= window.innerWidth"), "scrolls sideways"
            assert violations(page) == []
            context.close()


def test_a_stopped_purpose_is_said_and_not_counted(site: Site) -> None:
    """Counting says that its purpose is stopped, in the builder and of a saved segment; nothing is said of anybody."""
    found = segments.save(site.house, "halted", "newsletter", {"field": "customers.city", "in": ["Brest"]}, "cli")
    stop(site.house, "newsletter", "committee", by="dpo")
    try:
        built = press(site, "count", **CITY)
        saved = site.post(f"{HERE}/count", {"name": found.name, "channel": "email"}, shown=f"{HERE}/{found.name}")
    finally:
        stop(site.house, "newsletter", "resolved", lift=True, by="dpo")
        segments.remove(site.house, found.name, "cli")
    for answer in (built, saved):
        assert answer.status_code == 200
        assert "nobody may be counted" in words(answer.text)
        assert "people, about" not in words(answer.text)
    assert "No value is shared" not in built.text
