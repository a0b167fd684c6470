"""The name of one message of a campaign, as its Message-ID and its return path have it.

It says nothing to whoever has not the key, is the same whenever the message is tried again, and tells, of a report that
a mail server sends back, which message it is about. Nobody but who got the message can name it.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from pacte.kernel.ids import SubjectId

if TYPE_CHECKING:
    from pacte.app.house import House


def key(house: House) -> bytes:
    """What the names are made with; looked up once for many of them."""
    return house.keys.house_key("messages")


def name(key: bytes, campaign: str, place: int, subject: SubjectId) -> str:
    """The name of the message to the person at a place of a campaign: 32 hexadecimal characters."""
    return hmac.digest(key, f"{campaign}:{place}:{subject}".encode(), hashlib.sha256).hex()[:32]
