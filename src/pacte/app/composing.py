"""Messages of a campaign as they leave: each person's own, opened, rendered and signed once they are permitted.

INVARIANT: what is opened is what the person's own recorded use names, and nothing of it is kept. Footer and headers
are the same for every message of a kind: who writes, why, the notice, how to stop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from email.utils import parseaddr
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from pacte.app import message_ids, notices, unsubscribe, why
from pacte.app.letters import address
from pacte.app.links import Sealer
from pacte.app.policies import published
from pacte.app.sms import Text
from pacte.consent import told
from pacte.intake.people import identity_groups
from pacte.kernel.errors import BadInput
from pacte.kernel.i18n import LANGUAGES, text
from pacte.kernel.ids import SubjectId, UseId
from pacte.kernel.redacted import Redacted
from pacte.lake import numbers
from pacte.ledger import log
from pacte.policy.compile import Compiled
from pacte.policy.model import PolicyFile
from pacte.uses.message import mime
from pacte.uses.message.mime import Envelope, build
from pacte.uses.message.model import Message, placeholders
from pacte.uses.message.render import Frame, render
from pacte.vault import index, sealed

if TYPE_CHECKING:
    from pacte.app.campaigns import Campaign
    from pacte.app.house import House
    from pacte.app.recipients import Row
    from pacte.gate.permit import Permit
    from pacte.uses.message.dkim import Signer

ADDRESS = {"email": "email", "sms": "phone", "phone": "phone"}
"""By channel: the identity that a message by it is addressed to."""
SMS = "sms"
NO_ADDRESS = "no_address"


@dataclass(frozen=True, slots=True)
class Ready:
    """One message, ready to be handed over: its name, from and to whom on the envelope, and its bytes.

    A text message has no sender here, and is packed for its service. `made_of` is the state of the person's data that
    it was made of, see `Writer.holds_for`.
    """

    name: str
    sender: str
    to: Redacted[str]
    body: bytes = field(repr=False)
    made_of: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class Writer:
    """Whoever writes the messages of one campaign, with all that is the same in each of them."""

    house: House
    campaign: Campaign
    message: Message
    signer: Signer | None = None

    def holds(self) -> bool:
        """Whether the policy that these messages are written under is in force still."""
        with self.house.reading() as conn:
            return published(conn, self.house.present(conn)).policy_digest == self._compiled.policy_digest

    @property
    def policy(self) -> PolicyFile:
        """The policy that these messages are written under."""
        return self._compiled.document

    @cached_property
    def _compiled(self) -> Compiled:
        with self.house.reading() as conn:
            return published(conn, self.house.present(conn))

    @cached_property
    def addressed(self) -> tuple[str, ...]:
        """The fields that hold an address for the channel, of those that the purpose declares."""
        kind = ADDRESS[self.campaign.channel]
        declared = self.policy.purposes[self.campaign.purpose].uses
        datasets = self.policy.datasets
        fields = ((path, *path.partition(".")[::2]) for path in declared)
        return tuple(path for path, name, column in fields if datasets[name].fields.get(column, _NONE).identity == kind)

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """Every field that a message opens: addresses, and what the text prints."""
        return tuple(sorted({*self.addressed, *placeholders(self.message)}))

    @cached_property
    def _groups(self) -> Mapping[str, str]:
        return {path: group for path, group in identity_groups(self.policy.datasets).items() if path in self.fields}

    @cached_property
    def _frames(self) -> dict[str, tuple[str, str, str]]:
        """By language: the company, the sentence that says why, the address of the notice."""
        purpose = self.policy.purposes[self.campaign.purpose]
        found = {}
        for lang in LANGUAGES:
            notice = notices.current(self.house, lang)
            path = f"notice/{notice.name}" if notice else "notice"
            title = purpose.title.get(lang) or next(iter(purpose.title.values()))
            reason = text("app", f"campaign.why.{purpose.basis}", lang, purpose=title)
            found[lang] = (self.policy.controller.name, reason, address(self.house, lang, path))
        return found

    def write(self, permits: Mapping[Row, Permit]) -> dict[Row, Ready | str]:
        """A message for each of these people, or why there is none.

        Raises `BadInput` where none can be made, for what the settings or the policy say; never for a person's values.
        """
        by_subject = {row.subject: permit for row, permit in permits.items()}
        with self.house.reading() as conn:
            now = self.house.present(conn)
            opened = sealed.get_each(conn, self.house.keys, by_subject, self._sealed, now, self._groups.keys())
            languages = self._languages(conn, list(by_subject))
            states = sealed.prints(conn, self._sealed, list(by_subject))
        sealer, blind = Sealer.of(self.house), self._blind()
        made = {
            row: self._one(row, permit, opened.get(row.subject), languages, (sealer, blind))
            for row, permit in permits.items()
        }
        return {
            row: one if isinstance(one, str) else replace(one, made_of=states.get(row.subject, b""))
            for row, one in made.items()
        }

    def holds_for(self, conn: Connection, subject: SubjectId, message: Ready) -> bool:
        """Whether what a message was made of is still what is kept: an address may have been corrected since."""
        return sealed.prints(conn, self._sealed, [subject]).get(subject, b"") == message.made_of

    @cached_property
    def _sealed(self) -> frozenset[str]:
        """The groups in which what a message opens is sealed."""
        return frozenset(self._groups.values())

    def _one(
        self,
        row: Row,
        permit: Permit,
        opened: Redacted[dict[str, Any]] | None,
        languages: Mapping[SubjectId, str],
        links: tuple[Sealer, Callable[[str], bytes]],
    ) -> Ready | str:
        values = opened.reveal() if opened is not None else {}
        to = self._to(values)
        if not to:
            return NO_ADDRESS
        lang = languages.get(row.subject, "")
        lang = lang if lang in self.message.texts else self._language
        frame = self._frame(row, permit, lang, links[0], links[1](to))
        shown = {name: Redacted(value) for name, value in values.items()}
        return self._enveloped(row, lang, to, render(self.message, lang, shown, frame), frame)

    def _to(self, values: Mapping[str, Any]) -> str:
        """The address that a message goes to, empty where there is none that one can be sent to."""
        found = next((str(values[name]) for name in self.addressed if values.get(name)), "")
        try:
            return found if self.campaign.channel == SMS or not found else mime.address(found)
        except BadInput:
            return ""

    def _blind(self) -> Callable[[str], bytes]:
        """What makes the blind value of an address of this channel, as the vault's index has it."""
        return index.blinder(self.house.keys, ADDRESS[self.campaign.channel], self.house.settings.region)

    def _frame(self, row: Row, permit: Permit, lang: str, sealer: Sealer, to: bytes) -> Frame:
        company, reason, notice = self._frames[lang]
        one = self.campaign
        stop = unsubscribe.link(self.house, row.subject, one.purpose, one.channel, one.id, lang, sealer, to)
        asked = why.link(self.house, UseId(permit.use), lang, self._why)
        ending = stop if one.kind == "promotion" else ""
        postal = self.policy.controller.postal or "" if one.kind == "promotion" else ""
        return Frame(company, self.policy.controller.contact, reason, asked, notice, ending, "", postal)

    def _enveloped(self, row: Row, lang: str, to: str, rendered: Any, frame: Frame) -> Ready:
        name = message_ids.name(self._key, self.campaign.id, row.place, row.subject)
        if self.campaign.channel == SMS:
            return Ready(name, "", Redacted(to), Text(Redacted(to), rendered.text, name).packed())
        sender, domain = self.house.settings.mail.sender, self._from.rpartition("@")[2]
        envelope = Envelope(
            sender,
            Redacted(to),
            f"<{name}@{domain}>",
            self.house.clock(),
            unsubscribe=frame.unsubscribe_link,
            list_id=f"{self.campaign.purpose.replace('_', '-')}.{domain}",
            feedback=self.campaign.id[:16],
            complaints=self.house.settings.mail.complaints,
        )
        body = build(rendered, lang, envelope)
        signed = body if self.signer is None else self.signer.sign(body)
        return Ready(name, self._return_path(name), Redacted(to), signed)

    def _return_path(self, name: str) -> str:
        """Where the server of the recipient sends what it could not deliver; it names the message."""
        mail = self.house.settings.mail
        local, _, domain = mail.bounces.rpartition("@")
        return f"{local}+{name}@{domain}" if local else self._from

    @cached_property
    def _from(self) -> str:
        """The address that messages come from."""
        return parseaddr(self.house.settings.mail.sender)[1]

    @cached_property
    def _why(self) -> bytes:
        return why.key(self.house)

    @cached_property
    def _key(self) -> bytes:
        return message_ids.key(self.house)

    @cached_property
    def _language(self) -> str:
        chosen = self.house.settings.language
        return chosen if chosen in self.message.texts else next(iter(self.message.texts))

    def _languages(self, conn: Connection, people: Sequence[SubjectId]) -> dict[SubjectId, str]:
        """The language of the last notice that each of them was told of."""
        nos = numbers.numbers(conn, people)
        known = told.told_since(conn, list(nos.values()), self.house.present(conn), log.head(conn).size)
        found = {}
        for subject, no in nos.items():
            heard = known.get(no, {})
            last = max(heard, key=lambda digest: heard[digest], default="")
            found[subject] = self._locales.get(last, "")
        return found

    @cached_property
    def _locales(self) -> dict[str, str]:
        """By digest of a notice: its language."""
        with self.house.reading() as conn:
            entries = log.of_kind(conn, "notice")
        return {str(entry["notice"]): str(entry["locale"]).partition("-")[0] for _, entry in entries}


class _None:
    identity = None


_NONE: Any = _None()
