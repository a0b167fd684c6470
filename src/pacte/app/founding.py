"""What a founding leaves behind where it does not come to its end.

One that failed leaves nothing. One that was cut short (crash point `anchored-not-founded`) leaves what the next attempt
in the same directory goes on from: the keys, and in a file `founding` the name under which they were taken.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pacte.kernel.errors import BadInput, Uncertain
from pacte.kernel.files import make_private, sync_directory

MARK = "founding"
"""The file with the identity of a house that is being founded."""


class Made:
    """What a founding makes, so that it can be taken back until the house is as good as there."""

    def __init__(self) -> None:
        self._new: list[Path] = []

    def will_make(self, *paths: Path) -> None:
        """Remember those that are not there yet, with the folders above them."""
        for path in paths:
            missing = [one for one in (path, *path.parents) if not one.exists()]
            self._new += missing[-1:]

    def stays(self) -> None:
        """From here on nothing is taken back: another attempt goes on."""
        self._new = []

    def take_back(self) -> None:
        """Remove what was made."""
        for path in self._new:
            with suppress(OSError):
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


@contextmanager
def whole_or_nothing() -> Iterator[Made]:
    """Take back what was made where the block fails; but never where the house may be there all the same."""
    made = Made()
    try:
        yield made
    except Uncertain:
        raise
    except BaseException:
        made.take_back()
        raise


def identity(path: Path) -> str:
    """The identity of the house that is founded in `path`: what an attempt cut short has drawn, or a new one."""
    mark = path / MARK
    if mark.exists() and (found := mark.read_text(encoding="utf-8").strip()):
        if not (len(found) == 16 and all(letter in "0123456789abcdef" for letter in found)):
            raise BadInput(f"`{MARK}` in that directory is not what a founding leaves there; move it away")
        return found
    drawn = secrets.token_hex(8)
    make_private(mark).write_text(f"{drawn}\n", encoding="utf-8")
    sync_directory(path)
    return drawn


def over(path: Path) -> None:
    """The house stands."""
    (path / MARK).unlink(missing_ok=True)
