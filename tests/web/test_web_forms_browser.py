"""Forms in a real browser: within another site's page, without any cookie, without a script, by keyboard alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import Browser

from pacte.app.house import House, open_house
from pacte.app.settings import FILE
from pacte.kernel import db
from pacte.testing.shop import Shop
from pacte.web.server import serving

NEW = "nadia.kermarrec@courriel.example"


@contextmanager
def site(words: dict[str, str]) -> Iterator[str]:
    """Another site, of one page; its address."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(words["page"].encode())

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://localhost:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def waiting(house: House) -> int:
    """How many requests wait."""
    with house.reading() as conn:
        return int(db.fetch(conn, "SELECT count(*) FROM optin")[0][0])


@pytest.mark.parametrize("listed", [True, False])
def test_a_form_within_another_sites_page(a_shop: Shop, browser: Browser, listed: bool) -> None:
    """One line of script puts the form there and lets it grow; a site that is not listed shows nothing of it."""
    words = {"page": ""}
    with site(words) as other:
        if listed:
            with (a_shop.house.path / FILE).open("a", encoding="utf-8") as file:
                file.write(f'\n[web]\nembedded_by = ["{other}"]\n')
        a_shop.house.close()
        with open_house(a_shop.house.path, clock=a_shop.clock) as house, serving(house, worker=False) as url:
            script = f'<script src="{url}/fr/forms/embed.js" data-form="letter" data-title="Lettre"></script>'
            words["page"] = f"<!doctype html><title>x</title><h1>x</h1>{script}"
            context = browser.new_context()
            page = context.new_page()
            page.goto(other, wait_until="networkidle")
            frame = page.frame_locator("iframe[title=Lettre]")
            if not listed:
                assert frame.locator("form").count() == 0
                context.close()
                return
            frame.locator("#newsletter-email").check()
            frame.locator("#customers-email").fill(NEW)
            frame.locator("#over").check()
            page.wait_for_function("document.querySelector('iframe').offsetHeight > 700")
            frame.locator("button[value=save]").click()
            frame.get_by_role("status").wait_for()
            assert "Regardez vos messages" in frame.locator("h1").inner_text()
            assert waiting(house) == 1
            assert context.cookies() == []
            context.close()


def test_a_form_without_a_script_by_keyboard_alone(a_shop: Shop, browser: Browser) -> None:
    """Every box, field and button is reached by the Tab key, in the order in which it is read."""
    with serving(a_shop.house, worker=False) as url:
        context = browser.new_context(java_script_enabled=False)
        page = context.new_page()
        page.goto(f"{url}/fr/forms/letter")
        page.locator("#newsletter-email").focus()
        page.keyboard.press("Space")
        page.keyboard.press("Tab")
        page.keyboard.type(NEW)
        page.keyboard.press("Tab")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Tab")
        page.keyboard.press("Space")
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        with page.expect_navigation():
            page.keyboard.press("Enter")
        assert "Regardez vos messages" in page.inner_text("h1")
        assert waiting(a_shop.house) == 1
        context.close()


def test_refusing_looks_like_accepting(a_shop: Shop, browser: Browser) -> None:
    """The two buttons have one height, one colour, one weight; boxes are computed as empty."""
    with serving(a_shop.house, worker=False) as url:
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        page = context.new_page()
        page.goto(f"{url}/fr/forms/account")
        looks = page.evaluate(
            """[...document.querySelectorAll("button[name=act]")].map((one) => {
              const style = getComputedStyle(one), box = one.getBoundingClientRect();
              return [box.height, box.width, style.color, style.backgroundColor, style.fontWeight, style.borderColor];
            })"""
        )
        assert looks[0] == looks[1]
        assert (
            page.evaluate("[...document.querySelectorAll('input[type=checkbox]')].some((one) => one.checked)") is False
        )
        context.close()


def test_the_sample_shop_is_for_a_fictional_company(a_shop: Shop) -> None:
    """A company with a real address has no sample shop, unless it is asked for."""
    from fastapi.testclient import TestClient

    from pacte.app.publish import publish
    from pacte.web.server import application

    app = application(a_shop.house)
    with TestClient(app, base_url="http://127.0.0.1:8080") as client:
        assert client.get("/fr/shop").status_code == 200
        assert client.get("/en/shop/checkout").status_code == 200
        policy = a_shop.house.path / "policy.yaml"
        text = policy.read_text("utf-8")
        before = "\n  contact: donnees@comptoir-sarrasin.example"
        assert before in text
        policy.write_text(text.replace(before, "\n  contact: donnees@comptoir-sarrasin.fr", 1), "utf-8")
        publish(a_shop.house, "owner")
        assert client.get("/fr/shop").status_code == 404
        app.state.with_shop = True
        assert client.get("/fr/shop").status_code == 200
