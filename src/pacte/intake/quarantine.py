"""Rows set aside: sealed as they came, with the line, the column and the reason in clear, until a declared end.

One file per load, one JSON line per row, under a house key of its own: when the end comes, file and key go. What was
not declared is not kept here either: a row holds its mapped columns only, unless it could not be split into columns.
A line that names a person also holds that person's fingerprints, so that an erasure reaches it.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pacte.intake.reader import Aside
from pacte.kernel.canonical import canonical
from pacte.kernel.errors import NotFound, Unsafe
from pacte.kernel.instant import DAY, Instant
from pacte.kernel.redacted import Redacted
from pacte.kernel.turns import alone
from pacte.keys import seal
from pacte.keys.store import KeyStore

_REASON = re.compile(r'"reason":"(\w+)"')
KEPT = 30 * DAY
"""How long rows set aside wait to be mended, in microseconds."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A row set aside, opened: its mapped columns, or the bytes of a line that could not be split."""

    line: int
    column: str
    reason: str
    row: Redacted[dict[str, Any] | bytes]


class Quarantine:
    """The file of one load while it is being written; nothing is made on disk before the first row."""

    def __init__(self, folder: Path, keys: KeyStore, load: str, now: Instant) -> None:
        self.path = folder / f"{load}.jsonl"
        self._keys = keys
        self._load = load
        self._now = now
        self._begun = False

    def add(self, rows: Sequence[tuple[Aside, Sequence[bytes]]]) -> None:
        """Seal rows, each with the fingerprints of its person, and write them durably."""
        if not rows:
            return
        key = self._keys.house_key(_key(self._load))
        lines = [self._line(key, row, blinds) for row, blinds in rows]
        with _turn(self.path.parent):
            if not (self._begun and self.path.exists()):  # an erasure may have emptied it meanwhile
                lines.insert(0, {"load": self._load, "since": self._now, "until": self._now + KEPT})
            _write(self.path, lines, fresh=not self._begun)
        self._begun = True

    def conclude(self) -> None:
        """End the load: what earlier runs of it had set aside is no longer true."""
        for path in self.path.parent.glob(f"*-{self._load.rpartition('-')[2]}.jsonl"):
            if path != self.path:
                path.unlink()
                self._keys.shred_house_key(_key(path.stem), self._now)
            elif not self._begun:
                path.unlink()  # its key stays: the same load may be repeated today

    def _line(self, key: bytes, row: Aside, blinds: Sequence[bytes]) -> dict[str, Any]:
        sealed = seal.seal(key, _plain(row.row), _bound_to(self._load, row.line))
        line: dict[str, Any] = {"line": row.line, "reason": row.reason, "row": base64.b64encode(sealed).decode()}
        if row.column:
            line["column"] = row.column
        if blinds:
            line["people"] = [blind.hex() for blind in blinds]
        return line


def open_quarantine(path: Path, keys: KeyStore) -> Iterator[Kept]:
    """Give back the rows of one load; raises `NotFound` without such a file, `Unsafe` for an altered one."""
    head, *lines = _read(path)
    load = head["load"]
    key = keys.house_key(_key(load))
    for line in lines:
        plain = seal.unseal(key, base64.b64decode(line["row"]), _bound_to(load, line["line"]))
        yield Kept(line["line"], line.get("column", ""), line["reason"], Redacted(_row(plain)))


def reasons(path: Path) -> dict[str, int]:
    """How many rows of a load were set aside for which reason; none once their end has come. No row is opened."""
    try:
        at = path.stat()
    except OSError:
        return {}
    return dict(_counted(path, at.st_mtime_ns, at.st_size))


@lru_cache(maxsize=64)
def _counted(path: Path, _changed: int, _size: int) -> Counter[str]:
    with path.open(encoding="ascii") as lines:
        return Counter(found[1] for found in map(_REASON.search, lines) if found)


def forget(folder: Path, blinds: Collection[bytes]) -> int:
    """Rewrite every file without the rows of the person with these fingerprints; answers how many rows went."""
    gone = {blind.hex() for blind in blinds}
    count = 0
    with _turn(folder):
        for path in sorted(folder.glob("*.jsonl")):
            lines = _read(path, torn=True)
            kept = [line for line in lines if not gone & set(line.get("people", ()))]
            if len(kept) < len(lines):
                count += len(lines) - len(kept)
                _replace(path, kept) if len(kept) > 1 else path.unlink()
    return count


def expire(folder: Path, keys: KeyStore, now: Instant) -> int:
    """Remove the files whose end has come, and destroy their keys; answers how many."""
    count = 0
    with _turn(folder):
        for path in sorted(folder.glob("*.jsonl")):
            lines = _read(path, torn=True)
            if not lines:
                path.unlink()  # cut short before its first line; the load is repeated under the same key
            elif lines[0]["until"] <= now:
                path.unlink()
                keys.shred_house_key(_key(path.stem), now)
                count += 1
    return count


def _turn(folder: Path) -> AbstractContextManager[None]:
    return alone(folder / ".lock")


def _key(load: str) -> str:
    return f"quarantine:{load}"


def _bound_to(load: str, line: int) -> bytes:
    return canonical({"load": load, "line": line})


def _plain(row: Mapping[str, Any] | bytes) -> bytes:
    form = {"raw": base64.b64encode(row).decode()} if isinstance(row, bytes) else {"columns": dict(row)}
    return json.dumps(form, default=str, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _row(plain: bytes) -> dict[str, Any] | bytes:
    form = json.loads(plain.decode("utf-8", "surrogatepass"))
    return base64.b64decode(form["raw"]) if "raw" in form else dict(form["columns"])


def _read(path: Path, *, torn: bool = False) -> list[dict[str, Any]]:
    """The head and the lines of a file; with `torn`, without a last line that a crash cut short."""
    try:
        lines = path.read_text(encoding="ascii").splitlines(keepends=True)
    except OSError:
        raise NotFound("no rows were set aside under that load, or their end has come") from None
    if torn and lines and not lines[-1].endswith("\n"):
        del lines[-1]
    try:
        return [json.loads(line) for line in lines]
    except ValueError:
        raise Unsafe(f"the file of rows set aside `{path.name}` is damaged; load the source file again") from None


def _write(path: Path, lines: Sequence[Mapping[str, Any]], *, fresh: bool) -> None:
    how = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if fresh else os.O_APPEND)
    descriptor = os.open(path, how, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as out:
        out.writelines(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
        out.flush()
        os.fsync(out.fileno())


def _replace(path: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    # The rewritten file takes the old one's place whole: a crash leaves one or the other.
    part = path.with_suffix(".part")
    _write(part, lines, fresh=True)
    part.replace(path)
