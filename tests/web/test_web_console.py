"""The console at work: what needs somebody, figures that show nobody, proofs with a reason, looks, jobs, the staff."""

from __future__ import annotations

import html
import json
import re
import threading
from itertools import pairwise

import pyotp
import pytest
from playwright.sync_api import Browser

from pacte.app import checks, looks
from pacte.app import staff as people
from pacte.app.figures import SMALLEST, WEEK, agreed, shown, spread
from pacte.app.letters import COMPOSERS, SEND, SIGN_IN, letter_job
from pacte.app.looks import REASONS
from pacte.app.receipts import choices_of
from pacte.app.staff import ROLES, Member
from pacte.app.stop import stop
from pacte.app.worker import HANDLERS, work
from pacte.consent import figures
from pacte.kernel import db, jobs
from pacte.kernel.errors import Denied
from pacte.kernel.i18n import catalogue
from pacte.kernel.instant import DAY, SECOND, Instant
from pacte.ledger import log
from pacte.ledger.entries import kinds
from pacte.testing.shop import Shop
from pacte.web import session
from pacte.web.auth import passwords
from pacte.web.console import chart
from pacte.web.server import serving
from tests.web.conftest import Site, csrf, spoiled
from tests.web.staff import member, signed_in


@pytest.fixture
def owner(site: Site) -> Member:
    """An owner at the console."""
    return signed_in(site, "owner")


def _look(site: Site, reason: str = "request", person: str = "") -> str:
    """Look at somebody; the address of what it shows."""
    person = person or site.shop.permitted[0]
    answer = site.post("/en/staff/people", {"person": person, "reason": reason})
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def _looks(site: Site) -> list[dict[str, object]]:
    with site.house.reading() as conn:
        return [dict(entry) for _, entry in log.of_kind(conn, "look")]


def test_every_code_of_ours_has_words() -> None:
    """Kinds of entries and of jobs, letters, reasons and roles: what the console shows is said in both languages."""
    here, app = catalogue("web.console"), catalogue("app")
    assert {kind for kind in kinds() if f"kind.{kind}" not in here} == set()
    assert {kind for kind in HANDLERS if f"job.{kind}" not in here} == set()
    assert {kind for kind in COMPOSERS if f"letter.{kind}" not in here} == set()
    assert {one for one in REASONS if f"reason.{one}" not in here or f"look_reason.{one}" not in app} == set()
    assert {role for role in ROLES if f"may.{role}" not in here or f"staff_role.as_{role}" not in app} == set()


def test_the_first_page_says_what_needs_somebody(site: Site, owner: Member) -> None:
    """A stop, a letter that does not leave, an overdue job, no check for long; nothing when all is mended."""
    stop(site.house, "newsletter", reason="complaint", by=owner.actor)
    _failed_letter(site)
    said = site.get("/en/staff").text
    for words in ("A stop is in force for “newsletter”", "1 letter does not leave", "overdue", "never checked"):
        assert words in said, words
    assert "never checked" not in site.get("/en/staff/figures").text
    checks.look(site.house, site.clock())
    assert "never checked" not in site.get("/en/staff").text
    site.clock.forward(8)
    signed_in(site, "owner")
    assert "was last checked on" in site.get("/en/staff").text
    signed_in(site, "marketer")
    assert "What needs you" not in site.get("/en/staff").text


def _failed_letter(site: Site) -> None:
    now = site.clock()
    with db.write(site.house.engine) as conn:
        jobs.add(conn, [letter_job(SIGN_IN, site.subject(site.shop.permitted[0]), "en", "x", now)])
        (claim,) = jobs.claim(conn, jobs.new_worker(), now, ["send_mail"])
        jobs.fail(conn, claim, now, "unsafe")


def test_a_look_is_recorded_before_anything_shows(site: Site, owner: Member) -> None:
    """The reason and the member stand in the ledger, then the page says what was said; the address holds no value."""
    before = _looks(site)
    address = _look(site, "dispute")
    (made,) = _looks(site)[len(before) :]
    subject = site.subject(site.shop.permitted[0])
    assert (made["by"], made["reason"], made["purpose"]) == (owner.actor, "dispute", "house:accountability")
    assert made["subject"] == subject
    assert subject not in address
    page = site.get(address).text
    assert "Lettre du Comptoir" in site.get(address.replace("/en/", "/fr/")).text
    assert "A dispute about a choice or a use" in page
    assert not any(value in page for value in (subject, site.shop.permitted[0]))
    assert len(_looks(site)) == len(before) + 1  # looking at the same page again is the same look
    assert site.house.check() == []


def test_no_look_without_a_reason_a_name_and_the_gates_yes(site: Site, owner: Member) -> None:
    """Nothing is recorded or shown for a missing reason, a stranger, or an erased person without an account due."""
    before = len(_looks(site))
    known = site.shop.permitted[0]
    for person, reason, words in (
        ("", "request", "Say whom"),
        (known, "", "Choose why you look"),
        (known, "curiosity", "Choose why you look"),
        ("nobody@nowhere.example", "request", "Nobody is known here"),
        ("phone:12", "request", "Nobody is known here"),
    ):
        answer = site.post("/en/staff/people", {"person": person, "reason": reason})
        assert (answer.status_code, words in answer.text) == (422, True), (person, reason)
        assert not person or person not in answer.text
    assert len(_looks(site)) == before
    subject = site.subject(known)
    site.house.erase(known)
    with pytest.raises(Denied):
        looks.look(site.house, subject, "request", owner.actor)
    assert "do not permit this look" in site.post("/en/staff/people", {"person": subject, "reason": "request"}).text
    assert looks.look(site.house, subject, "dispute", owner.actor)[0] == subject  # to account for what was done


def test_a_look_is_ones_own_and_ends(site: Site, owner: Member) -> None:
    """Another member cannot take up its address, nor anybody a quarter of an hour later; a forged one is none."""
    assert owner.role == "owner"
    address = _look(site)
    signed_in(site, "dpo")
    assert site.get(address).status_code == 404
    signed_in(site, "owner")
    assert site.get(spoiled(address)).status_code == 404
    assert site.get(address).status_code == 200
    site.clock.forward(1 / 90)
    assert (site.get(address).status_code, "say again whom" in site.get(address).text) == (410, True)


def test_proofs_are_taken_away_by_those_who_may(site: Site, owner: Member) -> None:
    """Receipt, proof and page, each a look of its own; the proof verifies; whoever serves customers gets none."""
    assert owner.role == "owner"
    address, subject = _look(site), site.subject(site.shop.permitted[0])
    entry = choices_of(site.house, subject)[-1][0]
    made = site.post(f"{address}/receipt", {"entry": str(entry)}, shown=address)
    assert (made.status_code, "attachment" in made.headers["content-disposition"]) == (200, True)
    assert json.loads(made.content)["proof"]
    (use,) = set(re.findall(r'name="use" value="([0-9a-f]{32})"', site.get(address).text))
    proof = site.post(f"{address}/proof", {"use": use}, shown=address)
    assert json.loads(proof.content)["question"]["use"] == use
    page = site.post(f"{address}/exhibit", {"use": use}, shown=address)
    assert page.headers["content-disposition"].endswith('.en.html"')
    assert [look["reason"] for look in _looks(site)][-3:] == ["receipt", "prove", "prove"]
    for bad in ({"entry": "x"}, {"entry": "999999"}, {}):
        assert site.post(f"{address}/receipt", bad, shown=address).status_code in (400, 404)
    assert site.post(f"{address}/proof", {"use": "0" * 32}, shown=address).status_code == 404
    signed_in(site, "agent")
    address = _look(site)
    assert "Download" not in site.get(address).text
    assert site.post(f"{address}/receipt", {"entry": str(entry)}, shown=address).status_code == 403


def test_the_log_of_looks_says_who_why_and_nobody(site: Site, owner: Member) -> None:
    """By member, by day and by the name that people have there, which is the same in every look and nowhere else."""
    first, second = (site.subject(one) for one in site.shop.permitted[:2])
    dpo = member(site.house, "dpo")
    looks.look(site.house, first, "request", owner.actor)
    looks.look(site.house, first, "incident", dpo.actor)
    looks.look(site.house, second, "quality", dpo.actor)
    page = site.get("/en/staff/looks").text
    assert not any(value in page for value in (first, second, *site.shop.emails))
    named = looks.pseudonym(site.house, first)
    assert page.count(f"<code>{named}</code>") == 2
    of_dpo = site.post("/en/staff/looks", {"by": dpo.actor}).text
    assert (of_dpo.count("<code>"), of_dpo.count(f"<code>{named}</code>")) == (2, 1)
    assert site.post("/en/staff/looks", {"whom": named.lower()}).text.count("<code>") == 2
    for wrong in ({"whom": "ada@shop.example"}, {"since": "soon"}, {"since": "2026-12-01", "until": "2026-11-01"}):
        answer = site.post("/en/staff/looks", wrong)
        assert (answer.status_code, 'class="problems"' in answer.text) == (422, True)
    yesterday = {"since": "2026-11-16", "until": "2026-11-17"}
    assert "Nobody looked at anybody" in site.post("/en/staff/looks", yesterday).text


def test_the_ledger_is_read_page_by_page_and_names_nobody(site: Site, owner: Member) -> None:
    """Newest first, by kind and by day; page after page every entry comes once; no subject, no digest of one."""
    assert owner.role == "owner"
    with site.house.reading() as conn:
        size = log.head(conn).size
        subjects = {str(entry["subject"]) for _, entry in log.of_kind(conn, "choice")}
    seen: list[int] = []
    address = "/en/staff/ledger"
    while address:
        page = site.get(address).text
        assert not any(subject in page for subject in subjects)
        seen += [int(one) for one in re.findall(r'<td class="n" data-label="No.">(\d+)</td>', page)]
        found = re.search(r'href="([^"]+before=[^"]+)"', page)
        address = found[1].replace("&amp;", "&") if found else ""
    assert seen == list(range(size - 1, -1, -1))
    of_kind = site.get("/en/staff/ledger?kind=load").text
    assert set(re.findall(r"<td>([A-Z][^<]+)</td></tr>", of_kind)) == {
        one for one in re.findall(r"<td>([A-Z][^<]+)</td></tr>", of_kind) if one.startswith("A file is loaded")
    }
    assert "There is no such entry" in site.get("/en/staff/ledger?day=2020-01-01").text
    assert site.get("/en/staff/ledger?day=soon").status_code == 422
    assert site.get("/en/staff/ledger?kind=nonsense&before=x").status_code == 200
    note = site.get("/en/staff/ledger/checkpoint")
    assert note.text.startswith(site.house.settings.origin)


def test_a_check_is_asked_for_made_and_shown(site: Site, owner: Member) -> None:
    """Asked for once however often, made by the worker, shown with its time; what is wrong is said."""
    assert owner.role == "owner"
    for _ in range(2):
        assert site.post("/en/staff/ledger/check", shown="/en/staff/ledger").status_code == 303
    assert "A check was asked for" in site.get("/en/staff/ledger").text
    work(site.house, threading.Event(), once=True)
    page = site.get("/en/staff/ledger").text
    assert ("A check was asked for" in page, "sound on" in page) == (False, True)
    with db.write(site.house.engine) as conn:
        db.run(conn, "DELETE FROM consent_choice WHERE entry = (SELECT max(entry) FROM consent_choice)")
    site.clock.forward(1 / 1_440)
    assert checks.look(site.house, site.clock()).problems
    assert "What is wrong" in site.get("/en/staff/ledger").text
    assert "found 1 problem" in site.get("/en/staff").text


def test_what_failed_is_tried_again_and_what_was_told_is_recorded(site: Site, owner: Member) -> None:
    """A letter that failed is due at once; a recipient told by hand stands in the ledger; no person shows."""
    assert owner.role == "owner"
    _failed_letter(site)
    page = site.get("/en/staff/jobs").text
    assert site.subject(site.shop.permitted[0]) not in page
    tokens = re.findall(r'action="/en/staff/jobs/again">.*?name="job" value="([^"]+)"', page)
    assert "failed" in page
    assert (
        site.post("/en/staff/jobs/again", {"job": tokens[0]}, shown="/en/staff/jobs")
        .headers["location"]
        .endswith("done=again")
    )
    with site.house.reading() as conn:
        (letter,) = [job for job in jobs.listed(conn) if job.kind == "send_mail"]
    assert (letter.due, letter.attempts) == (site.clock(), 1)
    told = re.search(r'action="/en/staff/jobs/told">.*?name="job" value="([^"]+)"', page, re.S)
    assert told is not None
    for done in ("told", "gone"):
        answer = site.post("/en/staff/jobs/told", {"job": told[1], "how": "phone"}, shown="/en/staff/jobs")
        assert answer.headers["location"].endswith(f"done={done}")
    with site.house.reading() as conn:
        ((_, entry),) = log.of_kind(conn, "recipient_told")
    assert (entry["how"], entry["by"]) == ("phone", owner.actor)
    assert site.post("/en/staff/jobs/again", {"job": "x"}, shown="/en/staff/jobs").status_code == 404


def test_what_ended_undone_is_shown_with_its_reason(site: Site, owner: Member) -> None:
    """In both languages: which letter, why it was not sent; nobody is named, and there is nothing to try again."""
    assert owner.role == "owner"
    subject = site.subject(site.shop.permitted[0])
    with db.write(site.house.engine) as conn:
        jobs.add(conn, [letter_job(SIGN_IN, subject, "en", "x", Instant(site.clock() - 2 * DAY))])
        jobs.add(conn, [letter_job(SIGN_IN, subject, "en", "y", Instant(site.clock() - DAY // 2))])
        first, second = jobs.claim(conn, jobs.new_worker(), site.clock(), [SEND], 2)
        jobs.end(conn, first, site.clock(), "too_late")
        jobs.end(conn, second, site.clock(), "restricted")
    for lang, title, late, denied in (
        ("en", "Ended without being done", "Its time was over", "had their data restricted"),
        ("fr", "Terminé sans avoir été fait", "Son délai est passé", "a fait limiter l’usage de ses données"),
    ):
        page = html.unescape(site.get(f"/{lang}/staff/jobs").text)
        _, _, ended = page.partition(title)
        assert (late in ended, denied in ended, "jobs/again" in ended, subject in page) == (True, True, False, False)


def test_the_staff_is_invited_changed_and_removed(site: Site, owner: Member) -> None:
    """The link shows once; a role changes what is open at once; a removed member is out; the last owner stays."""
    page = site.post("/en/staff/members", {"role": "analyst"}).text
    (link,) = re.findall(r"<code>http://[^<]+/staff/join/([^<]+)</code>", page)
    assert people.invited(site.house, link) == "analyst"
    assert link not in site.get("/en/staff/members").text
    assert site.post("/en/staff/members", {"role": "emperor"}).status_code == 422
    dpo = signed_in(site, "dpo")
    theirs = dict(site.client.cookies)
    signed_in(site, "owner")
    assert site.post("/en/staff/members/role", {"member": dpo.id, "role": "analyst"}, shown="/en/staff/members")
    assert people.member_of(site.house, dpo.id).role == "analyst"
    for path in ("role", "remove"):
        answer = site.post(f"/en/staff/members/{path}", {"member": owner.id, "role": "dpo"}, shown="/en/staff/members")
        assert (answer.status_code, "must be an owner" in answer.text) == (422, True)
    with site.house.reading() as conn:
        (held,) = session.listed(conn, dpo.id)
    site.post("/en/staff/members/end", {"member": dpo.id, "name": held.name}, shown="/en/staff/members")
    site.client.cookies.update(theirs)
    assert site.get("/en/staff").status_code == 303
    signed_in(site, "owner")
    site.post("/en/staff/members/remove", {"member": dpo.id}, shown="/en/staff/members")
    assert people.member_of(site.house, dpo.id).state == "left"
    assert "Who left" in site.get("/en/staff/members").text
    assert site.house.check() == []


def test_figures_show_nobody(site: Site, owner: Member) -> None:
    """Below ten nothing, else tens; what is said changes nothing before the week is over; a range is of whole weeks."""
    assert owner.role == "owner"
    assert [shown(count) for count in (0, 1, 9, 10, 14, 16, 996)] == [None, None, None, 10, 10, 20, 1000]
    now = site.clock()
    before = agreed(site.house, Instant(now - 84 * DAY), now)
    counts = [count for one in before.series for count in one.counts]
    assert all(count is None or (count >= SMALLEST and count % 10 == 0) for count in counts)
    assert any(counts)
    for email in site.shop.permitted:
        site.house.choose(f"email:{email}", "newsletter", "withdrawn")
    assert agreed(site.house, Instant(now - 84 * DAY), now) == before
    site.clock.forward(7)
    assert agreed(site.house, Instant(now - 77 * DAY), site.clock()).series != before.series
    signed_in(site, "analyst")
    page = site.get("/en/staff/figures?since=2026-01-01&until=2026-06-30").text
    assert 'value="2026-01-01"' in page
    assert "<svg" in page
    for wrong in ("since=soon", "since=2026-12-01&until=2026-01-01", "since=1900-01-01"):
        assert site.get(f"/en/staff/figures?{wrong}").status_code == 422


def test_figures_count_the_yes_that_stood(site: Site) -> None:
    """Counted from the tables, as the choices of each person say it: a withdrawal, an end, an erasure count no more."""
    now = site.clock()
    with site.house.reading() as conn:
        found = figures.given(conn, [now], log.head(conn).size)
    counted = sum(many for (purpose, channel, _), (many,) in found.items() if purpose == "newsletter" and channel)
    email = site.shop.permitted[0]
    said = [entry for _, entry in choices_of(site.house, site.subject(email)) if entry["purpose"] == "newsletter"]
    assert said[-1]["act"] == "given"
    site.house.erase(f"email:{email}")
    with site.house.reading() as conn:
        after = figures.given(conn, [now, Instant(now + 4_000 * DAY)], log.head(conn).size)
    now_and_later = [
        sum(one[place] for (purpose, channel, _), one in after.items() if purpose == "newsletter" and channel)
        for place in (0, 1)
    ]
    assert counted - now_and_later[0] == ("channel" in said[-1])
    assert now_and_later[1] == 0  # every yes has an end


def test_weeks_lie_evenly_and_end_with_the_last_whole_one() -> None:
    """At most thirteen, whole weeks apart, none after the range; of a range within a week the last one before."""
    weeks = [Instant(n * WEEK) for n in range(1, 530)]
    for days in (7, 8, 12, 13, 84, 3_650):
        found = spread(weeks, Instant(days * DAY // 2), Instant(days * DAY))
        assert 1 <= len(found) <= 13
        assert found[-1] == days // 7 * WEEK
        assert len({later - earlier for earlier, later in pairwise(found)}) <= 1
        assert set(found) <= set(weeks)
    assert spread(weeks, Instant(0), Instant(3 * DAY)) == spread([], Instant(0), Instant(WEEK)) == []


def test_a_line_has_gaps_where_nothing_may_be_said() -> None:
    """Numbers and words of ours only; a run of points for each stretch that may be shown."""
    instants = [Instant(n * DAY) for n in range(6)]
    drawn = str(chart.line([10, 20, None, None, 30, 30], instants, "fr"))
    assert drawn.count("<polyline") == 2
    assert "1 janv. 1970" in drawn
    assert "script" not in drawn
    assert "style=" not in drawn
    assert str(chart.line([], [], "en")).count("<polyline") == 0


def test_a_role_that_may_not_is_told_so_in_its_language(site: Site) -> None:
    """Not as if a law forbade it, and whom to ask."""
    signed_in(site, "analyst")
    answer = site.get("/fr/staff/ledger")
    assert (answer.status_code, "adressez-vous à un propriétaire" in answer.text) == (403, True)


def test_a_data_protection_officer_works_without_a_script_and_without_a_mouse(
    a_shop: Shop, served: str, browser: Browser
) -> None:
    """Password, code, whom and why, and the receipt: by the keyboard, JavaScript off, in a real browser."""
    found = member(a_shop.house, "dpo")
    with db.write(a_shop.house.engine) as conn:
        sql = "UPDATE staff_member SET password = ? WHERE id = ?"
        db.run(conn, sql, (passwords.hashed("three lemons on a shelf"), found.id))
    context = browser.new_context(java_script_enabled=False, accept_downloads=True)
    page = context.new_page()
    page.goto(f"{served}/fr/staff/people")
    page.focus("#login")
    page.keyboard.type(found.login)
    page.keyboard.press("Tab")
    page.keyboard.type("three lemons on a shelf")
    page.keyboard.press("Enter")
    page.wait_for_url("**/staff/code?next=staff/people")
    page.focus("#code")
    page.keyboard.type(pyotp.TOTP(found.second).at(a_shop.clock() // SECOND))
    page.keyboard.press("Enter")
    page.wait_for_url("**/staff/people")
    page.focus("#person")
    page.keyboard.type(a_shop.permitted[0])
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    page.wait_for_url("**/staff/people/*")
    page.focus("form[action$='/receipt'] button")
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    assert download.value.suggested_filename.endswith(".pacte-receipt.json")
    context.close()


def test_a_burst_from_one_address_is_slowed(site: Site) -> None:
    """Passwords, codes, passkeys, invitations and looks: a human pace passes, more does not; nobody is locked out."""
    found = signed_in(site, "dpo")
    token = csrf(site.get("/en/staff/people").text)
    for path, data, most in (
        ("/en/staff/passkey", {"answer": "x"}, 30),
        ("/en/staff/people", {"person": "nobody@nowhere.example", "reason": "request"}, 30),
        ("/en/staff/sign-in", {"login": "x", "password": "y"}, 10),
    ):
        sent = [site.client.post(path, data={"csrf": token, **data}).status_code for _ in range(most + 2)]
        assert (sent[most - 1], sent[-1]) == (422, 429), path
        assert site.client.post(path, data={"csrf": token, **data}).headers["retry-after"].isdecimal()
    assert people.by_login(site.house, found.login) == found
    assert site.get("/en/staff").status_code == 200


def test_the_ledger_speaks_in_names(site: Site) -> None:
    """Purposes of the policy and of the house, forms, recipients and languages show by their names, not their codes."""
    signed_in(site, "owner")
    site.house.permit(site.subject(site.shop.permitted[0]), "newsletter", channel="email", by="python")
    page = site.get("/en/staff/ledger").text
    assert "Our newsletter" in page
    assert "theirs alone" not in page
    shown = site.get("/en/staff/ledger?kind=notice").text
    assert "French" in shown
    for code in (">newsletter<", "house:", "double_opt_in_link", ", fr<", ", en<"):
        assert code not in page + shown, code


@pytest.mark.slow
def test_the_menu_is_folded_on_a_narrow_screen(site: Site, browser: Browser) -> None:
    """Without a script: one line that names the page and unfolds; a wide screen shows every page."""
    owner = member(site.house, "owner")
    with db.write(site.house.engine) as conn:
        secret, _ = session.drawn(conn, "staff", owner.id, "full", site.clock())
    with serving(site.house, worker=False) as url:
        context = browser.new_context(java_script_enabled=False, viewport={"width": 320, "height": 568})
        context.add_cookies([{"name": "pacte-staff", "value": secret, "url": url}])
        page = context.new_page()
        page.goto(f"{url}/en/staff/lists")
        menu, link = page.locator("nav.tabs"), page.locator('nav.tabs a[href="/en/staff/jobs"]')
        folded = menu.bounding_box()
        assert folded is not None
        assert folded["height"] < 60
        assert menu.locator("summary").inner_text() == "Menu – Lists"
        assert not link.is_visible()
        menu.locator("summary").focus()
        page.keyboard.press("Enter")
        link.wait_for()
        page.set_viewport_size({"width": 1280, "height": 800})
        assert not menu.locator("summary").is_visible()
        assert menu.locator("a:visible").count() > 10
        context.close()
