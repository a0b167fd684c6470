"""Campaigns: one message to one segment, once; made, begun, held, stopped, and what became of it.

A campaign begins with one declared use, which decides about everybody and is recorded; whoever it permits and the
segment has is entered, in an order that says nothing. To be entered permits nobody to be written to: that is decided
again, person by person, when their message leaves (`app.leasing`).
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Connection, Index, String, Table, text

from pacte.app import recipients, reports, turns
from pacte.app.policies import published
from pacte.app.shown import TooFew
from pacte.app.staff import refuse_staff
from pacte.app.stop import EVERYTHING, over, refuse_stopped
from pacte.kernel import db
from pacte.kernel.db import Int64, metadata
from pacte.kernel.errors import BadInput, Conflict, Denied, NotFound
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import DAY, Instant

if TYPE_CHECKING:
    from pacte.app.house import House

DRAFT, ENTERING, READY, SENDING, HELD, STOPPED, ENDED = (
    "draft", "entering", "ready", "sending", "held", "stopped", "ended",
)  # fmt: skip
"""The states of a campaign: `entering` while its people are written down, `ready` until somebody lets it begin, `held`
until somebody lets it go on."""
FEW, NOT_ALLOWED, CUT_SHORT = "too_few", "not_allowed", "cut_short"
"""Why a draft could not be prepared, where the gate gave no reason: too few people; the segment asks for what its
purpose does not allow; whatever prepared it ended."""
SENT_BY = ("email", "sms")
"""The channels by which a house writes itself; by others it hands out lists."""
STANDING = "`pacte stop` says since when, and `pacte stop PURPOSE --lift --reason CODE` lifts it"
WRITES, HALTS = "messages", "halt"
"""What a member of staff must be allowed who has a campaign sent, and who holds or ends one."""
REASONS = ("by_hand", "mistake", "complaint", "incident", "committee")
"""Why somebody holds or ends a campaign; the first where they say nothing."""
LASTS = 2 * DAY
"""How long a campaign tries to reach people, in microseconds, unless it is given another end."""
LONGEST = 30 * DAY

campaign_table = Table(
    "campaign",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("kind", String(10), nullable=False),
    Column("purpose", String(128), nullable=False),
    Column("channel", String(16), nullable=False),
    Column("message", String(64), nullable=False),
    Column("segment", String(64)),
    Column("state", String(10), nullable=False),
    Column("reason", String(40)),
    Column("by", String(72), nullable=False),
    Column("made", Int64, nullable=False),
    Column("started", Int64),
    Column("until", Int64, nullable=False),
    Column("ended", Int64),
    Column("use", String(32)),
    Column("people", Int64, nullable=False),
    sqlite_with_rowid=False,
)
_SENDING = "state = 'sending'"
Index("campaign_sending", campaign_table.c.state, sqlite_where=text(_SENDING), postgresql_where=text(_SENDING))

_COLUMNS = tuple(column.name for column in campaign_table.columns)
_QUOTED = ", ".join(f'"{name}"' for name in _COLUMNS)


@dataclass(frozen=True, slots=True)
class Campaign:
    """One campaign: what is sent (digest of the message), to whom (digest of the segment; `None`: all permitted).

    `people` are those entered; `until` is the end after which nobody is written to any more.
    """

    id: str
    name: str
    kind: str
    purpose: str
    channel: str
    message: str
    segment: str | None
    state: str
    reason: str | None
    by: str
    made: Instant
    started: Instant | None
    until: Instant
    ended: Instant | None
    use: str | None
    people: int


def make(
    house: House, message: str, *, segment: str | None = None, name: str = "", by: str, lasts: int = LASTS
) -> Campaign:
    """Make a campaign of a saved message (its digest) to a saved segment (its digest; `None`: all who are permitted).

    Nothing is sent before it begins. Raises `NotFound` for an unknown message, `PolicyError` for one that the policy
    in force stops, `BadInput` for a length that no campaign has.
    """
    from pacte.app.messages import sendable

    said = sendable(house, message)
    if said.channel not in SENT_BY:
        raise BadInput(f"`{said.channel}` goes by a list, not by messages; a campaign is sent by {_or(SENT_BY)}")
    if not 0 < lasts <= LONGEST:
        raise BadInput(f"a campaign lasts a moment at least and {LONGEST // DAY} days at most")
    with house.writing() as conn:
        refuse_staff(conn, by, WRITES)
        now = house.present(conn)
        campaign = Campaign(
            secrets.token_hex(16), name or said.name, said.kind, said.purpose, said.channel, said.digest, segment,
            DRAFT, None, by, now, None, Instant(now + lasts), None, None, 0,
        )  # fmt: skip
        values = tuple(getattr(campaign, column) for column in _COLUMNS)
        db.run(conn, f"INSERT INTO campaign ({_QUOTED}) VALUES ({', '.join('?' * len(_COLUMNS))})", values)
    return campaign


def prepare(house: House, name: str, *, by: str, people: Iterable[SubjectId] | None = None) -> Campaign:
    """Declare the use, and enter everybody whom it permits and the segment has; nothing is sent yet.

    One that was cut short begins anew, as does one that waits to be sent. Raises `Conflict` for one that has begun, or
    that is being prepared, `Denied` for what the policy does not permit, `TooFew` where fewer people are left than may
    be told apart. `people`, where given, are in place of the segment's.
    """
    turn = turns.new()
    with db.write(house.engine) as conn:
        claim(conn, name, turn, by, Instant(house.clock()))
    try:
        return ready(house, name, turn, enter(house, name, turn, by=by, people=people))
    except BaseException as error:
        give_up(house, name, turn, why(error))
        raise


def claim(conn: Connection, name: str, turn: str, by: str, now: Instant) -> None:
    """Take the turn to prepare a campaign; raises `Conflict` where it has begun, or somebody has the turn."""
    refuse_staff(conn, by, WRITES)
    campaign, held = of(conn, name), turns.of(conn, name)
    if campaign.state not in (DRAFT, ENTERING, READY):
        raise Conflict("this campaign has begun already")
    if held is not None and held.until > now:
        raise Conflict("this campaign is being prepared; wait until that is done")
    turns.take(conn, name, turn, by, now)
    reports.forget(conn, name)
    _set(conn, name, state=ENTERING, reason=None)


def enter(house: House, name: str, turn: str, *, by: str, people: Iterable[SubjectId] | None = None) -> tuple[str, int]:
    """Declare the use and write down whom it permits; answers the use and how many they are.

    Raises as `prepare` does, `Conflict` also where the turn was lost meanwhile.
    """
    with db.write(house.engine) as conn:
        turns.keep(conn, name, turn, Instant(house.clock()))
        recipients.forget(conn, name)
        campaign = of(conn, name)
    use = _declared(house, campaign, by)
    count = _entered(house, campaign, turn, people if people is not None else _members(house, campaign, use))
    with house.reading() as conn:
        now = house.present(conn)
        smallest = published(conn, now).document.segments.smallest
        if count == 0:
            refuse_stopped(conn, campaign.purpose, now)
    # A segment has been looked at already, by the rule of its size.
    if count == 0 or (campaign.kind == "promotion" and campaign.segment is None and count < smallest):
        raise TooFew(f"fewer than {smallest} people are left; a campaign to so few would tell who they are")
    return use.id, count


def ready(house: House, name: str, turn: str, entered: tuple[str, int]) -> Campaign:
    """Everybody is entered: the campaign waits to be sent, and the turn is over."""
    use, count = entered
    with db.write(house.engine) as conn:
        turns.keep(conn, name, turn, Instant(house.clock()))
        recipients.divide(conn, name, count)
        _set(conn, name, state=READY, use=use, people=count)
        turns.end(conn, name, turn)
        return of(conn, name)


def give_up(house: House, name: str, turn: str, code: str) -> None:
    """The campaign is a draft again, for `code`; where the turn is another's by now, nothing changes."""
    with db.write(house.engine) as conn:
        if turns.end(conn, name, turn):
            recipients.forget(conn, name)
            reports.forget(conn, name)
            _set(conn, name, state=DRAFT, reason=code, people=0)


def why(error: BaseException) -> str:
    """The code that says of a draft why it could not be prepared."""
    if isinstance(error, Denied):
        return error.code
    found = {TooFew: FEW, BadInput: NOT_ALLOWED}
    return next((code for kind, code in found.items() if isinstance(error, kind)), CUT_SHORT)


def go(house: House, name: str, *, by: str) -> Campaign:
    """Begin to send a campaign that is ready; raises `Conflict` for any other."""
    with house.writing() as conn:
        refuse_staff(conn, by, WRITES)
        campaign = of(conn, name)
        if campaign.state != READY:
            raise Conflict(f"this campaign is `{campaign.state}`; only one that is `{READY}` begins")
        now = house.present(conn)
        until = Instant(now + campaign.until - campaign.made)
        begun = replace(campaign, state=SENDING, started=now, until=until)
        _set(conn, name, state=SENDING, started=now, until=until)
        reports.forget(conn, name)
        _record(house, conn, begun, "started", by)
    return begun


def start(house: House, name: str, *, by: str, people: Iterable[SubjectId] | None = None) -> Campaign:
    """`prepare`, then `go`."""
    prepare(house, name, by=by, people=people)
    return go(house, name, by=by)


def hold(house: House, name: str, reason: str, *, by: str) -> Campaign:
    """Nobody more is written to until somebody lets it go on; what a worker holds is given back."""
    return _turned(house, name, {SENDING}, HELD, "held", reason, by)


def resume(house: House, name: str, *, by: str) -> Campaign:
    """Let a campaign go on that is held; raises `Conflict` while a stop would hold it again."""
    with house.reading() as conn:
        campaign = of(conn, name)
        if campaign.state == READY:
            raise Conflict("this campaign has not begun; `pacte campaign send` lets it begin")
        if campaign.state == HELD and over(conn, campaign.purpose, house.present(conn)) is not None:
            raise Conflict(f"the purpose `{campaign.purpose}` is stopped: the campaign stays held; {STANDING}")
    return _turned(house, name, {HELD}, SENDING, "resumed", "", by)


def stop(house: House, name: str, reason: str, *, by: str) -> Campaign:
    """End a campaign; nobody more is written to."""
    return _turned(house, name, {SENDING, HELD}, STOPPED, "stopped", reason, by)


def finish(house: House, name: str) -> None:
    """Say that a campaign has ended, once nobody is left: how many of each outcome."""
    with house.writing() as conn:
        campaign = of(conn, name)
        if campaign.state != SENDING or recipients.unfinished(conn, name):
            return
        counts: dict[str, int] = {}
        for (state, reason), count in recipients.tally(conn, name).items():
            word = reason or state
            counts[word] = counts.get(word, 0) + count
        now = house.present(conn)
        _set(conn, name, state=ENDED, ended=now)
        _record(house, conn, replace(campaign, state=ENDED), "ended", "worker", counts=counts)


def remove(house: House, name: str, *, by: str) -> None:
    """Take away a campaign that has not begun; raises `Conflict` for any other, and while it is being prepared."""
    with db.write(house.engine) as conn:
        refuse_staff(conn, by, WRITES)
        campaign, held = of(conn, name), turns.of(conn, name)
        if campaign.state not in (DRAFT, ENTERING, READY):
            raise Conflict(f"this campaign is `{campaign.state}`; only one that has not begun can be removed")
        if held is not None and held.until > house.clock():
            raise Conflict("this campaign is being prepared; wait until that is done")
        recipients.forget(conn, name)
        reports.forget(conn, name)
        if held is not None:
            turns.end(conn, name, held.name)
        db.run(conn, "DELETE FROM campaign WHERE id = ?", (name,))


def of(conn: Connection, name: str) -> Campaign:
    """A campaign; raises `NotFound`."""
    found = db.fetch(conn, f"SELECT {_QUOTED} FROM campaign WHERE id = ?", (name,))
    if not found:
        raise NotFound("no such campaign; `pacte campaign list` shows them")
    return Campaign(*found[0])


def listed(conn: Connection, most: int = 100) -> list[Campaign]:
    """The latest campaigns."""
    found = db.fetch(conn, f"SELECT {_QUOTED} FROM campaign ORDER BY made DESC, id LIMIT ?", (most,))
    return [Campaign(*row) for row in found]


def first_started(conn: Connection) -> Instant | None:
    """When the first campaign began; `None` before any did."""
    found = db.fetch(conn, "SELECT min(started) FROM campaign")[0][0]
    return None if found is None else Instant(found)


def started_between(conn: Connection, start: Instant, stop: Instant) -> list[tuple[str, str]]:
    """(campaign, purpose) of those that began from `start` to before `stop`, the oldest first."""
    sql = "SELECT id, purpose FROM campaign WHERE started >= ? AND started < ? ORDER BY started, id"
    return [(name, purpose) for name, purpose in db.fetch(conn, sql, (start, stop))]


def sending(conn: Connection, channels: Collection[str]) -> list[str]:
    """The campaigns that are being sent by these channels, the oldest first."""
    found = db.fetch(conn, f"SELECT id, channel FROM campaign WHERE {_SENDING} ORDER BY started")
    return [name for name, channel in found if channel in channels]


def heeding(conn: Connection, scope: str, now: Instant) -> list[Campaign]:
    """The campaigns that are being sent and that a stop of this purpose, or of everything, holds."""
    return [
        one
        for one in listed(conn, 1_000)
        if one.state == SENDING
        and (found := over(conn, one.purpose, now)) is not None
        and scope in (found.scope, one.purpose, EVERYTHING)
    ]


def may_be_sent(conn: Connection) -> bool:
    """Whether any campaign is being sent, or is ready to be."""
    return bool(db.fetch(conn, f"SELECT 1 FROM campaign WHERE state IN ('{READY}', '{SENDING}') LIMIT 1"))


def is_sending(conn: Connection, name: str) -> bool:
    """Whether this campaign is being sent."""
    return bool(db.fetch(conn, f"SELECT 1 FROM campaign WHERE id = ? AND {_SENDING}", (name,)))


def _declared(house: House, campaign: Campaign, by: str) -> Any:
    from pacte.app.uses import declare

    return declare(house, campaign.purpose, channel=campaign.channel, by=by)


def _members(house: House, campaign: Campaign, use: Any) -> Iterator[SubjectId]:
    from pacte.app.segments import members

    return iter(members(house, use, campaign.segment))


def _entered(house: House, campaign: Campaign, turn: str, people: Iterable[SubjectId]) -> int:
    place, left = 0, iter(people)
    while some := list(islice(left, recipients.TOGETHER)):  # nobody waits while everybody is looked for
        with db.write(house.engine) as conn:
            turns.keep(conn, campaign.id, turn, Instant(house.clock()))
            place = recipients.enter(conn, campaign.id, some, place, house.clock())
    return place


def _turned(house: House, name: str, before: set[str], after: str, act: str, reason: str, by: str) -> Campaign:
    with house.writing() as conn:
        refuse_staff(conn, by, HALTS if after in (HELD, STOPPED) else WRITES)
        campaign = of(conn, name)
        if campaign.state not in before:
            raise Conflict(f"this campaign is `{campaign.state}`; nothing was changed")
        _set(conn, name, state=after, reason=reason or None)
        turned = replace(campaign, state=after, reason=reason or None)
        _record(house, conn, turned, act, by, **({"reason": reason} if reason else {}))
    return turned


def _or(words: Collection[str]) -> str:
    return " or ".join(f"`{word}`" for word in words)


def _set(conn: Connection, name: str, **values: Any) -> None:
    changes = ", ".join(f'"{column}" = ?' for column in values)
    db.run(conn, f"UPDATE campaign SET {changes} WHERE id = ?", (*values.values(), name))


def _record(house: House, conn: Connection, campaign: Campaign, act: str, by: str, **more: Any) -> None:
    from pacte.gate.rules import role

    now = house.present(conn)
    named: Mapping[str, str | None] = {"segment": campaign.segment, "within": campaign.use}
    entry = {
        "kind": "campaign",
        "campaign": campaign.id,
        "act": act,
        "purpose": campaign.purpose,
        "channel": campaign.channel,
        "message": campaign.message,
        "by": by,
        **{key: value for key, value in named.items() if value},
        **role(conn, now),
        **more,
    }
    house.record(conn, [entry], house.clock())
