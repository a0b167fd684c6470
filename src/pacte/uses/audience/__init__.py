"""Audiences: one row per permitted person, the declared columns only, under this purpose domain's pseudonyms.

Rows are ordered by pseudonym and values are coarsened as the policy says, so that two uses cannot join their people.
E-mail addresses and telephone numbers are not in it: the sending step opens them, person by person, asking again.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from pacte.gate.permit import PermitSet
from pacte.gate.release import Source, release
from pacte.kernel.instant import Instant

PSEUDONYM = "pseudonym"


def audience(source: Source, permits: PermitSet, now: Instant, columns: Sequence[str] = ()) -> pa.Table:
    """The permitted people as an Arrow table: `pseudonym` and the asked columns (by default all that are declared).

    Raises `BadInput` for a column that the use does not declare, naming those that it does, and `Denied` for an
    expired permit.
    """
    return release(source, permits, now, columns)
