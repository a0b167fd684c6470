"""Canonical JSON: one value, one sequence of bytes.

Values are objects with ASCII keys, lists, strings, booleans and integers below 2^53. For these, sorted compact JSON is
exactly RFC 8785 (a property test compares it with an independent implementation). Source: RFC 8785 §3.2.
"""

from __future__ import annotations

import hashlib
import json
from typing import TypeAlias

from pacte.kernel.errors import BadInput

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int"
"""What an entry may hold; `bool` is an `int` here. No floats and no null: an open end is an absent key."""

LARGEST = 2**53 - 1


def canonical(value: Json) -> bytes:
    """The RFC 8785 bytes of `value`; raises `BadInput` for anything that JSON readers could disagree on.

    >>> canonical({"b": [1, "é"], "a": 2})
    b'{"a":2,"b":[1,"\\xc3\\xa9"]}'
    """
    _check(value)
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise BadInput("a text with half of a surrogate pair; expected valid Unicode") from None


def digest(value: Json) -> str:
    """SHA-256 of the canonical bytes, in hexadecimal."""
    return hashlib.sha256(canonical(value)).hexdigest()


def _check(value: object) -> None:
    match value:
        case dict():
            for key, item in value.items():
                if not isinstance(key, str) or not key.isascii():
                    raise BadInput("a key that is not ASCII text in a value to be recorded")
                _check(item)
        case list():
            for item in value:
                _check(item)
        case str():
            return
        case int():
            if abs(value) > LARGEST:
                raise BadInput("an integer beyond 2^53 in a value to be recorded")
        case _:
            raise BadInput("only text, integers, lists and objects can be recorded")
