"""Witnesses: cosignatures that verify, ones that do not, and a witness that refuses a fork."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacte.kernel.errors import BadInput, Conflict, PacteError, Unsafe, VerificationFailed
from pacte.kernel.instant import SECOND, Instant
from pacte.ledger import merkle, witness
from pacte.ledger.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from pacte.ledger.note import NoteSigner, parse_signature, parse_vkey
from tests.ledger.authority import reply, served
from tests.ledger.keeper import Witness, consistent

SIGNER = NoteSigner(bytes(range(32)), "pacte.example/house/test")
LEAVES = [merkle.leaf_hash(bytes([number])) for number in range(70)]
NOW = Instant(1_900_000_000 * SECOND)


def mth(leaves: list[bytes]) -> bytes:
    """The tree's root by the definition of RFC 6962 §2.1."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return merkle.node_hash(mth(leaves[:split]), mth(leaves[split:]))


def reading(leaves: list[bytes]) -> merkle.Reader:
    return lambda level, index: mth(leaves[index << level : index + 1 << level])


def note(size: int, leaves: list[bytes] = LEAVES) -> str:
    return sign_checkpoint(SIGNER, size, mth(leaves[:size]))


def proof(old: int, new: int, leaves: list[bytes] = LEAVES) -> list[bytes]:
    return merkle.consistency_proof(reading(leaves), old, new) if old else []


@given(st.integers(1, 70), st.integers(0, 69), st.integers(0, 2**32))
def test_both_sides_of_a_consistency_proof(new: int, gap: int, seed: int) -> None:
    """Proofs of ours convince the witness's own arithmetic, and one flipped bit of them does not."""
    old = max(1, new - gap)
    path = proof(old, new)
    assert consistent(old, new, path, mth(LEAVES[:old]), mth(LEAVES[:new]))
    if path:
        place = seed % len(path)
        path[place] = bytes([path[place][0] ^ 1]) + path[place][1:]
        assert not consistent(old, new, path, mth(LEAVES[:old]), mth(LEAVES[:new]))


def ask(url: str, keeper: Witness, size: int, old: int, **more: Any) -> witness.Cosignature | witness.Elsewhere:
    leaves = more.get("leaves", LEAVES)
    key = witness.parse_witness_key(keeper.vkey())
    return witness.add_checkpoint(url, key, note(size, leaves), old, proof(old, size, leaves), NOW)


def test_a_witness_follows_the_log(tmp_path: Path) -> None:
    """Three checkpoints are cosigned in a row, kept as notes that open, and the last size is known afterwards."""
    keeper = Witness(SIGNER.vkey)
    key = witness.parse_witness_key(keeper.vkey())
    with served(keeper.respond) as url:
        for old, size in ((0, 1), (1, 40), (40, 40), (40, 70)):
            found = ask(url, keeper, size, old)
            assert isinstance(found, witness.Cosignature)
            assert (found.name, found.time) == (keeper.name, keeper.time * SECOND)
            path = witness.keep(tmp_path / "w", note(size), found)
            kept = path.read_text()
            assert witness.cosignatures(kept, [key], NOW) == [found]
            assert open_checkpoint(kept, parse_vkey(SIGNER.vkey)) == Checkpoint(SIGNER.name, size, mth(LEAVES[:size]))
            assert witness.newest_size(tmp_path / "w", key, NOW) == size
    assert keeper.seen == (70, mth(LEAVES))
    assert len(list((tmp_path / "w").iterdir())) == 3


def test_two_witnesses_of_one_checkpoint(tmp_path: Path) -> None:
    """Each witness has one line in the note; asked again, its newer line takes the older one's place."""
    one, two = Witness(SIGNER.vkey), Witness(SIGNER.vkey, name="witness.example/w2")
    keys = [witness.parse_witness_key(each.vkey()) for each in (one, two)]
    for keeper in (one, two, one):
        keeper.time += 1
        line = keeper.cosign(note(9).rpartition("\n\n")[0] + "\n")
        [found] = witness.cosignatures(note(9) + line, keys, NOW)
        path = witness.keep(tmp_path / "w", note(9), found)
    kept = witness.kept(tmp_path / "w", Checkpoint(SIGNER.name, 9, mth(LEAVES[:9])))
    assert kept == path.read_text()
    assert kept.startswith(note(9))
    assert [(each.name, each.time) for each in witness.cosignatures(kept, keys, NOW)] == [
        (two.name, two.time * SECOND),
        (one.name, one.time * SECOND),
    ]


def test_a_fork_is_refused() -> None:
    """A log whose past was rewritten, and signed by the same key, gets no cosignature: nor at the same size."""
    keeper = Witness(SIGNER.vkey)
    forged = [*LEAVES[:5], merkle.leaf_hash(b"forged"), *LEAVES[6:]]
    with served(keeper.respond) as url:
        assert isinstance(ask(url, keeper, 40, 0), witness.Cosignature)
        for size in (40, 41, 70):
            with pytest.raises(Unsafe, match=r"`witness\.example/w1` has seen another history"):
                ask(url, keeper, size, 40, leaves=forged)
        assert ask(url, keeper, 70, 0, leaves=forged) == witness.Elsewhere(40)
        assert ask(url, keeper, 70, 39) == witness.Elsewhere(40)
        assert keeper.seen == (40, mth(LEAVES[:40]))
        assert isinstance(ask(url, keeper, 70, 40), witness.Cosignature)


@pytest.mark.parametrize("log", [NoteSigner(b"k" * 32, SIGNER.name).vkey, NoteSigner(b"k" * 32, "other.example").vkey])
def test_a_witness_that_does_not_know_the_log(log: str) -> None:
    """Neither by its key (403) nor by its name (404): it is said what to do."""
    keeper = Witness(log)
    with served(keeper.respond) as url, pytest.raises(BadInput, match="give its keeper the log's name and key"):
        ask(url, keeper, 3, 0)


def false_lines(keeper: Witness) -> dict[str, bytes]:
    """Answers that are no cosignature of this checkpoint by this key."""
    text = note(9).rpartition("\n\n")[0] + "\n"
    good = keeper.cosign(text)
    raw = base64.b64decode(good.split(" ")[2])
    other = Witness(SIGNER.vkey, name=keeper.name)

    def line(changed: bytes) -> bytes:
        return f"— {keeper.name} {base64.b64encode(changed).decode()}\n".encode()

    later = Witness(SIGNER.vkey, keeper.name, 2_000_000_000, keeper.key)
    return {
        "empty": b"",
        "garbage": b"\xff\xfe hello",
        "page": b"<html></html>\n",
        "another key": other.cosign(text).encode(),
        "another checkpoint": keeper.cosign(text.replace("\n9\n", "\n8\n")).encode(),
        "time changed": line(raw[:11] + bytes([raw[11] ^ 1]) + raw[12:]),
        "signature changed": line(raw[:-1] + bytes([raw[-1] ^ 1])),
        "cut": line(raw[:-1]),
        "no time": line(raw[:4] + raw[12:]),
        "from the future": later.cosign(text).encode(),
        "a plain signature": line(keeper.key_id(b"\x01") + keeper.key.sign(text.encode())),
    }


@pytest.mark.parametrize("what", false_lines(Witness(SIGNER.vkey)))
def test_answers_that_are_no_cosignature(what: str) -> None:
    """Whatever else comes back with status 200 is refused."""
    keeper = Witness(SIGNER.vkey)
    body = false_lines(keeper)[what]
    with served(lambda handler, _: reply(handler, 200, "text/plain", body)) as url, pytest.raises(VerificationFailed):
        ask(url, keeper, 9, 0)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (409, b"", PacteError),
        (409, b"many\n", PacteError),
        (429, b"", Conflict),
        (500, b"", Conflict),
        (418, b"", PacteError),
    ],
)
def test_answers_that_are_none(status: int, body: bytes, error: type[PacteError]) -> None:
    """Statuses are said; those that may pass are told from those that will not."""
    keeper = Witness(SIGNER.vkey)
    with served(lambda handler, _: reply(handler, status, "text/plain", body)) as url, pytest.raises(error) as caught:
        ask(url, keeper, 9, 0)
    assert type(caught.value) is error


def test_keys_of_witnesses() -> None:
    """Both spellings of an Ed25519 key are read; a key that was cut or edited is refused."""
    keeper = Witness(SIGNER.vkey)
    key = witness.parse_witness_key(keeper.vkey())
    assert key == witness.parse_witness_key(keeper.vkey(b"\x01"))
    assert key.vkey == keeper.vkey()
    for bad in ("", "x", keeper.vkey()[:-1], keeper.vkey().replace("w1", "w2"), keeper.vkey(b"\x06")):
        with pytest.raises(BadInput):
            witness.parse_witness_key(bad)


def test_the_example_of_the_specification() -> None:
    """The line that c2sp.org/tlog-cosignature shows is read as it says: name, key id, time, signature."""
    line = (
        "— witness.example.com/w1 "
        "jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA=="
    )
    name, key_id, signature = parse_signature(line)
    assert (name, key_id.hex(), len(signature)) == ("witness.example.com/w1", "8d66cf3f", 72)
    assert int.from_bytes(signature[:8]) == 1_679_315_147
