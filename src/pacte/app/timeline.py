"""The time-line of one person's choices: everything that they, or a parent for them, ever said, and what it led to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from pacte.app import receipts
from pacte.app.policies import compiled, published
from pacte.gate import one
from pacte.gate import rules as stored
from pacte.gate.questions import needed
from pacte.gate.values import Decision, Question
from pacte.kernel.errors import NotFound
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import DAY, Instant
from pacte.ledger import queries
from pacte.policy.model import PolicyFile

if TYPE_CHECKING:
    from pacte.app.house import House

MOST = 20
"""How many of them one page holds."""


@dataclass(frozen=True, slots=True)
class Said:
    """One thing that was said, or that the person was told (`act` is then `told`).

    `title` is the purpose's as the policy of that day had it; `recipient` a name. `began` is from when it counts,
    where that is another day than it was recorded. `then` is what the gate would have answered right afterwards, once
    for each channel and recipient that it is about; none where it is about many purposes at once.
    """

    index: int
    at: Instant
    act: str
    purpose: str = ""
    title: Mapping[str, str] = field(default_factory=dict)
    channel: str = ""
    recipient: str = ""
    began: Instant | None = None
    expires: Instant | None = None
    voice: str = "self"
    method: str = ""
    own: bool = True
    version: str = ""
    receipt: bool = False
    then: tuple[Decision, ...] = ()

    @property
    def on(self) -> bool | None:
        """Whether data could be used for it from then on; `None` where that is no one answer."""
        return any(decision.permitted for decision in self.then) if self.then else None


def timeline(
    house: House, subject: SubjectId, before: int | None = None, purpose: str = ""
) -> tuple[list[Said], int | None]:
    """The latest of what was said, the latest first, and the index before which there is more.

    `before` asks for what was recorded before that index, `purpose` for one purpose alone.
    """
    with house.reading() as conn:
        known = queries.about_of_kind(conn, subject, "choice", "told")
        asked = [
            (index, entry)
            for index, entry in reversed(known)
            if (before is None or index < before) and purpose in ("", entry.get("purpose"))
        ]
        versions = _versions(published(conn, house.present(conn)).document)
        found = [_said(conn, index, entry, versions) for index, entry in asked[:MOST]]
    return found, found[-1].index if len(asked) > MOST else None


def said_in(house: House, subject: SubjectId, indices: Sequence[int]) -> list[Said]:
    """What was said in some of a person's entries, oldest first; other entries, and other people's, are passed over."""
    with house.reading() as conn:
        versions = _versions(published(conn, house.present(conn)).document)
        known = queries.about_of_kind(conn, subject, "choice", "told")
        return [_said(conn, index, entry, versions) for index, entry in known if index in indices]


def _said(conn: Connection, index: int, entry: Mapping[str, Any], versions: Mapping[str, str]) -> Said:
    at, effective = Instant(entry["at"]), entry.get("effective")
    # What takes effect less than a day from its record needs no day of its own.
    began = Instant(effective) if effective is not None and abs(effective - at) > DAY else None
    if entry["kind"] == "told":
        return Said(index, at, "told", began=began, method=entry["how"], version=versions.get(entry["notice"], ""))
    policy = _policy(conn, index, at)
    name, recipient = str(entry["purpose"]), str(entry.get("recipient", ""))
    purpose = policy.purposes.get(name) if policy else None
    receiver = policy.recipients.get(recipient) if policy and recipient else None
    return Said(
        index,
        at,
        str(entry["act"]),
        name,
        purpose.title if purpose else {},
        str(entry.get("channel", "")),
        receiver.name if receiver else recipient,
        began,
        Instant(entry["expires"]) if "expires" in entry else None,
        str(entry["voice"]),
        str(entry["method"]),
        entry["by"] == "person",
        str(entry.get("notice_version", "")),
        receipts.has_words(conn, index, dict(entry)),
        tuple(_then(conn, index, entry)),
    )


def _then(conn: Connection, index: int, entry: Mapping[str, Any]) -> Sequence[Decision]:
    """What the gate would have answered right after an entry, by what was known with it."""
    at, subject = Instant(entry["at"]), SubjectId(entry["subject"])
    found = stored.load_in_force(conn, at, index + 1)
    rules = None if found is None else found[2].purposes.get(entry["purpose"])
    if found is None or rules is None:
        return []
    wanted = {what: names for what, _, names in needed(rules, Question(entry["purpose"], at, index + 1))}
    channels = [entry["channel"]] if "channel" in entry else wanted.get("channel", ("",))
    recipients = [entry["recipient"]] if "recipient" in entry else wanted.get("recipient", ("",))
    places = [(channel, recipient) for channel in channels for recipient in recipients]
    asked = [Question(entry["purpose"], at, index + 1, (), *place) for place in places]
    return [one.may_under(conn, subject, question, found[2], found[1]) for question in asked]


def _policy(conn: Connection, index: int, at: Instant) -> PolicyFile | None:
    found = stored.present(conn, at, index) or stored.latest(conn)
    try:
        return None if found is None else compiled(conn, found.policy).document
    except NotFound:
        return None


def _versions(policy: PolicyFile) -> dict[str, str]:
    """By digest: what the policy calls the version of a notice."""
    return {notice.digest: notice.version for notice in policy.notices.values()}
