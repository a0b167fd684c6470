"""What comes back of messages: the reports of mail servers, and the answers to text messages.

INVARIANT: what an answer to a text message led to is not said. Of a report it is, as numbers; that an address is known
here is learnt from them by whoever can name a message that went to it, and by nobody who guesses addresses.
"""

from __future__ import annotations

from pacte.app import bounces, replies
from pacte.kernel.redacted import Redacted
from pacte.web.api.calls import Call, operation
from pacte.web.api.models import HeardReply, HeardReport, Reply

SCOPE = "reports:write"


@operation("POST", "/bounces", scope=SCOPE, gives=HeardReport, media="message/rfc822")
def report_bounce(call: Call) -> HeardReport:
    """Act upon a report of a mail server: an address that is gone, or a complaint."""
    heard = bounces.hear(call.house, call.raw, by=call.key.actor)
    return HeardReport(suppressed=heard.suppressed, soft=heard.soft, ended=heard.ended, unmatched=heard.unmatched)


@operation("POST", "/replies", scope=SCOPE, takes=Reply, gives=HeardReply)
def report_reply(call: Call) -> HeardReply:
    """Act upon an answer to a text message: STOP, and every other word that ends them."""
    return HeardReply(ends=replies.answered(call.house, Redacted(call.body.sender), call.body.text, by=call.key.actor))
