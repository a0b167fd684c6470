"""A log that takes another's place after a restore: the entries that were saved, under a new name, then a `genesis`.

The restored database holds the first entries of a log that went on without it. Its end is lost; checkpoints over it are
in other people's hands, and what is recorded from now on cannot go under the same name. So the log gets a new name. The
saved entries keep their places, bodies, salts and times, hence the new log's tree begins with the same leaves, and
whoever kept an old checkpoint of their size finds its root unchanged. The entry after them is a `genesis` that says
so: the new name and key, and the last checkpoint known of the old log in `continues`. Between its own index and
`continues.size` lie the entries that are lost.
"""

from __future__ import annotations

import re

from sqlalchemy import Connection

from pacte.kernel import db
from pacte.kernel.errors import BadInput, NotFound
from pacte.kernel.instant import Instant
from pacte.ledger import log
from pacte.ledger.entries import Entry
from pacte.ledger.log import AppendResult, Continued
from pacte.ledger.note import Signer
from pacte.ledger.tables import TRIGGERS


def take_over(
    conn: Connection, signer: Signer, continues: Continued, *, house: str, now: Instant, by: str, role: dict[str, str]
) -> AppendResult:
    """Go on under the signer's name, after an entry that names the last checkpoint known of the log before.

    `role` holds the keys `role`, `behalf`, `jointly` of the entry. Raises `BadInput` for a name and key that a log
    before had: nobody could tell the checkpoints of the two apart.
    """
    names = {log.head(conn).vkey, continues.vkey, *(str(entry["vkey"]) for _, entry in log.of_kind(conn, "genesis"))}
    if signer.vkey in names:
        raise BadInput("a log that takes another's place needs a name or a key of its own")
    _rename(conn, signer.vkey)
    entry: Entry = {"kind": "genesis", "house": house, "origin": signer.name, "vkey": signer.vkey, "format": 1}
    return log.append(conn, [entry | {"by": by, "continues": continues.to_json()} | role], now, signer)


def begun(conn: Connection) -> tuple[int, Entry]:
    """The index and the entry with which the present log began: 0, or where it took another's place."""
    found = log.of_kind(conn, "genesis")
    if not found:
        raise NotFound("this ledger has no beginning; it was not made by pacte")
    return found[-1]


def place(conn: Connection, name: str) -> int | None:
    """The how-many-eth log of this house a name is: 1 for the first, n for `<first>/n`; None for a stranger's."""
    first = log.entry(conn, 0) or {}
    base, number = str(first.get("origin")), name.removeprefix(f"{first.get('origin')}/")
    if name == base:
        return 1
    return int(number) if re.fullmatch("[2-9]|[1-9][0-9]{1,5}", number) else None


def name(conn: Connection, number: int) -> str:
    """The name of this house's log of that number, the other way round."""
    first = log.entry(conn, 0) or {}
    return str(first.get("origin")) if number == 1 else f"{first.get('origin')}/{number}"


def _rename(conn: Connection, vkey: str) -> None:
    """Give the head another key: the one change of it that is no growth, and that its trigger must let pass."""
    guard = "ledger_head_grows"
    if db.is_postgres(conn):
        db.run(conn, f"ALTER TABLE ledger_head DISABLE TRIGGER {guard}")
        db.run(conn, "UPDATE ledger_head SET vkey = ?", (vkey,))
        db.run(conn, f"ALTER TABLE ledger_head ENABLE TRIGGER {guard}")
        return
    db.run(conn, f"DROP TRIGGER {guard}")
    db.run(conn, "UPDATE ledger_head SET vkey = ?", (vkey,))
    db.run(conn, f"CREATE TRIGGER {guard} {TRIGGERS[guard][1]}")
