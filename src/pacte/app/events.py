"""Open what one person did for a purpose: the gate is asked, the use recorded, rows read, and the gate asked once more.

For whoever serves that person and nobody else: a shop that suggests what goes with what they bought. What many people
did comes out of the lake for populations only (`app.uses`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pacte.app.ask import permit, refused_since
from pacte.gate.permit import Permit
from pacte.gate.release import Source
from pacte.gate.rows import Row, rows_of_one
from pacte.gate.values import Decision
from pacte.kernel.errors import Conflict

if TYPE_CHECKING:
    from pacte.app.house import House

TRIES = 3
"""How often rows are read while the lake is being rewritten."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A recorded use of one person, and the rows that it opened, the latest first."""

    permit: Permit
    rows: tuple[Row, ...] = field(repr=False)


def open_events(
    house: House, person: str, purpose: str, *, fields: tuple[str, ...] = (), by: str = "python", key: str = ""
) -> Opened | Decision:
    """What a person did, as far as a purpose may see it; a refusal gives the `Decision`.

    With a `key`, the same call again opens the same under the permit that the first one gave, until that ends. Raises
    `NotFound` for somebody unknown, `Denied` for what the policy does not declare, or for a permit that has ended.
    """
    given = permit(house, person, purpose, fields=fields, by=by, key=key)
    if isinstance(given, Decision):
        return given
    opened = Opened(given, tuple(rows(house, given)))
    return refused_since(house, given) or opened


def rows(house: House, given: Permit) -> list[Row]:
    """The rows that a permit opens; read again where a load or an erasure rewrote the lake meanwhile."""
    for _ in range(TRIES - 1):
        try:
            return _read(house, given)
        except Conflict:
            continue
    return _read(house, given)


def _read(house: House, given: Permit) -> list[Row]:
    with house.reading() as conn:
        return rows_of_one(Source(conn, house.lake, house.keys), given, house.present(conn))
