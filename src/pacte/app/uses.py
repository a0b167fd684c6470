"""Declared uses: ask the gate for a population, then read what it permitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from pacte.app.choose import published
from pacte.app.house import House
from pacte.gate import use
from pacte.gate.permit import PermitSet
from pacte.gate.release import Source
from pacte.gate.values import Funnel, Question
from pacte.kernel.errors import BadInput
from pacte.ledger import log
from pacte.uses.audience import audience

if TYPE_CHECKING:
    import pandas
    import polars


@dataclass(frozen=True)
class Use:
    """A recorded use of one house: its permits, its funnel, and the table that they open."""

    house: House
    permits: PermitSet

    @property
    def id(self) -> str:
        """The identifier of the use, for `replay` and `prove`."""
        return self.permits.use

    @property
    def index(self) -> int:
        """Where the use stands in the ledger."""
        return self.permits.index

    @property
    def funnel(self) -> Funnel:
        """Who was left out, and why."""
        return self.permits.funnel

    def table(self, columns: Sequence[str] = ()) -> pa.Table:
        """The permitted people as an Arrow table: pseudonyms and declared, coarsened columns."""
        with self.house.reading() as conn:
            self.house.act(conn, "python")  # a clock that cannot be trusted opens nothing
            return audience(
                Source(conn, self.house.lake, self.house.keys), self.permits, self.house.present(conn), columns
            )

    def to_pandas(self, columns: Sequence[str] = ()) -> pandas.DataFrame:
        """The same table as a pandas data frame (needs the extra `pacte[pandas]`)."""
        try:
            frame: pandas.DataFrame = self.table(columns).to_pandas()
        except ImportError:
            raise BadInput("needs pandas; install it with `pip install pandas`") from None
        return frame

    def to_polars(self, columns: Sequence[str] = ()) -> polars.DataFrame:
        """The same table as a polars data frame (needs the extra `pacte[polars]`)."""
        try:
            import polars
        except ImportError:
            raise BadInput("needs polars; install it with `pip install polars`") from None

        frame = polars.from_arrow(self.table(columns))
        assert isinstance(frame, polars.DataFrame)  # noqa: S101 # a table never becomes a single column
        return frame


def declare(
    house: House,
    purpose: str,
    *,
    fields: Sequence[str] = (),
    channel: str = "",
    recipient: str = "",
    by: str = "python",
    proofs: bool = False,
) -> Use:
    """Declare a use: decide for everybody, record it, and only then hand out what it permits.

    Raises `Denied` for a purpose, field, channel or recipient that the policy in force does not declare; the message
    names those that it does. `proofs` also counts who would be permitted with a better proof of their consent.
    """
    with house.writing() as conn:
        act = house.act(conn, by)
        question = Question(purpose, act.present, log.head(conn).size, tuple(sorted(fields)), channel, recipient)
        until = published(conn, act.present).document.evidence.keep.after(act.present)
        permits = use.permit_set(conn, house.lake, question, act, until, proofs=proofs)
    return Use(house, permits)
