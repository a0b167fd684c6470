"""The public notice: what is in force, versions that keep their address and words, changes, paper, JSON."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from pacte.app import notices
from pacte.app.house import POLICY
from pacte.app.publish import publish
from pacte.consent.notice.entry import draft
from pacte.kernel import db
from pacte.kernel.instant import DAY, Instant
from pacte.web import session
from pacte.web.notice.printed import qr_code
from tests.web.conftest import Site

CHANGED = (
    ("retention: {keep: 25 months", "retention: {keep: 5 years"),
    ("      - orders.spent\n    channels", "      - orders.spent\n      - orders.product\n    channels"),
)


def renew(site: Site, *changes: tuple[str, str]) -> None:
    """Publish a new version of the policy with its generated notice in both languages."""
    path = site.house.path / POLICY
    text = path.read_text("utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text, "utf-8")
    now = site.clock()
    made = [draft(site.house.policy(), lang, Instant(now - now % DAY)) for lang in ("fr", "en")]
    notices.add_to_policy(site.house, site.house.policy(), made)
    publish(site.house, "owner")


def words(html: str) -> str:
    """The text of a page's content; every space is one."""
    content = html[html.index("<main") : html.index("</main>")]
    return " ".join(re.sub("<[^>]+>", " ", content).replace("&#39;", "'").replace("&#34;", '"').split())


@pytest.mark.parametrize("lang", ["en", "fr"])
def test_the_notice_in_force_has_its_short_layer_first(site: Site, lang: str) -> None:
    """Objection stands apart, each purpose opens on demand under its own address, nothing is loaded from elsewhere."""
    renew(site)
    found = site.get(f"/{lang}/notice")
    assert found.status_code == 200
    html = found.text
    assert html.index('id="who"') < html.index('id="object"') < html.index("<details>")
    for name in site.house.policy().document.purposes:
        assert f'id="purpose-{name}"' in html
        assert f'href="#purpose-{name}"' in html
    assert not re.search(r'(?:src|href)="(?:https?:)?//', html)
    assert f"/{lang}/notice/4" in html


def test_words_written_by_hand_are_shown_as_they_were_recorded(site: Site) -> None:
    """The recorded text first, word for word; the policy's own details beside it."""
    version = notices.current(site.house, "fr")
    assert version is not None
    shown = words(site.get("/fr/notice").text)
    for line in version.text.splitlines():
        assert " ".join(line.removeprefix("– ").split()).strip("– ") in shown.replace("– ", "")
    assert "La même chose, finalité par finalité" in shown


def test_a_version_keeps_its_address_and_its_words(site: Site) -> None:
    """Whatever is published later, and by its digest too; it says that a newer one is there."""
    before = site.get("/fr/notice/3")
    renew(site, *CHANGED)
    after = site.get("/fr/notice/3")
    version = notices.named(site.house, "fr", "3")
    article = re.compile(r"<article.*</article>", re.S)
    assert article.findall(before.text) == article.findall(after.text)
    assert "version antérieure" in after.text
    assert "version antérieure" not in before.text
    assert site.get(f"/fr/notice/{version.digest[:16]}").status_code == 200
    for missing in (
        "/fr/notice/99",
        "/en/notice/1",
        "/fr/notice/99/changes",
        "/fr/notice/4/changes?since=98",
    ):
        assert site.get(missing).status_code == 404, missing


@pytest.mark.parametrize("lang", ["en", "fr"])
def test_changes_are_told_in_words_and_word_by_word(site: Site, lang: str) -> None:
    """What is kept longer with both lengths, which yes is asked again, what was put in and taken out."""
    renew(site)
    site.clock.forward(2)
    renew(site, *CHANGED)
    html = site.get(f"/{lang}/notice/5/changes?since=4").text
    said = words(html)
    expected = {
        "en": ("Sales statistics: kept longer.", "25 months", "5 years", "We ask you again", "Our newsletter"),
        "fr": (
            "Statistiques de vente : conservé plus longtemps.",
            "25 mois",
            "5 ans",
            "Nous vous le redemandons",
            "Lettre",
        ),
    }[lang]
    assert [word for word in expected if word not in said] == []
    assert re.search(r"<del>\s*25 (months|mois)", html)
    assert re.search(r"<ins>\s*5 (years|ans)", html)
    assert site.get(f"/{lang}/notice/5/changes").text.count("<ins>") == html.count("<ins>")


def test_gaps_are_shown_to_staff_only(site: Site) -> None:
    """The public sees what the policy says; the company sees what is missing."""
    assert 'id="gaps"' not in site.get("/fr/notice").text
    with db.write(site.house.engine) as conn:
        secret, _ = session.drawn(conn, "staff", "owner", "full", site.clock())
    site.client.cookies.set("pacte-staff", secret)
    missing = [gap.words for gap in notices.shown(site.house, "fr").layers.gaps]
    shown = words(site.get("/fr/notice").text)
    assert [one for one in missing if " ".join(one.split()) not in shown] == []
    assert ("Seul le personnel voit ceci" in shown) == bool(missing)


def test_programs_get_the_same_with_an_address_for_each_purpose(site: Site) -> None:
    """The digest under which a choice is recorded, links into the page, and an answer for whoever has it already."""
    renew(site)
    found = site.get("/api/v1/notice/fr")
    body: dict[str, Any] = found.json()
    version = notices.current(site.house, "fr")
    assert version is not None
    assert (body["notice"], body["text"], body["version"]) == (version.digest, version.text, "4")
    page = site.get("/fr/notice").text
    for purpose, link in body["links"]["purposes"].items():
        assert f'id="{link.partition("#")[2]}"' in page, purpose
    assert body["readability"]["formula"].startswith("Kandel")
    assert "gaps" not in body
    again = site.get("/api/v1/notice/fr", headers={"If-None-Match": found.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    refused = site.get("/api/v1/notice/de")
    assert (refused.status_code, refused.headers["content-type"]) == (404, "application/problem+json")


@pytest.mark.parametrize("size", ["a5", "a4"])
def test_the_printed_notice_is_a_sheet_with_a_code(
    site: Site, browser: Browser, served: str, size: str, tmp_path: Path
) -> None:
    """Chromium prints it on the paper that was asked for; on A5 the short layer is one page."""
    renew(site)
    assert site.get("/fr/notice/print?size=a3").status_code == 404
    page = browser.new_page()
    page.goto(f"{served}/fr/notice/print?size={size}")
    file = tmp_path / "notice.pdf"
    page.pdf(path=file, prefer_css_page_size=True)
    box = page.locator(".qr img")
    assert box.get_attribute("src") == qr_code(f"{served}/fr/notice/4")
    assert box.evaluate("image => image.complete && image.naturalWidth > 0")
    page.close()
    content = file.read_bytes()
    boxes = {
        tuple(round(float(one)) for one in found.split()) for found in re.findall(rb"/MediaBox \[([^\]]*)\]", content)
    }
    wanted = {"a5": (0, 0, 420, 595), "a4": (0, 0, 595, 842)}[size]
    assert all(abs(a - b) <= 2 for found in boxes for a, b in zip(found, wanted, strict=True)), boxes
    if size == "a5":
        assert len(re.findall(rb"/Type /Page\b", content)) == 1


def test_the_code_leads_to_the_permanent_address() -> None:
    """What it says is the address itself, in black on white also on a dark screen."""
    code = qr_code("https://privacy.shop.example/fr/notice/4")
    assert code.startswith("data:image/svg+xml")
    assert "%23fff" in code or "#fff" in code
    assert qr_code("https://privacy.shop.example/fr/notice/5") != code


def test_before_a_policy_is_in_force_there_is_no_notice(site: Site) -> None:
    """An address without a language leads to one; the page says what is so and is no error of the server."""
    led = site.get("/notice", headers={"Accept-Language": "de, fr;q=0.5"})
    assert (led.status_code, led.headers["location"]) == (307, "/fr/notice")
