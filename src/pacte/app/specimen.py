"""A message as it would look: with invented values in the place of a person's, shown or sent to the staff alone.

A test reaches the member of staff who asks for it, and the colleagues whom `mail.seeds` names; it opens nobody's data,
and its links lead to pages that do nothing for it. Who reads a test sees by its subject that it is one.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from email.utils import parseaddr
from typing import TYPE_CHECKING, Any

from pacte.app import mail
from pacte.app.composing import Ready
from pacte.app.handing import Door, Unanswered, door
from pacte.app.letters import address
from pacte.app.messages import signer
from pacte.app.policies import document
from pacte.app.staff import Member
from pacte.app.staff_letters import address_of
from pacte.kernel.errors import BadInput, Unsafe
from pacte.kernel.i18n import text
from pacte.kernel.instant import Instant
from pacte.kernel.redacted import Redacted
from pacte.policy.model import DataField, PolicyFile
from pacte.uses.message.checks import TOKEN
from pacte.uses.message.mime import Envelope, build
from pacte.uses.message.model import Message, placeholders
from pacte.uses.message.render import Frame, Rendered, render

if TYPE_CHECKING:
    from pacte.app.house import House

SAMPLE = "sample" * 36
"""What stands in a link in the place of somebody's token, as long as one; where a link is short, its beginning does."""
_INVENTED: Mapping[str, Any] = {
    "name": "Camille",
    "email": "camille@example.com",
    "phone": "+33 1 99 00 00 00",
    "address": "1 rue de l’Exemple",
    "birth_date": date(1990, 5, 3),
    "integer": 3,
    "decimal": Decimal("49.90"),
    "date": date(2026, 5, 3),
    "instant": date(2026, 5, 3),
}


def look(house: House, message: Message, lang: str, *, known: bool = True) -> Rendered:
    """The message as somebody would get it; with `known` false, as somebody of whom no value is known."""
    policy = document(house)
    values = {name: Redacted(_value(policy, name, lang)) for name in placeholders(message)} if known else {}
    return render(message, lang, values, _frame(house, policy, message, lang))


def send(house: House, message: Message, member: Member, now: Instant) -> int:
    """Send a mail in each of its languages to a member of staff and the seeds; answers to how many addresses.

    Raises `BadInput` for another channel, where no mail server is named, or nobody has an address; `Unsafe` where the
    server does not take it.
    """
    settings = house.settings.mail
    if message.channel != "email":
        raise BadInput("a test is sent by e-mail; look at the preview of a message by another channel")
    if not (settings.host or settings.folder):
        raise BadInput("settings.toml: `[mail]` names no mail server yet")
    mail.check(settings)
    own = address_of(member)
    to = list(dict.fromkeys([*([own] if own else []), *(Redacted(seed) for seed in settings.seeds)]))
    if not to:
        raise BadInput("your login is no address, and `mail.seeds` of settings.toml names none: a test reaches nobody")
    way = door(house, message.channel)
    try:
        for lang in sorted(message.texts):
            for ready in _written(house, message, lang, to, now):
                _hand(way, ready)
    finally:
        way.close()
    return len(to)


def _written(house: House, message: Message, lang: str, to: Sequence[Redacted[str]], now: Instant) -> Iterator[Ready]:
    found = look(house, message, lang)
    marked = replace(found, subject=text("app", "specimen.subject", lang, subject=found.subject))
    sender, sign = house.settings.mail.sender, signer(house)
    own = parseaddr(sender)[1]
    for one in to:
        name = f"test.{secrets.token_hex(12)}"
        body = build(marked, lang, Envelope(sender, one, f"<{name}@{own.rpartition('@')[2]}>", now))
        yield Ready(name, own, one, sign.sign(body) if sign else body)


def _hand(way: Door, ready: Ready) -> None:
    try:
        if way.offer(ready) is None and way.hand(ready, _nothing).taken:
            return
    except Unanswered:
        pass
    raise Unsafe("the mail server does not take the test")


def _nothing() -> None:
    """A test is no use of anybody's data: nothing is noted."""


def _frame(house: House, policy: PolicyFile, message: Message, lang: str) -> Frame:
    purpose = policy.purposes.get(message.purpose)
    titles = purpose.title if purpose else {lang: message.purpose}
    said = titles.get(lang) or next(iter(titles.values()))
    basis = purpose.basis if purpose else "consent"
    return Frame(
        policy.controller.name,
        policy.controller.contact,
        text("app", f"campaign.why.{basis}", lang, purpose=said),
        address(house, lang, f"why/{SAMPLE[:TOKEN]}"),
        address(house, lang, "notice"),
        address(house, lang, f"u/{SAMPLE}") if message.kind == "promotion" else "",
        postal=policy.controller.postal or "" if message.kind == "promotion" else "",
    )


def _value(policy: PolicyFile, name: str, lang: str) -> Any:
    """An invented value of a field, by what the field says of itself."""
    dataset, _, column = name.partition(".")
    declared = policy.datasets[dataset].fields.get(column) if dataset in policy.datasets else None
    if declared is None:
        return 3
    return _INVENTED.get(declared.identity or "", _INVENTED.get(declared.type)) or _called(declared, column, lang)


def _called(declared: DataField, column: str, lang: str) -> str:
    return f"[{(declared.title or {}).get(lang, column)}]"
