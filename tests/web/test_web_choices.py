"""My choices: one action each, a way back, and nothing recorded that the page did not show."""

from __future__ import annotations

import re
from typing import Any

from pacte.app.people import people_of
from pacte.ledger import log
from tests.web.conftest import Site

NEWS = {"purpose": "newsletter", "channel": "email", "recipient": ""}
PAGE = "/en/me/choices"


def _fields(site: Site, **named: str) -> dict[str, str]:
    """The hidden fields of the switch that a page shows for this purpose and channel."""
    for form in re.findall(r"<form.*?</form>", site.get(PAGE).text, re.S):
        found = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form))
        if all(found.get(name) == value for name, value in named.items()):
            return {name: value for name, value in found.items() if name != "csrf"}
    raise AssertionError("no such switch on the page")


def _press(site: Site, **fields: str) -> Any:
    site.clock.forward(1e-4)  # of two words of one instant the more protective counts
    return site.post(PAGE, fields)


def _permitted(site: Site, email: str) -> bool:
    return site.house.may(f"email:{email}", "newsletter", channel="email").permitted


def test_a_withdrawal_counts_at_once_and_can_be_undone(site: Site) -> None:
    """One press records the withdrawal, the next decision sees it; undoing records a yes to the text that was shown."""
    email = site.shop.permitted[0]
    site.as_person(email, "link")
    answer = _press(site, **_fields(site, **NEWS))
    assert answer.status_code == 303
    assert not _permitted(site, email)
    page = site.get(answer.headers["location"].split("#")[0]).text
    assert 'role="status"' in page
    assert "You said no: " in page
    undone = _press(site, **_fields(site, **NEWS, act="on"))
    assert undone.status_code == 303
    assert _permitted(site, email)
    with site.house.reading() as conn:
        subject = people_of(site.house, conn, f"email:{email}")[0]
        said = [entry for _, entry in log.of_subject(conn, subject) if entry["kind"] == "choice"][-2:]
    assert [(one["act"], one["by"], one["method"]) for one in said] == [
        ("withdrawn", "person", "web_form"),
        ("given", "person", "web_form"),
    ]
    assert said[1]["notice_version"] == "3"
    assert site.house.check() == []


def test_only_what_is_asked_has_a_switch(site: Site) -> None:
    """Consents and interests can be turned, contract and duty explain themselves; without signing in nothing shows."""
    assert site.get(PAGE).headers["location"] == "/en/sign-in?next=me/choices"
    site.as_person(site.shop.permitted[0], "link")
    page = site.get(PAGE).text
    switched = set(re.findall(r'name="purpose" value="(\w+)"', page))
    levels = {"this_purchase", "my_history", "my_tastes"}
    assert switched == levels | {"newsletter", "similar_offers", "statistics", "partner_offers"}
    assert "there is nothing to switch off" in page
    assert site.shop.permitted[0] not in page


def test_two_tabs_that_disagree(site: Site) -> None:
    """A no from an old page counts; a yes from an old page is not recorded, and the page says what changed."""
    email = site.shop.permitted[0]
    site.as_person(email, "link")
    old = _fields(site, **NEWS)
    site.house.choose(f"email:{email}", "newsletter", "withdrawn", channel="email", by="person", method="phone")
    on = _fields(site, **NEWS)
    assert on["act"] == "on"
    site.clock.forward(1e-4)
    site.house.choose(f"email:{email}", "newsletter", "refused", channel="email", by="person", method="phone")
    answer = _press(site, **on)
    assert (answer.status_code, "changed elsewhere meanwhile" in answer.text) == (409, True)
    assert not _permitted(site, email)
    assert _press(site, **old).status_code == 303


def test_what_the_page_did_not_show_is_not_recorded(site: Site) -> None:
    """A purpose that nobody is asked about, one that does not exist, a yes to another text: refused."""
    email = site.shop.permitted[0]
    site.as_person(email, "link")
    before = site.house.policy()  # the file, only read
    assert before.document.purposes
    for fields in ({**NEWS, "purpose": "invoices"}, {**NEWS, "purpose": "newsleter"}, {**NEWS, "channel": "post"}):
        assert _press(site, **fields, act="off").status_code == 409
    _press(site, **_fields(site, **NEWS))
    fields = _fields(site, **NEWS, act="on")
    assert _press(site, **fields | {"notice": "0" * 64}).status_code == 409
    assert not _permitted(site, email)


def test_somebody_elses_receipt_is_not_shown(site: Site) -> None:
    """The number in the address shows a person's own choice only."""
    first, second = site.shop.permitted[:2]
    done = site.house.choose(f"email:{second}", "newsletter", "withdrawn", channel="email", by="person")
    site.as_person(first, "link")
    assert 'role="status"' not in site.get(f"{PAGE}?done={done.index}").text
    assert 'role="status"' not in site.get(f"{PAGE}?done=99999999999").text
