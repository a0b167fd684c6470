"""The two ceremonies of a passkey: a device makes a key for this site, or proves that it holds one. Nothing is stored.

A challenge is 32 random bytes in a sealed token: for one act, one account, one browser, five minutes, one time. The
device must have checked that its owner is there (a finger, a face, a code): a passkey then is two factors in one.
Source: W3C Web Authentication Level 3 §§ 7.1, 7.2; OWASP ASVS 5.0, chapter 6.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import webauthn
from fastapi import Request
from starlette.datastructures import FormData
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from pacte.app import links, passkeys
from pacte.app.house import House
from pacte.app.passkeys import Kind, New, Passkey
from pacte.kernel import db
from pacte.kernel.errors import Conflict, NotFound, PacteError
from pacte.kernel.instant import SECOND
from pacte.web.pages import language
from pacte.web.security import form_token
from pacte.web.session import cookie

CHALLENGE = "passkey"
"""The kind of link that a challenge is sealed as."""
LASTS = 300 * SECOND
LONGEST = 16_384
"""Characters of a device's answer."""
_HERE = ("localhost", "127.0.0.1", "::1")


class Refused(PacteError):
    """A device's answer that proves nothing: late, used, for another site, of a key that is not known here."""

    def __init__(self) -> None:
        super().__init__("this passkey was not accepted; try again, or sign in another way")


@dataclass(frozen=True, slots=True)
class Party:
    """For which site keys are made (a domain), and from which origin alone the answers may come."""

    id: str
    origin: str


@dataclass(frozen=True, slots=True)
class Ceremony:
    """What a page needs to ask the device: its options, as JSON, and the token that comes back with the answer."""

    options: str
    token: str


def party(request: Request) -> Party | None:
    """The site that keys are for: the public address of the house. `None` where that is a number and not a name.

    A house whose public address is this machine is also reached as `localhost`, on whatever port.
    """
    own = urlsplit(request.app.state.house.settings.web.url)
    if own.hostname in _HERE:
        asked = request.url
        return Party("localhost", f"{asked.scheme}://{asked.netloc}") if asked.hostname == "localhost" else None
    name = own.hostname or ""
    named = not name.replace(".", "").isdecimal() and ":" not in name
    return Party(name, f"{own.scheme}://{own.netloc}") if named and own.scheme == "https" else None


def to_make(request: Request, kind: Kind, who: str, label: str, known: Sequence[Passkey]) -> Ceremony | None:
    """Ask a device for a new key, unless it holds one of `known`; `None` where this site can have no passkeys.

    INVARIANT: `label`, which the device shows beside the key, is no value that the vault holds.
    """
    site = party(request)
    if site is None:
        return None
    challenge, token = _challenge(request, "make", kind, who)
    options = webauthn.generate_registration_options(
        rp_id=site.id,
        rp_name=request.app.state.controller(language(request))["name"] or "pacte",
        user_id=handle(request.app.state.house, kind, who),
        user_name=label,
        user_display_name=label,
        challenge=challenge,
        timeout=LASTS // 1_000,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=one.credential) for one in known],
    )
    return Ceremony(webauthn.options_to_json(options), token)


def to_prove(request: Request, kind: Kind) -> Ceremony | None:
    """Ask a device to prove that it holds a key for this site, whoever's; `None` where there can be none."""
    site = party(request)
    if site is None:
        return None
    challenge, token = _challenge(request, "prove", kind, "")
    options = webauthn.generate_authentication_options(
        rp_id=site.id,
        challenge=challenge,
        timeout=LASTS // 1_000,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return Ceremony(webauthn.options_to_json(options), token)


def made(request: Request, form: FormData, kind: Kind, who: str) -> New:
    """The key that a device made, when its answer stands; raises `Refused`."""
    site, challenge = _site(request), _spent(request, form, "make", kind, who)
    try:
        found = webauthn.verify_registration_response(
            credential=_answer(form),
            expected_challenge=challenge,
            expected_rp_id=site.id,
            expected_origin=site.origin,
            require_user_verification=True,
        )
    except _MALFORMED:
        raise Refused from None
    return New(found.credential_id, found.credential_public_key, found.sign_count)


def proved(request: Request, form: FormData, kind: Kind) -> Passkey:
    """Whose key a device has proved to hold; raises `Refused`. A counter that did not grow betrays a copied key."""
    house: House = request.app.state.house
    site, challenge = _site(request), _spent(request, form, "prove", kind, "")
    try:
        said = _answer(form)
        passkey = passkeys.find(house, kind, base64url_to_bytes(said["id"]))
        found = webauthn.verify_authentication_response(
            credential=said,
            expected_challenge=challenge,
            expected_rp_id=site.id,
            expected_origin=site.origin,
            credential_public_key=passkey.public_key,
            credential_current_sign_count=passkey.counter,
            require_user_verification=True,
        )
        whose = said["response"].get("userHandle")
        if whose and base64url_to_bytes(whose) != handle(house, kind, passkey.who):
            raise Refused
        passkeys.used(house, passkey, found.new_sign_count)
    except (*_MALFORMED, NotFound, Conflict):
        raise Refused from None
    return passkey


def handle(house: House, kind: Kind, who: str) -> bytes:
    """What a device knows an account by: 32 bytes that say nothing and lead nowhere. Source: WebAuthn L3 § 14.6.1."""
    return hmac.digest(house.keys.house_key("passkey-handles"), f"{kind}:{who}".encode(), "sha256")


_MALFORMED = (WebAuthnException, ValueError, TypeError, KeyError, AttributeError, RecursionError)
"""What reading an answer that no device gave may raise: it is JSON of a stranger's."""


def _challenge(request: Request, act: str, kind: Kind, who: str) -> tuple[bytes, str]:
    challenge = os.urandom(32)
    form_token(request)  # the browser has a cookie from now on, if it had none
    says = {
        "act": act,
        "kind": kind,
        "who": who,
        "challenge": bytes_to_base64url(challenge),
        "browser": _digest(request.state.visitor),
    }
    return challenge, links.seal(request.app.state.house, CHALLENGE, says, LASTS)


def _spent(request: Request, form: FormData, act: str, kind: Kind, who: str) -> bytes:
    """The challenge that this answer is to, which is none from now on, whatever the answer is worth."""
    house: House = request.app.state.house
    try:
        with db.write(house.engine) as conn:
            link = links.spend(house, conn, CHALLENGE, str(form.get("challenge", "")))
    except (links.Forged, links.Expired):
        raise Refused from None
    browser = _digest(request.cookies.get(cookie(request, "visitor"), ""))
    if (link["act"], link["kind"], link["who"], link["browser"]) != (act, kind, who, browser):
        raise Refused
    return base64url_to_bytes(link["challenge"])


def _site(request: Request) -> Party:
    site = party(request)
    if site is None:
        raise Refused
    return site


def _answer(form: FormData) -> dict[str, Any]:
    said = form.get("answer")
    if not isinstance(said, str) or not 0 < len(said) <= LONGEST:
        raise Refused
    found = json.loads(said)
    if not isinstance(found, dict):
        raise Refused
    return found


def _digest(visitor: str) -> str:
    return hashlib.sha256(visitor.encode()).hexdigest()[:32]
