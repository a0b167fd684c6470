"""The privacy centre: what was done, what was said, what could be done on a day; for the person themselves alone."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Browser

from pacte import verifier
from pacte.app import letters, looks, staff
from pacte.app.choose import choose
from pacte.app.identity import email_of
from pacte.app.staff import Member
from pacte.app.uses import declare
from pacte.gate import use as using
from pacte.kernel import db
from pacte.kernel.instant import DAY, Instant
from pacte.ledger import log
from pacte.web import session
from pacte.web.auth.passwords import hashed
from pacte.web.centre.words import known
from pacte.web.server import serving
from tests.web.conftest import Site
from tests.web.policies import richer, tell
from tests.web.test_web_look import violations

FRESH = ("me/uses", "me/on-this-day", "me/data", "me/data/export", "me/data/erase")
LINK = ("me", "me/choices", "me/timeline", "me/preferences")


def _member(site: Site, role: str = "agent") -> Member:
    """A member of the staff, with a role."""
    link = staff.first_owner(site.house)
    assert link is not None
    owner = staff.join(site.house, link, "owner", "The Owner", hashed("a long and winding password"))
    invited = staff.invite(site.house, role, owner)
    return staff.join(site.house, invited, "agnes", "Agnès Nom-de-Famille", hashed("another long password"))


def _ask(site: Site, day: str, purpose: str, lang: str = "en") -> Any:
    return site.post(f"/{lang}/me/on-this-day", {"day": day, "purpose": purpose})


def test_who_came_by_a_link_sees_choices_and_no_data(site: Site) -> None:
    """A forwarded mail shows and changes choices; what was done, what is held and its end ask who it is first."""
    email = site.shop.permitted[0]
    for path in (*FRESH, *LINK):
        assert site.get(f"/en/{path}").headers["location"].startswith("/en/sign-in?next=me")
    site.as_person(email, "link")
    for path in LINK:
        assert site.get(f"/en/{path}").status_code == 200
    for path in FRESH:
        answer = site.get(f"/en/{path}")
        assert (answer.status_code, answer.headers["location"]) == (303, f"/en/sign-in?next={path}&again=1")
    for path in ("me/use/1/proof", "me/use/1/exhibit"):
        assert site.get(f"/en/{path}").status_code == 303
    assert site.post("/en/me/on-this-day", {"day": "2026-10-19"}, shown="/en/me").status_code == 303
    erased = site.post("/en/me/data/erase", {"sure": "yes"}, shown="/en/me")
    assert (erased.status_code, erased.headers["location"][:11]) == (303, "/en/sign-in")
    assert site.house.may(f"email:{email}", "newsletter", channel="email").permitted
    site.clock.forward(901 / 86_400)
    site.as_person(email)
    site.clock.forward(901 / 86_400)
    assert site.get("/en/me/data").status_code == 303


def test_one_page_says_what_is_held_for_what_and_until_when(site: Site) -> None:
    """Every purpose with data, basis, return, recipients, end and state; a button only where somebody is asked."""
    site.as_person(site.shop.permitted[0], "link")
    for lang, words in (
        (
            "en",
            ("town", "Your yes, and nothing else", "The recipes of the month", "Courrier Clair SAS", "3 years after"),
        ),
        ("fr", ("ville", "Votre oui, et rien d’autre", "Les recettes du mois", "Courrier Clair SAS", "3 ans après")),
    ):
        page = site.get(f"/{lang}/me").text
        assert [one for one in words if one not in page] == []
        purposes = {
            part[0]: part[1] for part in re.findall(r'<h3 id="about-(\w+)">.*?</h3>(.*?)</section>', page, re.S)
        }
        assert purposes.keys() == site.house.policy().document.purposes.keys()
        turned = {name for name, part in purposes.items() if "<form" in part}
        levels = {"this_purchase", "my_history", "my_tastes"}
        assert turned == levels | {"newsletter", "similar_offers", "statistics", "partner_offers"}
    assert site.shop.permitted[0] not in page


def test_nobody_said_yes_to_an_interest(site: Site) -> None:
    """An interest is objected to or not; its words never speak of a yes."""
    site.as_person(site.shop.permitted[0], "link")
    for lang, yes, none in (
        ("en", "You said yes", "You have not objected"),
        ("fr", "Vous avez dit oui", "Pas d’opposition de votre part"),
    ):
        page = site.get(f"/{lang}/me/choices").text
        for name in ("similar_offers", "statistics"):
            part = page.split(f'<h2 id="about-{name}">')[1].split("<details>")[0]
            assert none in part
            assert yes not in part


def test_what_is_turned_on_the_first_page_comes_back_there(site: Site) -> None:
    """With what takes it back, and the receipt."""
    site.as_person(site.shop.permitted[0], "link")
    fields = {"purpose": "statistics", "channel": "", "recipient": "", "act": "off", "on": "home"}
    answer = site.post("/en/me/choices", fields, shown="/en/me")
    assert re.fullmatch(r"/en/me\?done=\d+#statistics", answer.headers["location"])
    page = site.get(answer.headers["location"].split("#")[0]).text
    assert "You object: Sales statistics" in page
    assert f'href="/en/me/receipt/{answer.headers["location"].split("=")[1].split("#")[0]}"' in page


def test_every_use_is_told_to_those_it_had_and_to_nobody_else(site: Site) -> None:
    """A use of many people is found by membership, a use of one by its name; each month by itself, with its proof."""
    email, stranger = site.shop.permitted[:2]
    with site.house.reading() as conn:
        index, entry = log.of_kind(conn, "use")[0]
        assert using.was_in(conn, entry, site.subject(email))
    site.house.permit(f"email:{email}", "newsletter", channel="email", by="marketing")
    site.as_person(email)
    page = site.get("/en/me/uses").text
    assert "In November 2026" in page
    assert "your data alone" in page
    page = site.get("/en/me/uses?month=2026-10").text
    others = entry["set"]["size"] - 1  # type: ignore[index,call-overload] # a set has a size
    assert f"you and {others} other people" in page
    assert "Our newsletter" in page
    proof = site.get(f"/en/me/use/{index}/proof")
    assert "attachment" in proof.headers["content-disposition"]
    assert verifier.verify_bytes(proof.content, key=site.house.vkey).ok
    exhibit = site.get(f"/fr/me/use/{index}/exhibit")
    assert "De quel droit" in exhibit.text
    for other in (stranger, next(one for one in site.shop.emails if one not in site.shop.permitted)):
        site.as_person(other)
        page = site.get("/en/me/uses").text
        if other != stranger:
            assert "Our newsletter" not in page
            assert site.get(f"/en/me/use/{index}/proof").status_code == 404
    for asked in ("?month=2031-01", "?month=1999-13", "?month=x", "?purpose=nothing"):
        assert site.get(f"/en/me/uses{asked}").status_code == 200
    assert site.house.check() == []


def test_every_reason_and_role_has_words() -> None:
    """Whatever reason a member of staff may give, in whatever role, the person reads it in words."""
    assert set(looks.REASONS) <= known("why")
    assert staff.ROLES.keys() == known("role")


def test_looks_are_told_by_date_purpose_and_role_and_never_by_name(site: Site) -> None:
    """What the staff did with a file, in which role; the person's own looks and the house's letters are said apart."""
    email = site.shop.permitted[0]
    member = _member(site)
    looks.look(site.house, f"email:{email}", "complaint", member.actor)
    site.house.permit(f"email:{email}", "house:rights", by=member.actor)
    site.house.permit(f"email:{email}", "house:rights", by="worker")
    subject = site.as_person(email)
    site.get("/en/me/data")
    page = site.get("/en/me/uses").text
    told = page.split('id="looks"')[1]
    assert told.count("<tr>") == 5
    assert told.count("Our staff (customer service)") == 2
    assert "(a complaint)" in told
    assert "One of our systems" in told
    assert 'data-label="Who">You</td>' in told
    for secret in (member.id, "Nom-de-Famille", "agnes", subject):
        assert secret not in page


def test_a_letter_that_was_asked_for_is_told_as_one(site: Site) -> None:
    """To sign in the house opens the address: who looked says that it was a letter to oneself, and not a stranger."""
    email = site.shop.permitted[0]
    subject, since = site.subject(email), site.clock()
    letter = letters.sign_in(site.house, subject, "en", "0" * 32)
    assert email_of(site.house, subject, letter.purpose, by="worker") is not None
    site.as_person(email)
    told = site.get("/en/me/uses").text.split('id="looks"')[1]
    assert "(a letter to your own address: the link that you asked for, or word of a change)" in told
    assert "address: the link" not in site.get("/en/me/uses").text.split('id="looks"')[0]
    found = looks.looks(site.house, since, Instant(site.clock() + 1), by="worker", most=10)
    assert [one.reason for one in found] == [looks.LETTER]


def test_a_purpose_may_show_less_and_then_says_so_and_why(site: Site) -> None:
    """A summary counts by month, a delay hides the young ones; both are said, with reason and source."""
    richer(site.house)
    email = site.shop.permitted[0]
    subject = site.subject(email)
    tell(site.house, subject)
    used = {name: declare(site.house, name, by="security") for name in ("fraud_control", "returns_control")}
    assert {use.funnel.permitted for use in used.values()} == {1}
    site.as_person(email)
    page = site.get("/en/me/uses").text
    fraud, returns = (page.split(f'-{name}">')[-1].split("</section>")[0] for name in used)
    assert "1 use" in fraud
    assert "<details" not in fraud
    assert "To show each check would teach how to get round it." in fraud
    assert "RGPD art. 15(4), 23(1)(d)" in fraud
    assert "once it is 90 days old" in returns
    assert "1 use" not in returns
    badges = [[fact[0] for fact in site.get(f"/badge/{name}?lang=en").json()["own"]["facts"]] for name in used]
    assert badges == [[], []]
    for use in used.values():
        assert site.get(f"/en/me/use/{use.index}/proof").status_code == 404
        answer = _ask(site, "2026-11-18", use.permits.purpose)
        assert f"/me/use/{use.index}" not in answer.text
        assert "RGPD art. 15(4)" in answer.text
    site.clock.forward(91)
    site.as_person(email)
    page = site.get("/en/me/uses?month=2026-11").text
    assert f"/en/me/use/{used['returns_control'].index}/proof" in page
    assert f"/en/me/use/{used['fraud_control'].index}" not in page
    assert site.get(f"/en/me/use/{used['returns_control'].index}/proof").status_code == 200
    assert site.get(f"/en/me/use/{used['fraud_control'].index}/proof").status_code == 404


def test_the_time_line_tells_every_choice_with_its_receipt(site: Site) -> None:
    """The latest first, in words, with what it led to; in pages; of this person alone."""
    email, other = site.shop.permitted[:2]
    made = []
    for _ in range(13):
        for act in ("withdrawn", "given"):
            site.clock.forward(1e-3)
            details = {"channel": "email", "by": "person", "method": "web_form", "grade": "form", "authenticated": True}
            details |= {"notice": "web-2024"} if act == "given" else {}
            made.append(choose(site.house, f"email:{email}", "newsletter", act, **details).index)
    choose(site.house, f"email:{other}", "statistics", "objected", by="person", authenticated=True)
    site.as_person(email, "link")
    page = site.get("/en/me/timeline").text
    shown = [int(one) for one in re.findall(r'id="entry-(\d+)"', page)]
    assert shown == sorted(made, reverse=True)[:20]
    first, second = (part.split("</li>")[0] for part in page.split("<li class")[1:3])
    assert "You said yes to “Our newsletter by e-mail”" in first
    assert "We then had the right to</span>" in first
    assert "You withdrew your yes" in second
    assert "We then did not have the right to" in second
    assert site.get(f"/en/me/receipt/{made[-1]}").status_code == 200
    more = re.search(r'href="(/en/me/timeline\?before=\d+)"', page)
    assert more is not None
    rest = [int(one) for one in re.findall(r'id="entry-(\d+)"', site.get(more[1]).text)]
    assert rest[:6] == sorted(made, reverse=True)[20:]
    assert set(rest) & set(shown) == set()
    assert site.get("/en/me/timeline?before=x").status_code == 200
    assert "«\u202fLettre du Comptoir par courriel\u202f»" in site.get("/fr/me/timeline").text


def test_a_title_is_escaped_once(site: Site) -> None:
    """Apostrophes and signs of a policy's titles stand on the page as they were written."""
    richer(site.house)
    subject = site.as_person(site.shop.permitted[0], "link")
    choose(site.house, subject, "my_history", "refused", by="person", method="phone")
    page = site.get("/fr/me/timeline").text
    assert "Des idées d’après vos achats" in page
    assert "&amp;#39;" not in page


def test_a_day_before_everything_is_answered_as_such(site: Site) -> None:
    """Before the first policy nothing had been announced or decided: that is said, and no reason of a later day."""
    site.as_person(site.shop.permitted[0])
    answer = _ask(site, "2020-05-03", "newsletter")
    assert "No, we could not" in answer.text
    assert "nothing had been announced or decided here yet" in answer.text
    assert "announced this use" not in answer.text


def test_on_this_day_is_answered_by_what_was_known_and_by_what_was_true(site: Site) -> None:
    """Before a withdrawal yes, after it no; what was learnt later gives two answers; nothing stands in an address."""
    email = site.shop.permitted[0]
    choose(site.house, f"email:{email}", "newsletter", "withdrawn", channel="email", by="person", authenticated=True)
    site.clock.forward(2)
    subject = site.as_person(email)
    before, after = _ask(site, "2026-10-20", "newsletter"), _ask(site, "2026-11-19", "newsletter")
    assert "Yes, we could" in before.text.split("<h4>E-mail</h4>")[1].split("</div>")[0]
    assert "No, we could not" in after.text.split("<h4>E-mail</h4>")[1].split("</div>")[0]
    assert "Yes, we could" in _ask(site, "2026-10-19", "newsletter").text
    assert "/proof" in _ask(site, "2026-10-19", "newsletter").text
    on = _ask(site, "2026-11-18", "newsletter").text
    assert "At the beginning of that day we still could" in on
    choose(  # a letter of 10 November is opened today: by what was true, the 12th was too late
        site.house, f"email:{email}", "newsletter", "withdrawn", channel="email", by="staff", method="letter",
        effective=site.clock() - 10 * DAY,
    )  # fmt: skip
    differing = _ask(site, "2026-11-12", "newsletter").text
    assert "By what was known then:" in differing
    assert "By what has been learnt since:" in differing
    with site.house.reading() as conn:
        looks = [one for _, one in log.of_subject(conn, subject) if one["kind"] == "look"]
    assert {(one["reason"], one["by"]) for one in looks} == {("on_day", "person")}
    for day, purpose in (("2031-01-01", "newsletter"), ("x", "newsletter"), ("2026-10-20", "nothing"), ("", "")):
        wrong = _ask(site, day, purpose, "fr")
        assert (wrong.status_code, 'role="alert"' in wrong.text) == (422, True)


def test_a_use_is_answered_as_of_its_own_moment(site: Site) -> None:
    """A use in the morning and a withdrawal in the evening: yes then, no longer later; the end has its name."""
    email = site.shop.permitted[0]
    use = declare(site.house, "newsletter", channel="email", by="marketing")
    site.clock.forward(1e-5)
    details = {"channel": "email", "by": "person", "authenticated": True}
    gone = choose(site.house, f"email:{email}", "newsletter", "withdrawn", **details)
    site.clock.forward(1e-5)
    site.as_person(email)
    page = _ask(site, "2026-11-18", "newsletter").text
    done, end = page.split("What was done on that day</h3>")[1].split("Now, as the day is not over</h3>")
    assert f"/me/use/{use.index}/proof" in done
    assert "Yes, we could</span> At that moment," in done
    assert "No, we could not" not in done
    later = done.split("Later that day we no longer could:")[1].split("</p>")[0]
    assert "Art. 7(3)" in later
    assert f'href="#entry-{gone.index}"' in later
    assert "No, we could not" in end.split("<h4>E-mail</h4>")[1].split("</div>")[0]
    assert "no longer could" not in end
    for cited in set(re.findall(r'href="#(entry-\d+)"', page)):
        assert f'id="{cited}"' in page
    site.clock.forward(1)
    site.as_person(email)
    page = _ask(site, "2026-11-18", "newsletter", "fr").text
    assert page.index("Plus tard ce jour-là") < page.index("À la fin de ce jour-là</h3>")
    choose(  # a letter of the day before is opened today: what was done then was too late, by what is known now
        site.house, f"email:{email}", "newsletter", "withdrawn", channel="email", by="staff", method="letter",
        effective=site.clock() - 2 * DAY,
    )  # fmt: skip
    done = _ask(site, "2026-11-18", "newsletter").text.split('id="answer"')[1].split("At the end of that day</h3>")[0]
    assert re.search(r"Yes, we could</span> <strong>By what was known then:", done)
    assert re.search(r"No, we could not</span> <strong>By what has been learnt since:", done)


def test_a_purpose_that_left_the_policy(site: Site) -> None:
    """A switch of before is refused, nothing of it is recorded; its past is still told, and answered for."""
    email = site.shop.permitted[0]
    for act in ("objected", "objection_lifted"):
        choose(site.house, f"email:{email}", "statistics", act, by="person", authenticated=True)
        site.clock.forward(1e-4)
    site.as_person(email)
    declare(site.house, "statistics", by="analysis")
    fields = {"purpose": "statistics", "channel": "", "recipient": "", "act": "off"}
    site.clock.forward(1)
    richer(site.house, without="statistics")
    site.as_person(email, "link")
    assert site.post("/en/me/choices", fields, shown="/en/me").status_code == 409
    assert "Sales statistics" not in site.get("/en/me").text
    site.as_person(email)
    assert "Sales statistics" in site.get("/en/me/uses?month=2026-11").text
    assert "Sales statistics" in site.get("/en/me/timeline").text
    assert "Yes, we could" in _ask(site, "2026-11-17", "statistics").text
    assert "No, we could not" in _ask(site, "2026-11-19", "statistics").text
    assert site.house.check() == []


def test_what_is_held_is_shown_whole_and_can_be_taken_away(site: Site) -> None:
    """Every value with its source, recorded before it is shown; the file holds the same, and nobody else's."""
    email = next(one for one in site.shop.permitted if _bought(site, one))
    subject = site.as_person(email)
    with site.house.reading() as conn:
        size = log.head(conn).size
    page = site.get("/en/me/data").text
    with site.house.reading() as conn:
        entry = log.entry(conn, size)
    assert entry is not None
    assert (entry["kind"], entry["purpose"], entry["by"]) == ("use", "house:rights", "person")
    assert email in page
    assert "crm" in page
    found = site.get("/en/me/data/export")
    assert "attachment" in found.headers["content-disposition"]
    held = json.loads(found.content)
    values = {one["field"]: one for one in held["data"]}
    assert values["customers.email"]["value"] == email
    assert values["customers.email"].keys() == {"field", "category", "value", "source", "collected"}
    assert {"customers.first_name", "customers.city"} <= values.keys()
    rows = held["records"]["orders"]
    assert {"order_id", "product", "amount", "ordered_at"} <= rows[0]["values"].keys()
    assert all(str(row["values"]["product"]) in page for row in rows[:5])
    assert {one["fact"] for one in held["facts"]} >= {"place", "age"}
    assert any(one["kind"] == "choice" for one in held["choices"])
    assert (held["format"], held["person"]) == ("pacte-data/1", subject)
    others = [one for one in site.shop.emails if one != email]
    assert not any(one in page or one in found.text for one in others)
    assert site.house.check() == []


def _bought(site: Site, email: str) -> bool:
    from pacte.app.erase import plan

    return "lake:orders" in plan(site.house, f"email:{email}").counts


def test_erasing_is_confirmed_and_ends_every_session(site: Site) -> None:
    """The page says what would go; without the box nothing happens; afterwards nothing is left, nobody signed in."""
    email = site.shop.permitted[0]
    subject = site.as_person(email)
    with db.write(site.house.engine) as conn:
        session.drawn(conn, "person", subject, "link", site.clock())
    page = site.get("/en/me/data/erase").text
    assert "E-mail address" in page or "e-mail address" in page
    assert "Until 18 November 2031" in page
    assert site.post("/en/me/data/erase").status_code == 422
    assert site.house.may(subject, "newsletter", channel="email").permitted
    done = site.post("/en/me/data/erase", {"sure": "yes"})
    assert done.status_code == 303
    certificate = site.get(done.headers["location"]).text
    assert ("Your data are erased" in certificate, email in certificate) == (True, False)
    file = site.get(done.headers["location"] + "/file")
    assert "attachment" in file.headers["content-disposition"]
    report = verifier.verify_bytes(file.content, key=site.house.vkey)
    assert (report.ok, "their key destroyed" in report.summary.entries[-1]) == (True, True)
    assert email not in file.text
    assert not site.house.may(subject, "newsletter", channel="email").permitted
    with site.house.reading() as conn:
        assert session.listed(conn, subject) == []
    assert site.get("/en/me").headers["location"].startswith("/en/sign-in")
    with db.write(site.house.engine) as conn:
        secret, _ = session.drawn(conn, "person", subject, "fresh", site.clock())
    site.client.cookies.set("pacte-person", secret)
    assert site.get("/en/me/data").status_code == 403
    assert site.house.check() == []


@pytest.mark.slow
def test_without_a_script_and_by_the_keyboard_alone(site: Site, browser: Browser) -> None:
    """Saying no and taking it back, a wish, a question about a day: in Chromium, no script, no mouse."""
    email = site.shop.permitted[0]
    with db.write(site.house.engine) as conn:
        secret, _ = session.drawn(conn, "person", site.subject(email), "fresh", site.clock())
    with serving(site.house, worker=False) as url:
        context = browser.new_context(java_script_enabled=False)
        context.add_cookies([{"name": "pacte-person", "value": secret, "url": url}])
        page = context.new_page()
        page.goto(f"{url}/en/me")
        page.locator("#turn-newsletter-email").focus()
        site.clock.forward(1e-5)
        page.keyboard.press("Enter")
        page.wait_for_url("**/en/me?done=*")
        assert page.get_by_role("status").inner_text().startswith("You said no: Our newsletter, E-mail")
        assert not site.house.may(f"email:{email}", "newsletter", channel="email").permitted
        site.clock.forward(1e-5)
        page.locator("#turn-back").focus()
        with page.expect_navigation():
            page.keyboard.press("Space")
        assert site.house.may(f"email:{email}", "newsletter", channel="email").permitted
        page.goto(f"{url}/en/me/preferences")
        page.locator("#email-frequency").focus()
        page.keyboard.press("ArrowDown")
        for _ in range(3):
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_url("**/me/preferences?done=*")
        assert page.locator("#email-frequency").input_value() == "weekly"
        page.goto(f"{url}/en/me/on-this-day")
        page.locator("#purpose").select_option("newsletter")
        page.locator("#day").fill("2026-10-19")
        page.keyboard.press("Enter")
        assert page.locator("#answer").inner_text() == "19 October 2026: Our newsletter"
        context.close()


@pytest.mark.slow
def test_the_menu_is_folded_on_a_narrow_screen_and_whole_on_a_wide_one(site: Site, browser: Browser) -> None:
    """Without a script, by the keyboard: one line that unfolds and leads on; a wide screen shows every page."""
    with db.write(site.house.engine) as conn:
        secret, _ = session.drawn(conn, "person", site.subject(site.shop.permitted[0]), "link", site.clock())
    with serving(site.house, worker=False) as url:
        context = browser.new_context(java_script_enabled=False, viewport={"width": 320, "height": 568})
        context.add_cookies([{"name": "pacte-person", "value": secret, "url": url}])
        page = context.new_page()
        page.goto(f"{url}/en/me/choices")
        menu, link = page.locator("nav.tabs"), page.locator('nav.tabs a[href="/en/me/timeline"]')
        folded = menu.bounding_box()
        assert folded is not None
        assert folded["height"] < 60
        assert not link.is_visible()
        menu.locator("summary").focus()
        page.keyboard.press("Enter")
        link.wait_for()
        link.focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**/en/me/timeline")
        page.set_viewport_size({"width": 1280, "height": 800})
        assert menu.locator("a:visible").count() == 7
        assert not menu.locator("summary").is_visible()
        menu.locator('a[href="/en/me/preferences"]').click()
        page.wait_for_url("**/en/me/preferences")
        context.close()


@pytest.mark.slow
@pytest.mark.parametrize(("lang", "width", "scheme"), [("fr", 320, "dark"), ("en", 1280, "light")])
def test_pages_that_answer_a_form_are_as_sound_as_others(
    site: Site, browser: Browser, lang: str, width: int, scheme: Any
) -> None:
    """What no address alone leads to: answers, mistakes, what changed elsewhere, a certificate; all rules of axe."""
    richer(site.house)
    subject = site.subject(site.shop.permitted[0])
    tell(site.house, subject)
    with db.write(site.house.engine) as conn:
        secret, _ = session.drawn(conn, "person", subject, "fresh", site.clock())
    with serving(site.house, worker=False) as url:
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
        context.add_cookies([{"name": "pacte-person", "value": secret, "url": url}])
        page = context.new_page()

        def sound(*presses: str, at: str = "") -> None:
            if at:
                page.goto(f"{url}/{lang}/me/{at}")
            for press in presses:
                site.clock.forward(1e-6)
                with page.expect_navigation():
                    page.click(press)
            assert violations(page) == []
            assert page.evaluate("document.scrollingElement.scrollWidth <= window.innerWidth")
            assert "{" not in page.inner_text("body")

        sound("main form button", at="on-this-day")
        assert page.locator('[role="alert"]').count() == 1
        page.fill("#day", "2026-10-19")
        page.select_option("#purpose", "newsletter")
        sound("main form button")
        assert page.locator("#answer").count() == 1
        sound("#personalisation button", at="preferences")
        page.check("#level-2")
        sound("#personalisation button")
        assert page.locator('[role="status"]').count() == 1
        page.goto(f"{url}/{lang}/me/preferences")
        choose(site.house, subject, "this_purchase", "withdrawn", by="person", method="phone")
        page.check("#level-2")
        sound("#personalisation button")
        assert page.locator('[role="alert"]').count() == 1
        sound("button.danger", at="data/erase")
        page.check("#sure-yes")
        sound("button.danger")
        assert str(subject) in page.inner_text("main")
        context.close()
    assert site.house.check() == []
