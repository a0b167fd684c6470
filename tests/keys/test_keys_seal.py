"""Seals, pseudonyms and blind values: the three ways in which a key stands for a value."""

from __future__ import annotations

import hashlib
import hmac
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacte.kernel.canonical import canonical
from pacte.kernel.errors import BadInput, Unsafe
from pacte.kernel.ids import SubjectId, new_subject_id
from pacte.keys.blind import blind
from pacte.keys.pseudonym import pseudonym, pseudonyms, replace_by_pseudonyms, reverse, reversed_pseudonyms
from pacte.keys.seal import place, seal, seal_many, unseal, unseal_many

keys = st.binary(min_size=32, max_size=32)
subjects = st.binary(min_size=16, max_size=16).map(lambda b: SubjectId(b.hex()))


@given(keys, st.binary(max_size=300), st.binary(max_size=40))
def test_a_seal_opens_to_what_was_sealed(key: bytes, plain: bytes, ad: bytes) -> None:
    """Unsealing gives the plaintext back; sealing twice never gives the same bytes."""
    sealed = seal(key, plain, ad)
    assert unseal(key, sealed, ad) == plain
    assert len(sealed) == 12 + len(plain) + 16
    assert seal(key, plain, ad) != sealed


@given(keys, keys, st.binary(max_size=40), st.data())
def test_a_seal_opens_nowhere_else(key: bytes, other: bytes, ad: bytes, data: st.DataObject) -> None:
    """Another key, another place, a changed or a missing byte: always `Unsafe`, never a value."""
    sealed = seal(key, b"canary value", ad)
    position = data.draw(st.integers(0, len(sealed) - 1))
    changed = sealed[:position] + bytes([sealed[position] ^ 1]) + sealed[position + 1 :]
    attempts = [(key, changed, ad), (key, sealed[:position], ad), (key, sealed, ad + b"x")]
    for attempt in attempts + ([(other, sealed, ad)] if other != key else []):
        with pytest.raises(Unsafe) as caught:
            unseal(*attempt)
        assert "canary" not in str(caught.value)


@given(subjects, subjects, st.text(max_size=8), st.text(max_size=8), st.integers(1, 9), st.integers(1, 9))
def test_two_places_never_have_the_same_associated_data(
    one: SubjectId, two: SubjectId, group: str, other: str, version: int, later: int
) -> None:
    """Subject, group and version are told apart whatever they hold: the place is their canonical JSON."""
    assert place(one, group, version) == canonical({"subject": one, "group": group, "v": version})
    if (one, group, version) != (two, other, later):
        assert place(one, group, version) != place(two, other, later)


def test_keys_of_the_wrong_length_are_refused() -> None:
    """A 128-bit key is refused everywhere: every key of the house has 256 bits."""
    for act in (
        lambda: seal(bytes(16), b"", b""),
        lambda: unseal(bytes(16), bytes(28), b""),
        lambda: pseudonyms(bytes(16), bytes(16)),
    ):
        with pytest.raises(BadInput, match=r"a .*key of 16 bytes; expected 32"):
            act()


@given(keys, st.lists(subjects, max_size=30))
def test_a_set_has_the_pseudonyms_of_its_members(key: bytes, people: list[SubjectId]) -> None:
    """The bulk function, over bytes or arrays, says what the single one says; both can be reversed."""
    side_by_side = bytes.fromhex("".join(people))
    names = pseudonyms(key, side_by_side)
    assert [names[i : i + 16].hex() for i in range(0, len(names), 16)] == [pseudonym(key, p) for p in people]
    assert pseudonyms(key, np.frombuffer(side_by_side, np.uint8).reshape(-1, 16)) == names
    assert reversed_pseudonyms(key, names) == side_by_side
    in_place = np.frombuffer(bytearray(side_by_side), np.uint8)
    replace_by_pseudonyms(key, in_place)
    assert in_place.tobytes() == names
    assert all(reverse(key, pseudonym(key, person)) == person for person in people)


def test_pseudonyms_do_not_collide_and_do_not_join() -> None:
    """100,000 people have 100,000 pseudonyms, none of which appears in another domain or as an identifier."""
    ids = os.urandom(16 * 100_000)
    one, two = (pseudonyms(os.urandom(32), ids) for _ in range(2))
    split = [{raw[i : i + 16] for i in range(0, len(raw), 16)} for raw in (ids, one, two)]
    assert [len(names) for names in split] == [100_000] * 3
    assert not split[1] & split[2]
    assert not split[0] & split[1]


def test_a_pseudonym_is_the_published_aes_block() -> None:
    """The AES-256 example vector of FIPS 197, appendix C.3."""
    key = bytes(range(32))
    assert pseudonym(key, SubjectId("00112233445566778899aabbccddeeff")) == "8ea2b7ca516745bfeafc49904b496089"


def test_a_wrong_form_is_not_a_pseudonym() -> None:
    """Half an identifier, or other text, is refused rather than turned into somebody."""
    with pytest.raises(BadInput):
        pseudonyms(bytes(32), bytes(15))
    with pytest.raises(BadInput):
        reverse(bytes(32), "not hexadecimal")
    assert reverse(bytes(32), pseudonym(os.urandom(32), new_subject_id())) != ""


@given(keys, st.text(min_size=1, max_size=20), st.text(max_size=40))
def test_a_blind_value_is_a_truncated_hmac(key: bytes, field: str, value: str) -> None:
    """HMAC-SHA256 over field, zero byte and value, first 16 bytes."""
    whole = hmac.new(key, field.encode() + b"\x00" + value.encode(), hashlib.sha256).digest()
    assert blind(key, field, value) == whole[:16]


@given(contents=st.lists(st.binary(max_size=40), max_size=5))
def test_many_are_sealed_as_each_would_be(contents: list[bytes]) -> None:
    """Each of many opens alone under its own key and place, none has another's nonce, and one altered byte is found."""
    keys = [os.urandom(32) for _ in contents]
    places = [place(new_subject_id(), "contact", 1) for _ in contents]
    many = seal_many(keys, contents, places)
    assert [unseal(*one) for one in zip(keys, many, places, strict=True)] == contents
    assert unseal_many(keys, many, places) == contents
    assert len({one[:12] for one in many}) == len(many)
    if many:
        many[-1] = many[-1][:-1] + bytes([many[-1][-1] ^ 1])
        with pytest.raises(Unsafe, match="does not open"):
            unseal_many(keys, many, places)
