"""The format of a house's records: a new house is made by walking every step, an older one by walking those it lacks.

Everything happens in one transaction of the caller's, on SQLite and PostgreSQL alike: a migration cut short leaves the
older format whole.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from pacte.kernel import db
from pacte.kernel.errors import Unsafe

FORMAT = "4"
"""The format that this version of pacte reads and writes."""

FORMATS = ("1", "2", "3", "4")
"""Every format, oldest first."""

VERSION_TABLE = "house_format"
"""One row: which format these records have. Records of format 1 have no such table."""

MOVED_TABLE = "ledger_head_moved"
"""How the head of the ledger is called in records that moved to another database: no house opens them."""

STEPS = Path(__file__).parent / "migrations"


def found(conn: Connection) -> str:
    """The format of these records; `""` in an empty database."""
    here = inspect(conn)
    if here.has_table(VERSION_TABLE):
        return str(conn.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar())
    return "1" if here.has_table("ledger_head") else ""


def refuse_other(conn: Connection) -> None:
    """Raise `Unsafe`, with what to do, unless the records have today's format."""
    here = found(conn)
    if inspect(conn).has_table(MOVED_TABLE):
        raise Unsafe("these records moved to another database, which `settings.toml` named; name it there again")
    if here == FORMAT:
        lacking = sorted(db.metadata.tables.keys() - set(inspect(conn).get_table_names()))
        if lacking:
            raise db.Damaged(
                f"the records lack a table that every house has (`{lacking[0]}`): they are damaged; put back your "
                "newest copy of them"
            )
        return
    refuse_later(here)
    raise Unsafe(
        "this house was made by an earlier version of pacte; copy it (directory and database) to a safe place, "
        "then run `pacte migrate`"
    )


def refuse_later(here: str) -> None:
    """Raise `Unsafe` for a format that this version does not know, or for records that are no house's."""
    if not here:
        raise Unsafe("the record database is empty or holds no house; put back your newest copy of the records")
    if here not in FORMATS:
        raise Unsafe("this house was made by a later version of pacte than this one; install the newer version")


def upgrade(conn: Connection, to: str = FORMAT) -> None:
    """Walk the steps from where these records are to the format `to`, in the caller's write transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": conn, "version_table": VERSION_TABLE})
    config.set_main_option("script_location", str(STEPS).replace("%", "%%"))
    if found(conn) == "1" and not inspect(conn).has_table(VERSION_TABLE):
        command.stamp(config, "1")
    command.upgrade(config, to)
