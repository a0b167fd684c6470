"""What a later pacte may add to a log, and a verifier of today must live with; and uses of one person."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pacte import verifier
from pacte.kernel.canonical import Json, digest
from pacte.kernel.db import metadata, open_sqlite, read, write
from pacte.kernel.ids import SubjectId, UseId
from pacte.kernel.instant import Instant
from pacte.ledger import entries, log, membership, proof, tables
from pacte.ledger.export import export
from pacte.ledger.note import NoteSigner

ADA, BOB = SubjectId("a" * 32), SubjectId("b" * 32)
ONE_USE, LATER_USE = f"{1:032x}", f"{2:032x}"
RULES: Json = {"v": 2, "purposes": {}}
STOP: dict[str, Any] = {"kind": "stop", "scope": "newsletter", "effective": 1, "reason": "committee"}
SCOPE: dict[str, Any] = {"purpose": "newsletter", "fields": ["customers.city"], "domain": "marketing"}
BOUND: dict[str, Any] = {"rules": digest(RULES), "policy": "9" * 64, "categories": ["location_city"]}
ONE: dict[str, Any] = {"kind": "use", **SCOPE, **BOUND, "counts": {"permitted": 1}, "candidates": 1, "mode": "one"}
MOMENT: dict[str, Any] = {"as_of": 1, "known": 1, "expires": 2}

# What this verifier does not know, and the words by which it says so.
PROMISE = {"kind": "promise", "subject": ADA, "words": {"any": ["thing", 7]}}
LATER = {"kind": "use", "v": 2, "use": LATER_USE, "rules": digest(RULES), "set": {"root": "f" * 64}}
LATER_FACT = {"kind": "fact", "v": 3, "subject": ADA, "vector": "x"}
NOTED = {**STOP, "note": "more\x1b[2J", "weight": 3}
LATER_STEP = {"kind": "erasure", "subject": ADA, "step": "postponed", "until": 7}
STRANGE = [PROMISE, LATER, LATER_FACT, NOTED, LATER_STEP]


class Later:
    """A log into which anything may be written, as by a later pacte or by a house that lies."""

    def __init__(self, path: Path) -> None:
        self.signer = NoteSigner(b"k" * 32, "pacte.example/house/later")
        self.engine = open_sqlite(path / "records.db")
        with write(self.engine) as conn:
            metadata.create_all(conn, tables=[tables.entry_table, tables.node_table, tables.head_table])
            old = log.Continued("old.example", NoteSigner(b"o" * 32, "old.example").vkey, 1234, b"r" * 32)
            log.create(conn, self.signer, house="test", now=Instant(1_000), continues=old)

    def record(self, monkeypatch: pytest.MonkeyPatch, *given: dict[str, Any]) -> None:
        """Append entries whatever they are."""
        monkeypatch.setattr(
            log, "bodies", lambda batch, filled: [entries.encode({"v": 1, **filled, **one}) for one in batch]
        )
        with write(self.engine) as conn:
            log.append(conn, [{"role": "controller", "by": "cli", **one} for one in given], Instant(2_000), self.signer)
        monkeypatch.undo()

    def proof(self, **more: Any) -> bytes:
        """A proof about Ada with every entry of the log."""
        with read(self.engine) as conn:
            given: dict[str, Any] = {"entries": range(log.head(conn).size), "question": {}}
            return proof.write_proof(conn, self.signer, subject=ADA, **{**given, **more})

    def sealed(self, document: dict[str, Any]) -> bytes:
        """A document as the holder of the key could seal it."""
        bare = {name: value for name, value in document.items() if name != "seal"}
        return proof.pretty({**bare, "seal": proof.seal(bare, self.signer)})

    def export(self) -> bytes:
        """The export of the whole log."""
        out = io.BytesIO()
        with read(self.engine) as conn:
            export(conn, out)
        return out.getvalue()


@pytest.fixture
def later(tmp_path: Path) -> Iterator[Later]:
    made = Later(tmp_path)
    yield made
    made.engine.dispose()


@pytest.mark.parametrize("lang", ["en", "fr"])
def test_what_a_later_version_records_is_reported(later: Later, monkeypatch: pytest.MonkeyPatch, lang: str) -> None:
    """Unknown kinds, versions, keys and steps verify in proof and export; each is said to be not understood."""
    later.record(monkeypatch, *STRANGE)
    for data in (later.proof(), later.export()):
        report = verifier.verify_bytes(data, lang=lang)
        assert report.ok, report.problems
        said = [line for line in report.does_not_show if "verifier does not" in line or "vérificateur ne" in line]
        assert len(said) == 5
        assert all(f"#{i}" in line or f"n° {i}" in line for i, line in enumerate(said, 1))
        assert ("`promise`, version 1" if lang == "en" else "promise\u202f», version 1") in said[0]
        assert "version 2" in said[1]
        assert "note, weight" in said[3]
        assert report.summary.warnings[0].startswith("5 entries are" if lang == "en" else "5 écritures ne sont")
        assert "\x1b" not in str(report)
        assert not any("thing" in line for line in report.shows)
    one = verifier.verify_bytes(later.proof(entries=[0, 1]), lang="en")
    assert one.summary.warnings[0].startswith("1 entry is")


def test_nothing_is_missing_where_all_is_understood(story: Any) -> None:
    """A log of today has no such notice."""
    for data in (story.proof(), story.export()):
        report = verifier.verify_bytes(data)
        assert not any("understand" in line for line in (*report.does_not_show, *report.summary.warnings))


def test_what_leads_to_what_is_not_understood(later: Later, monkeypatch: pytest.MonkeyPatch) -> None:
    """Membership, facts and rules of entries of a later version are passed over, those of nothing are refused."""
    later.record(monkeypatch, *STRANGE)
    document = json.loads(later.proof(rules=[RULES]))
    empty = {"bucket": 0, "values": [], "path": [], "result": "present"}
    fact = {"index": 3, "nonce": "0" * 64, "facts": {"place": "FR"}}
    document["membership"], document["facts"] = [{"use": LATER_USE, **empty}], [fact]
    report = verifier.verify_bytes(later.sealed(document))
    assert report.ok, report.problems
    assert not any("among" in line or "FR" in line for line in report.shows)
    for part, wrong in (("membership", {"use": ONE_USE, **empty}), ("facts", {**fact, "index": 4})):
        assert not verifier.verify_bytes(later.sealed({**document, part: [wrong]})).ok
    assert not verifier.verify_bytes(later.sealed({**document, "rules": [RULES, {}]})).ok


BAD: list[dict[str, Any]] = [
    {"kind": "promise", "v": 0},
    {"kind": 7},
    {"kind": "look", "subject": ADA, "purpose": "house:rights"},
    {**NOTED, "scope": 7},
    {key: value for key, value in NOTED.items() if key != "reason"},
    {**ONE, **MOMENT, "use": ONE_USE},
    {**ONE, **MOMENT, "use": ONE_USE, "subject": ADA, "until": 5},
    {**ONE, **MOMENT, "use": ONE_USE, "subject": ADA, "mode": "set", "until": 5},
    {"kind": "erasure", "subject": ADA, "effective": 1, "step": "done"},
    {"kind": "erasure", "subject": ADA, "effective": 1, "step": "restricted", "certificate": "a" * 64},
]


@pytest.mark.parametrize("bad", BAD, ids=range(len(BAD)))
def test_what_is_understood_stays_strict(later: Later, monkeypatch: pytest.MonkeyPatch, bad: dict[str, Any]) -> None:
    """A known kind must have its form, also beside unknown keys; each mode and each step has its own keys."""
    later.record(monkeypatch, bad)
    for data in (later.proof(), later.export()):
        report = verifier.verify_bytes(data)
        assert not report.ok
        assert "permanent form" in report.problems[0]


def test_another_person_and_another_order_are_found_all_the_same(later: Later, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whom an entry is about and when it was written is read in every version."""
    later.record(monkeypatch, PROMISE, LATER_FACT)

    def lie(change: Callable[[Any], None]) -> str:
        document = json.loads(later.proof())
        change(document)
        return verifier.verify_bytes(later.sealed(document)).problems[0]

    assert "somebody else" in lie(lambda d: d["entries"][1]["entry"].update(subject=BOB))
    assert "dated before" in lie(lambda d: d["entries"][2]["entry"].update(at=1_500))
    assert "not shown to be in the log" in lie(lambda d: d["entries"][1]["entry"].update(words="others"))


@pytest.mark.parametrize("pattern", [0x01, 0x80])
def test_every_flipped_byte_is_found(later: Later, monkeypatch: pytest.MonkeyPatch, pattern: int) -> None:
    """Also what is not understood cannot be changed: a byte anywhere, and neither proof nor export verifies."""
    later.record(monkeypatch, PROMISE, LATER, NOTED)
    for data in (later.proof(), later.export()):
        assert verifier.verify_bytes(data).ok
        for position in range(0, len(data), 1 if data[:2] == b'{"' else 3):
            changed = bytearray(data)
            changed[position] ^= pattern
            assert not verifier.verify_bytes(bytes(changed)).ok, position


def test_a_use_of_one_person(later: Later, monkeypatch: pytest.MonkeyPatch) -> None:
    """A use of one person is shown by its entry: it is about this very person, and needs no proof of membership."""
    use = {**ONE, **MOMENT, "use": ONE_USE, "subject": ADA, "within": LATER_USE}
    later.record(monkeypatch, use)
    yes: Json = [{"answer": name, "permitted": 1, "reason": "permitted"} for name in ("by_known", "by_true")]
    no: Json = [{"answer": name, "permitted": 0, "reason": "refused"} for name in ("by_known", "by_true")]
    report = verifier.verify_bytes(later.proof(question={"use": ONE_USE}, answers=yes, rules=[RULES]))
    assert report.ok, report.problems
    assert "Use #1 was of the data of this very person, and of nobody else." in report.shows
    assert "those of this person alone" in report.summary.entries[1]
    assert not any("use #1" in line for line in report.does_not_show)
    assert not any("contradicts" in line for line in report.summary.warnings)
    contradicted = verifier.verify_bytes(later.proof(question={"use": ONE_USE}, answers=no))
    assert any("contradicts" in line for line in contradicted.summary.warnings)
    tree = membership.build(UseId(ONE_USE), bytes.fromhex(ADA))
    document = json.loads(later.proof())
    document["membership"] = [membership.prove(tree, ADA).to_json()]
    assert not verifier.verify_bytes(later.sealed(document)).ok


def test_a_use_of_somebody_else(later: Later, monkeypatch: pytest.MonkeyPatch) -> None:
    """A use of another person cannot be shown as this person's."""
    later.record(monkeypatch, {**ONE, **MOMENT, "use": ONE_USE, "subject": BOB})
    document = json.loads(later.proof(entries=[0]))
    with read(later.engine) as conn:
        opened = log.opening(conn, 1)
        assert opened is not None
        place = log.tlog_proof(conn, 1, log.head(conn).checkpoint)
    document["entries"].append({"index": 1, "entry": opened[0], "salt": opened[1].hex(), "tlog_proof": place})
    assert "somebody else" in verifier.verify_bytes(later.sealed(document)).problems[0]


def test_the_log_that_was_replaced_is_named(later: Later) -> None:
    """The first entry says whose place the log took; that is shown with size and root of the old one."""
    report = verifier.verify_bytes(later.proof())
    assert report.ok, report.problems
    assert any("`old.example`, 1234 entries, root 7272" in line for line in report.shows)
    assert report.summary.entries[0].endswith("it takes the place of the log old.example of 1,234 entries)")


def test_the_verifier_knows_what_the_house_writes() -> None:
    """Kinds, keys that must be there, keys that may be, modes and steps: the two lists are the same."""
    assert verifier._ENTRY_FORMS.keys() == entries.kinds()
    for kind, form in entries._FORMS.items():
        required, optional = verifier._ENTRY_FORMS[kind]
        assert (required.keys(), required.keys() | optional.keys()) == (form.required, form.checks.keys())
        chosen_by, variants = verifier._VARIANTS.get(kind, ("", {}))
        parts = {word: [set(part.split()) for part in line.split("|")] for word, line in variants.items()}
        assert chosen_by == form.chosen_by
        assert parts == {word: [set(one.required), set(one.optional)] for word, one in form.variants.items()}
