"""Letters leave over real SMTP: with TLS and a password, once the server is there, never to whom we may not write."""

from __future__ import annotations

import email
import email.policy
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pacte.app import links
from pacte.app.doctor import examine
from pacte.app.duties import ended_jobs
from pacte.app.erase import erase
from pacte.app.house import House, open_house
from pacte.app.letters import SEND, SIGN_IN, letter_job
from pacte.app.mail import check
from pacte.app.people import people_of
from pacte.app.settings import FILE, MailSettings, write_letters_folder
from pacte.app.worker import work
from pacte.kernel import jobs
from pacte.kernel.errors import BadInput
from pacte.kernel.ids import SubjectId
from pacte.testing.shop import Shop, shop
from tests.app.mail import PASSWORD, USER, certificate, mail_server


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Shop]:
    """A shop with a few customers."""
    found = shop(tmp_path / "house", tmp_path / "files", people=40)
    yield found
    found.house.close()


def _with_mail(found: Shop, **settings: Any) -> House:
    words = "\n".join(f"{name} = {value!r}".replace("'", '"') for name, value in settings.items())
    target = found.house.path / FILE
    target.write_text(
        target.read_text("utf-8") + f'\n[mail]\nhost = "127.0.0.1"\nfrom = "Shop <hello@shop.example>"\n{words}\n'
    )
    return open_house(found.house.path, clock=found.clock)


def _asked(house: House, email: str) -> SubjectId:
    with house.writing() as conn:
        subject = people_of(house, conn, f"email:{email}")[0]
        jobs.add(conn, [letter_job(SIGN_IN, subject, "fr", "0" * 32, house.clock())])
    return subject


def _work(house: House) -> Any:
    return work(house, threading.Event(), once=True)


def test_a_letter_leaves_with_tls_and_a_password(here: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of TLS; the letter is in French, marked as automatic, and its link opens what it says."""
    monkeypatch.setenv("SMTP_PASSWORD", PASSWORD)
    pem = certificate(tmp_path)
    for tls in ("starttls", "implicit"):
        with mail_server(tls, pem, password=True) as box:
            house = _with_mail(here, port=box.port, tls=tls, user=USER, password="env:SMTP_PASSWORD", ca=str(pem))
            subject = _asked(house, here.permitted[0])
            assert _work(house).failed == 0
            assert [one["To"] for one in box.taken] == [here.permitted[0]]
            assert box.taken[0]["Auto-Submitted"] == "auto-generated"
            token = re.search(r"/fr/sign-in/(\S+)", box.letter())
            assert token is not None
            assert links.opened(house, SIGN_IN, token[1])["subject"] == subject
            assert "quinze minutes" in box.letter()
            house.close()
            here.clock.forward(1)
            text = (here.house.path / FILE).read_text("utf-8")
            (here.house.path / FILE).write_text(text.split("\n[mail]")[0])


def test_a_server_that_is_away_is_waited_for(here: Shop) -> None:
    """Nothing listens, then the server refuses, then it takes: one letter, and every failure is a code."""
    with mail_server() as box:
        house = _with_mail(here, port=box.port, tls="none")
        box.refuse = "451 later"
        _asked(house, here.permitted[0])
        assert _work(house).failed == 1
        with house.reading() as conn:
            (job,) = [one for one in jobs.listed(conn) if one.kind == "send_mail"]
        assert (job.error, job.attempts) == ("unsafe", 1)
        box.refuse = ""
        here.clock.forward(1 / 24)
        assert _work(house).failed == 0
        here.clock.forward(1 / 24)
        _work(house)
        assert len(box.taken) == 1
        assert house.check() == []
        house.close()


def test_no_letter_to_whom_we_may_not_write(here: Shop) -> None:
    """A letter that waited too long, or that the gate does not permit, ends undone and says why, without a name."""
    with mail_server() as box:
        house = _with_mail(here, port=box.port, tls="none")
        late = _asked(house, here.permitted[0])
        here.clock.forward(1.5)
        gone = _asked(house, here.permitted[1])
        erase(house, f"email:{here.permitted[1]}")
        report = _work(house)
        assert box.taken == []
        assert (report.ended, report.failed) == (2, 0)
        over = {job.about: (job.state, job.error) for job in ended_jobs(house)}
        assert over == {late: ("ended", "too_late"), gone: ("ended", "erased")}
        with house.reading() as conn:
            assert [job for job in jobs.listed(conn) if job.kind == SEND] == []  # nothing waits, nothing is tried again
        here.clock.forward(40)
        work(house, threading.Event(), once=True, trust_clock=True)
        assert ended_jobs(house) == []  # forgotten with what was done then
        assert house.check() == []
        house.close()


def test_a_letter_that_ended_is_asked_for_again(here: Shop) -> None:
    """Whoever waited for a letter that came too late asks anew, and gets it."""
    with mail_server() as box:
        house = _with_mail(here, port=box.port, tls="none")
        _asked(house, here.permitted[0])
        here.clock.forward(1.5)
        _work(house)
        _asked(house, here.permitted[0])
        assert (_work(house).ended, len(box.taken), len(ended_jobs(house))) == (0, 1, 1)
        house.close()


def test_settings_that_would_send_in_the_clear_are_refused() -> None:
    """TLS may be left out on this machine only; a sender is needed."""
    for settings in ({"host": "mail.example", "tls": "none", "from": "a@b.example"}, {"host": "mail.example"}):
        with pytest.raises(BadInput):
            check(MailSettings.model_validate(settings))
    check(MailSettings.model_validate({}))


def test_letters_to_try_with_are_put_into_a_folder(here: Shop) -> None:
    """For invented people a letter becomes a file for its owner alone, and its page leads to the same link."""
    write_letters_folder(here.house.path)
    house = open_house(here.house.path, clock=here.clock)
    _asked(house, here.permitted[0])
    _work(house)
    folder = here.house.path / "letters"
    written, page = sorted(folder.iterdir())
    assert (written.suffix, page.suffix) == (".eml", ".html")
    assert {folder.stat().st_mode & 0o777, written.stat().st_mode & 0o777} == {0o700, 0o600}
    message = email.message_from_bytes(written.read_bytes(), policy=email.policy.default)
    assert message["To"] == here.permitted[0]
    assert re.search(r"/fr/sign-in/[\w-]+", page.read_text("utf-8"))
    assert "letters_in_folder" in {finding.code for finding in examine(house)}
    house.close()


def test_letters_are_sent_or_put_into_a_folder() -> None:
    """A house that would do both says so instead."""
    with pytest.raises(BadInput, match="`host` and a `folder`"):
        check(MailSettings(host="127.0.0.1", folder="letters"))
