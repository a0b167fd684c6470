"""The PostgreSQL server of a house: is it there, does it let us in, is it recent enough, does it keep what it says?

The address is never shown: it may hold a password.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import DBAPIError

from pacte.kernel import db
from pacte.kernel.errors import BadInput, Unsafe

OLDEST = 14
"""The oldest version of PostgreSQL that its makers still mend (2026); on older ones nothing was ever tested."""

DURABLE = ("fsync", "full_page_writes")
"""Settings of the whole server without which an acknowledged withdrawal may be lost in a power cut.

`synchronous_commit` is set by each connection of ours.
"""


def connect(address: str) -> Engine:
    """Open the database behind an address; raises `BadInput` or `Unsafe` that says what stands in the way."""
    engine = db.open_postgres(address)
    try:
        with engine.connect().execution_options(pacte_bare=True) as conn:
            version = int(conn.connection.driver_connection.info.server_version)  # type: ignore[union-attr] # psycopg's
    except DBAPIError as error:
        engine.dispose()
        raise _refused(str(error.orig)) from None
    except BaseException:
        engine.dispose()
        raise
    if version < OLDEST * 10_000:
        engine.dispose()
        raise BadInput(f"the database server is PostgreSQL {version // 10_000}; a house needs {OLDEST} or newer")
    return engine


def refuse_filled(address: str) -> None:
    """Raise `BadInput` unless the database is there and empty: a house has one of its own."""
    engine = connect(address)
    try:
        filled = bool(inspect(engine).get_table_names())
    finally:
        engine.dispose()
    if filled:
        raise BadInput("the database is not empty; give this house a database of its own (`createdb`)")


def lax(conn: Connection) -> Iterator[str]:
    """The settings under which the server may lose what it acknowledged, as `fsync=off`."""
    for name in DURABLE:
        found = str(conn.execute(text(f"SHOW {name}")).scalar())
        if found != "on":
            yield f"{name}={found}"


_REASONS: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("password authentication failed", "no password supplied", "no pg_hba.conf entry"),
        "the database server does not let this name in: the password is wrong or missing, or its `pg_hba.conf` does "
        "not allow it",
    ),
    (('role "', "does not exist"), "the database server knows nobody of that name; make one with `createuser`"),
    (('database "', "does not exist"), "the database server has no database of that name; make one with `createdb`"),
    (("too many clients", "too many connections", "remaining connection slots"), "the database server is full"),
    (("starting up", "shutting down", "recovery mode"), "the database server is starting or stopping; try again"),
)
"""What the server's words (which may hold names) mean. In another language they fall under the last reason of all."""


def _refused(words: str) -> BadInput | Unsafe:
    needles, says = _REASONS[0]
    if any(needle in words for needle in needles):
        return BadInput(says)
    for needles, says in _REASONS[1:3]:
        if all(needle in words for needle in needles):
            return BadInput(says)
    for needles, says in _REASONS[3:]:
        if any(needle in words for needle in needles):
            return Unsafe(says)
    return Unsafe("the database server is not there or refuses the connection; check that it runs, and the address")
