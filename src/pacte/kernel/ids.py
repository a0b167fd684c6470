"""Identifiers: random, meaningless, written in hexadecimal.

A `SubjectId` names a person inside the house and nowhere else; uses only ever see pseudonyms of it.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection
from typing import NewType

from pacte.kernel.errors import BadInput

SubjectId = NewType("SubjectId", str)
"""32 hexadecimal characters (128 random bits)."""
UseId = NewType("UseId", str)
"""32 hexadecimal characters (128 random bits)."""

_HEX = b"0123456789abcdef"
_HEX32 = re.compile(r"[0-9a-f]{32}")


def new_subject_id() -> SubjectId:
    """Draw a fresh random name for a person."""
    return SubjectId(secrets.token_hex(16))


def new_use_id() -> UseId:
    """Draw a fresh random name for a use."""
    return UseId(secrets.token_hex(16))


def is_id(text: str) -> bool:
    """Whether `text` has the form of an identifier."""
    return _HEX32.fullmatch(text) is not None


def are_ids(texts: Collection[str]) -> bool:
    """Whether all have the form of identifiers, looked at together: one by one they take three times as long."""
    return not set(map(len, texts)) - {32} and not "".join(texts).encode("utf-8", "replace").translate(None, _HEX)


def parse_subject_id(text: str) -> SubjectId:
    """Check the form of a subject identifier; raises `BadInput` without repeating the text."""
    if not is_id(text):
        raise BadInput("not a subject identifier; expected 32 hexadecimal characters")
    return SubjectId(text)
