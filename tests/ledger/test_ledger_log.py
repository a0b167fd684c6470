"""The log in a real database: appending, reading, redacting, and what cannot be done to it."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from pacte.kernel.db import is_postgres, metadata, open_sqlite, read, write
from pacte.kernel.errors import BadInput, Conflict, NotFound, Unsafe
from pacte.kernel.instant import Instant
from pacte.ledger import check as checking
from pacte.ledger import log, merkle, tables
from pacte.ledger.check import check, examine
from pacte.ledger.checkpoint import Checkpoint, open_checkpoint
from pacte.ledger.note import NoteSigner, parse_vkey

BASE: dict[str, Any] = {"role": "controller", "by": "cli"}
OURS = [tables.entry_table, tables.node_table, tables.head_table]


def look(subject: str = "a" * 32) -> dict[str, Any]:
    return {"kind": "look", **BASE, "subject": subject, "purpose": "house:rights", "reason": "request"}


def use(use_id: str) -> dict[str, Any]:
    sealed = {"root": "f" * 64, "size": 0, "buckets": 4096}
    digests = {"rules": "a" * 64, "policy": "b" * 64, "set": sealed, "counts": {"permitted": 0}, "candidates": 0}
    scope = {"purpose": "newsletter", "fields": [], "categories": [], "domain": "marketing", "mode": "set", "until": 3}
    return {"kind": "use", **BASE, "use": use_id, **scope, **digests, "as_of": 1, "known": 1, "expires": 2}


def fill(engine: Engine, signer: NoteSigner, count: int, now: int = 2_000) -> log.AppendResult:
    with write(engine) as conn:
        return log.append(conn, [look(f"{i % 7:032x}") for i in range(count)], Instant(now), signer)


def test_the_log_begins_with_its_genesis(engine: Engine, signer: NoteSigner) -> None:
    """The first entry names the house, the origin and the key; a second beginning is refused."""
    with read(engine) as conn:
        first = log.entry(conn, 0)
        assert first is not None
        assert (first["kind"], first["origin"], first["vkey"]) == ("genesis", signer.name, signer.vkey)
        assert log.head(conn).size == 1
        assert check(conn, signer.vkey) == []
    with pytest.raises(Conflict), write(engine) as conn:
        log.create(conn, signer, house="again", now=Instant(5), role="controller")


def test_a_log_that_takes_another_s_place(tmp_path: Path, signer: NoteSigner) -> None:
    """The first entry of a new log names the last checkpoint of the old one, whose name and key it may not have."""
    old = log.Continued("old.example", NoteSigner(b"o" * 32, "old.example").vkey, 9, b"r" * 32)
    engine = open_sqlite(tmp_path / "new.db")
    with write(engine) as conn:
        metadata.create_all(conn, tables=OURS)
        with pytest.raises(BadInput, match="own"):
            log.create(conn, signer, house="new", now=Instant(5), continues=replace(old, vkey=signer.vkey))
        log.create(conn, signer, house="new", now=Instant(5), continues=old)
        genesis = log.entry(conn, 0)
        assert genesis is not None
        assert genesis["continues"] == {"origin": "old.example", "vkey": old.vkey, "size": 9, "root": "72" * 32}
        assert "role" not in genesis
        assert check(conn, signer.vkey) == []
    engine.dispose()


def test_append_and_read_back(engine: Engine, signer: NoteSigner) -> None:
    """Entries come back in order, by index, by person, by kind and by use; the head is signed over all of them."""
    done = fill(engine, signer, 10)
    assert (done.first_index, done.size, done.at, done.skew, list(done.indices)) == (
        1,
        11,
        2_000,
        0,
        list(range(1, 11)),
    )
    with write(engine) as conn:
        log.append(conn, [use("c" * 32)], Instant(3_000), signer)
    with read(engine) as conn:
        state = log.head(conn)
        assert open_checkpoint(state.checkpoint, parse_vkey(signer.vkey)) == Checkpoint(signer.name, 12, state.root)
        assert [index for index, _ in log.of_subject(conn, f"{2:032x}")] == [3, 10]
        assert [index for index, _ in log.of_subject(conn, f"{2:032x}", stop=10)] == [3]
        assert log.use_of(conn, "c" * 32)[0] == 11
        assert [index for index, _ in log.of_kind(conn, "use")] == [11]
        assert [index for index, _ in log.of_kind(conn, "look")] == list(range(1, 11))
        assert [index for index, _ in log.of_kind(conn, "look", stop=3)] == [1, 2]
        everything = list(log.entries(conn))
        assert [index for index, _ in everything] == list(range(12))
        assert everything[3][1] == {**look(f"{2:032x}"), "v": 1, "at": 2_000}
        assert check(conn, signer.vkey) == []
        with pytest.raises(NotFound):
            log.entry(conn, 12)
        with pytest.raises(NotFound):
            log.use_of(conn, "d" * 32)


def test_proofs_of_any_entry_under_any_size(engine: Engine, signer: NoteSigner) -> None:
    """Inclusion and consistency proofs from the stored tree verify, across the tiles' edges."""
    for count in (250, 3, 1, 260, 86, 300):
        fill(engine, signer, count)
    with read(engine) as conn:
        roots = {size: log.root_at(conn, size) for size in (1, 255, 256, 257, 512, 513, 600, 901)}
        assert roots[901] == log.head(conn).root
        for size, root in roots.items():
            for index in {0, size // 2, size - 1, min(255, size - 1)}:
                leaf = merkle.leaf_hash(log.leaf(conn, index))
                assert merkle.verify_inclusion(leaf, index, size, log.prove_inclusion(conn, index, size), root)
            for old in [old for old in roots if old <= size]:
                proof = log.prove_consistency(conn, old, size)
                assert merkle.verify_consistency(old, size, proof, roots[old], root)
        with pytest.raises(BadInput):
            log.prove_inclusion(conn, 901, 901)


def test_proofs_beyond_the_end_are_refused(engine: Engine) -> None:
    """A proof for a size that the log has not reached is an error that says so."""
    with read(engine) as conn, pytest.raises(Unsafe, match="lacks a node"):
        log.prove_inclusion(conn, 0, 5)


def test_a_clock_that_goes_back_blocks_nobody(engine: Engine, signer: NoteSigner) -> None:
    """With the clock behind, entries take the head's time, keep the raw clock, and the skew is reported."""
    fill(engine, signer, 1, now=9_000)
    late = fill(engine, signer, 1, now=4_000)
    assert (late.at, late.skew) == (9_000, 5_000)
    with read(engine) as conn:
        found = log.entry(conn, 2)
        assert found is not None
        assert (found["at"], found["clock"]) == (9_000, 4_000)
        assert examine(conn, signer.vkey).skewed == 1


def test_one_bad_entry_leaves_no_trace_of_the_batch(engine: Engine, signer: NoteSigner) -> None:
    """A batch with a malformed entry, or one that brings its own time, is refused whole."""
    for bad in ({**look(), "email": "x"}, {**look(), "at": 5}):
        with pytest.raises(BadInput), write(engine) as conn:
            log.append(conn, [look(), bad], Instant(2_000), signer)
    with read(engine) as conn:
        assert log.head(conn).size == 1
        assert check(conn, signer.vkey) == []


def test_a_transaction_that_fails_later_leaves_no_trace(engine: Engine, signer: NoteSigner) -> None:
    """Entries commit with the rest of their transaction or not at all."""

    def fail() -> None:
        with write(engine) as conn:
            log.append(conn, [look()], Instant(2_000), signer)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with read(engine) as conn:
        assert log.head(conn).size == 1


def test_writing_needs_a_write_transaction_and_the_right_key(engine: Engine, signer: NoteSigner) -> None:
    """A read transaction and a stranger's key are refused; an empty append changes nothing."""
    with read(engine) as conn, pytest.raises(Unsafe, match="write transaction"):
        log.append(conn, [look()], Instant(2_000), signer)
    with write(engine) as conn, pytest.raises(Unsafe, match="signing key"):
        log.append(conn, [look()], Instant(2_000), NoteSigner(b"z" * 32, signer.name))
    assert fill(engine, signer, 0).size == 1


def test_a_use_is_declared_once(engine: Engine, signer: NoteSigner) -> None:
    """A use identifier that is in the ledger already is refused, without the driver's words."""
    with write(engine) as conn:
        log.append(conn, [use("c" * 32)], Instant(2_000), signer)
    with pytest.raises(Unsafe) as caught, write(engine) as conn:
        log.append(conn, [use("c" * 32)], Instant(2_000), signer)
    assert "c" * 32 not in str(caught.value)
    with read(engine) as conn:
        assert log.head(conn).size == 2


CHANGES = [
    "DELETE FROM ledger_entry",
    "DELETE FROM ledger_entry WHERE idx = 3",
    "UPDATE ledger_entry SET body = {zeros} WHERE idx = 3",
    "UPDATE ledger_entry SET idx = 999 WHERE idx = 3",
    "UPDATE ledger_entry SET leaf = {zeros}, salt = NULL, body = NULL, subject = NULL WHERE idx = 3",
    "UPDATE ledger_entry SET subject = NULL WHERE idx = 3",
    "UPDATE ledger_entry SET body = NULL, salt = NULL WHERE idx = 3",
    "UPDATE ledger_entry SET salt = NULL WHERE idx = 3",
    "UPDATE ledger_entry SET salt = NULL, body = NULL, subject = NULL WHERE idx = 0",
    "INSERT INTO ledger_entry VALUES (999, 'stop', NULL, NULL, {zeros}, NULL, NULL)",
    "INSERT INTO ledger_entry VALUES (-1, 'stop', NULL, NULL, {zeros}, NULL, NULL)",
    "INSERT INTO ledger_entry VALUES (302, 'stop', NULL, NULL, {zeros}, NULL, NULL)",
    "INSERT INTO ledger_entry SELECT idx + 302, kind, subject, use, leaf, salt, body FROM ledger_entry WHERE idx < 3",
    "DELETE FROM ledger_node",
    "UPDATE ledger_node SET hash = {zeros}",
    "DELETE FROM ledger_head",
    "UPDATE ledger_head SET size = 1",
    "UPDATE ledger_head SET root = {zeros}",
    "UPDATE ledger_head SET size = size + 1, vkey = 'x'",
]
CHANGES_OF = {
    "sqlite": [
        "UPDATE OR IGNORE ledger_entry SET body = x'7b7d' WHERE idx = 3",
        "UPDATE OR REPLACE ledger_entry SET idx = 4 WHERE idx = 3",
        "INSERT OR REPLACE INTO ledger_entry VALUES (3, 'stop', NULL, NULL, zeroblob(32), NULL, NULL)",
        "REPLACE INTO ledger_entry VALUES (5, 'stop', NULL, NULL, zeroblob(32), NULL, NULL)",
        "REPLACE INTO ledger_node SELECT level, idx, zeroblob(32) FROM ledger_node",
        "REPLACE INTO ledger_head SELECT id, size + 1, root, frontier, time, checkpoint, vkey FROM ledger_head",
    ],
    "postgresql": [
        "TRUNCATE ledger_entry",
        "TRUNCATE ledger_node",
        "TRUNCATE ledger_head",
        "INSERT INTO ledger_entry VALUES (3, 'stop', NULL, NULL, {zeros}, NULL, NULL) "
        "ON CONFLICT (idx) DO UPDATE SET leaf = EXCLUDED.leaf",
        "MERGE INTO ledger_entry USING (VALUES (3)) AS one(idx) ON one.idx = ledger_entry.idx WHEN MATCHED THEN DELETE",
    ],
}
ZEROS = {"sqlite": "zeroblob(32)", "postgresql": f"decode('{'00' * 32}', 'hex')"}


def test_the_database_refuses_to_change_history(engine: Engine, signer: NoteSigner) -> None:
    """No SQL changes or removes an entry, a node or the head, not even through the clauses that solve conflicts."""
    fill(engine, signer, 300)
    dialect = engine.dialect.name
    before = everything(engine)
    for statement in [*CHANGES, *CHANGES_OF[dialect]]:
        with pytest.raises(Unsafe, match="refused a statement"), write(engine) as conn:
            conn.execute(text(statement.format(zeros=ZEROS[dialect])))
        assert everything(engine) == before, statement
    with read(engine) as conn:
        assert check(conn, signer.vkey) == []


def everything(engine: Engine) -> list[list[tuple[Any, ...]]]:
    with read(engine) as conn:
        return [[tuple(row) for row in conn.execute(table.select().order_by(*table.primary_key))] for table in OURS]


def test_redaction(engine: Engine, signer: NoteSigner) -> None:
    """A redacted entry cannot be read or found any more; the tree, proofs and the check stand."""
    fill(engine, signer, 20)
    with write(engine) as conn:
        assert log.redact(conn, [3, 10, 17]) == 3
        assert log.redact(conn, [3]) == 0
        with pytest.raises(BadInput):
            log.redact(conn, [0])
    with read(engine) as conn:
        assert log.entry(conn, 3) is None
        assert log.opening(conn, 3) is None
        assert log.of_subject(conn, f"{2:032x}") == []
        assert dict(log.entries(conn, 2, 5))[3] is None
        proof = log.prove_inclusion(conn, 3, 21)
        assert merkle.verify_inclusion(merkle.leaf_hash(log.leaf(conn, 3)), 3, 21, proof, log.head(conn).root)
        seen = examine(conn, signer.vkey)
        assert (seen.problems, seen.redacted, seen.size) == ((), 3, 21)
    fill(engine, signer, 5)


TAMPERING: dict[str, list[str]] = {
    "body_altered": [
        "UPDATE ledger_entry SET body = {pretext} WHERE idx = 9",
        "UPDATE ledger_entry SET leaf = {zeros} WHERE idx = 9",
    ],
    "body_malformed": ["UPDATE ledger_entry SET body = {spaced}, leaf = {its_leaf} WHERE idx = 9"],
    "node_differs": [
        "UPDATE ledger_entry SET leaf = {zeros}, salt = NULL, body = NULL, subject = NULL WHERE idx = 9",
        "DELETE FROM ledger_node",
        "UPDATE ledger_node SET hash = {zeros}",
        "INSERT INTO ledger_node VALUES (8, 77, {zeros})",
        "UPDATE ledger_node SET idx = 1",
    ],
    "columns_differ": [
        "UPDATE ledger_entry SET subject = 'x' WHERE idx = 9",
        "UPDATE ledger_entry SET kind = 'told' WHERE idx = 9",
    ],
    "missing": ["DELETE FROM ledger_entry WHERE idx = 9"],
    "head_size": ["DELETE FROM ledger_entry WHERE idx = 300"],
    "head_root": ["UPDATE ledger_head SET root = {zeros}", "UPDATE ledger_head SET frontier = {zeros}"],
    "head_time": ["UPDATE ledger_head SET time = 0"],
    "key_differs": ["UPDATE ledger_head SET vkey = 'x'"],
    "signature": ["UPDATE ledger_head SET checkpoint = replace(checkpoint, '301', '302')"],
    "redaction_partial": ["UPDATE ledger_entry SET subject = 'x', salt = NULL, body = NULL WHERE idx = 9"],
}


@pytest.mark.parametrize("code", TAMPERING)
def test_the_check_finds_tampering(engine: Engine, signer: NoteSigner, code: str) -> None:
    """Whoever drops the triggers and edits the tables is found, with a code and words in both languages."""
    fill(engine, signer, 300)
    before = everything(engine)
    for statement in TAMPERING[code]:
        with pytest.raises(RuntimeError), write(engine) as conn:
            drop_triggers(conn)
            conn.execute(text(statement.format(**forged(conn))))
            problems = check(conn, signer.vkey)
            assert code in [problem.code for problem in problems], statement
            assert "trigger_missing" in [problem.code for problem in problems]
            assert all(problem.say("fr") != problem.say("en") for problem in problems)
            raise RuntimeError  # as it was, for the next
    assert everything(engine) == before


def forged(conn: Connection) -> dict[str, str]:
    body, salt = conn.execute(text("SELECT body, salt FROM ledger_entry WHERE idx = 9")).one()
    spaced = body.replace(b":", b": ", 1)
    values = {
        "pretext": body.replace(b"request", b"pretext"),
        "spaced": spaced,
        "its_leaf": hashlib.sha256(salt + spaced).digest(),
        "zeros": bytes(32),
    }
    form = "decode('{}', 'hex')" if is_postgres(conn) else "x'{}'"
    return {name: form.format(value.hex()) for name, value in values.items()}


def test_a_check_says_how_far_it_is(engine: Engine, signer: NoteSigner, monkeypatch: pytest.MonkeyPatch) -> None:
    """A check tells its progress while it walks, redacted entries and entries of all kinds among the others."""
    monkeypatch.setattr(checking, "_CHUNK", 1_000)
    for count in (2_500, 1, 700):
        fill(engine, signer, count)
    with write(engine) as conn:
        log.append(conn, [use(f"{number:032x}") for number in range(40)], Instant(3_000), signer)
        log.append(conn, [look("b" * 32)], Instant(2_500), signer)
        log.redact(conn, [*range(1, 900, 7), 3_210])
    told: list[tuple[int, int]] = []
    with read(engine) as conn:
        seen = examine(conn, signer.vkey, progress=lambda done, size: told.append((done, size)))
    assert (seen.problems, seen.size, seen.redacted, seen.skewed) == ((), 3_243, 130, 1)
    assert told[-1] == (3_243, 3_243)
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    assert len(told) > 2


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE ledger_entry DISABLE TRIGGER ledger_entry_kept",
        "CREATE OR REPLACE FUNCTION ledger_entry_redacted() RETURNS trigger LANGUAGE plpgsql "
        "AS 'BEGIN RETURN NEW; END'",
        "DROP TRIGGER ledger_entry_appended ON ledger_entry; CREATE TRIGGER ledger_entry_appended "
        "AFTER INSERT ON ledger_entry FOR EACH ROW EXECUTE FUNCTION ledger_entry_kept()",
    ],
)
def test_a_trigger_that_was_hollowed_out_is_noticed(engine: Engine, signer: NoteSigner, statement: str) -> None:
    """A trigger of the right name that is disabled, or does something else, counts as missing."""
    with write(engine) as conn:
        conn.execute(text(statement))
    with read(engine) as conn:
        assert [problem.code for problem in check(conn, signer.vkey)] == ["trigger_missing"]


def test_the_check_knows_its_key_and_its_house(engine: Engine, signer: NoteSigner) -> None:
    """A ledger under another key than expected does not pass."""
    with read(engine) as conn:
        codes = [problem.code for problem in check(conn, NoteSigner(b"z" * 32, signer.name).vkey)]
    assert codes == ["key_differs", "signature"]


def drop_triggers(conn: Connection) -> None:
    names = "SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger'"
    if is_postgres(conn):
        names = "SELECT tgname, tgrelid::regclass FROM pg_trigger WHERE NOT tgisinternal"
    for name, table in conn.execute(text(names)).all():
        conn.execute(text(f"DROP TRIGGER {name}" + (f" ON {table}" if is_postgres(conn) else "")))


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def test_appending_many_is_cheaper_than_one_by_one(engine: Engine, signer: NoteSigner) -> None:
    """In one append an entry costs a fifth of what it costs alone, or less; a loaded machine is slower at both."""

    def append(count: int) -> None:
        facts = [
            {
                "kind": "fact",
                **BASE,
                "subject": secrets.token_hex(16),
                "effective": 1,
                "commit": "b" * 64,
                "sealed": "QUJD",
            }
            for _ in range(count)
        ]
        with write(engine) as conn:
            log.append(conn, facts, Instant(2_000), signer)

    alone = timed(lambda: [append(1) for _ in range(200)]) / 200
    assert timed(lambda: append(20_000)) / 20_000 < alone / 5
