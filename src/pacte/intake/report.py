"""What a load did, in counts: for the screen, and for the ledger's `load` entry. No value of anybody is in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pacte.kernel.canonical import Json
from pacte.kernel.i18n import counted, text

_COUNTED = (
    *("unchanged", "updated", "new_people", "erased", "known", "unwanted"),
    *("unplaced", "guardians_missing", "widened"),
)
"""What is said of a load where there is any of it."""


@dataclass(frozen=True, slots=True)
class LoadReport:
    """One load. Every row of the file is counted once: accepted, unchanged, suppressed or rejected.

    `accepted` rows were entered, `updated` of them replaced what an earlier load had entered. Of the `suppressed` ones,
    `known` are of people who are here already and `unwanted` have an address that nothing is sent to any more, both of
    a partner's list only; the others are of people who were erased. `rejected` counts by reason code. `widened` counts
    each no that lost a detail which could not be read or is not declared, or that is of several people who share an
    address. `undeclared` are columns that never entered. `index` is the ledger entry of the load, `None` if it changed
    nothing.
    """

    load: str
    source: str
    dataset: str
    rows: int
    accepted: int
    unchanged: int
    updated: int
    new_people: int
    suppressed: int
    known: int
    unwanted: int
    rejected: Mapping[str, int]
    unplaced: int
    guardians_missing: int
    widened: int
    undeclared: tuple[str, ...]
    quarantine: Path | None
    index: int | None

    @property
    def erased(self) -> int:
        """How many rows are of people who were erased."""
        return self.suppressed - self.known - self.unwanted

    @property
    def rejected_rows(self) -> int:
        """How many rows were set aside."""
        return sum(self.rejected.values())

    def to_json(self) -> dict[str, Json]:
        """The report for programs."""
        counts = ("rows", "accepted", "unchanged", "updated", "new_people", "suppressed", "known", "unwanted")
        whole: dict[str, Json] = {"load": self.load, "source": self.source, "dataset": self.dataset}
        whole |= {name: getattr(self, name) for name in counts}
        whole |= {"unplaced": self.unplaced, "guardians_missing": self.guardians_missing, "widened": self.widened}
        whole |= {"rejected": dict(self.rejected)}
        whole["undeclared"] = list(self.undeclared)
        if self.quarantine:
            whole["quarantine"] = str(self.quarantine)
        if self.index is not None:
            whole["index"] = self.index
        return whole

    def lines(self, lang: str) -> list[str]:
        """The report in words, one line per fact worth saying."""
        told = [text("intake", "report.summary", lang, rows=self.rows, accepted=self.accepted)]
        told += [counted("intake", f"report.{name}", lang, n) for name in _COUNTED if (n := getattr(self, name))]
        for reason, count in sorted(self.rejected.items(), key=lambda one: -one[1]):
            told.append(counted("intake", "report.rejected", lang, count, reason=reason_text(reason, lang)))
        if self.undeclared:
            columns = ", ".join(f"`{name}`" for name in self.undeclared)
            told.append(text("intake", "report.undeclared", lang, columns=columns))
        return told


def reason_text(reason: str, lang: str) -> str:
    """What a reason code of a row set aside means."""
    return text("intake", f"reason.{reason}", lang)
