"""Seeds: one invented person on each list that leaves, known to nobody else; mail to them says which list was misused.

What the house remembers of a seed is keyed fingerprints of its values. An address that turns up elsewhere is traced to
its list by them, and to nobody. Where the settings name an address of the company's own, the seed lies there, and is
still told from others by its name.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from email.utils import parseaddr
from typing import TYPE_CHECKING

from sqlalchemy import Column, Connection, String, Table

from pacte.kernel import db
from pacte.kernel.db import metadata
from pacte.keys.blind import blind

if TYPE_CHECKING:
    from pacte.app.house import House

KEY = "list-seeds"
"""The house's key by which seeds are remembered."""
_SYLLABLES = (
    "bar bel bor cal car dan del dor fal gar gel jol kar lan lor mal mor nar nel pol ral ror sal tan tor val vor"
)
_GIVEN = ("Alix", "Camille", "Charlie", "Dominique", "Eden", "Loïs", "Maxime", "Noa", "Sacha")

seed_table = Table(
    "export_seed",
    metadata,
    Column("digest", String(32), primary_key=True),
    Column("export", String(32), primary_key=True),
    sqlite_with_rowid=False,
)


def invented(house: House, kinds: Mapping[str, str]) -> dict[str, str]:
    """Values of somebody who does not exist, by field; `kinds` says of each field what it identifies people by."""
    given, surname = secrets.choice(_GIVEN), _surname()
    names = [field for field, kind in kinds.items() if kind == "name"]
    found = {
        "email": _email(house, given, surname),
        # Numbers that the French regulator keeps for fiction: anybody can leave them all out, and two lists may have
        # the same one, which the doctor says. Source: ARCEP decision 2009-0535.
        "phone": house.settings.lists.phone or f"+3363998{secrets.randbelow(10_000):04d}",
        "address": house.settings.lists.post or f"{9_001 + secrets.randbelow(999)} rue {surname}",
    }
    values = {field: found[kind] for field, kind in kinds.items() if kind in found}
    # As forms ask for them: the given name before the family's; one alone is of one word, as those of others.
    return values | dict.fromkeys(names[:-1], given) | dict.fromkeys(names[-1:], surname)


def remember(conn: Connection, house: House, export: str, values: Mapping[str, str]) -> None:
    """Remember a seed's values as fingerprints, the given name excepted, which is anybody's."""
    key = house.keys.house_key(KEY)
    digests = sorted({_digest(key, value) for value in values.values() if value not in _GIVEN})
    db.insert(conn, "export_seed", ("digest", "export"), [(digest, export) for digest in digests])


def traced(conn: Connection, house: House, value: str) -> list[str]:
    """The lists on which this address, number or name was the seed's."""
    digest = _digest(house.keys.house_key(KEY), value)
    return [row[0] for row in db.fetch(conn, "SELECT export FROM export_seed WHERE digest = ?", (digest,))]


def _digest(key: bytes, value: str) -> str:
    return blind(key, "seed", " ".join(value.casefold().split())).hex()


def _surname() -> str:
    """A family name of four syllables: more than four hundred thousand, and few of anybody's."""
    return "".join(secrets.choice(_SYLLABLES.split()) for _ in range(4)).capitalize()


def _email(house: House, given: str, surname: str) -> str:
    """At the company's own domain, so that whoever writes there is seen by its server."""
    local, _, domain = (house.settings.lists.email or parseaddr(house.settings.mail.sender)[1]).rpartition("@")
    if house.settings.lists.email:
        return f"{local}+{surname.lower()}@{domain}"
    return f"{given.lower().replace('ï', 'i')}.{surname.lower()}@{domain or 'lists.example'}"
