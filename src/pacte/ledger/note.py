"""Signed notes: text with Ed25519 signatures in the C2SP format, so that other people's tools can read the log's head.

A verifier key ("vkey") is written `<name>+<key id>+<base64 of 0x01 and the 32-byte public key>`.
Source: c2sp.org/signed-note; RFC 8032.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pacte.kernel.errors import BadInput, VerificationFailed

_ED25519 = b"\x01"
_DASH = "— "
_MOST_SIGNATURES = 64
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_SEALS = ("pacte-proof/1", "pacte-receipt/1")
"""The first lines of what the log's key seals beside checkpoints."""


class Signer(Protocol):
    """Whoever holds the log's private key: a key in memory, a key server, a hardware module."""

    @property
    def name(self) -> str:
        """The key's name, which is the log's origin."""

    @property
    def vkey(self) -> str:
        """The public half, as a C2SP verifier key."""

    def sign(self, message: bytes) -> bytes:
        """The 64-byte Ed25519 signature of `message`."""


class NoteSigner:
    """A signing key in memory, made of a 32-byte seed and the log's origin (such as `shop.example/house/1`)."""

    __slots__ = ("_key", "name", "vkey")

    def __init__(self, seed: bytes, name: str) -> None:
        if len(seed) != 32:
            raise BadInput("a signing seed of the wrong length; expected 32 bytes")
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        public = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.name = check_name(name)
        self.vkey = VerifierKey(name, public).vkey

    def sign(self, message: bytes) -> bytes:
        """The 64-byte Ed25519 signature of `message`."""
        return self._key.sign(message)

    def __repr__(self) -> str:
        return f"NoteSigner({self.name})"


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A name and a 32-byte Ed25519 public key."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """Four bytes that stand for the name and the key together in a signature line."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:4]

    @property
    def vkey(self) -> str:
        """The key as one line of text."""
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(_ED25519 + self.public).decode()}"

    def verifies(self, message: bytes, signature: bytes) -> bool:
        """Whether `signature` is this key's over `message`."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


def parse_vkey(text: str) -> VerifierKey:
    """Read a verifier key; raises `BadInput` if it is malformed or its id does not belong to it."""
    name, _, rest = text.partition("+")
    _, _, encoded = rest.partition("+")
    raw = decode_base64(encoded)
    if raw is None or len(raw) != 33 or raw[:1] != _ED25519:
        raise BadInput("not a verifier key; expected `<name>+<key id>+<base64>` of an Ed25519 key")
    key = VerifierKey(check_name(name), raw[1:])
    if key.vkey != text:
        raise BadInput("a verifier key whose key id does not belong to its name and key; was it cut or edited?")
    return key


def check_name(name: str) -> str:
    """Return `name` if a key may be called so; raises `BadInput` otherwise."""
    bad = not name or "+" in name or any(c.isspace() or ord(c) < 32 for c in name) or name in _SEALS
    if bad:  # a log called like the seal's first line could pass a checkpoint off as a seal
        raise BadInput("a log name that cannot be used; expected text such as `shop.example/log`, no space, no `+`")
    return name


def sign_note(text: str, signer: Signer) -> str:
    """`text` (which ends with a newline) as a note signed by one key."""
    _check_text(text)
    key_id = _key_id(signer.vkey)
    signature = base64.b64encode(key_id + signer.sign(text.encode())).decode()
    return f"{text}\n{_DASH}{signer.name} {signature}\n"


def open_note(note: str, keys: Sequence[VerifierKey]) -> str:
    """The text of a note that at least one of `keys` signed; raises `VerificationFailed`.

    Signatures by other keys are ignored; a false signature under a known key refuses the whole note.
    """
    text, lines = split_note(note)
    known = {(key.name, key.key_id): key for key in keys}
    good = False
    for name, key_id, signature in lines:
        key = known.get((name, key_id))
        if key is None:
            continue
        if not key.verifies(text.encode(), signature):
            raise VerificationFailed("a signed note whose signature does not verify")
        good = True
    if not good:
        raise VerificationFailed("a signed note without a signature by a known key")
    return text


def split_note(note: str) -> tuple[str, list[tuple[str, bytes, bytes]]]:
    """The text of a note and (name, key id, signature) of each line under it, nothing verified.

    Raises `VerificationFailed` for what is no signed note.
    """
    body, gap, tail = note.rpartition("\n\n")
    text = body + "\n"
    if not gap or not tail.endswith("\n"):
        raise VerificationFailed("not a signed note; expected text, an empty line and signature lines")
    _check_text(text)
    lines = tail[:-1].split("\n")
    if len(lines) > _MOST_SIGNATURES:
        raise VerificationFailed("a signed note with too many signatures")
    return text, [parse_signature(line) for line in lines]


def parse_signature(line: str) -> tuple[str, bytes, bytes]:
    """Name, key id and signature of one signature line (without its newline); raises `VerificationFailed`."""
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    raw = decode_base64(encoded)
    if not line.startswith(_DASH) or not name or raw is None or len(raw) < 5:
        raise VerificationFailed("a signed note with a malformed signature line")
    return name, raw[:4], raw[4:]


def decode_base64(text: str) -> bytes | None:
    """Strict base64: only the one canonical spelling of some bytes is accepted."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if base64.b64encode(raw).decode() == text else None


@lru_cache(maxsize=16)
def _key_id(vkey: str) -> bytes:
    return parse_vkey(vkey).key_id


def _check_text(text: str) -> None:
    if not text.endswith("\n") or _CONTROL.search(text):
        raise VerificationFailed("a note whose text does not end with a newline or holds control characters")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise VerificationFailed("a note that is not valid Unicode") from None
