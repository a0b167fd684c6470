"""The sealed set of a use: who was in it, provable person by person, showing nobody else.

A member's value is SHA-256(use id ‖ subject id) cut to 16 bytes. The values, sorted, fall into 4,096 buckets by their
first 12 bits; a bucket's hash is SHA-256(0x00 ‖ its values), and a tree of 4,096 leaves stands over the buckets. One
bucket and 12 hashes show that a person was in the set, or was not.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from pacte.kernel.canonical import Json
from pacte.kernel.errors import BadInput
from pacte.kernel.ids import SubjectId, UseId
from pacte.ledger.entries import BUCKETS
from pacte.ledger.merkle import leaf_hash, node_hash

VALUE = 16
"""Bytes of one member's value."""

LEVELS = 12
"""Height of the tree over the buckets; also the number of leading bits that choose the bucket."""


@dataclass(frozen=True, slots=True)
class MembershipTree:
    """A sealed set: the sorted values in one run of bytes, and every level of the tree, the buckets' hashes first."""

    use: UseId
    values: bytes
    bounds: tuple[int, ...]
    levels: tuple[tuple[bytes, ...], ...]

    @property
    def root(self) -> bytes:
        """What the use's entry commits to."""
        return self.levels[-1][0]

    @property
    def size(self) -> int:
        """How many members."""
        return len(self.values) // VALUE

    def bucket(self, number: int) -> bytes:
        """The values of one bucket, run together."""
        return self.values[self.bounds[number] * VALUE : self.bounds[number + 1] * VALUE]

    def commitment(self) -> dict[str, Json]:
        """The `set` of the use's ledger entry."""
        return {"root": self.root.hex(), "size": self.size, "buckets": BUCKETS}


@dataclass(frozen=True, slots=True)
class MembershipProof:
    """One bucket and the hashes from it up to the root: whether `subject` was in the set of `use`."""

    use: UseId
    bucket: int
    values: tuple[bytes, ...]
    path: tuple[bytes, ...]
    result: Literal["present", "absent"]

    def to_json(self) -> dict[str, Json]:
        """The form in which a proof file holds it."""
        return {
            "use": self.use,
            "bucket": self.bucket,
            "values": [value.hex() for value in self.values],
            "path": [node.hex() for node in self.path],
            "result": self.result,
        }


def member_value(use: UseId, subject: SubjectId) -> bytes:
    """The value that stands for a person in the set of one use, and in no other."""
    return hashlib.sha256(bytes.fromhex(use) + bytes.fromhex(subject)).digest()[:VALUE]


_AT_ONCE = 16 * 65_536


def build(use: UseId, subject_ids: bytes) -> MembershipTree:
    """Seal a set of people, given as 16-byte identifiers run together, in any order.

    Raises `BadInput` if somebody is in it twice. Five million people take some seconds, nearly all of it hashing.
    """
    if len(subject_ids) % 16:
        raise BadInput("subject identifiers of the wrong length; expected 16 bytes each")
    sha256, salt = hashlib.sha256, bytes.fromhex(use)
    run = bytearray()
    for start in range(0, len(subject_ids), _AT_ONCE):
        some = subject_ids[start : start + _AT_ONCE]
        run += b"".join([sha256(salt + some[i : i + 16]).digest()[:VALUE] for i in range(0, len(some), 16)])
    return from_values(use, _sorted(run))


def from_values(use: UseId, values: bytes) -> MembershipTree:
    """The tree over values that are sorted already, as `MembershipTree.values` was stored; raises `BadInput`."""
    if len(values) % VALUE:
        raise BadInput("a stored set whose length is not that of whole values")
    high, low = _halves(values)
    later, earlier = high[1:], high[:-1]
    if not bool(np.all((later > earlier) | ((later == earlier) & (low[1:] > low[:-1])))):
        raise BadInput("a set that holds somebody twice, or a stored set that is out of order")
    edges = np.arange(BUCKETS, dtype=np.uint64) << np.uint64(64 - LEVELS)
    bounds = (*np.searchsorted(high, edges, side="left").tolist(), len(high))
    row = [leaf_hash(values[bounds[i] * VALUE : bounds[i + 1] * VALUE]) for i in range(BUCKETS)]
    levels = [tuple(row)]
    while len(row) > 1:
        row = list(map(node_hash, row[::2], row[1::2]))
        levels.append(tuple(row))
    return MembershipTree(use, values, bounds, tuple(levels))


def prove(tree: MembershipTree, subject: SubjectId) -> MembershipProof:
    """Show that a person was in the set, or that they were not."""
    value = member_value(tree.use, subject)
    bucket = bucket_of(value)
    run = tree.bucket(bucket)
    values = tuple(run[i : i + VALUE] for i in range(0, len(run), VALUE))
    path = tuple(tree.levels[level][(bucket >> level) ^ 1] for level in range(LEVELS))
    return MembershipProof(tree.use, bucket, values, path, "present" if value in values else "absent")


def verify(proof: MembershipProof, subject: SubjectId, root: bytes) -> bool:
    """Whether the proof leads to `root` and says the truth about `subject`."""
    value = member_value(proof.use, subject)
    ordered = all(earlier < later for earlier, later in pairwise(proof.values))
    if bucket_of(value) != proof.bucket or not ordered or len(proof.path) != LEVELS:
        return False
    if any(len(other) != VALUE or bucket_of(other) != proof.bucket for other in proof.values):
        return False
    node = leaf_hash(b"".join(proof.values))
    for level, sibling in enumerate(proof.path):
        node = node_hash(sibling, node) if proof.bucket >> level & 1 else node_hash(node, sibling)
    return node == root and (value in proof.values) == (proof.result == "present")


def bucket_of(value: bytes) -> int:
    """The bucket a value falls into: its first 12 bits."""
    return value[0] << 4 | value[1] >> 4


def _sorted(run: bytes | bytearray) -> bytes:
    high, low = _halves(run)
    order = np.argsort(high)
    if bool(np.any(high[order][1:] == high[order][:-1])):  # almost never: two values that share their first 64 bits
        order = np.lexsort((low, high))
    return np.frombuffer(run, dtype="V16")[order].tobytes()


def _halves(run: bytes | bytearray) -> tuple[np.ndarray[tuple[int], np.dtype[np.uint64]], ...]:
    # A value as two numbers: numpy sorts and compares those much faster than bytes.
    pairs = np.frombuffer(run, dtype=">u8").astype(np.uint64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]
