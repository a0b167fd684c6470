"""The trust badge: beside an offer on the company's own site, in a real browser, with and without the person."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, Page

from pacte.app import badges, links
from pacte.kernel.instant import SECOND
from pacte.testing.shop import Shop
from pacte.web.server import application, serving
from tests.web.conftest import spoiled
from tests.web.template import Template

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Shop</title><body><h1>An offer</h1>
<pacte-badge purpose="newsletter"TOKEN><a href="HOUSE/en/notice">What we do with data</a></pacte-badge>
<script src="HOUSE/badge/badge.js"></script></body></html>"""
EMAIL = "newsletter-email"
NO = {"name": EMAIL, "on": False, "seen": 0, "notice": ""}
PLAIN = b'{"name":"newsletter-email","on":false,"seen":0,"notice":""}'
ELSEWHERE = "https://elsewhere.example"


class _Quiet(SimpleHTTPRequestHandler):
    """A static site that says nothing; its policy forbids inline styles and scripts, as a careful company's would."""

    def log_message(self, *_: Any) -> None:
        """Nothing."""

    def end_headers(self) -> None:
        policy = "default-src 'none'; script-src http://127.0.0.1:*; connect-src http://127.0.0.1:*"
        self.send_header("Content-Security-Policy", policy)
        super().end_headers()


@dataclass
class Street:
    """The company's own site and the house behind it, on two ports."""

    shop: Shop
    pages: Path
    site: str
    house: str

    def page(self, browser: Browser, token: str = "", **options: Any) -> Page:
        """The company's page with the badge, for the person of a token."""
        shown = PAGE.replace("HOUSE", self.house).replace("TOKEN", f' token="{token}"' if token else "")
        (self.pages / "offer.html").write_text(shown, encoding="utf-8")
        page = browser.new_context(**options).new_page()
        page.goto(f"{self.site}/offer.html")
        return page


@pytest.fixture
def street(shop_template: Template, tmp_path: Path) -> Iterator[Street]:
    """A site whose origin the house lists."""
    pages = tmp_path / "pages"
    pages.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(pages)))
    site = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with (
        shop_template.open(tmp_path / "house", f'\n[web]\norigins = ["{site}"]\n') as shop,
        serving(shop.house, worker=False) as url,
    ):
        yield Street(shop, pages, site, url)
    server.shutdown()
    server.server_close()


def _token(street: Street) -> str:
    return badges.token(street.shop.house, f"email:{street.shop.permitted[0]}")


def test_it_is_small() -> None:
    """The element weighs less than 3 KB on the wire, asks nobody else, and writes no markup from strings."""
    script = files("pacte.web").joinpath("static", "badge.js").read_bytes()
    assert len(gzip.compress(script)) < 3_000
    for word in (b"innerHTML", b"eval", b"http://", b"https://", b"cookie", b"localStorage"):
        assert word not in script


def test_everybody_reads_what_and_why(browser: Browser, street: Street) -> None:
    """Without a session the badge says what is used, why and by what right, and nothing of anybody."""
    page = street.page(browser)
    page.click("pacte-badge button")
    words = page.inner_text("pacte-badge #panel")
    for part in ("Data used", "your agreement", "Who else receives them", "All about it"):
        assert part in words
    assert page.locator("pacte-badge [role=switch]").count() == 0
    assert "Last used" not in words


def test_a_person_sees_their_own_and_changes_it(browser: Browser, street: Street) -> None:
    """With the token of the company's page: since when, the last use, the switch; by keyboard alone."""
    page = street.page(browser, _token(street))
    page.wait_for_selector("pacte-badge button")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    words = page.inner_text("pacte-badge #panel")
    assert "On since" in words
    assert "Last used" in words
    switch = page.locator(f"pacte-badge [data-name={EMAIL}]")
    assert switch.get_attribute("aria-checked") == "true"
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.wait_for_selector(f"pacte-badge [data-name={EMAIL}][aria-checked=false]")
    page.wait_for_function("document.querySelector('pacte-badge').shadowRoot.activeElement?.role === 'switch'")
    assert "Recorded." in page.inner_text("pacte-badge [role=status]")
    person = f"email:{street.shop.permitted[0]}"
    assert street.shop.house.may(person, "newsletter", channel="email").reason.code == "withdrawn"
    street.shop.clock.forward(1 / 1440)
    page.keyboard.press("Space")
    page.wait_for_selector(f"pacte-badge [data-name={EMAIL}][aria-checked=true]")
    page.keyboard.press("Escape")
    assert page.is_hidden("pacte-badge #panel")
    assert page.evaluate("document.querySelector('pacte-badge').shadowRoot.activeElement.getAttribute('aria-expanded')")


def test_without_a_script_or_an_answer_the_link_stays(browser: Browser, street: Street) -> None:
    """JavaScript off, an unknown purpose, a house that does not answer: the link inside is what people see."""
    assert street.page(browser, java_script_enabled=False).is_visible("pacte-badge a")
    page = street.page(browser)
    page.evaluate("document.querySelector('pacte-badge').remove()")
    page.evaluate(
        """() => {
          const badge = document.createElement("pacte-badge");
          badge.setAttribute("purpose", "no_such");
          badge.append(Object.assign(document.createElement("a"), { href: "/x", textContent: "link" }));
          document.body.append(badge);
        }"""
    )
    page.wait_for_load_state("networkidle")
    assert page.is_visible("pacte-badge a")


def test_only_listed_origins_read_and_send(street: Street) -> None:
    """A page elsewhere gets no permission to read, learns nothing of a session, and cannot send a choice."""
    token = {"authorization": f"Bearer {_token(street)}"}
    with TestClient(application(street.shop.house), base_url=street.house) as client:
        listed = client.get("/badge/newsletter?lang=en", headers={"origin": street.site, **token})
        assert listed.headers["access-control-allow-origin"] == street.site
        assert listed.json()["own"]["on"] is True
        other = client.get("/badge/newsletter", headers={"origin": ELSEWHERE, **token})
        assert "access-control-allow-origin" not in other.headers
        assert client.options("/badge/newsletter", headers={"origin": ELSEWHERE}).headers.get("vary") == "Origin"
        said = NO
        foreign = {"sec-fetch-site": "cross-site"}
        for headers in ({"origin": ELSEWHERE, **token}, {"origin": "null", **token}, {}, foreign):
            assert client.post("/badge/newsletter", json=said, headers=headers).status_code == 403
        mine = {"origin": street.site}
        assert client.post("/badge/newsletter", json=said, headers=mine).status_code == 401
        for body in (
            {},
            [],
            {"name": EMAIL, "on": 1, "seen": 0, "notice": ""},
            {"name": EMAIL, "on": True, "seen": "0", "notice": ""},
        ):
            assert client.post("/badge/newsletter", json=body, headers=mine | token).status_code == 400
        plain = client.post("/badge/newsletter", content=PLAIN, headers=mine | token)
        assert plain.status_code == 400


def test_a_yes_counts_only_as_it_was_shown(street: Street) -> None:
    """A yes with another notice or after another choice is refused; a no always counts."""
    token = {"authorization": f"Bearer {_token(street)}", "origin": street.site}
    with TestClient(application(street.shop.house), base_url=street.house) as client:
        own = client.post("/badge/newsletter", json=NO, headers=token).json()["own"]
        email = next(one for one in own["switches"] if one["name"] == EMAIL)
        assert email["on"] is False
        said = {"name": EMAIL, "on": True, "seen": email["seen"], "notice": own["notice"]}
        for wrong in ({"seen": email["seen"] - 1}, {"notice": "0" * 64}, {"name": "newsletter-fax"}):
            assert client.post("/badge/newsletter", json=said | wrong, headers=token).status_code == 409
        street.shop.clock.forward(1 / 1440)  # of two words of one microsecond the more protective counts
        assert client.post("/badge/newsletter", json=said, headers=token).json()["own"]["on"] is True


def test_a_token_ends_and_is_for_badges_only(street: Street) -> None:
    """After a quarter of an hour, changed, or made for something else, a token names nobody."""
    house, clock = street.shop.house, street.shop.clock
    token = _token(street)
    with TestClient(application(house), base_url=street.house) as client:

        def own(one: str) -> Any:
            return client.get("/badge/newsletter", headers={"authorization": f"Bearer {one}"}).json()["own"]

        assert own(token) is not None
        subject = str(badges.holder(house, token))
        assert subject not in token
        assert own(spoiled(token)) is None
        assert own(links.seal(house, "choices", {"subject": subject}, 900 * SECOND)) is None
        clock.forward(1 / 24)
        assert own(token) is None
