"""The files of lists that wait to be collected: beside each a header that says what for and until when.

They lie in one folder of the house, readable by its user alone. A line begins with a reference that names somebody on
this list and nowhere else, so that whoever must be taken out is found without an address.
"""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pacte.kernel.files import make_private, sync_directory
from pacte.kernel.turns import alone

FOLDER = "exports"
"""The folder of a house where lists lie."""
REFERENCE = "reference"
"""The first column of every list."""
_COMPUTED = re.compile(
    r"(^|[;\t\r\n])"  # where a cell begins, also for a spreadsheet that takes something else than commas for separators
    r"(?=(?:[^\S\t\r\n]|\")*[=@+\-\uff1d\uff20\uff0b\uff0d])(?!\+[\d ]+(?:[;\t\r\n]|\Z))"
)


@contextmanager
def holding(house: Path) -> Iterator[Path]:
    """The folder, of which nobody else writes or removes a file while the block runs."""
    folder = house / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    with alone(folder / ".lock"):
        yield folder


def path_of(folder: Path, export: str) -> Path:
    """Where the file of a list lies."""
    return folder / f"{export}.csv"


def header_of(folder: Path, export: str) -> Path:
    """Where its header lies."""
    return folder / f"{export}.json"


def write(folder: Path, export: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> int:
    """Write a list, whole or not at all; answers how many lines it has. The caller holds the folder."""
    target = path_of(folder, export)
    part, count = make_private(target.with_suffix(".new")), 0
    with part.open("w", encoding="utf-8", newline="") as out:
        lines = csv.writer(out, quoting=csv.QUOTE_ALL)
        lines.writerow([REFERENCE, *columns])
        for row in rows:
            lines.writerow([row[0], *map(_plain, row[1:])])
            count += 1
        out.flush()
        os.fsync(out.fileno())
    part.replace(target)
    sync_directory(folder)
    return count


def write_header(folder: Path, export: str, said: Mapping[str, Any]) -> None:
    """Write what a list is for, by which way, until when."""
    text = json.dumps(said, ensure_ascii=False, indent=2)
    make_private(header_of(folder, export)).write_text(f"{text}\n", encoding="utf-8")


def without(folder: Path, export: str, references: Collection[str]) -> int:
    """Write a list anew without these lines; answers how many went. The caller holds the folder."""
    target = path_of(folder, export)
    if not references or not target.exists():
        return 0
    with target.open(encoding="utf-8", newline="") as lines:
        head, *rows = csv.reader(lines)
    left = [row for row in rows if row[0] not in references]
    if len(left) < len(rows):
        write(folder, export, head[1:], left)
    return len(rows) - len(left)


def remove(folder: Path, export: str) -> None:
    """Remove a list and its header; there may be none. The caller holds the folder."""
    for path in (path_of(folder, export), header_of(folder, export), path_of(folder, export).with_suffix(".new")):
        path.unlink(missing_ok=True)
    sync_directory(folder)


def lying(house: Path) -> set[str]:
    """The lists whose file lies there."""
    return {path.stem for path in (house / FOLDER).glob("*.csv")}


def _plain(value: str) -> str:
    """A value in which no spreadsheet finds a formula, wherever it takes a cell to begin; a telephone number stays."""
    return _COMPUTED.sub(r"\1'", value)
