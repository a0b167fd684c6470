"""A bounce: a mail server says that a mail did not arrive, for whom, and whether it ever will.

Source: RFC 3464 (the report), RFC 3463 (what its codes mean).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice

from pacte.kernel.i18n import catalogue, text
from pacte.kernel.redacted import Redacted
from pacte.uses.message import reports
from pacte.uses.message.reports import Block, Report

ROOM = "uses.message"
DEAD = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"})
"""Codes that say of the address that it takes no mail any more. Others blame the mail, the sender or the moment."""
MOST = 20
"""People of one report that are read."""
_STATUS = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")
_VAGUE = re.compile(r"5\.[015]\.0|5\.4\.1")
_UNKNOWN = re.compile(
    r"(?i)(user|recipient|mailbox|address|account)s?\b.{0,40}\b"
    r"(unknown|not found|does ?n[o']t exist|invalid|disabled|closed)"
    r"|(unknown|no such|invalid)\b.{0,20}\b(user|recipient|mailbox|address|account)"
)


@dataclass(frozen=True, slots=True)
class Bounce:
    """One person whom a mail did not reach. `status` is the code, such as `5.1.1`.

    `permanent`: the address itself is gone. `message_id` and `token` (of the return path) say which mail it was, and
    are empty where the report does not.
    """

    recipient: Redacted[str]
    status: str
    permanent: bool
    message_id: str
    token: str


def read(report: Report) -> tuple[Bounce, ...]:
    """Whom a report says a mail did not reach; empty for what is no such report, or tells of a delay or an arrival."""
    about, token = reports.message_id(report.original), reports.token_came_to(report)
    found = (_bounce(block, about, token) for block in report.outcomes)
    return tuple(islice((one for one in found if one is not None), MOST))


def explained(status: str, lang: str) -> str:
    """What a code means, in words; of one that is not known, what its first figure says."""
    key = f"status.{status.replace('.', '_')}"
    known = catalogue(ROOM)
    return text(ROOM, key if key in known else f"status.{status[:1] if status[:1] in '45' else '5'}", lang)


def _bounce(block: Block, about: str, token: str) -> Bounce | None:
    if block.get("action", "").lower() != "failed":
        return None
    to = reports.recipient(block.get("original-recipient", ""))
    to = to or reports.recipient(block.get("final-recipient", ""))
    if to is None:
        return None
    said = block.get("diagnostic-code", "")
    status = _status(block.get("status", ""), said)
    gone = status in DEAD or bool(_VAGUE.fullmatch(status) and _UNKNOWN.search(said))
    return Bounce(to, status, gone, about, token)


def _status(given: str, said: str) -> str:
    """The code; where it only says that something failed, the one that the other server gave."""
    found = _STATUS.search(given)
    status = found[1] if found else "5.0.0"
    more = _STATUS.search(said)
    return more[1] if more and status.endswith(".0.0") and more[1][0] == status[0] else status
