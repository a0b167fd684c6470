"""Questions to the log that its readers ask."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine

from pacte.kernel.db import fetch, is_postgres, read, write
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import Instant
from pacte.ledger import log, queries, tables
from pacte.ledger.note import NoteSigner

BASE: dict[str, Any] = {"role": "controller", "by": "cli"}


def erasure(subject: str, step: str, **more: Any) -> dict[str, Any]:
    return {"kind": "erasure", **BASE, "subject": subject * 32, "step": step, "effective": 1, **more}


def done(subject: str, evidence_until: int) -> dict[str, Any]:
    ends = {"evidence_until": evidence_until, "suppressed_until": 9}
    return erasure(subject, "done", certificate="c" * 64, counts={"vault:contact": 2}, **ends)


def use(number: int, purpose: str, **mode: Any) -> dict[str, Any]:
    scope = {"purpose": purpose, "fields": [], "categories": [], "domain": "marketing"}
    bound = {"rules": "a" * 64, "policy": "b" * 64, "counts": {"permitted": 1}, "candidates": 1}
    moment = {"as_of": 1, "known": 1, "expires": 2}
    return {"kind": "use", **BASE, "use": f"{number:032x}", **scope, **bound, **moment, **mode}


ONE: dict[str, Any] = {"mode": "one", "subject": "a" * 32}
SET: dict[str, Any] = {"mode": "set", "set": {"root": "f" * 64, "size": 1, "buckets": 4096}, "until": 9}


def test_uses_of_a_purpose_and_of_a_person(engine: Engine, signer: NoteSigner) -> None:
    """Whoever asks about a person finds the uses of sets and their own, and those of sets also by their purpose."""
    uses = [use(1, "news", **SET), use(2, "newsletter", **SET), use(3, "news", **ONE), use(4, "house:rights", **ONE)]
    with write(engine) as conn:
        log.append(conn, uses, Instant(2_000), signer)
    with read(engine) as conn:
        assert [index for index, _ in queries.uses_near(conn, SubjectId("a" * 32))] == [1, 2, 3, 4]
        assert [index for index, _ in queries.uses_near(conn, SubjectId("b" * 32))] == [1, 2]
        assert [index for index, _ in queries.newest_sets(conn, "news", 9)] == [1]
        assert [index for index, _ in queries.newest_sets(conn, "newsletter", 0)] == []
        assert [index for index, _ in queries.about(conn, SubjectId("a" * 32))] == [3, 4]
        assert not queries.people_since(conn, 0)


def test_the_end_of_evidence(engine: Engine, signer: NoteSigner) -> None:
    """Erased people whose evidence still stands are found with its declared end; those whose evidence ended are not."""
    with write(engine) as conn:
        log.append(conn, [done(who, 9) for who in "ab"], Instant(2_000), signer)
        log.append(conn, [erasure("a", "evidence_ended"), erasure("c", "restricted")], Instant(3_000), signer)
    with read(engine) as conn:
        assert list(queries.evidence_ends(conn)) == [("b" * 32, 9)]


def test_the_size_at_an_instant(engine: Engine, signer: NoteSigner) -> None:
    """The log held what had been written by then, also when some of it has been redacted since."""
    with write(engine) as conn:
        for moment in (2_000, 3_000, 4_000):
            log.append(conn, [erasure("a", "restricted")] * 2, Instant(moment), signer)
        assert [queries.size_at(conn, Instant(t)) for t in (0, 1_000, 2_999, 3_000, 9_000)] == [0, 1, 3, 5, 7]
        log.redact(conn, [2])
        assert [queries.size_at(conn, Instant(t)) for t in (1_000, 2_999, 3_000)] == [1, 2, 5]


def test_who_is_asked_for_is_found_by_an_index(engine: Engine, signer: NoteSigner) -> None:
    """Entries about a person, of a rare kind, of a use are found without reading the log, in a long log too."""
    everybody = [erasure(f"{number % 16:x}", "restricted") for number in range(2_000)]
    with write(engine) as conn:
        log.append(conn, everybody, Instant(2_000), signer)
        explain = "EXPLAIN " if is_postgres(conn) else "EXPLAIN QUERY PLAN "
        kind = f"SELECT idx, body FROM ledger_entry WHERE kind = ? AND {tables.RARE}"
        questions = {"about": (tables.ABOUT, (0, "a" * 32)), "rare": (kind, ("stop",))}
        for index, (sql, values) in questions.items():
            plan = "\n".join(str(row[-1]) for row in fetch(conn, explain + sql, values))
            assert f"ledger_entry_{index}" in plan, plan
        assert len(queries.about(conn, SubjectId("a" * 32))) == 125
        assert queries.person_since(conn, SubjectId("a" * 32), 1_990)
        assert not queries.person_since(conn, SubjectId("a" * 32), 2_001)


def test_people_are_found_across_the_stretches_of_the_index(engine: Engine, signer: NoteSigner) -> None:
    """Somebody recorded in several stretches is found in all of them, in order, and from any index on."""
    stretch = 2**tables.STRETCH
    told = [{"kind": "told", **BASE, "subject": "b" * 32, "notice": "c" * 64, "effective": 1, "how": "mail"}]
    filler = [{**told[0], "subject": f"{number:032x}"} for number in range(stretch - 1)]
    with write(engine) as conn:
        for _ in range(2):
            log.append(conn, told + filler, Instant(2_000), signer)
        log.append(conn, told, Instant(2_000), signer)
        assert [index for index, _ in queries.about(conn, SubjectId("b" * 32))] == [1, stretch + 1, 2 * stretch + 1]
        assert [index for index, _ in log.of_subject(conn, "b" * 32, stop=stretch + 2)] == [1, stretch + 1]
        found = [queries.person_since(conn, SubjectId("b" * 32), index) for index in (0, stretch + 2, 2 * stretch + 2)]
        assert found == [True, True, False]
