"""Checkpoints: the signed head of the log, three lines in the C2SP format, and proofs that carry one.

Source: c2sp.org/tlog-checkpoint, c2sp.org/tlog-proof.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from pacte.kernel.errors import VerificationFailed
from pacte.ledger.note import Signer, VerifierKey, decode_base64, open_note, sign_note

TLOG_PROOF = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What the log says of itself: its origin, how many entries it has, and the 32-byte root over them."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def sign_checkpoint(signer: Signer, size: int, root: bytes) -> str:
    """The signed note for a log of `size` entries."""
    return sign_note(Checkpoint(signer.name, size, root).text, signer)


def open_checkpoint(note: str, key: VerifierKey) -> Checkpoint:
    """The checkpoint in a note that `key` signed for the log of its own name; raises `VerificationFailed`."""
    checkpoint = parse_checkpoint(open_note(note, [key]))
    if checkpoint.origin != key.name:
        raise VerificationFailed("a checkpoint of another log than the key's")
    return checkpoint


def parse_checkpoint(text: str) -> Checkpoint:
    """Read the text of a checkpoint (extension lines are allowed and ignored); raises `VerificationFailed`."""
    lines = text.split("\n")
    if len(lines) < 4 or lines.pop() != "" or "" in lines:
        raise VerificationFailed("not a checkpoint; expected origin, size and root on three lines")
    size, root = parse_decimal(lines[1]), decode_base64(lines[2])
    if size is None or root is None or len(root) != 32:
        raise VerificationFailed("a checkpoint whose size or root is malformed")
    return Checkpoint(lines[0], size, root)


def unsigned_checkpoint(note: str) -> Checkpoint:
    """The checkpoint a note claims, its signature not looked at: for finding sizes, never for trust."""
    return parse_checkpoint(note.rpartition("\n\n")[0] + "\n")


def tlog_proof_text(index: int, path: Sequence[bytes], checkpoint: str) -> str:
    """The inclusion proof of one entry in the C2SP format, with the signed checkpoint it leads to."""
    lines = [TLOG_PROOF, f"index {index}", *(base64.b64encode(node).decode() for node in path), "", checkpoint]
    return "\n".join(lines)


def parse_decimal(text: str) -> int | None:
    """A size or index as the formats write it: ASCII digits without leading zeroes, below 2^63."""
    if not (text.isascii() and text.isdigit()) or len(text) > 19 or (text[0] == "0" and text != "0"):
        return None
    return int(text)
