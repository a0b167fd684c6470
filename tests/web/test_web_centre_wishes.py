"""How to reach me, and how much is chosen for me: recorded, taken back, never presumed, never from an old page."""

from __future__ import annotations

import re
from typing import Any

from pacte.app import levels, preferences
from pacte.ledger import log
from tests.web.conftest import Site
from tests.web.policies import richer, tell

PAGE = "/en/me/preferences"


def _form(site: Site, action: str, **named: str) -> dict[str, str]:
    """The hidden fields of the form of a page that goes to `action`, and holds these."""
    for form in re.findall(rf'<form method="post" action="/en/me/{action}".*?</form>', site.get(PAGE).text, re.S):
        found = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))
        if all(found.get(name) == value for name, value in named.items()):
            return {name: value for name, value in found.items() if name != "csrf"}
    raise AssertionError("no such form on the page")


def _wish(site: Site, fields: dict[str, str], **more: str) -> Any:
    site.clock.forward(1e-4)
    return site.post(PAGE, fields | more)


def _level(site: Site, level: int, **more: str) -> Any:
    site.clock.forward(1e-4)
    return site.post(
        "/en/me/personalisation", {**_form(site, "personalisation"), "level": str(level), **more}, shown=PAGE
    )


def test_a_wish_is_recorded_and_can_be_taken_back(site: Site) -> None:
    """Each setting that is another than before is one entry; undoing records what held before."""
    subject = site.as_person(site.shop.permitted[0], "link")
    sent = {"reach": "first", "frequency": "weekly", "from": "21", "to": "8"}
    answer = _wish(site, _form(site, "preferences", channel="email"), **sent)
    assert answer.status_code == 303, answer.text
    assert re.fullmatch(rf"{PAGE}\?done=\d+#email", answer.headers["location"])
    held = {key: one.value for key, one in preferences.preferences(site.house, subject).items()}
    assert held == {("email", "reach"): "first", ("email", "frequency"): "weekly", ("email", "quiet"): "21-08"}
    page = site.get(answer.headers["location"].split("#")[0]).text
    assert "Saved. It counts from now on." in page
    assert '<option value="21" selected>' in page
    undo = next(form for form in re.findall(r"<form.*?</form>", page, re.S) if "Undo" in form)
    fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', undo))
    assert _wish(site, {name: value for name, value in fields.items() if name != "csrf"}).status_code == 303
    again = preferences.preferences(site.house, subject)
    assert {one.value for one in again.values()} == {"also", "as_announced", "none"}
    with site.house.reading() as conn:
        said = [one for _, one in log.of_subject(conn, subject) if one["kind"] == "preference"]
    assert len(said) == 6
    assert {one["by"] for one in said} == {"person"}
    unchanged = _wish(site, _form(site, "preferences", channel="email"), reach="also")
    assert unchanged.headers["location"] == f"{PAGE}#email"
    assert site.house.check() == []


def test_two_tabs_that_wish_for_different_things(site: Site) -> None:
    """The later one is shown what stands now; nothing of its click is recorded. Another channel is another matter."""
    subject = site.as_person(site.shop.permitted[0], "link")
    old, other = _form(site, "preferences", channel="email"), _form(site, "preferences", channel="sms")
    assert _wish(site, old, frequency="monthly").status_code == 303
    late = _wish(site, old, frequency="weekly")
    assert (late.status_code, "changed elsewhere meanwhile" in late.text) == (409, True)
    assert _wish(site, other, frequency="weekly").status_code == 303
    held = preferences.preferences(site.house, subject)
    assert (held["email", "frequency"].value, held["sms", "frequency"].value) == ("monthly", "weekly")


def test_only_what_there_is_can_be_wished(site: Site) -> None:
    """Other words, hours, settings and channels are refused, and somebody else's undo is not offered."""
    first, second = site.shop.permitted[:2]
    site.as_person(first, "link")
    fields = _form(site, "preferences", channel="email")
    for wrong in (
        {"frequency": "hourly"},
        {"from": "25", "to": "3"},
        {"from": "x", "to": "3"},
        {"quiet": "08-08"},
        {"quiet": "some text of a person"},
        {"channel": "web"},
        {"channel": "pigeon"},
        {"channel": "pigeon", "from": "21", "to": ""},
        {"channel": "post", "from": "21", "to": ""},
        {"channel": "post", "from": "1", "to": "2"},
    ):
        assert _wish(site, fields | wrong).status_code == 400
    assert preferences.preferences(site.house, site.subject(first)) == {}
    done = preferences.wish(site.house, site.subject(second), "email", {"frequency": "weekly"}, by="person")
    for index in (done, 0, 99999999, "x"):
        assert 'role="status"' not in site.get(f"{PAGE}?done={index}").text


def test_quiet_hours_half_filled_in_are_asked_again(site: Site) -> None:
    """The empty side is named, in words and at the field; what was chosen stays, and nothing is recorded."""
    subject = site.as_person(site.shop.permitted[0], "link")
    fields = _form(site, "preferences", channel="email") | {"frequency": "weekly"}
    for said, empty in (({"from": "21", "to": ""}, "to"), ({"from": "", "to": "0"}, "from"), ({"from": "21"}, "to")):
        answer = _wish(site, fields | said)
        assert answer.status_code == 422
        assert 'role="alert"' in answer.text
        assert f'<a href="#email-{empty}">Quiet hours: choose an hour' in answer.text
        field = re.search(rf'<select id="email-{empty}"[^>]*>', answer.text)
        assert field is not None
        assert f'aria-describedby="email-{empty}-problem" aria-invalid="true"' in field[0]
        email = answer.text.split('id="email"')[1].split('id="sms"')[0]
        assert '<option value="weekly" selected>' in email
        assert 'aria-invalid="true"' not in answer.text.split('id="sms"')[1]
        typed = next(hour for hour in said.values() if hour)
        assert f'<option value="{typed}" selected>' in email
    assert preferences.preferences(site.house, subject) == {}
    for none in ({"from": "", "to": ""}, {"from": "5", "to": "5"}):
        assert _wish(site, _form(site, "preferences", channel="email") | none).status_code == 303
    assert preferences.preferences(site.house, subject) == {}


def test_a_level_is_its_choices_recorded_together(site: Site) -> None:
    """None holds before somebody asks; a level is a yes up to it and a no beyond, in one commit, with a way back."""
    richer(site.house)
    email = site.shop.permitted[0]
    subject = site.as_person(email, "link")
    tell(site.house, subject)
    page = site.get(PAGE).text
    assert "You were never asked, so nothing is chosen for you." in page
    assert not re.search(r'name="level"[^>]*checked', page)
    assert "a no to whatever goes further: both are recorded" in page
    answer = _level(site, 2)
    assert answer.headers["location"] == f"{PAGE}?from=0#personalisation"
    with site.house.reading() as conn:
        said = [(at, one) for at, one in log.of_subject(conn, subject) if one["kind"] == "choice"][-3:]
    assert [(one["purpose"], one["act"], one.get("notice_version")) for _, one in said] == [
        ("this_purchase", "given", "4"),
        ("my_history", "given", "4"),
        ("my_tastes", "refused", None),
    ]
    assert len({one["at"] for _, one in said}) == 1
    assert site.house.may(f"email:{email}", "my_history").permitted
    assert levels.steps(site.house, subject, "en").level == 2
    page = site.get(f"{PAGE}?from=0").text
    assert "It counts from now on: My history" in page
    assert "No to what goes further: My tastes" in page
    assert re.search(r'id="level-2"[^>]* checked', page)
    assert _level(site, 1).status_code == 303
    assert not site.house.may(f"email:{email}", "my_history").permitted
    assert site.house.may(f"email:{email}", "this_purchase").permitted
    assert _level(site, 0).status_code == 303
    assert levels.steps(site.house, subject, "en").level == 0
    with site.house.reading() as conn:
        size = log.head(conn).size
    assert _level(site, 0).headers["location"] == f"{PAGE}#personalisation"
    with site.house.reading() as conn:
        assert log.head(conn).size == size
        told = [one.target for one in _tellings(conn) if one.about == subject]
    assert told == ["mailer"]  # who received the data is told that the yes was taken back
    assert site.house.check() == []


def _tellings(conn: Any) -> list[Any]:
    """The jobs that tell a recipient, each with the entry that asks for it."""
    from pacte.kernel import jobs

    return [one for one in jobs.listed(conn) if one.kind == "tell_recipient"]


def test_levels_of_two_tabs_of_another_text_and_of_single_choices(site: Site) -> None:
    """More is recorded only as it was shown; less always; choices made one by one may make no level."""
    richer(site.house)
    subject = site.as_person(site.shop.permitted[0], "link")
    tell(site.house, subject)
    old = _form(site, "personalisation")
    assert _level(site, 1).status_code == 303
    late = site.post("/en/me/personalisation", {**old, "level": "2"}, shown=PAGE)
    assert (late.status_code, "changed elsewhere meanwhile" in late.text) == (409, True)
    assert levels.steps(site.house, subject, "en").level == 1
    assert site.post("/en/me/personalisation", {**old, "level": "0"}, shown=PAGE).status_code == 303
    assert levels.steps(site.house, subject, "en").level == 0
    for wrong in ("4", "99"):
        assert (
            site.post(
                "/en/me/personalisation", {**_form(site, "personalisation"), "level": wrong}, shown=PAGE
            ).status_code
            == 409
        )
    for wrong in ("", "x", "-1"):
        answer = site.post("/en/me/personalisation", {**_form(site, "personalisation"), "level": wrong}, shown=PAGE)
        assert (answer.status_code, "Choose one of the levels" in answer.text) == (422, True)
    site.clock.forward(1e-4)
    site.house.choose(
        subject,
        "my_history",
        "given",
        by="person",
        method="phone",
        grade="form",
        authenticated=True,
        notice="more-2026-fr",
    )
    assert levels.steps(site.house, subject, "en").level is None
    assert "your choices match none of these levels" in site.get(PAGE).text
    mixed = site.post("/en/me/personalisation", {**old, "level": "1"}, shown=PAGE)
    assert mixed.status_code == 409
    assert levels.steps(site.house, subject, "en").level == 0  # the yes was refused, the no beside it was not
