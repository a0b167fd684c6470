"""Read the ledger from the front doors: latest entries, its size, its checkpoint, its export."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pacte.app.ask import ACCOUNTABILITY
from pacte.app.choose import subject_of
from pacte.app.house import House, records_alone
from pacte.gate import use
from pacte.kernel.errors import NotFound
from pacte.kernel.files import make_private
from pacte.kernel.instant import SECOND, Instant
from pacte.ledger import log, queries
from pacte.ledger.checkpoint import sign_checkpoint
from pacte.ledger.export import export as exporting

HOUR = 3_600 * SECOND
"""How often the public checkpoint moves on, in microseconds."""


def latest(house: House, last: int, person: str = "", by: str = "cli") -> list[tuple[int, dict[str, Any] | None]]:
    """The last entries, oldest first, `None` where redacted, without whom they are about.

    With `person` only theirs, as they were recorded, and the look is recorded first.
    """
    if not person:
        with house.reading() as conn:
            size = log.head(conn).size
            return [(index, entry and nameless(entry)) for index, entry in log.entries(conn, max(0, size - last), size)]
    with house.writing() as conn:
        subject = subject_of(house, conn, person)
        found = [] if subject is None else log.of_subject(conn, subject)
        if subject is None or not found:
            raise NotFound("nobody with that identifier is known here")
        use.look(conn, subject, ACCOUNTABILITY, "ledger", house.clock(), house.signer, by)
    return list(found[-last:])


NAMING = ("subject", "commit", "sealed")
"""Keys that lead to one person."""


def nameless(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry without what leads to a person: who looks at the ledger in general looks at nobody."""
    return {key: value for key, value in entry.items() if key not in NAMING}


def size(house: House) -> int:
    """How many entries the ledger holds."""
    with house.reading() as conn:
        return log.head(conn).size


def signed_checkpoint(house: House) -> str:
    """The signed checkpoint of the ledger as it stands, in the C2SP form."""
    with house.reading() as conn:
        return log.head(conn).checkpoint


def published(house: House) -> log.Head:
    """The log as everybody is shown it: as it stood at the last full hour, signed, with that hour as its time.

    Its size grows with whatever is recorded of anybody. Shown at every moment, it would say whether a letter was just
    written to an address that somebody typed, so that anybody could learn who is a customer.
    """
    with house.reading() as conn:
        head, present = log.head(conn), house.present(conn)
        hour = Instant(present - present % HOUR)
        size = max(1, queries.settled_at(conn, Instant(hour - 1)))
        root = log.root_at(conn, size)
    # Signing is deterministic (RFC 8032): whoever asks again is given the same bytes.
    return log.Head(size, root, hour, sign_checkpoint(house.signer, size, root), head.vkey)


def export(house: House, output: Path) -> int:
    """Write the whole ledger to a file readable by its owner only; returns how many entries."""
    with house.reading() as conn, make_private(output).open("wb") as out:
        return exporting(conn, out)


def export_without_keys(path: Path, output: Path) -> int:
    """The same for a house whose keys are lost: the ledger needs none."""
    with records_alone(path) as conn, make_private(output).open("wb") as out:
        return exporting(conn, out)
