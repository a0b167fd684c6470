"""Reports that mail servers send back, read as what a stranger wrote: of a bounded size, believed in nothing.

Whatever cannot be read is no report; nothing here raises. A report names a mail by its identifier and by the token in
the return path; whether they belong together, and to whom, is for the records to say.
INVARIANT: a mail is read once, in a time that grows with its length and with nothing else that it holds; what the
standard library makes of one may call itself without end, or read each line once for every part that is open.
Source: RFC 6522 (the form), RFC 2046 §5.1 (parts).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

from pacte.kernel.errors import BadInput
from pacte.kernel.redacted import Redacted
from pacte.uses.message.mime import address

LARGEST = 1 << 18
"""Bytes of a report that are read; what the report is about stands at its beginning."""
_PARTS, _FIELDS = 24, 400
"""Parts of a report, and headers of a block, that are looked at."""
_HEAD, _LONGEST = 65_536, 2_000
"""Characters of a block of headers, and of one header, that are looked at."""
_FIELD = re.compile(r"^([!-9;-~]{1,76})[ \t]*:(.*(?:\n[ \t].*)*)", re.M)
_BOUNDARY = re.compile(r"(?i);\s*boundary\s*=\s*(?:\"([^\"]{1,200})\"|([^\s;\"]{1,200}))")
_QUOTED = re.compile(r"\"[^\"]*\"")
_APART = r"\s<>,;:()\""
_ADDRESS = re.compile(rf"(?<![^{_APART}])[^@{_APART}]{{1,64}}@[^@{_APART}]{{1,255}}(?=[{_APART}]|\Z)")
_TOKEN = re.compile(r"\+([0-9a-z]{1,60})@")
_MESSAGE_ID = re.compile(r"<[!-;=?-~]{3,250}>")
_SENT_ALONG = frozenset({"message/rfc822", "message/global", "text/rfc822-headers"})
_CAME_TO = ("to", "delivered-to", "x-original-to", "envelope-to", "x-envelope-to")

Block = Mapping[str, str]
"""Headers by their names in lower case, each on one line; of two of one name the first."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a mail reports: its own headers, those of the mail that it is about, and what is said of either.

    `outcomes` are the blocks of a bounce, `feedback` is that of a complaint; each is empty where the mail has none.
    """

    head: Block = field(repr=False)
    original: Block = field(repr=False)
    outcomes: tuple[Block, ...] = field(repr=False)
    feedback: Block = field(repr=False)


def parsed(raw: bytes) -> Report:
    """A mail as a report; one that is none reports nothing."""
    whole = raw[:LARGEST].decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    parts = list(_parts(whole))
    said = [inside for content, inside in parts if content == "message/delivery-status"]
    return Report(
        _block(_split(whole)[0]),
        _first(inside for content, inside in parts if content in _SENT_ALONG),
        tuple(_block(one) for one in islice((one for inside in said for one in _apart(inside)), 2 * _PARTS)),
        _first(inside for content, inside in parts if content == "message/feedback-report"),
    )


def message_id(block: Block) -> str:
    """The identifier of a mail, in angle brackets; empty where there is none."""
    found = _MESSAGE_ID.search(block.get("message-id", ""))
    return found[0] if found else ""


def token_of(found: str) -> str:
    """The token in a return path; empty where there is none."""
    token = _TOKEN.search(found.lower())
    return token[1] if token else ""


def token_came_to(report: Report) -> str:
    """The token in the address that a report came to."""
    return next((token for name in _CAME_TO if (token := token_of(report.head.get(name, "")))), "")


def recipient(found: str) -> Redacted[str] | None:
    """An address as a report writes it, such as `rfc822;ada@example.com`; `None` for what is none."""
    named = _ADDRESS.search(_QUOTED.sub(" ", found[:_LONGEST]))
    try:
        return None if named is None else Redacted(address(named[0]))
    except (BadInput, ValueError, IndexError):  # the standard library's, of a domain that is none
        return None


def _parts(whole: str) -> Iterator[tuple[str, str]]:
    """Every part by its type, with what is in it; none that stands in a mail that is sent along."""
    waiting = [whole]
    for _ in range(_PARTS):
        if not waiting:
            return
        head, inside = _split(waiting.pop(0))
        said = _block(head).get("content-type", "")
        kind, boundary = said.partition(";")[0].strip().lower(), _BOUNDARY.search(said)
        if not kind.startswith("multipart/"):
            yield kind, inside
        elif boundary is not None:
            waiting += _between(inside, boundary[1] or boundary[2])


def _between(inside: str, boundary: str) -> list[str]:
    """The parts that a boundary keeps apart; the last ends with the whole where nothing ends it."""
    whole = f"\n{inside}"
    line = re.compile(rf"\n--{re.escape(boundary)}(--)?[ \t]*(?=\n|\Z)")
    marks = list(islice(line.finditer(whole), _PARTS + 1))
    ends = [*(mark.start() for mark in marks[1:]), len(whole)]
    return [whole[mark.end() + 1 : end] for mark, end in zip(marks[:_PARTS], ends, strict=False) if not mark[1]]


def _split(part: str) -> tuple[str, str]:
    """The headers of a part, and what follows them."""
    if part.startswith("\n"):
        return "", part[1:]
    head, _, inside = part.partition("\n\n")
    return head, inside


def _apart(inside: str) -> list[str]:
    """Blocks with empty lines between them."""
    return inside.strip("\n").split("\n\n", 2 * _PARTS)


def _first(parts: Iterator[str]) -> Block:
    return _block(_split(next(parts, "").lstrip("\n"))[0])


def _block(words: str) -> Block:
    found: dict[str, str] = {}
    for one in islice(_FIELD.finditer(words[:_HEAD]), _FIELDS):
        found.setdefault(one[1].lower(), " ".join(one[2][:_LONGEST].split()))
    return found
