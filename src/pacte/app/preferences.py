"""How somebody wants to be reached, channel by channel: where first, how often at most, and when not.

These are wishes, and widen nothing: whether anybody may write is what choices say, and the gate. Whoever sends looks
here afterwards. Recorded as `preference` entries, so that what was wished at a time can be shown later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from pacte.app.commits import First
from pacte.app.committer import Change, Moment
from pacte.app.committer import Recorded as Written
from pacte.app.policies import document
from pacte.kernel.errors import BadInput, Conflict, Denied
from pacte.kernel.ids import SubjectId, parse_subject_id
from pacte.kernel.instant import Instant
from pacte.ledger import log, queries

if TYPE_CHECKING:
    from pacte.app.house import House

REACH, FREQUENCY, QUIET = "reach", "frequency", "quiet"
SETTINGS: Mapping[str, tuple[str, ...]] = {
    REACH: ("also", "first", "least"),
    FREQUENCY: ("as_announced", "weekly", "monthly"),
    QUIET: ("none",),
}
"""By setting: its words, the one that holds unless another is chosen first; quiet hours are also `21-08`."""
CHANNELS: Mapping[str, tuple[str, ...]] = {
    "email": (REACH, FREQUENCY, QUIET),
    "sms": (REACH, FREQUENCY, QUIET),
    "phone": (REACH, FREQUENCY, QUIET),
    "push": (REACH, FREQUENCY, QUIET),
    "messaging": (REACH, FREQUENCY, QUIET),
    "post": (REACH, FREQUENCY),
}
"""Channels by which people are reached, and what can be wished for each; a letter arrives when it arrives."""

Key = tuple[str, str]
"""Channel and setting."""


@dataclass(frozen=True, slots=True)
class Preferred:
    """What somebody wished: the word, since when, and the ledger index that says so."""

    value: str
    since: Instant
    entry: int


@dataclass(frozen=True, slots=True)
class Wish:
    """The verb: what one person wants of a channel. `seen` is the entry that the person was shown last, -1 for none.

    A wish from a page that something else was said after is refused with `Conflict`, and changes nothing.
    """

    subject: SubjectId
    channel: str
    values: tuple[tuple[str, str], ...]
    by: str
    seen: int | None = None
    key: str = ""

    @property
    def persons(self) -> tuple[str, ...]:
        """Whom it is about."""
        return (self.subject,)

    def change(self, moment: Moment) -> Change[int | None]:
        """An entry for each setting that is another than before, or nothing."""
        if not moment.here(self.subject):
            raise Denied("erased", "nothing more is recorded about this person")
        before = preferences_of(moment.conn, self.subject)
        if self.seen is not None and self.seen != newest(before, self.channel):
            raise Conflict("something else was wished meanwhile; look at it again")
        standing = moment.policy.document.controller.standing
        entries = [
            {
                "kind": "preference",
                "subject": self.subject,
                "channel": self.channel,
                "setting": setting,
                "value": value,
                "effective": moment.present,
                "by": self.by,
                **standing,
            }
            for setting, value in self.values
            if value != value_of(before, self.channel, setting)
        ]
        return Change(_first if entries else _nothing, entries)

    def again(self, moment: Moment, first: First) -> int | None:  # noqa: ARG002 # part of the protocol
        """A wish has no key: each is one of its own."""
        raise BadInput("a wish has no key")


def wish(
    house: House, subject: SubjectId, channel: str, values: Mapping[str, str], *, by: str, seen: int | None = None
) -> int | None:
    """Record what a person wants of a channel; answers the first ledger index, or `None` where nothing changed.

    Raises `BadInput` for a channel, a setting or a word that there is not, `Conflict` as `Wish` says.
    """
    if channel not in channels(house):
        raise BadInput("nobody is reached by such a channel here")
    for setting, value in values.items():
        check(channel, setting, value)
    return house.commit(Wish(parse_subject_id(subject), channel, tuple(values.items()), by, seen))


def check(channel: str, setting: str, value: str) -> None:
    """Raise `BadInput` for a setting that a channel does not have, or a word that is none of it."""
    if setting not in CHANNELS.get(channel, ()):
        raise BadInput("a channel has no such setting")
    if value not in SETTINGS[setting] and not (setting == QUIET and hours(value)):
        raise BadInput("a setting takes no such word")


def hours(value: str) -> tuple[int, int] | None:
    """From which hour to which nothing is sent; `None` for a word that names no such time."""
    begin, _, end = value.partition("-")
    named = value.isascii() and len(begin) == len(end) == 2 and begin.isdecimal() and end.isdecimal()
    if not named or begin == end or int(begin) > 23 or int(end) > 23:
        return None
    return int(begin), int(end)


def preferences(house: House, subject: SubjectId) -> dict[Key, Preferred]:
    """What a person wished, by channel and setting; what is not in it holds as `SETTINGS` begins."""
    with house.reading() as conn:
        return preferences_of(conn, subject)


def preferences_of(conn: Connection, subject: SubjectId) -> dict[Key, Preferred]:
    """The same in a transaction of the caller's."""
    return {
        (entry["channel"], entry["setting"]): Preferred(entry["value"], Instant(entry["effective"]), index)
        for index, entry in queries.about_of_kind(conn, subject, "preference")
    }


def value_of(known: Mapping[Key, Preferred], channel: str, setting: str) -> str:
    """The word that holds for a setting."""
    found = known.get((channel, setting))
    return SETTINGS[setting][0] if found is None else found.value


def newest(known: Mapping[Key, Preferred], channel: str) -> int:
    """The ledger index of the last wish about a channel, -1 where there was none."""
    return max((one.entry for (where, _), one in known.items() if where == channel), default=-1)


def before(house: House, subject: SubjectId, index: int) -> tuple[str, dict[str, str]] | None:
    """What held for a channel before the wish that was recorded from an index on, and which channel it is.

    `None` where that is no wish of this person, or where another came after it: then it cannot simply be taken back.
    """
    with house.reading() as conn:
        about = queries.about_of_kind(conn, subject, "preference")
        if index >= log.head(conn).size:
            return None
    first = next((entry for at, entry in about if at == index), None)
    if first is None:
        return None
    here = [(at, entry) for at, entry in about if entry["channel"] == first["channel"]]
    if any(at >= index and entry["at"] != first["at"] for at, entry in here):
        return None
    held = {setting: SETTINGS[setting][0] for setting in CHANNELS.get(first["channel"], ())}
    held |= {entry["setting"]: entry["value"] for at, entry in here if at < index}
    return first["channel"], held


def channels(house: House) -> list[str]:
    """The channels that some purpose of the policy in force reaches people by."""
    purposes = document(house).purposes.values()
    used = {channel for purpose in purposes for channel in purpose.channels}
    return [channel for channel in CHANNELS if channel in used]


def _first(written: Written) -> int | None:
    return written.first


def _nothing(_written: Written) -> int | None:
    return None
