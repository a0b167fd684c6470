"""What is unsafe for production, what is damaged, and what waits to be finished; the doctor changes nothing."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from time import sleep
from typing import Any

from sqlalchemy import Connection, text

from pacte.app import ahead, deliverability, server
from pacte.app.house import BEHIND, MAPPING, MOVED, RECORDS, House
from pacte.app.pictures import state as state_of_pictures
from pacte.app.policies import document
from pacte.app.trust import differences
from pacte.consent import snapshot, state
from pacte.gate import rules as stored
from pacte.gate import use
from pacte.intake.mapping import load_mapping
from pacte.kernel import db, jobs
from pacte.kernel.errors import Denied, PacteError
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import DAY, Instant
from pacte.lake import segments
from pacte.ledger import anchors, log, queries
from pacte.ledger.anchoring import WITHIN
from pacte.ledger.check import check as check_log
from pacte.vault import checked
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
    ended = {one.name for one in house.keys.tombstones() if one.which == "evidence"}
    with house.reading() as conn:
        found += _records(conn, house.clock())
        recorded = {str(subject) for subject, step in queries.erasure_steps(conn) if step == "evidence_ended"}
        if ended - recorded:
            found.append(Finding("error", "evidence_unfinished", str(len(ended - recorded))))
        if not _is_anchored(house, log.head(conn).size):
            found.append(Finding("error", "anchors_behind"))
        found += [Finding("error", "lake_damaged", problem) for problem in segments.check(conn, house.lake)]
    mail = (Finding(*one) for one in deliverability.judge(house))
    return [*found, *_pictures(house), *_files(house), *_waiting(house), *mail]


def _pictures(house: House) -> Iterator[Finding]:
    """Forms of which no picture was taken, where somebody wants one."""
    now = state_of_pictures(house)
    if now.missing and now.wanted:
        yield Finding("warning", "pictures_missing" if now.browser else "pictures_browser", str(now.missing))


def _waiting(house: House) -> Iterator[Finding]:
    """Campaigns that cannot leave, reports unread, lists that lie here too long, partners' people who should know."""
    from pacte.app import bounces, partners, readiness
    from pacte.app.exports import overdue, watched

    for code, name in readiness.waiting(house):
        yield Finding("warning", f"campaign_{code}", name[:8])
    if aside := bounces.unread(house):
        yield Finding("warning", "reports_unread", str(aside))
    if left := overdue(house):
        yield Finding("error", "lists_overdue", str(left))
    if out := watched(house):
        yield Finding("warning", "seeds_known", str(out))
    with house.reading() as conn:
        late = partners.untold(conn, house.clock())
    if late:
        yield Finding("error", "partners_untold", ", ".join(f"`{one.source}`" for one in late))


def _files(house: House) -> Iterator[Finding]:
    """What people write: the draft of the policy, and the mapping as the next load would read it.

    Mistakes of a draft are no damage: the policy in force goes on deciding, and publishing refuses them.
    """
    try:
        house.policy()
        yield Finding("ok", "policy_readable")
    except PacteError as error:
        yield Finding("warning", "policy_unreadable", str(error))
    try:
        load_mapping(house.path / MAPPING, document(house))
        yield Finding("ok", "mapping_readable")
    except Denied:
        pass  # no policy is in force, and nothing can be loaded: that is said
    except PacteError as error:
        yield Finding("warning", "mapping_unreadable", str(error))


def _is_anchored(house: House, size: int) -> bool:
    """Whether the anchor file knows this head; other processes that are at work have a second to write theirs."""
    house.anchoring.flush()
    for patience in (2 * WITHIN, 0):
        last = anchors.last_signed(anchors.read(house.anchor_file).anchors, house.vkey)
        if last is not None and last.size >= size:
            return True
        sleep(patience)
    return False


def check(house: House, lang: str = "en") -> list[str]:
    """Check the whole house: ledger, anchors, state against ledger, segments, rule tables. Empty when all is well.

    What is wrong with the ledger is said in `lang`; what is wrong elsewhere, in English.
    """
    tombstones = house.keys.tombstones()  # before the snapshot: what is erased meanwhile is no difference
    with house.reading() as conn:
        anchored = anchors.read(house.anchor_file).anchors
        problems = [problem.say(lang) for problem in check_log(conn, house.vkey, anchored)]
        problems += segments.check(conn, house.lake)
        problems += [_drift(d) for d in state.equal(conn, _all(conn), opener(house.keys), _cut_short(house, conn))]
        problems += [f"`{name}` does not follow from the ledger" for name in stored.differences(conn, _all(conn))]
        problems += snapshot.differences(conn, house.lake)
        problems += _stored_policies(conn)
        problems += differences(conn, house.keys, tombstones)
        recorded = queries.uses_of_sets(conn, 0, log.head(conn).size)
        problems += [_altered(index) for index, entry in recorded if not use.is_as_recorded(conn, entry)]
        problems += [_changed(table, rows) for table, rows in checked.altered(conn, house.keys).items() if rows]
    return problems


def _cut_short(house: House, conn: Connection) -> list[SubjectId]:
    """People whose evidence key is gone and whose rows are not yet: the end of their evidence was cut short.

    Asking for the end of evidence again finishes it; until then nothing about them can be opened or used.
    """
    ending = [subject for subject, _ in queries.evidence_ends(conn)]
    opened = house.keys.evidence_keys(ending)
    return [subject for subject in ending if subject not in opened]


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


def _changed(table: str, rows: int) -> str:
    return f"{rows} rows of `{table}` were changed behind the house's back"


def _all(conn: Connection) -> Iterator[tuple[int, dict[str, Any]]]:
    return ((index, entry) for index, entry in log.entries(conn) if entry is not None)


def _drift(found: state.Difference) -> str:
    return (
        f"`{found.table}` does not follow from the ledger: {found.missing} rows missing, {found.unexpected} unexpected"
    )


def _installation(house: House) -> Iterator[Finding]:
    if house.settings.keys.service == "file":
        yield Finding("warning", "keys_in_file")
    private = [house.key_folder, house.anchor_file]
    for path in private if house.settings.records.database else [house.path / RECORDS, *private]:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            yield Finding("error", "permissions", f"{path.name} ({mode:o})")
    if house.path.stat().st_dev == house.key_folder.stat().st_dev:
        yield Finding("warning", "keys_beside_data")
    if house.path.stat().st_dev == house.anchor_file.stat().st_dev:
        yield Finding("warning", "anchors_beside_data")
    noted = anchors.read(house.anchor_file)
    if noted.torn:
        yield Finding("warning", "anchors_torn")
    if unsigned := len(noted.anchors) - len(anchors.signed(noted.anchors, house.vkey)):
        yield Finding("error", "anchors_unsigned", str(unsigned))
    if not (house.settings.mail.host or house.settings.mail.folder):
        yield Finding("warning", "no_mail_server")
    if house.settings.mail.folder:
        yield Finding("warning", "letters_in_folder", f"`{house.settings.mail.folder}`")
    if house.settings.origin.startswith("pacte.example/"):
        yield Finding("warning", "origin_example")
    left = [name for name in (RECORDS, MOVED) if house.settings.records.database and (house.path / name).exists()]
    if left:
        yield Finding("warning", "records_left", f"`{left[0]}`")
    if house.keys.pending():
        yield Finding("error", "shredding_unfinished", str(len(house.keys.pending())))


def _durability(conn: Connection) -> Iterator[Finding]:
    if db.is_postgres(conn):
        lax = list(server.lax(conn))
        yield Finding("error", "server_forgets", ", ".join(lax)) if lax else Finding("ok", "server_durable")
        yield from (Finding("warning", code, detail) for code, detail in server.loose(conn))
        return
    synchronous = conn.execute(text("PRAGMA synchronous")).scalar()
    yield Finding("ok", "durability") if synchronous == 2 else Finding("error", "durability_lax")


def _records(conn: Connection, now: Instant) -> Iterator[Finding]:
    yield from _durability(conn)
    if stored.present(conn, Instant(max(now, log.head(conn).time))) is None:
        yield Finding("warning", "no_policy_in_force")
    begun = {e["subject"] for _, e in log.of_kind(conn, "erasure") if e["step"] == "restricted"}
    ended = {e["subject"] for _, e in log.of_kind(conn, "erasure") if e["step"] == "done"}
    if begun - ended:
        yield Finding("error", "erasure_unfinished", str(len(begun - ended)))
    due = sum(until <= now for _, until in queries.evidence_ends(conn))
    if due:
        yield Finding("error", "evidence_due", str(due))
    if days := ahead.days_ahead(conn, now):
        yield Finding("error", "clock_ahead", str(days))
    if log.head(conn).time - now > BEHIND:
        yield Finding("error", "clock_behind", str((log.head(conn).time - now) // DAY))
    if stops := stored.stops_in_force(conn, Instant(max(now, log.head(conn).time))):
        yield Finding("warning", "stops_in_force", ", ".join(f"`{stop.scope}`" for stop in stops))
    if late := jobs.counts(conn, now)["overdue"]:
        yield Finding("warning", "jobs_overdue", str(late))
    skewed = queries.skewed(conn)
    if skewed:
        yield Finding("warning", "clock_went_back", str(skewed))
