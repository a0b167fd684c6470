"""The tree of the stored log: nodes read from the tables, roots of any past size, proofs."""

from __future__ import annotations

from collections.abc import Collection
from hashlib import sha256

from sqlalchemy import Connection

from pacte.kernel.db import fetch
from pacte.kernel.errors import BadInput, Unsafe
from pacte.ledger import merkle
from pacte.ledger.checkpoint import tlog_proof_text, unsigned_checkpoint

TILE = 8
"""Levels per tile: nodes are stored at every eighth level, those between are computed from up to 256 neighbours."""


def reader(conn: Connection, *wanted: tuple[int, int]) -> merkle.Reader:
    """A reader of complete nodes that remembers the tiles it has read; use it within one transaction.

    `wanted` are nodes on whose way up and down everything will be read: their tiles come with one question.
    """
    tiles = _rows(conn, {_tile(*node) for node in wanted}) if wanted else {}
    pyramids: dict[tuple[int, int], list[list[bytes]]] = {}

    def read(level: int, index: int) -> bytes:
        base, tile = _tile(level, index)
        rows = pyramids.get((base, tile))
        if rows is None:
            row = tiles.get((base, tile))
            rows = pyramids[base, tile] = _pyramid(_rows(conn, {(base, tile)})[base, tile] if row is None else row)
        above = level - base
        try:
            return rows[above][index - (tile << TILE - above)]
        except IndexError:
            raise Unsafe("the ledger lacks a node of its tree; run `pacte verify` on it") from None

    return read


def root_at(conn: Connection, size: int) -> bytes:
    """The root that the log had when it held `size` entries."""
    return merkle.root_at(reader(conn), size)


def prove_inclusion(conn: Connection, index: int, size: int) -> list[bytes]:
    """The path from entry `index` up to the root of `size` entries; raises `BadInput` outside the log."""
    _check_order(index + 1, size)
    # Siblings lie beside the way up from the entry and, where the tree is ragged, along its right edge.
    bases = range(0, size.bit_length(), TILE)
    ways = [(base, leaf >> base) for base in bases for leaf in (index, size - 1)]
    return merkle.inclusion_proof(reader(conn, *ways), index, size)


def prove_consistency(conn: Connection, old: int, new: int) -> list[bytes]:
    """The hashes that show the log of `old` entries to be the beginning of that of `new`."""
    _check_order(old, new)
    return merkle.consistency_proof(reader(conn), old, new)


def tlog_proof(conn: Connection, index: int, checkpoint: str) -> str:
    """The C2SP inclusion proof of entry `index` under a signed checkpoint of this log."""
    return tlog_proof_by(reader(conn), index, checkpoint)


def tlog_proof_by(read: merkle.Reader, index: int, checkpoint: str) -> str:
    """The same with a reader at hand, for many proofs in one transaction."""
    size = unsigned_checkpoint(checkpoint).size
    _check_order(index + 1, size)
    return tlog_proof_text(index, merkle.inclusion_proof(read, index, size), checkpoint)


def _tile(level: int, index: int) -> tuple[int, int]:
    """The tile that holds a node: its lowest level and its number from the left on that level."""
    above = level % TILE
    return level - above, index << above >> TILE


def _rows(conn: Connection, tiles: Collection[tuple[int, int]]) -> dict[tuple[int, int], list[bytes]]:
    """The lowest row of each tile, as far as it is stored without a hole, all read by one statement."""
    parts = {
        0: "SELECT 0, idx, leaf FROM ledger_entry WHERE idx BETWEEN ? AND ?",
        1: "SELECT level, idx, hash FROM ledger_node WHERE level = ? AND idx BETWEEN ? AND ?",
    }
    ordered = sorted(tiles)
    query = " UNION ALL ".join(parts[min(level, 1)] for level, _ in ordered)
    ends = [(tile << TILE, (tile + 1 << TILE) - 1) for _, tile in ordered]
    values = [
        value for (level, _), end in zip(ordered, ends, strict=True) for value in ((level, *end) if level else end)
    ]
    found: dict[tuple[int, int], list[bytes]] = {place: [] for place in ordered}
    for level, index, value in sorted(fetch(conn, query, values)):
        row = found[level, index >> TILE]
        if index & 2**TILE - 1 == len(row):  # behind a hole nothing is found, and the reader says so
            row.append(value)
    for (level, _), row in found.items():
        if level == 0:
            row[:] = [sha256(b"\x00" + commitment).digest() for commitment in row]
    return found


def _pyramid(row: list[bytes]) -> list[list[bytes]]:
    rows = [row]
    for _ in range(TILE - 1):
        row = [sha256(b"\x01" + left + right).digest() for left, right in zip(row[::2], row[1::2], strict=False)]
        rows.append(row)
    return rows


def _check_order(low: int, high: int) -> None:
    if not 0 <= low <= high:
        raise BadInput("a proof for an entry or a size that lies outside the log")
