"""The formats of the records: what the steps make is what the rooms define, on both databases."""

from __future__ import annotations

import importlib
import pkgutil
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect, text

import pacte
from pacte.app import formats
from pacte.app.house import open_house
from pacte.app.migrate import migrate
from pacte.kernel import db
from pacte.kernel.errors import Unsafe
from tests.app.older import ASSET, clock, lay_out

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*expression-based index"),  # compared by its words, see `DEFINITIONS`
]
LATER = "this house was made by a later version"


def _know_every_table() -> None:
    for module in pkgutil.walk_packages(pacte.__path__, "pacte."):
        if module.name.split(".")[1] not in ("cli", "testing") and ".migrations." not in module.name:
            importlib.import_module(module.name)


def _described(conn: Connection) -> dict[str, Any]:
    """Everything that makes a schema: columns, keys, checks, indexes, and the text of every trigger and function."""
    here, found = inspect(conn), {}
    for name in here.get_table_names():
        if name == formats.VERSION_TABLE:
            continue
        found[name] = {
            "columns": [(c["name"], str(c["type"]), c["nullable"], c["default"]) for c in here.get_columns(name)],
            "key": here.get_pk_constraint(name)["constrained_columns"],
            "unique": sorted(one["column_names"] for one in here.get_unique_constraints(name)),
            "checks": sorted((str(one["name"]), one["sqltext"]) for one in here.get_check_constraints(name)),
        }
    for kind, sql in DEFINITIONS[conn.dialect.name].items():
        found[kind] = {name: " ".join(words.split()) for name, words in conn.execute(text(sql))}
    return found


DEFINITIONS = {
    "sqlite": {
        "indexes": "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL",
        "triggers": "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'",
    },
    "postgresql": {
        "indexes": "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema() "
        f"AND tablename <> '{formats.VERSION_TABLE}'",
        "triggers": "SELECT t.tgname, pg_get_triggerdef(t.oid) || p.prosrc FROM pg_trigger AS t "
        "JOIN pg_proc AS p ON p.oid = t.tgfoid WHERE NOT t.tgisinternal",
    },
}
"""The words of the definitions themselves, whatever the reflection of SQLAlchemy does not see."""


@pytest.fixture
def fresh(database: str, open_engine: Callable[[str], Engine]) -> Engine:
    """A database in which every step was walked from empty."""
    engine = open_engine(database)
    with db.write(engine) as conn:
        formats.upgrade(conn)
    return engine


def test_the_last_step_is_todays_format() -> None:
    """The steps on the disk form one line that ends in the format which the program expects."""
    config = Config()
    config.set_main_option("script_location", str(formats.STEPS))
    steps = [step.revision for step in ScriptDirectory.from_config(config).walk_revisions()]
    assert tuple(reversed(steps)) == formats.FORMATS
    assert formats.FORMATS[-1] == formats.FORMAT


def test_from_empty_the_steps_make_what_the_rooms_define(fresh: Engine) -> None:
    """Alembic finds nothing to add, to drop or to change between the steps and the rooms' tables."""
    _know_every_table()
    assert _differences(fresh) == []


def test_from_format_1_the_steps_make_what_the_rooms_define(tmp_path: Path, records: Callable[[], str]) -> None:
    """A migrated house has the tables that a new one has."""
    _know_every_table()
    database = records()
    home = lay_out(tmp_path / "house", database)
    migrate(home, clock=clock())
    engine = db.open_database(database or home / "records.db")
    assert _differences(engine) == []
    engine.dispose()


def test_steps_make_the_same_triggers_keys_and_checks(
    fresh: Engine, request: pytest.FixtureRequest, tmp_path: Path, open_engine: Callable[[str], Engine]
) -> None:
    """What alembic does not compare is compared here: triggers to the letter, keys, checks, partial indexes."""
    _know_every_table()
    other = request.getfixturevalue("postgres").database() if db.is_postgres(fresh) else str(tmp_path / "other.db")
    engine = open_engine(other)
    with db.write(engine) as conn:
        db.metadata.create_all(conn)
    with db.read(engine) as rooms, db.read(fresh) as steps:
        wanted, found = _described(rooms), _described(steps)
    assert found.keys() == wanted.keys()
    for name, description in wanted.items():
        assert found[name] == description, name


def test_step_1_makes_what_the_version_of_its_day_made(tmp_path: Path, open_engine: Callable[[str], Engine]) -> None:
    """The tables of a real house of format 1, and those that the first step makes, are the same."""
    with sqlite3.connect(tmp_path / "real.db") as conn:
        conn.executescript((ASSET / "records.sql").read_text(encoding="utf-8"))
    conn.close()
    made = open_engine(str(tmp_path / "made.db"))
    with db.write(made) as here:
        formats.upgrade(here, "1")
    with db.read(open_engine(str(tmp_path / "real.db"))) as real, db.read(made) as here:
        assert formats.found(real) == formats.found(here) == "1"
        wanted, found = _described(real), _described(here)
    for name, description in wanted.items():
        assert found[name] == description, name
    assert found.keys() == wanted.keys()


def test_a_house_of_format_1_is_refused_migrated_and_whole(tmp_path: Path, records: Callable[[], str]) -> None:
    """It says `pacte migrate`; afterwards it opens, checks, and everybody's choices are what they were."""
    home = lay_out(tmp_path / "house", records())
    with pytest.raises(Unsafe, match=r"earlier version.*pacte migrate"):
        open_house(home, clock=clock())
    assert migrate(home, clock=clock()) == migrate(home, clock=clock()).__class__("1", formats.FORMAT)
    assert migrate(home, clock=clock()).before == formats.FORMAT
    with open_house(home, clock=clock()) as house:
        assert house.check() == []
        assert not house.may("key:C00002", "newsletter", channel="email").permitted
        assert house.may("key:C00004", "newsletter", channel="email").permitted
        house.choose("key:C00004", "newsletter", "withdrawn")
        assert not house.may("key:C00004", "newsletter", channel="email").permitted
        house.erase("key:C00005")
        assert house.check() == []


def test_a_migration_killed_in_the_middle_leaves_the_old_format(tmp_path: Path, records: Callable[[], str]) -> None:
    """Everything is written and nothing committed: the house has its old format, and migrates the next time."""
    home = lay_out(tmp_path / "house", records())
    code = f"from pathlib import Path; from pacte.app.migrate import migrate; migrate(Path({str(home)!r}))"
    done = subprocess.run([sys.executable, "-c", code], env={"PACTE_CRASH": "migrated-before-commit"}, timeout=120)
    assert done.returncode == -signal.SIGKILL
    with pytest.raises(Unsafe, match="earlier version"):
        open_house(home, clock=clock())
    migrate(home, clock=clock())
    with open_house(home, clock=clock()) as house:
        assert house.check() == []


def test_a_house_of_a_later_version_is_refused(tmp_path: Path) -> None:
    """Neither opened nor migrated: this version does not know what it means."""
    home = lay_out(tmp_path / "house")
    migrate(home, clock=clock())
    with sqlite3.connect(home / "records.db") as conn:
        conn.execute(f"UPDATE {formats.VERSION_TABLE} SET version_num = '99'")
    conn.close()
    with pytest.raises(Unsafe, match=LATER):
        open_house(home, clock=clock())
    with pytest.raises(Unsafe, match=LATER):
        migrate(home, clock=clock())


def test_a_step_is_named_after_its_format() -> None:
    """So that a reader finds it; and none of them imports today's tables."""
    for step in (formats.STEPS / "versions").glob("*.py"):
        words = step.read_text(encoding="utf-8")
        assert f'revision = "{re.sub("format_", "", step.stem)}"' in words
        assert "pacte." not in "".join(line for line in words.splitlines() if "import" in line)


def _differences(engine: Engine) -> list[Any]:
    def ours(_thing: object, name: str | None, kind: str, _reflected: bool, _other: object) -> bool:
        # Each has one of the two (in SQLite a trigger keeps uses unique), and alembic does not look at that.
        other = "ledger_entry_use" if db.is_postgres(engine) else "ledger_entry_use_once"
        return not (kind == "index" and name == other)

    options = {"version_table": formats.VERSION_TABLE, "compare_type": True, "include_object": ours}
    with db.read(engine) as conn:
        return list(compare_metadata(MigrationContext.configure(conn, opts=options), db.metadata))
