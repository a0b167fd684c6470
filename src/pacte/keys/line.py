"""One connection to a key service: a question, its answer, and what is wrong with an answer that is none."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from pacte.kernel.errors import BadInput, Unsafe
from pacte.keys import wire
from pacte.keys.service import Item


class Broken(Exception):
    """The other side closed the connection before it had answered."""


class NotKnown(Unsafe):
    """The service does not understand what was asked of it."""


class Line:
    """A connection. `fresh` until its first answer; `proved` once it has opened the check key of this house."""

    def __init__(self, connected: socket.socket, path: Path) -> None:
        self._socket, self._path = connected, path
        self._stream = cast("Any", connected.makefile("rwb"))
        self.fresh, self.proved = True, False

    def close(self) -> None:
        """Let go of it."""
        self._socket.close()

    def keys(self, verb: str, items: Sequence[Item]) -> list[bytes]:
        """The answer to `wrap`, `unwrap` or `rewrap`: as many keys as were asked for."""
        answer = self.ask({"op": verb, **wire.written_items(items)})
        try:
            found = wire.read(answer.get("keys"))
        except wire.NotUnderstood:
            raise self.garbled() from None
        if len(found) != len(items):
            raise self.garbled()
        return found

    def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        """The answer to a request; raises `Broken` or `OSError` for a lost connection, `Unsafe` for no answer."""
        try:
            wire.send(self._stream, message)
            answer = wire.receive(self._stream)
        except wire.NotUnderstood:
            raise self.garbled() from None
        if answer is None:
            raise Broken
        self.fresh = False
        if "error" in answer:
            raise self._refusal(answer["error"])
        return answer

    def garbled(self) -> Unsafe:
        """What answers is not a key service."""
        return Unsafe(
            f"what answers at `{self._path}` does not speak the key service's protocol: nothing was changed; "
            "see docs/reference/key-service.md"
        )

    def _refusal(self, error: object) -> Exception:
        if error == wire.REFUSED:
            return Unsafe(
                f"a wrapped key does not open with the key service at `{self._path}`: it was altered or moved, "
                "or the service holds the keys of another house"
            )
        if error == wire.NO_VERSION:
            return Unsafe(
                f"the key service at `{self._path}` does not hold a version of its key under which keys are wrapped; "
                "give it back its newest keys"
            )
        if error == wire.IN_USE:
            return BadInput("the version in use cannot be destroyed; rotate first, then destroy it")
        if error == wire.FAILED:
            return Unsafe(f"the key service at `{self._path}` cannot do its work; look at what it says itself")
        return NotKnown(str(self.garbled())) if error == wire.BAD_REQUEST else self.garbled()
