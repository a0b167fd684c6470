"""The key-encryption keys: wrapping, versions, passphrases, and files that are lost or wrong."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pacte.kernel.errors import Conflict, Unsafe
from pacte.kernel.instant import Instant
from pacte.keys.keyfile import FileKeyService, PassphraseKeyService
from pacte.keys.service import KeyService

T0 = Instant(1_700_000_000_000_000)
CHEAP = 2**10


@pytest.fixture(params=["file", "passphrase"])
def service(request: pytest.FixtureRequest, tmp_path: Path) -> KeyService:
    if request.param == "file":
        return FileKeyService.create(tmp_path / "kek.json", T0)
    return PassphraseKeyService.create(tmp_path / "kek.json", "correct horse", T0, cost=CHEAP)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plain=st.binary(max_size=64), ad=st.binary(max_size=64), other=st.binary(max_size=64))
def test_what_is_wrapped_opens_in_its_place_only(service: KeyService, plain: bytes, ad: bytes, other: bytes) -> None:
    """Unwrapping gives the key back under the same associated data and refuses any other."""
    wrapped = service.wrap(plain, ad)
    assert service.unwrap(wrapped, ad) == plain
    if other != ad:
        with pytest.raises(Unsafe):
            service.unwrap(wrapped, other)


def test_any_flipped_bit_is_noticed(service: KeyService) -> None:
    """No single altered byte of a wrapped key, version included, goes unnoticed; nor does a cut one."""
    service.begin_version(T0)
    wrapped = service.wrap(b"k" * 32, b"place")
    for position in range(len(wrapped)):
        altered = bytearray(wrapped)
        altered[position] ^= 3
        with pytest.raises(Unsafe):
            service.unwrap(bytes(altered), b"place")
    for length in range(len(wrapped)):
        with pytest.raises(Unsafe):
            service.unwrap(wrapped[:length], b"place")


def test_old_versions_open_until_they_are_destroyed(service: KeyService) -> None:
    """A new version wraps at once; the old one still opens, and no longer after its destruction, which is dated."""
    old = service.wrap(b"k" * 32, b"place")
    assert service.begin_version(T0) == 2
    assert service.wrap(b"k" * 32, b"place")[:4] == (2).to_bytes(4)
    assert service.unwrap(old, b"place") == b"k" * 32
    service.destroy_version(1, T0)
    service.destroy_version(1, Instant(T0 + 1))
    assert service.destroyed() == {1: T0}
    with pytest.raises(Unsafe, match="does not hold key version 1"):
        service.unwrap(old, b"place")
    assert service.begin_version(T0) == 3


def test_the_wrong_passphrase_is_told(tmp_path: Path) -> None:
    """Another passphrase is refused in plain words; the right one opens what was wrapped before."""
    path = tmp_path / "kek.json"
    wrapped = PassphraseKeyService.create(path, "correct horse", T0, cost=CHEAP).wrap(b"k" * 32, b"place")
    with pytest.raises(Unsafe, match="the passphrase does not open this key store"):
        PassphraseKeyService(path, "wrong horse")
    assert PassphraseKeyService(path, "correct horse").unwrap(wrapped, b"place") == b"k" * 32


def test_a_passphrase_may_have_accents(tmp_path: Path) -> None:
    """The same passphrase typed on another keyboard, with another composition of its accents, opens the file."""
    path = tmp_path / "kek.json"
    PassphraseKeyService.create(path, "\u00e9t\u00e9 pass\u00e9", T0, cost=CHEAP)
    assert PassphraseKeyService(path, "e\u0301te\u0301 passe\u0301").version == 1


def test_the_passphrase_parameters_are_in_the_file(tmp_path: Path) -> None:
    """Salt and cost are stored, the passphrase and the keys are not; the default cost is 2^17."""
    path = tmp_path / "kek.json"
    PassphraseKeyService.create(path, "correct horse", T0)
    document = json.loads(path.read_text())
    assert document["lock"]["kind"] == "scrypt"
    assert (document["lock"]["n"], document["lock"]["r"], document["lock"]["p"]) == (2**17, 8, 1)
    assert "horse" not in path.read_text()
    assert len(bytes.fromhex(document["versions"]["1"]["key"])) == 12 + 32 + 16


def test_each_kind_of_file_is_opened_its_own_way(tmp_path: Path) -> None:
    """A locked file without passphrase, and an unlocked one with a passphrase, say what they need."""
    locked, plain = tmp_path / "locked.json", tmp_path / "plain.json"
    PassphraseKeyService.create(locked, "correct horse", T0, cost=CHEAP)
    FileKeyService.create(plain, T0)
    with pytest.raises(Unsafe, match="is locked with a passphrase"):
        FileKeyService(locked)
    with pytest.raises(Unsafe, match="is not locked with a passphrase"):
        PassphraseKeyService(plain, "correct horse")


def test_a_lost_key_file_says_what_to_do(tmp_path: Path) -> None:
    """A missing key file is an error that asks for the copy and says what is at stake."""
    for act in (
        lambda: FileKeyService(tmp_path / "kek.json"),
        lambda: PassphraseKeyService(tmp_path / "kek.json", "correct horse"),
    ):
        with pytest.raises(Unsafe, match=r"is missing; put it back .* no sealed value can be opened"):
            act()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b'{"format": "something else"}',
        b'{"format": "pacte-kek/1"}',
        b'{"format": "pacte-kek/1", "lock": {"kind": "none"}, "current": 2, "versions": {}, "destroyed": {}}',
        b'{"format": "pacte-kek/1", "lock": {"kind": "none"}, "current": 1, "versions": {"1": {"key": "zz"}}}',
        b'{"format": "pacte-kek/1", "lock": {"kind": "none"}, "current": 1, "versions": {"1": {"key": "00"}}}',
        b'{"format": "pacte-kek/1", "lock": {"kind": "none"}, "current": 1, "versions": []}',
    ],
)
def test_a_damaged_key_file_is_refused(tmp_path: Path, content: bytes) -> None:
    """Each way of being damaged ends in the same clear refusal, never in another kind of error."""
    path = tmp_path / "kek.json"
    path.touch(mode=0o600)
    path.write_bytes(content)
    with pytest.raises(Unsafe, match="is damaged or of another format"):
        FileKeyService(path)


@pytest.mark.parametrize("lock", ["{}", '{"kind": "scrypt", "salt": "00", "n": 1099511627776, "r": 8, "p": 1}', "[]"])
def test_a_damaged_lock_is_refused(tmp_path: Path, lock: str) -> None:
    """Missing or absurd scrypt parameters are refused before any memory is taken for them."""
    path = tmp_path / "kek.json"
    path.touch(mode=0o600)
    path.write_text(f'{{"format": "pacte-kek/1", "lock": {lock}, "current": 1, "versions": {{}}, "destroyed": {{}}}}')
    with pytest.raises(Unsafe, match="is damaged or of another format"):
        PassphraseKeyService(path, "correct horse")


def test_a_key_file_is_never_overwritten(tmp_path: Path) -> None:
    """Creating where a key file lies is refused, and that file stays as it was."""
    path = tmp_path / "kek.json"
    FileKeyService.create(path, T0)
    before = path.read_bytes()
    with pytest.raises(Conflict, match="there is already a key file"):
        FileKeyService.create(path, T0)
    with pytest.raises(Conflict, match="there is already a key file"):
        PassphraseKeyService.create(path, "correct horse", T0, cost=CHEAP)
    assert path.read_bytes() == before


def test_a_half_written_key_file_is_never_the_key_file(tmp_path: Path) -> None:
    """What a crash left beside the file is ignored and replaced by the next change."""
    path = tmp_path / "kek.json"
    service = FileKeyService.create(path, T0)
    leftover = tmp_path / "kek.json.new"
    leftover.write_bytes(b"{ half")
    assert FileKeyService(path).version == 1
    service.begin_version(T0)
    assert not leftover.exists()
    assert FileKeyService(path).version == 2
    assert path.stat().st_mode & 0o777 == 0o600


def test_key_services_do_not_print_their_keys(service: KeyService, tmp_path: Path) -> None:
    """The representation of a key service holds nothing of its file."""
    key = json.loads((tmp_path / "kek.json").read_text())["versions"]["1"]["key"]
    assert key not in repr(service)
    assert "correct horse" not in repr(service)


def test_a_key_file_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a full disk the old file stands, the message says so, and with room again the same is done."""
    service = FileKeyService.create(tmp_path / "kek.json", T0)
    before = (tmp_path / "kek.json").read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "ada")

    with monkeypatch.context() as disk:
        disk.setattr("pacte.keys.files.os.fsync", full)
        with pytest.raises(Unsafe, match="cannot be written: the disk is full; the old one stands") as raised:
            service.begin_version(T0)
    assert "ada" not in str(raised.value)
    assert (tmp_path / "kek.json").read_bytes() == before
    assert service.begin_version(T0) == 2
