"""Files that hold keys: readable by their owner alone, replaced whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from pacte.kernel.errors import Unsafe

OWNER_FILE = 0o600
OWNER_FOLDER = 0o700


def check_private(path: Path) -> None:
    """Raises `Unsafe`, with the command to run, when anyone but the owner may read or change `path`."""
    mode = path.stat().st_mode & 0o777
    wanted = OWNER_FOLDER if path.is_dir() else OWNER_FILE
    if os.name == "posix" and mode & 0o077:
        what = "folder" if path.is_dir() else "file"
        raise Unsafe(f"the key {what} `{path}` is open to other users (mode {mode:o}); run `chmod {wanted:o} {path}`")


def private_folder(path: Path) -> None:
    """Make the folder if it is missing (mode 0700) and check that it is private."""
    path.mkdir(mode=OWNER_FOLDER, parents=True, exist_ok=True)
    check_private(path)


def replace_private(path: Path, content: bytes) -> None:
    """Write `content` beside `path`, make it durable, then put it in place of `path` in one step (mode 0600).

    A crash leaves the old file or the new one. The file system may keep the old bytes until it reuses them.
    """
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_FILE), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)  # half a file of keys helps nobody but a thief
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
