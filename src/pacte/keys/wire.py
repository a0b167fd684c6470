"""The protocol between a house and the process that holds its key-encryption keys: one line of JSON each way.

docs/reference/key-service.md is the whole of it, for whoever puts a vault or a security module of their own behind it.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Any, BinaryIO

from pacte.keys.service import Item

PROTOCOL = 1
MOST_ITEMS = 4_096
"""Keys in one request."""
MOST_BYTES = 4 * 1024 * 1024
"""Bytes in one line, the line feed included."""
LONGEST_HOUSE = 64
"""Characters of what names a house."""
REFUSED, NO_VERSION, BAD_REQUEST, IN_USE, FAILED = "refused", "no_version", "bad_request", "in_use", "failed"
"""What a service may answer instead: a key does not open; a version is not held (or never was); the request is not
understood; the version that wraps now cannot be destroyed; the service itself cannot do its work."""


class NotUnderstood(ValueError):
    """A line that is not of this protocol."""


def send(stream: BinaryIO, message: dict[str, Any]) -> None:
    """Write one message."""
    stream.write(json.dumps(message, separators=(",", ":")).encode() + b"\n")
    stream.flush()


def receive(stream: BinaryIO) -> dict[str, Any] | None:
    """Read one message, `None` where the other side has closed; raises `NotUnderstood` for anything else."""
    line = stream.readline(MOST_BYTES + 1)
    if not line:
        return None
    if not line.endswith(b"\n"):
        raise NotUnderstood
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        raise NotUnderstood from None
    if not isinstance(message, dict):
        raise NotUnderstood
    return message


def written(values: Sequence[bytes]) -> list[str]:
    """Bytes as the protocol writes them (base64)."""
    return [b64encode(value).decode() for value in values]


def read(values: Any) -> list[bytes]:
    """Bytes as they were written; raises `NotUnderstood`."""
    if not isinstance(values, list) or len(values) > MOST_ITEMS:
        raise NotUnderstood
    try:
        return [b64decode(value, validate=True) for value in values]
    except (ValueError, TypeError):
        raise NotUnderstood from None


def written_items(items: Sequence[Item]) -> dict[str, list[str]]:
    """Keys with their places, as a request has them: two lists of one length."""
    return {"keys": written([key for key, _ in items]), "places": written([ad for _, ad in items])}


def read_items(message: dict[str, Any]) -> list[Item]:
    """Keys with their places; raises `NotUnderstood`."""
    keys, places = read(message.get("keys")), read(message.get("places"))
    if len(keys) != len(places):
        raise NotUnderstood
    return list(zip(keys, places, strict=True))


def read_numbers(values: Any) -> list[int]:
    """Versions; raises `NotUnderstood`."""
    if not isinstance(values, list) or not all(type(value) is int and 0 < value < 2**32 for value in values):
        raise NotUnderstood
    return values
