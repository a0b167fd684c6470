"""Unsubscribe by the link of a message: a no that needs no sign-in, and takes effect before it is answered.

Whoever holds a message may say no to more of its kind; nobody can say yes by it. It came to an address, and whoever
reads there says no for it: the no is recorded for everybody who is written to there, and shows none of them. What was
just said may be taken back by the browser that said it (`app.undoing`).
Source: RFC 8058; RFC 2369; GDPR Art. 7(3), 21(2)-(5); CPCE art. L34-5; CASL s. 11.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from pacte.app import links
from pacte.app.choose import Choice
from pacte.app.commits import First
from pacte.app.committer import Change, Moment
from pacte.app.committer import Recorded as Written
from pacte.app.contact import FIELDS
from pacte.app.letters import address
from pacte.app.links import Sealer
from pacte.app.overview import ASKED, OBJECTABLE, Switch, standing_at
from pacte.app.people import is_here
from pacte.app.policies import published
from pacte.consent.choices import PROTECTIVE, build_choice
from pacte.kernel.errors import BadInput
from pacte.kernel.ids import SubjectId, parse_subject_id
from pacte.kernel.instant import DAY, SECOND, Instant
from pacte.kernel.jobs import Job
from pacte.ledger import browse, log, queries
from pacte.policy.model import PolicyFile, Purpose
from pacte.vault import index as vault_index

if TYPE_CHECKING:
    from pacte.app.house import House

LINK, LASTS = "unsubscribe", 1_827 * DAY
"""The kind of link that a message ends with, and how long it works, in microseconds: five years."""
UNDO_LASTS = 1_800 * SECOND
"""How long the browser that said no may take it back, in microseconds: half an hour."""
BY_LINK, BY_REPLY, BY_COMPLAINT, BY_UNDO = "message_link", "message_reply", "complaint", "undo"
"""How it was said: by the link of a message, in answer to one, to a mail service, by taking back what was just said."""
ANSWERS = frozenset({BY_LINK, BY_REPLY, BY_COMPLAINT})
"""How a message is answered with a no."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a link is about: a person, and the purpose, channel and campaign of the message that it came with.

    `to` is the blind value of the address that the message went to, in hexadecimal; empty where it names none.
    """

    subject: SubjectId
    purpose: str
    channel: str
    campaign: str
    to: str = ""


def link(
    house: House,
    subject: SubjectId,
    purpose: str,
    channel: str,
    campaign: str,
    lang: str,
    sealer: Sealer | None = None,
    to: bytes = b"",
) -> str:
    """The address that ends messages of this kind: a page to a GET, a no to a POST (RFC 8058), for five years.

    Whoever makes many of them passes the `sealer`; `to` is the blind value of the address that the message goes to.
    """
    return address(house, lang, f"u/{token(house, Asked(subject, purpose, channel, campaign, to.hex()), sealer)}")


def token(house: House, asked: Asked, sealer: Sealer | None = None) -> str:
    """The sealed part of such an address."""
    payload = {
        "subject": asked.subject,
        "purpose": asked.purpose,
        "channel": asked.channel,
        "campaign": asked.campaign,
        **({"to": asked.to} if asked.to else {}),
    }
    return (sealer or Sealer.of(house)).lasting(LINK, payload, LASTS)


def opened(house: House, said: str) -> Asked:
    """What a link is about; raises `Forged`, and `Expired` after five years."""
    found = links.opened(house, LINK, said)
    subject, to = parse_subject_id(found["subject"]), str(found.payload.get("to", ""))
    return Asked(subject, found["purpose"], found["channel"], found["campaign"], to)


def reaching(policy: PolicyFile) -> dict[str, Purpose]:
    """The purposes by which people are written to or called, and to which they may say no."""
    return {
        name: purpose
        for name, purpose in policy.purposes.items()
        if purpose.basis in ASKED | OBJECTABLE and purpose.channels
    }


@dataclass(frozen=True, slots=True)
class Ended:
    """What was recorded: the entries of a no, and those of them that took something away, which an undo restores.

    Both are empty where nothing was left to end: it was said before, or nothing is held of the person any more.
    """

    entries: tuple[int, ...] = ()
    ending: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """The verb: these people get no more of a purpose by a channel (`""`: by any), or of anything (no `purpose`).

    Without a purpose a channel ends everything that comes by it. Said twice it is recorded once.
    """

    persons: tuple[SubjectId, ...]
    purpose: str
    channel: str
    method: str = BY_LINK
    by: str = "person"
    key: str = ""
    own: tuple[int, ...] = ()
    """Entries of noes that whoever says this may take back: to say them again is nobody else's word."""

    @property
    def ends(self) -> bool:
        """It waits until no message to these people is on its way; see `app.inflight`."""
        return True

    def change(self, moment: Moment) -> Change[Ended]:
        """A no for every switch that is on, and for what the link names in any case; who is not here has ended it."""
        entries: list[Mapping[str, Any]] = []
        jobs: list[Job] = []
        ending: list[int] = []
        noes = (no for subject in self.persons if moment.here(subject) for no in self._noes(moment, subject))
        for no, was_on in noes:
            jobs += [one._replace(entry=len(entries) + (one.entry or 0)) for one in no.jobs]
            ending += [len(entries)] if was_on else []
            entries += no.entries
        again = [one for subject in self.persons if moment.here(subject) for one in self._again(moment, subject)]
        return Change(
            lambda written: _ended(written, len(entries), ending),
            entries,
            jobs,
            also=(lambda conn, _: keep(conn, again, moment.present)) if again else None,
        )

    def again(self, moment: Moment, first: First) -> Ended:  # noqa: ARG002 # part of the protocol
        """It has no key: to say it again is to find that it was said."""
        raise BadInput("an unsubscription has no key")

    def _noes(self, moment: Moment, subject: SubjectId) -> Iterator[tuple[Change[Any], bool]]:
        policy = moment.policy.document
        for name in [self.purpose] if self.purpose else reaching(policy):
            purpose = policy.purposes.get(name)
            asked = switches(moment, subject, name, self.channel) if purpose else ()
            on = [one for one in asked if one.on]
            unsaid = [one for one in asked if not one.on and not _refused(one)]
            for switch in on:
                yield self._no(moment, subject, switch.acts[0], name, switch.channel, switch.recipient), True
            if not self.purpose or (asked and not unsaid):
                continue
            if on:
                for switch in unsaid:
                    yield self._no(moment, subject, switch.acts[0], name, switch.channel, switch.recipient), False
            elif asked:
                channel = self.channel if any(one.channel for one in asked) else ""
                yield self._no(moment, subject, asked[0].acts[0], name, channel, ""), False
            elif not self._said(moment, subject, name):
                yield self._beyond(moment, subject, name), False

    def _again(self, moment: Moment, subject: SubjectId) -> Iterator[int]:
        """The entries of noes that stand already: said again, they are no longer only those of who said them first."""
        policy = moment.policy.document
        for name in [self.purpose] if self.purpose else reaching(policy):
            asked = switches(moment, subject, name, self.channel) if name in policy.purposes else ()
            yield from (one.entry for one in asked if not one.on and one.entry >= 0 and one.entry not in self.own)

    def _no(
        self, moment: Moment, subject: SubjectId, act: str, purpose: str, channel: str, recipient: str
    ) -> Change[Any]:
        details = {"method": self.method, "channel": channel or None, "recipient": recipient or None}
        return Choice(subject, purpose, act, self.by, details).change(moment)

    def _beyond(self, moment: Moment, subject: SubjectId, name: str) -> Change[Any]:
        """The no to what the policy does not ask about, or not any more: it counts as soon as it would again."""
        standing: Mapping[str, Any] = moment.policy.document.controller.standing
        entry = build_choice(
            subject=subject, purpose=name, act="objected", method=self.method, grade="none", now=moment.present,
            effective=moment.present, by=self.by, channel=self.channel, **standing,
        )  # fmt: skip
        return Change(lambda _: None, [entry])

    def _said(self, moment: Moment, subject: SubjectId, name: str) -> bool:
        """Whether a no to what the policy does not ask about is the last word already."""
        said = False
        for _, entry in queries.about_of_kind(moment.conn, subject, "choice"):
            if entry["purpose"] == name and entry.get("channel", "") in ("", self.channel):
                said = entry["act"] in PROTECTIVE
        return said


def unsubscribe(
    house: House, asked: Asked, *, everywhere: bool = False, purpose: str = "", own: tuple[int, ...] = ()
) -> Ended:
    """Record the no of a link: to what it names, to a whole `purpose`, or `everywhere`; durable when it returns.

    `own` are entries that the browser which says it may take back.
    """
    with house.reading() as conn:
        people = behind(conn, house, asked)
    if everywhere:
        return house.commit(Unsubscribe(people, "", "", own=own))
    if purpose:
        return house.commit(Unsubscribe(people, purpose, "", own=own))
    return house.commit(Unsubscribe(people, asked.purpose, asked.channel, own=own))


def behind(conn: Connection, house: House, asked: Asked) -> tuple[SubjectId, ...]:
    """Whom a no to a message is recorded for: its reader, and everybody whom the address leads to that it went to.

    Not whom the reader's address of today leads to: that may be anybody's whom they name. Of a message without an
    address that the house looks people up by, such as a letter, only the reader.
    """
    if not asked.to or asked.channel not in FIELDS:
        return (asked.subject,)
    others = vault_index.having(conn, house.keys, FIELDS[asked.channel], bytes.fromhex(asked.to))
    return (asked.subject, *(one for one in others if one != asked.subject))


def said_again(house: House, entry: int) -> None:
    """A no that stands was said once more, by its person: whoever said it first by a link can take it back no more."""
    with house.reading() as conn:
        no, now = log.entry(conn, entry), house.present(conn)
    if no is not None and no.get("method") == BY_LINK and int(str(no["at"])) > now - UNDO_LASTS:
        with house.writing() as conn:
            keep(conn, [entry], now)


def keep(conn: Connection, noes: Iterable[int], now: Instant) -> None:
    """Let nobody take these noes back by the word that they got for them."""
    for entry in noes:
        links.once(conn, _kept(entry), Instant(now + UNDO_LASTS))


def is_kept(conn: Connection, no: int) -> bool:
    """Whether a no was said again, so that a browser's word takes it back no more."""
    return links.was_spent(conn, _kept(no))


def _kept(entry: int) -> str:
    return f"said-again:{entry}"


def is_on(house: House, asked: Asked) -> bool:
    """Whether the reader's word still allows such messages; of somebody erased, or unknown, nothing is left of it."""
    with house.reading() as conn:
        now = house.present(conn)
        policy = published(conn, now)
        if asked.purpose not in policy.document.purposes or not is_here(conn, asked.subject):
            return False
        found = standing_at(conn, asked.subject, policy, asked.purpose, now)
    return any(one.on for one in found if one.channel in ("", asked.channel))


def heard(conn: Connection, purpose: str, channel: str, since: Instant) -> set[SubjectId]:
    """Who answered messages of a purpose and a channel with a no since an instant, by a link, a reply or a complaint.

    For the house's own counting, which shows nobody; whoever took it back is not among them.
    """
    start, stop = queries.size_at(conn, Instant(since - 1)), log.head(conn).size
    last: dict[SubjectId, str] = {}
    for _, _, entry in browse.newest(conn, start, stop, ["choice"]):
        if entry is not None and (entry["purpose"], entry.get("channel", channel)) == (purpose, channel):
            last.setdefault(SubjectId(entry["subject"]), entry["method"])
    return {subject for subject, method in last.items() if method in ANSWERS}


def switches(moment: Moment, subject: SubjectId, name: str, channel: str) -> tuple[Switch, ...]:
    """What a person decides of a purpose by a channel (`""`: by any), at the head."""
    found = standing_at(moment.conn, subject, moment.policy, name, moment.present)
    return tuple(one for one in found if not channel or one.channel in ("", channel))


def _refused(switch: Switch) -> bool:
    """Whether the last word about it is a no."""
    return switch.decision.cited is not None and switch.decision.cited.status in PROTECTIVE


def _ended(written: Written, count: int, ending: Iterable[int]) -> Ended:
    return Ended(tuple(range(written.first, written.first + count)), tuple(written.first + one for one in ending))
