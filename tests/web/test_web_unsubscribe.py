"""The link that ends messages: one click of a mail program, a page for people, and who may take a no back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi.testclient import TestClient

from pacte.app import undoing, unsubscribe
from pacte.app.people import people_of
from pacte.app.unsubscribe import Unsubscribe
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import DAY
from pacte.ledger import log
from pacte.testing.shop import Shop
from pacte.vault import index
from tests.web.conftest import Site, csrf, spoiled

CAMPAIGN = "c" * 32
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


def _path(site: Site, subject: SubjectId, purpose: str = "newsletter", channel: str = "email", *, to: str = "") -> str:
    blind = index.blinder(site.house.keys, "email", "")(to) if to else b""
    return urlsplit(unsubscribe.link(site.house, subject, purpose, channel, CAMPAIGN, "en", to=blind)).path


def _said(site: Site, subject: SubjectId) -> list[tuple[Any, ...]]:
    """What the person said since the shop was made: purpose, channel, act, method."""
    with site.house.reading() as conn:
        entries = [entry for _, entry in log.of_subject(conn, subject) if entry["kind"] == "choice"]
    words = ("purpose", "channel", "act", "method")
    return [tuple(one.get(word) for word in words) for one in entries if int(str(one["at"])) > site.clock.now - DAY]


def _permitted(site: Site, email: str, purpose: str = "newsletter", channel: str = "email") -> bool:
    return site.house.may(f"email:{email}", purpose, channel=channel).permitted


@pytest.fixture
def email(site: Site) -> Iterator[str]:
    """Somebody whom the newsletter may write to; the whole house is in order afterwards."""
    yield site.shop.permitted[0]
    assert site.house.check() == []


def _press(site: Site, path: str, shown: str = "", **fields: str) -> Any:
    site.clock.forward(1e-3)
    return site.post(path, fields, shown=shown or path)


def test_one_click_ends_the_messages_before_it_is_answered(site: Site, email: str) -> None:
    """A mail program's POST, with no cookie and no page before it, is answered 200; the gate says no from then on."""
    subject = site.subject(email)
    path = _path(site, subject)
    assert _permitted(site, email)
    answer = site.client.post(path, data=ONE_CLICK, follow_redirects=False)
    assert (answer.status_code, answer.text) == (200, "Unsubscribed.\n")
    assert "set-cookie" not in answer.headers
    assert not _permitted(site, email)
    assert _said(site, subject) == [("newsletter", "email", "withdrawn", "message_link")]


@pytest.mark.parametrize(
    "sent",
    [
        {"files": {"List-Unsubscribe": (None, "One-Click")}},
        {"content": b""},
        {"content": b"\xff--broken", "headers": {"content-type": "multipart/form-data; boundary=x"}},
        {"content": iter([b"List-Unsubscribe=One-Click"])},
        {"data": ONE_CLICK, "headers": {"origin": "https://mail.example", "sec-fetch-site": "cross-site"}},
    ],
    ids=["multipart", "empty", "broken", "chunked", "from-a-site"],
)
def test_a_no_is_not_lost_for_its_form(site: Site, email: str, sent: dict[str, Any]) -> None:
    """As multipart, without a body, with one that cannot be read or does not say how long it is: it counts."""
    path = _path(site, site.subject(email)).removeprefix("/en")
    assert site.client.post(path, follow_redirects=False, **sent).status_code == 200
    assert not _permitted(site, email)


_COLUMNS = (
    "id,mail,phone,first_name,last_name,birth_date,city,postcode,country,region,kind,signup_date,customer_since,"
    "closed_at,notice,parent_id,remark"
)


@pytest.fixture
def partner(site: Site, email: str, tmp_path: Path) -> SubjectId:
    """Somebody else who reads in that mailbox, and said yes to the newsletter by themselves."""
    row = f"C9000001,{email},,Camille,Roussel,1970-01-02,Lille,59000,France,,private,2026-01-05,2026-01-05,,v3,,"
    file = tmp_path / "customers.csv"
    file.write_text(f"{_COLUMNS}\n{row}\n", encoding="utf-8")
    first = site.subject(email)
    assert site.house.load(file).accepted == 1
    with site.house.reading() as conn:
        (found,) = set(people_of(site.house, conn, f"email:{email}")) - {first}
    site.house.choose(
        found, "newsletter", "given", channel="email", by="person", method="web_form", grade="form",
        authenticated=True, notice="web-2024",
    )  # fmt: skip
    site.clock.forward(1)
    assert _allowed(site, first) == _allowed(site, found) == {True}
    return found


def _allowed(site: Site, *people: SubjectId, purpose: str = "newsletter") -> set[bool]:
    return {site.house.may(one, purpose, channel="email").permitted for one in people}


@pytest.mark.parametrize("form", [ONE_CLICK, {"all": "yes"}, {"purpose": "newsletter"}], ids=str)
def test_a_no_is_for_everybody_behind_the_mailbox(
    site: Site, email: str, partner: SubjectId, form: dict[str, str]
) -> None:
    """A couple reads one mailbox: the link of one message ends it for both; said again it records nothing more."""
    mine = {one for one in [partner, *_people(site, email)] if one != partner}.pop()
    path = _path(site, mine, to=email)
    assert site.client.post(path, data=form).status_code in (200, 303)
    assert _allowed(site, mine, partner) == {False}
    assert ("newsletter", "email", "withdrawn", "message_link") in _said(site, partner)
    with site.house.reading() as conn:
        size = log.head(conn).size
    site.client.post(path, data=form)
    site.client.post(_path(site, partner, to=email), data=form)
    with site.house.reading() as conn:
        assert log.head(conn).size == size


def test_an_undo_is_for_everybody_whom_that_no_was_recorded_for(site: Site, email: str, partner: SubjectId) -> None:
    """Each gets back what they had said themselves; whoever said no by another way stays where they are."""
    (mine,) = set(_people(site, email)) - {partner}
    path = _path(site, mine, to=email)
    _press(site, path)
    assert _allowed(site, mine, partner) == {False}
    _press(site, f"{path}/undo", path)
    assert _allowed(site, mine, partner) == {True}
    site.clock.forward(1)
    site.house.choose(partner, "newsletter", "withdrawn", channel="email", by="person", method="phone")
    _press(site, path)
    _press(site, f"{path}/undo", path)
    assert (_allowed(site, mine), _allowed(site, partner)) == ({True}, {False})


def test_a_no_is_for_the_address_that_the_message_went_to(site: Site, email: str, partner: SubjectId) -> None:
    """Whoever gives somebody else's address as their own learns nothing of them by an old link, and ends nothing."""
    (mine,) = set(_people(site, email)) - {partner}
    path = _path(site, mine, to="another@mail.example")
    site.house.choose(mine, "newsletter", "withdrawn", channel="email", by="person", method="phone")
    assert "You are unsubscribed" in site.get(path).text
    _press(site, path, all="yes")
    assert (_allowed(site, mine), _allowed(site, partner)) == ({False}, {True})


def test_the_page_is_about_its_reader_and_names_nobody(site: Site, email: str, partner: SubjectId) -> None:
    """It says what its own reader said, as for anybody else; its button ends it for the mailbox."""
    (mine,) = set(_people(site, email)) - {partner}
    path = _path(site, mine, to=email)
    alone = site.get(_path(site, site.subject(site.shop.permitted[1]))).text
    shown = site.get(path).text
    assert _plain(shown, path) == _plain(alone, _path(site, site.subject(site.shop.permitted[1])))
    assert not {email, "Camille", mine, partner} & set(shown.split())
    site.house.choose(mine, "newsletter", "withdrawn", channel="email", by="person", method="phone")
    assert "You are unsubscribed" in site.get(path).text
    _press(site, path)
    assert _allowed(site, mine, partner) == {False}


def _people(site: Site, email: str) -> list[SubjectId]:
    with site.house.reading() as conn:
        return people_of(site.house, conn, f"email:{email}")


def _plain(html: str, path: str) -> str:
    """A page without what is of one link: its token, its form's token."""
    return re.sub(r"/u/[A-Za-z0-9_-]+", "/u/", html).replace(csrf(html), "").replace(path[3:], "")


def test_looking_changes_nothing(site: Site, email: str) -> None:
    """GET and HEAD, as scanners send them, record nothing at all, and lead to the page where there is no language."""
    path = _path(site, site.subject(email))
    with site.house.reading() as conn:
        before = log.head(conn).size
    assert site.client.head(path).status_code in (200, 405)
    assert "Unsubscribe" in site.get(path).text
    assert site.get(path.removeprefix("/en"), headers={"accept-language": "fr"}).headers["location"] == f"/fr{path[3:]}"
    with site.house.reading() as conn:
        assert log.head(conn).size == before
    assert _permitted(site, email)


def test_said_twice_it_is_recorded_once(site: Site, email: str) -> None:
    """A second click, of a program or on the page, is answered alike and adds nothing to the ledger."""
    path = _path(site, site.subject(email))
    first = site.client.post(path, data=ONE_CLICK)
    with site.house.reading() as conn:
        size = log.head(conn).size
    again = site.client.post(path, data=ONE_CLICK)
    assert (again.status_code, again.text) == (first.status_code, first.text)
    _press(site, path)
    with site.house.reading() as conn:
        assert log.head(conn).size == size


def test_a_forged_link_changes_nothing(site: Site, email: str) -> None:
    """A token with one character changed, one of another kind and one of somebody's guess: a page that says so."""
    path = _path(site, site.subject(email))
    for wrong in (spoiled(path), path.rpartition("/")[0] + "/guess", path.replace("/u/", "/why/")):
        answer = site.client.post(wrong, data=ONE_CLICK) if "/u/" in wrong else site.get(wrong)
        assert answer.status_code == 404
        assert "does not open anything" in answer.text
    assert _permitted(site, email)


def test_a_link_works_for_five_years(site: Site, email: str) -> None:
    """It still counts a day before its end; afterwards the page says that it has expired."""
    subject = site.subject(email)
    path = _path(site, subject)
    site.clock.forward(unsubscribe.LASTS / DAY - 1)
    assert site.client.post(path, data=ONE_CLICK).status_code == 200
    assert ("newsletter", "email") in {said[:2] for said in _said(site, subject)}
    site.clock.forward(2)
    assert site.client.post(path, data=ONE_CLICK).status_code == 410


def test_undo_restores_exactly_what_there_was(site: Site, email: str) -> None:
    """The browser that said no takes it back: the yes counts again with its own text, proof and end, and no other."""
    subject = site.subject(email)
    path = _path(site, subject)
    with site.house.reading() as conn:
        yes = [one for _, one in log.of_subject(conn, subject) if one.get("act") == "given"][-1]
    assert _press(site, path).headers["location"] == path
    page = site.get(path).text
    assert 'role="status"' in page
    assert not _permitted(site, email)
    assert _press(site, f"{path}/undo", path).headers["location"] == f"{path}?back=1"
    assert "as it was before" in site.get(f"{path}?back=1").text
    assert _permitted(site, email)
    with site.house.reading() as conn:
        restored = [one for _, one in log.of_subject(conn, subject) if one.get("act") == "given"][-1]
    kept = ("grade", "voice", "authenticated", "notice", "locale", "notice_version", "form", "expires")
    assert restored["method"] == "undo"
    assert {word: restored.get(word) for word in kept} == {word: yes.get(word) for word in kept}


def test_a_forwarded_mail_never_re_consents(site: Site, email: str) -> None:
    """Nobody but the browser that said no can undo it: not another one, not by a new no, not half an hour later."""
    path = _path(site, site.subject(email))
    _press(site, path)
    friend = Site(site.shop, TestClient(site.client.app, base_url="http://127.0.0.1:8080"))
    page = friend.get(path).text
    assert "/undo" not in page
    assert "unsubscribed" in page
    _press(friend, path)
    _press(friend, f"{path}/undo", path)
    assert not _permitted(site, email)
    site.clock.forward(undoing.UNDO_LASTS / DAY)
    assert "/undo" not in site.get(path).text
    _press(site, f"{path}/undo", path)
    assert not _permitted(site, email)


@pytest.mark.parametrize("how", ["one-click", "complaint", "centre"])
def test_whoever_said_no_as_well_is_re_consented_by_nobody(site: Site, email: str, how: str) -> None:
    """A forwarded mail was unsubscribed first; what its reader says then is theirs, though it stands already."""
    path, subject = _path(site, site.subject(email)), site.as_person(email)
    friend = Site(site.shop, TestClient(site.client.app, base_url="http://127.0.0.1:8080"))
    _press(friend, path)
    site.clock.forward(1e-3)
    with site.house.reading() as conn:
        size = log.head(conn).size
    match how:
        case "one-click":
            assert site.client.post(path, data=ONE_CLICK).status_code == 200
        case "complaint":
            site.house.commit(Unsubscribe((subject,), "newsletter", "email", method=unsubscribe.BY_COMPLAINT))
        case "centre":
            fields = {"purpose": "newsletter", "channel": "email", "act": "off"}
            assert site.post("/en/me/choices", fields).status_code == 303
    with site.house.reading() as conn:
        assert log.head(conn).size == size
    _press(friend, f"{path}/undo", path)
    assert not _permitted(site, email)


def test_said_twice_by_one_browser_it_can_be_taken_back(site: Site, email: str) -> None:
    """A button pressed twice is one word of one person."""
    path = _path(site, site.subject(email))
    _press(site, path)
    _press(site, path)
    _press(site, f"{path}/undo", path)
    assert _permitted(site, email)


def test_an_undo_needs_a_form_of_ours(site: Site, email: str) -> None:
    """Another site cannot have this browser take its no back."""
    path = _path(site, site.subject(email))
    _press(site, path)
    assert site.client.post(f"{path}/undo", data={"csrf": "x"}).status_code == 403
    token = csrf(site.get(path).text)
    foreign = {"sec-fetch-site": "cross-site"}
    assert site.client.post(f"{path}/undo", data={"csrf": token}, headers=foreign).status_code == 403
    assert not _permitted(site, email)


def test_what_was_said_since_survives_an_undo(site: Site, email: str) -> None:
    """A no by another way after the click is not taken back with it."""
    path = _path(site, site.subject(email))
    _press(site, path)
    site.clock.forward(1)
    site.house.choose(f"email:{email}", "newsletter", "refused", channel="email", by="person", method="phone")
    _press(site, f"{path}/undo", path)
    assert not _permitted(site, email)


def test_everything_ends_with_one_button_and_comes_back_as_it_was(site: Site, email: str) -> None:
    """All purposes that reach people, by every channel: only what was on is recorded, an undo restores all of it."""
    subject = site.subject(email)
    path = _path(site, subject)

    def allowed() -> set[tuple[str, str]]:
        from pacte.app.overview import overview

        found = (one for standing in overview(site.house, subject, "en") for one in standing.switches)
        return {(one.purpose, one.channel) for one in found if one.on and one.channel}

    before = allowed()
    assert {purpose for purpose, _ in before} > {"newsletter"}
    _press(site, path, all="yes")
    assert not {purpose for purpose, _ in allowed()} & set(unsubscribe.reaching(site.house.policy().document))
    assert {said[:2] for said in _said(site, subject)} <= before
    _press(site, f"{path}/undo", path)
    assert allowed() == before


def test_another_purpose_can_be_ended_from_the_page(site: Site, email: str) -> None:
    """Offers that rest on an interest are objected to, and the newsletter goes on."""
    path = _path(site, site.subject(email))
    assert "Similar" in site.get(path).text or "similar_offers" in site.get(path).text
    _press(site, path, purpose="similar_offers")
    assert _permitted(site, email)
    assert "recorded" in site.get(path).text
    subject = site.subject(email)
    assert {(said[0], said[2]) for said in _said(site, subject)} == {("similar_offers", "objected")}


def test_an_erased_person_sees_the_page_of_success(site: Site, email: str) -> None:
    """The answers to a program and to a person are those of somebody who said no before; nothing is recorded."""
    other = site.shop.permitted[1]
    gone, said = _path(site, site.subject(email)), _path(site, site.subject(other))
    site.client.post(said, data=ONE_CLICK)
    site.house.erase(f"email:{email}", by="person")
    with site.house.reading() as conn:
        size = log.head(conn).size

    def answers(path: str) -> list[str]:
        shown = [site.client.post(path, data=ONE_CLICK).text, site.get(path).text]
        shown.append(site.post(path).headers["location"])
        return [one.replace(path[3:], "").replace(csrf(one) or "-", "") for one in shown]

    assert answers(gone) == answers(said)
    with site.house.reading() as conn:
        assert log.head(conn).size == size


def test_a_no_to_what_left_the_policy_is_kept(site: Site, email: str) -> None:
    """The link of a purpose that is gone records an objection under its name, for the day when it comes back."""
    subject = site.subject(email)
    answer = site.client.post(_path(site, subject, "club", "sms"), data=ONE_CLICK)
    assert answer.status_code == 200
    site.client.post(_path(site, subject, "club", "sms"), data=ONE_CLICK)
    assert _said(site, subject) == [("club", "sms", "objected", "message_link")]


def test_what_rests_on_a_contract_says_so(site: Site, email: str) -> None:
    """The page of a message about an order explains itself, and claims no end of it."""
    page = site.get(_path(site, site.subject(email), "order_service", "email")).text
    assert "cannot end them" in page
    assert "You are unsubscribed" not in page


def test_the_page_says_nothing_of_other_choices(site: Site, email: str) -> None:
    """Whatever the person chose elsewhere, the page is the same to its last letter: a message may be forwarded."""
    path = _path(site, site.subject(email))
    before = site.get(path).text
    site.clock.forward(1)
    site.house.choose(f"email:{email}", "similar_offers", "objected", by="person")
    after = site.get(path).text
    assert after.replace(csrf(after), "") == before.replace(csrf(before), "")
    assert email not in after


def test_an_undo_restores_nobody_elses_yes(site: Site, email: str) -> None:
    """Where a parent said yes as well, the browser that took its own yes back gets that one again, and no other."""
    subject = site.subject(email)
    path = _path(site, subject)
    site.house.choose(
        subject, "newsletter", "given", channel="email", by="person", voice="guardian", authenticated=True,
        method="signed_form", grade="form", notice="web-2024",
    )  # fmt: skip
    _press(site, path)
    _press(site, f"{path}/undo", path)
    with site.house.reading() as conn:
        said = [one for _, one in log.of_subject(conn, subject) if one["kind"] == "choice"][-3:]
    assert [(one["act"], one["voice"]) for one in said] == [
        ("given", "guardian"),
        ("withdrawn", "self"),
        ("given", "self"),
    ]


def test_many_clicks_at_once_record_one_no(served: str, a_shop: Shop) -> None:
    """A program that repeats itself over several connections: each is answered 200, and the ledger holds one entry."""
    house = a_shop.house
    with house.reading() as conn:
        (subject,) = people_of(house, conn, f"email:{a_shop.permitted[0]}")
        before = log.head(conn).size
    path = urlsplit(unsubscribe.link(house, subject, "newsletter", "email", CAMPAIGN, "fr")).path

    def click(_: int) -> int:
        return httpx.post(f"{served}{path}", data=ONE_CLICK).status_code

    with ThreadPoolExecutor(8) as clicks:
        assert set(clicks.map(click, range(24))) == {200}
    with house.reading() as conn:
        added = [entry for _, entry in log.entries(conn, before) if entry is not None]
    assert [entry["kind"] for entry in added] == ["choice"]


def test_who_answered_a_message_with_a_no_is_counted_until_it_is_taken_back(site: Site, email: str) -> None:
    """For the results of a campaign: those who unsubscribed since it began, and did not undo it."""
    other, began = site.subject(site.shop.permitted[1]), site.clock()
    site.clock.forward(1e-3)
    site.client.post(_path(site, other), data=ONE_CLICK)
    path = _path(site, site.subject(email))

    def heard(channel: str = "email") -> set[SubjectId]:
        with site.house.reading() as conn:
            return unsubscribe.heard(conn, "newsletter", channel, began)

    _press(site, path)
    assert heard() == {other, site.subject(email)}
    assert heard("sms") == set()
    _press(site, f"{path}/undo", path)
    assert heard() == {other}
