"""The second factor of staff: one-time codes of an application, each good once. Source: RFC 6238; RFC 6238 § 5.2."""

from __future__ import annotations

import base64
import hmac

import pyotp
import segno

from pacte.kernel.instant import SECOND, Instant

STEP = 30
"""Seconds that a code is good for."""
DRIFT = 1
"""Steps that a clock may be off."""


def secret_of(key: bytes, about: str) -> str:
    """The secret that follows from a key of the house for this and nothing else: 160 bits, in base 32."""
    return base64.b32encode(hmac.digest(key, about.encode(), "sha256")[:20]).decode()


def step_of(secret: str, code: str, now: Instant) -> int:
    """The time step whose code this is, 0 when it is none that is good now."""
    totp, present = pyotp.TOTP(secret), now // SECOND // STEP
    right = [step for step in range(present - DRIFT, present + DRIFT + 1) if _same(totp.generate_otp(step), code)]
    return right[-1] if right else 0


def picture(secret: str, login: str, issuer: str) -> str:
    """The QR code to set it up with, as an address of the image itself."""
    address = pyotp.TOTP(secret).provisioning_uri(name=login, issuer_name=issuer)
    return str(segno.make(address, error="m").svg_data_uri(scale=5, border=3, dark="#000", light="#fff"))


def _same(code: str, given: str) -> bool:
    return hmac.compare_digest(code.encode(), given.replace(" ", "").encode())
