"""A rendered message as the bytes that travel: ASCII throughout, CRLF, no line of more than 998 characters.

The headers are written here, one by one, because a mail of thousands has to be made in a fraction of a millisecond;
tests read every mail with the standard library. No header takes a value as it comes: what is not plain is encoded or
refused. Sources: RFC 5322, 2045 to 2047 (form); 2369, 8058 (unsubscribe); 2919 (list); 3834 (marking); 9477
(complaints).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.utils import parseaddr
from functools import lru_cache

from pacte.kernel.errors import BadInput
from pacte.kernel.instant import SECOND, Instant, to_datetime
from pacte.kernel.redacted import Redacted
from pacte.uses.message.render import Rendered

LONGEST = 998
"""Characters of a line, without its end. Source: RFC 5322 §2.1.1."""
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL = re.compile(rf"{_ATOM}(\.{_ATOM})*")
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*")
_MESSAGE_ID = re.compile(rf"<{_ATOM}(\.{_ATOM})*@[A-Za-z0-9.-]+>")
_WORD = re.compile(r"[A-Za-z0-9._:-]{1,127}")
_URL = re.compile(r"https://[!-;=?-~]+|http://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?(/[!-;=?-~]*)?")
_PLAIN = re.compile(r"(?!.*=\?)[ -~]{0,60}")
_OF_WORD = 45
"""Bytes that one encoded word holds. Source: RFC 2047 §2."""
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who a mail is from and for, and what its headers say.

    `sender` is a name and an address, as `mail.from` has them; `message_id` stands in angle brackets. `unsubscribe` is
    an address on the web that a POST to takes the person off at once; with one, the mail is marked as one of many.
    `list_id` is a name such as `newsletter.shop.example`. `return_path` is where bounces go and stands in no header.
    `feedback` says which mailing a complaint is about, `complaints` is the address that takes complaints.
    """

    sender: str
    to: Redacted[str]
    message_id: str
    date: Instant
    unsubscribe: str = field(default="", repr=False)
    list_id: str = ""
    return_path: str = ""
    feedback: str = ""
    complaints: str = ""


def build(rendered: Rendered, lang: str, envelope: Envelope) -> bytes:
    """The message; raises `BadInput`, without the value, for anything that a header cannot hold."""
    boundary = f"=_{hashlib.sha256(envelope.message_id.encode()).hexdigest()[:32]}"  # encoded text never holds `=_`
    head = [
        *_headers(rendered, lang, envelope),
        "MIME-Version: 1.0",
        f'Content-Type: multipart/alternative; boundary="{boundary}"',
    ]
    parts = [_part(boundary, "plain", rendered.text), _part(boundary, "html", rendered.html)]
    whole = "\r\n".join(head).encode("ascii")
    return b"".join((whole, b"\r\n\r\n", *parts, f"--{boundary}--\r\n".encode()))


def address(found: str) -> str:
    """An address as headers and envelopes hold it, its domain in ASCII; raises `BadInput` where none can."""
    local, at, domain = found.rpartition("@")
    try:
        domain = domain if domain.isascii() else domain.encode("idna").decode()
    except UnicodeError:
        domain = ""
    if not at or len(local) > 64 or not _LOCAL.fullmatch(local) or not _DOMAIN.fullmatch(domain):
        raise BadInput("an address that no mail can be sent to")
    return f"{local}@{domain}"


def return_path(bounces: str, token: str) -> str:
    """Where the bounces of one mail go: the address of all of them, with a token that says which mail it was.

    `token` is of digits and small letters: some mail servers keep no capitals. Source: RFC 5233 (the part after `+`).

    >>> return_path("bounces@shop.example", "0f1e")
    'bounces+0f1e@shop.example'
    """
    local, _, domain = address(bounces).rpartition("@")
    if not re.fullmatch(r"[0-9a-z]+", token) or len(local) + len(token) > 63:
        raise BadInput("a token that no return path may hold")
    return f"{local}+{token}@{domain}"


def _headers(rendered: Rendered, lang: str, envelope: Envelope) -> Iterator[str]:
    yield f"From: {_sender(envelope.sender)}"
    yield f"To: {address(envelope.to.reveal())}"
    yield f"Subject: {_encoded(rendered.subject)}"
    yield f"Date: {_date(envelope.date // SECOND)}"
    yield f"Message-ID: {_matching(_MESSAGE_ID, envelope.message_id, 'message identifier')}"
    yield f"Content-Language: {lang}"
    if envelope.unsubscribe:
        yield f"List-Unsubscribe: <{_matching(_URL, envelope.unsubscribe, 'address to unsubscribe at')}>"
        yield "List-Unsubscribe-Post: List-Unsubscribe=One-Click"
        yield "Precedence: bulk"
    else:
        yield "Auto-Submitted: auto-generated"
    if envelope.list_id:
        yield f"List-ID: <{_matching(_DOMAIN, envelope.list_id.replace('_', '-'), 'name of a list')}>"
    if envelope.feedback:
        yield f"Feedback-ID: {_matching(_WORD, envelope.feedback, 'name of a mailing')}"
    if envelope.complaints:
        yield f"CFBL-Address: {address(envelope.complaints)}; report=arf"


def _matching(pattern: re.Pattern[str], value: str, what: str) -> str:
    if not pattern.fullmatch(value) or len(value) > LONGEST - 80:
        raise BadInput(f"a {what} that no header may hold")
    return value


@lru_cache(maxsize=16)
def _sender(sender: str) -> str:
    name, found = parseaddr(sender)
    if not name:
        return address(found)
    plain = re.fullmatch(r"[A-Za-z0-9 ]{1,60}", name)
    return f"{name if plain else _encoded(name, always=True)} <{address(found)}>"


def _encoded(words: str, *, always: bool = False) -> str:
    """Words as a header holds them: as they are where they are plain, else in encoded words, one a line."""
    words = "".join(one if one.isprintable() else " " for one in words).strip()
    if not always and _PLAIN.fullmatch(words):
        return words
    return "\r\n ".join(f"=?utf-8?b?{base64.b64encode(part).decode()}?=" for part in _cut(words))


def _cut(words: str) -> Iterator[bytes]:
    """The bytes of words, in pieces that break no character."""
    piece = b""
    for one in words:
        more = one.encode("utf-8", "replace")
        if len(piece) + len(more) > _OF_WORD:
            yield piece
            piece = b""
        piece += more
    yield piece


@lru_cache(maxsize=4)
def _date(second: int) -> str:
    """A second since 1970 as a date in UTC. Source: RFC 5322 §3.3."""
    when = to_datetime(Instant(second * SECOND))
    return f"{_DAYS[when.weekday()]}, {when.day:02} {_MONTHS[when.month - 1]} {when.year:04} {when:%H:%M:%S} +0000"


def _part(boundary: str, subtype: str, text: str) -> bytes:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n").replace("\n", "\r\n") + "\r\n"
    head = (
        f'--{boundary}\r\nContent-Type: text/{subtype}; charset="utf-8"\r\n'
        "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    )
    return head.encode() + binascii.b2a_qp(lines.encode("utf-8", "replace"), istext=True) + b"\r\n"
