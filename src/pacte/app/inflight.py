"""Whoever says no is not written to while it is recorded: messages to a person and their no take turns.

A worker holds a person's turn from its last question to the gate until the mail server has answered; a no holds it
while it is committed. So nothing is taken by the mail server after the commit of a no. A server that leaves a worker
waiting holds nobody's no up for more than `PATIENCE`: what it holds by then left before the no was said.
Source: RFC 8058; GDPR Art. 7(3), 21(3).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from pacte.app.campaigns import may_be_sent
from pacte.app.people import people_of_all
from pacte.app.recipients import any_claimed
from pacte.kernel import db, turns
from pacte.kernel.ids import SubjectId

if TYPE_CHECKING:
    from pacte.app.house import House

FILE = "turns.lock"
"""The file of a house on which the turns are taken."""
STRIPES = 4_096
"""Turns that there are; two people share one by chance, and one of them then waits for the other's message."""
PATIENCE = 2.0
"""Seconds for which a no waits for a message that is on its way."""
LONGEST = 600.0
"""Seconds for which a message waits for another's turn to end."""
LOOK_AGAIN = 0.002
"""Seconds between two looks at a turn that PostgreSQL keeps."""
CLASS = 0x7061
"""Tells these turns from other advisory locks in PostgreSQL."""


@contextmanager
def message_to(house: House, subject: SubjectId, seconds: float = LONGEST) -> Iterator[Callable[[], bool]]:
    """No no of this person is recorded while the block runs: it asks the gate for the last time, and hands over.

    What it is given answers whether that is so still: without the turn, which it waits for so many seconds for, nothing
    is handed over. PostgreSQL keeps a turn for as long as the connection lives that took it.
    """
    with _turns(house, [subject], seconds) as held:
        yield held


@contextmanager
def no_message_to(house: House, persons: Collection[str]) -> Iterator[None]:
    """No message to any of these people is on its way while the block runs, or their server has had its time.

    Where no campaign is being sent, or could begin before this is recorded, nothing is waited for.
    """
    with house.reading() as conn:
        may = may_be_sent(conn) or any_claimed(conn)
        behind = people_of_all(house, conn, list(persons), house.present(conn)) if may else {}
    subjects = {subject for found in behind.values() if isinstance(found, list) for subject in found}
    if not subjects:
        yield
        return
    with _turns(house, subjects, PATIENCE):
        yield


def _turns(house: House, subjects: Collection[SubjectId], seconds: float) -> AbstractContextManager[Callable[[], bool]]:
    places = {int.from_bytes(hashlib.sha256(one.encode()).digest()[:4], "big") % STRIPES for one in subjects}
    if db.is_postgres(house.engine):
        return _turns_at_server(house, sorted(places), seconds)
    return _turns_here(house, places, seconds)


@contextmanager
def _turns_here(house: House, places: Collection[int], seconds: float) -> Iterator[Callable[[], bool]]:
    with turns.turns(house.path / FILE, places, seconds) as held:
        yield lambda: held


@contextmanager
def _turns_at_server(house: House, places: Sequence[int], seconds: float) -> Iterator[Callable[[], bool]]:
    """The same where several machines share the records: the locks live as long as their connection, or until then.

    Their connections are their own: whoever records what is waited for needs one of the others. Raises `Conflict` where
    the server gives none.
    """
    until, taken = monotonic() + seconds, 0
    with db.aside(house.engine) as conn:
        for place in places:
            while not (one := _asked(conn, "pg_try_advisory_lock", place)) and monotonic() < until:
                sleep(LOOK_AGAIN)
            taken += one

        def held() -> bool:
            try:
                return taken == len(places) and bool(_answered(conn, "SELECT 1"))
            except SQLAlchemyError:  # with the connection its locks are gone
                return False

        try:
            yield held
        finally:
            with suppress(SQLAlchemyError):
                _answered(conn, "SELECT pg_advisory_unlock_all()")


def _asked(conn: Connection, what: str, place: int) -> bool:
    return bool(_answered(conn, f"SELECT {what}(?, ?)", (CLASS, place)))


def _answered(conn: Connection, sql: str, values: Sequence[int] = ()) -> Any:
    found = db.fetch(conn, sql, tuple(values))
    conn.commit()  # these locks are the connection's, and outlive it
    return found[0][0]
