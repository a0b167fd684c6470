"""A customer signs in by a link: in the browser that asked, once, in time; nobody learns which addresses are known."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import pytest

from pacte.app import links, sought
from pacte.app.letters import SIGN_IN
from pacte.app.people import people_of
from pacte.app.worker import work
from pacte.kernel import jobs
from pacte.web import security
from pacte.web.auth import by_link
from tests.web.conftest import Site, spoiled


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(security, "FLOOR", 0.0)


def _asked(site: Site, email: str, **more: str) -> Any:
    return site.post("/en/sign-in", {"email": email, **more})


def _token(site: Site, email: str) -> str:
    """The link that the last letter to somebody holds: what the job of this browser would send."""
    with site.house.reading() as conn:
        subject = people_of(site.house, conn, f"email:{email}")[0]
        job = [one for one in jobs.listed(conn) if one.kind == "send_mail" and one.about == subject][-1]
    browser = str(job.target).split(":")[-1]
    return links.seal(site.house, SIGN_IN, {"subject": subject, "browser": browser}, by_link.SIGN_IN_LASTS)


def test_a_link_opens_the_page_once_where_it_was_asked_for(site: Site) -> None:
    """Fetching it changes nothing; the button signs in and goes where the person wanted; a second time it is spent."""
    email = site.shop.permitted[0]
    assert _asked(site, email, next="me/timeline?before=40&lang=x").status_code == 200
    address = f"/en/sign-in/{_token(site, email)}"
    for _ in range(3):
        assert "Open my page" in site.get(address).text
    answer = site.post(address)
    assert (answer.status_code, answer.headers["location"]) == (303, "/en/me/timeline?before=40&lang=x")
    assert "pacte-person" in site.client.cookies
    assert site.get(address).status_code == 200  # its page says nothing
    assert _asked(site, email).status_code == 200  # a new cookie, so that the browser is another one for the old link
    assert site.get(address).text.count("another browser") >= 1


def test_a_link_that_was_used_or_is_late_leads_to_a_new_one(site: Site) -> None:
    """Replayed, expired, forged: each says what to do, and nobody is signed in."""
    email = site.shop.permitted[0]
    _asked(site, email)
    token = _token(site, email)
    kept = dict(site.client.cookies)
    assert site.post(f"/en/sign-in/{token}").status_code == 303
    site.client.cookies.clear()
    site.client.cookies.update(kept)
    assert site.post(f"/en/sign-in/{token}").status_code == 410
    _asked(site, email)
    late = _token(site, email)
    site.clock.forward(1 / 48)
    assert site.get(f"/fr/sign-in/{late}").status_code == 410
    assert site.get("/fr/sign-in/" + spoiled(late)).status_code == 404
    assert "pacte-person" not in site.client.cookies


def test_somebody_elses_browser_gets_nothing(site: Site) -> None:
    """A forwarded message signs nobody in, whatever is sent."""
    email = site.shop.permitted[0]
    _asked(site, email)
    token = _token(site, email)
    site.client.cookies.clear()
    assert "another browser" in site.get(f"/en/sign-in/{token}").text
    assert site.post(f"/en/sign-in/{token}", shown="/en/sign-in").status_code == 403
    assert "pacte-person" not in site.client.cookies


def test_an_unknown_address_is_answered_as_a_known_one(site: Site) -> None:
    """The pages are the same; only a known address has a letter. What is no address is pointed at, and not repeated."""
    stranger = "nobody.at.all@nowhere.example"
    known, unknown = _asked(site, site.shop.permitted[0]), _asked(site, stranger)
    assert known.text == unknown.text
    with site.house.reading() as conn:
        letters = [one.about for one in jobs.listed(conn) if one.kind == "send_mail"]
    # To nobody there are as many as to a household that the address passes for: entries show no difference.
    assert Counter(map(bool, letters)) == {True: 1, False: sought.pretended(site.house, f"email:{stranger}")}
    wrong = _asked(site, "<script>alert(1)</script>")
    assert (wrong.status_code, "alert(1)" in wrong.text, 'href="#email"' in wrong.text) == (422, False, True)


def test_a_burst_is_slowed_down(site: Site) -> None:
    """Ten addresses in ten minutes from one place; three letters in a quarter of an hour to one address."""
    answers = [_asked(site, site.shop.permitted[1]).status_code for _ in range(4)]
    assert answers == [200, 200, 200, 429]
    answers = [_asked(site, f"guess{n}@nowhere.example").status_code for n in range(8)]
    assert answers[-1] == 429
    assert int(_asked(site, "x@y.example").headers["retry-after"]) > 0


def test_nothing_stays_open_after_signing_out(site: Site) -> None:
    """Signing out ends the session in the house, not only in the browser."""
    site.as_person(site.shop.permitted[0])
    kept = dict(site.client.cookies)
    assert site.post("/en/sign-out", shown="/en/").status_code == 303
    site.client.cookies.update(kept)
    assert "Sign out" not in site.get("/en/").text
    work(site.house, threading.Event(), once=True)
    assert site.house.check() == []
