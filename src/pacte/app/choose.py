"""Record what people say: one commit holds the ledger entry and the state that follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from pacte.app.house import House
from pacte.consent import choices
from pacte.gate import rules as stored
from pacte.kernel.errors import Conflict, Denied, NotFound
from pacte.kernel.ids import SubjectId, is_id, parse_subject_id
from pacte.kernel.instant import Instant
from pacte.ledger import log, queries
from pacte.policy.compile import Compiled, compile_policy
from pacte.policy.document import load_policy_text
from pacte.vault import index as vault_index


@dataclass(frozen=True, slots=True)
class Recorded:
    """Where a choice stands: its ledger index and the size of the ledger that holds it.

    `people` is everybody it was recorded for: several where a no came from an address that they share; `index` and
    `subject` are then the first one's.
    """

    index: int
    size: int
    subject: SubjectId
    at: Instant
    people: tuple[SubjectId, ...] = ()


def subject_of(house: House, conn: Connection, person: str) -> SubjectId | None:
    """The person behind an identifier: a subject id, or `key:…`, `email:…`, `phone:…`; `None` when unknown.

    An identifier without a prefix is an e-mail address when it holds `@`, a phone number when it begins with `+`, and
    the company's own key otherwise. Raises `Conflict` for one that several people share.
    """
    people = people_of(house, conn, person)
    if len(people) > 1:
        kind, _ = _identifier(person)
        raise Conflict(f"{len(people)} people share this `{kind}`; name the person by something they alone have")
    return people[0] if people else None


def people_of(house: House, conn: Connection, person: str) -> list[SubjectId]:
    """Everybody behind an identifier, as `subject_of` reads it: a household may share an address.

    A company's own key is looked up as that of every dataset of people that the policy declares, or of the one that
    `key:<dataset>:…` names.
    """
    if is_id(person):
        return [parse_subject_id(person)]
    kind, value = _identifier(person)
    if kind == "email":
        fields, normal = [kind], vault_index.normalise_email(value)
    elif kind == "phone":
        fields, normal = [kind], vault_index.normalise_phone(value, house.settings.region)
    else:
        keys = _keys_of_people(conn, house.present(conn))
        dataset, _, rest = value.partition(":")
        fields, value = ([keys[dataset]], rest) if rest and dataset in keys else (list(keys.values()), value)
        normal = vault_index.normalise_key(value)
    found = [vault_index.find_many(conn, house.keys, field, [normal]).get(normal, []) for field in fields]
    return list(dict.fromkeys(subject for people in found for subject in people))


def _keys_of_people(conn: Connection, as_of: Instant) -> dict[str, str]:
    """Dataset of people → the field of the index that holds its keys."""
    policy = stored.present(conn, as_of)
    datasets = stored.load(conn, policy.rules).datasets if policy else {}
    return {
        name: vault_index.key_field(name, str(dataset["person"]))
        for name, dataset in datasets.items()
        if isinstance(dataset, dict) and dataset["per"] == "person"
    }


def _identifier(person: str) -> tuple[str, str]:
    kind, _, value = person.partition(":")
    if kind in ("key", "email", "phone"):
        return kind, value
    return ("email" if "@" in person else "phone" if person.startswith("+") else "key"), person


def published(conn: Connection, as_of: Instant) -> Compiled:
    """The policy in force at `as_of`, from its stored text; raises `Denied` when there is none."""
    row = stored.present(conn, as_of)
    if row is None:
        raise Denied("unknown_purpose", "no policy is in force; publish one with `pacte publish`")
    return compile_policy(load_policy_text(stored.policy_text(conn, row.policy), "policy.yaml"))


def choose(house: House, person: str, purpose: str, act: str, *, by: str = "cli", **details: Any) -> Recorded:
    """Record one choice of one person; `details` are those of `consent.choices.build_choice`.

    A no that comes through an identifier which several people share is recorded for each of them; a yes is not: it
    raises `Conflict`. Raises `NotFound` for an unknown person and `BadInput` for what the policy does not declare.
    """
    with house.writing() as conn:
        now = house.present(conn)
        details = {"effective": now, "grade": "none", "method": "staff"} | details
        people = _concerned(house, conn, person, act)
        compiled = published(conn, now)
        entries = [prepare(compiled, subject, purpose, act, by=by, now=now, **details) for subject in people]
        indices = house.record(conn, entries, house.clock())
    return Recorded(indices[0], indices.stop, people[0], now, tuple(people))


def prepare(compiled: Compiled, subject: SubjectId, purpose: str, act: str, **details: Any) -> dict[str, Any]:
    """The `choice` entry, checked against the policy; its expiry is fixed here, from the policy of the day."""
    fitting = choices.fitted(compiled.document, {**details, "purpose": purpose, "act": act})
    return choices.build_choice(subject=subject, **fitting | compiled.document.controller.standing)


def _concerned(house: House, conn: Connection, person: str, act: str) -> list[SubjectId]:
    """Whom a choice is recorded for: the one person named, or everybody whom a no may come from."""
    if act in choices.PROTECTIVE:
        found = people_of(house, conn, person)
    else:
        only = subject_of(house, conn, person)
        found = [] if only is None else [only]
    known = [subject for subject in found if log.of_subject(conn, subject)]
    if not known:
        raise NotFound("nobody with that identifier is known here; load them first")
    here = [
        subject for subject in known if not any(entry["kind"] == "erasure" for _, entry in queries.about(conn, subject))
    ]
    if not here:
        raise Denied("erased", "this person was erased; a new choice needs a new registration")
    return here
