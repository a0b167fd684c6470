"""Links for the staff in the browser: shown, listed, taken back, used, and what one reads when they open nothing."""

from __future__ import annotations

import re

import pytest

from pacte.app import passkeys, relink
from pacte.app import staff as people
from pacte.app.staff import Member
from pacte.kernel import jobs
from pacte.web import session
from tests.web.conftest import Site, csrf
from tests.web.staff import member, signed_in
from tests.web.test_web_staff import PASSWORD, code

SHOWN = re.compile(r"<code>http://[^<]+/staff/(join|anew)/([^<]+)</code>")


@pytest.fixture
def owner(site: Site) -> Member:
    """The owner, signed in with this browser."""
    return signed_in(site, "owner")


def _alone(site: Site) -> None:
    """Another browser, in which nobody is signed in."""
    site.client.cookies.clear()


def test_an_open_invitation_is_listed_and_taken_back(site: Site, owner: Member) -> None:
    """Who made it, for which role, until when; the link itself shows once; taken back, it says what to do."""
    page = site.post("/en/staff/members", {"role": "analyst"}).text
    found = SHOWN.search(page)
    assert found is not None
    page = site.get("/en/staff/members").text
    assert ("To join, as analyst" in page, owner.name in page, found[2] in page) == (True, True, False)
    (entry,) = re.findall(r'name="entry" value="(\d+)"', page)
    for done in ("revoked", "over"):
        answer = site.post("/en/staff/members/revoke", {"entry": entry}, shown="/en/staff/members")
        assert answer.headers["location"] == f"/en/staff/members?done={done}"
    assert "To join, as analyst" not in site.get("/en/staff/members?done=revoked").text
    _alone(site)
    answer = site.get(f"/en/staff/join/{found[2]}")
    assert (answer.status_code, "taken back" in answer.text, "Ask whoever invited you" in answer.text) == (
        410,
        True,
        True,
    )
    said = {"name": "Late", "login": "late", "password": PASSWORD}
    assert site.post(f"/en/staff/join/{found[2]}", said, shown="/en/sign-in").status_code == 410
    assert people.by_login(site.house, "late") is None


def test_every_end_of_a_link_says_what_to_do_next(site: Site, owner: Member) -> None:
    """Used, expired, cut in two: a page in both languages with the door to sign in, never a dead end."""
    used = people.invite(site.house, "agent", owner)
    people.join(site.house, used, "agathe", "Agathe", "x")
    late, anew = people.invite(site.house, "agent", owner), relink.relink(site.house, owner.id, "cli")
    cases = [(f"join/{used}", 410, "used already", "déjà servi"), (f"join/{late[:-9]}", 404, "cut in two", "coupé")]
    for path, status, *said in cases:
        for lang, words in zip(("en", "fr"), said, strict=True):
            answer = site.get(f"/{lang}/staff/{path}")
            assert (answer.status_code, words in answer.text) == (status, True), (path, lang)
            assert f'href="/{lang}/staff/sign-in"' in answer.text
    site.clock.forward(8)
    assert "page “Staff”" in site.get(f"/en/staff/join/{late}").text
    assert "pacte staff relink" in site.get(f"/en/staff/anew/{anew}").text


def test_the_first_owners_link_that_came_too_late_says_where_a_new_one_is(site: Site) -> None:
    """As long as nobody owns the house there is nobody to ask."""
    token = people.first_owner(site.house)
    site.clock.forward(2)
    answer = site.get(f"/en/staff/join/{token}")
    assert (answer.status_code, "pacte serve" in answer.text) == (410, True)


def test_a_member_who_lost_the_telephone_comes_back(site: Site, owner: Member) -> None:
    """The owner's link sets password and code anew; the old ones and every sign-in stop."""
    dpo = signed_in(site, "dpo")
    stolen = dict(site.client.cookies)
    signed_in(site, "owner")
    found = SHOWN.search(site.post("/en/staff/members/anew", {"member": dpo.id}, shown="/en/staff/members").text)
    assert found is not None
    path = f"/en/staff/anew/{found[2]}"
    assert f"To sign in anew: {dpo.name}" in site.get("/en/staff/members").text
    _alone(site)
    assert dpo.login in site.get(path).text
    assert site.post(path, {"password": "short"}).status_code == 422
    assert site.post(path, {"password": PASSWORD}).headers["location"] == "/en/staff/code"
    page = site.get("/en/staff/code").text
    secret = re.search(r"<code>([A-Z2-7]+)</code>", page)
    assert secret is not None
    done = site.post("/en/staff/code", {"code": code(site, secret[1])})
    assert done.headers["location"] == "/en/staff"
    assert site.get("/en/staff").status_code == 200
    assert people.member_of(site.house, dpo.id).second == secret[1] != dpo.second
    _alone(site)
    site.client.cookies.update(stolen)
    assert site.get("/en/staff").status_code == 303
    assert site.get(path).status_code == 410
    assert site.house.check() == []


def test_one_changes_ones_own_password_after_a_fresh_sign_in(site: Site, owner: Member) -> None:
    """On one's own page, by the same link; an hour later the page asks for a sign-in first."""
    agent = signed_in(site, "agent")
    answer = site.post("/en/staff/account/anew", shown="/en/staff/account")
    path = answer.headers["location"]
    assert path.startswith("/en/staff/anew/")
    assert site.post(path, {"password": PASSWORD}).headers["location"] == "/en/staff/code"
    with site.house.reading() as conn:
        assert [one.strength for one in session.listed(conn, agent.id)] == ["password"]
    _alone(site)
    signed_in(site, "owner")
    site.clock.forward(session.FRESH / 86_400_000_000)
    assert "Sign in again to set both anew" in site.get("/en/staff/account").text
    answer = site.post("/en/staff/account/anew", shown="/en/staff/account")
    assert "again=1" in answer.headers["location"]
    assert owner.id


def test_a_removed_members_invitations_are_gone_at_once(site: Site, owner: Member) -> None:
    """The list no longer has them, and neither do the sign-ins."""
    second = people.join(site.house, people.invite(site.house, "owner", owner), "second", "Second", "x")
    people.invite(site.house, "dpo", second)
    assert "To join, as data protection officer" in site.get("/en/staff/members").text
    site.post("/en/staff/members/remove", {"member": second.id}, shown="/en/staff/members")
    page = site.get("/en/staff/members").text
    assert ("To join" in page, "Who left" in page) == (False, True)


def test_a_letter_says_that_a_passkey_of_the_staff_is_gone(site: Site) -> None:
    """Once, for one that was there; for none no letter."""
    token = people.first_owner(site.house) or ""
    people.join(site.house, token, "olga@maison.test", "Olga", "x")
    owner = signed_in(site, "owner")
    passkeys.add(site.house, "staff", owner.id, passkeys.New(b"key", b"public", 0), "Ring")
    (held,) = passkeys.of(site.house, "staff", owner.id)
    for _ in range(2):
        site.post("/en/staff/account/remove", {"passkey": held.id}, shown="/en/staff/account")
        site.clock.forward(1e-9)
    with site.house.reading() as conn:
        letters = [str(job.target) for job in jobs.listed(conn) if job.kind == "send_mail"]
    assert [one.split(":")[0] for one in letters] == ["staff_sign_in"]
    assert "passkey_removed" in letters[0]


def test_the_page_that_was_asked_for_is_kept_with_its_question(site: Site) -> None:
    """Through sign-in and code to the very list; whatever is no page of ours, or asks strangely, leads nowhere."""
    found = member(site.house, "dpo")
    led = site.get("/en/staff/ledger?kind=choice&day=2026-11-18").headers["location"]
    assert led == "/en/staff/sign-in?next=staff/ledger%3Fkind%3Dchoice%26day%3D2026-11-18"
    assert 'name="next" value="staff/ledger?kind=choice&amp;day=2026-11-18"' in site.get(led).text
    signed_in(site, "dpo", "password")
    token = csrf(site.get("/en/staff/code").text)
    sent = {"csrf": token, "code": code(site, found.second), "next": "staff/ledger?kind=choice&day=2026-11-18"}
    done = site.client.post("/en/staff/code", data=sent, follow_redirects=False)
    assert done.headers["location"] == "/en/staff/ledger?kind=choice&day=2026-11-18"
    _alone(site)
    strange = ("//evil.example", "staff?next=//evil.example", "staff?a b", 'staff?"><b>', "staff?a\r\nb", "staff#x")
    for asked in (*strange, "staff?" + "a" * 300):
        page = site.get("/en/staff/sign-in", params={"next": asked}).text
        assert 'name="next" value=""' in page, asked
