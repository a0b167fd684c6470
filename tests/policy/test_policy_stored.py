"""Rule tables that were stored by earlier versions: they stay readable, and decide for ever what they decided then."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pacte.kernel.canonical import canonical
from pacte.kernel.instant import Instant
from pacte.policy import table as tables
from pacte.policy.rules import decide
from pacte.policy.sql import reason_case
from pacte.policy.table import DECIDER, RuleTable
from pacte.policy.vocabulary import FACTS, RuleError

ASSETS = Path(__file__).parent.parent / "assets" / "tables"
STORED = sorted(path.stem for path in ASSETS.glob("decider-?.json"))


def stored(name: str) -> tuple[bytes, dict[str, Any]]:
    """The stored bytes and the decisions of their day."""
    return (ASSETS / f"{name}.json").read_bytes(), json.loads((ASSETS / f"{name}.decisions.json").read_bytes())


@pytest.mark.parametrize("name", STORED)
def test_a_stored_table_is_read_back_to_the_byte(name: str) -> None:
    """The digest under which entries cite it stays its digest."""
    body, golden = stored(name)
    assert sha256(body).hexdigest() == golden["digest"]
    table = RuleTable.from_json(json.loads(body))
    assert canonical(table.to_json()) == body
    assert table.digest == golden["digest"]


@pytest.mark.parametrize("name", STORED)
def test_a_stored_table_decides_what_it_decided_then(name: str) -> None:
    """For one person and in SQL, for every purpose: the effects and reasons of its day."""
    body, golden = stored(name)
    table, t = RuleTable.from_json(json.loads(body)), Instant(golden["at"])
    people = [{**golden["willing"], **case["changed"]} for case in golden["cases"]]
    names = ", ".join(name.replace(".", "_") for name in FACTS)
    columns = ", ".join(
        f"{name.replace('.', '_')} {'VARCHAR' if kind is str else 'BIGINT'}" for name, kind in FACTS.items()
    )
    with duckdb.connect() as duck:
        duck.execute(f"CREATE TABLE facts ({columns})")
        rows = [[person.get(name) for name in FACTS] for person in people]
        duck.executemany(f"INSERT INTO facts ({names}) VALUES ({', '.join('?' * len(FACTS))})", rows)
        for purpose, rules in table.purposes.items():
            then = [case["reasons"][purpose] for case in golden["cases"]]
            case = reason_case(rules, t).sql("duckdb")
            assert [decide(rules, person, t).reason for person in people] == then
            assert [row[0] for row in duck.execute(f"SELECT {case} FROM facts ORDER BY rowid").fetchall()] == then


def test_every_decider_has_its_reader_and_its_golden_table() -> None:
    """The present decider can be read, and no version is without an example."""
    assert DECIDER in tables._READERS
    assert {f"pacte-{name.replace('-', '/', 1)}" for name in STORED} == set(tables._READERS)


@pytest.mark.parametrize("changed", [{"decider": "pacte-decider/99"}, {"v": 2}, {"grades": ["none", "gold"]}])
def test_a_table_of_a_later_version_is_not_guessed_at(changed: dict[str, object]) -> None:
    """A decider, form or grade that this version does not know is refused."""
    body, _ = stored("decider-1")
    with pytest.raises(RuleError):
        RuleTable.from_json({**json.loads(body), **changed})
