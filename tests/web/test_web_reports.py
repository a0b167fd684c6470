"""The API for what comes back of messages: reports of mail servers, answers to text messages."""

from __future__ import annotations

import json
from typing import Any

from pacte.ledger import log
from tests.web.conftest import Site
from tests.web.programs import key_for

MAIL = {"content-type": "message/rfc822"}
LETTER = b"Subject: a question\r\n\r\nWho are you?"


def _post(site: Site, path: str, content: bytes, kind: str, *scopes: str) -> Any:
    key = key_for(site.house, *scopes)
    headers = {"authorization": f"Bearer {key}", "content-type": kind}
    return site.client.post(f"/api/v1/{path}", content=content, headers=headers)


def test_a_report_is_a_mail_as_it_came(site: Site) -> None:
    """It is taken as `message/rfc822` and nothing else; what is no report changes nothing."""
    answer = _post(site, "bounces", LETTER, "message/rfc822", "reports:write")
    assert (answer.status_code, answer.json()) == (200, {"suppressed": 0, "soft": 0, "ended": 0, "unmatched": 0})
    assert _post(site, "bounces", LETTER, "application/json", "reports:write").status_code == 415


def test_reports_need_their_own_scope(site: Site) -> None:
    """A key that may record choices may not hand reports over, and without a key nobody may."""
    assert _post(site, "bounces", LETTER, "message/rfc822", "choices:write").status_code == 403
    assert site.client.post("/api/v1/bounces", content=LETTER, headers=MAIL).status_code == 401
    assert site.client.post("/api/v1/replies", json={"from": "+33639981234", "text": "STOP"}).status_code == 401


def test_a_report_larger_than_any_is_refused(site: Site) -> None:
    """More than a mebibyte is not read."""
    answer = _post(site, "bounces", b"x" * ((1 << 20) + 1), "message/rfc822", "reports:write")
    assert answer.status_code == 413


def test_a_report_that_is_made_to_break_the_reader_is_none(site: Site) -> None:
    """It is answered as a letter is, whatever stands where an address should."""
    open_ = b"Content-Type: multipart/report; boundary=B\r\n\r\n--B\r\nContent-Type: message/delivery-status\r\n\r\n"
    for word in (b"(", b"a:", b"<", b"\0"):
        said = open_ + b"Action: failed\r\nFinal-Recipient: rfc822;" + word * 1_900 + b"\r\n\r\n--B--\r\n"
        answer = _post(site, "bounces", said, "message/rfc822", "reports:write")
        assert (answer.status_code, set(answer.json().values())) == (200, {0}), word


def test_an_answer_does_not_say_who_is_known(site: Site) -> None:
    """STOP of a stranger is answered as that of a customer, and nothing is recorded about them."""
    with site.house.reading() as conn:
        size = log.head(conn).size
    for words, ends in (("STOP", True), ("Bonjour", False)):
        said = json.dumps({"from": "+33639981234", "text": words}).encode()
        answer = _post(site, "replies", said, "application/json", "reports:write")
        assert (answer.status_code, answer.json()) == (200, {"ends": ends})
    with site.house.reading() as conn:
        assert {entry["kind"] for _, entry in log.entries(conn, size) if entry} <= {"api_key"}
