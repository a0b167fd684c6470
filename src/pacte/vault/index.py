"""The blind index: finds a person by e-mail, telephone or a source's key without storing any of them.

A field is `email`, `phone`, or the key of a dataset of people (`key:<dataset>.<field>`): two datasets may number
different people alike. Each field has its own house key (`blind:<field>`). Bulk functions take values already in
normal form; `find` normalises for the one who asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from sqlalchemy import Connection

from pacte.kernel import db
from pacte.kernel.errors import BadInput, Conflict
from pacte.kernel.ids import SubjectId
from pacte.keys.blind import blind
from pacte.keys.store import KeyStore
from pacte.vault.checked import columns, genuine, key_of, with_check
from pacte.vault.normalise import NORM_VERSION, normalise_email, normalise_key, normalise_phone
from pacte.vault.tables import INDEX, append, blank, look_up

__all__ = [
    "add",
    "blinder",
    "blinds",
    "blinds_of",
    "find",
    "find_many",
    "forget",
    "having",
    "key_field",
    "normalise_email",
    "normalise_key",
    "normalise_phone",
]

IndexRow: TypeAlias = "tuple[SubjectId, str, str]"
"""(subject, field, value in normal form)."""


def blinds(keys: KeyStore, values: Sequence[tuple[str, str]]) -> list[bytes]:
    """The blind value of each (field, value in normal form), in the same order."""
    field_keys = {field: _field_key(keys, field) for field in {field for field, _ in values}}
    return [blind(field_keys[field], field, value) for field, value in values]


def blinder(keys: KeyStore, field: str, region: str) -> Callable[[str], bytes]:
    """What makes the blind value of one value after the other, each as people write it; the key is looked up once.

    A value of the wrong form has none: it is empty.
    """
    key = _field_key(keys, field)

    def made(value: str) -> bytes:
        try:
            return blind(key, field, _normal(field, value, region))
        except BadInput:
            return b""

    return made


def key_field(dataset: str, name: str) -> str:
    """The index's name for the field by which a dataset of people names them."""
    return f"key:{dataset}.{name}"


def add(connection: Connection, keys: KeyStore, rows: Iterable[IndexRow]) -> None:
    """Make people findable by these values; a row that is there already changes nothing.

    Several people may share a value (a household's address), and a person may have several.
    """
    wanted = sorted(set(rows))
    blinded = blinds(keys, [(field, value) for _, field, value in wanted])
    filled = [(field, value, subject, NORM_VERSION) for (subject, field, _), value in zip(wanted, blinded, strict=True)]
    append(connection, INDEX, with_check(key_of(keys), INDEX, filled), "ON CONFLICT DO NOTHING")


def forget(connection: Connection, rows: Iterable[tuple[SubjectId, str]]) -> int:
    """Blank all index rows of each (subject, field), before new ones replace them; answers how many.

    An address that is no longer the person's must not lead to them. Source: GDPR Art. 5(1)(d).
    """
    return blank(connection, INDEX, "subject = ? AND field = ?", list(rows))


def blinds_of(connection: Connection, subject: SubjectId) -> list[bytes]:
    """The blind values that lead to a person, so that other places that keep them can let go of the person too.

    Without telephone numbers: a household shares one, and what another of its members left is not this person's.
    """
    query = "SELECT field, blind FROM vault_index WHERE subject = ? AND field <> 'phone'"
    return [value for _, value in sorted(db.fetch(connection, query, (subject,)))]


def find(connection: Connection, keys: KeyStore, field: str, value: str, region: str = "") -> SubjectId | None:
    """The one person with this value, written as people write it; `None` if nobody has it.

    `region` (such as `FR`) is needed for telephone numbers without country code. Raises `BadInput` for a value of the
    wrong form and `Conflict` when several people share it.
    """
    normal = _normal(field, value, region)
    people = find_many(connection, keys, field, [normal]).get(normal, [])
    if len(people) > 1:
        raise Conflict(f"{len(people)} people share this `{field}`; name the person by something they alone have")
    return people[0] if people else None


def find_many(connection: Connection, keys: KeyStore, field: str, normal: Sequence[str]) -> dict[str, list[SubjectId]]:
    """The people behind each value in normal form, in a stable order; values that nobody has are left out.

    Raises `Unsafe` when a row that would answer was changed behind the house's back.
    """
    sought = dict(zip(blinds(keys, [(field, value) for value in normal]), normal, strict=True))
    query = f"SELECT {columns(INDEX)} FROM vault_index WHERE field = ? AND blind"
    rows = genuine(key_of(keys), INDEX, look_up(connection, query, (field,), list(sought)))
    found: dict[str, list[SubjectId]] = {}
    for _, blinded, subject, _ in sorted(rows):
        found.setdefault(sought[blinded], []).append(subject)
    return found


def having(connection: Connection, keys: KeyStore, field: str, blinded: bytes) -> list[SubjectId]:
    """The people whom a blind value of this field leads to, in a stable order; none for one of keys of before.

    Raises `Unsafe` when a row that would answer was changed behind the house's back.
    """
    query = f"SELECT {columns(INDEX)} FROM vault_index WHERE field = ? AND blind"
    rows = genuine(key_of(keys), INDEX, look_up(connection, query, (field,), [blinded]))
    return sorted({subject for _, _, subject, _ in rows})


def _field_key(keys: KeyStore, field: str) -> bytes:
    if field not in ("email", "phone") and not field.startswith("key:"):
        raise BadInput(f"the index has no field `{field}`; expected `email`, `phone` or `key:<dataset>.<field>`")
    return keys.house_key(f"blind:{field}")


def _normal(field: str, value: str, region: str) -> str:
    if field == "email":
        return normalise_email(value)
    if field == "phone":
        return normalise_phone(value, region)
    return normalise_key(value)
