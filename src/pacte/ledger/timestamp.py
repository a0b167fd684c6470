"""Time-stamps: an authority's signed word that a checkpoint existed at a moment, by a clock that is not the house's.

What is stamped is the SHA-256 of the signed checkpoint's text, as it is published. The request is DER made here; tokens
are checked by `openssl ts -verify`, the program that an opponent would use as well. Of each stamped checkpoint three
files lie side by side: `.checkpoint` (the signed note), `.tsq` (the request) and `.tsr` (the authority's answer).
Source: RFC 3161; RFC 5816; ITU-T X.690.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pacte.kernel.errors import BadInput, PacteError, Unsafe, VerificationFailed
from pacte.kernel.instant import Instant, from_datetime
from pacte.ledger.asking import ask
from pacte.ledger.checkpoint import Checkpoint, unsigned_checkpoint

_VERSION = bytes.fromhex("020101")
_SHA256 = bytes.fromhex("300d06096086480165030402010500")  # AlgorithmIdentifier of id-sha256, parameters NULL
_CERTIFICATE_WANTED = bytes.fromhex("0101ff")
_TIME = re.compile(rb"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.(\d+))?Z")
_SECONDS = 30

_REFUSED = ("time stamp token is not", "no time stamp token")
_REASONS = (
    ("message imprint mismatch", "it is about something else than this checkpoint"),
    ("nonce mismatch", "it answers another request than ours"),
    ("certificate has expired", "the authority's certificate had expired"),
    ("certificate is not yet valid", "the authority's certificate was not valid yet"),
    ("certificate signature failure", "the authority's certificate does not lead to the `ca` of the settings"),
    ("self-signed certificate", "the authority's certificate does not lead to the `ca` of the settings"),
    ("self signed certificate", "the authority's certificate does not lead to the `ca` of the settings"),
    ("unable to get", "the authority's certificate does not lead to the `ca` of the settings"),
    ("unsuitable certificate purpose", "the authority's certificate is not one for time-stamps"),
    ("invalid signer certificate purpose", "the authority's certificate is not one for time-stamps"),
    ("signature failure", "its signature does not verify"),
    ("digest failure", "its content was changed after it was signed"),
    ("bad signature", "its signature does not verify"),
    *((mark, "the authority refused the request") for mark in _REFUSED),
)


@dataclass(frozen=True, slots=True)
class Stamp:
    """A token that verifies: the authority's time, and whether its certificate has ended since."""

    time: Instant
    expired_since: bool


@dataclass(frozen=True, slots=True)
class Stamped:
    """A stamped checkpoint as it is kept: the signed note, the request and the authority's answer."""

    note: str
    query: bytes
    token: bytes

    @property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint, as the note claims it."""
        return unsigned_checkpoint(self.note)


def request(note: str, nonce: bytes) -> bytes:
    """The DER of a request to stamp a signed checkpoint; `nonce` (8 bytes, see `fresh_nonce`) must come back."""
    digest = hashlib.sha256(note.encode()).digest()
    imprint = _tlv(0x30, _SHA256 + _tlv(0x04, digest))
    return _tlv(0x30, _VERSION + imprint + _tlv(0x02, nonce) + _CERTIFICATE_WANTED)


def fresh_nonce() -> bytes:
    """Eight random bytes that are a positive integer of that length as they stand."""
    nonce = secrets.token_bytes(8)
    return bytes([0x40 | nonce[0] & 0x3F]) + nonce[1:]


def obtain(authority: str, note: str, ca: Path) -> tuple[Stamped, Stamp]:
    """Ask the authority to stamp a signed checkpoint, and check its answer; nothing is kept of an answer that fails."""
    _check_ca(ca)
    query = request(note, fresh_nonce())
    answer = ask(authority, query, "application/timestamp-query")
    if answer.status != 200:
        raise PacteError(f"the time-stamping authority answered with HTTP status {answer.status}")
    found = Stamped(note, query, answer.body)
    stamp = check(found, ca)
    if stamp.expired_since:
        raise VerificationFailed("a time-stamp that does not verify: the authority's certificate had expired")
    return found, stamp


def check(stamped: Stamped, ca: Path) -> Stamp:
    """Check a token against its request, its checkpoint and the certificates in `ca`; raises `VerificationFailed`.

    A token outlives the certificate of its authority: what verified at its own time is good, and said to be expired.
    """
    _check_ca(ca)
    if not _asks_for(stamped.query, stamped.note):
        raise VerificationFailed("a time-stamp that does not verify: its request is not about this checkpoint")
    with tempfile.TemporaryDirectory() as directory:
        answer, query, token = (Path(directory, name) for name in ("answer.tsr", "query.tsq", "token.der"))
        answer.write_bytes(stamped.token)
        query.write_bytes(stamped.query)
        verify = ["-verify", "-in", str(answer), "-queryfile", str(query), "-CAfile", str(ca)]
        _openssl("-reply", "-in", str(answer), "-token_out", "-out", str(token))
        now = _openssl(*verify)
        # INVARIANT: the time is read from what the authority signed. The answer around it is anybody's to write.
        time = _time(token.read_bytes()) if token.exists() else None
        if time is None:
            raise VerificationFailed(_refusal(now.stderr))
        if now.returncode and "has expired" in now.stderr:
            then = _openssl(*verify, "-attime", str(time // 1_000_000))
            if not then.returncode:
                return Stamp(time, expired_since=True)
    if now.returncode:
        raise VerificationFailed(f"a time-stamp that does not verify: {_reason(now.stderr)}")
    return Stamp(time, expired_since=False)


def keep(directory: Path, stamped: Stamped) -> Path:
    """Write the three files of a stamped checkpoint, the token last; returns its path."""
    directory.mkdir(mode=0o700, exist_ok=True)
    base = directory / _name(stamped.checkpoint)
    # Crash point: a token stands only beside its checkpoint and its request; without it nothing counts as stamped.
    for suffix, content in ((".checkpoint", stamped.note.encode()), (".tsq", stamped.query), (".tsr", stamped.token)):
        write_whole(base.with_suffix(suffix), content)
    return base.with_suffix(".tsr")


def kept(directory: Path, note: str) -> Stamped | None:
    """The kept time-stamp of this checkpoint, if there is one."""
    token = directory / f"{_name(unsigned_checkpoint(note))}.tsr"
    return _read(token) if token.exists() else None


def all_kept(directory: Path) -> Iterator[tuple[Path, Stamped]]:
    """Every kept time-stamp with the path of its token, the smallest log first; raises `Unsafe` if a file is gone."""
    for token in sorted(directory.glob("*.tsr")):
        yield token, _read(token)


def name_of(stamped: Stamped) -> str:
    """What its three files are called, without their endings."""
    return _name(stamped.checkpoint)


def write_whole(path: Path, content: bytes) -> None:
    """Put a file in place whole, readable by its owner only; on return it is on the disk."""
    beside = path.with_name(f"{path.name}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _tlv(tag: int, content: bytes) -> bytes:
    # INVARIANT: everything here is shorter than 128 bytes, so that one byte is the whole length.
    return bytes([tag, len(content)]) + content


def _asks_for(query: bytes, note: str) -> bool:
    # Requests have one form and one length; whatever is not made as ours is not ours.
    nonce = query[-11:-3]
    return len(nonce) == 8 and request(note, nonce) == query


def _name(checkpoint: Checkpoint) -> str:
    return f"{checkpoint.size:012d}-{checkpoint.root.hex()[:16]}"


def _read(token: Path) -> Stamped:
    try:
        note, query = token.with_suffix(".checkpoint").read_text("utf-8"), token.with_suffix(".tsq").read_bytes()
        return Stamped(note, query, token.read_bytes())
    except (OSError, ValueError):
        raise Unsafe(f"`{token.name}` lacks its checkpoint or its request beside it; put your copy back") from None


def _check_ca(ca: Path) -> None:
    if not ca.is_file():
        raise BadInput("the file of `timestamps.ca` in the settings is not there; it holds the authority's root in PEM")


def _openssl(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("openssl")
    if program is None:
        raise PacteError("the program `openssl` is not installed; time-stamps are checked with it")
    try:
        return subprocess.run(  # noqa: S603 # our own arguments, no shell
            [program, "ts", *arguments],
            capture_output=True,
            check=False,
            encoding="utf-8",
            errors="replace",
            timeout=_SECONDS,
            # Not the house's environment: a passphrase or a database's address may stand in it.
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
        )
    except subprocess.TimeoutExpired:
        raise PacteError("`openssl` did not come to an end; the time-stamp was not checked") from None


def _time(token: bytes) -> Instant | None:
    """`genTime` of the TSTInfo in a token, as openssl writes it out: DER. Source: RFC 5652 §5.1, RFC 3161 §2.4.2."""
    try:
        (content_info,) = _parts(token)
        _, explicit = _inside(content_info, 0x30)
        (signed_data,) = _inside(explicit, 0xA0)
        _, explicit = _inside(_inside(signed_data, 0x30)[2], 0x30)
        (octets,) = _inside(explicit, 0xA0)
        (info,) = _inside(octets, 0x04)
        tag, said = _inside(info, 0x30)[4]
        found = _TIME.fullmatch(said) if tag == 0x18 else None
        if found is None:
            return None
        year, month, day, hour, minute, second = (int(found[i]) for i in range(1, 7))
        micros = int(f"{(found[7] or b'0').decode():0<6}"[:6])
        return from_datetime(datetime(year, month, day, hour, minute, second, micros, UTC))
    except (ValueError, IndexError):
        return None


def _inside(part: tuple[int, bytes], tag: int) -> list[tuple[int, bytes]]:
    """The parts of a part that must have this tag; raises `ValueError`."""
    if part[0] != tag:
        raise ValueError("another part was expected here")
    return _parts(part[1])


def _parts(der: bytes) -> list[tuple[int, bytes]]:
    """What stands side by side in DER, as (tag, content); raises `ValueError` or `IndexError` where it is none."""
    found, at = [], 0
    while at < len(der):
        tag, length, at = der[at], der[at + 1], at + 2
        if length > 0x80:  # the length of the length
            length, at = int.from_bytes(der[at : at + length - 0x80], "big"), at + length - 0x80
        if length == 0x80 or at + length > len(der):
            raise ValueError("a part without an end")
        found.append((tag, der[at : at + length]))
        at += length
    return found


def _refusal(said: str) -> str:
    if any(mark in said for mark in _REFUSED):
        return "the time-stamping authority refused the request"
    return "an answer of the time-stamping authority that is no time-stamp; is the address that of an authority?"


def _reason(said: str) -> str:
    return next((words for mark, words in _REASONS if mark in said), "`openssl ts -verify` refuses it")
