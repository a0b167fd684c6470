"""Erase one person: restrict first, remove everywhere, shred the data key last, record each end.

Every step may be repeated: an erasure cut short is finished by asking for it again. What stays is named: commitments in
the ledger, and the sealed facts until the declared end of the evidence (GDPR Art. 17(3)(e)).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from pacte.app import contact, exports, passkeys, pending, recipients, soft_bounces
from pacte.app.ahead import refuse_ahead
from pacte.app.choose import published, subject_of
from pacte.app.house import QUARANTINE, House
from pacte.app.inflight import no_message_to
from pacte.consent import state
from pacte.gate import rules as stored
from pacte.gate import use
from pacte.intake import load as intake
from pacte.intake import quarantine
from pacte.kernel import crash, db, unfinished
from pacte.kernel.canonical import Json, digest
from pacte.kernel.errors import NotFound
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import Instant
from pacte.lake import numbers, segments
from pacte.lake.holdings import rows_of
from pacte.ledger import log, queries
from pacte.ledger.anchoring import Unanchored
from pacte.policy.model import Evidence, PolicyFile
from pacte.vault import index as vault_index
from pacte.vault import sealed, suppression


@dataclass(frozen=True, slots=True)
class Certificate:
    """What was erased, what is kept and until when. `index` is the ledger entry that says so."""

    subject: SubjectId
    index: int
    at: Instant
    counts: dict[str, int]
    evidence_until: Instant
    suppressed_until: Instant


@dataclass(frozen=True, slots=True)
class Plan:
    """What an erasure would remove: rows per place. Nothing is changed by making one."""

    subject: SubjectId
    counts: dict[str, int]
    evidence_until: Instant


@dataclass(slots=True)
class Way:
    """How far an erasure has come: `""` before it is begun, then the names of `_STANDS`."""

    step: str = ""

    def said(self, error: Exception) -> str:
        """What is true of an erasure that this error cuts short, and what to do."""
        # Recorded, though not anchored: the step was taken.
        recorded = {"": "restricted", "shredded": "done"} if isinstance(error, Unanchored) else {}
        return _STANDS[recorded.get(self.step, self.step)]


_BEGUN = "the erasure is begun and not finished: the person is out of every use"
_GO_ON = "erase the same person again, and it goes on from there"
_STANDS = {
    "": "",
    "restricted": f"{_BEGUN}, and not all of their rows are removed; {_GO_ON}",
    "rows-gone": f"{_BEGUN} and their rows are removed, and their data key may still be there; {_GO_ON}",
    "shredded": f"{_BEGUN}, rows and data key are gone, and what may be missing is the record of it; {_GO_ON}",
    "done": (
        "the erasure is done and recorded; what was deleted may lie in the log of the records until nobody has the "
        "house open any more, or until the next erasure"
    ),
    "evidence": (
        "the data are erased, which is recorded, and the evidence that goes with them may still be there; run "
        "`pacte erase --end-evidence`"
    ),
}


def plan(house: House, person: str) -> Plan:
    """Say what erasing this person would remove, and how long the evidence would stay."""
    with house.reading() as conn:
        now = house.present(conn)
        subject = _subject(house, conn, person)
        counts = _holdings(house, conn, subject)
        return Plan(subject, counts, published(conn, now).document.evidence.keep.after(now))


def erase(house: House, person: str, by: str = "cli", *, suppress: bool = True) -> Certificate:
    """Erase one person from the house; raises `NotFound` for somebody unknown. Asking twice gives the same end.

    Without `suppress` no list remembers their address: for one that a stranger typed and its owner never confirmed.
    Where something fails on the way, the error says how far the erasure had come.
    """
    way = Way()
    with unfinished.saying(way.said):
        with no_message_to(house, [person]), house.writing() as conn:
            now = house.present(conn)
            subject = _subject(house, conn, person)
            document = published(conn, now).document
            certificate = certificate_in(conn, subject)
            if certificate is None:
                counts = restrict(house, conn, subject, now, by, suppress=suppress)
        if certificate is None:
            certificate = carry_out(house, subject, counts, document, now, by, way, suppress=suppress)
        way.step = "done"
        db.truncate_wal(house.engine)
        if document.evidence.shred_with_data:
            way.step = "evidence"
            _end_evidence_once(house, subject, now, by)
    return certificate


def end_evidence(house: House, now: Instant | None = None, by: str = "cli", *, sure: bool = False) -> list[SubjectId]:
    """Shred the evidence of every erased person whose declared end has come; returns whose. Idempotent.

    Suppressions that have ended go, too. Afterwards a replay answers `evidence expired`; proofs handed out before
    still verify. Raises `Unsafe` where the clock stands far ahead of all that was recorded, unless somebody is `sure`
    that it is right: what is destroyed here does not come back.
    """
    now = house.clock() if now is None else now
    if not sure:
        refuse_ahead(house, now)
    with house.reading() as conn:
        due = [subject for subject, until in queries.evidence_ends(conn) if until <= now]
    ended: list[SubjectId] = []
    with unfinished.saying(lambda _: _ended(len(ended), len(due))):
        for subject in due:
            end_evidence_of(house, subject, now, by)
            ended.append(subject)
    with db.write(house.engine) as conn:
        suppression.purge(conn, now)
        use.end_sets(conn, now)
    return due


def _ended(done: int, due: int) -> str:
    return (
        f"the evidence of {done} of {due} people has ended, that of the next one perhaps in part; ask again, and it "
        "goes on from there"
    )


def _end_evidence_once(house: House, subject: SubjectId, now: Instant, by: str) -> None:
    with house.reading() as conn:
        ended = any(entry.get("step") == "evidence_ended" for _, entry in queries.about(conn, subject))
    if not ended:
        end_evidence_of(house, subject, now, by)


def end_evidence_of(house: House, subject: SubjectId, now: Instant, by: str) -> None:
    """Shred one erased person's evidence and forget all that was derived from it. Idempotent up to one entry more."""
    house.keys.shred(subject, "evidence", now)
    with house.writing() as conn:
        _step(house, conn, subject, "evidence_ended", now, by)
        number = numbers.numbers(conn, [subject]).get(subject)
        if number is not None:
            state.forget(conn, [number])
            segments.rewrite_without(conn, house.lake, [number], "evidence", derived=True)
            numbers.release(conn, [number])
        bodies = [index for index, entry in log.of_subject(conn, subject) if entry and entry["kind"] != "erasure"]
        log.redact(conn, bodies)
    # Crash point `evidence-redacted`: files of the lake that the manifest no longer names may still lie there.
    crash.point("evidence-redacted")
    with db.write(house.engine) as conn:
        segments.garbage(conn, house.lake)
    db.truncate_wal(house.engine)


def certificate_in(conn: Connection, subject: SubjectId) -> Certificate | None:
    """The certificate of an erasure that is done; `None` before."""
    for index, entry in reversed(queries.about(conn, subject)):
        if entry["kind"] == "erasure" and entry["step"] == "done":
            ends = Instant(entry["evidence_until"]), Instant(entry["suppressed_until"])
            return Certificate(subject, index, Instant(entry["effective"]), entry["counts"], *ends)
    return None


def restrict(
    house: House, conn: Connection, subject: SubjectId, now: Instant, by: str, *, suppress: bool = True
) -> dict[str, int]:
    """Begin an erasure, in the caller's transaction: nothing is used from here on; answers what was held."""
    counts = _begin(house, conn, subject, now, by)
    _sign_out(conn, subject)
    # In the same commit: from here on a load knows the person by this list only, and enters nothing.
    if suppress:
        until = published(conn, now).document.suppression.keep.after(now)
        suppression.remember(conn, house.keys, subject, suppression.ERASED, until)
    return counts


def carry_out(
    house: House,
    subject: SubjectId,
    counts: dict[str, int],
    document: PolicyFile,
    now: Instant,
    by: str,
    way: Way | None = None,
    *,
    suppress: bool = True,
) -> Certificate:
    """Do what `restrict` began, up to the record of it. Every step may be repeated; `way` is told of each."""
    way = way or Way()
    way.step = "restricted"
    # Crash point `restricted`: the person is already out of every use; asking again goes on from here.
    crash.point("restricted")
    until = document.suppression.keep.after(now) if suppress else now
    with house.writing() as conn:
        if suppress:
            suppression.remember(conn, house.keys, subject, suppression.ERASED, until)
        pending.forget(conn, subject)
        soft_bounces.forget(conn, subject)
        recipients.erase(conn, subject)
        contact.erase(conn, subject)
        exports.erase(conn, house, subject)
        segments.rewrite_without(conn, house.lake, numbers.numbers(conn, [subject]).values(), "erasure")
        intake.forget(conn, subject)
        sealed.empty(conn, subject)
        fingerprints = vault_index.blinds_of(conn, subject)
    way.step = "rows-gone"
    # Crash point `rows-gone`: rows are gone and old segments unlisted; the data key stands until the next step, and the
    # index until the last, so that the person can still be named to finish the erasure.
    crash.point("rows-gone")
    with db.write(house.engine) as conn:
        segments.garbage(conn, house.lake)
    quarantine.forget(house.path / QUARANTINE, fingerprints)
    db.truncate_wal(house.engine)
    house.keys.shred(subject, "data", now)
    way.step = "shredded"
    # Crash point `shredded`: nothing can be read any more; what is missing is the record of it.
    crash.point("shredded")
    return _conclude(house, subject, counts, document, now, until, by)


def _conclude(
    house: House,
    subject: SubjectId,
    counts: dict[str, int],
    document: PolicyFile,
    now: Instant,
    until: Instant,
    by: str,
) -> Certificate:
    with house.writing() as conn:
        evidence_until = _evidence_until(conn, subject, document.evidence, now)
        certificate: dict[str, Json] = {
            "subject": subject,
            "counts": dict(counts),
            "evidence_until": evidence_until,
            "suppressed_until": until,
        }
        sealed.erase(conn, subject)
        passkeys.forget(conn, subject)
        _sign_out(conn, subject)
        details = {name: value for name, value in certificate.items() if name != "subject"}
        details |= {"certificate": digest(certificate)}
        index = _step(house, conn, subject, "done", now, by, **details)
    return Certificate(subject, index, now, counts, evidence_until, until)


def _evidence_until(conn: Connection, subject: SubjectId, evidence: Evidence, now: Instant) -> Instant:
    """The declared end of the evidence: counted from the last use that had the person, or from the erasure."""
    if evidence.shred_with_data:
        return now
    if evidence.event == "erasure":
        return evidence.keep.after(now)
    uses = [entry for _, entry in queries.uses_near(conn, subject)]
    had, _ = use.had(conn, uses, subject)
    return evidence.keep.after(max((Instant(int(str(e["at"]))) for e in uses if e["use"] in had), default=now))


def _subject(house: House, conn: Connection, person: str) -> SubjectId:
    subject = subject_of(house, conn, person)
    if subject is None or not log.of_subject(conn, subject):
        raise NotFound("nobody with that identifier is known here; perhaps they are erased already")
    return subject


def _holdings(house: House, conn: Connection, subject: SubjectId) -> dict[str, int]:
    found = numbers.numbers(conn, [subject]).get(subject)
    counts = {f"vault:{group}": rows for group, rows in sealed.held(conn, subject).items()}
    counts |= {f"lists:{channel}": rows for channel, rows in exports.held(conn, subject).items()}
    if found is not None:
        counts |= {f"lake:{name}": rows for name, rows in rows_of(conn, house.lake, found).items()}
    return {place: rows for place, rows in counts.items() if rows}


def _begin(house: House, conn: Connection, subject: SubjectId, now: Instant, by: str) -> dict[str, int]:
    """Restrict the person, unless an erasure cut short has done so; answers what was held when it began."""
    for _, entry in queries.about(conn, subject):
        if entry["kind"] == "erasure" and entry["step"] == "restricted":
            return dict(entry["counts"])
    counts = _holdings(house, conn, subject)
    _step(house, conn, subject, "restricted", now, by, counts=counts)
    return counts


def _sign_out(conn: Connection, subject: SubjectId) -> None:
    """End every sign-in of this person; nobody is signed in any more who is erased, or is being erased."""
    db.run(conn, "DELETE FROM web_session WHERE who = ?", (subject,))


def _step(house: House, conn: Connection, subject: SubjectId, step: str, now: Instant, by: str, **details: Any) -> int:
    entry = {"kind": "erasure", "subject": subject, "step": step, "effective": now, "by": by, **stored.role(conn, now)}
    return house.record(conn, [entry | details], house.clock())[0]
