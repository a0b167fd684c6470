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

from pacte.app.prove import known
from pacte.gate import one, use
from pacte.gate.values import Question
from pacte.kernel.errors import BadInput, Denied
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

KINDS = ("look", "look_aside", "use")
"""Kinds of entries that may say that somebody looked at one person."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look: `index` in the ledger, when, by whom, for which purpose and reason, at whom (a pseudonym, or "")."""

    index: int
    at: Instant
    by: str
    purpose: str
    reason: str
    whom: str


def look(house: House, person: str, reason: str, by: str) -> tuple[SubjectId, int]:
    """Record that somebody looks at a person's record, if the gate permits it; gives whom, and the ledger index.

    Raises `BadInput` for a reason that is none, `NotFound`, `Conflict` for an identifier that several share, and
    `Denied`. INVARIANT: the caller shows nothing of the person before this has returned.
    """
    if reason not in REASONS:
        raise BadInput("a reason that is not on the list")
    with house.writing() as conn:
        subject = known(house, conn, person)
        purpose, act = REASONS[reason], house.act(conn, by)
        decision = one.may(conn, subject, Question(purpose, act.present, log.head(conn).size))
        if not decision.permitted:
            raise Denied(decision.reason.code, "the gate does not permit to look at this person's record")
        index = use.look(conn, subject, purpose, reason, act.clock, act.signer, by)
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
    digest = hmac.digest(house.keys.house_key("looks"), subject.encode(), "sha256")
    drawn = base64.b32encode(digest[:5]).decode()
    return f"{drawn[:4]}-{drawn[4:]}"


def _looks(house: House, entries: Iterator[tuple[int, str, dict[str, Any] | None]]) -> Iterator[Look]:
    """Entries that are looks: also the uses of one person's data that the house's own purposes are."""
    for index, kind, entry in entries:
        if entry is None or (kind == "use" and not _of_one(entry)):
            continue
        whom = pseudonym(house, str(entry["subject"])) if "subject" in entry else ""
        reason = str(entry.get("reason", "opened"))
        yield Look(index, Instant(entry["at"]), str(entry["by"]), str(entry["purpose"]), reason, whom)


def _is_by(found: Look, by: str) -> bool:
    return by in ("", found.by) or (by == PEOPLE and found.by.partition(":")[0] not in MACHINES)


def _of_one(entry: Mapping[str, Any]) -> bool:
    return bool(entry["mode"] == "one" and (entry["purpose"].startswith("house:") or entry["by"].startswith("staff:")))
