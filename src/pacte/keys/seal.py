"""Seal and unseal: authenticated encryption of one group of fields, bound to where it belongs.

AES-256-GCM with a random 96-bit nonce before the ciphertext. One person's key seals a handful of values, far below the
2^32 random nonces that one key allows. Source: NIST SP 800-38D §8.2.2 and §8.3.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pacte.kernel.canonical import canonical
from pacte.kernel.errors import BadInput, Unsafe
from pacte.kernel.ids import SubjectId

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16


def seal(key: bytes, plaintext: bytes, ad: bytes) -> bytes:
    """Encrypt `plaintext` under a 32-byte key; answers nonce (12 bytes) ‖ ciphertext ‖ tag (16 bytes).

    `ad` is not stored: whoever unseals must know where the value belongs.
    """
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + _cipher(key).encrypt(nonce, plaintext, ad)


def seal_many(keys: Sequence[bytes], plaintexts: Sequence[bytes], places: Sequence[bytes]) -> list[bytes]:
    """Each plaintext sealed under its key and bound to its place as `seal` does, in the same order."""
    # Drawn at once: a call per nonce costs as much as the encryption.
    drawn = os.urandom(NONCE_BYTES * len(keys))
    nonces = [drawn[start : start + NONCE_BYTES] for start in range(0, len(drawn), NONCE_BYTES)]
    return [
        nonce + AESGCM(key).encrypt(nonce, plaintext, ad)
        for nonce, key, plaintext, ad in zip(nonces, keys, plaintexts, places, strict=True)
    ]


def unseal(key: bytes, sealed: bytes, ad: bytes) -> bytes:
    """The plaintext; raises `Unsafe` when key, bytes or place are not the ones it was sealed with."""
    if len(sealed) >= NONCE_BYTES + TAG_BYTES:
        try:
            return _cipher(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], ad)
        except InvalidTag:
            pass
    raise _closed()


def unseal_many(keys: Sequence[bytes], contents: Sequence[bytes], places: Sequence[bytes]) -> list[bytes]:
    """Each plaintext, as `unseal` opens it; raises `Unsafe` when one does not open."""
    try:
        return [
            AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], ad)
            for key, sealed, ad in zip(keys, contents, places, strict=True)
        ]
    except (InvalidTag, ValueError):
        raise _closed() from None


def place(subject: SubjectId, group: str, version: int) -> bytes:
    """The associated data of a person's group of fields: a sealed value moved elsewhere no longer opens.

    It is `canonical({"group": group, "subject": subject, "v": version})`.
    """
    before, after = _around_subject(group, version)
    return before + subject.encode("ascii") + after


def places(subjects: Sequence[SubjectId], groups: Sequence[str], versions: Sequence[int]) -> list[bytes]:
    """The `place` of each, where the same few groups come again and again."""
    around = {one: _around_subject(*one) for one in set(zip(groups, versions, strict=True))}
    if len(around) == 1:
        ((before, after),) = around.values()
        return [before + subject.encode("ascii") + after for subject in subjects]
    return list(map(place, subjects, groups, versions))


@lru_cache(maxsize=256)
def _around_subject(group: str, version: int) -> tuple[bytes, bytes]:
    # Bulk loads differ in the subject only, which is hexadecimal and needs no escaping.
    before, _, after = canonical({"group": group, "subject": "", "v": version}).rpartition(b'""')
    return before + b'"', b'"' + after


def _closed() -> Unsafe:
    return Unsafe("a sealed value does not open: it was altered, moved, or sealed with another key")


def _cipher(key: bytes) -> AESGCM:
    if len(key) != KEY_BYTES:
        raise BadInput(f"a key of {len(key)} bytes; expected {KEY_BYTES}")
    return AESGCM(key)
