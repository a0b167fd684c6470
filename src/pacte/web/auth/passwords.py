"""Passwords of staff: argon2id, long rather than odd, and not one of those that everybody tries.

Source: RFC 9106; NIST SP 800-63B § 3.1.1; CNIL délibération 2022-100.
"""

from __future__ import annotations

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

SHORTEST, LONGEST = 14, 256
"""Characters of a password."""
_HASHER = PasswordHasher()
_COMMON = ("password", "motdepasse", "azerty", "qwerty", "123456", "letmein", "bienvenue", "welcome", "pacte")
"""What the passwords that are tried first begin with."""
NOBODY = _HASHER.hash("nobody has this password")
"""Compared with where no such member is known, so that the answer takes as long."""


def hashed(password: str) -> str:
    """What is kept of a password."""
    return _HASHER.hash(password)


def matches(kept: str, password: str) -> bool:
    """Whether this is the password; takes as long for a wrong one."""
    try:
        return _HASHER.verify(kept, password[:LONGEST])
    except (Argon2Error, InvalidHashError):
        return False


def weakness(password: str, login: str) -> str:
    """What is wrong with a new password, as a key of the texts; empty when it will do."""
    low = password.lower()
    if not SHORTEST <= len(password) <= LONGEST:
        return "length"
    if len(set(low)) < 6 or (login and login.lower() in low):
        return "guessed"
    rest = low
    for word in _COMMON:
        rest = rest.replace(word, "")
    return "guessed" if len(rest.strip("0123456789!.-_ ")) < 4 else ""
