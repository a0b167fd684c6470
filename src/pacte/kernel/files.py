"""Files that hold personal data: readable by their owner only, from their first byte on; and why one was refused."""

from __future__ import annotations

import errno
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


def replace_whole(path: Path, text: str) -> None:
    """Put `text` in the place of a file: after a power cut the old file stands there or the new one, never half."""
    part = path.with_name(f"{path.name}.new")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, path.stat().st_mode & 0o777)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    part.replace(path)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def refused(error: OSError) -> str:
    """Why the operating system refused a file, in words; without the file's name.

    >>> refused(OSError(28, "")), refused(OSError(13, ""))
    ('the disk is full', 'permission denied')
    """
    if error.errno is None:
        return "input or output failed"
    return _REFUSED.get(error.errno) or os.strerror(error.errno).lower()


_REFUSED = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "a quota is used up",
    errno.EFBIG: "a quota is used up",
    errno.EROFS: "the disk is read-only",
}
