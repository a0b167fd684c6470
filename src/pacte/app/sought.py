"""Somebody was sought by what was typed, and nobody was shown: an entry that names nobody.

Whoever has receipts of their own can count what is recorded between two of them. So wherever a stranger may type an
address, as many entries follow for one that is known as for one that is not: where a known person's letter is a
recorded use, one of these stands in its place. What the staff look for and are not shown leaves one, too, with a keyed
digest of what they typed, so that those who watch over looks see who tries whom.
Source: GDPR Art. 5(1)(f), 32; OWASP ASVS 5.0, 6.3.8.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from pacte.app.people import spelled
from pacte.gate import rules as stored

if TYPE_CHECKING:
    from pacte.app.house import House

PURPOSES = {"sign_in": "house:rights", "form": "house:double_opt_in"}
"""By reason for which strangers are sought: the purpose of the house under which a known person's letter is sent."""
SHARED = (16, 4, 1)
"""Of 256 unknown addresses, how many pass for that of two people or more, of three, of four; see `pretended`."""


def record(house: House, conn: Connection, reason: str, by: str, *, purpose: str = "", typed: str = "") -> int:
    """Record that somebody was sought; `typed` by whom it matters what. Answers the ledger index."""
    entry: dict[str, object] = {
        "kind": "sought",
        "purpose": purpose or PURPOSES[reason],
        "reason": reason,
        "by": by,
        **stored.role(conn, house.present(conn)),
    }
    entry |= {"whom": digest(house, typed)} if typed else {}
    return house.record(conn, [entry], house.clock())[0]


def digest(house: House, typed: str) -> str:
    """A keyed digest of what was typed, the same however it is spelt: 16 bytes, in hexadecimal."""
    return hmac.digest(house.keys.house_key("looks"), f"typed:{spelled(house, typed)}".encode(), "sha256")[:16].hex()


def pretended(house: House, typed: str) -> int:
    """How many people an unknown address passes for: most for one, a few for several, each always for as many.

    A household gets a letter each, which leaves an entry each: if unknown addresses never left two, two would tell.
    """
    drawn = int(digest(house, typed)[:2], 16)
    return 1 + sum(drawn < few for few in SHARED)
