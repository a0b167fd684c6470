"""Text messages are handed to a service by HTTP, which gets the number, the words and a name for them; nothing else.

The name is the same whenever a message is tried again, so that a service that knows it again sends it once.
Source: draft-ietf-httpapi-idempotency-key-header; RFC 9110 §15.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pacte.app import posting
from pacte.app.handing import Answer, Away, Unanswered
from pacte.app.posting import Refused, Unreachable
from pacte.app.settings import secret
from pacte.kernel.errors import BadInput
from pacte.kernel.redacted import Redacted

if TYPE_CHECKING:
    from pacte.app.composing import Ready
    from pacte.app.house import House

CHANNEL = "sms"
KNOWN = 409
"""The status of a service that took a message under this name before."""
_LOCKED = frozenset({401, 403, 404})
_LATER = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Text:
    """One message: to which number (E.164), which words, and its name."""

    to: Redacted[str]
    text: str = field(repr=False)
    name: str

    def packed(self) -> bytes:
        """As `Gateway.hand` takes it."""
        said = {"id": self.name, "to": self.to.reveal(), "text": self.text}
        return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()


class Gateway:
    """The service of the settings, spoken to as `handing.Door` speaks to a mail server."""

    def __init__(self, house: House) -> None:
        self._house = house

    def offer(self, message: Ready) -> Answer | None:  # noqa: ARG002 # a service is told all at once
        """There is nothing to ask before."""
        return None

    def hand(self, message: Ready, begun: Callable[[], None]) -> Answer:
        """Hand over a message whose body is packed; `begun` is called before its first byte, once somebody listens.

        Raises `Away` where nothing was taken, and nothing would be now; `Unanswered` where nobody knows.
        """
        try:
            status = _post(self._house, message.body, begun)
        except Unreachable as failed:
            raise (Unanswered if failed.handed else Away) from None
        except posting.Failed:
            raise Away from None
        if 200 <= status < 300 or status == KNOWN:
            return Answer(taken=True)
        if 300 <= status < 400 or status in _LOCKED:
            raise Away
        return Answer(taken=False, permanent=400 <= status < 500 and status not in _LATER, code=str(status))

    def close(self) -> None:
        """Each message has a connection of its own."""


def send(house: House, message: Text) -> None:
    """Hand one message over; raises `posting.Failed`, which repeats nothing, and `BadInput` without a service."""
    status = _post(house, message.packed())
    if not (200 <= status < 300 or status == KNOWN):
        raise Refused(status)


def _post(house: House, message: bytes, begun: Callable[[], None] = lambda: None) -> int:
    settings = house.settings.sms
    if not settings.url:
        raise BadInput("settings.toml: `[sms]` names no service that takes text messages")
    said = json.loads(message) | ({"from": settings.sender} if settings.sender else {})
    headers = {"Idempotency-Key": said["id"]}
    headers |= {"Authorization": f"Bearer {secret(settings.key)}"} if settings.key else {}
    body = json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()
    return posting.post(settings, body, headers, house.path, begun)
