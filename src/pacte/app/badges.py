"""What a trust badge says beside a field or an offer of the company's own site: for everybody, and for one person.

The words for everybody come from the policy in force. What holds for one person is said to whoever is signed
in as them, or to a token that the company's page carries for a quarter of an hour: it names them sealed, and opens
nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from pacte.app import links, switches
from pacte.app.choose import published
from pacte.app.overview import Standing, Switch, overview, told_by
from pacte.app.prove import known
from pacte.gate import use as using
from pacte.kernel.errors import Conflict, NotFound
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import SECOND, Instant
from pacte.ledger import log, queries
from pacte.policy.categories import Category, categories
from pacte.policy.model import Notice, Purpose

if TYPE_CHECKING:
    from pacte.app.choose import Recorded
    from pacte.app.house import House

KIND = "badge"
LASTS = 900 * SECOND
"""How long a token of the company's page opens a badge, in microseconds."""
LOOKED_AT = 300
"""How many uses of many people for a purpose are asked for a person's last one, the latest ones."""


@dataclass(frozen=True, slots=True)
class Badge:
    """One purpose as it stands for everybody: its words, the data, who else receives them, the newest notice of it."""

    name: str
    purpose: Purpose
    data: tuple[Category, ...]
    recipients: Mapping[str, str]
    notice: Notice | None


@dataclass(frozen=True, slots=True)
class Own:
    """One purpose as it stands for a person: their switches, a channel or recipient each, since when, the last use.

    `on` is whether any is; `entry` the ledger index of the latest choice that counts, -1 where nothing was said. Where
    a purpose does not show each use, or whoever asks may not see data now (`disclosed`), the last one is not told.
    """

    on: bool
    switches: tuple[Switch, ...]
    entry: int
    since: Instant | None
    last_use: Instant | None
    disclosed: bool = True


def badge(house: House, purpose: str, lang: str) -> Badge:
    """The public side of a badge; raises `NotFound` for a purpose that the policy in force does not declare."""
    with house.reading() as conn:
        now = house.present(conn)
        policy = published(conn, now).document
    if purpose not in policy.purposes:
        raise NotFound("no such purpose is declared here")
    declared = policy.purposes[purpose]
    paths = (path.split(".", 1) for path in declared.uses)
    data = sorted({policy.datasets[where].category_of(field) for where, field in paths})
    name = told_by(policy, purpose, lang, now)
    recipients = {one: policy.recipients[one].name for one in declared.recipients}
    notice = policy.notices[name] if name else None
    return Badge(purpose, declared, tuple(categories()[one] for one in data), recipients, notice)


def own(house: House, subject: SubjectId, purpose: str, lang: str, *, fresh: bool = True) -> Own:
    """How a purpose stands for one person; raises `NotFound` as `badge` does.

    `fresh` is whether they proved a moment ago who they are: only then is it told when data was used.
    """
    standing = _standing(house, subject, purpose, lang)
    on = any(one.on for one in standing.switches) if standing.switches else standing.decision.permitted
    index = max((one.entry for one in standing.switches if one.on == on), default=-1)
    with house.reading() as conn:
        entry = log.entry(conn, index) if index >= 0 else None
        since = None if entry is None else Instant(int(str(entry.get("effective", entry["at"]))))
        disclosed = fresh and (standing.purpose.disclosure is None or standing.purpose.disclosure.level == "full")
        last = _last_use(conn, subject, purpose) if disclosed else None
        return Own(on, standing.switches, index, since, last, disclosed)


def turn(
    house: House, subject: SubjectId, purpose: str, name: str, on: bool, *, lang: str, seen: int, notice: str
) -> Recorded | None:
    """Record what a person says with the switch of a name; a yes counts only as it was shown.

    `seen` is the entry that the badge showed as theirs, `notice` the digest of the notice that it led to. Answers
    `None` for a no that stands already. Raises `Conflict` where either is another by now, or where the purpose has no
    such switch any more.
    """
    standing = _standing(house, subject, purpose, lang)
    switch = next((one for one in standing.switches if one.name == name), None)
    if switch is None:
        raise Conflict("nobody is asked about this any more; look at it again")
    if not on and switches.said_no(house, switch):
        return None
    return switches.turn(house, subject, standing, switch, on=on, seen=seen, notice=notice)


def token(house: House, person: str) -> str:
    """What the company's page gives a badge for the person who is signed in there; ends after a quarter of an hour."""
    with house.reading() as conn:
        subject = known(house, conn, person)
    return links.seal(house, KIND, {"subject": subject}, LASTS)


def holder(house: House, token: str) -> SubjectId:
    """Whom a token names; raises `Forged` and `Expired`."""
    return SubjectId(links.opened(house, KIND, token)["subject"])


def _standing(house: House, subject: SubjectId, purpose: str, lang: str) -> Standing:
    for standing in overview(house, subject, lang, only=purpose):
        return standing
    raise NotFound("no such purpose is declared here")


def _last_use(conn: Connection, subject: SubjectId, purpose: str) -> Instant | None:
    own = [one for one in queries.about_of_kind(conn, subject, "use") if one[1]["purpose"] == purpose][-1:]
    for index, entry in chain(queries.newest_sets(conn, purpose, LOOKED_AT), own):
        if own and index <= own[0][0]:
            return Instant(own[0][1]["as_of"])
        if using.was_in(conn, entry, subject):
            return Instant(entry["as_of"])
    return None
