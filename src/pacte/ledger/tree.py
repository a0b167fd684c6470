"""The tree of the stored log: nodes read from the tables, roots of any past size, proofs."""

from __future__ import annotations

from sqlalchemy import Connection, select

from pacte.kernel.errors import BadInput, Unsafe
from pacte.ledger import merkle
from pacte.ledger.checkpoint import tlog_proof_text, unsigned_checkpoint
from pacte.ledger.tables import entry_table, node_table

TILE = 8
"""Levels per tile: nodes are stored at every eighth level, those between are computed from up to 256 neighbours."""


def reader(conn: Connection) -> merkle.Reader:
    """A reader of complete nodes that remembers the tiles it has read; use it within one transaction."""
    tiles: dict[tuple[int, int], list[list[bytes]]] = {}

    def read(level: int, index: int) -> bytes:
        base, above = level - level % TILE, level % TILE
        tile = (index << above) >> TILE
        rows = tiles.get((base, tile))
        if rows is None:
            rows = tiles[base, tile] = _pyramid(_base_row(conn, base, tile << TILE))
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
    return merkle.inclusion_proof(reader(conn), index, size)


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


def _base_row(conn: Connection, level: int, first: int) -> list[bytes]:
    table, column = (node_table, node_table.c.hash) if level else (entry_table, entry_table.c.leaf)
    query = select(table.c.idx, column).where(table.c.idx.between(first, first + 2**TILE - 1)).order_by(table.c.idx)
    if level:
        query = query.where(node_table.c.level == level)
    row: list[bytes] = []
    for index, value in conn.execute(query):
        if index != first + len(row):
            break  # a hole: what lies beyond it is not found, and the caller says so
        row.append(value if level else merkle.leaf_hash(value))
    return row


def _pyramid(row: list[bytes]) -> list[list[bytes]]:
    rows = [row]
    for _ in range(TILE - 1):
        row = [merkle.node_hash(left, right) for left, right in zip(row[::2], row[1::2], strict=False)]
        rows.append(row)
    return rows


def _check_order(low: int, high: int) -> None:
    if not 0 <= low <= high:
        raise BadInput("a proof for an entry or a size that lies outside the log")
