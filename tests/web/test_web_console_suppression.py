"""The desk of addresses that are written to no more: adding, lifting, and a mail server's code in words."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pacte.app import soft_bounces, suppressions
from pacte.app.suppressions import Counted
from pacte.kernel import db
from pacte.kernel.i18n import LANGUAGES, catalogue
from pacte.kernel.ids import new_subject_id
from pacte.lake import numbers
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
    assert _lift(site, {"entry": str(entry)}).headers["location"].endswith("done=gone")
    assert _lift(site, typed).headers["location"].endswith("done=lifted")
    assert suppressions.counts(site.house) == []
    assert [(one["act"], one["by"]) for one in _entries(site)] == [("added", found.actor), ("lifted", found.actor)]
    assert site.house.check() == []


def test_how_many_bounce_for_now_is_told_of_many_only(site: Site) -> None:
    """Three are too few to be told; of two hundred the page says about how many there are."""
    signed_in(site, "agent")
    assert "too few people to be told" in site.client.get("/en/staff/suppression").text
    _bounced(site, 3)
    assert "too few people to be told" in site.client.get("/en/staff/suppression").text
    _bounced(site, 200)
    site.clock.forward(1)
    signed_in(site, "owner")
    shown = site.client.get("/en/staff/suppression").text
    told = re.search(r"about (\d+) people", shown)
    assert told is not None
    assert int(told[1]) % 10 == 0
    assert abs(int(told[1]) - 203) < 80


def _bounced(site: Site, count: int) -> None:
    """The mailboxes of so many more people are full."""
    some = [new_subject_id() for _ in range(count)]
    with db.write(site.house.engine) as conn:
        numbers.allot(conn, some)
        for one in some:
            soft_bounces.count(conn, one, "email", site.house.clock())


def test_what_a_machine_added_is_lifted_without_the_address(site: Site) -> None:
    """Its row leads to the person; pressed again it says the same."""
    found, address = signed_in(site, "agent"), site.shop.permitted[0]
    suppressions.add(site.house, address, "email", "bounced", by="worker")
    entry = suppressions.latest(site.house, 1)[0].index
    assert f'value="{entry}"' in site.client.get("/en/staff/suppression").text
    for _ in range(2):
        assert _lift(site, {"entry": str(entry)}).headers["location"].endswith("done=lifted")
    assert suppressions.counts(site.house) == []
    assert [(one["act"], one["by"]) for one in _entries(site)[1:]] == [("lifted", found.actor)] * 2


def test_the_desk_answers_the_same_whoever_an_address_is(site: Site) -> None:
    """A stranger's, a customer's, one that is on the list and one that is not: row for row and word for word."""
    signed_in(site, "owner")
    suppressions.add(site.house, "listed@else.example", "email", "bounced", by="cli")
    seen = set()
    for address in ("nobody@else.example", "listed@else.example", site.shop.permitted[1]):
        typed = {"address": address, "channel": "email", "reason": "bounced"}
        answers = [site.post("/fr/staff/suppression", typed), _lift(site, typed), _lift(site, typed)]
        rows = [(one.act, one.open) for one in suppressions.latest(site.house, 3)]
        seen.add(str([(one.status_code, one.headers["location"]) for one in answers]) + str(rows))
    assert len(seen) == 1
    assert "Aucune aujourd’hui" in site.client.get("/fr/staff/suppression").text


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
