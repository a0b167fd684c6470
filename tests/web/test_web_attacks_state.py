"""What an attacker tried with what is recorded: races, replays, locks that did not lock, doors that stayed open."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pacte.app import badges, levels, links, optin, passkeys
from pacte.app import staff as people
from pacte.app.choose import choose
from pacte.app.committer import Verb
from pacte.app.erase import erase
from pacte.app.house import House
from pacte.app.links import Expired
from pacte.app.staff import LOCKED, PATIENCE
from pacte.app.switches import Turn
from pacte.kernel import db
from pacte.kernel.errors import BadInput, Conflict, Denied
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import SECOND, Instant, to_iso
from pacte.ledger import log
from pacte.testing.world import World, world
from pacte.web import session
from pacte.web.security import Pace
from tests.web import staff
from tests.web.conftest import Site, csrf
from tests.web.policies import richer
from tests.web.programs import PERSON, program
from tests.web.test_web_centre_wishes import _level
from tests.web.test_web_choices import NEWS, PAGE, _fields, _press
from tests.web.test_web_forms import choices, shown
from tests.web.test_web_staff import PASSWORD, joined
from tests.web.test_web_staff import code as code_now

WEB = {"method": "web_form", "grade": "form", "authenticated": True}


@pytest.fixture
def home(tmp_path: Path, records: Callable[[], str]) -> World:
    """A house with one person, on either database."""
    found = world(tmp_path / "house", database=records())
    found.person()
    return found


def _size(house: House) -> int:
    with house.reading() as conn:
        return log.head(conn).size


def _permitted(site: Site, person: str) -> bool:
    return site.house.may(person, "newsletter", channel="email").permitted


def test_a_yes_on_its_way_does_not_overtake_a_no(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another tab says no after the page of the yes was looked at, before its commit: the yes is answered 409."""
    email = site.shop.permitted[0]
    subject = site.as_person(email, "link")
    _press(site, **_fields(site, **NEWS))
    fields = _fields(site, **NEWS, act="on")
    commit = House.commit

    def meanwhile(house: House, verb: Verb[Any]) -> Any:
        if isinstance(verb, Turn) and verb.act == "given":
            monkeypatch.setattr(House, "commit", commit)
            choose(house, subject, "newsletter", "withdrawn", by="person", channel="email", **WEB)
            site.clock.forward(1e-4)
        return commit(house, verb)

    monkeypatch.setattr(House, "commit", meanwhile)
    assert _press(site, **fields).status_code == 409
    assert not _permitted(site, subject)
    assert site.house.check() == []


def test_a_no_is_never_refused_for_coming_too_often(site: Site) -> None:
    """When the budget for a yes is used up, a withdrawal counts still; the same no again fills no ledger."""
    subject = site.as_person(site.shop.permitted[0], "link")
    yes = _fields(site, **NEWS) | {"act": "on", "seen": "-2"}
    assert [_press(site, **yes).status_code for _ in range(122)][-2:] == [429, 429]
    no = _fields(site, **NEWS)
    assert _press(site, **no).status_code == 303
    assert not _permitted(site, subject)
    before = _size(site.house)
    again = [_press(site, **no) for _ in range(3)]
    assert {(one.status_code, one.headers["location"].split("?")[0]) for one in again} == {(303, PAGE)}
    assert _size(site.house) == before
    assert "You said no: " in site.get(again[0].headers["location"].split("#")[0]).text


def test_a_wish_for_less_is_never_refused_for_coming_too_often(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same of levels of personalisation, and of a badge's switch."""
    richer(site.house)
    subject = site.as_person(site.shop.permitted[0], "link")
    assert _level(site, 1).status_code == 303
    monkeypatch.setattr(Pace, "allow", lambda *_: 60.0)  # every budget is used up
    assert _level(site, 2).status_code == 429
    assert _level(site, 0).status_code == 303
    assert [one.on for one in levels.steps(site.house, subject, "en").steps] == [False, False, False]
    token = badges.token(site.house, subject)
    headers = {"authorization": f"Bearer {token}", "sec-fetch-site": "same-origin"}
    sizes = []
    for on, status in ((False, 200), (False, 200), (True, 429)):
        site.clock.forward(1e-4)
        said = {"name": "newsletter-email", "on": on, "seen": 0, "notice": ""}
        assert site.client.post("/badge/newsletter", json=said, headers=headers).status_code == status
        sizes.append(_size(site.house))
    assert sizes[0] == sizes[1]
    assert not _permitted(site, subject)


def test_an_invitation_ends_with_the_right_to_invite(home: World) -> None:
    """Who was removed, or is no owner any more, does not come back by an invitation that they made before."""
    house = home.house
    first = staff.owner(house)
    for end in (
        lambda by: people.remove(house, by.id, first),
        lambda by: people.change_role(house, by.id, "agent", first),
    ):
        second = people.join(house, people.invite(house, "owner", first), f"two{end.__code__.co_firstlineno}", "T", "x")
        token = people.invite(house, "owner", second)
        end(second)
        with pytest.raises(Expired):
            people.join(house, token, "mallory", "Mallory", "x")
    assert people.by_login(house, "mallory") is None
    assert house.check() == []


def test_an_owner_who_was_removed_meanwhile_changes_nobody(home: World) -> None:
    """What counts is what they may do now, not what they might when the page was shown; who left is left alone."""
    house = home.house
    first = staff.owner(house)
    second = people.join(house, people.invite(house, "owner", first), "second", "T", "x")
    third = people.join(house, people.invite(house, "agent", first), "third", "T", "x")
    people.remove(house, second.id, first)
    with pytest.raises(BadInput, match="only owners"):
        people.change_role(house, third.id, "owner", second)
    with pytest.raises(BadInput, match="only owners"):
        people.remove(house, first.id, second)
    with pytest.raises(Conflict, match="left already"):
        people.change_role(house, second.id, "agent", first)
    assert people.member_of(house, third.id).role == "agent"
    assert house.check() == []


def test_wrong_codes_lock_and_more_of_them_do_not_unlock(home: World) -> None:
    """Guesses that come at once count one by one; while the member waits a right one opens nothing, later it does."""
    house = home.house
    member = staff.owner(house)
    guesses = [
        threading.Thread(target=people.attempted, args=(house, member), kwargs={"right": False}) for _ in range(5)
    ]
    for guess in guesses:
        guess.start()
    for guess in guesses:
        guess.join()
    locked = people.member_of(house, member.id).locked_until
    assert (locked, PATIENCE) == (house.clock() + LOCKED, 5)
    home.clock.forward(1e-3)
    people.attempted(house, member, right=False)
    assert people.member_of(house, member.id).locked_until == locked
    with pytest.raises(Conflict):
        people.attempted(house, member, right=True, code=7)
    home.clock.forward(1)
    people.attempted(house, member, right=True, code=7)
    with pytest.raises(Conflict):
        people.attempted(house, member, right=True, code=7)


def test_who_is_locked_gets_in_by_no_code(site: Site) -> None:
    """After five wrong codes the right one is answered by a page that says to wait."""
    token = people.first_owner(site.house)
    assert token is not None
    secret = joined(site, token)
    site.post("/en/staff/sign-out", shown="/en/staff")
    site.post("/en/staff/sign-in", {"login": "olga", "password": PASSWORD})
    site.clock.forward(1 / 1440)
    for _ in range(PATIENCE):
        assert site.post("/en/staff/code", {"code": "000000"}).status_code == 422
    for lang, said in (("en", "wait a quarter of an hour"), ("fr", "attendez un quart")):
        answer = site.post(f"/{lang}/staff/code", {"code": code_now(site, secret)})
        assert (answer.status_code, said in answer.text) == (422, True)
    assert site.get("/en/staff").status_code == 303


def test_an_erasure_by_command_ends_every_sign_in(home: World) -> None:
    """Sessions go with the person in the same commit; no passkey is added for them afterwards."""
    house, subject = home.house, home.people[0]
    with db.write(house.engine) as conn:
        session.drawn(conn, "person", subject, "fresh", house.clock())
    erase(house, subject)
    with house.reading() as conn:
        assert session.listed(conn, subject) == []
    with pytest.raises(Denied):
        passkeys.add(house, "person", subject, passkeys.New(b"c", b"k", 0), "Phone")
    assert passkeys.of(house, "person", subject) == []
    assert house.check() == []


def test_nobody_erased_signs_in_by_a_letter_that_lay_there(site: Site) -> None:
    """A link that was sent before the erasure opens nothing after it."""
    from pacte.app.letters import SIGN_IN, SIGN_IN_LASTS
    from pacte.web.auth.by_link import _digest

    subject = site.subject(site.shop.permitted[0])
    link = links.seal(site.house, SIGN_IN, {"subject": subject, "browser": _digest("here")}, SIGN_IN_LASTS)
    erase(site.house, subject)
    site.client.cookies.set("pacte-asked", "here|me")
    assert site.post(f"/en/sign-in/{link}").status_code == 403
    with site.house.reading() as conn:
        assert session.listed(conn, subject) == []


@pytest.mark.parametrize(("method", "counts"), [("web_form", True), ("phone", True), ("paper", False)])
def test_a_no_by_a_slow_clock_counts_from_when_it_came(site: Site, method: str, counts: bool) -> None:
    """A yes, then a no that a program dates a minute before it: the no holds; a paper of that day does not."""
    person = f"email:{site.shop.permitted[0]}"
    site.clock.forward(1)
    yes = site.house.choose(person, "newsletter", "given", by="person", channel="email", notice="web-2024", **WEB)
    site.clock.forward(1e-5)
    caller = program(site, "choices:write", bound=("newsletter",))
    said = {"person": person, **PERSON, "act": "withdrawn", "method": method}
    said["effective"] = to_iso(Instant(yes.at - 90 * SECOND))
    answer = caller.post("/choices", said)
    assert answer.status_code == 201, answer.text
    assert _permitted(site, person) is not counts
    assert site.house.check() == []


def test_an_earlier_no_that_arrives_first_bears_its_day(home: World) -> None:
    """Without a later yes nothing is moved: what a program sends in order keeps its dates."""
    subject = home.people[0]
    past = Instant(home.clock() - 3_600 * SECOND)
    home.house.choose(subject, "newsletter", "withdrawn", by="shop", channel="email", effective=past, **WEB)
    with home.house.reading() as conn:
        entry = log.of_subject(conn, SubjectId(subject))[-1][1]
    assert entry is not None
    assert entry["effective"] == past


def _answered(site: Site, lang: str = "en", **said: Any) -> Any:
    """Somebody signed in opens the form and answers it at once."""
    page = site.get(f"/{lang}/forms/account").text
    site.clock.forward(1e-4)
    return site.client.post(f"/{lang}/forms/account", data={**shown(page), **said})


def _link(site: Site, email: str) -> str:
    """The path of the link that a stranger's answer to a form sends to an address."""
    page = site.get("/en/forms/letter").text
    said = {"yes": "newsletter.email", "customers.email": email, "over": "1", "place": "FR", "act": "save"}
    site.client.post("/en/forms/letter", data={**shown(page), **said})
    with site.house.reading() as conn:
        ((name, subject),) = db.fetch(conn, "SELECT id, subject FROM optin WHERE state = 'pending'")
    says = {"request": name, "subject": subject, "form": "letter"}
    return f"/en/confirm/{links.seal(site.house, optin.LETTER, says, optin.LINK_LASTS)}"


def _confirmed(site: Site, link: str) -> Any:
    page = site.get(link).text
    notice = re.search(r'name="notice" value="([^"]+)"', page)
    return site.client.post(link, data={"csrf": csrf(page), "notice": notice[1] if notice else ""})


def test_no_to_everything_takes_an_earlier_yes_back(site: Site) -> None:
    """The form says that a yes stands; the button that refuses withdraws it, and the page says so; again it says no."""
    subject = site.as_person(site.shop.permitted[0])
    assert "You have said yes to this already" in site.get("/en/forms/account").text
    assert "Vous avez déjà dit oui à ceci" in site.get("/fr/forms/account").text
    before = len(choices(site.house, subject))
    saved = _answered(site, act="save")
    assert "What you had said before stands as it was" in saved.text
    assert _permitted(site, subject)
    done = _answered(site, yes="newsletter.email", act="none")
    assert "You said no to all of this" in done.text
    assert not _permitted(site, subject)
    new = {(purpose, channel): act for purpose, channel, act, _ in choices(site.house, subject)[before:]}
    assert new["newsletter", "email"] == "withdrawn"
    assert new["newsletter", "sms"] == "refused"
    assert set(new.values()) <= {"withdrawn", "refused"}
    assert "You have said yes to this already" not in site.get("/en/forms/account").text
    assert site.house.check() == []


def test_an_older_answer_does_not_come_back_under_its_ticket(site: Site) -> None:
    """Yes, then no, then the same yes sent once more: it is no new yes, and the no stands; a no is never replayed."""
    subject = site.as_person(site.shop.permitted[0])
    fields = {**shown(site.get("/en/forms/account").text), "yes": "newsletter.sms"}
    answers = []
    for act in ("save", "save", "none", "save"):
        site.clock.forward(1e-4)
        answers.append(site.client.post("/en/forms/account", data={**fields, "act": act}).status_code)
    assert answers == [200, 200, 200, 409]
    assert not site.house.may(subject, "newsletter", channel="sms").permitted
    given = [one for one in choices(site.house, subject) if one[:3] == ("newsletter", "sms", "given")]
    assert len(given) == 1


def test_one_ticket_in_the_hands_of_two(site: Site) -> None:
    """A second person's answer under the same ticket is their own; all boxes of an answer are one commit."""
    first, second = site.shop.permitted[:2]
    fields = {**shown(site.get("/en/forms/account").text), "yes": "newsletter.sms", "act": "save"}
    site.as_person(first)
    fields |= shown(site.get("/en/forms/account").text)
    subjects = []
    for email in (first, second):
        site.clock.forward(1e-4)
        subjects.append(site.as_person(email))
        assert site.client.post("/en/forms/account", data=fields).status_code == 200
    for subject in subjects:
        assert ("newsletter", "sms", "given", "form") in choices(site.house, subject)
    with site.house.reading() as conn:
        found = [entry for _, entry in log.of_subject(conn, subjects[1]) if entry and entry["by"] == "person"]
    assert len({entry["at"] for entry in found if entry.get("form")}) == 1
    assert site.house.check() == []


def test_an_older_yes_is_not_confirmed_over_a_later_no(site: Site) -> None:
    """Asked by a form, refused since: the link says so, and confirms nothing, whenever it is opened."""
    email = site.shop.permitted[0]
    subject = site.subject(email)
    link = _link(site, email)
    assert "Yes, I confirm" in site.get(link).text
    before = site.get(link).text
    choose(site.house, subject, "newsletter", "withdrawn", by="person", **WEB)
    site.clock.forward(1e-4)
    for path, said in ((link, "You have said no since"), (link.replace("/en/", "/fr/"), "Vous avez dit non depuis")):
        page = site.get(path)
        assert (page.status_code, said in page.text) == (410, True)
    notice = re.search(r'name="notice" value="([^"]+)"', before)
    assert notice is not None
    late = site.client.post(link, data={"csrf": csrf(before), "notice": notice[1]}, follow_redirects=False)
    assert late.status_code == 410
    assert not _permitted(site, subject)
    assert "pacte-person" not in str(late.headers)
    assert site.house.check() == []


def test_a_link_whose_time_is_over_shows_nobody_what_was_chosen(site: Site) -> None:
    """Once confirmed it shows the choices and the receipt for three days; later only that it was, in both languages."""
    link = _link(site, site.shop.permitted[0])
    assert _confirmed(site, link).status_code == 200
    site.client.cookies.delete("pacte-person")
    page = site.get(link).text
    entry = re.search(r'name="entry" value="(\d+)"', page)
    assert entry is not None
    kept = {"csrf": csrf(page), "entry": entry[1]}
    assert site.client.post(f"{link}/receipt", data=kept).status_code == 200
    site.clock.forward(3.5)
    for path, said in ((link, "sign in to see it"), (link.replace("/en/", "/fr/"), "connectez-vous pour le voir")):
        page = site.get(path).text
        assert said in page
        assert 'name="entry"' not in page
        assert "ewsletter" not in page
    kept["csrf"] = csrf(site.get("/en/sign-in").text)
    late = site.client.post(f"{link}/receipt", data=kept, follow_redirects=False)
    assert (late.status_code, late.headers["location"].startswith("/en/sign-in")) == (303, True)
