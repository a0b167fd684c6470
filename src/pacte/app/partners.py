"""Lists that a company got from a partner: they enter with the seller's proof only, and their people must be told.

Each list is a source of its own in the mapping, without a notice: nobody on it was told by us, so nothing is permitted
with them but to tell them, within a month. Nobody enters whose address is suppressed for any reason or known here
already, since what they said here holds. A seller's word that somebody agreed is no choice of theirs here.
Source: GDPR Art. 5(2), 7(1), 14(3)(a).
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Connection, String, Table

from pacte.app import notices
from pacte.app.house import MAPPING
from pacte.app.loading import load
from pacte.app.policies import published
from pacte.consent import told
from pacte.gate.rules import role
from pacte.intake.load import LoadReport, people_from
from pacte.intake.mapping import Source, load_mapping
from pacte.kernel import db
from pacte.kernel.db import Int64, metadata
from pacte.kernel.errors import BadInput, Conflict, NotFound, named
from pacte.kernel.files import make_private, refused
from pacte.kernel.instant import Instant, add_months
from pacte.lake import numbers
from pacte.ledger import log, queries

if TYPE_CHECKING:
    from pacte.app.house import House

FOLDER = "partners"
"""The folder of a house where sellers' proofs are kept."""
LARGEST = 32 * 1024 * 1024
"""Bytes that a proof has at most."""
TOGETHER = 500
"""People who are recorded as told together."""
NO_PROOF = hashlib.sha256(b"").hexdigest()

partner_table = Table(
    "partner_list",
    metadata,
    Column("source", String(64), primary_key=True),
    Column("id", String(32), nullable=False),
    Column("proof", String(64), nullable=False),
    Column("rows", Int64, nullable=False),
    Column("begun", Int64, nullable=False),
    Column("entered", Int64),  # null: cut short
    Column("due", Int64, nullable=False),
    Column("told", Int64),
    sqlite_with_rowid=False,
)
_COLUMNS = tuple(column.name for column in partner_table.columns)
_QUOTED = ", ".join(f'"{name}"' for name in _COLUMNS)


@dataclass(frozen=True, slots=True)
class PartnerList:
    """One list: its source, the digest of the seller's proof, rows entered, until when its people must be told."""

    source: str
    id: str
    proof: str
    rows: int
    begun: Instant
    entered: Instant | None
    due: Instant
    told: Instant | None


def enter(house: House, path: Path, source: str, proof: Path, *, by: str) -> tuple[PartnerList, LoadReport]:
    """Enter a partner's list under a source of the mapping, with the seller's proof; cut short, it goes on from there.

    Where another file of a list whose people were told brings in more, they have a month of their own to be told in.
    Raises `BadInput` where the proof is empty, which is recorded, or where the mapping names a notice; `Conflict` where
    another list came under this source.
    """
    described, word = _described(house, source), _read(proof)
    digest = hashlib.sha256(word).hexdigest()
    list_ = _begun(house, described.provenance, digest)
    if digest == NO_PROOF:
        with house.writing() as conn:
            _record(house, conn, list_, "refused", by)
        raise BadInput(
            "the seller's proof is empty, and nothing was entered; ask for what each of these people agreed to"
        )
    _keep(house, digest, word, proof.suffix)
    with db.write(house.engine) as conn:
        values = tuple(getattr(list_, name) for name in _COLUMNS)
        marks = ", ".join("?" * len(_COLUMNS))
        db.run(conn, f"INSERT INTO partner_list ({_QUOTED}) VALUES ({marks}) ON CONFLICT (source) DO NOTHING", values)
        # INVARIANT: before anybody enters, somebody owes them the notice, also where the load is cut short.
        due = add_months(house.present(conn), 1)
        sql = "UPDATE partner_list SET told = NULL, due = ? WHERE source = ? AND told IS NOT NULL"
        db.run(conn, sql, (due, list_.source))
    report = load(house, path, source, by=by, bought=True)
    with house.writing() as conn:
        now, before = house.present(conn), of(conn, list_.source)
        if before.entered is not None and not report.new_people:
            sql = "UPDATE partner_list SET told = ?, due = ? WHERE source = ?"
            db.run(conn, sql, (list_.told, list_.due, list_.source))
            return of(conn, list_.source), report
        rows = report.accepted + (before.rows if before.entered is not None else 0)
        db.run(conn, 'UPDATE partner_list SET "rows" = ?, entered = ? WHERE source = ?', (rows, now, list_.source))
        entered = of(conn, list_.source)
        _record(house, conn, entered, "entered", by)
    return entered, report


def told_all(house: House, source: str, *, notice: str = "", by: str) -> int:
    """Record that the people of a list were told of a notice (its digest; the current one): answers how many were new.

    Raises `NotFound` for an unknown list or notice.
    """
    digest = notice or _current(house)
    notices.by_digest(house, digest)
    with house.reading() as conn:
        list_ = of(conn, source)
        people = people_from(conn, source)
    count = 0
    for some in (people[start : start + TOGETHER] for start in range(0, len(people), TOGETHER)):
        with house.writing() as conn:
            now = house.present(conn)
            known = told.told_since(conn, some, now, log.head(conn).size)
            new = [no for no in some if digest not in known.get(no, {})]
            about = {"kind": "told", "notice": digest, "effective": now, "how": "partner_list", "by": by}
            entries = [{**about, "subject": subject, **role(conn, now)} for subject in _here(conn, new)]
            if entries:
                house.record(conn, entries, house.clock())
            count += len(entries)
    with house.writing() as conn:
        db.run(conn, "UPDATE partner_list SET told = ? WHERE source = ?", (house.present(conn), source))
        _record(house, conn, replace(list_, rows=count), "told", by)
    return count


def listed(conn: Connection) -> list[PartnerList]:
    """Every list, the latest first."""
    rows = db.fetch(conn, f"SELECT {_QUOTED} FROM partner_list ORDER BY begun DESC, source")
    return [PartnerList(*row) for row in rows]


def of(conn: Connection, source: str) -> PartnerList:
    """The list of a source; raises `NotFound`."""
    found = [one for one in listed(conn) if one.source == source]
    if not found:
        raise NotFound("no partner's list of that source; `pacte partner list` shows them")
    return found[0]


def came(conn: Connection, source: str) -> bool:
    """Whether a source, as the ledger names it, is that of a list: one that entered, was cut short or was refused."""
    here = any(one.source == source for one in listed(conn))
    return here or any(entry["source"] == source for _, entry in log.of_kind(conn, "list"))


def untold(conn: Connection, now: Instant) -> list[PartnerList]:
    """The lists whose people should have been told by now, and were not."""
    return [one for one in listed(conn) if one.told is None and one.due <= now]


def prune(house: House, now: Instant) -> int:
    """Remove the proofs that nothing can be asked of any more; answers how many files.

    A proof is needed as long as anything is here of somebody who came with a list of it, and as long as claims can be
    made of what was done with them: `evidence.keep` of the policy, from when the last such list was entered. What the
    ledger says of it, the digest among it, stays. Source: GDPR Art. 5(1)(e), 5(2), 17(3)(e).
    """
    folder = house.path / FOLDER
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    if not files:
        return 0
    with house.reading() as conn:
        keep = published(conn, now).document.evidence.keep
        needed = {one.proof for one in listed(conn) if keep.after(one.begun) > now or people_from(conn, one.source)}
    gone = [one for one in files if one.name.partition(".")[0] not in needed]
    for one in gone:
        one.unlink(missing_ok=True)
    return len(gone)


def _described(house: House, source: str) -> Source:
    with house.reading() as conn:
        policy = published(conn, house.present(conn)).document
    found = load_mapping(house.path / MAPPING, policy).sources.get(source)
    if found is None:
        raise BadInput(f"the mapping has no source {named(source)}; a partner's list is a source of its own")
    dataset = policy.datasets.get(found.dataset)
    if found.choices or dataset is None or dataset.per != "person":
        raise BadInput("a partner's list is one of people; what they agreed to there is no choice of theirs here")
    if found.notice.column or found.notice.fixed:
        raise BadInput(
            "the source of a partner's list names no notice: its people were told nothing by this company yet"
        )
    return found


def _read(proof: Path) -> bytes:
    try:
        if proof.stat().st_size > LARGEST:
            raise BadInput(f"a seller's proof has {LARGEST // 1024 // 1024} megabytes at most")
        return proof.read_bytes()
    except OSError as error:
        raise BadInput(f"the seller's proof cannot be read: {refused(error)}") from None


def _begun(house: House, source: str, proof: str) -> PartnerList:
    """The list as it is, or as it will be; raises `Conflict` where its source has another already."""
    with house.reading() as conn:
        now = house.present(conn)
        there = [one for one in listed(conn) if one.source == source]
        if not there and people_from(conn, source):
            raise Conflict("this source is used for other files; a partner's list is a source of its own")
    if there and there[0].proof != proof:
        raise Conflict("another list came under this source; name a source of its own for each list")
    # The month counts from when the data came, that is from now. Source: GDPR Art. 14(3)(a).
    due = Instant(add_months(now, 1))
    return there[0] if there else PartnerList(source, secrets.token_hex(16), proof, 0, now, None, due, None)


def _keep(house: House, digest: str, word: bytes, suffix: str) -> None:
    folder = house.path / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    make_private(folder / f"{digest}{suffix if suffix[1:].isalnum() else ''}").write_bytes(word)


def _current(house: House) -> str:
    version = notices.current(house, house.settings.language)
    if version is None:
        raise NotFound("no notice is published; write what these people are told, and publish it")
    return version.digest


def _here(conn: Connection, nos: list[int]) -> Iterator[str]:
    """The people behind these numbers who are not being erased."""
    leaving = queries.unfinished_erasures(conn)
    found = numbers.subjects(conn, nos)
    return (found[no] for no in nos if no in found and found[no] not in leaving)


def _record(house: House, conn: Connection, list_: PartnerList, act: str, by: str) -> None:
    entry: dict[str, Any] = {
        "kind": "list",
        "list": list_.id,
        "act": act,
        "source": list_.source,
        "rows": list_.rows,
        "proof": list_.proof,
        "due": list_.due,
        "by": by,
        **role(conn, house.present(conn)),
    }
    house.record(conn, [entry], house.clock())
