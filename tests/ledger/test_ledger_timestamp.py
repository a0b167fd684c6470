"""Time-stamps of a real authority, elliptic and RSA: what verifies, and every way in which one does not."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from pacte.kernel.errors import BadInput, Conflict, PacteError, Unsafe, VerificationFailed
from pacte.kernel.instant import now
from pacte.ledger import asking, timestamp
from pacte.ledger.checkpoint import sign_checkpoint
from pacte.ledger.note import NoteSigner
from tests.ledger.authority import Authority, drip, reply, served

SIGNER = NoteSigner(bytes(range(32)), "pacte.example/house/test")
NOTE = sign_checkpoint(SIGNER, 7, b"r" * 32)
OTHER = sign_checkpoint(SIGNER, 8, b"s" * 32)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tsa") / "ec")


def refused(authority: Authority, stamped: timestamp.Stamped) -> str:
    """Why a token does not verify."""
    with pytest.raises(VerificationFailed) as caught:
        timestamp.check(stamped, authority.ca)
    return str(caught.value)


def stamped_by(authority: Authority, note: str = NOTE) -> timestamp.Stamped:
    """A token as the authority gives it, unchecked."""
    query = timestamp.request(note, timestamp.fresh_nonce())
    return timestamp.Stamped(note, query, authority.stamp(query))


def test_the_request_is_the_one_that_openssl_makes(tmp_path: Path) -> None:
    """Byte for byte the DER of `openssl ts -query`, but for the nonce; openssl reads ours and finds ours in it."""
    note, ours, theirs = tmp_path / "note", tmp_path / "ours.tsq", tmp_path / "theirs.tsq"
    note.write_text(NOTE)
    nonce = timestamp.fresh_nonce()
    ours.write_bytes(timestamp.request(NOTE, nonce))
    make = ["openssl", "ts", "-query", "-data", str(note), "-sha256", "-cert", "-no_nonce", "-out", str(theirs)]
    subprocess.run(make, check=True, capture_output=True)
    without_nonce = ours.read_bytes().replace(b"\x02\x08" + nonce, b"")
    assert b"\x30" + bytes([len(without_nonce) - 2]) + without_nonce[2:] == theirs.read_bytes()
    shown = subprocess.run(
        ["openssl", "ts", "-query", "-in", str(ours), "-text"], check=True, capture_output=True, text=True
    ).stdout
    assert f"0x{nonce.hex().upper()}" in shown
    assert "Certificate required: yes" in shown
    assert hashlib.sha256(NOTE.encode()).hexdigest()[:4] in shown.replace(" ", "")


@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_a_checkpoint_is_stamped_and_kept(kind: str, tmp_path: Path) -> None:
    """The token verifies, says a time that is now, is kept with its request, and verifies in openssl's own hands."""
    authority = Authority(tmp_path / "tsa", kind)
    with served(authority.respond) as url:
        stamped, stamp = timestamp.obtain(url, NOTE, authority.ca)
    assert abs(stamp.time - now()) < 10_000_000
    assert not stamp.expired_since
    kept = tmp_path / "timestamps"
    token = timestamp.keep(kept, stamped)
    assert [path.suffix for path in sorted(kept.iterdir())] == [".checkpoint", ".tsq", ".tsr"]
    assert {path.stat().st_mode & 0o777 for path in kept.iterdir()} == {0o600}
    assert timestamp.kept(kept, NOTE) == stamped
    assert timestamp.kept(kept, OTHER) is None
    assert list(timestamp.all_kept(kept)) == [(token, stamped)]
    assert timestamp.check(stamped, authority.ca) == stamp
    by_hand = ["-data", str(token.with_suffix(".checkpoint")), "-in", str(token), "-CAfile", str(authority.ca)]
    done = subprocess.run(["openssl", "ts", "-verify", *by_hand], capture_output=True, text=True, check=False)
    assert "Verification: OK" in done.stdout + done.stderr


def test_a_kept_token_whose_neighbours_are_gone(authority: Authority, tmp_path: Path) -> None:
    """A token without its request or its checkpoint is said to be incomplete."""
    token = timestamp.keep(tmp_path / "t", stamped_by(authority))
    token.with_suffix(".tsq").unlink()
    with pytest.raises(Unsafe, match="lacks its checkpoint or its request"):
        list(timestamp.all_kept(tmp_path / "t"))


def test_a_token_for_another_checkpoint(authority: Authority) -> None:
    """A true token does not pass for another checkpoint: not with its own request, not with one that was made up."""
    other = stamped_by(authority, OTHER)
    with_its_request = timestamp.Stamped(NOTE, other.query, other.token)
    assert refused(authority, with_its_request).endswith("its request is not about this checkpoint")
    made_up = timestamp.Stamped(NOTE, timestamp.request(NOTE, other.query[-11:-3]), other.token)
    assert refused(authority, made_up).endswith("it is about something else than this checkpoint")


def test_a_token_that_answers_another_request(authority: Authority) -> None:
    """An old token of the same checkpoint, played back, does not carry the nonce of this request."""
    first, second = stamped_by(authority), stamped_by(authority)
    replayed = timestamp.Stamped(NOTE, second.query, first.token)
    assert refused(authority, replayed).endswith("it answers another request than ours")


@pytest.mark.parametrize(
    ("start", "stop", "words"), [(24, 56, "something else"), (58, 66, "another request")], ids=["hash", "nonce"]
)
def test_an_authority_that_stamps_something_else(tmp_path: Path, start: int, stop: int, words: str) -> None:
    """An authority that signs another hash, or another nonce, is refused and nothing of it is kept."""

    def change(query: bytes) -> bytes:
        return query[:start] + b"\x41" * (stop - start) + query[stop:]

    authority = Authority(tmp_path / "tsa", change=change)
    with served(authority.respond) as url, pytest.raises(VerificationFailed, match=words):
        timestamp.obtain(url, NOTE, authority.ca)


@pytest.mark.parametrize("root", ["Root of a test", "Another root"])
def test_another_root(authority: Authority, tmp_path: Path, root: str) -> None:
    """A token whose authority the settings do not name is refused, also when their root bears the same name."""
    stranger = Authority(tmp_path / "stranger", root=root)
    assert refused(stranger, stamped_by(authority)).endswith("does not lead to the `ca` of the settings")


def test_an_expired_authority(tmp_path: Path) -> None:
    """A token signed after the certificate's end is refused."""
    late = Authority(tmp_path / "late", life=timedelta(days=-1))
    with served(late.respond) as url, pytest.raises(VerificationFailed, match="certificate had expired"):
        timestamp.obtain(url, NOTE, late.ca)


def test_a_token_outlives_its_authority(tmp_path: Path) -> None:
    """A token from the certificate's last seconds still verifies afterwards, and says that the certificate ended."""
    authority = Authority(tmp_path / "tsa", life=timedelta(seconds=6))
    ends = time.monotonic() + 6
    stamped = stamped_by(authority)
    first = timestamp.check(stamped, authority.ca)
    time.sleep(max(0.0, ends + 1 - time.monotonic()))
    later = timestamp.check(stamped, authority.ca)
    assert (first.expired_since, later.expired_since, first.time) == (False, True, later.time)


def test_any_flipped_bit_of_a_token(authority: Authority) -> None:
    """Wherever a bit of what was signed is flipped, the token is refused."""
    stamped = stamped_by(authority)
    for position in range(0, len(stamped.token), max(1, len(stamped.token) // 24)):
        flipped = bytearray(stamped.token)
        flipped[position] ^= 0x04
        try:
            timestamp.check(timestamp.Stamped(NOTE, stamped.query, bytes(flipped)), authority.ca)
        except VerificationFailed:
            continue
        # The certificates that come along are not part of what is signed beyond their use; nothing else may change.
        assert authority_bytes(authority) in stamped.token
        start = stamped.token.index(authority_bytes(authority))
        assert start <= position < start + len(authority_bytes(authority))


def authority_bytes(authority: Authority) -> bytes:
    """The DER of the authority's certificate, as tokens carry it."""
    pem = ["openssl", "x509", "-in", str(authority.home / "tsa.pem"), "-outform", "DER"]
    return subprocess.run(pem, check=True, capture_output=True).stdout


def der(tag: int, content: bytes) -> bytes:
    """One part of DER, its length in one byte or in three."""
    size = len(content)
    return bytes([tag]) + (bytes([size]) if size < 128 else bytes([0x82, size >> 8, size & 255])) + content


@pytest.mark.parametrize(
    "said", ["\nTime stamp: Jan  1 00:00:00 2020 GMT", "granted\nTime stamp: Feb 30 99:99:99 1970 GMT", ""]
)
def test_a_time_that_nobody_signed(authority: Authority, said: str) -> None:
    """The words around a token are anybody's to write; the time is the one that the authority signed."""
    stamped = stamped_by(authority)
    honest = timestamp.check(stamped, authority.ca)
    inner = stamped.token[4:]
    assert stamped.token[:2] == b"\x30\x82"
    assert inner[0] == 0x30
    token = inner[2 + inner[1] :]
    status = der(0x30, b"\x02\x01\x00" + der(0x30, der(0x0C, said.encode())))
    around = timestamp.Stamped(stamped.note, stamped.query, der(0x30, status + token))
    assert around.token != stamped.token
    assert timestamp.check(around, authority.ca) == honest
    assert abs(honest.time - now()) < 60_000_000


def test_openssl_learns_nothing_of_the_house(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program that checks tokens gets neither the passphrase nor the database's address of the environment."""
    stamped, seen, program = stamped_by(authority), tmp_path / "seen", tmp_path / "openssl"
    real = shutil.which("openssl")
    program.write_text(f'#!/bin/sh\nenv >> {seen}\nexec {real} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("PACTE_PASSPHRASE", "violet kettle")
    monkeypatch.setenv("SHOP_DATABASE", "postgresql://u@h/db")
    timestamp.check(stamped, authority.ca)
    names = {line.partition("=")[0] for line in seen.read_text().splitlines()}
    assert {"PATH", "LC_ALL"} <= names <= {"PATH", "LC_ALL", "PWD", "OLDPWD", "SHLVL", "_"}


def answer(status: int, body: bytes) -> Callable[[BaseHTTPRequestHandler, bytes], None]:
    return lambda handler, _: reply(handler, status, "application/timestamp-reply", body)


@pytest.mark.parametrize(
    ("status", "body", "error", "words"),
    [
        (200, b"<html>hello</html>", VerificationFailed, "no time-stamp; is the address that of an authority"),
        (200, b"", VerificationFailed, "no time-stamp"),
        (200, bytes.fromhex("30053003020102"), VerificationFailed, "authority refused the request"),
        (200, b"x" * 70_000, Conflict, "answered more than 65536 bytes"),
        (503, b"busy", PacteError, "HTTP status 503"),
        (302, b"", PacteError, "HTTP status 302"),
    ],
    ids=["garbage", "empty", "rejection", "endless", "busy", "elsewhere"],
)
def test_an_authority_that_answers_something_else(
    authority: Authority, status: int, body: bytes, error: type[PacteError], words: str
) -> None:
    """Garbage, a refusal, an answer without end, an error page: each is said clearly."""
    with served(answer(status, body)) as url, pytest.raises(error, match=words):
        timestamp.obtain(url, NOTE, authority.ca)


def test_an_authority_that_is_dead(authority: Authority) -> None:
    """Nobody listens: it is said at once."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/"
    with pytest.raises(Conflict, match=r"`127\.0\.0\.1` cannot be reached; try again later"):
        timestamp.obtain(url, NOTE, authority.ca)


def silent(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    """Take the request and say nothing, for far longer than anybody waits."""
    threading.Event().wait(30)


@pytest.mark.parametrize("respond", [drip, silent])
def test_an_authority_that_is_slow(respond: Callable[[BaseHTTPRequestHandler, bytes], None]) -> None:
    """Silence, or a byte now and then, ends at the deadline: whoever answers so goes on for half a minute."""
    started = time.monotonic()
    with served(respond) as url, pytest.raises(Conflict, match="did not answer"):
        asking.ask(url, b"x", "application/timestamp-query", patience=0.6)
    assert time.monotonic() - started < 20


@pytest.mark.parametrize(
    "url", ["", "ftp://x.example/", "file:///etc/passwd", "https://", "https://a:b@x.example/", "http://x.example:y/"]
)
def test_addresses_that_are_not_asked(authority: Authority, url: str) -> None:
    """Only HTTP, and no secret in an address."""
    with pytest.raises(BadInput, match="an address"):
        timestamp.obtain(url, NOTE, authority.ca)


def test_a_root_that_is_not_there(tmp_path: Path) -> None:
    """Without the authority's root nothing is asked."""
    with pytest.raises(BadInput, match=r"`timestamps\.ca`"):
        timestamp.obtain("http://127.0.0.1:9/", NOTE, tmp_path / "none.pem")


def test_without_openssl(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the program is missing, that is the message."""
    stamped = stamped_by(authority)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(PacteError, match="`openssl` is not installed"):
        timestamp.check(stamped, authority.ca)
