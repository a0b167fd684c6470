"""Signing a mail as its domain's own, so that a mail reader believes whom it is from and how one unsubscribes.

The form of the signature and what of the message it covers are `dkimpy`'s; the arithmetic of the key is that of
`cryptography`, some thirty times as fast as in Python. Sources: RFC 6376, RFC 8301 (RSA of 2,048 bits), RFC 8058 §4
(both headers of an unsubscription are signed).
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence

import dkim
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from dkim.canonicalization import CanonicalizationPolicy

from pacte.kernel.errors import BadInput

SMALLEST = 2_048
"""Bits of a key. Source: RFC 8301 §3.2; below 2,048 mail services complain."""
SIGNED = (
    *("from", "to", "subject", "date", "message-id", "mime-version", "content-type", "content-language"),
    *("list-unsubscribe", "list-unsubscribe-post", "list-id", "precedence", "auto-submitted", "feedback-id"),
    "cfbl-address",
)
"""The headers that a signature covers where they are there."""
ONCE = ("from", "to", "subject", "date", "message-id", "list-unsubscribe", "list-unsubscribe-post")
"""Those that nobody may add a second time on the way, nor add where they were not: they are signed once more."""
_SIGNED, _ONCE = [tuple(name.encode() for name in names) for names in (SIGNED, ONCE)]
_FORM = CanonicalizationPolicy.from_c_value(b"relaxed/relaxed")
_LOOSE = re.compile(rb"\t|  | \r\n|(?:\A|\r\n)\r\n\Z")
"""What `relaxed` would change in a body whose lines end in CRLF. Source: RFC 6376 §3.4.4."""
_Headers = list[list[bytes]]
_Fields = list[tuple[bytes, bytes]]
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")


class Signer:
    """Signs for a domain with the key that it publishes under a selector; `pem` is an RSA key.

    Raises `BadInput` for a key or a name that no receiver would accept.
    """

    def __init__(self, domain: str, selector: str, pem: bytes) -> None:
        if not _NAME.fullmatch(domain) or not _NAME.fullmatch(selector):
            raise BadInput("the domain or the selector of a signature: expected small letters, digits, `-` and `.`")
        self._domain, self._selector, self._key = domain.encode(), selector.encode(), _private(pem)

    @property
    def record(self) -> tuple[str, str]:
        """The name and the text of the DNS record (TXT) that publishes the key."""
        der = self._key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        name = f"{self._selector.decode()}._domainkey.{self._domain.decode()}"
        return name, f"v=DKIM1; k=rsa; p={base64.b64encode(der).decode()}"

    def sign(self, message: bytes) -> bytes:
        """The message with its signature above it. `message` has its lines end in CRLF, as `mime.build` makes it."""
        head, _, body = message.partition(b"\r\n\r\n")
        headers, _ = dkim.rfc822_parse(head + b"\r\n\r\n")
        there = {name.lower() for name, _ in headers}
        covered = [*(name for name in _SIGNED if name in there), *_ONCE]
        fields = [
            (b"v", b"1"),
            (b"a", b"rsa-sha256"),
            (b"c", _FORM.to_c_value()),
            (b"d", self._domain),
            (b"s", self._selector),
            (b"h", b" : ".join(covered)),
            (b"bh", base64.b64encode(hashlib.sha256(canonical(body)).digest())),
        ]
        return b"DKIM-Signature: " + self._signed(headers, covered, fields) + b"\r\n" + message

    def _signed(self, headers: _Headers, covered: Sequence[bytes], fields: _Fields) -> bytes:
        """The value of the header, with the signature over all of it but itself."""
        unsigned: bytes = dkim.fold(_joined([*fields, (b"b", b"")]), namelen=16)
        digest = hashlib.sha256()
        plain = _FORM.canonicalize_headers(headers)
        dkim.hash_headers(digest, _FORM, plain, covered, (b"dkim-signature", b" " + unsigned), {})
        signature = self._key.sign(digest.digest(), padding.PKCS1v15(), Prehashed(hashes.SHA256()))
        encoded = base64.b64encode(signature)
        lines = (encoded[start : start + 72] for start in range(0, len(encoded), 72))
        return unsigned + b"\r\n " + b"\r\n ".join(lines)


def canonical(body: bytes) -> bytes:
    """The body as it is signed (`relaxed`); most of ours are so already, and looking costs less than writing anew."""
    if body.endswith(b"\r\n") and _LOOSE.search(body) is None:
        return body
    found: bytes = _FORM.canonicalize_body(body)
    return found


def _private(pem: bytes) -> rsa.RSAPrivateKey:
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise BadInput("the key of `mail.dkim` is not an RSA key in PEM without a passphrase") from None
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < SMALLEST:
        raise BadInput(f"the key of `mail.dkim` must be an RSA key of {SMALLEST} bits or more")
    return key


def _joined(fields: _Fields) -> bytes:
    return b"; ".join(b"=".join(one) for one in fields)
