"""A small story in a real ledger, and the proof file and export that come of it.

Ada gives her choice for the newsletter, a use takes her in; she withdraws, the next use leaves her out.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from pacte.kernel.canonical import Json, canonical, digest
from pacte.kernel.db import metadata, open_sqlite, read, write
from pacte.kernel.ids import SubjectId, UseId
from pacte.kernel.instant import Instant, parse_instant
from pacte.ledger import anchors, log, membership, proof, tables
from pacte.ledger.export import export
from pacte.ledger.note import NoteSigner

ADA, BOB, EVE = SubjectId("a" * 32), SubjectId("b" * 32), SubjectId("e" * 32)
BASE: dict[str, Any] = {"role": "controller", "by": "cli"}
START = parse_instant("2026-05-03T10:00:00Z")
RULES: Json = {"v": 1, "decider": "pacte 1", "purposes": {"newsletter": {"basis": "consent"}}}
FACTS: dict[str, Json] = {"person.place": "FR", "person.age": "adult"}


@dataclass
class Story:
    """The house of the story: its ledger, its key, and what was kept of it on the way."""

    engine: Engine
    signer: NoteSigner
    path: Path
    sets: list[membership.MembershipTree] = field(default_factory=list)
    checkpoints: dict[int, str] = field(default_factory=dict)
    clock: int = START

    def record(self, *entries: dict[str, Any], back: int = 0) -> int:
        """Append entries, keep the checkpoint and anchor it; returns the first index."""
        self.clock += 60_000_000
        with write(self.engine) as conn:
            done = log.append(conn, [{**BASE, **entry} for entry in entries], Instant(self.clock - back), self.signer)
        with read(self.engine) as conn:
            anchors.append(self.path / "anchors.log", log.head(conn))
        self.checkpoints[done.size] = done.checkpoint
        return done.first_index

    def use(self, number: int, *people: SubjectId) -> int:
        """Record a use of the newsletter with these people in its set."""
        use_id = UseId(f"{number:032x}")
        tree = membership.build(use_id, b"".join(map(bytes.fromhex, people)))
        self.sets.append(tree)
        scope = {"purpose": "newsletter", "channel": "email", "fields": ["customers.city"], "domain": "marketing"}
        bound = {"rules": digest(RULES), "policy": "9" * 64, "categories": ["location_city"]}
        sealed = {"mode": "set", "set": tree.commitment(), "until": self.clock + 2}
        outcome = {"counts": {"permitted": len(people)}, "candidates": 3}
        moment = {"as_of": self.clock, "known": 5, "expires": self.clock + 1}
        return self.record({"kind": "use", "use": use_id, **scope, **bound, **sealed, **outcome, **moment})

    def proof(self, subject: SubjectId = ADA, entries: tuple[int, ...] = (0, 1, 2, 3, 5, 7, 8), **more: Any) -> bytes:
        """The proof file about Ada (or another), with everything that can be in one."""
        given: dict[str, Any] = {
            "membership": [membership.prove(tree, subject) for tree in self.sets],
            "facts": [proof.FactOpening(2, b"n" * 32, FACTS)],
            "rules": [RULES],
            "question": {"purpose": "newsletter", "asked": "by what right?"},
            "answers": [{"entry": 5, "reason": "permitted"}],
            "since": [3],
        }
        with read(self.engine) as conn:
            return proof.write_proof(conn, self.signer, subject=subject, entries=entries, **{**given, **more})

    def export(self) -> bytes:
        """The export of the whole ledger."""
        out = io.BytesIO()
        with read(self.engine) as conn:
            export(conn, out)
        return out.getvalue()

    @property
    def anchors(self) -> bytes:
        """The anchors file."""
        return (self.path / "anchors.log").read_bytes()


def choice(subject: str, act: str) -> dict[str, Any]:
    how = {"method": "web_form", "grade": "form", "voice": "self", "authenticated": 1, "channel": "email"}
    return {"kind": "choice", "subject": subject, "purpose": "newsletter", "act": act, "learned": START, **how}


def tell(path: Path, signer: NoteSigner, twist: str = "given") -> Story:
    """Tell the story into a fresh database; `twist` is Ada's first act."""
    engine = open_sqlite(path / "records.db")
    story = Story(engine, signer, path)
    with write(engine) as conn:
        metadata.create_all(conn, tables=[tables.entry_table, tables.node_table, tables.head_table])
        log.create(conn, signer, house="test", now=Instant(START), role="controller")
    story.record(
        {"kind": "policy", "policy": "9" * 64, "rules": digest(RULES), "decider": "pacte 1", "effective": START},
        {
            "kind": "fact",
            "subject": ADA,
            "effective": START,
            "commit": hashlib.sha256(b"n" * 32 + canonical(FACTS)).hexdigest(),
            "sealed": "QUJD",
        },
    )
    story.record({**choice(ADA, twist), "effective": START}, choice(BOB, "given"))
    story.use(1, ADA, BOB)
    story.record({"kind": "look", "subject": EVE, "purpose": "house:rights", "reason": "request"})
    story.record(choice(ADA, "withdrawn"), back=3_600_000_000)
    story.use(2, BOB)
    return story


@pytest.fixture(scope="session")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """The story; tests read it and do not add to it."""
    told = tell(tmp_path_factory.mktemp("story"), NoteSigner(b"k" * 32, "pacte.example/house/test"))
    yield told
    told.engine.dispose()


@pytest.fixture(scope="session")
def rewritten(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """The story with another past, signed by the same key: what an operator who rewrites history would produce."""
    told = tell(tmp_path_factory.mktemp("rewritten"), NoteSigner(b"k" * 32, "pacte.example/house/test"), "refused")
    yield told
    told.engine.dispose()


@pytest.fixture(scope="session")
def resigned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """The story told again under the same name with another key."""
    told = tell(tmp_path_factory.mktemp("resigned"), NoteSigner(b"r" * 32, "pacte.example/house/test"))
    yield told
    told.engine.dispose()
