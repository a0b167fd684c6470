"""Use one person's data through the gate: the use is recorded, then what it permits is opened."""

from __future__ import annotations

from fastapi import Response

from pacte.app.answers import Answer
from pacte.app.people import only, people_of
from pacte.app.receipts import choices_of, receipt
from pacte.app.released import release_one
from pacte.gate.values import Decision
from pacte.kernel.errors import NotFound
from pacte.kernel.instant import to_iso
from pacte.web.api.calls import Call, operation
from pacte.web.api.decisions import decision
from pacte.web.api.models import NewUse, ReceiptFile, RecordedUse, WhichReceipt
from pacte.web.api.problems import Refused


@operation(
    "POST",
    "/uses",
    scope="uses:write",
    takes=NewUse,
    gives=RecordedUse,
    status=201,
    once=True,
    may=("bad_input", "denied", "not_found", "conflict"),
)
def use_one(call: Call) -> RecordedUse:
    """Use one person's data; a refusal is a problem that carries the decision, and records nothing."""
    body = call.body
    call.refuse_foreign(body.purpose)
    done = release_one(
        call.house,
        body.person,
        body.purpose,
        fields=body.fields,
        channel=body.channel or "",
        recipient=body.recipient or "",
        by=call.key.actor,
        key=call.once,
        said=call.said,
    )
    if isinstance(done, Decision):
        told = decision(Answer(done), "en").model_dump(mode="json", exclude_none=True)
        raise Refused("denied", "the gate does not permit this use", reason=done.reason.code, decision=told)
    permit = done.permit
    return RecordedUse(
        use=permit.use,
        entry=permit.index,
        purpose=permit.purpose,
        fields=tuple(sorted(permit.fields)),
        expires=to_iso(permit.expires),
        values={name: value.reveal() for name, value in sorted(done.values.items())},  # type: ignore[misc] # scalars
    )


@operation(
    "POST",
    "/receipts",
    scope="receipts:read",
    takes=WhichReceipt,
    gives=ReceiptFile,
    may=("bad_input", "denied", "not_found", "conflict"),
)
def read_receipt(call: Call) -> Response:
    """The receipt of one choice of a person, with its proof; looking is recorded."""
    house, body = call.house, call.body
    with house.reading() as conn:
        subject = only(body.person, people_of(house, conn, body.person))
    wanted = [
        index
        for index, entry in (choices_of(house, subject, body.purpose or "") if subject else [])
        if call.key.covers(entry["purpose"]) and body.entry in (None, index)
    ]
    if subject is None or not wanted:
        raise NotFound("no choice of this person is recorded here for a purpose that the key is bound to")
    found = receipt(house, subject, entry=wanted[-1], lang=body.lang, by=call.key.actor)
    return Response(found.data, media_type="application/json")
