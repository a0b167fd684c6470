"""Every screen as people meet it: rules of accessibility, widths, modes, languages, its weight, no strangers.

Each screen is opened in a few combinations; over all screens they cover every pair of language, width and mode. All
combinations are a soak. Sources: WCAG 2.2 AA and the best practices of axe-core 4; WCAG 1.4.10 (320 px without
scrolling sideways).
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Response

from pacte.app import staff
from pacte.kernel import db
from pacte.testing.shop import Shop
from pacte.web import session
from pacte.web.server import serving
from tests.web.screens import SCREENS, Screen
from tests.web.template import Template

AXE = Path(sys.prefix) / "npm/node_modules/axe-core/axe.min.js"
WIDTHS = (320, 768, 1280)
MODES = ("light", "dark", "forced-colors")
LANGUAGES = ("en", "fr")
MOST = 60 * 1024
"""Bytes that one screen may weigh, compressed, with all that it loads."""
RULES = (
    *("wcag2a", "wcag2aa", "wcag2aaa", "wcag21a", "wcag21aa", "wcag21aaa", "wcag22aa"),
    *("best-practice", "experimental"),
)
"""All rules of axe-core, by their tags."""
EVERY = list(product(LANGUAGES, WIDTHS, MODES))
SEEN_IDENTIFIERS = ("@", "%40", "key:", "email:", "C00000")


def covering(place: int) -> list[tuple[str, int, str]]:
    """Two of the eighteen combinations, the narrowest screen and a wider one; twelve screens on, all were taken."""
    narrow = [one for one in EVERY if one[1] == WIDTHS[0]]
    wider = [one for one in EVERY if one[1] != WIDTHS[0]]
    return [narrow[place % len(narrow)], wider[place % len(wider)]]


@dataclass
class Street:
    """The doors of one shop, and a browser context for each who may stand before them."""

    url: str
    shop: Shop
    browser: Browser
    cookies: dict[str, tuple[str, str]]
    arranged: dict[str, str] = field(default_factory=dict)

    def stand(self, screen: Screen, lang: str, width: int, mode: str) -> BrowserContext:
        """A browser of this width and mode, signed in as who looks at the screen."""
        options: dict[str, Any] = {"color_scheme": "dark" if mode == "dark" else "light"}
        if mode == "forced-colors":
            options["forced_colors"] = "active"
        context = self.browser.new_context(viewport={"width": width, "height": 800}, locale=lang, **options)
        if screen.who in self.cookies:
            name, value = self.cookies[screen.who]
            context.add_cookies([{"name": name, "value": value, "url": self.url}])
        return context

    def address(self, screen: Screen, lang: str) -> str:
        """Where the screen is; its state is brought about the first time."""
        if screen.name not in self.arranged:
            self.arranged[screen.name] = screen.arrange(self.shop)
        return f"{self.url}/{lang}/{screen.path}{self.arranged[screen.name]}"


@pytest.fixture(scope="module")
def street(shop_template: Template, tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Street]:
    """One shop for all screens: they are looked at, not used."""
    home = tmp_path_factory.mktemp("street") / "house"
    with shop_template.open(home) as shop:
        house, clock = shop.house, shop.clock
        owner = staff.join(house, staff.first_owner(house) or "", "owner", "Camille Test", "hash").id
        with db.write(house.engine) as conn:
            made = {
                "link": ("pacte-person", session.drawn(conn, "person", _customer(shop), "link", clock())[0]),
                "fresh": ("pacte-person", session.drawn(conn, "person", _customer(shop), "fresh", clock())[0]),
                "owner": ("pacte-staff", session.drawn(conn, "staff", owner, "full", clock())[0]),
            }
        with serving(house, worker=False) as url:
            yield Street(url, shop, browser, made)


def _customer(shop: Shop) -> str:
    from pacte.app.people import people_of

    with shop.house.reading() as conn:
        return people_of(shop.house, conn, f"email:{shop.permitted[0]}")[0]


def _sample() -> list[Any]:
    found = []
    for place, screen in enumerate(SCREENS):
        wanted = covering(place)
        for lang, width, mode in EVERY:
            marks = [] if (lang, width, mode) in wanted else [pytest.mark.soak]
            name = f"{screen.name}-{lang}-{width}-{mode}"
            found.append(pytest.param(screen, lang, width, mode, id=name, marks=marks))
    return found


@pytest.mark.parametrize(("screen", "lang", "width", "mode"), _sample())
def test_a_screen(street: Street, screen: Screen, lang: str, width: int, mode: str) -> None:
    """No rule of accessibility is broken, nothing is cut off, nothing comes from elsewhere, nothing is heavy."""
    context = street.stand(screen, lang, width, mode)
    try:
        page = context.new_page()
        loaded: list[Response] = []
        complaints: list[str] = []
        page.on("response", lambda one: loaded.append(one))  # Playwright cannot mark a built-in
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        answer = page.goto(street.address(screen, lang))
        assert answer is not None
        broken = violations(page)
        seen = len(loaded)
        page.wait_for_load_state("networkidle")  # it was idle all the while, as a rule
        if len(loaded) != seen:
            broken = violations(page)
        assert answer.status in (200, 404, 409, 410, 422), answer.status
        assert complaints == [] or answer.status != 200, complaints
        assert {urlsplit(one.url).netloc for one in loaded} == {urlsplit(street.url).netloc}
        assert not any(known in page.url for known in SEEN_IDENTIFIERS)
        assert sum(len(gzip.compress(one.body())) for one in loaded if one.status == 200) <= MOST
        assert page.get_attribute("html", "lang") == lang
        assert page.locator("h1").count() == 1
        assert page.evaluate("document.scrollingElement.scrollWidth <= window.innerWidth"), "scrolls sideways"
        assert "{" not in page.inner_text("body"), "a word that was not filled in"
        assert broken == []
    finally:
        context.close()


def violations(page: Any) -> list[str]:
    """What axe-core finds, all its rules switched on, as one line each."""
    if not AXE.exists():
        pytest.skip("needs axe-core, which `make test` installs where there is npm")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate(f"axe.run({{runOnly: {json.dumps(RULES)}}})")
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in found["violations"]
        for node in one["nodes"]
    ]


def test_the_sample_covers_every_pair_of_width_and_mode() -> None:
    """No combination of a width and a mode, and none of a language with either, is left to the soak alone."""
    seen = [one for place in range(len(SCREENS)) for one in covering(place)]
    assert {(width, mode) for _, width, mode in seen} == set(product(WIDTHS, MODES))
    assert {(lang, width) for lang, width, _ in seen} == set(product(LANGUAGES, WIDTHS))
    assert {(lang, mode) for lang, _, mode in seen} == set(product(LANGUAGES, MODES))


def test_every_screen_is_named_once() -> None:
    """Two screens of one name would hide one another in a report."""
    assert len({screen.name for screen in SCREENS}) == len(SCREENS)
