"""A complaint: somebody told their mail service that a mail was not wanted, and the service tells us.

Source: RFC 5965 (the report), RFC 6650 (what to do about one), RFC 9477 (asking for them).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from pacte.kernel.redacted import Redacted
from pacte.uses.message import reports
from pacte.uses.message.reports import Report

_KIND = re.compile(r"[a-z][a-z-]{0,31}")
_LINK = re.compile(r"<(https?://[!-;=?-~]{1,900})>")
_FEEDBACK = re.compile(r"[A-Za-z0-9._:-]{1,127}")


@dataclass(frozen=True, slots=True)
class Complaint:
    """What a service reports. `kind` is its word, most often `abuse`; `recipient` is who complained, where it says so.

    `message_id`, `token` (of the return path), `unsubscribe` (the mail's own address to unsubscribe at) and `feedback`
    (the mailing) say which mail it was; each is empty where the report does not.
    """

    kind: str
    recipient: Redacted[str] | None
    message_id: str
    token: str
    unsubscribe: str = field(repr=False)
    feedback: str


def read(report: Report) -> Complaint | None:
    """The complaint; `None` for what is none, such as the word that a mail was wanted after all (`not-spam`)."""
    said, mail = report.feedback, report.original
    kind = said.get("feedback-type", "").lower()
    if not _KIND.fullmatch(kind) or kind == "not-spam":
        return None
    given = (said.get("original-rcpt-to", ""), said.get("removal-recipient", ""), mail.get("to", ""))
    to = next((one for word in given if (one := reports.recipient(word))), None)
    link = _LINK.search(mail.get("list-unsubscribe", ""))
    feedback = mail.get("feedback-id", "")
    path = said.get("original-mail-from") or mail.get("return-path", "")
    return Complaint(
        kind,
        to,
        reports.message_id(mail),
        reports.token_of(path),
        link[1] if link else "",
        feedback if _FEEDBACK.fullmatch(feedback) else "",
    )
