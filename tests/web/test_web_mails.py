"""Mails as a reader opens them: two widths, light and dark, no rule of accessibility broken, nothing loaded."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from playwright.sync_api import Browser

from pacte.uses.message.model import Block, Message, Text
from pacte.uses.message.render import Frame, render, style_sources
from tests.web.test_web_look import violations

LONG = "https://privacy.comptoir.example/fr/u/" + "x" * 300
FRAME = Frame(
    "Le Comptoir des Épices & Fils",
    "privacy@comptoir.example",
    "Vous recevez ce message parce que vous avez dit oui à : Lettre du Comptoir.",
    LONG,
    "https://privacy.comptoir.example/fr/notice",
    LONG,
    "https://privacy.comptoir.example/fr/me/choices",
)
TEXT = Text(
    "Nos tables d’hiver",
    "Arrivées cette semaine",
    (
        Block("heading", "Nos tables d’hiver"),
        Block("text", "Elles sont là.\nVenez les voir.\n\nÀ bientôt, " + "x" * 50),
        Block("offer", "20 % de remise jusqu’à dimanche", "https://shop.example/hiver"),
        Block("heading", "Et aussi"),
        Block("button", "Voir toutes les tables d’hiver du magasin", "https://shop.example/tables"),
    ),
)
BARE = Text("Votre colis est en route", "", (Block("text", "Il arrive mardi."),))
MAILS = {"promotion": TEXT, "service": BARE}


def mail(kind: Any, lang: str) -> str:
    """The HTML of a mail."""
    return render(Message("m", kind, "p", "email", {lang: MAILS[kind]}), lang, {}, FRAME).html


@pytest.mark.parametrize(("kind", "lang"), [("promotion", "fr"), ("service", "en")])
def test_a_mail_reads_at_every_width_light_and_dark(browser: Browser, kind: str, lang: str) -> None:
    """No rule of accessibility is broken, nothing scrolls sideways or is cut off, the colours follow the reader's."""
    page = browser.new_page()
    try:
        asked: list[str] = []
        page.on("request", lambda one: asked.append(one.url))
        page.set_content(mail(kind, lang))
        for width, mode in product((320, 640), ("light", "dark")):
            page.set_viewport_size({"width": width, "height": 700})
            page.emulate_media(color_scheme=mode)
            assert page.evaluate("document.scrollingElement.scrollWidth <= window.innerWidth"), "scrolls sideways"
            dark = page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
            assert dark is (mode == "dark")
            assert violations(page) == []
        assert page.locator("h1").count() == 1
        assert page.locator(".ahead:visible").count() == 0
        assert page.locator("footer a").count() == 4
        assert asked == [], "opening a mail told somebody"
    finally:
        page.close()


def test_a_mail_looks_the_same_under_a_strict_policy(browser: Browser) -> None:
    """The console shows a mail with its own styles allowed by their digests, and nothing else."""
    page = browser.new_page()
    try:
        page.route(
            "**/*",
            lambda route: route.fulfill(
                body=mail("promotion", "fr"),
                content_type="text/html; charset=utf-8",
                headers={"Content-Security-Policy": f"default-src 'none'; style-src {style_sources()}"},
            ),
        )
        complaints: list[str] = []
        page.on("console", lambda one: complaints.append(one.text))
        page.goto("http://mail.example/")
        assert page.evaluate("getComputedStyle(document.querySelector('main')).maxWidth") == "600px"
        assert complaints == []
    finally:
        page.close()
