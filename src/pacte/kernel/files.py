"""Files that hold personal data: readable by their owner only, from their first byte on."""

from __future__ import annotations

import os
from pathlib import Path

from pacte.kernel.errors import BadInput


def make_private(path: Path) -> Path:
    """Make `path` an empty file of mode 0600, also where a looser one stood; raises `BadInput` where none can be."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError:
        raise BadInput("the file to write cannot be made there; choose another place") from None
    try:
        os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)
    return path
