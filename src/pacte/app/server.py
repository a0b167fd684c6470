"""The PostgreSQL server of a house: is it there, does it let us in, is it recent enough, does it keep what it says?

The address is never shown: it may hold a password.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import DBAPIError

from pacte.kernel import db
from pacte.kernel.errors import BadInput, Conflict, PacteError, Unsafe
from pacte.lake import tables

OLDEST = 14
"""The oldest version of PostgreSQL that its makers still mend (2026); on older ones nothing was ever tested."""

DURABLE = ("fsync", "full_page_writes")
"""Settings of the whole server without which an acknowledged withdrawal may be lost in a power cut.

`synchronous_commit` is set by each connection of ours.
"""


def connect(address: str) -> Engine:
    """Open the database behind an address; raises what says why not: `BadInput`, `Conflict` or `Unsafe`."""
    engine = db.open_postgres(address)
    try:
        with engine.connect().execution_options(pacte_bare=True) as conn:
            info = conn.connection.driver_connection.info  # type: ignore[union-attr] # psycopg's
            version, encoding = int(info.server_version), str(info.parameter_status("server_encoding"))
    except DBAPIError as error:
        engine.dispose()
        raise _refused(str(error.orig)) from None
    except BaseException:
        engine.dispose()
        raise
    if version < OLDEST * 10_000:
        engine.dispose()
        raise BadInput(f"the database server is PostgreSQL {version // 10_000}; a house needs {OLDEST} or newer")
    if encoding != "UTF8":
        engine.dispose()
        raise BadInput("the database does not hold every letter; make it with `ENCODING 'UTF8' TEMPLATE template0`")
    return engine


def refuse_filled(address: str) -> None:
    """Raise `BadInput` unless the database is there and empty: a house has one of its own."""
    engine = connect(address)
    try:
        looked_at = inspect(engine)
        filled = bool(looked_at.get_table_names()) or tables.SCHEMA in looked_at.get_schema_names()
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


_REASONS: tuple[tuple[Callable[[Iterable[bool]], bool], tuple[str, ...], type[PacteError], str], ...] = (
    (
        any,
        ("password authentication failed", "no password supplied", "no pg_hba.conf entry"),
        BadInput,
        "the database server does not let this name in: the password is wrong or missing, or its `pg_hba.conf` does "
        "not allow it",
    ),
    (
        all,
        ('role "', "does not exist"),
        BadInput,
        "the database server knows nobody of that name; make one with `createuser`",
    ),
    (
        all,
        ('database "', "does not exist"),
        BadInput,
        "the database server has no database of that name; make one with `createdb`",
    ),
    (
        any,
        ("server does not support SSL",),
        BadInput,
        "the database server speaks no TLS, and the address asks for it (`sslmode`); switch it on there (`ssl = on`)",
    ),
    (
        any,
        ("root certificate file", "certificate verify failed", "does not match host name"),
        Unsafe,
        "the database server's certificate is not one that we may trust under this name; the address says which root "
        "to trust (`sslrootcert=PATH`, or `system`), and must name the host as the certificate does",
    ),
    (
        any,
        ("failed to resolve host", "could not translate host name", "Name or service not known"),
        BadInput,
        "no machine of that name is known; check the host in the address of the database",
    ),
    (
        any,
        ("Connection refused", "No such file or directory"),
        Conflict,
        "the record database cannot be reached: nothing answers at the address of the database; check that the server "
        "runs, its host and its port, then try again",
    ),
    (
        any,
        ("too many clients", "too many connections", "remaining connection slots"),
        Conflict,
        "the record database cannot be reached: its server has no connection left; try again in a moment",
    ),
    (
        any,
        ("starting up", "shutting down", "recovery mode"),
        Conflict,
        "the record database cannot be reached: its server is starting or stopping; try again in a moment",
    ),
)
"""What the server's words (which may hold names) mean: how many of them must be there, and what is said instead.

In another language they fall under the last reason of all.
"""


def _refused(words: str) -> PacteError:
    for enough, needles, kind, says in _REASONS:
        if enough(needle in words for needle in needles):
            return kind(says)
    return Conflict(db.AWAY)


def loose(conn: Connection) -> Iterator[tuple[str, str]]:
    """What lets more people at the records than need be: a code of the doctor's, and a detail, which names no login."""
    superuser, roles, public = db.fetch(
        conn,
        "SELECT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user), "
        "(SELECT count(*) FROM pg_auth_members WHERE member = quote_ident(current_user)::regrole), "
        "(SELECT count(*) FROM aclexplode(coalesce(datacl, acldefault('d', datdba))) AS given "
        "WHERE given.grantee = 0 AND given.privilege_type = 'CONNECT') "
        "FROM pg_database WHERE datname = current_database()",
    )[0]
    if superuser:
        yield "server_superuser", ""
    if roles:
        yield "server_member", str(roles)
    if public:
        yield "server_public", ""
