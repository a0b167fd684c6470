"""The Merkle core against published roots, and every proof against every mutation."""

from __future__ import annotations

import hashlib
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacte.ledger import merkle

# The test inputs and roots that RFC 6962 implementations share; facts, as in transparency-dev/merkle.
INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
SIZES = st.integers(1, 700)


@cache
def leaves(size: int) -> tuple[bytes, ...]:
    return tuple(merkle.leaf_hash(b"%d" % number) for number in range(size))


def naive_root(hashes: tuple[bytes, ...]) -> bytes:
    if len(hashes) <= 1:
        return hashes[0] if hashes else hashlib.sha256().digest()
    half = 1
    while half * 2 < len(hashes):
        half *= 2
    return hashlib.sha256(b"\x01" + naive_root(hashes[:half]) + naive_root(hashes[half:])).digest()


@cache
def read(level: int, index: int) -> bytes:
    return naive_root(leaves(700)[index << level : (index + 1) << level])


def mutations(proof: list[bytes], position: int) -> list[list[bytes]]:
    flipped = [bytes([node[0] ^ 1]) + node[1:] if i == position else node for i, node in enumerate(proof)]
    changed = [[*proof, bytes(32)], [bytes(32), *proof]]
    return changed + ([flipped, proof[:-1], proof[1:]] if proof else [])


@pytest.mark.parametrize("size", range(9))
def test_published_roots(size: int) -> None:
    """The roots over the shared test inputs are the published ones."""
    hashes = [merkle.leaf_hash(bytes.fromhex(text)) for text in INPUTS[:size]]
    assert merkle.Frontier().append_many(hashes)[0].root.hex() == ROOTS[size]


@given(SIZES, st.lists(st.integers(1, 200)))
def test_frontier_is_the_naive_tree(size: int, cuts: list[int]) -> None:
    """However the leaves are grouped into appends, the frontier has the root of the tree built naively."""
    frontier, done = merkle.Frontier(), 0
    for cut in [*cuts, size]:
        step = min(cut, size - done)
        frontier, _ = frontier.append_many(leaves(size)[done : done + step])
        done += step
    assert frontier.root == naive_root(leaves(size)) == merkle.root_at(read, size)


@given(st.lists(st.integers(1, 90), max_size=8), st.integers(1, 4))
def test_completed_nodes(steps: list[int], every: int) -> None:
    """Every complete node at the asked levels is reported exactly once, with its hash."""
    frontier, found = merkle.Frontier(), {}
    for step in steps:
        frontier, completed = frontier.append_many(leaves(700)[frontier.size : frontier.size + step], every=every)
        for done in completed:
            for offset, node in enumerate(done.hashes):
                assert (done.level, done.first + offset) not in found
                found[done.level, done.first + offset] = node
    expected = {(level, i) for level in range(every, 12, every) for i in range(frontier.size >> level)}
    assert found.keys() == expected
    assert all(node == read(*place) for place, node in found.items())


@given(SIZES, st.data())
def test_inclusion(size: int, data: st.DataObject) -> None:
    """A proof of inclusion verifies for its leaf, index, size and root, and with any of them changed it does not."""
    index = data.draw(st.integers(0, size - 1))
    proof, root, leaf = merkle.inclusion_proof(read, index, size), merkle.root_at(read, size), leaves(700)[index]
    assert merkle.verify_inclusion(leaf, index, size, proof, root)
    for changed in mutations(proof, data.draw(st.integers(0, max(0, len(proof) - 1)))):
        assert not merkle.verify_inclusion(leaf, index, size, changed, root)
    other = data.draw(st.integers(-2, size + 2).filter(lambda i: i != index))
    assert not merkle.verify_inclusion(leaf, other, size, proof, root)
    assert not merkle.verify_inclusion(merkle.leaf_hash(b"other"), index, size, proof, root)
    assert not merkle.verify_inclusion(leaf, index, size, proof, bytes(32))


@given(SIZES, st.data())
def test_consistency(new: int, data: st.DataObject) -> None:
    """A proof of consistency verifies between its two trees, and with any of its parts changed it does not."""
    old = data.draw(st.integers(1, new))
    proof = merkle.consistency_proof(read, old, new)
    roots = merkle.root_at(read, old), merkle.root_at(read, new)
    assert merkle.verify_consistency(old, new, proof, *roots)
    for changed in mutations(proof, data.draw(st.integers(0, max(0, len(proof) - 1)))):
        assert not merkle.verify_consistency(old, new, changed, *roots)
    assert not merkle.verify_consistency(old, new, proof, bytes(32), roots[1])
    assert not merkle.verify_consistency(old, new, proof, roots[0], bytes(32))
    assert not merkle.verify_consistency(new + 1, new, proof, *roots)


def test_the_empty_tree_begins_every_tree() -> None:
    """A log of no entries is the beginning of any log, by an empty proof and the empty root only."""
    root = merkle.root_at(read, 5)
    assert merkle.verify_consistency(0, 5, [], merkle.EMPTY_ROOT, root)
    assert merkle.verify_consistency(0, 0, [], merkle.EMPTY_ROOT, merkle.EMPTY_ROOT)
    assert not merkle.verify_consistency(0, 5, [root], merkle.EMPTY_ROOT, root)
    assert not merkle.verify_consistency(0, 5, [], root, root)


def test_proofs_stay_inside_the_tree() -> None:
    """Asking for a proof outside the tree is an error, not a wrong proof."""
    with pytest.raises(ValueError, match="inside the tree"):
        merkle.inclusion_proof(read, 5, 5)
    with pytest.raises(ValueError, match="smaller size"):
        merkle.consistency_proof(read, 6, 5)
