"""Who of a list may leave with it now, and of one that has left, who still may be on it.

A list is of people whom one recorded use permitted. Between its decision and the moment at which it leaves anybody may
say no: what opens their addresses covers only those who still are permitted.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from pacte.gate.permit import PermitSet, PermitSome, _permit_some
from pacte.gate.population import decide_set
from pacte.gate.proposal import declared
from pacte.gate.questions import complete
from pacte.gate.release import Source, _refuse_foreign, still_permitted
from pacte.gate.values import Question
from pacte.kernel.errors import Denied
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import Instant
from pacte.lake import numbers


def handed(source: Source, permits: PermitSet, subjects: Collection[SubjectId], now: Instant) -> PermitSome:
    """A permit for those of the people whom a recorded use permitted and who still are permitted.

    Raises as `release` does.
    """
    permits.check(now)
    _refuse_foreign(source.conn, permits)
    _, held = still_permitted(source, permits, now)
    return _permit_some(permits, _among(source, subjects, held))


def still(source: Source, question: Question, subjects: Collection[SubjectId]) -> frozenset[SubjectId]:
    """Those of the people whom the gate permits by what is recorded so far; nobody where the use is declared no more.

    Nothing is released, and nothing recorded.
    """
    try:
        _, table = declared(source.conn, question)
        found = decide_set(source.conn, source.lake, table, complete(table, question))
    except Denied:
        return frozenset()
    return _among(source, subjects, found.permitted.to_numpy())


def _among(source: Source, subjects: Collection[SubjectId], held: np.ndarray) -> frozenset[SubjectId]:
    found = numbers.numbers(source.conn, subjects)
    nos = np.fromiter(found.values(), np.int64, len(found))
    return frozenset(one for one, kept in zip(found, np.isin(nos, held), strict=True) if kept)
