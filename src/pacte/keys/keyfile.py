"""Key services over a file: the key-encryption keys lie in `kek.json`, plain or sealed under a passphrase.

The file (mode 0600) is JSON: `format`, `lock`, `current`, `versions` {n: {made, key}}, `destroyed` {n: at}. A wrapped
key is version (4 bytes) ‖ nonce (12) ‖ ciphertext ‖ tag (16), AES-256-GCM; the version is authenticated with the place.
One version wraps far fewer than the 2^32 keys that random nonces allow. Source: NIST SP 800-38D §8.3.
"""

from __future__ import annotations

import json
import os
import secrets
import unicodedata
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from pacte.kernel.errors import BadInput, Conflict, Unsafe
from pacte.kernel.files import refused
from pacte.kernel.instant import Instant
from pacte.keys.files import check_private, replace_private
from pacte.keys.seal import KEY_BYTES, NONCE_BYTES, seal, unseal
from pacte.keys.service import VERSION_BYTES, Item, Items, KeyService

FORMAT = "pacte-kek/1"
SCRYPT_COST = 2**17
"""Memory is 1 KiB × this number: 128 MiB. Source: RFC 7914; OWASP Password Storage Cheat Sheet."""
_BODY = VERSION_BYTES + NONCE_BYTES


class KeyFile(KeyService):
    """A key service over one file. Subclasses say how the key-encryption keys are written down in it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._changing = Lock()
        self._proved = False
        self.refresh()

    @property
    def version(self) -> int:
        """See `KeyService.version`."""
        return self._current

    def prove(self, wrapped: bytes, ad: bytes) -> None:
        """See `KeyService.prove`; asked again after the file was read again."""
        if not self._proved:
            self.unwrap(wrapped, ad)
            self._proved = True

    def wrap_many(self, items: Sequence[Item]) -> list[bytes]:
        """See `KeyService.wrap_many`."""
        prefix = self._current.to_bytes(VERSION_BYTES)
        encrypt = self._ciphers[self._current].encrypt
        nonces = _nonces(len(items))
        return [
            prefix + nonce + encrypt(nonce, plain, prefix + ad)
            for nonce, (plain, ad) in zip(nonces, items, strict=True)
        ]

    def unwrap_many(self, items: Sequence[Item]) -> list[bytes]:
        """See `KeyService.unwrap_many`."""
        found: list[bytes] = []
        prefix, decrypt = b"", self._ciphers[self._current].decrypt
        try:
            for wrapped, ad in items:
                if not prefix or not wrapped.startswith(prefix):
                    prefix = wrapped[:VERSION_BYTES]
                    decrypt = self._cipher(int.from_bytes(prefix)).decrypt
                found.append(decrypt(wrapped[VERSION_BYTES:_BODY], wrapped[_BODY:], prefix + ad))
        except (InvalidTag, ValueError):
            raise Unsafe(
                f"a wrapped key does not open with `{self._path.name}`: it was altered or moved, "
                "or this key file belongs to another house"
            ) from None
        return found

    def rewrap_many(self, items: Sequence[Item]) -> list[bytes]:
        """See `KeyService.rewrap_many`."""
        return self.wrap_many(Items(self.unwrap_many(items), [ad for _, ad in items]))

    def refresh(self) -> None:
        """Read the file again."""
        self._document, self._proved = _read(self._path), False
        try:
            keys = {int(n): self._take_out(int(n), entry["key"]) for n, entry in self._document["versions"].items()}
            self._ciphers = {n: AESGCM(key) for n, key in keys.items()}
            self._destroyed = {int(n): Instant(at) for n, at in self._document["destroyed"].items()}
            # Last, so that another thread never wraps under a version whose cipher is not there yet.
            self._current = int(self._document["current"])
            sound = self._current in self._ciphers
        except (KeyError, ValueError, TypeError, AttributeError):
            sound = False
        if not sound:
            raise _damaged(self._path)

    def begin_version(self, now: Instant) -> int:
        """See `KeyService.begin_version`."""
        with self._changing:
            self.refresh()
            number = max(int(n) for n in [*self._document["versions"], *self._document["destroyed"]]) + 1
            entry = {"made": now, "key": self._put_in(number, secrets.token_bytes(KEY_BYTES))}
            versions = {**self._document["versions"], str(number): entry}
            _write(self._path, {**self._document, "current": number, "versions": versions})
            self.refresh()
            return number

    def destroy_version(self, version: int, now: Instant) -> None:
        """See `KeyService.destroy_version`; copies of the key file in backups must be destroyed with it."""
        with self._changing:
            self.refresh()
            if version == self._current:
                raise BadInput(f"version {version} is the one in use; rotate first, then destroy it")
            versions = {n: entry for n, entry in self._document["versions"].items() if int(n) != version}
            if len(versions) == len(self._document["versions"]):
                return
            destroyed = {**self._document["destroyed"], str(version): now}
            _write(self._path, {**self._document, "versions": versions, "destroyed": destroyed})
            self.refresh()

    def held(self) -> list[int]:
        """See `KeyService.held`."""
        return sorted(self._ciphers)

    def lock_with(self, passphrase: str | None, cost: int = SCRYPT_COST) -> None:
        """Write the same keys down under another passphrase, or under none; no key and no wrapped key changes.

        Whoever has the file open under the old passphrase must open it again. Copies of the file in backups still open
        with the old one: destroy them.
        """
        with self._changing:
            self.refresh()
            keys = {int(n): self._take_out(int(n), entry["key"]) for n, entry in self._document["versions"].items()}
            lock = {"kind": "none"} if passphrase is None else _new_lock(cost)
            derived = None if passphrase is None else _derive(self._path, lock, passphrase)
            versions = {
                n: {
                    **entry,
                    "key": (keys[int(n)] if derived is None else seal(derived, keys[int(n)], _slot(int(n)))).hex(),
                }
                for n, entry in self._document["versions"].items()
            }
            _write(self._path, {**self._document, "lock": lock, "versions": versions})

    def house(self, asking: str, *, take: bool) -> str:
        """Which house a key service with this file serves, `""` for none yet; with `take` it is the one that asks."""
        with self._changing:
            self.refresh()
            found = str(self._document.get("house", ""))
            if found or not take:
                return found
            _write(self._path, {**self._document, "house": asking})
            self.refresh()
            return asking

    def destroyed(self) -> dict[int, Instant]:
        """When each destroyed version was destroyed."""
        return dict(self._destroyed)

    def _cipher(self, version: int) -> AESGCM:
        if version not in self._ciphers:
            self.refresh()
        if version not in self._ciphers:
            raise Unsafe(
                f"`{self._path.name}` does not hold key version {version}, under which keys are wrapped; "
                "put back the newest key file"
            )
        return self._ciphers[version]

    @abstractmethod
    def _take_out(self, version: int, stored: str) -> bytes: ...

    @abstractmethod
    def _put_in(self, version: int, key: bytes) -> str: ...


class WrongPassphrase(Unsafe):
    """The key file is locked with another passphrase than the one that was given."""


class FileKeyService(KeyFile):
    """Key-encryption keys in a file that only its owner can read; keep a copy of it apart from copies of the data."""

    @classmethod
    def create(cls, path: Path, now: Instant) -> Self:
        """Make the file with its first key; raises `Conflict` when there is one already."""
        key = secrets.token_bytes(KEY_BYTES)
        _write_first(path, {"kind": "none"}, key.hex(), now)
        return cls(path)

    def _take_out(self, version: int, stored: str) -> bytes:  # noqa: ARG002 # only a locked file binds the version
        if self._document["lock"]["kind"] != "none":
            raise Unsafe(
                f"the key file `{self._path.name}` is locked with a passphrase; open it with that passphrase: under "
                '`[keys]` in settings.toml, `service = "passphrase"` and `passphrase = "env:NAME"` or `"file:PATH"` (a '
                "key service of its own: `--passphrase`)"
            )
        return bytes.fromhex(stored)

    def _put_in(self, version: int, key: bytes) -> str:  # noqa: ARG002 # only a locked file binds the version
        return key.hex()


class PassphraseKeyService(KeyFile):
    """The same file, its keys sealed under a passphrase (scrypt); stealing the file is then not enough."""

    def __init__(self, path: Path, passphrase: str) -> None:
        self._lock = _derive(path, _read(path).get("lock"), passphrase)
        super().__init__(path)

    @classmethod
    def create(cls, path: Path, passphrase: str, now: Instant, cost: int = SCRYPT_COST) -> Self:
        """Make the file with its first key; raises `Conflict` when there is one already."""
        lock = _new_lock(cost)
        key = seal(_derive(path, lock, passphrase), secrets.token_bytes(KEY_BYTES), _slot(1))
        _write_first(path, lock, key.hex(), now)
        return cls(path, passphrase)

    def _take_out(self, version: int, stored: str) -> bytes:
        try:
            return unseal(self._lock, bytes.fromhex(stored), _slot(version))
        except Unsafe:
            raise WrongPassphrase("the passphrase does not open this key store") from None

    def _put_in(self, version: int, key: bytes) -> str:
        return seal(self._lock, key, _slot(version)).hex()


def _new_lock(cost: int) -> dict[str, Any]:
    """How a passphrase becomes a key; the salt is drawn."""
    return {"kind": "scrypt", "salt": secrets.token_hex(16), "n": cost, "r": 8, "p": 1}


def _derive(path: Path, lock: Any, passphrase: str) -> bytes:
    if lock == {"kind": "none"}:
        raise Unsafe(
            f'the key file `{path.name}` is not locked with a passphrase; open it without one: `service = "file"` '
            "under `[keys]` in settings.toml"
        )
    try:
        salt, n, r, p = bytes.fromhex(lock["salt"]), int(lock["n"]), int(lock["r"]), int(lock["p"])
        if lock["kind"] == "scrypt" and n <= 2**20 and r <= 8 and p <= 16:
            # NFC: keyboards differ in how they compose an accent, the passphrase does not.
            typed = unicodedata.normalize("NFC", passphrase).encode()
            return Scrypt(salt=salt, length=KEY_BYTES, n=n, r=r, p=p).derive(typed)
    except (KeyError, ValueError, TypeError):
        pass
    raise _damaged(path)


def _nonces(count: int) -> list[bytes]:
    # Drawn at once: a call per nonce costs as much as the wrapping.
    drawn = os.urandom(NONCE_BYTES * count)
    return [drawn[start : start + NONCE_BYTES] for start in range(0, len(drawn), NONCE_BYTES)]


def _slot(version: int) -> bytes:
    return f"{FORMAT}:{version}".encode()


def _write_first(path: Path, lock: dict[str, Any], key: str, now: Instant) -> None:
    if path.exists():
        raise Conflict(f"there is already a key file `{path}`; overwriting it would lose every key wrapped by it")
    versions = {"1": {"made": now, "key": key}}
    _write(path, {"format": FORMAT, "lock": lock, "current": 1, "versions": versions, "destroyed": {}})


def _write(path: Path, document: dict[str, Any]) -> None:
    try:
        replace_private(path, json.dumps(document, indent=1, sort_keys=True).encode() + b"\n")
    except OSError as error:
        raise Unsafe(
            f"the key file `{path}` cannot be written: {refused(error)}; the old one stands: make room, or mend its "
            "permissions, then ask again"
        ) from None


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise Unsafe(
            f"the key file `{path}` is missing; put it back from your copy of the keys: "
            "without it no sealed value can be opened"
        )
    check_private(path)
    try:
        document = json.loads(path.read_bytes())
    except ValueError:
        document = None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise _damaged(path)
    return document


def _damaged(path: Path) -> Unsafe:
    return Unsafe(f"the key file `{path}` is damaged or of another format; put back your copy of it")
