"""What a row of the staff holds: name, login and second factor under a key of the house, the login as a digest too."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pacte.kernel.canonical import canonical
from pacte.kernel.errors import Unsafe
from pacte.keys.seal import seal, unseal

if TYPE_CHECKING:
    from pacte.app.house import House


def sealed_row(house: House, member: str, said: Mapping[str, str]) -> bytes:
    """Seal what is said of a member, bound to their identifier."""
    return seal(house.keys.house_key("staff"), canonical(dict(said)), member.encode())


def opened_row(house: House, member: str, sealed: bytes) -> dict[str, str]:
    """Open it; raises `Unsafe` for a row that somebody else wrote."""
    try:
        opened = unseal(house.keys.house_key("staff"), sealed, member.encode())
    except Unsafe:
        raise Unsafe("a row of the staff was changed by somebody else; put back your newest copy") from None
    found: dict[str, str] = json.loads(opened)
    return found


def login_digest(house: House, login: str) -> str:
    """What a login is found by, in hexadecimal: keyed, so that nobody tries logins on a stolen copy."""
    return hmac.digest(house.keys.house_key("staff-login"), login.strip().lower().encode(), "sha256").hex()
