"""Bounces and complaints, as mail servers and strangers write them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacte.kernel.i18n import LANGUAGES
from pacte.uses.message import bounce, complaint, reports
from pacte.uses.message.bounce import Bounce
from pacte.uses.message.complaint import Complaint

DSN = """\
From: MAILER-DAEMON@mx.example.net (Mail Delivery System)
To: bounces+0f1e2d@shop.example
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="B"
Content-Transfer-Encoding: 8bit

--B
Content-Type: text/plain; charset=us-ascii

This is the mail system. I'm sorry to have to inform you.

--B
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net
X-Postfix-Queue-ID: 3F2A

Final-Recipient: rfc822; ada@example.net
Original-Recipient: rfc822;ada@example.net
Action: {action}
Status: {status}
Diagnostic-Code: smtp; {said}

--B
Content-Type: {sent_along}

Return-Path: <bounces+0f1e2d@shop.example>
From: La Maison <news@shop.example>
To: ada@example.net
Message-ID: <m1.abc@shop.example>
List-Unsubscribe: <https://privacy.shop.example/u/tok-en_1>
Feedback-ID: 00ff
Subject: Offers

--B--
"""
ARF = """\
From: <feedback@service.example>
To: complaints@shop.example
Subject: FW: Offers
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="B"

--B
Content-Type: text/plain

This is a report about a mail.

--B
Content-Type: message/feedback-report

Feedback-Type: {kind}
User-Agent: SomeService/1.0
Version: 1
Original-Mail-From: <bounces+0f1e2d@shop.example>
{to}
--B
Content-Type: message/rfc822

From: La Maison <news@shop.example>
To: ada@example.net
Message-ID: <m1.abc@shop.example>
List-Unsubscribe: <https://privacy.shop.example/u/tok-en_1>
Feedback-ID: 00ff
Subject: Offers

Hello
--B--
"""


def dsn(
    status: str = "5.1.1", said: str = "550 5.1.1 no", action: str = "failed", sent_along: str = "message/rfc822"
) -> bytes:
    """A report of a bounce as Postfix writes them."""
    return DSN.format(status=status, said=said, action=action, sent_along=sent_along).replace("\n", "\r\n").encode()


def arf(kind: str = "abuse", to: str = "Original-Rcpt-To: <ada@example.net>\n") -> bytes:
    """A report of a complaint."""
    return ARF.format(kind=kind, to=to).replace("\n", "\r\n").encode()


def bounced(raw: bytes) -> tuple[Bounce, ...]:
    """Whom a mail says another did not reach."""
    return bounce.read(reports.parsed(raw))


def complained(raw: bytes) -> Complaint | None:
    """What a mail complains of."""
    return complaint.read(reports.parsed(raw))


@pytest.mark.parametrize("sent_along", ["message/rfc822", "text/rfc822-headers"])
def test_a_bounce_says_who_why_and_which_mail(sent_along: str) -> None:
    """The recipient, the code, the mail's identifier and the token of its return path are found."""
    (found,) = bounced(dsn(sent_along=sent_along))
    assert found.recipient.reveal() == "ada@example.net"
    assert (found.status, found.permanent) == ("5.1.1", True)
    assert (found.message_id, found.token) == ("<m1.abc@shop.example>", "0f1e2d")
    assert "ada" not in repr(found)


@pytest.mark.parametrize(
    ("status", "said", "permanent"),
    [
        ("5.1.1", "550 no such user", True),
        ("5.2.1", "550 mailbox disabled", True),
        ("5.2.2", "552 mailbox full", False),
        ("5.7.1", "550 5.7.1 rejected as spam", False),
        ("4.4.7", "delivery time expired", False),
        ("5.0.0", "550 5.1.1 <x>: Recipient address rejected: User unknown", True),
        ("5.0.0", "554 blocked by policy", False),
        ("5.4.1", "550 Recipient address not found", True),
        ("nonsense", "550 No such mailbox", True),
    ],
)
def test_only_an_address_that_is_gone_is_permanent(status: str, said: str, permanent: bool) -> None:
    """A full mailbox, a filter and a server that is away say nothing against the address."""
    (found,) = bounced(dsn(status, said))
    assert found.permanent is permanent


@pytest.mark.parametrize("action", ["delayed", "delivered", "relayed", "expanded", ""])
def test_what_did_arrive_or_still_may_is_no_bounce(action: str) -> None:
    """Only `failed` ends a mail."""
    assert bounced(dsn(action=action)) == ()


def test_a_complaint_says_who_and_which_mail() -> None:
    """The person, the mail, and its own address to unsubscribe at are found."""
    found = complained(arf())
    assert found is not None
    assert found.recipient is not None
    assert found.recipient.reveal() == "ada@example.net"
    assert (found.kind, found.message_id, found.token) == ("abuse", "<m1.abc@shop.example>", "0f1e2d")
    assert (found.unsubscribe, found.feedback) == ("https://privacy.shop.example/u/tok-en_1", "00ff")
    assert "tok-en" not in repr(found)


def test_a_complaint_without_a_recipient_has_the_mails() -> None:
    """Services often leave out who complained; the mail that they send along says it."""
    found = complained(arf(to=""))
    assert found is not None
    assert found.recipient is not None
    assert found.recipient.reveal() == "ada@example.net"


def test_a_mail_that_was_wanted_after_all_is_no_complaint() -> None:
    """`not-spam` takes a complaint back, and is none."""
    assert complained(arf("not-spam")) is None


@pytest.mark.parametrize("read", [bounced, complained])
def test_a_mail_is_no_report(read: object) -> None:
    """A plain mail, an answer of a person, and nothing at all are neither."""
    assert callable(read)
    for raw in (b"", b"Subject: hi\r\n\r\nhello", dsn() if read is complained else arf()):
        assert not read(raw)


@given(st.binary(max_size=2_000), st.integers(0, 1_500), st.integers(0, 1_500))
def test_a_spoiled_report_breaks_nothing(junk: bytes, start: int, end: int) -> None:
    """Whatever stands in a report, reading it ends in a report or in none."""
    for whole in (dsn(), arf()):
        raw = whole[: min(start, end)] + junk + whole[max(start, end) :]
        assert isinstance(bounced(raw), tuple)
        complained(raw)


OPEN = b"Content-Type: multipart/report; boundary=B\r\n\r\n--B\r\nContent-Type: message/delivery-status\r\n\r\n"


def nested(levels: int, boundary: bytes) -> bytes:
    """Parts in parts, and then lines as short as can be."""
    parts = (b"Content-Type: multipart/report; %s%d\r\n\r\n--%d\r\n" % (boundary, n, n) for n in range(levels))
    return b"".join(parts) + b"\r\n" + b"a\n" * 115_000


HOSTILE = {
    "mails in mails": b"Content-Type: message/rfc822\r\n\r\n" * 5_000,
    "parts in parts": nested(5_000, b"boundary="),
    "parts in parts, few": nested(20, b"boundary="),
    "parts in parts, RFC 2231": nested(400, b"boundary*="),
    "parts": b"Content-Type: multipart/report; boundary=B\r\n\r\n" + b"--B\r\n\r\n" * 200_000,
    "headers": b"X: y\r\n" * 150_000,
    "one header": b"X: y" + b"\r\n y" * 100_000,
    "empty lines": OPEN + b"\r\n" * 150_000,
    "spaces": b"Content-Type: multipart/report" + b"; boundary" * 30_000,
    "plus signs": b"To: " + b"+" * 900_000,
    "people": OPEN + b"Action: failed\r\nFinal-Recipient: rfc822;a@b.example\r\n\r\n" * 15_000,
    "a line": b"A" * 3_000_000,
    **{
        f"a recipient of {word!r}": OPEN
        + b"Action: failed\r\nStatus: 5.0.0\r\nFinal-Recipient: rfc822;" + word * 1_900
        + b"\r\nDiagnostic-Code: smtp; " + b"user address " * 150 + b"\r\n\r\n"
        for word in (b"(", b"a:", b"<", b"a@", b'"', b"a", "é.".encode(), b"\\", b"a.")
    },
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_report_costs_little(name: str) -> None:
    """Whatever is made to keep a reader busy or to end it is read, or given up on, in a tenth of a second."""
    took = []
    for _ in range(3):  # processor time, the least of three: others work on this machine, too
        start = time.process_time()
        report = reports.parsed(HOSTILE[name])
        assert len(bounce.read(report)) <= bounce.MOST
        complaint.read(report)
        took.append(time.process_time() - start)
    assert min(took) < 0.1


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("rfc822;ada@example.net", "ada@example.net"),
        ("rfc822; <ada@example.net>", "ada@example.net"),
        ("ada@example.net (Ada)", "ada@example.net"),
        ('"bo@example.org" <ada@example.net>', "ada@example.net"),
        ("Ada Lovelace <ada@example.net>, Bo <bo@example.org>", "ada@example.net"),
        ("utf-8; ada@exämple.net", "ada@xn--exmple-cua.net"),
        ("rfc822;ada@example.net@example.org", None),
        ("x400; /S=ada/", None),
        ("rfc822;", None),
        ("a" * 65 + "@example.net", None),
        ("ada@" + "b" * 300 + ".net", None),
        ("(" * 1_900, None),
        ("a:" * 900, None),
    ],
)
def test_an_address_is_read_as_reports_write_it(said: str, found: str | None) -> None:
    """One, the first, whatever stands around it; what is none is nobody's, however it is nested."""
    read = reports.recipient(said)
    assert (None if read is None else read.reveal()) == found


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_code_is_explained(lang: str) -> None:
    """A code that nobody knows is explained by its first figure."""
    assert bounce.explained("5.1.1", lang) != bounce.explained("5.9.9", lang)
    assert bounce.explained("4.9.9", lang) != bounce.explained("5.9.9", lang)
    for status in bounce.DEAD:
        assert bounce.explained(status, lang) != bounce.explained("5.9.9", lang)
