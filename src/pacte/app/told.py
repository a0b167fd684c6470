"""Who was told of a notice: the record that it reached somebody. To be told is not to agree.

Source: GDPR Art. 5(1)(b), 13(3), 14.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection

from pacte.app import notices
from pacte.consent import told
from pacte.consent.state import look_up
from pacte.gate import rules as stored
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import Instant
from pacte.lake.numbers import number
from pacte.ledger import log

if TYPE_CHECKING:
    from pacte.app.house import House

TOLD_BY = "mail"
"""How somebody was told, in their `told` entry."""


def record_told(house: House, subject: SubjectId, digest: str, how: str = TOLD_BY, by: str = "worker") -> bool:
    """Record that somebody was told of a notice; false where they were told before, or were erased meanwhile."""
    notices.by_digest(house, digest)
    with house.writing() as conn:
        now = house.present(conn)
        person = look_up(conn, [subject]).get(subject)
        if person is None or not person.known or person.erased or _was_told(conn, subject, digest, now):
            return False
        role = stored.role(conn, now)
        entry = {"kind": "told", "subject": subject, "notice": digest, "effective": now, "how": how, "by": by, **role}
        house.record(conn, [entry], house.clock())
    return True


def was_told(house: House, subject: SubjectId, digest: str) -> bool:
    """Whether somebody counts as told of a notice."""
    with house.reading() as conn:
        return _was_told(conn, subject, digest, house.present(conn))


def _was_told(conn: Connection, subject: SubjectId, digest: str, now: Instant) -> bool:
    no = number(conn, subject)
    return no is not None and digest in told.told_since(conn, [no], now, log.head(conn).size).get(no, {})
