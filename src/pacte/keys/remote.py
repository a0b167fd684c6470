"""A key service in another process, reached over a UNIX socket: the house then holds no key-encryption key.

Connections are kept and shared between threads. What fails, fails closed: nothing is wrapped, opened or recorded. A
connection that broke because the service was restarted is made anew once; beginning a version is the only request that
is never sent twice.
"""

from __future__ import annotations

import os
import pwd
import secrets
import socket
import stat
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from pacte.kernel.errors import BadInput, Unsafe
from pacte.kernel.instant import Instant
from pacte.keys import wire
from pacte.keys.line import Broken, Line, NotKnown
from pacte.keys.service import Item, KeyService, version_of

WAIT_SECONDS = 10.0
"""How long an answer may be silent."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Versions:
    """What a service says of its versions."""

    current: int = 0
    held: list[int] = field(default_factory=list)
    destroyed: dict[int, Instant] = field(default_factory=dict)


class SocketKeyService(KeyService):
    """Asks the process behind the socket at `path`, which must belong to `owner` (by default to us, or to root)."""

    def __init__(self, path: Path, owner: str = "", wait: float = WAIT_SECONDS) -> None:
        self._path, self._wait, self._owners = path, wait, _uids(owner)
        self._idle: list[Line] = []
        self._process = os.getpid()
        self._check: Item | None = None
        self.refresh()

    @property
    def version(self) -> int:
        """See `KeyService.version`."""
        return self._known.current

    def prove(self, wrapped: bytes, ad: bytes) -> None:
        """See `KeyService.prove`; each connection proves it once, before anything is wrapped through it."""
        self._check = (wrapped, ad)
        self._ask(self._prove)

    def wrap_many(self, items: Sequence[Item]) -> list[bytes]:
        """See `KeyService.wrap_many`."""
        return self._in_parts(self._wrap, items)

    def unwrap_many(self, items: Sequence[Item]) -> list[bytes]:
        """See `KeyService.unwrap_many`."""
        return self._in_parts(lambda part, line: line.keys("unwrap", part), items)

    def rewrap_many(self, items: Sequence[Item]) -> list[bytes]:
        """See `KeyService.rewrap_many`; the plain keys stay in the service, but for one that is tried."""
        return self._in_parts(self._rewrap, items)

    def refresh(self) -> None:
        """See `KeyService.refresh`."""
        self._known = self._ask(_versions)

    def begin_version(self, now: Instant) -> int:  # noqa: ARG002 # the service reads its own clock
        """See `KeyService.begin_version`."""
        self._ask(partial(self._change, {"op": "begin"}), again=False)
        self.refresh()
        return self.version

    def destroy_version(self, version: int, now: Instant) -> None:  # noqa: ARG002 # the service reads its own clock
        """See `KeyService.destroy_version`."""
        self._ask(partial(self._change, {"op": "destroy", "version": version}))
        self.refresh()

    def held(self) -> list[int]:
        """See `KeyService.held`."""
        return list(self._known.held)

    def destroyed(self) -> dict[int, Instant]:
        """See `KeyService.destroyed`."""
        return dict(self._known.destroyed)

    def serve_house(self, house: str, *, take: bool) -> bool:
        """See `KeyService.serve_house`; a service that does not speak of houses may be asked by any."""
        try:
            answer = self._ask(lambda line: line.ask({"op": "house", "house": house, "take": take}))
        except NotKnown:
            return True
        if answer.get("house") not in ("", house):
            raise Unsafe(
                f"the key service at `{self._path}` serves another house; give each house a service of its own, over a "
                "key file of its own"
            )
        return bool(answer["house"] == house)

    def close(self) -> None:
        """See `KeyService.close`."""
        while self._idle:
            self._idle.pop().close()

    def _in_parts(self, action: Callable[[Sequence[Item], Line], list[bytes]], items: Sequence[Item]) -> list[bytes]:
        found: list[bytes] = []
        for start in range(0, len(items), wire.MOST_ITEMS):
            found += self._ask(partial(action, items[start : start + wire.MOST_ITEMS]))
        return found

    def _wrap(self, items: Sequence[Item], line: Line) -> list[bytes]:
        self._prove(line)
        wrapped = line.keys("wrap", items)
        one = secrets.randbelow(len(items))
        self._try(line, (wrapped[one], items[one][1]), items[one][0], wrapped)
        return wrapped

    def _rewrap(self, items: Sequence[Item], line: Line) -> list[bytes]:
        self._prove(line)
        wrapped = line.keys("rewrap", items)
        one = secrets.randbelow(len(items))
        self._try(line, (wrapped[one], items[one][1]), line.keys("unwrap", [items[one]])[0], wrapped)
        return wrapped

    def _try(self, line: Line, item: Item, plain: bytes, wrapped: list[bytes]) -> None:
        """What was just wrapped must open again, under a version that wraps now: nothing is written that is lost."""
        versions = {version_of(one) for one in wrapped}
        if versions != {self._known.current} and versions != {_versions(line).current}:
            raise line.garbled()
        if plain in item[0] or line.keys("unwrap", [item]) != [plain]:
            raise line.garbled()

    def _change(self, request: dict[str, Any], line: Line) -> None:
        self._prove(line)
        line.ask(request)

    def _prove(self, line: Line) -> None:
        if line.proved or self._check is None:
            return
        try:
            line.keys("unwrap", [self._check])
        except Unsafe:
            raise Unsafe(
                f"the key service at `{self._path}` does not open this house's keys: it holds those of another house, "
                "or older ones; nothing was changed: start it with this house's keys"
            ) from None
        line.proved = True

    def _ask(self, action: Callable[[Line], T], *, again: bool = True) -> T:
        """What the action answers over a connection; over another one if the service was restarted meanwhile."""
        line = self._take()
        try:
            found = action(line)
        except (Broken, OSError) as error:
            line.close()
            self.close()  # the idle ones were connected to the same process
            if isinstance(error, TimeoutError):
                raise self._silent(f"did not answer within {self._wait:g} seconds") from None
            if line.fresh or not again:
                raise self._silent("closed the connection before it had answered") from None
            return self._ask(action, again=False)
        except BaseException:
            line.close()  # an answer may still be on its way: nobody else may take it for theirs
            raise
        self._idle.append(line)
        return found

    def _take(self) -> Line:
        if self._process != os.getpid():
            # A copy of a process that asked for keys shares its connections: two must not talk on one.
            self._idle, self._process = [], os.getpid()
        try:
            return self._idle.pop()
        except IndexError:
            return self._connect()

    def _connect(self) -> Line:
        self._check_socket()
        connected = socket.socket(socket.AF_UNIX)
        connected.settimeout(self._wait)
        try:
            connected.connect(str(self._path))
        except OSError:
            connected.close()
            raise self._silent("cannot be reached") from None
        if hasattr(socket, "SO_PEERCRED"):
            _, peer, _ = struct.unpack("3i", connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
            if peer not in self._owners:
                connected.close()
                raise self._foreign()
        return Line(connected, self._path)

    def _check_socket(self) -> None:
        try:
            found = self._path.lstat()
        except OSError:
            raise self._silent("is not there") from None
        if not stat.S_ISSOCK(found.st_mode):
            raise BadInput(f"`keys.socket` in settings.toml names `{self._path}`, which is no socket")
        if found.st_uid not in self._owners:
            raise self._foreign()
        if found.st_mode & 0o007:
            raise Unsafe(
                f"the key service's socket `{self._path}` is open to other users (mode {found.st_mode & 0o777:o}); "
                "run the service with mode 600, or with 660 and a group of its own"
            )

    def _silent(self, what: str) -> Unsafe:
        return Unsafe(
            f"the key service at `{self._path}` {what}; start it again (`pacte keys serve`): until then nothing sealed "
            "is read or written, and nothing is lost"
        )

    def _foreign(self) -> Unsafe:
        return Unsafe(
            f"the key service's socket `{self._path}` belongs to another user; if that user runs the service, "
            "name them as `keys.owner` in settings.toml"
        )


def _versions(line: Line) -> _Versions:
    answer = line.ask({"op": "version"})
    try:
        (current,) = wire.read_numbers([answer.get("version")])
        held = sorted(wire.read_numbers(answer.get("held")))
        destroyed = {int(version): Instant(int(at)) for version, at in answer["destroyed"].items()}
    except (wire.NotUnderstood, ValueError, TypeError, KeyError, AttributeError):
        raise line.garbled() from None
    if current not in held or answer.get("protocol") != wire.PROTOCOL:
        raise line.garbled()
    return _Versions(current, held, destroyed)


def _uids(owner: str) -> set[int]:
    if not owner:
        return {0, os.getuid()}
    try:
        return {pwd.getpwnam(owner).pw_uid}
    except KeyError:
        raise BadInput("`keys.owner` in settings.toml is not a user of this machine") from None
