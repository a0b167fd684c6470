"""Tell other systems what happened: a signed message to each receiver that the settings declare, one job each.

A message names a purpose, the ledger entry and a pseudonym that is this receiver's alone; never who somebody is. It is
committed as a job together with what it tells of, tried again while the receiver is down, and after three days it is
*dead*: it stays in sight until somebody sends it again. A receiver that fails rests, so that it holds up nobody else.
Messages may come twice and in any order; `webhook-id` and `entry` tell.
Source: Standard Webhooks 1.0 (standardwebhooks.com).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import Connection

from pacte.app import posting
from pacte.app.ask import ACCOUNTABILITY
from pacte.app.jobs import Later, Waiting
from pacte.app.people import people_of_all
from pacte.app.receivers import DEAD, GIVEN_UP, GONE, LATE, SEND, named, note, state_of
from pacte.app.settings import WebhookSettings
from pacte.consent import state
from pacte.consent.choices import PROTECTIVE
from pacte.gate import rules as stored
from pacte.kernel import jobs
from pacte.kernel.errors import BadInput
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import SECOND, Instant, to_iso
from pacte.kernel.jobs import Job
from pacte.keys.pseudonym import pseudonym
from pacte.ledger import log

if TYPE_CHECKING:
    from pacte.app.house import House


def announce(conn: Connection, house: House, entries: Iterable[tuple[int, Mapping[str, Any]]]) -> None:
    """Ask for a message about each of these new entries to everybody who wants it, in the transaction that adds them.

    By the clock as it is: after a jump ahead the ledger's time may lie years off.
    """
    now = house.clock()
    rows = [
        jobs.row_of(Job(SEND, now, None, index, receiver.name, Instant(now + LATE)))
        for index, entry in entries
        for receiver in house.settings.webhooks
        if wants(receiver, entry)
    ]
    if rows:
        jobs.add_new(conn, rows)


def wants(receiver: WebhookSettings, entry: Mapping[str, Any]) -> bool:
    """Whether a receiver is told of an entry: by its event, and by the purposes that the entry is about."""
    event = event_of(entry)
    if event is None or event not in receiver.events:
        return False
    about = _purposes(entry)
    return not receiver.purposes or about is None or bool(about & set(receiver.purposes))


def event_of(entry: Mapping[str, Any]) -> str | None:
    """The event that an entry is; `None` for one that nobody is told of."""
    kind = entry["kind"]
    if kind == "choice":
        return "choice.withdrawn" if entry["act"] in PROTECTIVE else "choice.recorded"
    if kind == "erasure":
        return {"restricted": "erasure.begun", "done": "erasure.done"}.get(entry["step"])
    return {"stop": "stop.begun", "stop_lifted": "stop.lifted", "notice": "notice.published"}.get(kind)


def send(house: House, job: Job, now: Instant) -> Waiting | Later | None:
    """Do a job of `announce`: `None` when the message was taken, or nothing is left to tell.

    One that was not taken goes out again when its receiver has rested; one that is dead waits for somebody.
    """
    receiver = next((one for one in house.settings.webhooks if one.name == job.target), None)
    with house.reading() as conn:
        entry = log.entry(conn, int(job.entry or 0))
        resting = state_of(conn, str(job.target))
    if receiver is None:
        return Waiting("no_receiver")
    if entry is None:  # redacted since: nothing is left to tell
        return None
    if job.error in (DEAD, GONE):
        return Waiting(job.error)
    if resting.rest_until > now:
        return Later(Instant(resting.rest_until))
    body = payload(house, receiver, int(job.entry or 0), entry)
    try:
        status = posting.post(receiver, body, headers(house, receiver, identifier(house, job), now, body), house.path)
        if not 200 <= status < 300:
            raise posting.Refused(status)
    except posting.Failed as failed:
        rested = note(house, receiver.name, failed.code)
        if isinstance(failed, posting.Refused) and failed.status == 410:
            return Waiting(GONE)
        if now >= (job.deadline or now) - LATE + GIVEN_UP:
            return Waiting(DEAD)
        return Later(rested, failed.code)
    note(house, receiver.name, "")
    return None


def payload(house: House, receiver: WebhookSettings, index: int, entry: Mapping[str, Any]) -> bytes:
    """The message about an entry: what happened, for which purpose, where it stands, and whom it is about, to them."""
    data: dict[str, Any] = {"entry": index}
    purpose = entry.get("purpose", entry.get("scope"))
    data |= {name: entry[name] for name in ("act", "channel", "recipient") if name in entry}
    data |= {"purpose": purpose} if purpose else {}
    if entry["kind"] == "notice":
        data |= {"notice": entry["notice"], "purposes": sorted(entry["purposes"])}
    if "subject" in entry:
        data["subject"] = name_of(house, receiver, SubjectId(entry["subject"]))
    said = {"type": event_of(entry), "timestamp": to_iso(entry["at"]), "data": data}
    return json.dumps(said, separators=(",", ":"), sort_keys=True).encode()


def name_of(house: House, receiver: WebhookSettings, subject: SubjectId) -> str:
    """The pseudonym under which a receiver hears of a person: the same each time, and another for everybody else."""
    return pseudonym(house.keys.house_key(f"pseudonym:webhook:{receiver.name}"), subject)


def headers(house: House, receiver: WebhookSettings, name: str, now: Instant, body: bytes) -> dict[str, str]:
    """The headers that say which message it is, of when, and that it is ours."""
    stamp = str(now // SECOND)
    said = b".".join((name.encode(), stamp.encode(), body))
    if receiver.signature == "v1a":
        signed = _private(house, receiver).sign(said)
    else:
        signed = hmac.digest(_shared(house, receiver), said, "sha256")
    return {
        "webhook-id": name,
        "webhook-timestamp": stamp,
        "webhook-signature": f"{receiver.signature},{base64.b64encode(signed).decode()}",
    }


def identifier(house: House, job: Job) -> str:
    """The name of a message: the same each time it is sent."""
    named = f"{house.signer.name}|{job.entry}|{job.target}"
    return f"msg_{hashlib.sha256(named.encode()).hexdigest()[:32]}"


def secret(house: House, name: str) -> str:
    """What a receiver checks signatures with: a shared secret (`whsec_…`, kept secret) or a public key (`whpk_…`)."""
    receiver = named(house, name)
    if receiver.signature == "v1a":
        public = _private(house, receiver).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return f"whpk_{base64.b64encode(public).decode()}"
    return f"whsec_{base64.b64encode(_shared(house, receiver)).decode()}"


def pseudonyms(house: House, receiver: WebhookSettings, people: Sequence[str], by: str) -> list[str | None]:
    """Under which name a receiver hears of each of these people; `None` for nobody known, or for several.

    It says that they are known here, so it is a look at each of them, and is recorded first.
    """
    with house.writing() as conn:
        behind = people_of_all(house, conn, people)
        alone = {one: found[0] for one, found in behind.items() if not isinstance(found, BadInput) and len(found) == 1}
        known = {subject for subject, one in state.look_up(conn, set(alone.values())).items() if one.known}
        look = {"kind": "look", "purpose": ACCOUNTABILITY, "reason": "pseudonym", "by": by}
        look |= stored.role(conn, house.present(conn))
        if known:
            house.record(conn, [{**look, "subject": subject} for subject in sorted(known)], house.clock())
    return [name_of(house, receiver, alone[one]) if alone.get(one) in known else None for one in people]


def _purposes(entry: Mapping[str, Any]) -> set[str] | None:
    """The purposes that an entry is about; `None` for one that is about all of them."""
    if entry["kind"] == "notice":
        return set(entry["purposes"])
    about = str(entry.get("purpose", entry.get("scope", "*")))
    return None if about == "*" or about.startswith("all:") else {about}


def _shared(house: House, receiver: WebhookSettings) -> bytes:
    return house.keys.house_key(f"webhook:{receiver.name}:{receiver.version}")


def _private(house: House, receiver: WebhookSettings) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(
        house.keys.house_key(f"webhook-ed25519:{receiver.name}:{receiver.version}")
    )
