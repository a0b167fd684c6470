"""Bring a house that an earlier version made to today's format, in one transaction: all of it, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pacte.app import formats
from pacte.app.house import open_house, unchecked
from pacte.kernel import crash, db
from pacte.kernel.errors import Unsafe
from pacte.kernel.instant import Instant
from pacte.kernel.instant import now as system_clock
from pacte.ledger import log
from pacte.vault import checked


@dataclass(frozen=True, slots=True)
class Migrated:
    """From which format to which; the same twice when there was nothing to do."""

    before: str
    after: str


def migrate(path: Path, *, clock: Callable[[], Instant] = system_clock, passphrase: str | None = None) -> Migrated:
    """Migrate the house in `path`, then open it once; raises `Unsafe` where it cannot be trusted or is of a later day.

    The ledger is not touched: its head is compared. Rows from before there were check values are given theirs.
    """
    house = unchecked(path, clock=clock, passphrase=passphrase)
    try:
        with db.write(house.engine) as conn:
            before = formats.found(conn)
            formats.refuse_later(before)
            if before != formats.FORMAT:
                head = log.head(conn)
                formats.upgrade(conn)
                checked.check_old_rows(conn, house.keys)
                if log.head(conn) != head:
                    raise Unsafe("the migration would have changed the ledger; nothing was changed")
                crash.point("migrated-before-commit")
    finally:
        house.engine.dispose()
        house.keys.close()
    open_house(path, clock=clock, passphrase=passphrase).close()
    return Migrated(before, formats.FORMAT)
