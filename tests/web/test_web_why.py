"""Why this message? The link in it, and the same of every use in the list: the decision as it was taken."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest

from pacte.app import unsubscribe, why
from pacte.gate.permit import Permit
from pacte.kernel.ids import UseId
from pacte.kernel.instant import DAY
from pacte.ledger import log
from tests.web.conftest import Site, csrf, spoiled


@pytest.fixture
def used(site: Site) -> tuple[str, str, Permit]:
    """Somebody whose address was just used for the newsletter: the address, the page's, and the permit."""
    email = site.shop.permitted[0]
    permit = site.house.permit(
        f"email:{email}", "newsletter", channel="email", fields=("customers.email", "customers.first_name"), by="worker"
    )
    assert isinstance(permit, Permit)
    path = urlsplit(why.link(site.house, UseId(permit.use), "en")).path
    return email, path, permit


def _words(answer: Any) -> str:
    return " ".join(answer.text.split())


def test_the_page_says_by_which_right(site: Site, used: tuple[str, str, Permit]) -> None:
    """Without signing in: purpose, basis and article, the choice with its day, entry and text, the data."""
    email, path, permit = used
    answer = site.get(path)
    page = _words(answer)
    assert answer.status_code == 200
    assert "“Our newsletter by e-mail”" in page
    assert "You had said yes" in page
    assert "GDPR" in page
    with site.house.reading() as conn:
        about = log.of_subject(conn, site.subject(email))
    yes = next(index for index, entry in about if entry.get("act") == "given" and entry["purpose"] == "newsletter")
    assert f"entry {yes}" in page
    assert f"Entry {permit.index}" in page
    assert "The text that you were shown" in page
    assert "e-mail address" in page
    assert email not in page


def test_the_page_leads_to_the_end_of_it(site: Site, used: tuple[str, str, Permit]) -> None:
    """Its link opens the page that unsubscribes from exactly this purpose and channel."""
    email, path, _ = used
    (leads,) = {one for one in site.get(path).text.split('"') if one.startswith("/en/u/")}
    asked = unsubscribe.opened(site.house, leads.removeprefix("/en/u/"))
    assert (asked.subject, asked.purpose, asked.channel) == (site.subject(email), "newsletter", "email")
    assert site.get(leads).status_code == 200


def test_what_was_ended_is_not_offered_again(site: Site, used: tuple[str, str, Permit]) -> None:
    """After the reader's no the page says that it stands, and offers no end of it any more."""
    _, path, _ = used
    (leads,) = {one for one in site.get(path).text.split('"') if one.startswith("/en/u/")}
    unsubscribe.unsubscribe(site.house, unsubscribe.opened(site.house, leads.removeprefix("/en/u/")))
    page = site.get(path).text
    assert "/en/u/" not in page
    assert "You get no more of this." in page


def test_looking_at_it_records_nothing(site: Site, used: tuple[str, str, Permit]) -> None:
    """Whoever opens links by machine leaves no trace and changes nothing."""
    _, path, _ = used
    with site.house.reading() as conn:
        before = log.head(conn).size
    site.get(path)
    with site.house.reading() as conn:
        assert log.head(conn).size == before
    assert site.house.check() == []


def test_what_was_learnt_since_shows_beside_what_was_known(site: Site, used: tuple[str, str, Permit]) -> None:
    """A paper no that is older than the message and arrived after it: we could by what was known, and not in truth."""
    email, path, _ = used
    earlier = site.clock.now - 1_000_000
    site.clock.forward(1)
    site.house.choose(
        f"email:{email}", "newsletter", "withdrawn", channel="email", by="staff:1", method="paper", effective=earlier
    )
    page = _words(site.get(path))
    assert "By what was known then:" in page
    assert "By what has been learnt since:" in page
    assert "We could not." in page


def test_a_link_that_was_changed_opens_nothing(site: Site, used: tuple[str, str, Permit]) -> None:
    """Neither does one of another kind."""
    _, path, _ = used
    assert site.get(spoiled(path)).status_code == 404
    assert site.get(path.replace("/why/", "/u/")).status_code == 404


def test_a_link_works_for_five_years_and_is_short(site: Site, used: tuple[str, str, Permit]) -> None:
    """Short enough for a text message; after five years it says that it has expired. A set of people has none."""
    _, path, _ = used
    assert len(path) < 40
    with site.house.reading() as conn:
        many = next(entry for _, entry in log.of_kind(conn, "use") if entry["mode"] == "set")
    of_many = urlsplit(why.link(site.house, UseId(str(many["use"])), "en")).path
    assert site.get(of_many).status_code == 404
    site.clock.forward(why.LASTS / DAY - 1)
    assert site.get(path).status_code == 200
    site.clock.forward(2)
    assert site.get(path).status_code == 410


def test_of_somebody_erased_nothing_is_told(site: Site, used: tuple[str, str, Permit]) -> None:
    """The link of a person who was erased says so much, and shows none of it."""
    email, path, _ = used
    site.house.erase(f"email:{email}", by="person")
    answer = site.get(path)
    assert answer.status_code == 410
    assert "newsletter" not in answer.text


def test_every_use_in_the_list_has_its_why(site: Site, used: tuple[str, str, Permit]) -> None:
    """Signed in a moment ago the same page opens from the list of uses; nobody else's does."""
    email, path, permit = used
    assert site.get(f"/en/me/use/{permit.index}/why").status_code == 303
    site.as_person(email)
    assert f"/en/me/use/{permit.index}/why" in site.get("/en/me/uses?month=2026-11").text
    own = site.get(f"/en/me/use/{permit.index}/why")
    assert own.status_code == 200
    assert f"/en/me/use/{permit.index}/proof" in own.text
    assert "/proof" not in site.get(path).text.replace(csrf(own.text), "")
    site.as_person(site.shop.permitted[1])
    assert site.get(f"/en/me/use/{permit.index}/why").status_code == 404
