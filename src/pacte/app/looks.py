"""Looks: a member of staff says why before seeing anything of a person, the gate decides, the ledger keeps it.

A look is a use of one person's record for a purpose of the `house` pack, with a reason from a closed list. Who looked
at whom, when and why can be read afterwards, by those who watch over it and by the person; those who watch see people
under a pseudonym of this log alone. Source: GDPR Art. 5(1)(f), 5(2), 15(1), 32; CJEU C-579/21.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from pacte.app import sought
from pacte.app.prove import known
from pacte.gate import one, use
from pacte.gate.values import Question
from pacte.kernel.errors import BadInput, Conflict, Denied, NotFound, PacteError
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import Instant
from pacte.ledger import browse, log, queries

if TYPE_CHECKING:
    from pacte.app.house import House

REASONS: Mapping[str, str] = {
    "request": "house:rights",
    "complaint": "house:rights",
    "dispute": "house:accountability",
    "authority": "house:accountability",
    "quality": "house:accountability",
    "incident": "house:accountability",
}
"""By reason that a member of staff may give: the purpose of the house that it stands for."""

MACHINES = frozenset({"worker", "import", "api", "person"})
"""Who is no member of the staff: machines of the house, other programs, and the person at their own page."""
PEOPLE = "people"
"""Stands for everybody who is none of these."""

LETTER = "letter"
"""Why the worker opened an address to answer a request: to send the letter that was asked for, or word of a change."""

KINDS = ("look", "look_aside", "sought", "use")
"""Kinds of entries that may say that somebody looked at one person."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look: `index` in the ledger, when, by whom, for which purpose and reason, at whom (a pseudonym, or "").

    `in_vain`: nobody was shown; whom they sought, if that is known, is a name of what was typed.
    """

    index: int
    at: Instant
    by: str
    purpose: str
    reason: str
    whom: str
    in_vain: bool


def look(house: House, person: str, reason: str, by: str) -> tuple[SubjectId, int]:
    """Record that somebody looks at a person's record, if the gate permits it; gives whom, and the ledger index.

    Who is shown nobody leaves an entry as well: that nobody, or several people, are known by a name is an answer, too.
    Raises `BadInput` for a reason that is none, `NotFound`, `Conflict` for an identifier that several share, and
    `Denied`. INVARIANT: the caller shows nothing of the person before this has returned.
    """
    if reason not in REASONS:
        raise BadInput("a reason that is not on the list")
    with house.writing() as conn:
        purpose, act = REASONS[reason], house.act(conn, by)
        subject = _may_look(house, conn, person, Question(purpose, act.present, log.head(conn).size))
        if isinstance(subject, PacteError):
            sought.record(house, conn, reason, by, purpose=purpose, typed=person)
        else:
            index = use.look(conn, subject, purpose, reason, act.clock, act.signer, by)
    if isinstance(subject, PacteError):
        raise subject
    return subject, index


def looks(
    house: House, since: Instant, until: Instant, *, by: str = "", whom: str = "", before: int | None = None, most: int
) -> list[Look]:
    """The looks from `since` to below `until`, the newest first, at most `most`; at one pseudonym, if that is given.

    `by` is one actor, `PEOPLE`, or everybody with the machines. `before` is the ledger index that a page goes on from.
    """
    with house.reading() as conn:
        start, stop = queries.size_at(conn, Instant(since - 1)), queries.size_at(conn, Instant(until - 1))
        found = _looks(house, browse.newest(conn, start, stop if before is None else min(stop, before), KINDS))
        kept = (one for one in found if _is_by(one, by) and whom in ("", one.whom))
        return list(islice(kept, most))


def pseudonym(house: House, subject: str) -> str:
    """How this log names a person: the same one each time, and nothing that leads to any other record."""
    return _signs(hmac.digest(house.keys.house_key("looks"), subject.encode(), "sha256"))


def reason_of(entry: Mapping[str, Any]) -> str:
    """Why an entry that is a look was made, as a code; empty where its purpose says it all.

    A use has no recorded reason: that of the worker, of one person's fields, to answer a request, is a letter.
    """
    of_letter = entry["by"] == "worker" and entry["purpose"] == "house:rights" and bool(entry.get("fields"))
    return str(entry.get("reason", LETTER if of_letter else ""))


def _may_look(house: House, conn: Connection, person: str, question: Question) -> SubjectId | PacteError:
    """Whom somebody looks at; or why nobody may be shown, as the error to be raised once that is recorded."""
    try:
        subject = known(house, conn, person)
    except (NotFound, Conflict) as nobody:
        return nobody
    decision = one.may(conn, subject, question)
    if decision.permitted:
        return subject
    return Denied(decision.reason.code, "the gate does not permit to look at this person's record")


def _signs(digest: bytes) -> str:
    drawn = base64.b32encode(digest[:5]).decode()
    return f"{drawn[:4]}-{drawn[4:]}"


def _looks(house: House, entries: Iterator[tuple[int, str, dict[str, Any] | None]]) -> Iterator[Look]:
    """Entries that are looks: also the uses of one person's data that the house's own purposes are."""
    for index, kind, entry in entries:
        if entry is None or (kind == "use" and not _of_one(entry)):
            continue
        whom = pseudonym(house, str(entry["subject"])) if "subject" in entry else ""
        whom = _signs(bytes.fromhex(str(entry["whom"]))) if "whom" in entry else whom
        reason = reason_of(entry) or "opened"
        yield Look(index, Instant(entry["at"]), str(entry["by"]), str(entry["purpose"]), reason, whom, kind == "sought")


def _is_by(found: Look, by: str) -> bool:
    return by in ("", found.by) or (by == PEOPLE and found.by.partition(":")[0] not in MACHINES)


def _of_one(entry: Mapping[str, Any]) -> bool:
    return bool(entry["mode"] == "one" and (entry["purpose"].startswith("house:") or entry["by"].startswith("staff:")))
