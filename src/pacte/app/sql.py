"""What analysts may ask before they use anything: which tables a purpose offers, and whether a query fits them.

Nobody's data are used by either, and nothing is recorded: a slip of the pen in a query is no use.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from pacte.app.house import House
from pacte.gate.release import shape as shape_of
from pacte.gate.values import Question
from pacte.kernel import given
from pacte.ledger import log
from pacte.uses import sql


def tables(
    house: House, purpose: str, *, fields: Sequence[str] = (), channel: str = "", recipient: str = ""
) -> list[tuple[str, str, str]]:
    """(table, column, type) of what a use of this purpose may be asked; raises `Denied` for what is not declared."""
    return sql.columns(_shape(house, purpose, fields, channel, recipient))


def check(
    house: House, purpose: str, query: str, *, fields: Sequence[str] = (), channel: str = "", recipient: str = ""
) -> None:
    """Raise what `Use.sql` would for a query that does not fit the purpose's tables."""
    sql.check(_shape(house, purpose, fields, channel, recipient), query)


def _shape(house: House, purpose: str, fields: Sequence[str], channel: str, recipient: str) -> pa.Schema:
    with house.reading() as conn:
        now, known = house.present(conn), log.head(conn).size
        question = Question(purpose, now, known, tuple(sorted(given.names(fields, "fields"))), channel, recipient)
        return shape_of(conn, house.lake, question)
