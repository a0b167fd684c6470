"""What an attacker tried by counting: entries between two receipts, letters, strangers whom the staff look up."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from pacte.app import looks, pending, sought
from pacte.app.choose import choose
from pacte.app.house import House
from pacte.app.worker import work
from pacte.kernel.errors import Conflict, Denied, NotFound
from pacte.kernel.instant import DAY, Instant
from pacte.ledger import log
from pacte.web import security
from pacte.web.auth import by_link
from tests.app.mail import Mailbox
from tests.web import staff
from tests.web.conftest import Site
from tests.web.test_web_forms import PAGE, YES, answer, box, mailing, size

__all__ = ["box", "mailing"]
Door = Callable[[Site, str], Any]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(security, "FLOOR", 0.0)


def _by_letter(site: Site, email: str) -> Any:
    return site.post("/en/sign-in", {"email": email})


def _by_form(site: Site, email: str) -> Any:
    return answer(site, **YES | {"customers.email": email})


DOORS = [_by_letter, _by_form]


def _unknown(house: House, count: int = 1, people: int = 1) -> list[str]:
    """Addresses that nobody here has, and that pass for those of so many people."""
    drawn = (f"stranger{n}@nowhere.example" for n in range(100_000))
    fitting = (one for one in drawn if sought.pretended(house, f"email:{one}") == people)
    return [next(fitting) for _ in range(count)]


def _grown(site: Site, door: Door, email: str) -> list[int]:
    """How many entries a stranger can count: at once, and once the worker has done what must follow."""
    before = size(site.house)
    assert door(site, email).status_code == 200
    at_once = size(site.house)
    work(site.house, threading.Event(), once=True)
    return [at_once - before, size(site.house) - at_once]


def _ready(site: Site) -> None:
    site.get(PAGE)
    work(site.house, threading.Event(), once=True)


def _restricted(site: Site, email: str) -> None:
    details = {"method": "letter", "grade": "attested"}
    choose(site.house, site.subject(email), "*", "restricted", by="staff", **details)
    site.clock.forward(1e-3)


@pytest.mark.parametrize("door", DOORS)
def test_who_counts_entries_learns_no_address(mailing: Site, box: Mailbox, door: Door) -> None:
    """Known, unknown, known and restricted, each asked twice: as many entries, at the same moments; letters as ever."""
    known, restricted = mailing.shop.permitted[0], mailing.shop.permitted[1]
    _restricted(mailing, restricted)
    _ready(mailing)
    for email in (unknown := _unknown(mailing.house)[0], known, restricted):
        found = [_grown(mailing, door, email) for _ in range(2)]
        first, again = ([0, 1], [0, 1]) if door is _by_letter else ([1, 1], [1, 1])
        assert found == [first, again], email == known
    wrote = Counter(str(one["To"]) for one in box.taken)
    everybody = {known: 2, restricted: 2 if door is _by_letter else 0, unknown: 0 if door is _by_letter else 2}
    assert wrote == Counter(everybody)


@pytest.mark.parametrize("door", DOORS)
def test_a_mail_server_that_is_down_tells_no_address_either(
    mailing: Site, monkeypatch: pytest.MonkeyPatch, door: Door
) -> None:
    """Every attempt leaves as many entries, whether there is a letter or none."""
    settings = mailing.house.settings.mail.model_copy(update={"port": 1})
    whole = mailing.house.settings.model_copy(update={"mail": settings})
    object.__setattr__(mailing.house, "settings", whole)
    _ready(mailing)
    counted = []
    for email in (mailing.shop.permitted[0], *_unknown(mailing.house)):
        counted.append(_grown(mailing, door, email))
        for _ in range(2):
            mailing.clock.forward(1 / 700)
            before = size(mailing.house)
            work(mailing.house, threading.Event(), once=True)
            counted[-1].append(size(mailing.house) - before)
        mailing.clock.forward(4)  # it is given up
        work(mailing.house, threading.Event(), once=True)
    assert counted[0] == counted[1]
    assert counted[0][1:] == [1, 1, 1]


def test_a_request_that_nobody_confirms_ends_alike(mailing: Site) -> None:
    """A month later an unknown address is erased; as many entries are written for a known one, which is not."""
    _ready(mailing)
    counted = []
    for email in (mailing.shop.permitted[0], *_unknown(mailing.house)):
        _grown(mailing, _by_form, email)
        before = size(mailing.house)
        mailing.clock.forward(31)
        assert pending.end(mailing.house, mailing.clock()) == 1
        counted.append(size(mailing.house) - before)
    assert counted[0] == counted[1] > 0
    assert mailing.subject(mailing.shop.permitted[0])


def test_an_unknown_address_may_pass_for_a_household(site: Site) -> None:
    """Most pass for one person, some for several, each always for as many, however it is spelt."""
    house = site.house
    found = Counter(sought.pretended(house, f"email:stranger{n}@nowhere.example") for n in range(2_000))
    assert found[1] > 1_700
    assert all(found[people] for people in range(2, by_link.MOST + 1))
    assert sum(found.values()) == sum(found[people] for people in range(1, by_link.MOST + 1))
    (shared,) = _unknown(house, people=2)
    _ready(site)
    assert sought.pretended(house, f"email: {shared.upper()}") == 2
    assert _grown(site, _by_letter, shared) == [0, 0]  # without a mail server nobody is written to
    with house.reading() as conn:
        assert not log.of_kind(conn, "sought")


def test_a_stranger_whom_the_staff_look_up_leaves_an_entry(site: Site) -> None:
    """What was typed stands there as a keyed digest, the same however it was spelt, for those who watch over looks."""
    house, agent = site.house, staff.member(site.house, "agent")
    staff.signed_in(site, "agent")
    for typed in ("Erika.Fremd@nowhere.example", " erika.fremd@nowhere.example", "key:NOBODY-7"):
        page = site.post("/en/staff/people", {"person": typed, "reason": "complaint"})
        assert page.status_code == 422
    with house.reading() as conn:
        entries = [dict(entry) for _, entry in log.of_kind(conn, "sought")]
    assert [(one["by"], one["purpose"], one["reason"]) for one in entries] == [
        (agent.actor, "house:rights", "complaint")
    ] * 3
    assert entries[0]["whom"] == entries[1]["whom"] != entries[2]["whom"]
    assert "fremd" not in str(entries).lower()
    staff.signed_in(site, "dpo")
    page = site.get("/en/staff/looks").text
    assert page.count("nobody was shown") == 3
    assert "Agent One" in page
    assert "fremd" not in page.lower()
    (found, *_) = looks.looks(house, Instant(0), Instant(house.clock() + DAY), by=agent.actor, most=9)
    assert found.in_vain
    assert site.post("/fr/staff/looks", {"whom": found.whom}).text.count("rien n’a été montré") == 1
    assert house.check() == []


def test_every_answer_to_the_staff_leaves_an_entry(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """That several people share an address is an answer, and so is that the gate says no."""
    email, before = site.shop.permitted[0], 0

    def shared(*_: object) -> None:
        raise Conflict("2 people share this")

    site.house.erase(gone := site.subject(email))
    cases = [(gone, Denied), ("nobody@nowhere.example", NotFound), (email, Conflict)]
    for person, error in cases:
        if error is Conflict:
            monkeypatch.setattr(looks, "known", shared)
        with pytest.raises(error):
            looks.look(site.house, person, "request", "staff:1")
        with site.house.reading() as conn:
            before, last = before + 1, log.of_kind(conn, "sought")
        assert len(last) == before
