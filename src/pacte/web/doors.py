"""The doors of the console: its pages in the order of its menu, and which of them a member of the staff may open."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import Request

from pacte.app.staff import member_of
from pacte.web.session import current

DOORS: Mapping[str, str] = {
    "home": "",
    "figures": "figures",
    "people": "inspect",
    "forms": "inspect",
    "ledger": "ledger",
    "looks": "looks",
    "data": "data",
    "texts": "texts",
    "segments": "messages",
    "messages": "messages",
    "campaigns": "halt",
    "lists": "halt",
    "outcomes": "figures",
    "stops": "halt",
    "suppression": "choices",
    "jobs": "jobs",
    "members": "staff",
    "account": "",
}
"""Pages of the console, and what a member must be allowed to see them (`app.staff.ROLES`)."""


def open_doors(request: Request) -> list[str]:
    """The pages of the console that the role of the member who is signed in opens."""
    signed_in = current(request, "staff")
    if signed_in is None:
        return []
    member = member_of(request.app.state.house, signed_in.who)
    return [name for name, needed in DOORS.items() if not needed or member.may(needed)]
