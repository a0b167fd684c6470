"""The sealed set of a use: present and absent are both provable, and nothing else is."""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacte.kernel.errors import BadInput
from pacte.kernel.ids import SubjectId, UseId, new_subject_id, new_use_id
from pacte.ledger import membership

USE = UseId("5" * 32)
PEOPLE = st.sets(st.binary(min_size=16, max_size=16), max_size=60)


def naive_root(use: str, people: set[bytes]) -> bytes:
    values = sorted(hashlib.sha256(bytes.fromhex(use) + person).digest()[:16] for person in people)
    row = [
        hashlib.sha256(b"\x00" + b"".join(v for v in values if int(v.hex()[:3], 16) == bucket)).digest()
        for bucket in range(4096)
    ]
    while len(row) > 1:
        row = [hashlib.sha256(b"\x01" + row[i] + row[i + 1]).digest() for i in range(0, len(row), 2)]
    return row[0]


@given(PEOPLE)
def test_the_root_is_the_naive_one(people: set[bytes]) -> None:
    """The fast tree has the root of the definition written out, in whatever order people come."""
    tree = membership.build(USE, b"".join(people))
    assert tree.root == naive_root(USE, people)
    assert tree.size == len(people)
    assert membership.from_values(USE, tree.values) == tree
    assert tree.commitment() == {"root": tree.root.hex(), "size": len(people), "buckets": 4096}


@given(PEOPLE, st.binary(min_size=16, max_size=16))
def test_present_and_absent(people: set[bytes], somebody: bytes) -> None:
    """For anybody the proof says the truth and verifies; with any of it changed it does not."""
    tree, subject = membership.build(USE, b"".join(people)), SubjectId(somebody.hex())
    proof = membership.prove(tree, subject)
    assert proof.result == ("present" if somebody in people else "absent")
    assert membership.verify(proof, subject, tree.root)
    assert not membership.verify(
        replace(proof, result="absent" if somebody in people else "present"), subject, tree.root
    )
    assert not membership.verify(replace(proof, bucket=proof.bucket ^ 1), subject, tree.root)
    assert not membership.verify(replace(proof, path=proof.path[1:]), subject, tree.root)
    assert not membership.verify(replace(proof, values=(*proof.values, bytes(16))), subject, tree.root)
    assert not membership.verify(proof, subject, bytes(32))


def test_members_are_present_and_show_nobody_else() -> None:
    """Each member can prove to be in; the values of one use tell nothing about another."""
    people = [new_subject_id() for _ in range(3_000)]
    tree = membership.build(USE, b"".join(map(bytes.fromhex, people)))
    other = membership.build(new_use_id(), b"".join(map(bytes.fromhex, people)))
    assert all(membership.prove(tree, person).result == "present" for person in people[:200])
    values = {tree.values[i : i + 16] for i in range(0, len(tree.values), 16)}
    assert values.isdisjoint(other.values[i : i + 16] for i in range(0, len(other.values), 16))


def test_twice_the_same_person_is_refused() -> None:
    """A set holds a person once, and stored values must be in order."""
    with pytest.raises(BadInput, match="twice"):
        membership.build(USE, b"a" * 32)
    with pytest.raises(BadInput):
        membership.build(USE, b"a" * 31)
    tree = membership.build(USE, secrets.token_bytes(160))
    with pytest.raises(BadInput, match="out of order"):
        membership.from_values(USE, tree.values[16:] + tree.values[:16])
    with pytest.raises(BadInput, match="length"):
        membership.from_values(USE, tree.values[1:])


def test_large_sets_are_fast() -> None:
    """Two hundred thousand people are sealed well within a few seconds of this process's own work."""
    start = time.process_time()
    membership.build(USE, secrets.token_bytes(16 * 200_000))
    assert time.process_time() - start < 5
