"""Lists that are out: whom their holder must drop since, as references that mean something on that list alone."""

from __future__ import annotations

from pacte.app import exports, withdrawn
from pacte.kernel.instant import to_iso
from pacte.web.api.calls import Call, operation
from pacte.web.api.models import ListWithdrawn, WhichList


@operation("GET", "/lists/withdrawn", scope="lists:read", asks=WhichList, gives=ListWithdrawn, may=("not_found",))
def read_withdrawn(call: Call) -> ListWithdrawn:
    """Whom the holder of a list must drop now; that they asked is noted."""
    with call.house.reading() as conn:
        export = exports.of(conn, call.body.list)
    call.refuse_foreign(export.purpose)
    found = withdrawn.asked(call.house, export)
    return ListWithdrawn(list=export.id, until=to_iso(export.until), over=found.over, withdrawn=found.references)
