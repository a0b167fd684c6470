"""Letters to the staff: what changed in how a member signs in, so that whoever did not do it hears of it first.

A member has no address here but their login, where that is one; others get no letter. Source: OWASP ASVS 5.0, 6.3.7.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pacte.app.letters import STAFF_SIGN_IN, Letter, address, letter_job
from pacte.app.staff import Member, member_of
from pacte.kernel.i18n import text
from pacte.kernel.jobs import Job
from pacte.kernel.redacted import Redacted

if TYPE_CHECKING:
    from pacte.app.house import House

_ADDRESS = re.compile(r"[^@\s<>,;]{1,64}@[^@\s<>,;]{1,255}")


def address_of(member: Member) -> Redacted[str] | None:
    """Where letters reach a member: their login, if it is an address."""
    return Redacted(member.login) if _ADDRESS.fullmatch(member.login) else None


def changed(house: House, member: Member, what: str, lang: str) -> list[Job]:
    """The letter that tells a member what changed: `passkey_added`, `passkey_removed` or `renewed`; none to a word."""
    now = house.clock()
    return [letter_job(STAFF_SIGN_IN, member.id, lang, f"{what}.{now}", now)] if address_of(member) else []


def compose(house: House, member: str, lang: str, argument: str) -> Letter | None:
    """What just changed (the part of `argument` before the point); `None` for one whom no letter reaches."""
    found = member_of(house, member)
    to = address_of(found)
    if to is None or found.state != "active":
        return None
    said = (_say(argument.partition(".")[0], lang), _say("not_you", lang))
    return Letter("", _say("subject", lang), said, address(house, lang, "staff/account"), _say("link", lang), to=to)


def test_letter(house: House, to: Redacted[str], lang: str) -> Letter:
    """A letter that shows whoever sets the house up that letters leave."""
    subject, said, look, link = (text("app", f"letter.test.{key}", lang) for key in ("subject", "text", "look", "link"))
    return Letter("", subject, (said, look), address(house, lang, "staff/setup"), link, to=to)


def _say(key: str, lang: str) -> str:
    return text("app", f"letter.{STAFF_SIGN_IN}.{key}", lang)
