"""The reference key service: a process of its own that holds a key file and answers over a UNIX socket.

It runs as another user, on the same machine, and is all that ever sees a key-encryption key. Every connection is a
thread; it writes no log. Another program may stand in its place: docs/reference/key-service.md.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import socketserver
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from pacte.kernel.core import forbid_dumps
from pacte.kernel.errors import BadInput, Conflict, PacteError, Unsafe
from pacte.kernel.instant import Instant
from pacte.keys import wire
from pacte.keys.keyfile import KeyFile

OWNER_ONLY, OWNER_AND_GROUP = 0o600, 0o660


def serve(
    path: Path, keys: KeyFile, clock: Callable[[], Instant], group: str = "", ready: Callable[[], object] = bool
) -> None:
    """Answer on a socket at `path` (mode 0600, or 0660 with a `group`) until the process is asked to end.

    Raises `Conflict` when something answers there already. `ready` is called once the socket answers.
    """
    forbid_dumps()
    _make_room(path)
    before = os.umask(0o177)
    try:
        server = _Server(str(path), _Handler, keys, clock)
    except OSError as error:
        raise BadInput(f"no socket can be made at `{path}`: {os.strerror(error.errno or 0).lower()}") from None
    finally:
        os.umask(before)
    try:
        if group:
            _open_to(path, group)
        for number in (signal.SIGTERM, signal.SIGINT):
            # `shutdown` waits for the loop to end, so another thread must ask for it.
            signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
        ready()
        server.serve_forever(poll_interval=0.1)
    finally:
        server.server_close()
        path.unlink(missing_ok=True)


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, path: str, handler: type[_Handler], keys: KeyFile, clock: Callable[[], Instant]) -> None:
        self.keys, self.clock = keys, clock
        super().__init__(path, handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: what a request held is nobody's business."""


class _Handler(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        """Answer one connection, request by request; one that does not speak the protocol is closed."""
        reads, writes = cast("Any", self.rfile), cast("Any", self.wfile)
        while True:
            try:
                asked = wire.receive(reads)
            except wire.NotUnderstood:
                wire.send(writes, {"error": wire.BAD_REQUEST})
                return
            if asked is None:
                return
            wire.send(writes, answer(self.server.keys, asked, self.server.clock()))


def answer(keys: KeyFile, asked: dict[str, Any], now: Instant) -> dict[str, Any]:
    """The answer to one request."""
    name = asked.get("op")
    try:
        verb = _VERBS.get(name) if isinstance(name, str) else None
        if verb is None:
            raise wire.NotUnderstood
        return verb(keys, asked, now)
    except wire.NotUnderstood:
        return {"error": wire.BAD_REQUEST}
    except BadInput:
        return {"error": wire.IN_USE}
    except Unsafe:
        return {"error": wire.REFUSED}
    except (PacteError, OSError):
        return {"error": wire.FAILED}


def _version(keys: KeyFile, _asked: dict[str, Any], _now: Instant) -> dict[str, Any]:
    keys.refresh()
    destroyed = {str(version): at for version, at in keys.destroyed().items()}
    return {"protocol": wire.PROTOCOL, "version": keys.version, "held": keys.held(), "destroyed": destroyed}


def _wrap(keys: KeyFile, asked: dict[str, Any], _now: Instant) -> dict[str, Any]:
    return {"keys": wire.written(keys.wrap_many(wire.read_items(asked)))}


def _unwrap(keys: KeyFile, asked: dict[str, Any], _now: Instant) -> dict[str, Any]:
    items = wire.read_items(asked)
    return _without(keys, items) or {"keys": wire.written(keys.unwrap_many(items))}


def _rewrap(keys: KeyFile, asked: dict[str, Any], _now: Instant) -> dict[str, Any]:
    items = wire.read_items(asked)
    return _without(keys, items) or {"keys": wire.written(keys.rewrap_many(items))}


def _without(keys: KeyFile, items: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    """The answer when a version that is asked for is not held."""
    asked = {int.from_bytes(wrapped[:4]) for wrapped, _ in items}
    return {} if asked <= set(keys.held()) else {"error": wire.NO_VERSION}


def _house(keys: KeyFile, asked: dict[str, Any], _now: Instant) -> dict[str, Any]:
    house = asked.get("house")
    if not isinstance(house, str) or not 0 < len(house) <= wire.LONGEST_HOUSE:
        raise wire.NotUnderstood
    return {"house": keys.house(house, take=asked.get("take") is True)}


def _begin(keys: KeyFile, _asked: dict[str, Any], now: Instant) -> dict[str, Any]:
    return {"version": keys.begin_version(now)}


def _destroy(keys: KeyFile, asked: dict[str, Any], now: Instant) -> dict[str, Any]:
    (version,) = wire.read_numbers([asked.get("version")])
    if version not in keys.held() and version not in keys.destroyed():
        return {"error": wire.NO_VERSION}
    keys.destroy_version(version, now)
    return {"destroyed": keys.destroyed()[version]}


_VERBS: dict[Any, Callable[[KeyFile, dict[str, Any], Instant], dict[str, Any]]] = {
    "version": _version,
    "wrap": _wrap,
    "unwrap": _unwrap,
    "rewrap": _rewrap,
    "house": _house,
    "begin": _begin,
    "destroy": _destroy,
}


def _make_room(path: Path) -> None:
    """A socket that was left by a process that died goes; one that answers stays."""
    if not path.exists():
        return
    if not path.is_socket():
        raise BadInput(f"`{path}` is there already and is no socket")
    with socket.socket(socket.AF_UNIX) as probe, suppress(ConnectionRefusedError):
        probe.connect(str(path))
        raise Conflict(f"a key service answers at `{path}` already")
    path.unlink()


def _open_to(path: Path, group: str) -> None:
    try:
        shutil.chown(path, group=group)
    except (LookupError, PermissionError):
        raise BadInput(
            f"the socket cannot be given to the group `{group}`; name a group that this user is in"
        ) from None
    path.chmod(OWNER_AND_GROUP)
