"""The desk of addresses that are written to no more: adding, lifting, and a mail server's code in words."""

from __future__ import annotations

from typing import Any

import pytest

from pacte.app import suppressions
from pacte.app.suppressions import Counted
from pacte.kernel.i18n import LANGUAGES, catalogue
from pacte.ledger import log
from pacte.web.console.suppression import explained
from tests.web.conftest import Site
from tests.web.staff import signed_in


def _entries(site: Site) -> list[dict[str, object]]:
    with site.house.reading() as conn:
        return [dict(entry) for _, entry in log.of_kind(conn, "suppressed")]


def _lift(site: Site, typed: dict[str, str]) -> Any:
    return site.post("/en/staff/suppression/lift", typed, shown="/en/staff/suppression")


def test_the_desk_adds_and_lifts_and_shows_no_address(site: Site) -> None:
    """A typed address goes on the list by one form and off it by another; the member stands in the ledger."""
    found, address = signed_in(site, "agent"), site.shop.permitted[0]
    typed = {"address": address, "channel": "email", "reason": "objected"}
    answer = site.post("/en/staff/suppression", typed)
    assert (answer.status_code, answer.headers["location"]) == (303, "/en/staff/suppression?done=added")
    shown = site.client.get("/en/staff/suppression?done=added").text
    assert "Nothing is sent there any more." in shown
    assert address not in shown
    assert suppressions.counts(site.house) == [Counted("email", "objected", 1)]
    entry = suppressions.latest(site.house, 1)[0].index
    answer = _lift(site, {"entry": str(entry)})
    assert answer.headers["location"].endswith("done=lifted")
    again = _lift(site, {"entry": str(entry)})
    assert again.headers["location"].endswith("done=gone")
    assert suppressions.counts(site.house) == []
    assert [(one["act"], one["by"]) for one in _entries(site)] == [("added", found.actor), ("lifted", found.actor)]
    assert site.house.check() == []


def test_a_strangers_address_comes_off_the_list_by_typing_it(site: Site) -> None:
    """No entry names anybody, so nothing else leads to it."""
    signed_in(site, "owner")
    typed = {"address": "nobody@else.example", "channel": "email", "reason": "bounced"}
    site.post("/fr/staff/suppression", typed)
    assert suppressions.latest(site.house, 1)[0].open is False
    assert _lift(site, typed | {"reason": "objected"}).status_code == 422
    assert _lift(site, typed).headers["location"].endswith("done=lifted")


@pytest.mark.parametrize(
    "wrong",
    [
        {"address": "", "channel": "email", "reason": "objected"},
        {"address": "no address", "channel": "email", "reason": "objected"},
        {"address": "a@b.example", "channel": "pigeon", "reason": "objected"},
        {"address": "a@b.example", "channel": "email", "reason": "erased"},
        {"address": "a@b.example", "channel": "email", "reason": ""},
    ],
)
def test_what_makes_no_sense_is_said_beside_the_field(site: Site, wrong: dict[str, str]) -> None:
    """The page comes back with the mistake, records nothing and repeats no address."""
    signed_in(site, "owner")
    answer = site.post("/en/staff/suppression", wrong)
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.text
    assert "b.example" not in answer.text
    assert _entries(site) == []


def test_an_entry_that_names_nobody_lifts_nothing(site: Site) -> None:
    """Nor does one of another kind, or none at all."""
    signed_in(site, "owner")
    for entry in ("0", "1", "999999", "-1", "²", "x"):
        answer = _lift(site, {"entry": entry})
        assert answer.headers["location"].endswith("done=gone"), entry
    assert _entries(site) == []


def test_a_code_is_explained_from_the_general_to_the_particular() -> None:
    """What is not known in particular is said in general; what is no code says nothing."""
    assert explained("5.1.1", "en") == [
        "Never: nothing changes by itself.",
        "It is about the address.",
        "There is no such mailbox.",
    ]
    assert len(explained("4.2.99", "fr")) == 2
    assert len(explained("5.99.1", "fr")) == 1
    for none in ("", "5", "3.1.1", "5.1", "5.1.1.1", "550", "<b>", "5.1.1\n"):
        assert explained(none, "en") == []
    known = catalogue("web.console")
    for lang in LANGUAGES:
        assert all(known[key][lang] for key in known if key.startswith("suppression.detail_"))


def test_the_page_explains_a_code_without_a_script(site: Site) -> None:
    """By its address, and says beside the field what is no code."""
    signed_in(site, "dpo")
    assert "There is no such mailbox." in site.client.get("/en/staff/suppression?code=5.1.1").text
    assert site.client.get("/en/staff/suppression?code=perhaps").status_code == 422
