"""Witnesses: others who look at every checkpoint, check that the log only grew, and sign what they saw with their time.

A log with witnesses cannot show one history to a court and another to an auditor: no honest witness signs both. This
module asks for a cosignature and checks it; checkpoints that carry cosignatures lie in a folder, one file each.
Source: c2sp.org/tlog-witness; c2sp.org/tlog-cosignature (Ed25519, `cosignature/v1`).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pacte.kernel.errors import BadInput, Conflict, PacteError, Unsafe, VerificationFailed
from pacte.kernel.instant import SECOND, Instant
from pacte.ledger.asking import Answer, ask
from pacte.ledger.checkpoint import Checkpoint, parse_checkpoint, parse_decimal, unsigned_checkpoint
from pacte.ledger.note import VerifierKey, check_name, decode_base64, parse_signature, split_note
from pacte.ledger.timestamp import write_whole

_AHEAD = 300 * SECOND
"""How far a witness's clock may stand before ours."""

_ED25519, _COSIGNATURE = b"\x01", b"\x04"


@dataclass(frozen=True, slots=True)
class WitnessKey:
    """A witness's name and 32-byte Ed25519 public key."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """Four bytes that stand for the name and the key together in a cosignature line."""
        return _key_id(self.name, _COSIGNATURE, self.public)

    @property
    def vkey(self) -> str:
        """The key as one line of text, of the type for cosignatures."""
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(_COSIGNATURE + self.public).decode()}"


@dataclass(frozen=True, slots=True)
class Cosignature:
    """One cosignature that verifies: whose it is, the witness's time, and its line in the note."""

    name: str
    time: Instant
    line: str


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The witness knows the log at another size than we thought; a proof must begin there."""

    size: int


def parse_witness_key(text: str) -> WitnessKey:
    """Read a witness's verifier key, of the type for cosignatures or of the plain one; raises `BadInput`."""
    name, _, rest = text.partition("+")
    key_id, _, encoded = rest.partition("+")
    raw = decode_base64(encoded)
    if raw is None or len(raw) != 33 or raw[:1] not in (_ED25519, _COSIGNATURE):
        raise BadInput("not a witness's key; expected `<name>+<key id>+<base64>` of an Ed25519 key")
    if key_id != _key_id(check_name(name), raw[:1], raw[1:]).hex():
        raise BadInput("a witness's key whose key id does not belong to its name and key; was it cut or edited?")
    return WitnessKey(name, raw[1:])


def add_checkpoint(
    url: str, key: WitnessKey, note: str, old: int, proof: Sequence[bytes], now: Instant
) -> Cosignature | Elsewhere:
    """Ask a witness to cosign a signed checkpoint that continues the one of `old` entries, as `proof` shows.

    Raises `Unsafe` where the witness has seen another history, `VerificationFailed` for a cosignature that is none.
    """
    lines = [f"old {old}", *(base64.b64encode(node).decode() for node in proof), "", note]
    answer = ask(f"{url.rstrip('/')}/add-checkpoint", "\n".join(lines).encode(), "text/plain")
    if answer.status == 200:
        return _cosignature(answer, key, note, now)
    if answer.status == 409:
        return Elsewhere(_size(answer, key))
    if answer.status == 422:
        raise Unsafe(
            f"the witness `{key.name}` has seen another history of this ledger, up to {old} entries: one of the two "
            "was rewritten; compare with the anchors and with what others kept"
        )
    raise _refusal(answer.status, key)


def cosignatures(note: str, keys: Sequence[WitnessKey], now: Instant) -> list[Cosignature]:
    """The cosignatures by `keys` that a note carries; others' are ignored, a false one raises `VerificationFailed`."""
    text, signed = split_note(note)
    known = {(key.name, key.key_id): key for key in keys}
    found = []
    for name, key_id, signature in signed:
        key = known.get((name, key_id))
        if key is None:
            continue
        time = int.from_bytes(signature[:8])
        message = f"cosignature/v1\ntime {time}\n{text}".encode()
        if len(signature) != 72 or not VerifierKey(key.name, key.public).verifies(message, signature[8:]):
            raise VerificationFailed(f"a cosignature of `{name}` that does not verify")
        if not 0 < time * SECOND <= now + _AHEAD:
            raise VerificationFailed(f"a cosignature of `{name}` whose time has not come yet; whose clock is wrong?")
        line = f"— {name} {base64.b64encode(key_id + signature).decode()}\n"
        found.append(Cosignature(name, Instant(time * SECOND), line))
    return found


def keep(directory: Path, note: str, cosignature: Cosignature) -> Path:
    """Put a cosignature to the others of its checkpoint; returns the file, a signed note that anybody can read."""
    directory.mkdir(mode=0o700, exist_ok=True)
    path = _path(directory, unsigned_checkpoint(note))
    text, _, signed = (path.read_text("utf-8") if path.exists() else note).rpartition("\n\n")
    again = parse_signature(cosignature.line[:-1])[:2]
    others = [line for line in signed.splitlines() if parse_signature(line)[:2] != again]
    lines = "".join(f"{line}\n" for line in others)
    write_whole(path, f"{text}\n\n{lines}{cosignature.line}".encode())
    return path


def kept(directory: Path, checkpoint: Checkpoint) -> str | None:
    """The kept note of this checkpoint, with its cosignatures, if there is one."""
    path = _path(directory, checkpoint)
    return path.read_text("utf-8") if path.exists() else None


def all_kept(directory: Path) -> Iterator[str]:
    """The kept notes, the largest log first."""
    for path in sorted(directory.glob("*.checkpoint"), reverse=True):
        yield path.read_text("utf-8")


def newest_size(directory: Path, key: WitnessKey, now: Instant) -> int:
    """The size of the largest checkpoint that this witness cosigned for us, 0 for none."""
    for note in all_kept(directory):
        if cosignatures(note, [key], now):
            return parse_checkpoint(split_note(note)[0]).size
    return 0


def _cosignature(answer: Answer, key: WitnessKey, note: str, now: Instant) -> Cosignature:
    try:
        found = cosignatures(note + answer.body.decode(), [key], now)
    except UnicodeDecodeError:
        found = []
    if not found:
        raise VerificationFailed(f"the witness answered without a cosignature by the key of `{key.name}`")
    return found[0]


def _size(answer: Answer, key: WitnessKey) -> int:
    size = parse_decimal(answer.body.decode("ascii", "replace").removesuffix("\n")) if answer.body else None
    if size is None:
        raise PacteError(f"the witness `{key.name}` gave an answer that cannot be read")
    return size


def _refusal(status: int, key: WitnessKey) -> PacteError:
    if status in (403, 404):
        return BadInput(f"the witness `{key.name}` does not know this log; give its keeper the log's name and key")
    if status == 429 or status >= 500:
        return Conflict(f"the witness `{key.name}` answered with HTTP status {status}; try again later")
    return PacteError(f"the witness `{key.name}` answered with HTTP status {status}")


def _key_id(name: str, kind: bytes, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + kind + public).digest()[:4]


def _path(directory: Path, checkpoint: Checkpoint) -> Path:
    return directory / f"{checkpoint.size:012d}-{checkpoint.root.hex()[:16]}.checkpoint"
