"""Signing a mail as its domain's own, so that a mail reader believes whom it is from and how one unsubscribes.

The form of the signature and what of the message it covers are `dkimpy`'s; the arithmetic of the key is that of
`cryptography`, some thirty times as fast as in Python. Sources: RFC 6376, RFC 8301 (RSA of 2,048 bits), RFC 8058 §4
(both headers of an unsubscription are signed).
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import lru_cache

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
_LOOSE = (b"\t", b"  ", b" \r\n")
"""What `relaxed` would change within a body whose lines end in CRLF. Source: RFC 6376 §3.4.4."""
_CONSTANT = frozenset(
    {
        *(b"from", b"mime-version", b"content-language", b"list-unsubscribe-post", b"list-id", b"precedence"),
        *(b"auto-submitted", b"feedback-id", b"cfbl-address"),
    }
)
"""The headers that are the same in every message of a campaign, and say nothing of anybody who gets one."""
_LINES = re.compile(rb"\r\n(?![ \t])")
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")


class Signer:
    """Signs for a domain with the key that it publishes under a selector; `pem` is an RSA key.

    Raises `BadInput` for a key or a name that no receiver would accept.
    """

    def __init__(self, domain: str, selector: str, pem: bytes) -> None:
        if not _NAME.fullmatch(domain) or not _NAME.fullmatch(selector):
            raise BadInput("the domain or the selector of a signature: expected small letters, digits, `-` and `.`")
        self._domain, self._selector, self._key = domain.encode(), selector.encode(), _private(pem)
        self._forms: dict[tuple[bytes, ...], tuple[bytes, bytes]] = {}

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
        headers: dict[bytes, list[bytes]] = {}
        for line in _LINES.split(head):
            name, plain = _header(line)
            headers.setdefault(name, []).append(plain)
        covered = (*(name for name in _SIGNED if name in headers), *_ONCE)
        unsigned, plain = self._form(covered)
        hashed = base64.b64encode(hashlib.sha256(canonical(body)).digest())
        # Of several headers of one name the last is signed first; one that is not there adds nothing (RFC 6376 §5.4.2).
        signed = [headers[name].pop() for name in covered if headers.get(name)]
        digest = hashlib.sha256(b"".join((*signed, plain, hashed, b"; b=")))
        signature = base64.b64encode(self._key.sign(digest.digest(), padding.PKCS1v15(), Prehashed(hashes.SHA256())))
        lines = (signature[start : start + 72] for start in range(0, len(signature), 72))
        return b"".join((unsigned, hashed, b"; b=\r\n ", b"\r\n ".join(lines), b"\r\n", message))

    def _form(self, covered: tuple[bytes, ...]) -> tuple[bytes, bytes]:
        """The signature header up to the hash of the body, as it stands in the message and as it is signed."""
        if (found := self._forms.get(covered)) is None:
            fields = {
                b"v": b"1",
                b"a": b"rsa-sha256",
                b"c": _FORM.to_c_value(),
                b"d": self._domain,
                b"s": self._selector,
            }
            fields[b"h"] = b" : ".join(covered)
            words = b"; ".join(b"=".join(one) for one in fields.items())
            before = dkim.fold(words, namelen=16) + b";\r\n bh="
            found = b"DKIM-Signature: " + before, _plain(b"DKIM-Signature", before).removesuffix(b"\r\n")
            self._forms[covered] = found
        return found


def canonical(body: bytes) -> bytes:
    """The body as it is signed (`relaxed`); most of ours are so already, and looking costs less than writing anew."""
    ended = body.endswith(b"\r\n") and body != b"\r\n" and not body.endswith(b"\r\n\r\n")
    if ended and not any(one in body for one in _LOOSE):
        return body
    found: bytes = _FORM.canonicalize_body(body)
    return found


def _header(line: bytes) -> tuple[bytes, bytes]:
    """The name of a header, in small letters, and the header as it is signed."""
    name, _, value = line.partition(b":")
    known = name.lower()
    return known, _constant(name, value) if known in _CONSTANT else _plain(name, value)


def _plain(name: bytes, value: bytes) -> bytes:
    ((small, plain),) = _FORM.canonicalize_headers([(name, value)])
    return bytes(small + b":" + plain)


_constant = lru_cache(maxsize=256)(_plain)


def _private(pem: bytes) -> rsa.RSAPrivateKey:
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise BadInput("the key of `mail.dkim` is not an RSA key in PEM without a passphrase") from None
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < SMALLEST:
        raise BadInput(f"the key of `mail.dkim` must be an RSA key of {SMALLEST} bits or more")
    return key
