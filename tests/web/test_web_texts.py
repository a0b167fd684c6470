"""The texts of the policy side by side: written into the draft by whoever may, looked over, published by an owner."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest

from pacte.app.house import POLICY
from pacte.ledger import log
from pacte.web import session
from tests.web.conftest import Site
from tests.web.staff import signed_in

PAGE, REVIEW = "/en/staff/texts", "/en/staff/texts/review"
REASON = "purposes/newsletter/reason/en"
OLD = "To send you our news, recipes and offers, chosen from what you buy."


def fields(page: str, part: str) -> dict[str, str]:
    """What the form of a part of the page would send if nobody touched it."""
    form = re.search(rf'id="part-{part}".*?<form (.*?)</form>', page, re.S)
    assert form is not None
    hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form[1]))
    typed = dict(re.findall(r'<textarea id="[^"]+" name="([^"]+)"[^>]*>\n(.*?)</textarea>', form[1], re.S))
    return {name: html.unescape(value) for name, value in (hidden | typed).items()}


def send(site: Site, said: dict[str, str], part: str = "purposes-newsletter", page: str = "") -> Any:
    """Save a part with other words in some of its fields, from the page as it is, or as it was."""
    shown = fields(page or site.get(PAGE).text, part)
    return site.client.post(
        PAGE, data=shown | {f"text/{name}": words for name, words in said.items()}, follow_redirects=False
    )


def edit(site: Site, old: str, new: str) -> None:
    """Change the file as an editor would."""
    file = site.house.path / POLICY
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), "utf-8")


def version(site: Site) -> str:
    """The draft that the review shows."""
    return dict(re.findall(r'name="(version)" value="([0-9a-f]+)"', site.get(REVIEW).text)).get("version", "")


def test_words_are_changed_in_the_draft_and_published(site: Site) -> None:
    """From the field to the notice that people read: each step shows, and nothing is in force before the last."""
    found = signed_in(site, "owner")
    assert fields(site.get(PAGE).text, "purposes-newsletter")[f"text/{REASON}"] == OLD
    answer = send(site, {REASON: "To send you our <b>letter</b>."})
    assert answer.headers["location"] == f"{PAGE}?done=saved#part-purposes-newsletter"
    page = site.get(PAGE).text
    assert "To send you our &lt;b&gt;letter&lt;/b&gt;." in page
    assert "1 text is another than in force" in page
    assert OLD in site.get("/en/notice").text

    review = site.get(REVIEW).text
    assert "The reason given for" in review
    assert re.search(r"<del>.*offers.*</del>", review)
    assert "no new notice in the draft tells them" in review
    assert site.post("/en/staff/texts/notice", shown=REVIEW).headers["location"] == f"{REVIEW}?done=notice"
    assert "no new notice in the draft tells them" not in site.get(REVIEW).text

    said = {"version": version(site), "advice": "favourable"}
    done = site.post("/en/staff/texts/publish", said, shown=REVIEW)
    with site.house.reading() as conn:
        index, entry = log.of_kind(conn, "policy")[-1]
    assert done.headers["location"] == f"{REVIEW}?done={index}"
    assert (entry["by"], entry["advice"], entry["advised_by"]) == (found.actor, "favourable", "dpo")
    assert OLD not in site.get("/en/notice").text
    assert "there is nothing to publish" in site.get(REVIEW).text
    assert site.house.check() == []


def test_a_missing_text_is_marked_found_and_in_the_way(site: Site) -> None:
    """A hole shows in the list, alone by the filter, and keeps the draft from being published until it is filled."""
    signed_in(site, "owner")
    edit(
        site,
        "in_return:\n      fr: Les recettes du mois, et les ventes privées deux jours avant tout le monde.\n",
        "in_return:\n",
    )
    name = "purposes/newsletter/in_return/fr"
    page = site.get(f"{PAGE}?show=missing").text
    assert re.findall(r'<textarea id="text/([^"]+)"', page) == [name, name.replace("/fr", "/en")]
    assert "1 text is missing" in page
    review = site.get(REVIEW).text
    assert f'href="/en/staff/texts?show=missing#text/{name}"' in review
    assert "What people get in return: missing in French" in review
    assert "cannot be published" in review
    assert version(site) == ""
    assert site.post("/en/staff/texts/publish", {"version": "0" * 64}, shown=PAGE).status_code == 409
    assert send(site, {name: "Les recettes du mois."}).status_code == 303
    assert version(site)


def test_the_second_of_two_is_told_and_keeps_their_words(site: Site) -> None:
    """Somebody else saved meanwhile: both texts show, yours in the field; once seen, saving again counts."""
    signed_in(site, "marketer")
    page = site.get(PAGE).text
    assert send(site, {REASON: "The first was here."}, page=page).status_code == 303
    told = send(site, {REASON: "The second was here."}, page=page)
    assert told.status_code == 409
    assert "somebody else wrote here meanwhile" in told.text
    assert "The first was here." in told.text
    assert fields(told.text, "purposes-newsletter")[f"text/{REASON}"] == "The second was here."
    assert 'href="#text/purposes/newsletter/reason/en"' in told.text
    assert "The first was here." in (site.house.path / POLICY).read_text("utf-8")
    assert send(site, {}, page=told.text).status_code == 303
    assert "The second was here." in (site.house.path / POLICY).read_text("utf-8")


def test_words_for_a_text_that_went_are_given_back(site: Site) -> None:
    """Somebody took the text out of the file meanwhile: what was typed shows once more, and is written nowhere."""
    signed_in(site, "marketer")
    page = site.get(PAGE).text
    edit(site, "in_return:\n      fr: Une réduction chez chaque partenaire choisi.\n", "worth:\n      fr: Rien.\n")
    told = send(site, {"purposes/partner_offers/in_return/en": "A coupon."}, "purposes-partner_offers", page)
    assert (told.status_code, "A coupon." in told.text, "no longer in the draft" in told.text) == (422, True, True)
    assert "A coupon." not in (site.house.path / POLICY).read_text("utf-8")


def test_what_cannot_be_saved_stays_in_the_field(site: Site) -> None:
    """A text that is emptied or too long is named, and nothing that was typed beside it is lost."""
    signed_in(site, "dpo")
    title = "purposes/newsletter/title/en"
    told = send(site, {REASON: "", title: "Another name"})
    assert told.status_code == 422
    assert "a text that is there cannot be emptied" in told.text
    assert fields(told.text, "purposes-newsletter")[f"text/{title}"] == "Another name"
    assert OLD in (site.house.path / POLICY).read_text("utf-8")


def test_texts_are_found_by_their_words(site: Site) -> None:
    """In any language, by the name of their part too, without capitals and accents; the score stands beside them."""
    signed_in(site, "owner")
    page = site.get(f"{PAGE}?q=EUROPEENNE").text
    assert "No text fits." in page
    page = site.get(f"{PAGE}?q=privees").text
    assert re.findall(r'id="(part-[^"]+?)" ', page) == ["part-purposes-newsletter", "part-forms-account"]
    assert "The same in every language" not in page
    assert "Code de commerce art. L123-22" in site.get(PAGE).text
    assert re.search(r"Easy to read\? \d+ of 100", page)
    assert site.get(f"{PAGE}?show=changed").text.count("<textarea") == 0


def test_more_than_words_shows_and_is_not_made_here(site: Site) -> None:
    """What somebody changed in the file is told apart, with what it asks for, and can only be changed there."""
    signed_in(site, "owner")
    edit(site, "keep: 25 months", "keep: 5 years")
    review = site.get(REVIEW).text
    assert "More than words" in review
    assert "5 years instead of 25 months" in html.unescape(review)
    answer = send(site, {"purposes/statistics/retention/keep": "1 day", "purposes/statistics/basis": "consent"})
    assert (answer.status_code, "no longer in the draft" in answer.text) == (422, True)
    assert "keep: 5 years" in (site.house.path / POLICY).read_text("utf-8")


@pytest.mark.parametrize("role", ["dpo", "marketer"])
def test_who_writes_does_not_publish(site: Site, role: str) -> None:
    """Others than owners write and look, and the page says who publishes; their own attempt is refused."""
    signed_in(site, role)
    assert send(site, {REASON: "To write to you."}).status_code == 303
    assert "Owners publish." in site.get(REVIEW).text
    assert version(site) == ""
    assert site.post("/en/staff/texts/publish", {"version": "0" * 64}, shown=PAGE).status_code == 403


def test_what_was_not_looked_at_is_not_published(site: Site) -> None:
    """The draft changed since the review was shown: it is shown again, and nothing is in force."""
    signed_in(site, "owner")
    send(site, {REASON: "To write to you."})
    seen = version(site)
    send(site, {REASON: "To write to you often."})
    told = site.post("/en/staff/texts/publish", {"version": seen}, shown=REVIEW)
    assert (told.status_code, "Nothing was published" in told.text) == (409, True)
    assert site.post("/en/staff/texts/publish", {}, shown=REVIEW).status_code == 409
    assert OLD in site.get("/en/notice").text


def test_publishing_asks_for_a_sign_in_of_a_moment_ago(site: Site) -> None:
    """A browser left alone may still look, and puts nothing in force."""
    signed_in(site, "owner")
    send(site, {REASON: "To write to you."})
    seen = version(site)
    site.clock.forward(session.FRESH / 86_400_000_000)
    assert "Sign in again" in site.get(REVIEW).text
    answer = site.post("/en/staff/texts/publish", {"version": seen}, shown=PAGE)
    assert "again=1" in answer.headers["location"]
    assert OLD in site.get("/en/notice").text
