"""A shop's house behind its doors: in this process (`site`), on a real port (`served`), in a browser (`browser`)."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, sync_playwright

from pacte.app.house import House
from pacte.app.people import people_of
from pacte.kernel import db
from pacte.kernel.ids import SubjectId
from pacte.testing.shop import Shop
from pacte.testing.world import TestClock
from pacte.web import session
from pacte.web.server import application, serving
from tests.web.template import Template, made

CHROMIUM = next((path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), "")
NO_BROWSER = "needs Chromium (on Debian: `apt install chromium`)"


@dataclass
class Site:
    """The doors of a shop's house, and one browser in front of them that keeps cookies and follows no redirects."""

    shop: Shop
    client: TestClient

    @property
    def house(self) -> House:
        """The house behind the doors."""
        return self.shop.house

    @property
    def clock(self) -> TestClock:
        """The house's clock."""
        return self.shop.clock

    def get(self, path: str, **options: Any) -> Any:
        """Open a page."""
        return self.client.get(path, follow_redirects=False, **options)

    def post(self, path: str, data: dict[str, Any] | None = None, *, shown: str = "", **options: Any) -> Any:
        """Send a form as a person would: open the page that shows it (`shown`, else the path itself), then send it."""
        token = csrf(self.get(shown or path).text)
        return self.client.post(path, data={"csrf": token, **(data or {})}, follow_redirects=False, **options)

    def subject(self, email: str) -> SubjectId:
        """Who has an address, as the records name them."""
        with self.house.reading() as conn:
            return people_of(self.house, conn, f"email:{email}")[0]

    def as_person(self, email: str, strength: str = "fresh") -> SubjectId:
        """Sign this browser in as a customer, who came by a link in a message (`link`) or signed in just now."""
        subject = self.subject(email)
        with db.write(self.house.engine) as conn:
            secret, _ = session.drawn(conn, "person", subject, strength, self.clock())
        self.client.cookies.set("pacte-person", secret)
        return subject


def csrf(html: str) -> str:
    """The token of the first form on a page."""
    found = re.search(r'name="csrf" value="([^"]+)"', html)
    return found[1] if found else ""


def spoiled(token: str) -> str:
    """A token or address with the character before its last five changed into another one."""
    return token[:-6] + ("1" if token[-6] == "0" else "0") + token[-5:]


@pytest.fixture(scope="session", params=[os.environ.get("PACTE_TEST_RECORDS", "sqlite")])
def shop_template(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Template:
    """A shop's house, made once and closed; tests work on copies of it.

    On SQLite, unless the test or the environment (`make soak`) names `postgresql`.
    """
    server = request.getfixturevalue("postgres") if request.param == "postgresql" else None
    return made(tmp_path_factory.mktemp("shop"), server)


@pytest.fixture
def a_shop(shop_template: Template, tmp_path: Path) -> Iterator[Shop]:
    """A copy of the shop's house for one test, open."""
    with shop_template.open(tmp_path / "house") as shop:
        yield shop


@pytest.fixture
def site(a_shop: Shop) -> Iterator[Site]:
    """The shop's doors in this process."""
    with TestClient(application(a_shop.house), base_url="http://127.0.0.1:8080") as client:
        yield Site(a_shop, client)


@pytest.fixture
def served(a_shop: Shop) -> Iterator[str]:
    """The address of the shop's doors on a real port of this machine."""
    with serving(a_shop.house, worker=False) as url:
        yield url


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, without a window."""
    if not CHROMIUM:
        pytest.skip(NO_BROWSER)
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()
