"""The console's page of forms: each version as it was shown, inert; its picture; its information; who answered it."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest

from pacte.app import form_versions, forms, pictures
from pacte.app.form_answers import choose
from pacte.app.publish import publish
from pacte.app.worker import work
from pacte.kernel import jobs
from tests.web.conftest import Site
from tests.web.staff import signed_in

PNG = b"\x89PNG\r\n\x1a\n-a-picture"
BROWSER = """#!/bin/sh
for one in "$@"; do case $one in --screenshot=*) printf picture > "${one#*=}";; esac; done
"""


def _kept(site: Site, name: str, lang: str = "en", to: str = "stranger") -> str:
    """A form that was shown; its digest."""
    found = forms.shown(site.house, name, lang, to)
    forms.remember(site.house, found, picture=False)
    return found.digest


def _refuse(site: Site, emails: tuple[str, ...]) -> str:
    """These people say no to everything in a form; its digest."""
    found = forms.shown(site.house, "letter", "en", "known")
    site.clock.forward(1e-4)
    for email in emails:
        seen, _ = forms.answered(site.house, "letter", forms.ticket(site.house, found), [], ("known",))
        choose(site.house, site.subject(email), seen, found, [], none=True)
    return found.digest


def test_every_version_is_listed_with_its_information_and_its_line(site: Site) -> None:
    """What is shown now is marked, its text linked, with the line that embeds it; an application draws its own."""
    signed_in(site, "agent")
    digest, drawn = _kept(site, "letter"), _kept(site, "letter", to="program")
    page = site.get("/en/staff/forms").text
    for one in (digest, drawn):
        assert f'href="/en/staff/forms/{one}"' in page
    assert page.count("shown now") == 2
    assert "fewer than 10" in page
    one = site.get(f"/en/staff/forms/{digest}").text
    assert digest in one
    assert 'href="/en/notice/3"' in one
    assert "data-form=&#34;letter&#34;" in one
    assert "/en/forms/embed.js" in one
    assert "none yet" in one
    told = site.get(f"/en/staff/forms/{drawn}").text
    assert ">newsletter.email</dd>" in told
    assert 'href="/en/notice/3"' in told
    assert "<iframe" not in told
    assert site.get(f"/en/staff/forms/{drawn}/shown").status_code == 404
    for unknown in ("0" * 64, "pictures", "x"):
        assert site.get(f"/en/staff/forms/{unknown}").status_code == 404


def test_a_version_that_the_policy_changed_is_kept_and_marked_no_more(site: Site) -> None:
    """Both stand there; the information of the older is still named, and a form that is gone says so."""
    signed_in(site, "auditor")
    old = _kept(site, "letter")
    file = site.house.path / "policy.yaml"
    text = file.read_text("utf-8")
    file.write_text(text.replace("One letter a month,", "Two letters a month,"), "utf-8")
    publish(site.house, "owner")
    new = _kept(site, "letter")
    page = site.get("/en/staff/forms").text
    assert page.index(new) < page.index(old)
    assert page.count("shown now") == 1
    gone = text[: text.index("\n  letter:\n")] + text[text.index("\n  account:\n") :]
    file.write_text(gone, "utf-8")
    publish(site.house, "owner")
    page = site.get("/en/staff/forms").text
    assert "declares it no more" in page
    assert "shown now" not in page
    shown = site.get(f"/en/staff/forms/{old}").text
    assert 'href="/en/notice/3"' in shown
    assert "data-form" not in shown


def test_what_was_shown_is_inert(site: Site) -> None:
    """Word by word; without script, without sending, in a frame of ours alone; the picture beside it."""
    signed_in(site, "agent")
    digest = _kept(site, "account", "fr")
    answer = site.get(f"/fr/staff/forms/{digest}/shown")
    assert forms.body(site.house, digest) in answer.text
    policy = answer.headers["content-security-policy"]
    for part in ("sandbox allow-same-origin;", "default-src 'none'", "form-action 'none'", "frame-ancestors 'self'"):
        assert part in policy
    assert "script-src" not in policy
    page = site.get(f"/fr/staff/forms/{digest}")
    assert "frame-src 'self'" in page.headers["content-security-policy"]
    assert re.search(r'<iframe[^>]* sandbox="allow-same-origin" src="/fr/staff/forms/', page.text)
    assert site.get(f"/fr/staff/forms/{digest}/picture").status_code == 404
    forms.keep_picture(site.house, digest, PNG)
    shown = site.get(f"/fr/staff/forms/{digest}/picture")
    assert (shown.content, shown.headers["content-type"]) == (PNG, "image/png")
    assert f'src="/fr/staff/forms/{digest}/picture"' in site.get(f"/fr/staff/forms/{digest}").text


def test_a_choice_made_in_a_form_leads_to_the_form_as_it_was_shown(site: Site) -> None:
    """From the inspector to the version that the choice names; where few answered, no number is said."""
    digest = _refuse(site, site.shop.permitted[:1])
    signed_in(site, "agent")
    answer = site.post("/en/staff/people", {"person": site.shop.permitted[0], "reason": "request"})
    link = re.search(r'href="/en/staff/forms/([0-9a-f]{64})"', site.get(answer.headers["location"]).text)
    assert link is not None
    assert link[1] == digest
    assert "fewer than 10" in site.get(f"/en/staff/forms/{digest}").text


def test_people_who_answered_are_counted_once_a_week_and_in_bands(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the smallest number on the band shows; who answers on a Tuesday changes nothing before the next Monday."""
    monkeypatch.setattr(form_versions, "SMALLEST", 3)
    digest = _refuse(site, site.shop.permitted[:2])
    cell = re.compile(rf"{digest}.*?<td class=\"n\"[^>]*>(.*?)</td>", re.S)
    said = []
    for later in (0, 1, 7):
        site.clock.forward(later)
        signed_in(site, "dpo")
        shown = cell.search(site.get("/en/staff/forms").text)
        assert shown is not None
        said.append(shown[1])
        _refuse(site, site.shop.permitted[1:4])
    assert said == ["fewer than 10", "fewer than 10", "3 or more"]


def test_a_missing_picture_is_tried_daily_and_at_once_when_asked(
    site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without a browser the page says so and when it is tried again; whoever may, asks for a try; then there is one."""
    program = tmp_path / "chromium"
    monkeypatch.setenv("PACTE_CHROMIUM", str(program))
    digest = _kept(site, "letter")
    work(site.house, threading.Event(), once=True)
    signed_in(site, "agent")
    page = site.get("/en/staff/forms").text
    assert "There is no Chromium on this machine" in page
    assert "Tried daily, 14 times at most; so far: 1." in page
    assert 'action="/en/staff/forms/pictures"' not in page
    program.write_text(BROWSER)
    program.chmod(0o755)
    assert "Chromium has not taken it yet" in site.get("/en/staff/forms").text
    signed_in(site, "owner")
    answer = site.post("/en/staff/forms/pictures", shown="/en/staff/forms")
    assert answer.headers["location"] == "/en/staff/forms?done"
    assert "The worker tries now" in site.get("/en/staff/forms?done").text
    work(site.house, threading.Event(), once=True)
    assert forms.picture(site.house, digest) == b"picture"
    assert "Every form has its picture." in site.get("/en/staff/forms").text
    site.clock.forward(1)
    work(site.house, threading.Event(), once=True)
    with site.house.reading() as conn:
        assert [one for one in jobs.listed(conn) if one.kind == "keep_forms"] == []
    assert pictures.state(site.house).missing == 0
    assert site.house.check() == []
