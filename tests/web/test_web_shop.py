"""The sample shop: the same for everybody, and for whoever asked for more as much more as they asked for."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pacte.app import levels
from pacte.app.publish import publish
from pacte.app.stop import stop
from pacte.kernel.ids import SubjectId
from pacte.ledger import log, queries
from pacte.testing.words import PRODUCTS
from pacte.web.session import FRESH
from pacte.web.shop.goods import BASKET, BESTSELLERS, GOES_WITH, GOODS, TASTES, liked, partner
from tests.web.conftest import Site

LEVELS = ("this_purchase", "my_history", "my_tastes")


def _buyer(site: Site) -> str:
    """An adult who bought something: whose highest level suggests something from what they bought."""
    for email in site.shop.permitted:
        subject = site.subject(email)
        _choose(site, subject, 3)
        if site.house.may(subject, "my_tastes").permitted and len(_ideas(_shop(site, email))) == 3:
            return email
        _choose(site, subject, 0)
    raise AssertionError("nobody here bought anything")


def _choose(site: Site, subject: SubjectId, level: int) -> None:
    site.clock.forward(1e-2)
    now = levels.steps(site.house, subject, "en")
    levels.choose_level(site.house, subject, level, now, seen=now.seen)


def _shop(site: Site, email: str, strength: str = "fresh", lang: str = "en") -> str:
    site.as_person(email, strength)
    return str(site.get(f"/{lang}/shop").text)


def _ideas(page: str) -> list[str]:
    return re.findall(r'id="idea-(\w+)"', page)


def _uses(site: Site, subject: SubjectId) -> list[tuple[int, dict[str, Any]]]:
    with site.house.reading() as conn:
        found = queries.about_of_kind(conn, subject, "use")
    return [one for one in found if one[1]["purpose"] in LEVELS]


def test_everybody_sees_the_same_shop_and_nothing_is_recorded(site: Site) -> None:
    """Without a session, with one that never asked, with a level of none: what sells most, and no use of anybody."""
    with site.house.reading() as conn:
        before = log.head(conn).size
    pages = [site.get("/en/shop").text]
    email = site.shop.permitted[0]
    pages += [_shop(site, email)]
    _choose(site, site.subject(email), 0)
    pages += [_shop(site, email)]
    for page in pages:
        assert [one for one in BESTSELLERS if f"€{one.cents / 100:.2f}" not in page] == []
        assert _ideas(page) == []
    assert "Nothing here is chosen for you" in pages[0]
    assert 'href="/en/sign-in?next=shop"' in pages[0]
    assert "You were never asked" in pages[1]
    assert "as you wished" in pages[2]
    with site.house.reading() as conn:
        assert log.head(conn).size == before + len(LEVELS)  # the three answers, and nothing more
    assert _uses(site, site.subject(email)) == []


def test_each_level_adds_an_idea_that_says_where_it_comes_from_and_is_recorded(site: Site) -> None:
    """The basket, then what was bought, then what that suggests: a use each, in words in the person's list."""
    email = _buyer(site)
    subject = site.subject(email)
    for level in (1, 2, 3):
        _choose(site, subject, level)
        page = _shop(site, email)
        assert _ideas(page) == list(LEVELS[:level])
        assert page.count("<pacte-badge") == level
    assert "Because of what is in your basket: buckwheat flour." in page
    bought = re.search(r"Because you bought: ([\w ]+)\.", page)
    assert bought is not None
    held = site.get("/en/me/data").text
    assert bought[1] in held
    uses = _uses(site, subject)
    newest = {entry["purpose"]: index for index, entry in uses}
    for purpose in LEVELS:
        assert f"recorded as entry {newest[purpose]}." in page
    assert {tuple(entry["categories"]) for _, entry in uses} == {("purchase",)}
    assert {entry["by"] for _, entry in uses} == {"shop"}
    told = site.get("/en/me/uses").text
    for title in ("Ideas around your basket", "Ideas from what you bought", "Ideas from your tastes"):
        assert title in told
    french = site.get("/fr/shop").text
    assert "Parce que vous avez acheté" in french
    assert site.house.check() == []


def test_the_same_page_again_is_the_same_use(site: Site) -> None:
    """A visit of some minutes is one use for each purpose, however often the page is loaded; the next visit another."""
    email = _buyer(site)
    subject = site.subject(email)
    page = _shop(site, email)
    first = len(_uses(site, subject))
    assert site.get("/en/shop").text.count("recorded as entry") == 3
    assert len(_uses(site, subject)) == first
    assert _ideas(site.get("/en/shop").text) == _ideas(page)
    site.clock.forward(5 / 1440)
    site.get("/en/shop")
    assert len(_uses(site, subject)) == first + 3


def test_what_was_bought_shows_only_just_after_a_sign_in(site: Site) -> None:
    """Who came by a link of a message, or signed in a while ago, sees the basket's idea and no purchase."""
    email = _buyer(site)
    page = _shop(site, email, "link")
    assert _ideas(page) == ["this_purchase"]
    assert "Because you bought" not in page
    assert 'href="/en/sign-in?next=shop&amp;again=1"' in page
    assert _ideas(_shop(site, email)) == list(LEVELS)
    site.clock.forward(FRESH / 86_400_000_000)
    assert _ideas(site.get("/en/shop").text) == ["this_purchase"]


def test_a_link_beside_an_idea_switches_it_off_and_never_on(site: Site) -> None:
    """Off goes the level of the idea and all above it, at once; a larger number changes nothing."""
    email = _buyer(site)
    subject = site.subject(email)
    page = _shop(site, email)
    assert page.index("Leave what I bought out of it") < page.index("Work out nothing from what I bought")
    for sent, held in (("1", 1), ("3", 1), ("0", 0), ("x", 0), ("-1", 0)):
        site.clock.forward(1e-2)
        answer = site.post("/en/shop/less", {"level": sent}, shown="/en/shop")
        assert (answer.status_code, answer.headers["location"]) == (303, "/en/shop?done=less#ideas")
        assert levels.steps(site.house, subject, "en").level == held
        shown = site.get("/en/shop?done=less").text
        assert "Switched off, as of now." in shown
        assert _ideas(shown) == list(LEVELS[:held])
    assert not site.house.may(subject, "this_purchase").permitted
    site.client.cookies.clear()
    assert site.post("/en/shop/less", {"level": "0"}, shown="/en/sign-in").headers["location"].startswith("/en/sign-in")


def test_a_stop_empties_the_block_and_leaves_the_shop(site: Site) -> None:
    """The gate is asked each time: what is stopped suggests nothing, and nothing is recorded of it."""
    email = _buyer(site)
    subject = site.subject(email)
    stop(site.house, "my_history", "committee", by="dpo")
    site.clock.forward(5 / 1440)
    before = len(_uses(site, subject))
    page = _shop(site, email)
    assert "my_history" not in _ideas(page)
    assert "What sells most" in page
    assert {entry["purpose"] for _, entry in _uses(site, subject)[before:]} == {"this_purchase", "my_tastes"}


def test_no_idea_is_something_that_is_in_the_basket_or_was_bought() -> None:
    """What goes with what leads to things that the shop sells, never to itself, and everything sold has a companion."""
    sold = {name.replace(" ", "_") for name, _ in PRODUCTS}
    assert sold <= set(GOES_WITH) <= set(GOODS)
    assert {one for many in (*GOES_WITH.values(), *TASTES.values()) for one in many} <= set(GOODS)
    assert [name for name, many in GOES_WITH.items() if name in many] == []
    found = partner([goods.name for goods, _ in BASKET], ["caramel"])
    assert found is not None
    assert (found[0].name, found[1]) == ("bread_tin", "flour")
    assert partner(["caramel"], ["flour"]) is None
    taste = liked(["seed_box", "candle", "garden_shears"], ["seed_box", "garden_shears", "candle"])
    assert taste is not None
    assert taste[1] == "home"  # of the garden nothing is left to suggest
    assert liked(["unknown"], []) is None


def test_a_real_company_has_no_sample_shop(site: Site) -> None:
    """Neither its pages nor a way to them, unless somebody asks for it when the doors are opened."""
    assert 'href="/en/shop"' in site.get("/en/").text
    file = site.house.path / "policy.yaml"
    text = file.read_text("utf-8")
    file.write_text(
        text.replace("contact: donnees@comptoir-sarrasin.example", "contact: donnees@comptoir.com", 1), "utf-8"
    )
    publish(site.house, "owner")
    assert 'href="/en/shop"' not in site.get("/en/").text
    assert [site.get(f"/en/shop{path}").status_code for path in ("", "/checkout")] == [404, 404]
    assert site.post("/en/shop/less", {"level": "0"}, shown="/en/sign-in").status_code == 404
    site.client.app.state.with_shop = True  # type: ignore[attr-defined] # an application
    assert site.get("/en/shop").status_code == 200


@pytest.mark.parametrize("lang", ["en", "fr"])
def test_the_basket_adds_up(site: Site, lang: str) -> None:
    """What is asked for each thing, the carriage and the total are the same for whoever looks."""
    page = site.get(f"/{lang}/shop/checkout").text
    amounts = [int(one.replace(".", "").replace(",", "")) for one in re.findall(r"<td>(?:€)?([\d.,]+)", page)]
    assert sum(amounts) == 980 + 890 + 450
    total = re.search(r"<strong>(?:€)?([\d.,]+)", page)
    assert total is not None
    assert int(total[1].replace(".", "").replace(",", "")) == sum(amounts)
