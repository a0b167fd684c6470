"""The house to programs: its ledger's checkpoint, what a key may do, and the receivers of its messages."""

from __future__ import annotations

from pacte.app import receivers, webhooks
from pacte.app.apikeys import EVERY
from pacte.app.reading import published
from pacte.kernel.instant import to_iso
from pacte.web.api.calls import Call, operation
from pacte.web.api.models import (
    Checkpoint,
    DeadMessage,
    DeadMessages,
    KeyFacts,
    Pseudonyms,
    ReceiverOf,
    Receivers,
    Resend,
    Resent,
    WhosePseudonyms,
    shown,
)
from pacte.web.api.problems import Refused


@operation("GET", "/ledger/checkpoint", scope=None, gives=Checkpoint)
def read_checkpoint(call: Call) -> Checkpoint:
    """The signed checkpoint of the ledger at the last full hour; public, as the key that it is checked with."""
    head = published(call.house)
    return Checkpoint(
        origin=call.house.signer.name,
        size=head.size,
        at=to_iso(head.time),
        checkpoint=head.checkpoint,
        vkey=call.house.vkey,
    )


@operation("GET", "/key", scope="", gives=KeyFacts)
def read_key(call: Call) -> KeyFacts:
    """What the key of this call may do."""
    key = call.key
    return KeyFacts(
        key=key.id, label=key.label, scopes=key.scopes, purposes=key.bound, rate=key.rate, expires=shown(key.expires)
    )


@operation("GET", "/webhooks", scope="webhooks:manage", gives=Receivers)
def read_webhooks(call: Call) -> Receivers:
    """Every receiver of messages that the settings declare and that the key is bound to, and how it fares."""
    return Receivers(
        webhooks=tuple(
            ReceiverOf(
                name=one.name,
                events=one.settings.events,
                purposes=one.settings.purposes,
                signature=one.settings.signature,
                waiting=one.waiting,
                dead=one.dead,
                failures=one.failures,
                last_answer=shown(one.last_answer),
                last_failure=shown(one.last_failure),
                error=one.error or None,
            )
            for one in receivers.declared(call.house)
            if call.key.hears(one.name)
        )
    )


@operation("GET", "/webhooks/dead", scope="webhooks:manage", gives=DeadMessages)
def read_dead(call: Call) -> DeadMessages:
    """Messages that nobody took for three days, oldest first, at most a thousand."""
    return DeadMessages(
        dead=tuple(
            DeadMessage(
                webhook=str(job.target),
                entry=int(job.entry or 0),
                id=webhooks.identifier(call.house, job),
                error=str(job.error),
                since=to_iso((job.deadline or job.due) - receivers.LATE),
            )
            for job in receivers.dead(call.house)
            if call.key.hears(str(job.target))
        )
    )


@operation("POST", "/webhooks/dead/resend", scope="webhooks:manage", takes=Resend, gives=Resent, may=("not_found",))
def resend_dead(call: Call) -> Resent:
    """Send dead messages again: of one receiver or all, some or all of them."""
    if call.body.webhook:
        call.refuse_deaf(call.body.webhook)
    elif EVERY not in call.key.bound:
        raise Refused("scope", "the key is bound to receivers; name one of them in `webhook`")
    return Resent(resent=receivers.resend(call.house, call.body.webhook or "", call.body.entries))


@operation(
    "POST",
    "/webhooks/pseudonyms",
    scope="webhooks:manage",
    takes=WhosePseudonyms,
    gives=Pseudonyms,
    many="people",
    may=("not_found",),
)
def read_pseudonyms(call: Call) -> Pseudonyms:
    """Under which name a receiver hears of people whom it knows already: so it can tell whom a message is about."""
    house, body = call.house, call.body
    call.refuse_deaf(body.webhook)
    receiver = receivers.named(house, body.webhook)
    return Pseudonyms(pseudonyms=tuple(webhooks.pseudonyms(house, receiver, body.people, call.key.actor)))
