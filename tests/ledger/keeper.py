"""A witness of the tests' own, which shares no code with the house: it checks every rule of tlog-witness by itself."""

from __future__ import annotations

import base64
import hashlib
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.ledger.authority import reply

EMPTY = hashlib.sha256(b"").digest()


class Refused(Exception):
    """The status and body of an answer that is no cosignature."""

    def __init__(self, status: int, body: str = "", kind: str = "text/plain") -> None:
        self.answer = status, kind, body.encode()
        super().__init__(status)


@dataclass
class Witness:
    """What it is called, which log it watches (`<name>+<id>+<key>`), and the last checkpoint that it cosigned."""

    log: str
    name: str = "witness.example/w1"
    time: int = 1_700_000_000
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    seen: tuple[int, bytes] = (0, EMPTY)
    asked: list[int] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def public(self) -> bytes:
        """The 32 bytes of its public key."""
        return self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def vkey(self, kind: bytes = b"\x04") -> str:
        """Its key as one line; `kind` 0x04 is for cosignatures, 0x01 the plain one."""
        return f"{self.name}+{self.key_id(kind).hex()}+{base64.b64encode(kind + self.public).decode()}"

    def key_id(self, kind: bytes = b"\x04") -> bytes:
        """The four bytes before its signatures."""
        return hashlib.sha256(self.name.encode() + b"\n" + kind + self.public).digest()[:4]

    def respond(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        """POST /add-checkpoint."""
        try:
            if not handler.path.endswith("/add-checkpoint"):
                raise Refused(404)
            with self.lock:
                line = self.add(body.decode())
        except Refused as refused:
            reply(handler, *refused.answer)
        else:
            reply(handler, 200, "text/plain", line.encode())

    def add(self, body: str) -> str:
        """Check one request and cosign."""
        head, gap, note = body.partition("\n\n")
        first, *proof_lines = head.split("\n")
        if not gap or not first.startswith("old "):
            raise Refused(400)
        old = int(first[4:])
        self.asked.append(old)
        text = note.rpartition("\n\n")[0] + "\n"
        origin, size_line, root_line, *_ = text.split("\n")
        size, root = int(size_line), base64.b64decode(root_line, validate=True)
        self._authenticate(origin, text, note)
        if old > size:
            raise Refused(400)
        if old != self.seen[0]:
            raise Refused(409, f"{self.seen[0]}\n", "text/x.tlog.size")
        proof = [base64.b64decode(line, validate=True) for line in proof_lines]
        if len(proof) > 63 or not consistent(old, size, proof, self.seen[1], root):
            raise Refused(422)
        self.seen = size, root
        return self.cosign(text)

    def cosign(self, text: str) -> str:
        """The cosignature line over the text of a checkpoint."""
        signature = self.key.sign(f"cosignature/v1\ntime {self.time}\n{text}".encode())
        raw = self.key_id() + self.time.to_bytes(8) + signature
        return f"— {self.name} {base64.b64encode(raw).decode()}\n"

    def _authenticate(self, origin: str, text: str, note: str) -> None:
        name, key_id, key = self.log.split("+", 2)
        if origin != name:
            raise Refused(404)
        for line in note.rpartition("\n\n")[2].splitlines():
            _, signer, raw = line.split(" ")
            if signer == name and base64.b64decode(raw)[:4].hex() == key_id:
                public = Ed25519PublicKey.from_public_bytes(base64.b64decode(key)[1:])
                try:
                    public.verify(base64.b64decode(raw)[4:], text.encode())
                except InvalidSignature:
                    break
                return
        raise Refused(403)


def consistent(old: int, new: int, proof: list[bytes], old_root: bytes, new_root: bytes) -> bool:
    """The recursive definition of RFC 6962 §2.1.2, run backwards: rebuild both roots from the proof's nodes."""
    if old == 0:
        return not proof and (new > 0 or new_root == EMPTY)
    if old == new:
        return not proof and old_root == new_root
    nodes = list(proof)

    def rebuild(first: int, size: int, *, whole: bool) -> tuple[bytes, bytes]:
        # The roots, over `size` leaves of the new log, of its first `first` leaves and of all of them.
        if first == size:
            node = old_root if whole else nodes.pop()
            return node, node
        split = 1
        while split * 2 < size:
            split *= 2
        if first <= split:
            right = nodes.pop()
            before, left = rebuild(first, split, whole=whole)
            return before, _node(left, right)
        left = nodes.pop()
        before, right = rebuild(first - split, size - split, whole=False)
        return _node(left, before), _node(left, right)

    try:
        before, after = rebuild(old, new, whole=True)
    except IndexError:
        return False
    return not nodes and (before, after) == (old_root, new_root)


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()
