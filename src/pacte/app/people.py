"""Whom an identifier names: a subject id, a company's own key, an e-mail address, a telephone number."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from pacte.consent import state
from pacte.gate import rules as stored
from pacte.kernel import given
from pacte.kernel.errors import BadInput, Conflict
from pacte.kernel.ids import SubjectId, is_id, parse_subject_id
from pacte.kernel.instant import Instant
from pacte.vault import index as vault_index

if TYPE_CHECKING:
    from pacte.app.house import House

EMPTY = "an empty identifier; expected a subject id, or `key:…`, `email:…`, `phone:…`"
Found = Mapping[str, "list[SubjectId] | BadInput"]
"""By identifier: the people behind it, or what is wrong with its form."""


def subject_of(house: House, conn: Connection, person: str) -> SubjectId | None:
    """The person behind an identifier: a subject id, or `key:…`, `email:…`, `phone:…`; `None` when unknown.

    An identifier without a prefix is an e-mail address when it holds `@`, a phone number when it begins with `+`, and
    the company's own key otherwise. Raises `Conflict` for one that several people share.
    """
    return only(person, people_of(house, conn, person))


def is_here(conn: Connection, subject: SubjectId) -> bool:
    """Whether this person is known, and neither erased nor being erased, and their evidence has not ended."""
    person = state.look_up(conn, [subject]).get(subject)
    return person is not None and person.known and not person.erased


def only(person: str, people: list[SubjectId]) -> SubjectId | None:
    """The one of `people` behind the identifier `person`; raises `Conflict` when there are several."""
    if len(people) > 1:
        kind, _ = _identifier(person)
        raise Conflict(f"{len(people)} people share this `{kind}`; name the person by something they alone have")
    return people[0] if people else None


def people_of(house: House, conn: Connection, person: str) -> list[SubjectId]:
    """Everybody behind an identifier, as `subject_of` reads it: a household may share an address.

    A company's own key is looked up as that of every dataset of people that the policy declares, or of the one that
    `key:<dataset>:…` names.
    """
    found = people_of_all(house, conn, [person])[person]
    if isinstance(found, BadInput):
        raise found
    return found


def people_of_all(
    house: House, conn: Connection, persons: Collection[str], as_of: Instant | None = None
) -> dict[str, list[SubjectId] | BadInput]:
    """`people_of` for many identifiers, with one query for each kind of them; what is malformed costs only itself."""
    found: dict[str, list[SubjectId] | BadInput] = {}
    sought: dict[str, list[tuple[str, str]]] = {}
    keys: dict[str, str] | None = None
    for person in dict.fromkeys(persons):
        try:
            given.word(person, "person")
        except BadInput as fault:
            found[person] = fault
            continue
        if is_id(person):
            found[person] = [parse_subject_id(person)]
            continue
        kind, value = _identifier(person)
        if not value.strip():
            found[person] = BadInput(EMPTY)
            continue
        if kind == "key" and keys is None:
            keys = _keys_of_people(conn, house.present(conn) if as_of is None else as_of)
        try:
            fields, normal = _normal(kind, value, house.settings.region, keys or {})
        except BadInput as fault:
            found[person] = fault
            continue
        found[person] = []
        for field in fields:
            sought.setdefault(field, []).append((person, normal))
    for field, asked in sought.items():
        people = vault_index.find_many(conn, house.keys, field, list({normal for _, normal in asked}))
        for person, normal in asked:
            behind = found[person]
            if isinstance(behind, list):
                behind += [subject for subject in people.get(normal, []) if subject not in behind]
    return found


def spelled(house: House, person: str) -> str:
    """An identifier in one spelling, whichever of its spellings was given; what is malformed stays as it is."""
    kind, value = _identifier(person)
    try:
        return f"{kind}:{_normal(kind, value, house.settings.region, {})[1]}"
    except BadInput:
        return f"{kind}:{value.strip()}"


def _normal(kind: str, value: str, region: str, keys: Mapping[str, str]) -> tuple[list[str], str]:
    """The fields of the index to look in, and the value in normal form."""
    if kind == "email":
        return [kind], vault_index.normalise_email(value)
    if kind == "phone":
        return [kind], vault_index.normalise_phone(value, region)
    dataset, _, rest = value.partition(":")
    fields, value = ([keys[dataset]], rest) if rest and dataset in keys else (list(keys.values()), value)
    return fields, vault_index.normalise_key(value)


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
