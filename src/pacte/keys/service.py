"""Key services: whoever holds the key-encryption keys that wrap every other key.

Key-encryption keys have versions. A new version wraps from then on; an old one is destroyed when nothing is wrapped
under it any more, and with it every copy of a shredded key that a backup may still hold becomes useless. `keyfile`
holds them in a file here; `remote` asks another process for everything.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import TypeAlias, overload

from pacte.kernel.errors import BadInput
from pacte.kernel.instant import Instant

VERSION_BYTES = 4

Item: TypeAlias = "tuple[bytes, bytes]"
"""A key, plain or wrapped, and the associated data that bind it to its place."""


class Items(Sequence[Item]):
    """Keys and their places, side by side: for many people a list of pairs costs as much as wrapping does."""

    __slots__ = ("_keys", "_places")

    def __init__(self, keys: Sequence[bytes], places: Sequence[bytes]) -> None:
        self._keys, self._places = keys, places

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[Item]:
        return zip(self._keys, self._places, strict=True)

    @overload
    def __getitem__(self, at: int) -> Item: ...
    @overload
    def __getitem__(self, at: slice) -> Items: ...
    def __getitem__(self, at: int | slice) -> Item | Items:
        if isinstance(at, slice):
            return Items(self._keys[at], self._places[at])
        return self._keys[at], self._places[at]


class KeyService(ABC):
    """What the key store needs from whoever holds the key-encryption keys. Safe to share between threads.

    A wrapped key is version (4 bytes, big-endian) ‖ what the service makes of it; keys of one length give wrapped keys
    of one length.
    """

    @property
    @abstractmethod
    def version(self) -> int:
        """The version that wraps now, as far as is known here."""

    @abstractmethod
    def prove(self, wrapped: bytes, ad: bytes) -> None:
        """Make sure, before anything is wrapped, that these are the keys of this house: they open its check key."""

    @abstractmethod
    def wrap_many(self, items: Sequence[Item]) -> list[bytes]:
        """Each plain key wrapped under the current version, in the same order."""

    @abstractmethod
    def unwrap_many(self, items: Sequence[Item]) -> list[bytes]:
        """The keys; raises `Unsafe` when one was altered or moved, or when its version is not held here."""

    @abstractmethod
    def rewrap_many(self, items: Sequence[Item]) -> list[bytes]:
        """Each wrapped key, wrapped again under the current version; errors as for `unwrap_many`."""

    @abstractmethod
    def refresh(self) -> None:
        """Take notice of versions that another process has begun or destroyed."""

    @abstractmethod
    def begin_version(self, now: Instant) -> int:
        """Begin a new version, durable before this returns; answers its number."""

    @abstractmethod
    def destroy_version(self, version: int, now: Instant) -> None:
        """Destroy an old version for good; the caller has made sure that nothing is wrapped under it."""

    @abstractmethod
    def held(self) -> list[int]:
        """The versions that are held, in order."""

    @abstractmethod
    def destroyed(self) -> dict[int, Instant]:
        """When each destroyed version was destroyed."""

    def serve_house(self, house: str, *, take: bool) -> bool:  # noqa: ARG002 # for those that several houses could ask
        """Whether it knows that it serves this house; with `take` it does from here on, where it served none.

        Raises `Unsafe` when it serves another.
        """
        return True

    def lock_with(self, passphrase: str | None) -> None:  # noqa: ARG002 # for those that have a file
        """Lock the key-encryption keys with another passphrase, or with none."""
        raise BadInput("the key-encryption key is held by another process; change its passphrase there")

    def close(self) -> None:  # noqa: B027 # most services have nothing to let go of
        """Let go of connections, if there are any."""

    def wrap(self, plain: bytes, ad: bytes) -> bytes:
        """One key wrapped, see `wrap_many`."""
        return self.wrap_many([(plain, ad)])[0]

    def unwrap(self, wrapped: bytes, ad: bytes) -> bytes:
        """One key, see `unwrap_many`."""
        return self.unwrap_many([(wrapped, ad)])[0]


def version_of(wrapped: bytes) -> int:
    """The version that a key is wrapped under; 0 for a shredded key."""
    return int.from_bytes(wrapped[:VERSION_BYTES])
