"""Signed notes and checkpoints in the C2SP formats."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacte.kernel.errors import BadInput, VerificationFailed
from pacte.ledger import checkpoint as cp
from pacte.ledger import note

SIGNER = note.NoteSigner(b"s" * 32, "pacte.example/log")
KEY = note.parse_vkey(SIGNER.vkey)
OTHER = note.NoteSigner(b"o" * 32, "witness.example")

# The example of Go's golang.org/x/mod/sumdb/note: somebody else's signature that must verify here. A fact.
FOREIGN_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
FOREIGN_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def test_a_foreign_note_verifies() -> None:
    """A note signed by another implementation opens with its published key."""
    assert note.open_note(FOREIGN_NOTE, [note.parse_vkey(FOREIGN_KEY)]).endswith("what your problem is.\n")


@given(st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"])))
def test_round_trip(line: str) -> None:
    """What was signed is what is opened."""
    text = line + "\n"
    assert note.open_note(note.sign_note(text, SIGNER), [KEY]) == text


def test_any_changed_byte_refuses_the_note() -> None:
    """A note of ours with any one byte changed does not open."""
    raw = note.sign_note("a\n\nb\n", SIGNER).encode()
    for position in range(len(raw)):
        for pattern in (0x01, 0x20, 0x80):
            changed = bytearray(raw)
            changed[position] ^= pattern
            with pytest.raises((VerificationFailed, UnicodeDecodeError)):
                note.open_note(changed.decode(), [KEY])


def test_unknown_signatures_are_ignored_and_false_ones_are_not() -> None:
    """Another's signature beside ours changes nothing; a false one under our key refuses the whole note."""
    ours, theirs = note.sign_note("x\n", SIGNER), note.sign_note("x\n", OTHER)
    both = ours + theirs.rpartition("\n\n")[2]
    assert note.open_note(both, [KEY]) == "x\n"
    with pytest.raises(VerificationFailed, match="known key"):
        note.open_note(theirs, [KEY])
    false = note.sign_note("y\n", SIGNER).rpartition("\n\n")[2]
    with pytest.raises(VerificationFailed, match="does not verify"):
        note.open_note(ours + false, [KEY])


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u00a0b", "a\nb", "pacte-proof/1"])
def test_names_that_cannot_be_used(name: str) -> None:
    """A log's name has no space and no plus, and is not the first line of a seal."""
    with pytest.raises(BadInput):
        note.NoteSigner(b"s" * 32, name)


@pytest.mark.parametrize(
    "vkey",
    ["", "x", SIGNER.vkey[:-1], SIGNER.vkey + "\n", SIGNER.vkey.replace("pacte", "facte"), "a+00000000+AAAA", "++"],
)
def test_verifier_keys_that_are_refused(vkey: str) -> None:
    """A verifier key that was cut or edited is refused."""
    with pytest.raises(BadInput):
        note.parse_vkey(vkey)


def test_checkpoint() -> None:
    """A checkpoint has three lines, signed by the key of the log's own name."""
    signed = cp.sign_checkpoint(SIGNER, 7, b"r" * 32)
    assert cp.open_checkpoint(signed, KEY) == cp.Checkpoint("pacte.example/log", 7, b"r" * 32)
    assert signed.split("\n")[:2] == ["pacte.example/log", "7"]
    stranger = note.sign_note(cp.Checkpoint("other.example", 7, b"r" * 32).text, SIGNER)
    with pytest.raises(VerificationFailed, match="another log"):
        cp.open_checkpoint(stranger, KEY)


@pytest.mark.parametrize(
    "text", ["", "a\n", "a\n01\nAA==\n", "a\n1\nAA==\n", "a\n-1\n" + "A" * 43 + "=\n", "a\n٣\nx\n"]
)
def test_malformed_checkpoints(text: str) -> None:
    """A checkpoint of another form is refused."""
    with pytest.raises(VerificationFailed):
        cp.parse_checkpoint(text)


def test_a_signer_never_shows_its_seed() -> None:
    """Printing a signer shows its name only."""
    assert repr(SIGNER) == "NoteSigner(pacte.example/log)"
    with pytest.raises(BadInput, match="32 bytes"):
        note.NoteSigner(b"short", "x")
