"""Reports that mail servers send back, read as what a stranger wrote: of a bounded size, believed in nothing.

Whatever cannot be read is no report; nothing here raises. A report names a mail by its identifier and by the token in
the return path; whether they belong together, and to whom, is for the records to say. Source: RFC 6522 (the form).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from email import message_from_bytes, message_from_string
from email.message import Message
from email.utils import parseaddr

from pacte.kernel.errors import BadInput
from pacte.kernel.redacted import Redacted
from pacte.uses.message.mime import address

LARGEST = 1 << 18
"""Bytes of a report that are read; what the report is about stands at its beginning."""
_PARTS = 24
"""Parts of a report that are looked at."""
_NESTED = re.compile(rb"(?i)boundary\s*=|message/")
_TOKEN = re.compile(r"\+([0-9a-z]{1,60})@")
_MESSAGE_ID = re.compile(r"<[!-;=?-~]{3,250}>")
_CAME_TO = ("to", "delivered-to", "x-original-to", "envelope-to", "x-envelope-to")


def parsed(raw: bytes) -> Message | None:
    """The report as a tree of parts; `None` for one that is nested to no end."""
    raw = raw[:LARGEST]
    if len(_NESTED.findall(raw)) > _PARTS:  # each level costs a pass over what is below it
        return None
    try:
        return message_from_bytes(raw)
    except (RecursionError, ValueError, LookupError, AttributeError, TypeError):
        return None


def parts(report: Message) -> Iterator[tuple[str, list[Message]]]:
    """Every part by its type, with the blocks of headers in it; none that stands in a mail that is sent along."""
    waiting = [report]
    for _ in range(_PARTS):
        if not waiting:
            return
        part = waiting.pop(0)
        content, inside = part.get_content_type(), part.get_payload()
        if content.startswith("message/") and isinstance(inside, list):
            yield content, [one for one in inside[: 2 * _PARTS] if isinstance(one, Message)]
        elif isinstance(inside, list):
            waiting += [one for one in inside[:_PARTS] if isinstance(one, Message)]
        elif content == "text/rfc822-headers":
            yield content, [message_from_string(str(inside)[:65_536])]


def original(report: Message) -> Message:
    """The headers of the mail that a report is about; empty where they were not sent along."""
    for content, blocks in parts(report):
        if content in ("message/rfc822", "message/global", "text/rfc822-headers") and blocks:
            return blocks[0]
    return Message()


def field(block: Message, name: str) -> str:
    """A header on one line; empty where it is not there."""
    try:
        found = block.get(name)
        return "" if found is None else " ".join(str(found)[:2_000].split())
    except (ValueError, LookupError, TypeError):
        return ""


def message_id(block: Message) -> str:
    """The identifier of a mail, in angle brackets; empty where there is none."""
    found = _MESSAGE_ID.search(field(block, "message-id"))
    return found[0] if found else ""


def token_of(found: str) -> str:
    """The token in a return path; empty where there is none."""
    token = _TOKEN.search(found.lower())
    return token[1] if token else ""


def token_came_to(report: Message) -> str:
    """The token in the address that a report came to."""
    for name in _CAME_TO:
        if token := token_of(field(report, name)):
            return token
    return ""


def recipient(found: str) -> Redacted[str] | None:
    """An address as a report writes it, such as `rfc822;ada@example.com`; `None` for what is none."""
    kind, separator, rest = found.partition(";")
    words = rest if separator and kind.strip().lower() in ("rfc822", "utf-8", "smtp") else found
    try:
        return Redacted(address(parseaddr(words.strip())[1]))
    except (BadInput, ValueError, IndexError):
        return None
