"""Declared uses: ask the gate for a population, then read what it permitted."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pyarrow as pa
from sqlalchemy import Connection

from pacte.app.choose import published
from pacte.app.house import House
from pacte.gate import use
from pacte.gate.permit import PermitSet
from pacte.gate.proposal import Proposal, propose, stands
from pacte.gate.release import Source
from pacte.gate.values import Funnel, Question
from pacte.kernel import given
from pacte.kernel.errors import BadInput, Conflict
from pacte.kernel.instant import Instant
from pacte.ledger import log
from pacte.uses.audience import audience
from pacte.uses.sql import LIMITS, Limits, ask

if TYPE_CHECKING:
    import pandas
    import polars


TRIES = 2
"""How often everybody is decided without holding up those who record, before a use holds them up."""


@dataclass(frozen=True, repr=False)
class Use:
    """A recorded use of one house: its permits, its funnel, and the table that they open."""

    house: House
    permits: PermitSet

    def __repr__(self) -> str:
        """What one wants to see of it in a notebook, and nothing of the house's settings."""
        purpose, counted = self.permits.record.question.purpose, self.funnel
        return f"<Use {self.id} of `{purpose}`, #{self.index}: {counted.permitted} of {counted.candidates} people>"

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
        columns = given.names(columns, "columns")
        with self.house.reading() as conn:
            self.house.act(conn, "python")  # a clock that cannot be trusted opens nothing
            return audience(
                Source(conn, self.house.lake, self.house.keys), self.permits, self.house.present(conn), columns
            )

    def sql(self, query: str, *, rows: int = LIMITS.rows, seconds: float = LIMITS.seconds) -> pa.Table:
        """The answer of one `SELECT` to a private copy of the permitted rows: a table per dataset; see `uses.sql`.

        Raises `BadInput` for a mistake in the query, one that takes longer than `seconds`, and an answer of more than
        `rows`; `Denied` for what lies outside of the copy.
        """
        answer = ask(self.table(), query, Limits(rows=rows, seconds=seconds))
        if answer.more:
            raise BadInput(f"the answer has more than {rows} rows; ask for fewer, or allow more of them with `rows`")
        return answer.table

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
    for name, value in (("purpose", purpose), ("channel", channel), ("recipient", recipient), ("by", by)):
        given.word(value, name)
    asked = Question(purpose, Instant(0), 0, tuple(sorted(given.names(fields, "fields"))), channel, recipient)
    for _ in range(TRIES):
        with suppress(Conflict):  # the lake was rewritten while it was read
            with house.reading() as conn:
                proposal = _proposed(house, conn, asked, by, proofs=proofs)
            with house.writing() as conn:
                act = house.act(conn, by)
                if stands(conn, proposal, act.present):
                    return Use(house, use.permit_set(conn, proposal, act, _until(conn, proposal.question.as_of)))
    with house.writing() as conn:  # too much is said meanwhile: whoever speaks waits until this is decided
        act = house.act(conn, by)
        proposal = _proposed(house, conn, asked, by, proofs=proofs)
        permits = use.permit_set(conn, proposal, act, _until(conn, proposal.question.as_of))
    return Use(house, permits)


def _proposed(house: House, conn: Connection, asked: Question, by: str, *, proofs: bool) -> Proposal:
    """What is so now, by all that is recorded."""
    present, known = house.act(conn, by).present, log.head(conn).size
    return propose(conn, house.lake, replace(asked, as_of=present, known=known), proofs=proofs)


def _until(conn: Connection, present: Instant) -> Instant:
    """The declared end of a sealed set."""
    return published(conn, present).document.evidence.keep.after(present)
