"""How many people's yes stood at some instants, by what they said yes to. Numbers of people, and nobody."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from pacte.consent.sql import KNOWN
from pacte.consent.sql import fetch as fetched
from pacte.kernel.instant import Instant

About = tuple[str, str, str]
"""Purpose, channel and recipient as they were said; `""` where none in particular was."""


def given(conn: Connection, instants: Sequence[Instant], known: int) -> dict[About, list[int]]:
    """By what they said: for each of `instants`, how many people's own yes stood then and had not expired.

    By what was known with `known` entries in the ledger. One reading of the table, however many instants. People who
    are being erased, or were, are counted no more, at no instant.
    """
    columns = ", ".join(
        f"sum(CASE WHEN valid_from <= :t{n} AND (valid_to IS NULL OR valid_to > :t{n}) "
        f"AND (expires IS NULL OR expires > :t{n}) THEN 1 ELSE 0 END)"
        for n in range(len(instants))
    )
    gone = f"SELECT no FROM consent_hold WHERE status IN ('erasing', 'erased') AND {KNOWN}"
    sql = (
        f"SELECT purpose, channel, recipient, {columns} FROM consent_choice "
        f"WHERE voice = 'self' AND status = 'given' AND {KNOWN} AND no NOT IN ({gone}) "
        "GROUP BY purpose, channel, recipient ORDER BY purpose, channel, recipient"
    )
    asked = {f"t{n}": at for n, at in enumerate(instants)} | {"s": known}
    rows = fetched(conn, sql, asked)
    return {(purpose, channel, recipient): [int(one) for one in many] for purpose, channel, recipient, *many in rows}
