"""What is unsafe for production, what is damaged, and what waits to be finished; the doctor changes nothing."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from pacte.app.house import ANCHORS, KEYS, RECORDS, House
from pacte.consent import snapshot, state
from pacte.gate import rules as stored
from pacte.gate import use
from pacte.kernel.errors import PacteError
from pacte.kernel.instant import Instant
from pacte.lake import segments
from pacte.ledger import anchors, log, queries
from pacte.ledger.check import check as check_log
from pacte.vault.evidence import opener


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing the doctor saw: `level` is `error`, `warning` or `ok`; `code` names the message in the catalogue."""

    level: str
    code: str
    detail: str = ""


def examine(house: House) -> list[Finding]:
    """Look at the installation: keys, permissions, durability, policy, erasures cut short."""
    found = [*_installation(house)]
    with house.reading() as conn:
        found += _records(conn, house.clock())
        last = anchors.read(house.anchor_file).last
        if last is None or last.size < log.head(conn).size:
            found.append(Finding("error", "anchors_behind"))
        found += [Finding("error", "lake_damaged", problem) for problem in segments.check(conn, house.lake)]
    try:
        house.policy()
        found.append(Finding("ok", "policy_readable"))
    except PacteError as error:
        found.append(Finding("error", "policy_unreadable", str(error)))
    return found


def check(house: House, lang: str = "en") -> list[str]:
    """Check the whole house: ledger, anchors, state against ledger, segments, rule tables. Empty when all is well.

    What is wrong with the ledger is said in `lang`; what is wrong elsewhere, in English.
    """
    with house.reading() as conn:
        anchored = anchors.read(house.anchor_file).anchors
        problems = [problem.say(lang) for problem in check_log(conn, house.vkey, anchored)]
        problems += segments.check(conn, house.lake)
        problems += [_drift(d) for d in state.equal(conn, _all(conn), opener(house.keys))]
        problems += [f"`{name}` does not follow from the ledger" for name in stored.differences(conn, _all(conn))]
        problems += snapshot.differences(conn, house.lake)
        problems += _stored_policies(conn)
        recorded = log.of_kind(conn, "use")
        problems += [_altered(index) for index, entry in recorded if not use.is_as_recorded(conn, entry)]
    return problems


def _stored_policies(conn: Connection) -> Iterator[str]:
    for _, entry in log.of_kind(conn, "policy"):
        try:
            stored.load_json(conn, str(entry["rules"]))
            stored.policy_text(conn, str(entry["policy"]))
            if "advice_text" in entry:
                stored.advice_text(conn, str(entry["advice_text"]))
        except PacteError as error:
            yield str(error)


def _altered(index: int) -> str:
    return f"the stored set of people of the use of entry {index} is not the one that was recorded"


def _all(conn: Connection) -> Iterator[tuple[int, dict[str, Any]]]:
    return ((index, entry) for index, entry in log.entries(conn) if entry is not None)


def _drift(found: state.Difference) -> str:
    return (
        f"`{found.table}` does not follow from the ledger: {found.missing} rows missing, {found.unexpected} unexpected"
    )


def _installation(house: House) -> Iterator[Finding]:
    if house.settings.keys.service == "file":
        yield Finding("warning", "keys_in_file")
    for name in (RECORDS, KEYS, ANCHORS):
        mode = stat.S_IMODE((house.path / name).stat().st_mode)
        if mode & 0o077:
            yield Finding("error", "permissions", f"{name} ({mode:o})")
    if house.path.stat().st_dev == (house.path / KEYS).stat().st_dev:
        yield Finding("warning", "keys_beside_data")
    if house.path.stat().st_dev == house.anchor_file.stat().st_dev:
        yield Finding("warning", "anchors_beside_data")
    if anchors.read(house.anchor_file).torn:
        yield Finding("warning", "anchors_torn")
    if house.settings.origin.startswith("pacte.example/"):
        yield Finding("warning", "origin_example")
    if house.keys.pending():
        yield Finding("error", "shredding_unfinished", str(len(house.keys.pending())))


def _records(conn: Connection, now: Instant) -> Iterator[Finding]:
    synchronous = conn.execute(text("PRAGMA synchronous")).scalar()
    yield Finding("ok" if synchronous == 2 else "error", "durability")
    if stored.present(conn, Instant(max(now, log.head(conn).time))) is None:
        yield Finding("warning", "no_policy_in_force")
    begun = {e["subject"] for _, e in log.of_kind(conn, "erasure") if e["step"] == "restricted"}
    ended = {e["subject"] for _, e in log.of_kind(conn, "erasure") if e["step"] == "done"}
    if begun - ended:
        yield Finding("error", "erasure_unfinished", str(len(begun - ended)))
    due = sum(until <= now for _, until in queries.evidence_ends(conn))
    if due:
        yield Finding("error", "evidence_due", str(due))
    skewed = queries.skewed(conn)
    if skewed:
        yield Finding("warning", "clock_went_back", str(skewed))
