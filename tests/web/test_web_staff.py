"""Staff: the first owner's link, password and code, roles, sessions that can be ended, guesses that get nowhere."""

from __future__ import annotations

import re
from typing import Any

import pyotp
import pytest

from pacte.app import staff as people
from pacte.app.staff import PATIENCE, Member, first_owner
from pacte.kernel.errors import BadInput, Conflict
from pacte.kernel.instant import SECOND
from pacte.ledger import log
from pacte.web.auth import passwords
from tests.web.conftest import Site

PASSWORD = "three lemons on a shelf"


def joined(site: Site, token: str, login: str = "olga") -> str:
    """Join by an invitation and set up the code, as a person does; gives the secret of the codes."""
    said = {"name": "Olga Owner", "login": login, "password": PASSWORD}
    assert site.post(f"/en/staff/join/{token}", said).headers["location"] == "/en/staff/code"
    page = site.get("/en/staff/code").text
    secret = re.search(r"<code>([A-Z2-7]+)</code>", page)
    assert secret is not None
    wrong = site.post("/en/staff/code", {"code": "12345"})
    assert wrong.status_code == 422
    assert secret[0] in wrong.text  # mistyped once: what the application was set up with still holds
    done = site.post("/en/staff/code", {"code": code(site, secret[1])})
    assert done.headers["location"] in ("/en/staff", "/en/staff/setup")
    return secret[1]


def code(site: Site, secret: str) -> str:
    """What the member's application shows now."""
    return pyotp.TOTP(secret).at(site.clock() // SECOND)


def _sign_in(site: Site, password: str = PASSWORD, login: str = "olga") -> Any:
    return site.post("/en/staff/sign-in", {"login": login, "password": password})


@pytest.fixture
def owner(site: Site) -> Member:
    """The first owner, signed in."""
    token = first_owner(site.house)
    assert token is not None
    joined(site, token)
    return people.members(site.house)[0]


def test_the_first_owner_joins_once(site: Site) -> None:
    """The link is good once, and no other is made; joining stands in the ledger without a name."""
    token = first_owner(site.house)
    assert token is not None
    again = first_owner(site.house)
    joined(site, token)
    assert "Hello Olga Owner" in site.get("/en/staff").text
    assert first_owner(site.house) is None
    said = {"name": "Mallory", "login": "mallory", "password": PASSWORD}
    assert site.post(f"/en/staff/join/{token}", said, shown="/en/sign-in").status_code == 410
    assert site.post(f"/en/staff/join/{again}", said, shown="/en/sign-in").status_code == 410
    with site.house.reading() as conn:
        entries = [entry for _, entry in log.of_kind(conn, "staff")]
    assert [(one["act"], one["staff_role"]) for one in entries] == [("joined", "owner")]
    assert "Olga" not in str(entries)
    assert site.house.check() == []


def test_password_then_code_each_once(site: Site) -> None:
    """A password alone opens nothing; a code opens once; both together open the console."""
    token = first_owner(site.house)
    assert token is not None
    secret = joined(site, token)
    assert site.post("/en/staff/sign-out", shown="/en/staff").status_code == 303
    assert site.get("/en/staff").headers["location"].startswith("/en/staff/sign-in")
    assert _sign_in(site).headers["location"] == "/en/staff/code"
    assert site.get("/en/staff").status_code == 303
    assert "used already" in site.post("/en/staff/code", {"code": code(site, secret)}).text
    site.clock.forward(1 / 1440)
    assert site.post("/en/staff/code", {"code": "000000"}).status_code == 422
    assert site.post("/en/staff/code", {"code": code(site, secret)}).status_code == 303
    assert site.get("/en/staff").status_code == 200


def test_signing_in_leads_back_to_where_one_wanted_to_go(site: Site) -> None:
    """Through password and code to the page that was asked for; never to another site."""
    token = first_owner(site.house)
    assert token is not None
    secret = joined(site, token)
    site.post("/en/staff/sign-out", shown="/en/staff")
    led = site.get("/en/staff/ledger").headers["location"]
    assert led == "/en/staff/sign-in?next=staff/ledger"
    assert 'name="next" value="staff/ledger"' in site.get(led).text
    said = {"login": "olga", "password": PASSWORD}
    asked = site.post("/en/staff/sign-in", {**said, "next": "staff/ledger"}).headers["location"]
    assert asked == "/en/staff/code?next=staff/ledger"
    site.clock.forward(1 / 1440)
    done = site.post("/en/staff/code", {"code": code(site, secret), "next": "staff/ledger"}, shown=asked)
    assert done.headers["location"] == "/en/staff/ledger"
    for elsewhere in ("//evil.example", "https://evil.example", "/x", "..%2f", "a" * 200):
        assert site.post("/en/staff/sign-in", {**said, "next": elsewhere}).headers["location"] == "/en/staff/code"


def test_guessing_gets_nowhere(site: Site, owner: Member) -> None:
    """Wrong passwords are answered as unknown logins are; after five the right one waits; after ten all do."""
    assert owner.role == "owner"
    unknown, wrong = _sign_in(site, login="nobody"), _sign_in(site, "wrong password here")
    assert re.sub(r'name="csrf" value="[^"]+"', "", unknown.text) == re.sub(
        r'name="csrf" value="[^"]+"', "", wrong.text
    )
    for _ in range(PATIENCE - 1):
        assert _sign_in(site, "wrong password here").status_code == 422
    assert _sign_in(site).status_code == 422
    site.clock.forward(1 / 48)
    assert _sign_in(site).status_code == 303
    answers = [_sign_in(site, "wrong password here").status_code for _ in range(10)]
    assert answers[-1] == 429


def test_weak_passwords_are_refused(site: Site) -> None:
    """Short ones, those that everybody tries, those that hold the login; the page says which, and keeps the rest."""
    token = first_owner(site.house)
    for password in ("sh0rt!", "aaaaaaaaaaaaaaaaaaa", "password123456!!", "olga.olga.olga.olga", "Motdepasse2026"):
        answer = site.post(f"/en/staff/join/{token}", {"name": "Olga", "login": "olga", "password": password})
        assert (answer.status_code, 'href="#password"' in answer.text) == (422, True)
        assert password not in answer.text
    assert passwords.weakness(PASSWORD, "olga") == ""


def test_roles_and_the_last_owner(site: Site, owner: Member) -> None:
    """Who is invited may do what the role says; the last owner can neither leave nor become somebody else."""
    token = people.invite(site.house, "marketer", owner)
    member = people.join(site.house, token, "marc", "Marc", passwords.hashed(PASSWORD))
    assert (member.may("figures"), member.may("people"), member.may("staff")) == (True, False, False)
    for act in (
        lambda: people.remove(site.house, owner.id, owner),
        lambda: people.change_role(site.house, owner.id, "dpo", owner),
    ):
        with pytest.raises(Conflict):
            act()
    with pytest.raises(BadInput):
        people.change_role(site.house, member.id, "emperor", owner)
    with pytest.raises(BadInput):
        people.remove(site.house, owner.id, member)
    people.remove(site.house, member.id, owner)
    assert people.by_login(site.house, "marc") is None


def test_sessions_are_listed_and_ended(site: Site, owner: Member) -> None:
    """One sees where one is signed in, and ends what one does not recognise; whoever left is out at once."""
    assert "This one" in site.get("/en/staff/account").text
    kept = dict(site.client.cookies)
    people.change_role(site.house, people.join(
        site.house, people.invite(site.house, "owner", owner), "oscar", "Oscar", passwords.hashed(PASSWORD)
    ).id, "owner", owner)  # fmt: skip
    people.remove(site.house, owner.id, owner)
    site.client.cookies.update(kept)
    assert site.get("/en/staff").status_code == 303
