"""What holds for one person now, purpose by purpose: for what, on which ground, since when, what they may change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from pacte.app.choose import published
from pacte.gate import one
from pacte.gate.questions import needed
from pacte.gate.values import Decision, Question
from pacte.kernel.errors import BadInput
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import Instant
from pacte.ledger import log
from pacte.policy.compile import Compiled
from pacte.policy.model import Notice, PolicyFile, Purpose
from pacte.policy.table import PurposeRules

if TYPE_CHECKING:
    from pacte.app.house import House

ASKED = frozenset({"consent"})
"""Legal bases that need a yes. Source: GDPR Art. 6(1)(a)."""
OBJECTABLE = frozenset({"legitimate_interests", "public_task"})
"""Legal bases that a person may object to. Source: GDPR Art. 21(1)-(2)."""


@dataclass(frozen=True, slots=True)
class Switch:
    """One thing that a person decides: a purpose, by one channel, for one recipient, where the purpose has several.

    `on` is whether the person's word allows it; `decision` whether the gate would, and why. `entry` is the ledger index
    of the word that counts, -1 where the person has said nothing. `acts` are what turns it off and on.
    """

    purpose: str
    channel: str
    recipient: str
    on: bool
    decision: Decision
    acts: tuple[str, str]

    @property
    def entry(self) -> int:
        """Where the word that counts stands in the ledger; -1 where nothing was said."""
        return self.decision.cited.entry if self.decision.cited else -1

    @property
    def name(self) -> str:
        """Its name on a page."""
        return "-".join(part for part in (self.purpose, self.channel, self.recipient) if part)


@dataclass(frozen=True, slots=True)
class Standing:
    """One purpose as it stands for a person. Without switches nobody is asked: `decision` says what holds."""

    name: str
    purpose: Purpose
    switches: tuple[Switch, ...]
    decision: Decision
    notice_name: str | None
    notice: Notice | None
    """The newest text in the reader's language that tells of this purpose."""


def overview(house: House, subject: SubjectId, lang: str, only: str = "") -> list[Standing]:
    """Every purpose of the policy in force for one person, or `only` one; those that ask for a choice first."""
    with house.reading() as conn:
        now, size = house.present(conn), log.head(conn).size
        compiled = published(conn, now)
        policy = compiled.document

        ask = partial(_ask, conn, subject, now, size)
        found = []
        for name, purpose in policy.purposes.items():
            if only not in ("", name):
                continue
            rules, notice = compiled.table.purposes[name], told_by(policy, name, lang, now)
            text = policy.notices[notice] if notice else None
            switches = switches_of(name, purpose, rules, ask)
            decision = switches[0].decision if switches else _anywhere(ask, name, rules)
            found.append(Standing(name, purpose, switches, decision, notice, text))
    return sorted(found, key=lambda one: (not one.switches, one.purpose.basis not in ASKED))


def switches_of(name: str, purpose: Purpose, rules: PurposeRules, ask: Callable[..., Decision]) -> tuple[Switch, ...]:
    """What a person decides of one purpose, as it stands; `ask` answers for a purpose, a channel and a recipient."""
    places = list(_places(name, purpose, rules)) if purpose.basis in ASKED | OBJECTABLE else []
    return tuple(_switch(purpose, decision.question, decision) for decision in (ask(name, *place) for place in places))


def standing_at(
    conn: Connection, subject: SubjectId, compiled: Compiled, name: str, now: Instant
) -> tuple[Switch, ...]:
    """The switches of one purpose that a policy declares, in a transaction of the caller's, at the ledger's head."""
    ask = partial(_ask, conn, subject, now, log.head(conn).size)
    return switches_of(name, compiled.document.purposes[name], compiled.table.purposes[name], ask)


def told_by(policy: PolicyFile, purpose: str, lang: str, now: int) -> str | None:
    """The name of the newest notice in force that tells of a purpose: in the reader's language, else in another."""
    telling = {n: one for n, one in policy.notices.items() if purpose in one.tells and one.effective <= now}
    own = {name: one for name, one in telling.items() if one.locale.split("-")[0] == lang}
    return max(own or telling, key=lambda name: telling[name].effective, default=None)


def acts_of(purpose: Purpose) -> tuple[str, str]:
    """What turns a purpose off and on; raises `BadInput` for one that nobody is asked about."""
    if purpose.basis in ASKED:
        return "withdrawn", "given"
    if purpose.basis in OBJECTABLE:
        return "objected", "objection_lifted"
    raise BadInput("nobody is asked about this purpose: it rests on a contract or on a duty")


def _ask(
    conn: Connection, subject: SubjectId, now: Instant, size: int, name: str, channel: str = "", recipient: str = ""
) -> Decision:
    return one.may(conn, subject, Question(name, now, size, (), channel, recipient))


def _places(name: str, purpose: Purpose, rules: PurposeRules) -> Iterator[tuple[str, str]]:
    """The channels and recipients that a person chooses apart."""
    wanted = {what for what, _, _ in needed(rules, Question(name, Instant(0), 0))}
    channels = purpose.channels if "channel" in wanted else ("",)
    recipients = purpose.recipients if "recipient" in wanted else ("",)
    yield from ((channel, recipient) for channel in channels for recipient in recipients)


def _switch(purpose: Purpose, asked: Question, decision: Decision) -> Switch:
    status = decision.cited.status if decision.cited else "none"
    on = status == "given" if purpose.basis in ASKED else status not in ("objected", "refused", "withdrawn")
    ended = purpose.basis in ASKED and decision.reason.code == "expired"
    return Switch(asked.purpose, asked.channel, asked.recipient, on and not ended, decision, acts_of(purpose))


def _anywhere(ask: Callable[..., Decision], name: str, rules: PurposeRules) -> Decision:
    channel = rules.channels[0] if rules.channels else ""
    recipient = rules.recipients[0] if rules.by_recipient and rules.recipients else ""
    return ask(name, channel, recipient)
