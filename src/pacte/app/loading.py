"""Bring files in: lend intake the house's records, keys and lake, and give back what it set aside."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from pacte.app import compaction
from pacte.app.ahead import days_ahead
from pacte.app.ask import ACCOUNTABILITY
from pacte.app.choose import published
from pacte.app.house import MAPPING, QUARANTINE, House
from pacte.app.inflight import no_message_to
from pacte.gate import rules as stored
from pacte.intake.load import LoadReport, Stores, load_file
from pacte.intake.mapping import load_mapping
from pacte.intake.quarantine import expire, open_quarantine
from pacte.kernel.errors import BadInput, Conflict
from pacte.kernel.files import make_private
from pacte.kernel.instant import DAY

RHYTHM = 100 * DAY
"""How far the clock may stand after all that was recorded, in microseconds, while a load ends what was set aside.

Files that come once a quarter are no wrong clock; the rows lie in them still.
"""


def load(
    house: House,
    path: Path,
    source: str = "",
    progress: Callable[[int, int], None] | None = None,
    by: str = "import",
    *,
    bought: bool = False,
) -> LoadReport:
    """Load one file under the policy in force; raises `BadInput` for a file that no source of the mapping describes.

    Of a `bought` file nobody enters who is suppressed or known; see `app.partners`. Raises `Conflict` where any other
    comes under the source of a partner's list.
    """
    from pacte.app import partners

    with house.reading() as conn:
        now = house.present(conn)
        policy = published(conn, now).document
        mapping = load_mapping(house.path / MAPPING, policy)
        if not bought and partners.came(conn, mapping.source_for(path, source).provenance):
            raise Conflict("this source is a partner's list: `pacte partner enter` brings it in, with its proof")
        standing_ahead = days_ahead(conn, now, RHYTHM) > 0
    stores = Stores(
        writing=house.writing,
        keys=house.keys,
        lake=house.lake,
        quarantine=house.path / QUARANTINE,
        policy=policy,
        mapping=mapping,
        signer=house.signer,
        region=house.settings.region,
        bought=bought,
        ending=lambda people: no_message_to(house, people),
    )
    if not standing_ahead:  # what has ended then goes by the worker, or at the next load
        expire(stores.quarantine, house.keys, now)
    report = load_file(stores, path, now=now, clock=house.clock, source=source, by=by, progress=progress)
    if report.accepted:
        compaction.renew(house)
    return report


def rejected_rows(house: House, load_id: str, output: Path, by: str = "cli") -> int:
    """Write the rows that a load set aside as JSON lines, readable by their owner only; returns how many.

    They hold people's names and addresses, of whom nothing is known here: that somebody looked is recorded first.
    """
    if not load_id.replace("-", "").isalnum():
        raise BadInput("not the identifier of a load; expected the one that `pacte load` printed")
    rows = list(open_quarantine(house.path / QUARANTINE / f"{load_id}.jsonl", house.keys))
    with house.writing() as conn:
        role = stored.role(conn, house.present(conn))
        look = {"kind": "look_aside", "load": load_id, "rows": len(rows), "reason": "rejected", "by": by}
        house.record(conn, [{**look, "purpose": ACCOUNTABILITY, **role}], house.clock())
    with make_private(output).open("w", encoding="utf-8") as out:
        for row in rows:
            content = row.row.reveal()
            line = {"line": row.line, "column": row.column, "reason": row.reason}
            line |= {"raw": content.decode("utf-8", "replace")} if isinstance(content, bytes) else {"row": content}
            out.write(json.dumps(line, ensure_ascii=False, default=str) + "\n")
    return len(rows)
