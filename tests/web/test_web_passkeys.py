"""Passkeys, in a real browser with an authenticator of its own: made, named, used, removed; and what is no answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from pacte.app import letters, passkeys
from pacte.app.house import House
from pacte.app.people import people_of
from pacte.kernel import db, jobs
from pacte.kernel.ids import SubjectId
from pacte.testing.shop import Shop
from pacte.web import session
from pacte.web.auth import ceremony
from pacte.web.session import FRESH, Kind
from tests.web.conftest import Site, csrf
from tests.web.staff import owner, signed_in
from tests.web.test_web_look import violations


@pytest.fixture
def address(served: str) -> str:
    """The doors by a name: keys belong to names."""
    return served.replace("127.0.0.1", "localhost")


@contextmanager
def device(browser: Browser, *, verifies: bool = True) -> Iterator[tuple[BrowserContext, Page, Any]]:
    """A browser with an authenticator; `verifies` is whether its owner shows that it is them."""
    context = browser.new_context()
    page = context.new_page()
    devtools = context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
    options |= {"isUserVerified": verifies, "automaticPresenceSimulation": True}
    added = devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    try:
        yield context, page, (devtools, added["authenticatorId"])
    finally:
        context.close()


def enter(context: BrowserContext, house: House, kind: Kind, who: str, address: str) -> None:
    """Sign this browser in."""
    with db.write(house.engine) as conn:
        strength = "fresh" if kind == "person" else "full"
        secret, _ = session.drawn(conn, kind, who, strength, house.clock(), "Chrome Linux")
    context.add_cookies([{"name": f"pacte-{kind}", "value": secret, "url": address}])


def somebody(shop: Shop) -> str:
    """A customer."""
    with shop.house.reading() as conn:
        return people_of(shop.house, conn, f"email:{shop.permitted[0]}")[0]


def add(page: Page, address: str, path: str, name: str) -> None:
    """Add a passkey as one does."""
    page.goto(f"{address}{path}")
    page.fill("#name", name)
    page.click("form[data-passkey=make] button")


def test_a_customer_adds_a_passkey_and_comes_back_with_it(a_shop: Shop, address: str, browser: Browser) -> None:
    """From one's own page, once signed in; afterwards it signs in alone, as fresh as a link; then it is removed."""
    who = somebody(a_shop)
    with device(browser) as (context, page, _):
        enter(context, a_shop.house, "person", who, address)
        add(page, address, "/fr/me/sign-in", "Téléphone bleu")
        page.wait_for_url("**/me/sign-in?done=added")
        assert page.locator("h3", has_text="Téléphone bleu").count() == 1
        with a_shop.house.reading() as conn:
            assert [job.about for job in jobs.listed(conn) if job.kind == "send_mail"] == [who]  # a letter says so
        letter = letters.compose(a_shop.house, letters.PASSKEY_ADDED, SubjectId(who), "fr", "")
        assert letter is not None
        assert "clé d’accès" in letter.plain("fr")
        context.clear_cookies()
        page.goto(f"{address}/fr/sign-in?next=me/sign-in")
        page.click("form[data-passkey=prove] button")
        page.wait_for_url("**/me/sign-in")
        with a_shop.house.reading() as conn:
            assert [one.strength for one in session.listed(conn, who)] == ["fresh", "fresh"]
        page.click("summary:has-text('Renommer')")
        page.fill("#name-1", "Téléphone rouge")
        page.click("form[action$='/me/sign-in/name'] button")
        page.click("summary:has-text('Téléphone rouge')")
        page.click("form[action$='/me/sign-in/remove'] button")
        page.wait_for_url("**?done=removed")
        context.clear_cookies()
        page.goto(f"{address}/fr/sign-in")
        page.click("form[data-passkey=prove] button")
        page.wait_for_selector(".problems")
        assert "inconnue ici" in page.inner_text(".problems")
    assert passkeys.of(a_shop.house, "person", who) == []
    assert a_shop.house.check() == []


def test_a_member_of_staff_needs_nothing_beside_a_passkey(a_shop: Shop, address: str, browser: Browser) -> None:
    """Both factors in one: it opens the console, also while wrong passwords of others lock the login."""
    house, found = a_shop.house, owner(a_shop.house)
    with device(browser) as (context, page, _):
        enter(context, house, "staff", found.id, address)
        add(page, address, "/en/staff/account", "Key on my ring")
        page.wait_for_url("**/staff/account?done=added")
        context.clear_cookies()
        with db.write(house.engine) as conn:
            db.run(conn, "UPDATE staff_member SET locked_until = ?", (house.clock() + FRESH,))
        page.goto(f"{address}/en/staff/sign-in?next=staff/members")
        page.click("form[data-passkey=prove] button")
        page.wait_for_url("**/staff/members")
        assert "Olga Owner" in page.inner_text("main")
    with house.reading() as conn:
        stored = str(db.fetch(conn, "SELECT * FROM passkey"))
    assert "ring" not in stored


def test_a_device_that_does_not_know_its_owner_opens_nothing(a_shop: Shop, address: str, browser: Browser) -> None:
    """Without a finger, a face or a code there is no key and no sign-in; the page says so and offers the other way."""
    with device(browser, verifies=False) as (context, page, _):
        enter(context, a_shop.house, "person", somebody(a_shop), address)
        add(page, address, "/en/me/sign-in", "Nobody's")
        page.wait_for_function("document.querySelector('[data-passkey] [role=status]').textContent !== ''")
        assert "gave no passkey" in page.inner_text("form[data-passkey=make]")
    assert passkeys.of(a_shop.house, "person", somebody(a_shop)) == []


def test_a_copied_passkey_betrays_itself(a_shop: Shop, address: str, browser: Browser) -> None:
    """A counter that does not grow is another device's: refused."""
    who = somebody(a_shop)
    with device(browser) as (context, page, (devtools, authenticator)):
        enter(context, a_shop.house, "person", who, address)
        add(page, address, "/en/me/sign-in", "Original")
        page.wait_for_url("**?done=added")
        (held,) = devtools.send("WebAuthn.getCredentials", {"authenticatorId": authenticator})["credentials"]
        with db.write(a_shop.house.engine) as conn:
            db.run(conn, "UPDATE passkey SET counter = ?", (held["signCount"] + 100,))
        context.clear_cookies()
        page.goto(f"{address}/en/sign-in")
        page.click("form[data-passkey=prove] button")
        page.wait_for_selector(".problems")


def test_an_answer_is_good_once_here_and_for_five_minutes(a_shop: Shop, address: str, browser: Browser) -> None:
    """The same answer again, in another browser, at the staff's door or too late: refused by a page, never a crash."""
    who = somebody(a_shop)
    with device(browser) as (context, page, _):
        enter(context, a_shop.house, "person", who, address)
        add(page, address, "/en/me/sign-in", "Mine")
        page.wait_for_url("**?done=added")
        context.clear_cookies()
        page.goto(f"{address}/en/sign-in")
        sent: list[dict[str, str]] = []
        page.route("**/en/passkey", lambda route: (sent.append(_fields(route.request.post_data)), route.abort()))
        page.click("form[data-passkey=prove] button")
        page.wait_for_timeout(500)
        (form,) = sent
        other = browser.new_context()
        assert _send(other, address, "passkey", form) == 422  # another browser, which also spends it
        other.close()
        assert _send(context, address, "passkey", form) == 422
        for path, late, status in (("passkey", 0.0, 303), ("staff/passkey", 0.0, 422), ("passkey", 1 / 240, 422)):
            page.goto(f"{address}/en/sign-in")
            sent.clear()
            page.click("form[data-passkey=prove] button")
            page.wait_for_timeout(500)
            a_shop.clock.forward(late)
            assert _send(context, address, path, sent[0]) == status


def _fields(body: str | None) -> dict[str, str]:
    from urllib.parse import parse_qsl

    return dict(parse_qsl(body or "", keep_blank_values=True))


def _send(context: BrowserContext, address: str, path: str, form: dict[str, str]) -> int:
    shown = context.request.get(f"{address}/en/sign-in").text()
    found = form | {"csrf": csrf(shown)}
    answer = context.request.post(f"{address}/en/{path}", form=found, headers={"origin": address}, max_redirects=0)
    return answer.status


@pytest.mark.parametrize(
    "answer",
    [
        "", "{}", "[]", "null", "1", '"x"', "{", "[" * 5_000, '{"id": 1}', '{"id": "AA", "response": 1}',
        json.dumps({"id": "AAAA", "rawId": "AAAA", "type": "public-key", "response": {}}),
        json.dumps({"id": "é", "rawId": None, "type": [], "response": {"clientDataJSON": "%%%"}}),
        "x" * 20_000,
    ],
)  # fmt: skip
def test_what_no_device_says_is_refused_in_words(site: Site, answer: str) -> None:
    """Nonsense in the place of an answer is answered by the page, with status 422."""
    site.client.base_url = "http://localhost:8080"
    for path, shown in (("/en/passkey", "/en/sign-in"), ("/en/staff/passkey", "/en/staff/sign-in")):
        page = site.get(shown).text
        form = {"csrf": csrf(page), "challenge": page.split('name="challenge" value="')[1].split('"')[0]}
        sent = site.client.post(path, data=form | {"answer": answer}, follow_redirects=False)
        assert (sent.status_code, "not accepted" in sent.text) == (422, True)


def test_a_name_is_needed_and_others_keys_stay(site: Site) -> None:
    """An empty or an endless name is refused; another person's passkey can be neither renamed nor removed."""
    one, two = site.subject(site.shop.permitted[0]), site.subject(site.shop.permitted[1])
    passkeys.add(site.house, "person", one, passkeys.New(b"credential", b"public key", 0), "Hers")
    (held,) = passkeys.of(site.house, "person", one)
    site.as_person(site.shop.permitted[1])
    for path, data in (("name", {"name": "His"}), ("remove", {})):
        site.post(f"/en/me/sign-in/{path}", {"passkey": held.id, **data}, shown="/en/me/sign-in")
    assert [key.name for key in passkeys.of(site.house, "person", one)] == ["Hers"]
    assert passkeys.of(site.house, "person", two) == []
    site.as_person(site.shop.permitted[0])
    for name in ("", " ", "x" * 65, "\x07"):
        answer = site.post("/en/me/sign-in/name", {"passkey": held.id, "name": name}, shown="/en/me/sign-in")
        assert answer.status_code == 422
    with pytest.raises(passkeys.Conflict):
        passkeys.add(site.house, "person", two, passkeys.New(b"credential", b"public key", 0), "Stolen")


def test_whoever_is_erased_leaves_no_passkey(site: Site) -> None:
    """It goes with them: no row of theirs is left."""
    email = site.shop.permitted[0]
    who = site.subject(email)
    passkeys.add(site.house, "person", who, passkeys.New(b"credential", b"public key", 0), "Hers")
    site.house.erase(f"email:{email}")
    assert passkeys.of(site.house, "person", who) == []


def test_a_forwarded_link_neither_shows_nor_adds_a_way_in(site: Site) -> None:
    """Whoever came by a link of a message is asked to sign in before they see or add a passkey."""
    site.as_person(site.shop.permitted[0], "link")
    assert "again=1" in site.get("/en/me/sign-in").headers["location"]
    answer = site.post("/en/me/sign-in/add", {"name": "Mine"}, shown="/en/sign-in")
    assert (answer.status_code, "again=1" in answer.headers["location"]) == (303, True)


def test_without_a_name_of_its_own_a_house_offers_no_passkeys(site: Site) -> None:
    """A number is no site's name: the page says so, and the other ways work."""
    site.as_person(site.shop.permitted[0])
    assert "data-passkey" not in site.get("/en/sign-in").text
    assert "This is not so here yet" in site.get("/en/me/sign-in").text
    signed_in(site, "owner")
    assert "data-passkey" not in site.get("/en/staff/account").text


def test_without_a_script_the_other_ways_are_named(browser: Browser, address: str) -> None:
    """The form for passkeys is hidden, and a sentence says which way works."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/en/sign-in")
    assert not page.is_visible("form[data-passkey]")
    assert "link by e-mail works without it" in page.inner_text("main")
    page.goto(f"{address}/en/staff/sign-in")
    assert "Password and code work without it" in page.inner_text("main")
    context.close()


@pytest.mark.parametrize(("path", "who"), [("sign-in", ""), ("staff/sign-in", ""), ("me/sign-in", "person")])
def test_pages_with_passkeys_break_no_rule_of_accessibility(
    a_shop: Shop, address: str, browser: Browser, path: str, who: str
) -> None:
    """With the forms that the script shows, in both languages, on a small screen, light and dark."""
    for lang, mode in (("fr", "light"), ("en", "dark")):
        context = browser.new_context(viewport={"width": 320, "height": 800}, color_scheme=mode)
        if who:
            enter(context, a_shop.house, "person", somebody(a_shop), address)
        page = context.new_page()
        page.goto(f"{address}/{lang}/{path}", wait_until="networkidle")
        assert page.is_visible("form[data-passkey]")
        assert violations(page) == []
        context.close()


def test_handles_say_nothing(site: Site) -> None:
    """What a device knows an account by differs by kind and person, and holds no identifier."""
    who = site.subject(site.shop.permitted[0])
    one, other = ceremony.handle(site.house, "person", who), ceremony.handle(site.house, "staff", who)
    assert len(one) == 32
    assert one != other
    assert who.encode() not in one
