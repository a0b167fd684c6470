"""What mail servers report back: an address that is gone is written to no more, a complaint is a no.

A report is what a stranger wrote, and anybody may send one to the address that takes them. It is acted upon only where
it names a message that we sent, which nobody but its reader can, and where the address it is about is that person's;
for anybody else it changes nothing, and is counted. A complaint may name the message by its sealed unsubscribe address:
that is a no, as the address itself is for whoever was forwarded the message; only a report that names the mailbox, too,
keeps mail from it.
Source: RFC 3464, RFC 5965, RFC 6650; GDPR Art. 5(1)(d), 21(3).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from pacte.app import links, message_ids, soft_bounces, suppressions, unsubscribe
from pacte.app.jobs import Later
from pacte.app.people import people_of
from pacte.app.unsubscribe import BY_COMPLAINT, Asked, Unsubscribe
from pacte.kernel import db
from pacte.kernel.errors import BadInput, PacteError, Unsafe
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import DAY, SECOND, Instant
from pacte.kernel.redacted import Redacted
from pacte.ledger import log
from pacte.uses.message import bounce, complaint, reports
from pacte.uses.message.bounce import Bounce
from pacte.uses.message.complaint import Complaint
from pacte.uses.message.reports import LARGEST
from pacte.vault import index

if TYPE_CHECKING:
    from pacte.app.house import House

EMAIL = "email"
"""The channel that reports are about."""
BOUNCED, COMPLAINED = "bounced", "complained"
"""Why an address is suppressed."""
PAUSE, AT_ONCE = 60 * SECOND, 200
"""How long the folder rests, in microseconds, and how many reports are read before others have their turn."""
TROUBLES = 3
"""Reports of one round that could not be acted upon, after which the house rests before it tries again."""
UNREAD, AGAIN = ".unread", ".again."
"""Ends the name of a mail that cannot be read; stands before that of one that is tried again, after the time."""
REMEMBERED = 30 * DAY
"""How long a report is known again, in microseconds."""
_NAME = re.compile(r"<?([0-9a-f]{32})(@|$)")
_MAILBOX = re.compile(r"[45]\.(?!2\.3$|3\.4$)[1-4]\.\d{1,3}")
"""Codes that blame the mailbox or the way to it; others blame the mail or its sender, whoever reads it."""
_LINK = re.compile(r"/u/([A-Za-z0-9_-]+)$")
_STUCK = "the folder of `mail.reports` in settings.toml cannot be written"


@dataclass(frozen=True, slots=True)
class Heard:
    """What a report led to, in people: addresses written to no more, soft bounces that ended nothing, no's recorded.

    `unmatched` are those of whom nothing was changed: it was not their message, or not their address. All are zero for
    what is no report, or was heard before.
    """

    suppressed: int = 0
    soft: int = 0
    ended: int = 0
    unmatched: int = 0

    @property
    def any(self) -> bool:
        """Whether it was a report that was not heard before."""
        return bool(self.suppressed or self.soft or self.ended or self.unmatched)


@dataclass(frozen=True, slots=True)
class _Message:
    """A message that we sent: to whom, as which row of a campaign, under which ledger index of its use."""

    subject: SubjectId
    campaign: str
    place: int
    entry: int


def hear(house: House, raw: bytes, *, by: str) -> Heard:
    """Act upon one report; what is no report changes nothing. The same one again changes nothing more.

    Raises `BadInput` for one that cannot be read.
    """
    return _heard(house, _said(raw), raw, by)


def is_report(raw: bytes) -> bool:
    """Whether a mail reports of delivery or complains; raises `BadInput` for one that cannot be read."""
    return bool(_said(raw))


def together(one: Heard, other: Heard) -> Heard:
    """What two reports led to."""
    return Heard(
        one.suppressed + other.suppressed,
        one.soft + other.soft,
        one.ended + other.ended,
        one.unmatched + other.unmatched,
    )


def read_folder(house: House, now: Instant) -> Later:
    """Read what came into the Maildir of `mail.reports`, then rest. What was acted upon is removed, with its addresses.

    What is no report is somebody's letter: it goes to the read ones (`cur`), and so does, marked, what cannot be read.
    What could not be acted upon waits behind all others for the next round. Source: maildir(5).
    """
    if not house.settings.mail.reports:  # not any more
        return Later(Instant(now + DAY))
    folder, troubles = house.path / house.settings.mail.reports, []
    try:
        waiting = sorted(one for one in (folder / "new").iterdir() if one.is_file() and not one.is_symlink())
    except OSError:
        raise Unsafe("the folder of `mail.reports` in settings.toml cannot be read") from None
    for path in waiting[:AT_ONCE]:
        try:
            _take(house, folder, path)
        except db.Damaged:
            raise
        except Exception as error:  # whatever it is, the next may be somebody's no
            _move(path, folder / "new" / f"{now // SECOND}{AGAIN}{path.name.partition(AGAIN)[2] or path.name}")
            troubles.append(type(error).__name__.lower() if isinstance(error, PacteError) else "unforeseen")
        if len(troubles) == TROUBLES:
            break
    if troubles:
        return Later(Instant(now + PAUSE), troubles[0])
    return Later(now if len(waiting) > AT_ONCE else Instant(now + PAUSE))


def unread(house: House) -> int:
    """How many mails of the Maildir could not be read, and wait there for somebody to look at them."""
    if not house.settings.mail.reports:
        return 0
    return sum(1 for _ in (house.path / house.settings.mail.reports / "cur").glob(f"*{UNREAD}:2,*"))


def _take(house: House, folder: Path, path: Path) -> None:
    name = path.name.partition(":")[0]
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST)
        said = _said(raw)
    except FileNotFoundError:
        return
    except (OSError, BadInput):
        _move(path, folder / "cur" / f"{name}{UNREAD}:2,F")
        return
    _heard(house, said, raw, "worker")
    if not said:
        _move(path, folder / "cur" / f"{name}:2,")
        return
    try:
        path.unlink(missing_ok=True)
    except OSError:
        raise Unsafe(_STUCK) from None


def _move(path: Path, target: Path) -> None:
    try:
        path.rename(target)
    except FileNotFoundError:
        return
    except OSError:
        raise Unsafe(_STUCK) from None


def _said(raw: bytes) -> Complaint | tuple[Bounce, ...]:
    """What a mail reports, read once; empty for what is no report."""
    try:
        report = reports.parsed(raw)
        return complaint.read(report) or bounce.read(report)
    except Exception:  # INVARIANT: what a stranger wrote stops nobody from reading on
        raise BadInput("a report that cannot be read") from None


def _heard(house: House, said: Complaint | tuple[Bounce, ...], raw: bytes, by: str) -> Heard:
    if isinstance(said, Complaint):
        return _complained(house, raw, said, by)
    found = Heard()
    for place, one in enumerate(said):
        found = together(found, _bounced(house, one, _digest(raw, place), by))
    return found


def _bounced(house: House, one: Bounce, digest: str, by: str) -> Heard:
    with house.writing() as conn:
        now = house.present(conn)
        if not links.once(conn, digest, Instant(now + REMEMBERED)):
            return Heard()
        sent = _message(house, conn, one.recipient, (one.message_id, one.token))
        if sent is None:
            return Heard(unmatched=1)
        if not one.permanent:
            if not (_MAILBOX.fullmatch(one.status) and soft_bounces.count(conn, sent.subject, EMAIL, now)):
                return Heard(soft=1)
            suppressions.add_of(conn, house, sent.subject, EMAIL, BOUNCED, now, by)
            return Heard(suppressed=1)
        suppressions.add_of(conn, house, sent.subject, EMAIL, BOUNCED, now, by)
        _settle(conn, sent, one.status, now)
    return Heard(suppressed=1)


def _complained(house: House, raw: bytes, said: Complaint, by: str) -> Heard:
    asked, suppress = _complainant(house, said)
    if asked is None:
        with db.write(house.engine) as conn:
            new = links.once(conn, _digest(raw, 0), Instant(house.clock() + REMEMBERED))
        return Heard(unmatched=int(new))
    with house.reading() as conn:
        people = unsubscribe.behind(conn, house, asked)
    ended = house.commit(Unsubscribe(people, asked.purpose, asked.channel, BY_COMPLAINT, by))
    with house.writing() as conn:
        now = house.present(conn)
        new = links.once(conn, _digest(raw, 0), Instant(now + REMEMBERED))
        if suppress and new:
            suppressions.add_of(conn, house, asked.subject, EMAIL, COMPLAINED, now, by)
    return Heard(suppressed=int(suppress and new), ended=int(bool(ended.entries)))


def _complainant(house: House, said: Complaint) -> tuple[Asked | None, bool]:
    """Who complained, of what; and whether their address is named, so that it may be suppressed."""
    linked = _LINK.search(said.unsubscribe)
    asked = None
    if linked is not None:
        try:
            asked = unsubscribe.opened(house, linked[1])
        except PacteError:
            asked = None
    with house.reading() as conn:
        if asked is not None:
            return asked, said.recipient is not None and asked.subject in _people(house, conn, said.recipient)
        sent = _message(house, conn, said.recipient, (said.message_id, said.token))
        use = None if sent is None else log.entry(conn, sent.entry)
        if sent is None or use is None:
            return None, False
        channel = str(use.get("channel", EMAIL))
        return Asked(sent.subject, str(use["purpose"]), channel, sent.campaign, _blind(house, said.recipient)), True


def _blind(house: House, recipient: Redacted[str] | None) -> str:
    """The address that a report names, as the links of messages name it."""
    made = index.blinder(house.keys, EMAIL, house.settings.region)
    return "" if recipient is None else made(recipient.reveal()).hex()


def _message(house: House, conn: Connection, recipient: Redacted[str] | None, named: Iterable[str]) -> _Message | None:
    """The message that a report names, where it went to this address; `None` where the two do not belong together."""
    names = {found[1] for one in named if (found := _NAME.match(one))}
    if recipient is None or not names:
        return None
    key = message_ids.key(house)
    sql = "SELECT campaign, place, entry FROM campaign_recipient WHERE subject = ? AND entry IS NOT NULL"
    for subject in _people(house, conn, recipient):
        for campaign, place, entry in db.fetch(conn, sql, (subject,)):
            if message_ids.name(key, campaign, place, subject) in names:
                return _Message(subject, campaign, place, entry)
    return None


def _people(house: House, conn: Connection, recipient: Redacted[str]) -> list[SubjectId]:
    """Whose address it is, by the blind index."""
    try:
        return people_of(house, conn, f"email:{recipient.reveal()}")
    except BadInput:
        return []


def _settle(conn: Connection, sent: _Message, status: str, now: Instant) -> None:
    """The row of a message that was sent says from now on that it never arrived."""
    sql = "UPDATE campaign_recipient SET state = 'bounced', reason = ?, changed = ? WHERE campaign = ? AND place = ?"
    db.run(conn, f"{sql} AND state IN ('sent', 'uncertain')", (f"status_{status}", now, sent.campaign, sent.place))


def _digest(raw: bytes, place: int) -> str:
    return f"report:{hashlib.sha256(raw).hexdigest()}:{place}"
