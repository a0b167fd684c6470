"""The log as tiles: the hashes of its tree in pieces of 256, for others to read, watch and check by themselves.

Only commitments are shown, which say nothing of what was committed; entries are not served.
Source: c2sp.org/tlog-tiles.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlalchemy import Connection

from pacte.ledger.log import head
from pacte.ledger.tree import reader

WIDTH = 256
"""Hashes in a full tile; its height is 8 levels."""

_TILE = re.compile(
    r"/tile/(?P<level>0|[1-9]\d?)/(?P<index>(?:x\d{3}/)*\d{3})(?:\.p/(?P<width>[1-9]\d{0,2}))?", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Tile:
    """Which hashes a path names: of level `8 * level`, from `index * 256` on, `width` of them."""

    level: int
    index: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """The path under which the tile is served."""
        digits = f"{self.index:03d}"
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        groups = [digits[start : start + 3] for start in range(0, len(digits), 3)]
        partial = "" if self.width == WIDTH else f".p/{self.width}"
        return f"/tile/{self.level}/{'/'.join([*(f'x{group}' for group in groups[:-1]), groups[-1]])}{partial}"


def parse_path(path: str) -> Tile | None:
    """The tile that a path names, None for any other path: each tile has one spelling."""
    found = _TILE.fullmatch(path) if len(path) < 128 else None
    if found is None:
        return None
    tile = Tile(
        int(found["level"]), int(found["index"].replace("x", "").replace("/", "")), int(found["width"] or WIDTH)
    )
    return tile if tile.path == path and tile.level < 64 and tile.width <= WIDTH else None


def hashes(conn: Connection, tile: Tile) -> bytes | None:
    """The hashes of a tile, one after the other, None where the log does not hold all of them yet."""
    complete = head(conn).size >> 8 * tile.level
    first = tile.index * WIDTH
    if first + tile.width > complete:
        return None
    read = reader(conn)
    return b"".join(read(8 * tile.level, first + number) for number in range(tile.width))
