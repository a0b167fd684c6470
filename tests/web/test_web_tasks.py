"""What people come for, done in a browser without JavaScript and with the keyboard alone, in both languages.

Every task begins at the front page and goes on by what can be reached with the Tab key; the focus must be seen.
Sources: WCAG 2.2, 2.1.1 (keyboard), 2.4.7 (focus visible), 2.4.3 (focus order); GDPR Art. 7(3) (as easy to withdraw).
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from pacte.app.house import House, open_house
from pacte.app.settings import write_letters_folder
from pacte.kernel.instant import Instant
from pacte.testing.shop import Shop
from pacte.web.server import serving

FOCUSED = """() => {
  const one = document.activeElement;
  const labels = one.labels ? [...one.labels].map(label => label.innerText) : [];
  const style = getComputedStyle(one);
  return {name: [one.getAttribute('aria-label') || one.innerText || '', ...labels].join(' ').trim(), tag: one.tagName,
          outline: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2};
}"""
MOST = 150
"""Steps of the Tab key on one page, after which a thing counts as out of reach."""


@dataclass
class Hands:
    """Somebody with a keyboard in front of one page."""

    page: Page
    url: str
    letters: Path

    def open(self, path: str) -> Hands:
        """Type an address of ours."""
        self.page.goto(f"{self.url}/{path}")
        return self

    def reach(self, words: str) -> None:
        """Step on with Tab until what has the focus is called like this; its focus must be visible."""
        for _ in range(MOST):
            self.page.keyboard.press("Tab")
            found = self.page.evaluate(FOCUSED)
            if re.search(words, found["name"]) and found["tag"] != "BODY":
                assert found["outline"], f"the focus on “{words}” cannot be seen"
                return
        raise AssertionError(f"“{words}” cannot be reached with the keyboard on {self.text[:200]}")

    def press(self, words: str) -> Hands:
        """Press a button or follow a link."""
        self.reach(words)
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")
        return self

    def write(self, label: str, value: str) -> Hands:
        """Fill in a field."""
        self.reach(label)
        self.page.keyboard.type(value)
        return self

    def tick(self, label: str) -> Hands:
        """Tick a box, or choose one of several."""
        self.reach(label)
        self.page.keyboard.press("Space")
        return self

    @property
    def text(self) -> str:
        """What the page says."""
        return str(self.page.inner_text("main"))

    def link_of_letter(self, more_than: int = 0) -> str:
        """Wait for the next letter and read the address of its link."""
        for _ in range(200):
            found = sorted(self.letters.glob("*.html"))
            if len(found) > more_than:
                address = re.search(r'href="([^"]+)"', found[-1].read_text("utf-8"))
                assert address
                return "/".join(address[1].split("/")[3:])
            time.sleep(0.05)
        raise AssertionError("no letter came")


@pytest.fixture
def house(a_shop: Shop) -> Iterator[House]:
    """The shop's house, whose clock goes on and whose letters are put into a folder."""
    write_letters_folder(a_shop.house.path)
    began = time.monotonic_ns()

    def clock() -> Instant:
        return Instant(a_shop.clock() + (time.monotonic_ns() - began) // 1000)

    with open_house(a_shop.house.path, clock=clock) as opened:
        yield opened


@pytest.fixture(params=["en", "fr"])
def lang(request: pytest.FixtureRequest) -> str:
    """Each of the two languages in turn."""
    return str(request.param)


@pytest.fixture
def hands(house: House, browser: Browser, lang: str) -> Iterator[Hands]:
    """A browser without JavaScript in front of the shop's doors, and its worker behind them."""
    with serving(house) as url:
        context = browser.new_context(java_script_enabled=False, locale=lang, viewport={"width": 1280, "height": 800})
        yield Hands(context.new_page(), url, house.path / "letters")
        context.close()


WORDS = {
    "en": {
        "enter": "See and change", "address": "mail address", "send": "Send me", "open": "Open my page", "no": "Say no",
        "undo": "Undo", "out": "Sign out", "choices": "Your choices", "object": "^Object", "reach": "How to reach",
        "rhythm": "How often", "weekly": "At most", "save": "Save – E-mail", "day": "On this day", "ask": "^Ask$",
        "which": "On which day",
        "data": "^Your data$", "erase": "Have them erased", "sure": "Yes, erase", "for_good": "Erase for good",
    },
    "fr": {
        "enter": "Voir et changer", "address": "adresse", "send": "Envoyez-moi", "open": "Ouvrir ma page",
        "no": "Dire non", "undo": "Annuler", "out": "Se déconnecter", "choices": "Vos choix", "object": "^M.opposer",
        "reach": "Vous joindre", "rhythm": "À quel rythme", "weekly": "Au plus", "save": "Enregistrer – Courriel",
        "day": "Ce jour-là", "ask": "Demander", "which": "Quel jour",
        "data": "^Vos données$", "erase": "Les faire effacer",
        "sure": "Oui, effacez", "for_good": "Effacer définitivement",
    },
}  # fmt: skip
"""What is stepped to, as each language calls it."""


def signed_in(hands: Hands, email: str, lang: str) -> Hands:
    """Come in by a letter, as somebody does who was never here before."""
    say = WORDS[lang]
    hands.open(f"{lang}/").press(say["enter"])
    hands.write(say["address"], email).press(say["send"])
    hands.open(hands.link_of_letter())
    return hands.press(say["open"])


def test_signing_in_and_taking_a_yes_back(hands: Hands, a_shop: Shop, lang: str) -> None:
    """Sign in by a letter, withdraw, see it said, undo it, sign out."""
    say = WORDS[lang]
    signed_in(hands, a_shop.permitted[0], lang)
    hands.press(say["choices"]).press(say["no"])
    assert hands.page.locator("[role=status]").count() == 1
    hands.press(say["undo"])
    assert hands.page.locator("[role=status]").count() == 1
    hands.press(say["out"])
    hands.open(f"{lang}/me/choices")
    assert "sign-in" in hands.page.url


def test_objecting(hands: Hands, a_shop: Shop, lang: str) -> None:
    """An objection is as near as a yes is: one press on the first page."""
    say = WORDS[lang]
    signed_in(hands, a_shop.permitted[0], lang).press(say["object"])
    assert hands.page.locator("[role=status]").count() == 1


def test_saying_how_often(hands: Hands, a_shop: Shop, lang: str) -> None:
    """A wish is chosen from a list by its first letters, saved, and taken back."""
    say = WORDS[lang]
    signed_in(hands, a_shop.permitted[0], lang).press(say["reach"])
    hands.write(say["rhythm"], say["weekly"]).press(say["save"])
    assert hands.page.locator("[role=status]").count() == 1
    hands.press(say["undo"])


def test_asking_about_a_day(hands: Hands, a_shop: Shop, lang: str) -> None:
    """Could we, on this day? An answer in words; the address of the page does not say which day or purpose."""
    say = WORDS[lang]
    signed_in(hands, a_shop.permitted[0], lang).press(say["day"])
    hands.write(say["which"], "11182026").press(say["ask"])  # in the order of the browser's own language
    assert hands.page.locator("#answer").count() == 1
    assert "?" not in hands.page.url


def test_seeing_and_erasing_the_data(hands: Hands, a_shop: Shop, lang: str) -> None:
    """Somebody who signed in just now sees their data and has them erased, after one question."""
    say = WORDS[lang]
    signed_in(hands, a_shop.permitted[0], lang).press(say["data"])
    assert a_shop.permitted[0] in hands.text
    hands.press(say["erase"]).tick(say["sure"]).press(say["for_good"])
    assert a_shop.permitted[0] not in hands.text
    assert hands.page.locator("h1").count() == 1
    hands.open(f"{lang}/me")
    assert "sign-in" in hands.page.url
