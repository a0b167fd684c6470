"""What people say, recorded and read: one choice, many of them, and what holds for one person."""

from __future__ import annotations

from typing import Any

from pacte.app.ask import ACCOUNTABILITY
from pacte.app.batch import Choices as Batch
from pacte.app.overview import overview
from pacte.app.prove import known
from pacte.app.receipts import choices_of
from pacte.app.vouched import Told, needs_voucher
from pacte.gate import use
from pacte.kernel import given
from pacte.kernel.instant import to_iso
from pacte.web.api.calls import Call, operation
from pacte.web.api.models import (
    Choice,
    Choices,
    NewChoice,
    NewChoices,
    RecordedChoice,
    RecordedChoices,
    StandingOf,
    WhoseChoices,
)
from pacte.web.api.problems import Refused

VOUCH = "choices:vouch"
_MAY = ("bad_input", "denied", "not_found", "conflict")


@operation(
    "POST", "/choices", scope="choices:write", takes=NewChoice, gives=RecordedChoice, status=201, once=True, may=_MAY
)
def record_choice(call: Call) -> RecordedChoice:
    """Record one choice; answered when it is durable."""
    done = call.house.commit(_verb(call, call.body, call.once, call.said))
    return RecordedChoice(entry=done.index, size=done.size, at=to_iso(done.at), also=len(done.people) - 1)


@operation(
    "POST",
    "/choices/batch",
    scope="choices:write",
    takes=NewChoices,
    gives=RecordedChoices,
    status=201,
    once=True,
    many="choices",
    may=(*_MAY, "faulty"),
)
def record_choices(call: Call) -> RecordedChoices:
    """Record many choices in one commit, all of them or none."""
    verbs = tuple(_verb(call, one) for one in call.body.choices)
    done = call.house.commit(Batch(verbs, call.once, call.said, by_place=True))
    return RecordedChoices(entries=tuple(done.indices), size=done.size, at=to_iso(done.at), also=done.also)


@operation(
    "POST",
    "/choices/read",
    scope="choices:read",
    takes=WhoseChoices,
    gives=Choices,
    may=("bad_input", "not_found", "conflict"),
)
def read_choices(call: Call) -> Choices:
    """What one person said, and what holds now, for the purposes of the key; the look is recorded first."""
    house, key = call.house, call.key
    with house.writing() as conn:
        subject = known(house, conn, call.body.person)
        use.look(conn, subject, ACCOUNTABILITY, "choices", house.clock(), house.signer, key.actor)
    recorded = tuple(
        Choice(entry=index, at=to_iso(entry["at"]), **_facts(entry))
        for index, entry in choices_of(house, subject)
        if key.covers(entry["purpose"])
    )
    standing = tuple(
        StandingOf(
            purpose=one.name,
            basis=one.purpose.basis,
            channel=switch.channel or None,
            recipient=switch.recipient or None,
            allowed=switch.on,
            permitted=switch.decision.permitted,
            reason=switch.decision.reason.code,
            entry=switch.entry if switch.entry >= 0 else None,
        )
        for one in overview(house, subject, call.body.lang)
        if key.covers(one.name)
        for switch in one.switches
    )
    return Choices(choices=recorded, standing=standing)


def _verb(call: Call, body: NewChoice, key: str = "", said: str = "") -> Told:
    call.refuse_foreign(body.purpose)
    given.word(body.person, "person")
    details = body.details()
    if needs_voucher(body.act, details) and VOUCH not in call.key.scopes:
        raise Refused("scope", f"a yes by such a proof, or such a method, needs a key with the scope `{VOUCH}`")
    return Told(body.person, body.purpose, body.act, call.key.actor, details, key, said)


def _facts(entry: dict[str, Any]) -> dict[str, Any]:
    words = ("purpose", "act", "channel", "recipient", "method", "grade", "notice")
    found = {word: entry[word] for word in words if word in entry}
    return found | {word: to_iso(entry[word]) for word in ("effective", "expires") if word in entry}
