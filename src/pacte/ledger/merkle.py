"""The Merkle tree of the log: pure functions on hashes, no storage.

A node is named by its level (0 = leaves) and its index from the left; it covers `2**level` leaves. A reader hands out
hashes of *complete* nodes; every root and proof of any size is made of those. Source: RFC 9162 §2.1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Reader: TypeAlias = Callable[[int, int], bytes]
"""`read(level, index)` → the 32-byte hash of a complete node."""

EMPTY_ROOT = hashlib.sha256(b"").digest()
"""The root of a log without entries."""


def leaf_hash(data: bytes) -> bytes:
    """The hash of one leaf; in the ledger `data` is the 32-byte commitment to an entry."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two neighbouring nodes."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Completed:
    """Nodes that an append completed on one level: neighbours, the first of them at `first`."""

    level: int
    first: int
    hashes: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Frontier:
    """The complete subtrees on the right edge, largest first: all that is needed to append and to know the root."""

    size: int = 0
    nodes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.nodes) != self.size.bit_count():
            raise ValueError("a frontier holds one node per bit of its size")

    @property
    def root(self) -> bytes:
        """The root of the tree of `size` leaves."""
        return root_from_frontier(self.nodes)

    def append(self, leaf: bytes) -> Frontier:
        """The frontier after one more leaf hash."""
        return self.append_many([leaf])[0]

    def append_many(self, leaves: Sequence[bytes], every: int = 8) -> tuple[Frontier, list[Completed]]:
        """The frontier after these leaf hashes, and the nodes completed on the way at levels `every`, `2*every`, …

        Works level by level, so that a bulk append costs one hash per leaf and little else.
        """
        waiting = list(self.nodes)  # the smallest subtree is last
        edge: list[bytes] = []  # the new frontier, smallest first
        completed: list[Completed] = []
        row, start, level = list(leaves), self.size, 0
        sha256 = hashlib.sha256  # `node_hash`, written out: a call more per leaf is a sixth of the time
        while row or waiting:
            if start & 1:  # the frontier holds the left neighbour of what comes in at this level
                row.insert(0, waiting.pop())
                start -= 1
            if len(row) & 1:
                edge.append(row.pop())
            row = [sha256(b"\x01" + left + right).digest() for left, right in zip(row[::2], row[1::2], strict=True)]
            start, level = start >> 1, level + 1
            if row and level % every == 0:
                completed.append(Completed(level, start, row))
                row = list(row)  # the next level prepends to it
        return Frontier(self.size + len(leaves), tuple(reversed(edge))), completed


def root_from_frontier(nodes: Sequence[bytes]) -> bytes:
    """The root above complete subtrees given from the largest to the smallest."""
    if not nodes:
        return EMPTY_ROOT
    root = nodes[-1]
    for node in reversed(nodes[:-1]):
        root = node_hash(node, root)
    return root


def root_at(read: Reader, size: int) -> bytes:
    """The root that the log had at `size` leaves."""
    return _range_root(read, 0, size) if size else EMPTY_ROOT


def inclusion_proof(read: Reader, index: int, size: int) -> list[bytes]:
    """The sibling hashes from leaf `index` up to the root of `size` leaves. Source: RFC 9162 §2.1.3.1."""
    if not 0 <= index < size:
        raise ValueError("a proof is about a leaf inside the tree")
    proof: list[bytes] = []
    low, high = 0, size
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            proof.append(_range_root(read, middle, high))
            high = middle
        else:
            proof.append(_range_root(read, low, middle))
            low = middle
    return proof[::-1]


def consistency_proof(read: Reader, old: int, new: int) -> list[bytes]:
    """The hashes that show the tree of `old` leaves to be the beginning of that of `new`. Source: RFC 9162 §2.1.4.1."""
    if not 0 <= old <= new:
        raise ValueError("a consistency proof goes from a smaller size to a larger one")
    if old in (0, new):
        return []
    proof: list[bytes] = []
    low, high = 0, new
    while old != high:
        middle = low + _split(high - low)
        if old <= middle:
            proof.append(_range_root(read, middle, high))
            high = middle
        else:
            proof.append(_range_root(read, low, middle))
            low = middle
    if low:  # the old tree's last subtree is not the old tree itself, so the verifier cannot know its hash
        proof.append(_range_root(read, low, high))
    return proof[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether `proof` leads from the leaf hash at `index` to `root` of `size` leaves. Source: RFC 9162 §2.1.3.2."""
    if not 0 <= index < size:
        return False
    position, last, found = index, size - 1, leaf
    for sibling in proof:
        if not last:
            return False
        if position & 1 or position == last:
            found = node_hash(sibling, found)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and found == root


def verify_consistency(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> bool:
    """Whether the log of `old` leaves with `old_root` is the beginning of that of `new`. Source: RFC 9162 §2.1.4.2."""
    if not 0 <= old <= new:
        return False
    if old == 0:
        return not proof and old_root == EMPTY_ROOT and (new > 0 or new_root == EMPTY_ROOT)
    if old == new:
        return not proof and old_root == new_root
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    if not path:
        return False
    position, last = old - 1, new - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    older = newer = path[0]
    for node in path[1:]:
        if not last:
            return False
        if position & 1 or position == last:
            older, newer = node_hash(node, older), node_hash(node, newer)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            newer = node_hash(newer, node)
        position, last = position >> 1, last >> 1
    return last == 0 and older == old_root and newer == new_root


def _range_root(read: Reader, low: int, high: int) -> bytes:
    # INVARIANT: `low` is a multiple of the largest power of two not above the width; the callers' splits keep it so.
    width = high - low
    if width & (width - 1) == 0:
        level = width.bit_length() - 1
        return read(level, low >> level)
    middle = low + _split(width)
    return node_hash(_range_root(read, low, middle), _range_root(read, middle, high))


def _split(width: int) -> int:
    # The largest power of two smaller than `width` (at least 2).
    return 1 << (width - 1).bit_length() - 1
